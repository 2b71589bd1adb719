/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_PIPE_STREAM_H
#define KT_SHADOW_PIPE_STREAM_H

#include "base/loop.h"

struct mux;
struct mux_request;
struct mux_stream;
struct pipe;

/** pipe_stream_open() - a pipe (pipe/pipe.h) made of a CONNECT stream,
 * opening still; closed() with -ENETRESET: the other end of @m is gone. NULL
 * with errno. */
struct pipe *pipe_stream_open(struct loop *loop, struct mux *m,
			      const struct mux_request *req);
/** pipe_stream_accept() - a pipe made of a CONNECT stream that a client asks
 *  for, answered with 200
 *  @s: taken, also on failure: then it is reset. NULL with errno. */
struct pipe *pipe_stream_accept(struct loop *loop, struct mux_stream *s);

#endif
