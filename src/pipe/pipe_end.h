/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_PIPE_PIPE_END_H
#define KT_PIPE_PIPE_END_H

#include "base/buf.h"
#include "pipe/pipe.h"

#include <stdbool.h>
#include <stddef.h>

/** struct pipe_end - a pipe that is handed on, with what was received on it and
 *  has not gone on yet */
struct pipe_end {
	struct pipe *pipe; /* taken */
	struct buf in;	   /* taken */
	size_t early;	   /* bytes at its front that are consumed already */
	bool eof;	   /* eof() was called */
	bool finished;	   /* pipe_finish() was called */
};

/* more than any pipe's window, and than what is read ahead of it */
#define PIPE_END_MAX ((size_t)16 << 20)

/** pipe_end_reset() - end both halves now */
void pipe_end_reset(struct pipe_end *e);
/** pipe_end_take() - @n bytes of what was received are gone: credit for all of
 *  them that had none yet */
void pipe_end_take(struct pipe_end *e, size_t n);
/** pipe_end_put_back() - put @n bytes to the front of what was received, in the
 *  place of some that were taken; there is credit for them already
 *  Return: 0, -ENOBUFS or -ENOMEM, and nothing has changed. */
KT_CHECK int pipe_end_put_back(struct pipe_end *e, const void *data, size_t n);
/** pipe_end_more() - what was received is too little: credit for it, so that
 *  more comes than a pipe's window */
void pipe_end_more(struct pipe_end *e);

#endif
