/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_EXTENTS_H
#define KT_TUNNEL_EXTENTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Extents
 *
 * A queue of ranges of a session's byte stream: what is under way on a carrier,
 * or has to be sent again. Ranges that follow each other are one.
 */

#define EXTENTS_MAX 4096 /* ranges in one queue */

struct extent {
	uint64_t at, len;
};

/** struct extents - zero is the empty one */
struct extents {
	struct extent *mem;
	size_t first, n, cap;
};

void extents_fini(struct extents *e); /* may be used again */
bool extents_empty(const struct extents *e);
/** extents_full() - there may be no room for another */
bool extents_full(const struct extents *e);
/** extents_put() - append; 0, -ENOMEM, -ENOBUFS (EXTENTS_MAX) */
KT_CHECK int extents_put(struct extents *e, uint64_t at, uint64_t len);
/** extents_first() - the oldest, or NULL */
const struct extent *extents_first(const struct extents *e);
/** extents_find() - of the bytes from @at on the first that is in it; false:
 *  none. @x: that, and what follows it there */
bool extents_find(const struct extents *e, uint64_t at, struct extent *x);
/** extents_drop() - forget the first @n bytes of it all */
void extents_drop(struct extents *e, uint64_t n);
/** extents_move() - append @from, which is empty then; 0 or -errno */
KT_CHECK int extents_move(struct extents *to, struct extents *from);

#endif
