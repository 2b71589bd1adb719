/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_RELAY_H
#define KT_TUNNEL_RELAY_H

#include "base/buf.h"
#include "base/loop.h"

#include <stdbool.h>

struct mux_stream;

/**
 * DOC: Relay
 *
 * Couples a connected stream socket with a stream of the mux, both ways, until
 * both are over: end of file is passed on as such (half-close), a reset as a
 * reset, and a full side stops the other. It frees itself.
 */

/** struct relay_hooks - all may be NULL, also the whole */
struct relay_hooks {
	/** finish() - both directions ended in peace; @fd is taken. Without
	 *  it the socket is closed. */
	void (*finish)(void *user, int fd);
	/** done() - the relay is over: 0 or -errno; the last call */
	void (*done)(void *user, int error);
};

/** struct relay_early - what came on the stream before the relay began */
struct relay_early {
	struct buf data; /* taken: not yet consumed (mux_stream_consume()) */
	bool ended;	 /* the peer's half is finished */
	int error;	 /* the stream is closed already: 0 or -errno */
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

/** fd_close_reset() - close a TCP socket so that its peer sees a reset */
void fd_close_reset(int fd);

#endif
