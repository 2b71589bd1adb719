/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_FLAGS_H
#define KT_MAP_FLAGS_H

#include <jansson.h>

struct kube_config;

/** flags_new() - words that lead a command to the cluster of @c, whatever the
 *  folder, the environment and the current context are where it is pasted
 *  (returned, caller decrefs); not quoted */
json_t *flags_new(const struct kube_config *c);

#endif
