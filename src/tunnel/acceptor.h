/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_ACCEPTOR_H
#define KT_TUNNEL_ACCEPTOR_H

#include "tunnel/session.h"

/**
 * DOC: Acceptor
 *
 * The accepting side of sessions: a carrier that somebody opened to us says in
 * its HELLO which session it belongs to. A known one continues over it, a new
 * one is reported to the owner, anything else is refused with the reason.
 * Bounded: carriers without HELLO, by number and time; sessions, by number.
 */

#define ACCEPTOR_SESSIONS 256 /* at once */

struct acceptor;

struct acceptor_ops {
	/**
	 * session() - a client wants a new session
	 * The owner makes it with session_new(..., hello->id, ...) and reports
	 * it to acceptor_remove() before it frees it.
	 * Return: the session, or NULL: refused.
	 */
	struct session *(*session)(void *user, const struct frame_hello *hello);
	/** full() - there is no room for another one: acceptor_remove() one
	 *  that is worth less, or it is refused; may be NULL */
	void (*full)(void *user);
};

struct acceptor *acceptor_new(struct loop *loop,
			      const struct session_config *cfg,
			      const struct acceptor_ops *ops, void *user);
/** acceptor_free() - also closes the carriers without session; the sessions
 *  stay their owner's */
void acceptor_free(struct acceptor *a);
/** acceptor_take() - somebody opened @c (taken) */
void acceptor_take(struct acceptor *a, struct carrier *c);
/** acceptor_remove() - @s is no longer to be resumed */
void acceptor_remove(struct acceptor *a, const struct session *s);

#endif
