/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_GITOPS_H
#define KT_CLUSTER_GITOPS_H

#include <jansson.h>

/**
 * gitops_manager() - the tool that keeps @obj as it is in Git, and may put it
 * back while we have it: Argo CD, Flux (by the labels and annotations that they
 * document); borrowed, NULL: none is known
 * @pause: how it is made to stop; borrowed
 */
const char *gitops_manager(const json_t *obj, const char **pause);

#endif
