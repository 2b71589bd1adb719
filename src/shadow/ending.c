/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/ending.h"

#include "shadow/reply.h"
#include "tunnel/mux.h"

#include <errno.h>

static void ending_on_close(void *user, int error)
{
	struct ending *e = user;

	(void)error;
	e->stream = NULL;
}

static const struct mux_stream_ops ops = { .close = ending_on_close };

void ending_serve(struct ending *e, struct loop *loop, struct mux_stream *s)
{
	if (e->stream) {
		reply_refuse(s, EBUSY, "this was asked already");
		return;
	}
	e->loop = loop;
	e->stream = s;
	mux_stream_set_ops(s, &ops, e);
}

bool ending_tell(struct ending *e)
{
	struct mux_stream *s = e->stream;

	if (!s)
		return false;
	e->stream = NULL;
	e->told = true;
	reply_send(e->loop, s, "text/plain", "", 0);
	return true;
}
