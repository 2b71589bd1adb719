/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_SCALE_BACK_H
#define KT_INBOUND_SCALE_BACK_H

#include "kube/client.h"

/** struct scale_back - all borrowed */
struct scale_back {
	struct kube *kube;
	const char *ns;
	int64_t limit; /* ns: how long its Pods may take */
	/** say() - a line about what was done; wait() - about what is waited
	 *  for; both may be NULL */
	void (*say)(void *user, const char *text);
	void (*wait)(void *user, const char *text);
	void *user;
};

/**
 * scale_back() - carry out a scale_list: what stands at 0 gets its number back,
 * its Pods are waited for, then the record on it goes. Sequential code.
 * Return: 0; 1: done, but for Pods that are not ready within the limit: their
 * records stay, and say() has told so; -errno with @err.
 */
KT_CHECK int scale_back(const struct scale_back *s, const json_t *list,
			struct kt_error *err);

/** scale_back_is_ready() - 1: all Pods of the workload are ready, or it is
 *  gone; 0: not yet; -errno with @err */
KT_CHECK int scale_back_is_ready(struct kube *k, const char *ns,
				 const char *resource, const char *name,
				 struct kt_error *err);

#endif
