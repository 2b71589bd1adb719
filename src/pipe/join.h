/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_PIPE_JOIN_H
#define KT_PIPE_JOIN_H

#include "base/loop.h"
#include "pipe/pipe_end.h"

struct join;

/**
 * join_start() - couple two open pipes until both ways are over: end of file is
 * passed on as such, a reset as a reset, a full side stops the other
 * @a, @b: taken, also on failure (both are reset then)
 * @done: the last call, never from within this one; the handle is gone; may be
 * NULL
 * Return: the handle, or NULL: it is over already, or there is no memory.
 */
struct join *join_start(struct loop *l, struct pipe_end *a, struct pipe_end *b,
			void (*done)(void *user), void *user);
/** join_sockets() - likewise, two connected stream sockets
 *  Return: the handle, or NULL with errno. */
struct join *join_sockets(struct loop *l, int a, int b,
			  void (*done)(void *user), void *user);
/** join_tap() - @fn is shown what comes, before it goes on; @of_a: from a */
void join_tap(struct join *j,
	      void (*fn)(void *user, bool of_a, const uint8_t *p, size_t n));
/** join_close() - end it now without a word to either side, where a descriptor
 *  of it is somebody else's, too; no callback; NULL is allowed */
void join_close(struct join *j);
/** join_reset() - end it now, with resets; no callback; NULL is allowed */
void join_reset(struct join *j);

#endif
