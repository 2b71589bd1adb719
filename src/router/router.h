/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_ROUTER_H
#define KT_ROUTER_ROUTER_H

#include "router/backend.h"

#include <stdint.h>

/**
 * DOC: Router
 *
 * A caller's connection from its first byte to its end: what it speaks is
 * found out, then each HTTP request goes to the backend that env->choose()
 * names. What is not HTTP goes as a whole where choose(NULL) says.
 */

struct router_conn;

enum router_proto {
	ROUTER_AUTO, /* the first bytes tell; perhaps the server speaks first */
	ROUTER_HTTP, /* a silent caller is waited for, and no backend asked */
};

/**
 * router_http_take() - serve a caller until its end
 * @port: of ours, for the rules; @caller: taken, an open pipe nobody has read
 * from, also on failure; @done: the last call, may be NULL; the handle is gone
 * Return: the handle, or NULL with errno.
 */
struct router_conn *router_http_take(struct router_env *env, uint16_t port,
				     enum router_proto proto,
				     struct pipe *caller,
				     const struct ipport *from,
				     void (*done)(void *user), void *user);
/**
 * router_dialled_take() - likewise, where the connection to the backend is
 * there before anybody has spoken: who speaks first decides, and no silence is
 * waited for
 * @up: taken, as @caller is
 */
struct router_conn *router_dialled_take(struct router_env *env, uint16_t port,
					struct pipe *caller, struct pipe *up,
					const struct ipport *from,
					void (*done)(void *user), void *user);
/** router_conn_drain() - end it when the request under way is answered, or
 * after a moment without one, and tell the caller so: "Connection: close" (RFC
 * 9112 section 9.6), GOAWAY (RFC 9113 section 6.8). What is not HTTP stays. The
 *  handle may be gone afterwards. */
void router_conn_drain(struct router_conn *rc);
/** router_conn_sweep() - end the idle connections to backends that serve no
 *  more (env->serves()), now and later */
void router_conn_sweep(struct router_conn *rc);
/** router_conn_free() - end it now, with resets; no callback; NULL is allowed
 */
void router_conn_free(struct router_conn *rc);

#endif
