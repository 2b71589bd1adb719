/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/replay.h"

#include "base/mem.h"

/* While bytes are outstanding, blocks are used again and again: memory given
 * back to the system comes back page by page, each with a fault. */
#define SPARES 32

struct replay_block {
	struct list node;
	struct replay_block *next; /* of the spare ones */
	uint64_t base;		   /* position of mem[0] */
	size_t len, cap;
	uint8_t mem[];
};

static struct replay_block *block_of(struct list *n)
{
	return container_of(n, struct replay_block, node);
}

void replay_init(struct replay *r, size_t block)
{
	*r = (struct replay){ .block = block };
	list_init(&r->blocks);
}

static void keep_spares(struct replay *r, size_t max)
{
	while (r->nspare > max) {
		struct replay_block *b = r->spare;

		r->spare = b->next;
		r->nspare--;
		free(b);
	}
}

void replay_fini(struct replay *r)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &r->blocks) {
		free(block_of(n));
	}
	list_init(&r->blocks);
	keep_spares(r, 0);
}

static struct replay_block *block_new(struct replay *r, size_t min)
{
	struct replay_block *b = r->spare;

	if (b && b->cap >= min) {
		r->spare = b->next;
		r->nspare--;
	} else {
		size_t cap = MAX(min, r->block);

		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		b->cap = cap;
	}
	b->len = 0;
	b->base = r->end;
	list_add_tail(&r->blocks, &b->node);
	return b;
}

static void block_drop(struct replay *r, struct replay_block *b)
{
	list_del(&b->node);
	b->next = r->spare;
	r->spare = b;
	r->nspare++;
}

/* Room in the last block; there is one */
static size_t room_left(const struct replay *r)
{
	const struct replay_block *last = block_of(r->blocks.prev);

	return last->cap - last->len;
}

uint8_t *replay_reserve(struct replay *r, size_t min, size_t *got)
{
	struct replay_block *b;

	if (!list_empty(&r->blocks) && room_left(r) >= min)
		b = block_of(r->blocks.prev);
	else
		b = block_new(r, min);
	if (!b)
		return NULL;
	*got = b->cap - b->len;
	return b->mem + b->len;
}

void replay_commit(struct replay *r, size_t n)
{
	block_of(r->blocks.prev)->len += n;
	r->end += n;
}

void replay_release(struct replay *r, uint64_t upto)
{
	struct list *n, *tmp;

	r->start = upto;
	list_for_each_safe (n, tmp, &r->blocks) {
		struct replay_block *b = block_of(n);

		if (b->base + b->len > upto)
			break;
		block_drop(r, b);
	}
	keep_spares(r, list_empty(&r->blocks) ? 1 : SPARES);
}

int replay_iov(const struct replay *r, uint64_t from, size_t max,
	       struct iovec *iov, int niov, size_t *len)
{
	struct list *n;
	int used = 0;

	*len = 0;
	list_for_each (n, &r->blocks) {
		struct replay_block *b = block_of(n);
		size_t off, part;

		if (used == niov || *len == max)
			break;
		if (b->base + b->len <= from)
			continue;
		off = from > b->base ? (size_t)(from - b->base) : 0;
		part = MIN(b->len - off, max - *len);
		iov[used].iov_base = b->mem + off;
		iov[used++].iov_len = part;
		*len += part;
	}
	return used;
}
