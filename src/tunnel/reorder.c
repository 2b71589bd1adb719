/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/reorder.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define PIECE_MIN 4096 /* a carrier brings little at a time */
#define PIECE_MAX (64 * 1024)

static struct reorder_piece *piece_of(struct list *n)
{
	return container_of(n, struct reorder_piece, node);
}

static uint64_t piece_end(const struct reorder_piece *p)
{
	return p->at + p->len;
}

static size_t piece_cost(const struct reorder_piece *p)
{
	return sizeof(*p) + p->cap;
}

void reorder_init(struct reorder *r, size_t max)
{
	*r = (struct reorder){ .max = max };
	list_init(&r->pieces);
	r->last = &r->pieces;
}

static void reorder_unlink(struct reorder *r, struct reorder_piece *p)
{
	if (r->last == &p->node)
		r->last = p->node.prev;
	list_del(&p->node);
	r->used -= piece_cost(p);
}

void reorder_reset(struct reorder *r)
{
	while (!list_empty(&r->pieces)) {
		struct reorder_piece *p = piece_of(r->pieces.next);

		reorder_unlink(r, p);
		free(p);
	}
}

/* the last one that begins at @at or before, or NULL. What comes belongs near
 * what came before it: the carriers are at places that follow each other, and
 * many pieces may wait behind these, or before. */
static struct reorder_piece *reorder_before(struct reorder *r, uint64_t at)
{
	struct list *n = r->last;

	while (n != &r->pieces && piece_of(n)->at > at)
		n = n->prev;
	while (n->next != &r->pieces && piece_of(n->next)->at <= at)
		n = n->next;
	r->last = n;
	return n == &r->pieces ? NULL : piece_of(n);
}

/* where the next one after @at begins */
static uint64_t reorder_limit(struct reorder *r, const struct reorder_piece *p)
{
	struct list *next = p ? p->node.next : r->pieces.next;

	return next == &r->pieces ? UINT64_MAX : piece_of(next)->at;
}

static int reorder_add(struct reorder *r, struct reorder_piece *before,
		       uint64_t at, const uint8_t *p, size_t n, size_t more)
{
	size_t cap = MAX(n, (size_t)PIECE_MIN);
	struct reorder_piece *new;

	/* that is copied behind it */
	if (more)
		cap = MAX(cap, MIN(n + more, (size_t)PIECE_MAX));
	if (r->used + sizeof(*new) + cap > r->max)
		cap = n;
	if (r->used + sizeof(*new) + cap > r->max)
		return -ENOBUFS;
	new = malloc(sizeof(*new) + cap);
	if (!new)
		return -ENOMEM;
	*new = (struct reorder_piece){ .at = at, .len = n, .cap = cap };
	memcpy(new->mem, p, n);
	r->used += piece_cost(new);
	list_add_tail(before ? before->node.next : r->pieces.next, &new->node);
	return 0;
}

int reorder_put(struct reorder *r, uint64_t at, const uint8_t *p, size_t n,
		size_t more)
{
	while (n) {
		struct reorder_piece *b = reorder_before(r, at);
		size_t part = n;
		int rc;

		if (b && piece_end(b) > at) { /* here already */
			part = (size_t)MIN(piece_end(b) - at, (uint64_t)n);
		} else if (b && piece_end(b) == at &&
			   b->off + b->len < b->cap) {
			part = MIN(part, b->cap - b->off - b->len);
			part = (size_t)MIN((uint64_t)part,
					   reorder_limit(r, b) - at);
			memcpy(b->mem + b->off + b->len, p, part);
			b->len += part;
		} else {
			part = (size_t)MIN((uint64_t)part,
					   reorder_limit(r, b) - at);
			rc = reorder_add(r, b, at, p, part,
					 n - part ? 0 : more);
			if (rc < 0)
				return rc;
		}
		at += part;
		p += part;
		n -= part;
	}
	return 0;
}

struct reorder_piece *reorder_take(struct reorder *r, uint64_t at)
{
	while (!list_empty(&r->pieces)) {
		struct reorder_piece *p = piece_of(r->pieces.next);
		size_t old;

		if (p->at > at)
			return NULL;
		reorder_unlink(r, p);
		old = (size_t)(at - p->at);
		if (old < p->len) {
			p->at += old;
			p->off += old;
			p->len -= old;
			return p;
		}
		free(p);
	}
	return NULL;
}
