/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_CONN_H
#define KT_ROUTER_CONN_H

#include "base/buf.h"
#include "router/backend.h"
#include "pipe/pipe.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Inside of the router
 *
 * A connection is served by one part at a time (listen, http1, http2, join,
 * linger),
 * which owns the caller's pipe and hands it to the next part with all that is
 * known of it. Parts free their memory with loop_defer_free().
 */

/** struct part_ops - what is asked of the part that serves a connection */
struct part_ops {
	void (*free)(void *part); /* resets what it owns */
	/** drain() - conn->draining is set now; NULL: its end is not ours */
	void (*drain)(void *part);
	/** sweep() - some backend may serve no more; NULL: all are in use */
	void (*sweep)(void *part);
};

struct router_conn {
	struct router_env *env;
	uint16_t port;
	struct ipport from;
	bool draining;
	void *part;
	const struct part_ops *ops;
	void (*done)(void *user);
	void *user;
};

/** struct conn_end - a pipe that is handed on, with what was received on it and
 *  is not yet consumed */
struct conn_end {
	struct pipe *pipe; /* taken */
	struct buf in;	   /* taken */
	size_t early;	   /* bytes at its front that are consumed already */
	bool eof;	   /* eof() was called */
	bool finished;	   /* pipe_finish() was called */
};

/* more than any pipe's window */
#define CONN_BUF_MAX ((size_t)16 << 20)

/** conn_become() - this part serves it now */
static inline void conn_become(struct router_conn *rc, void *part,
			       const struct part_ops *ops)
{
	rc->part = part;
	rc->ops = ops;
}

/** conn_over() - the part has ended and owns nothing any more */
void conn_over(struct router_conn *rc);
/** conn_end_reset() - end both halves now */
void conn_end_reset(struct conn_end *e);

/** join_start() - couple two open pipes until both ways are over: end of file
 *  is passed on as such, a reset as a reset. On failure both are reset and the
 *  connection is over. */
void join_start(struct router_conn *rc, struct conn_end *a, struct conn_end *b);

/* how long a caller may still say something behind our end */
#define CONN_LINGER_NS (2 * NS_SEC)

/** linger_start() - all was said to the open pipe @caller (taken): finish our
 *  half, throw away what still comes, close it */
void linger_start(struct router_conn *rc, struct pipe *caller);

/** http1_start() - serve a caller that speaks it; as above.
 *  @up: a connection to a backend that is open already and whose it is (@ref),
 *  or NULL */
void http1_start(struct router_conn *rc, struct conn_end *caller,
		 struct conn_end *up, struct backend_ref ref);
/** http2_start() - serve a caller that speaks HTTP/2; as above */
void http2_start(struct router_conn *rc, struct conn_end *caller);

#endif
