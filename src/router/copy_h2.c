/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a request of HTTP/2: a connection of its own, with one stream. */
#include "base/mem.h"
#include "router/copy_inside.h"
#include "router/http2_head.h"
#include "wire/h2.h"

#include <errno.h>
#include <string.h>

#define COPY_H2_PIECE ((size_t)32 << 10) /* that is made ready at once */

struct copy_h2 {
	struct h2 h2;
	struct h2_stream *st; /* NULL: closed */
	struct buf body;      /* waits for the stream's window */
	struct http2_head *trailer;
	bool ended; /* the body is whole */
	bool said;  /* and all of it is written */
	bool over;  /* the stream */
};

static const struct h2_limits limits = {
	.stream_window = 256 << 10,
	.connection_window = 1 << 20,
	.streams_max = 1,
	.head_max = HTTP2_HEAD_MAX,
	.block_max = 2 * HTTP2_HEAD_MAX,
};

/* --- what is heard: nothing of it is kept --------------------------------- */

static int copy_h2_on_begin(void *user, struct h2_stream *st)
{
	(void)user;
	(void)st;
	return 0;
}

static int copy_h2_on_field(void *user, struct h2_stream *st,
			    const struct hpack_field *f)
{
	(void)user;
	(void)st;
	(void)f;
	return 0;
}

static void copy_h2_on_head(void *user, struct h2_stream *st, bool last)
{
	(void)user;
	(void)st;
	(void)last;
}

static void copy_h2_on_data(void *user, struct h2_stream *st, const uint8_t *p,
			    size_t n)
{
	struct copy_h2 *k = user;

	(void)p;
	h2_consume(&k->h2, st, n);
	h2_consume_connection(&k->h2, n);
}

static void copy_h2_on_end(void *user, struct h2_stream *st)
{
	(void)user;
	(void)st;
}

static void copy_h2_on_piece(void *user, struct h2_stream *st, size_t max,
			     struct h2_piece *out)
{
	struct copy_h2 *k = user;
	const struct hpack_field *f;
	size_t n;

	out->p = buf_data(&k->body);
	out->n = MIN(max, k->body.len);
	if (out->n < k->body.len || !k->ended)
		return;
	if (!k->trailer) {
		out->last = true;
	} else if (!out->n) {
		f = http2_head_fields(k->trailer, &n);
		if (h2_head(&k->h2, st, f, n, true, false) < 0)
			h2_reset(&k->h2, st, H2_INTERNAL_ERROR);
	}
}

static void copy_h2_on_sent(void *user, struct h2_stream *st, size_t n)
{
	struct copy_h2 *k = user;

	(void)st;
	buf_take(&k->body, n);
}

static void copy_h2_on_finished(void *user, struct h2_stream *st)
{
	struct copy_h2 *k = user;

	(void)st;
	k->said = true;
}

static void copy_h2_on_closed(void *user, struct h2_stream *st)
{
	struct copy_h2 *k = user;

	(void)st;
	k->st = NULL;
	k->over = true;
}

static const struct h2_handler copy_h2_handler = {
	copy_h2_on_begin, copy_h2_on_field,    copy_h2_on_head,
	copy_h2_on_data,  copy_h2_on_end,      copy_h2_on_piece,
	copy_h2_on_sent,  copy_h2_on_finished, copy_h2_on_closed
};

/* --- the request ---------------------------------------------------------- */

static int copy_h2_request(struct copy_h2 *k, const struct hpack_field *f,
			   size_t n, bool last)
{
	struct hpack_field *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	memcpy(all, f, n * sizeof(*all));
	all[n] = (struct hpack_field){ (const uint8_t *)COPY_FIELD,
				       (const uint8_t *)COPY_FIELD_VALUE,
				       strlen(COPY_FIELD),
				       strlen(COPY_FIELD_VALUE), false };
	k->st = h2_request(&k->h2, all, n + 1, last, k);
	free(all);
	return k->st ? 0 : -ENOBUFS;
}

int copy_h2_start(struct copy *c, const struct hpack_field *f, size_t n,
		  bool last)
{
	struct copy_h2 *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return -ENOMEM;
	c->h2 = k;
	k->ended = last;
	buf_init(&k->body, COPY_BYTES);
	rc = h2_init(&k->h2, false, &limits, &copy_h2_handler, k, &c->out);
	return rc < 0 ? rc : copy_h2_request(k, f, n, last);
}

void copy_h2_free(struct copy *c)
{
	struct copy_h2 *k = steal_ptr(&c->h2);

	if (!k)
		return;
	h2_fini(&k->h2);
	buf_fini(&k->body);
	http2_head_free(k->trailer);
	free(k);
}

int copy_h2_body(struct copy *c, const void *p, size_t n)
{
	int rc = c->h2->st ? buf_put(&c->h2->body, p, n) : 0;

	if (c->h2->st)
		h2_resume(&c->h2->h2, c->h2->st);
	return rc;
}

void copy_h2_trailer(struct copy *c, const struct hpack_field *f, size_t n)
{
	struct http2_head *h = c->h2->trailer ? NULL : http2_head_new();

	if (!h)
		return;
	c->h2->trailer = h;
	for (size_t i = 0; i < n; i++)
		if (http2_head_add(h, &f[i]) < 0)
			break; /* as many as there is room for */
}

void copy_h2_end(struct copy *c)
{
	struct copy_h2 *k = c->h2;

	k->ended = true;
	if (k->st && !k->said)
		h2_resume(&k->h2, k->st);
}

int copy_h2_fill(struct copy *c)
{
	struct copy_h2 *k = c->h2;
	int rc = h2_send(&k->h2, COPY_H2_PIECE);

	if (rc < 0)
		return rc;
	return k->over && !k->said ? -ECONNRESET : 0;
}

int copy_h2_receive(struct copy *c, int64_t now, const void *p, size_t n)
{
	return h2_receive(&c->h2->h2, now, p, n);
}

size_t copy_h2_waiting(const struct copy *c)
{
	return c->h2->body.len;
}

bool copy_h2_said(const struct copy *c)
{
	return c->h2->said;
}

bool copy_h2_is_over(const struct copy *c)
{
	return c->h2->over;
}
