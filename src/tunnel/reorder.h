/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_REORDER_H
#define KT_TUNNEL_REORDER_H

#include "base/error.h"
#include "base/list.h"

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Reorder buffer
 *
 * Bytes of a session's incoming stream that came on one carrier while those
 * before them are still on another. They are kept once, in order, until their
 * turn. The sender does not go further than a window beyond what it knows to be
 * delivered, so this is bounded by that; reorder_init() says by how much
 * memory, and who sends so little at a time that it takes more gets -ENOBUFS.
 */

struct reorder_piece {
	struct list node;
	uint64_t at;
	size_t off, len, cap; /* the bytes are mem[off] to mem[off + len] */
	uint8_t mem[];
};

struct reorder {
	struct list pieces; /* in order, apart from each other */
	struct list *last;  /* where the last one came */
	size_t max;	    /* bytes */
	size_t used;
};

void reorder_init(struct reorder *r, size_t max);
/** reorder_reset() - forget all */
void reorder_reset(struct reorder *r);
/** reorder_put() - keep what of it is not there yet; @more: bytes that are
 *  about to come behind it. 0, -ENOBUFS, -ENOMEM */
KT_CHECK int reorder_put(struct reorder *r, uint64_t at, const uint8_t *p,
			 size_t n, size_t more);
/** reorder_take() - those from @at on, if that is here; free() it */
struct reorder_piece *reorder_take(struct reorder *r, uint64_t at);

#endif
