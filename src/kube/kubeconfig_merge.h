/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_KUBECONFIG_MERGE_H
#define KT_KUBE_KUBECONFIG_MERGE_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

/**
 * struct kube_merged - the sum of several kubeconfig files
 *
 * The maps hold name -> {"dir": folder of its file, "file": its path,
 * "value": the entry}.
 */
struct kube_merged {
	json_t *clusters, *users, *contexts;
	char *current;	   /* current-context, or "" */
	struct strv files; /* in their order */
};

void kube_merged_init(struct kube_merged *m);
void kube_merged_fini(struct kube_merged *m);

/** kube_merged_add() - merge one file's text; entries that are there stay.
 *  0, or -EINVAL with @err (names @path and, where known, the line) */
KT_CHECK int kube_merged_add(struct kube_merged *m, const char *path,
			     const char *text, size_t len,
			     struct kt_error *err);

#endif
