/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_CONN_H
#define KT_ROUTER_CONN_H

#include "pipe/pipe_end.h"
#include "router/backend.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/**
 * DOC: Inside of the router
 *
 * A connection is served by one part at a time (listen, http1, http2, join,
 * linger), which owns the caller's pipe and hands it to the next part with all
 * that is known of it. Parts free their memory with loop_defer_free().
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

/** conn_become() - this part serves it now */
static inline void conn_become(struct router_conn *rc, void *part,
			       const struct part_ops *ops)
{
	rc->part = part;
	rc->ops = ops;
}

/** router_choose() - @was: who was not reached, or NULL */
static inline struct backend_ref router_choose(struct router_env *env,
					       uint16_t port,
					       const struct rule_request *req,
					       const struct backend_ref *was)
{
	return was && env->again ? env->again(env, port, req, *was)
				 : env->choose(env, port, req);
}

/** router_served_by() - of the choice just made, returned (caller frees); NULL:
 *  there is nothing to say, or no memory */
static inline char *router_served_by(const struct router_env *env)
{
	return env->said.served_by[0] ? strdup(env->said.served_by) : NULL;
}

/** conn_over() - the part has ended and owns nothing any more */
void conn_over(struct router_conn *rc);
/** conn_join() - couple two open pipes until both ways are over. On failure
 * both are reset and the connection is over. */
void conn_join(struct router_conn *rc, struct pipe_end *a, struct pipe_end *b);

/* how long a caller may still say something behind our end */
#define CONN_LINGER_NS (2 * NS_SEC)

/** linger_start() - all was said to the open pipe @caller (taken): finish our
 *  half, throw away what still comes, close it */
void linger_start(struct router_conn *rc, struct pipe *caller);

/** http1_start() - serve a caller that speaks it; as above.
 *  @up: a connection to a backend that is open already and whose it is (@ref),
 *  or NULL */
void http1_start(struct router_conn *rc, struct pipe_end *caller,
		 struct pipe_end *up, struct backend_ref ref);
/** http2_start() - serve a caller that speaks HTTP/2; as above; @up has brought
 *  nothing yet */
void http2_start(struct router_conn *rc, struct pipe_end *caller,
		 struct pipe_end *up, struct backend_ref ref);

#endif
