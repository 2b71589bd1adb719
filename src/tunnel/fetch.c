/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/fetch.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/internal.h"

#include <errno.h>
#include <string.h>

struct fetch {
	struct loop *loop;
	struct mux_stream *stream;
	fetch_fn done;
	void *user;
	struct buf answer;
	bool ended; /* the whole answer is here */
	size_t len, sent;
	uint8_t body[];
};

static void fetch_free(struct fetch *f)
{
	buf_fini(&f->answer);
	loop_defer_free(f->loop, f);
}

static ssize_t fetch_read(void *user, uint8_t *buf, size_t len)
{
	struct fetch *f = user;
	size_t n = MIN(len, f->len - f->sent);

	if (n)
		memcpy(buf, f->body + f->sent, n);
	f->sent += n;
	return (ssize_t)n;
}

static void fetch_data(void *user, const uint8_t *p, size_t n)
{
	struct fetch *f = user;

	if (buf_put(&f->answer, p, n) == 0) {
		mux_stream_consume(f->stream, n);
		return;
	}
	mux_stream_reset(f->stream, ECANCELED);
	f->done(f->user, -EMSGSIZE, NULL, 0);
	fetch_free(f);
}

static void fetch_end(void *user)
{
	struct fetch *f = user;

	f->ended = true;
}

static void fetch_close(void *user, int error)
{
	struct fetch *f = user;

	if (!error && !f->ended)
		error = -ECONNRESET;
	if (error)
		f->done(f->user, error, NULL, 0);
	else
		f->done(f->user, 0, buf_data(&f->answer), f->answer.len);
	fetch_free(f);
}

/* a refusal needs no head(): close() has its errno */
static const struct mux_stream_ops post_ops = {
	.read = fetch_read,
	.data = fetch_data,
	.end = fetch_end,
	.close = fetch_close,
};

static const struct mux_stream_ops get_ops = {
	.data = fetch_data,
	.end = fetch_end,
	.close = fetch_close,
};

struct fetch *fetch_start(struct tunnel *t, const char *path,
			  const char *content_type, const uint8_t *body,
			  size_t len, size_t max, fetch_fn done, void *user)
{
	const struct mux_request req = { .method = body ? "POST" : "GET",
					 .path = path,
					 .content_type = content_type };
	struct fetch *f = calloc(1, sizeof(*f) + len);

	if (!f)
		return NULL;
	f->loop = tunnel_loop(t);
	f->done = done;
	f->user = user;
	f->len = len;
	if (body && len)
		memcpy(f->body, body, len);
	buf_init(&f->answer, max);
	f->stream = tunnel_open(t, &req, body ? &post_ops : &get_ops, f);
	if (!f->stream) {
		free(f);
		return NULL;
	}
	return f;
}

void fetch_cancel(struct fetch *f)
{
	if (!f)
		return;
	mux_stream_reset(f->stream, ECANCELED);
	fetch_free(f);
}
