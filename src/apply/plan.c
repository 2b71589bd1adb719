/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/plan.h"

#include "base/mem.h"

#include <string.h>

/* The first of @have that nobody has taken and that is @want, or about the same
 */
static size_t apply_plan_find(const struct apply_have *have, size_t n,
			      const bool *taken, const struct apply_want *want,
			      bool same)
{
	for (size_t i = 0; i < n; i++) {
		bool fits =
			same ? !have[i].unsettled && strcmp(have[i].digest,
							    want->digest) == 0
			     : strcmp(have[i].key, want->key) == 0;

		if (fits && !taken[i])
			return i;
	}
	return APPLY_NONE;
}

void apply_plan_make(struct apply_plan *p, const struct apply_want *want,
		     size_t nwant, const struct apply_have *have, size_t nhave)
{
	auto_free bool *taken = xcalloc(nhave + 1, sizeof(*taken));

	*p = (struct apply_plan){ .v = xcalloc(nwant + nhave + 1,
					       sizeof(*p->v)) };
	for (size_t i = 0; i < nwant; i++) {
		size_t same =
			apply_plan_find(have, nhave, taken, &want[i], true);

		p->v[p->n++] = (struct apply_step){ APPLY_KEEP, i, same };
		if (same != APPLY_NONE)
			taken[same] = true;
	}
	for (size_t i = 0; i < nwant; i++) {
		struct apply_step *s = &p->v[i];

		if (s->have != APPLY_NONE || want[i].served)
			continue;
		s->have = apply_plan_find(have, nhave, taken, &want[i], false);
		s->act = s->have == APPLY_NONE ? APPLY_START : APPLY_CHANGE;
		if (s->have != APPLY_NONE)
			taken[s->have] = true;
	}
	for (size_t i = 0; i < nhave; i++)
		if (!taken[i])
			p->v[p->n++] =
				(struct apply_step){ APPLY_END, APPLY_NONE, i };
}

void apply_plan_fini(struct apply_plan *p)
{
	free(p->v);
	*p = (struct apply_plan){ 0 };
}

size_t apply_plan_count(const struct apply_plan *p, enum apply_act act)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].act == act;
	return n;
}
