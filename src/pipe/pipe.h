/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_PIPE_H
#define KT_PIPE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: Pipe
 *
 * A byte stream with two halves, whatever it is made of (a socket, a stream of
 * the tunnel). Handlers are called from the event loop only, never from within
 * one of the calls below. A handler may do everything, pipe_close() included.
 *
 *   opening -> open -> closed
 *   receiving: data* eof        what came is credit until pipe_consume()
 *   sending:   send* finish
 */

struct pipe;

/** struct pipe_handler - the user of a pipe; no member may be NULL */
struct pipe_handler {
	/** opened() - the far side took the connection; not called for a pipe
	 *  that was open from the start */
	void (*opened)(void *user);
	/** data() - bytes came, borrowed; all are taken, and no more come than
	 *  a window beyond what was given back with pipe_consume() */
	void (*data)(void *user, const uint8_t *p, size_t n);
	/** eof() - the far side's half is finished */
	void (*eof)(void *user);
	/** writable() - pipe_send() takes bytes again */
	void (*writable)(void *user);
	/** closed() - it broke: -errno (-ECONNRESET, -ECONNREFUSED, ...; the
	 *  opening failed, when there was no opened()). The last call, the
	 *  pipe is gone. */
	void (*closed)(void *user, int error);
};

struct pipe_ops {
	ssize_t (*send)(struct pipe *p, const void *data, size_t n);
	void (*finish)(struct pipe *p);
	void (*consume)(struct pipe *p, size_t n);
	void (*close)(struct pipe *p, bool reset);
	/* NULL: nobody knows more than the handler was told */
	bool (*is_quiet)(struct pipe *p);
};

/** struct pipe - embedded by what implements it */
struct pipe {
	const struct pipe_ops *ops;
	const struct pipe_handler *handler; /* NULL: nothing is received */
	void *user;
};

/** pipe_set_handler() - once; the first call comes from the loop */
static inline void pipe_set_handler(struct pipe *p,
				    const struct pipe_handler *h, void *user)
{
	p->handler = h;
	p->user = user;
}

/**
 * pipe_send() - Return: how many bytes were taken, in order; fewer than @n: the
 * rest is to be offered again after writable(). -errno: it takes nothing more;
 * what the far side had still said, eof() or closed() follow. Only an open pipe
 * may be sent to, and not after pipe_finish().
 */
KT_CHECK static inline ssize_t pipe_send(struct pipe *p, const void *data,
					 size_t n)
{
	return p->ops->send(p, data, n);
}

/** pipe_finish() - end our half, behind what was sent */
static inline void pipe_finish(struct pipe *p)
{
	p->ops->finish(p);
}

/** pipe_consume() - @n bytes of data() are really taken: more may come */
static inline void pipe_consume(struct pipe *p, size_t n)
{
	p->ops->consume(p, n);
}

/** pipe_is_quiet() - an idle pipe's far side has said nothing and has not
 * ended, as far as is known here, also what the handler will only be told */
static inline bool pipe_is_quiet(struct pipe *p)
{
	return !p->ops->is_quiet || p->ops->is_quiet(p);
}

/** pipe_close() - end it; what was sent still goes out unless @reset. No
 *  handler is called any more, the pipe is gone. */
static inline void pipe_close(struct pipe *p, bool reset)
{
	p->ops->close(p, reset);
}

#endif
