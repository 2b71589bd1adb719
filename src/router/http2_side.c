/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>

/* what waits to be sent: bodies go on while there is less than OUT_SIZE; heads
 * of answers are written at once, hundreds of them if need be */
#define OUT_SIZE ((size_t)64 << 10)
#define OUT_MAX ((size_t)4 << 20)

static const struct h2_limits limits = {
	.stream_window = HTTP2_STREAM_WINDOW,
	.connection_window = 1 << 20,
	.streams_max = 256,
	.head_max = HTTP2_HEAD_MAX,
	.block_max = 2 * HTTP2_HEAD_MAX,
};

int http2_side_start(struct http2_side *s, bool server)
{
	buf_init(&s->out, OUT_MAX);
	return h2_init(&s->h2, server, &limits,
		       server ? &http2_caller_handler : &http2_backend_handler,
		       s, &s->out);
}

void http2_side_fini(struct http2_side *s)
{
	h2_fini(&s->h2);
	buf_fini(&s->out);
}

size_t http2_side_write(struct http2_side *s, struct h2_stream *st,
			const uint8_t *p, size_t n)
{
	if (!s || !st || !s->opened || s->write_failed)
		return 0;
	return h2_write(&s->h2, st, p, n, OUT_SIZE);
}

int http2_side_send(struct http2_side *s)
{
	/* before it is open, bodies wait where they can go another way */
	int some = h2_send(&s->h2, s->opened ? OUT_SIZE : 0);

	while (some >= 0 && s->opened && s->end.pipe && !s->write_failed &&
	       s->out.len) {
		ssize_t n =
			pipe_send(s->end.pipe, buf_data(&s->out), s->out.len);
		int rc;

		if (n < 0) {
			s->write_failed = true;
			break;
		}
		some |= n > 0;
		buf_take(&s->out, (size_t)n);
		if (s->out.len)
			break;
		buf_fini(&s->out);
		rc = h2_send(&s->h2, OUT_SIZE);
		some = rc < 0 ? rc : some | rc;
	}
	return some;
}

bool http2_side_finished(const struct http2_side *s)
{
	return h2_is_over(&s->h2) && !s->out.len;
}
