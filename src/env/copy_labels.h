/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COPY_LABELS_H
#define KT_ENV_COPY_LABELS_H

#include <jansson.h>

/** struct copy_labels - which of the original's labels may stay; borrowed */
struct copy_labels {
	const json_t *labels;	/* of the original's Pods */
	const json_t *ours;	/* what the copy's Pods get besides */
	const json_t *services; /* array */
	const json_t *selector; /* of the original workload, or NULL */
	const json_t *policies; /* array, or NULL */
};

/**
 * copy_labels_make() - labels of the copy's Pods: ours, and of the others all
 * but those that have to go (see copy.h); returned, caller decrefs
 *
 * Then nothing of @services and not @selector finds the copy, but for selectors
 * that ask for nothing but labels of ours: those mean it.
 */
json_t *copy_labels_make(const struct copy_labels *c);

/** copy_labels_policy() - the name of one of @policies that is for @labels and
 *  not for @kept; borrowed, NULL: there is none */
const char *copy_labels_policy(const struct copy_labels *c, const json_t *kept);

#endif
