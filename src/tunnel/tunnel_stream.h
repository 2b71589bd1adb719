/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_TUNNEL_STREAM_H
#define KT_TUNNEL_TUNNEL_STREAM_H

#include "base/list.h"
#include "base/loop.h"
#include "tunnel/mux.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: A stream of the tunnel
 *
 * A stream of bytes that begins as a stream of one mux and may move, while
 * bytes flow, to a stream of another: bulk goes to a session, and so a carrier,
 * of its own, where nobody waits behind it. Which one moves, and when, is
 * decided by the mover (tunnel/scheduler), which is told what it has to know
 * for that. Its user sees none of it: the functions are those of
 * mux_stream, with the same rules. Theory: tunnel_stream.c.
 */

struct tunnel_stream;
struct tunnel_stream_move;
struct stream_mover;

/** struct stream_mover_ops - what a mover is told */
struct stream_mover_ops {
	/** note() - @l, which has not moved, carried @n bytes */
	void (*note)(struct stream_mover *mv, struct tunnel_stream *l,
		     size_t n);
	/** forget() - @l, whose @queued it is, is over */
	void (*forget)(struct stream_mover *mv, struct tunnel_stream *l);
	/** answered() - the other end answered a request to move with @status
	 */
	void (*answered)(struct stream_mover *mv, int status);
};

/** struct stream_mover - embed it; the mux of a stream has one, or NULL
 */
struct stream_mover {
	const struct stream_mover_ops *ops;
};

/** struct tunnel_stream - embed it; only tunnel_stream.c looks inside. The
 * memory must stay until the batch of events in which it is over has ended. */
struct tunnel_stream {
	struct loop *loop;
	const struct mux_stream_ops *ops; /* NULL: over */
	void *user;
	struct mux_stream *first;
	struct tunnel_stream_move *move; /* NULL: it has not moved */
	struct list waiting;		 /* of @queued */
	uint64_t received, sent;	 /* bytes of @first */
	size_t owed;		     /* of these, received and not consumed */
	uint64_t burst;		     /* bytes since it was idle, both ways */
	int64_t last;		     /* when it was not */
	struct stream_mover *queued; /* in whose list it is, or NULL */
	bool ended;		     /* the peer's half: end() was called */
	bool finished;		     /* our half: read() said 0 */
	bool fixed;		     /* moves no more */
};

/**
 * tunnel_stream_begin() - take over @s, as mux_stream_set_ops() does
 * @received, @ended: what came on it before; not yet consumed
 * @ops: all members but head are required
 */
void tunnel_stream_begin(struct tunnel_stream *l, struct loop *loop,
			 struct mux_stream *s, size_t received, bool ended,
			 const struct mux_stream_ops *ops, void *user);
/** tunnel_stream_accept() - the same with a request, and answer it (200); 0,
 * -errno */
KT_CHECK int tunnel_stream_accept(struct tunnel_stream *l, struct loop *loop,
				  struct mux_stream *s,
				  const struct mux_stream_ops *ops, void *user);
/** tunnel_stream_open() - the same with a stream of @m that is opened for it
 * (client); 0, -errno */
KT_CHECK int tunnel_stream_open(struct tunnel_stream *l, struct loop *loop,
				struct mux *m, const struct mux_request *req,
				const struct mux_stream_ops *ops, void *user);
static inline bool tunnel_stream_alive(const struct tunnel_stream *l)
{
	return l->ops;
}
/* as mux_stream_resume(), _consume(), _reset() do */
void tunnel_stream_resume(struct tunnel_stream *l);
void tunnel_stream_consume(struct tunnel_stream *l, size_t n);
void tunnel_stream_reset(struct tunnel_stream *l, int error);

/** tunnel_stream_fix() - it does not move any more */
void tunnel_stream_fix(struct tunnel_stream *l);

/* --- moving, for the mover and the shadow --------------------------------- */

/** tunnel_stream_find() - the one that began as stream @id of @m, or NULL */
struct tunnel_stream *tunnel_stream_find(struct mux *m, uint32_t id);
/** tunnel_stream_ask() - have the peer continue it on a new stream of @m
 * (client), opened with @req; 0, -errno. The mover's answered() tells how it
 * ended.
 */
KT_CHECK int tunnel_stream_ask(struct tunnel_stream *l, struct mux *m,
			       const struct mux_request *req);
/** tunnel_stream_continue() - the peer asked for that: @s (taken) is the new
 * stream; it is accepted, or refused when it moved before */
void tunnel_stream_continue(struct tunnel_stream *l, struct mux_stream *s);

#endif
