/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_PLAN_H
#define KT_APPLY_PLAN_H

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: The difference
 *
 * Pure: from what is wanted and what there is, to one step for each. What has
 * the same digest stays; of the rest what has the same key, and so is about
 * the same thing, is another form of it; all else begins or ends.
 */

struct apply_want {
	const char *key, *digest;
	bool served; /* by somebody else: nothing is to be done */
};

struct apply_have {
	const char *key, *digest;
	bool unsettled; /* not up, or not any more */
};

enum apply_act { APPLY_KEEP, APPLY_START, APPLY_CHANGE, APPLY_END };

#define APPLY_NONE ((size_t)-1)

struct apply_step {
	enum apply_act act;
	size_t want; /* APPLY_NONE with APPLY_END */
	size_t have; /* APPLY_NONE with APPLY_START, and where it is served */
};

struct apply_plan {
	struct apply_step *v; /* the wanted ones in their order, then what ends
			       */
	size_t n;
};

void apply_plan_make(struct apply_plan *p, const struct apply_want *want,
		     size_t nwant, const struct apply_have *have, size_t nhave);
void apply_plan_fini(struct apply_plan *p);
/** apply_plan_count() - the steps that are @act */
size_t apply_plan_count(const struct apply_plan *p, enum apply_act act);

#endif
