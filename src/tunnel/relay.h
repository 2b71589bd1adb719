/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_RELAY_H
#define KT_TUNNEL_RELAY_H

#include "base/buf.h"
#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>

struct mux_stream;
struct pace;

/**
 * DOC: Relay
 *
 * Couples a connected stream socket with a stream of the mux, both ways, until
 * both are over: end of file is passed on as such (half-close), a reset as a
 * reset, and a full side stops the other. It frees itself.
 */

/** struct relay_hooks - all may be NULL, also the whole */
struct relay_hooks {
	/** group - of relays that are ended together (borrowed) */
	struct relay_group *group;
	/** seen() - bytes go by: of the stream (@asked), or of the socket */
	void (*seen)(void *user, bool asked, const uint8_t *p, size_t n);
	/** finish() - both directions ended in peace; @fd is taken. Without
	 *  it the socket is closed. */
	void (*finish)(void *user, int fd);
	/** done() - the relay is over: 0 or -errno; the last call */
	void (*done)(void *user, int error);
};

/** struct relay_early - what came on the stream before the relay began, and how
 *  it goes on */
struct relay_early {
	struct buf data;   /* taken: not yet consumed (mux_stream_consume()) */
	bool ended;	   /* the peer's half is finished */
	int error;	   /* the stream is closed already: 0 or -errno */
	struct pace *pace; /* taken: of a fault, or NULL */
};

/**
 * relay_start() - begin
 * @fd: taken, also on failure; is made non-blocking
 * @s: the stream; NULL when it is closed already (@early says how)
 * @accept: it is a request: answer it with 200
 * @early: or NULL; its data is taken
 * Return: 0 or -errno (the stream is reset, no hook is called).
 */
KT_CHECK int relay_start(struct loop *loop, int fd, struct mux_stream *s,
			 bool accept, struct relay_early *early,
			 const struct relay_hooks *hooks, void *user);

/** struct relay_group - relays; relay_group_init() makes it an empty one */
struct relay_group {
	struct list relays;
};

static inline void relay_group_init(struct relay_group *g)
{
	list_init(&g->relays);
}

/** relay_group_fini() - its relays live on without it and without their hooks
 */
void relay_group_fini(struct relay_group *g);
/** relay_group_end_quiet() - where the socket's program has spoken last and
 *  nothing passed for @quiet_ns, or nothing ever did, act as if it had
 *  finished its half */
void relay_group_end_quiet(struct relay_group *g, int64_t quiet_ns);

/** fd_close_reset() - close a TCP socket so that its peer sees a reset */
void fd_close_reset(int fd);

#endif
