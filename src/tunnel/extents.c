/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/extents.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

void extents_fini(struct extents *e)
{
	free(e->mem);
	*e = (struct extents){ 0 };
}

bool extents_empty(const struct extents *e)
{
	return e->n == 0;
}

bool extents_full(const struct extents *e)
{
	return e->n >= EXTENTS_MAX;
}

const struct extent *extents_first(const struct extents *e)
{
	return e->n ? &e->mem[e->first] : NULL;
}

bool extents_find(const struct extents *e, uint64_t at, struct extent *x)
{
	bool found = false;

	for (size_t i = 0; i < e->n; i++) {
		struct extent y = e->mem[e->first + i];
		uint64_t skip = y.at < at ? MIN(at - y.at, y.len) : 0;

		y.at += skip;
		y.len -= skip;
		if (!y.len || (found && y.at >= x->at))
			continue;
		*x = y;
		found = true;
	}
	return found;
}

/* room for one more behind the last */
static int extents_grow(struct extents *e)
{
	size_t cap = e->cap ? e->cap * 2 : 8;
	struct extent *mem;

	if (e->first + e->n < e->cap)
		return 0;
	if (e->first) {
		memmove(e->mem, e->mem + e->first, e->n * sizeof(*e->mem));
		e->first = 0;
		/* it is not to be moved for every one that comes */
		if (e->n <= e->cap / 2)
			return 0;
	}
	if (e->n >= EXTENTS_MAX)
		return -ENOBUFS;
	mem = realloc(e->mem, cap * sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	e->mem = mem;
	e->cap = cap;
	return 0;
}

int extents_put(struct extents *e, uint64_t at, uint64_t len)
{
	struct extent *last = e->n ? &e->mem[e->first + e->n - 1] : NULL;
	int rc;

	if (last && last->at + last->len == at) {
		last->len += len;
		return 0;
	}
	rc = extents_grow(e);
	if (rc < 0)
		return rc;
	e->mem[e->first + e->n++] = (struct extent){ at, len };
	return 0;
}

void extents_drop(struct extents *e, uint64_t n)
{
	while (n && e->n) {
		struct extent *x = &e->mem[e->first];
		uint64_t part = MIN(n, x->len);

		x->at += part;
		x->len -= part;
		n -= part;
		if (x->len)
			break;
		e->first++;
		if (--e->n == 0)
			e->first = 0;
	}
}

int extents_move(struct extents *to, struct extents *from)
{
	const struct extent *x;
	int rc = 0;

	while (rc == 0 && (x = extents_first(from))) {
		rc = extents_put(to, x->at, x->len);
		if (rc == 0)
			extents_drop(from, x->len);
	}
	return rc;
}
