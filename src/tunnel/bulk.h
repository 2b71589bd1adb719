/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_BULK_H
#define KT_TUNNEL_BULK_H

#include "base/carrier.h"
#include "tunnel/link.h"
#include "tunnel/tunnel_stream.h"

/**
 * DOC: A session for bulk
 *
 * A link, and so a carrier, for streams that carry much, opened for the first
 * of them and closed when nobody used it for a while. Streams that come before
 * it is up wait, and flow where they are meanwhile. Its owner
 * (tunnel/scheduler) decides which stream goes to which.
 *
 * Where it may have several carriers (lanes()) it begins with four, opened at
 * once (bulk_begin_wide()), and doubles their number as long as either end has
 * more to send than they take and the last ones brought more; design.md 2.2
 * says why.
 *
 *   OPENING -> UP <-> LOST      carriers are opened again
 *   OPENING -> gone             not to be had
 *   UP, LOST -> gone            dead, or idle
 */

struct bulk;

struct bulk_ops {
	/** open() - another carrier to the other end (returned, may be
	 *  opening), or NULL: not now */
	struct carrier *(*open)(void *user);
	/** lanes() - how many carriers it may have now */
	unsigned int (*lanes)(void *user, const struct bulk *b);
	/** ask() - @l is to be moved to @m, which is up */
	void (*ask)(void *user, struct tunnel_stream *l, struct mux *m);
	/** gone() - it is over, with those that waited still in it: take them
	 *  with bulk_take(), then bulk_free(). @idle: nobody used it */
	void (*gone)(void *user, struct bulk *b, bool idle);
};

/** bulk_new() - with its first carrier under way; @ops, @user, @mover (of its
 *  streams) borrowed; NULL: not to be had */
struct bulk *bulk_new(struct loop *loop, const struct session_config *scfg,
		      const struct mux_config *mcfg, struct stream_mover *mover,
		      const struct bulk_ops *ops, void *user);
/** bulk_begin_wide() - it is not up yet, and the other end takes several
 *  carriers: open up to @most at once */
void bulk_begin_wide(struct bulk *b, unsigned int most);
/** bulk_free() - end its session with the words @why; NULL is allowed */
void bulk_free(struct bulk *b, const char *why);

/** bulk_add() - have @l moved to it, now or when it is up */
void bulk_add(struct bulk *b, struct tunnel_stream *l);
/** bulk_take() - one that waits, and now no more; NULL: none */
struct tunnel_stream *bulk_take(struct bulk *b);
/** bulk_retry() - the other end is within reach again: have a carrier now, if
 *  it was lost */
void bulk_retry(struct bulk *b);
/** bulk_load() - streams on it and for it */
size_t bulk_load(const struct bulk *b);
/** bulk_is_free() - there are none, and the other end has the last bytes of
 *  those that were */
bool bulk_is_free(const struct bulk *b);
/** bulk_was_up() - it was up once */
bool bulk_was_up(const struct bulk *b);
struct session *bulk_session(const struct bulk *b);

#endif
