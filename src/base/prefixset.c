/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prefixset.h"

#include "base/mem.h"

#include <string.h>

static int compare(const struct ipprefix *a, const struct ipprefix *b)
{
	int c = ipaddr_cmp(&a->addr, &b->addr);

	return c ? c : (int)a->len - (int)b->len;
}

static void remove_at(struct prefixset *s, size_t i)
{
	memmove(&s->v[i], &s->v[i + 1], (--s->n - i) * sizeof(*s->v));
}

static void insert_sorted(struct prefixset *s, const struct ipprefix *p)
{
	size_t i = 0;

	s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
	while (i < s->n && compare(&s->v[i], p) < 0)
		i++;
	memmove(&s->v[i + 1], &s->v[i], (s->n++ - i) * sizeof(*s->v));
	s->v[i] = *p;
}

/* The prefix that is one bit shorter, and whether @a and @b are its halves. */
static bool prefixset_join(const struct ipprefix *a, const struct ipprefix *b,
			   struct ipprefix *whole)
{
	if (a->len != b->len || !a->len || a->addr.family != b->addr.family)
		return false;
	*whole = ipprefix_make(&a->addr, a->len - 1U);
	return ipprefix_covers(whole, b) && !ipaddr_eq(&a->addr, &b->addr);
}

void prefixset_add(struct prefixset *s, const struct ipprefix *p)
{
	struct ipprefix whole;

	for (size_t i = 0; i < s->n; i++)
		if (ipprefix_covers(&s->v[i], p))
			return;
	for (size_t i = s->n; i-- > 0;)
		if (ipprefix_covers(p, &s->v[i]))
			remove_at(s, i);
	for (size_t i = 0; i < s->n; i++) {
		if (!prefixset_join(&s->v[i], p, &whole))
			continue;
		remove_at(s, i);
		prefixset_add(s, &whole);
		return;
	}
	insert_sorted(s, p);
}

void prefixset_remove(struct prefixset *s, const struct ipprefix *p)
{
	struct prefixset old = *s;

	*s = (struct prefixset){ 0 };
	for (size_t i = 0; i < old.n; i++) {
		struct ipprefix rest[128];
		size_t n = ipprefix_subtract(&old.v[i], p, rest);

		for (size_t k = 0; k < n; k++)
			insert_sorted(s, &rest[k]);
	}
	prefixset_fini(&old);
}

bool prefixset_has(const struct prefixset *s, const struct ipaddr *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (ipprefix_has(&s->v[i], a))
			return true;
	return false;
}

bool prefixset_overlaps(const struct prefixset *s, const struct ipprefix *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (ipprefix_covers(&s->v[i], p) ||
		    ipprefix_covers(p, &s->v[i]))
			return true;
	return false;
}

struct prefixset prefixset_copy(const struct prefixset *s)
{
	struct prefixset c = { .n = s->n };

	if (s->n) {
		c.v = xmalloc(s->n * sizeof(*s->v));
		memcpy(c.v, s->v, s->n * sizeof(*s->v));
	}
	return c;
}

void prefixset_fini(struct prefixset *s)
{
	free(s->v);
	*s = (struct prefixset){ 0 };
}
