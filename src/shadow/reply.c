/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/reply.h"

#include "base/mem.h"
#include "tunnel/mux.h"
#include "tunnel/status.h"

#include <errno.h>
#include <string.h>

struct reply {
	struct loop *loop;
	size_t len, sent;
	uint8_t body[];
};

static ssize_t reply_read(void *user, uint8_t *buf, size_t len)
{
	struct reply *r = user;
	size_t n = MIN(len, r->len - r->sent);

	if (n)
		memcpy(buf, r->body + r->sent, n);
	r->sent += n;
	return (ssize_t)n;
}

static void reply_close(void *user, int error)
{
	struct reply *r = user;

	(void)error;
	loop_defer_free(r->loop, r);
}

static const struct mux_stream_ops ops = {
	.read = reply_read,
	.close = reply_close,
};

void reply_send(struct loop *loop, struct mux_stream *s,
		const char *content_type, const void *body, size_t len)
{
	struct reply *r = malloc(sizeof(*r) + len);

	if (!r) {
		mux_stream_reset(s, ENOMEM);
		return;
	}
	r->loop = loop;
	r->len = len;
	r->sent = 0;
	if (len)
		memcpy(r->body, body, len);
	if (mux_stream_accept(s, content_type, &ops, r) < 0) {
		mux_stream_reset(s, ENOMEM);
		free(r);
	}
}

void reply_refuse(struct mux_stream *s, int error, const char *detail)
{
	mux_stream_refuse(s, status_http(error), error, detail);
}
