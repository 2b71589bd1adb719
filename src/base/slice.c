/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

static bool slice_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
	for (; s.n && slice_is_blank(s.p[0]); s.n--)
		s.p++;
	while (s.n && slice_is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_cut(struct slice *s, char sep, struct slice *head)
{
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;

	if (!at)
		return false;
	*head = (struct slice){ s->p, (size_t)(at - s->p) };
	s->n -= head->n + 1;
	s->p = at + 1;
	return true;
}

struct slice slice_next(struct slice *s, char sep)
{
	struct slice head = *s;

	if (!slice_cut(s, sep, &head) && s->n)
		*s = (struct slice){ s->p + s->n, 0 };
	return head;
}
