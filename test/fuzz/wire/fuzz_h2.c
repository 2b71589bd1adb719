/* SPDX-License-Identifier: Apache-2.0 */
/* One end of HTTP/2 hears anything, whole and in pieces: it must hear the same.
 * What it says are frames.
 *
 * Input: flags (which end, does it give up, does it hold credit), the bytes. */
#include "base/mem.h"
#include "wire/h2.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERVER 1
#define GIVES_UP 2
#define HOLDS 4

struct end {
	struct h2 h2;
	struct buf out;
	uint8_t flags;
	size_t heads, fields, bytes, ends, closed;
};

static int on_begin(void *user, struct h2_stream *st)
{
	(void)user;
	return st->id % 64 == 63 ? -1 : 0;
}

static int on_field(void *user, struct h2_stream *st,
		    const struct hpack_field *f)
{
	struct end *e = user;

	(void)st;
	e->fields += f->nname + f->nvalue + 1;
	return f->nname == 13 ? -1 : 0;
}

static void on_head(void *user, struct h2_stream *st, bool last)
{
	struct hpack_field f = { (const uint8_t *)":status",
				 (const uint8_t *)"200", 7, 3, false };
	struct end *e = user;

	if (st->closed)
		abort();
	e->heads += last ? 1 : 1000;
	if (!(e->flags & SERVER) || st->user)
		return;
	st->user = e;
	if (e->flags & GIVES_UP && st->id % 8 == 5)
		h2_reset(&e->h2, st, H2_CANCEL);
	else if (h2_head(&e->h2, st, &f, 1, false, true) < 0)
		h2_reset(&e->h2, st, H2_INTERNAL_ERROR);
}

static void on_data(void *user, struct h2_stream *st, const uint8_t *p,
		    size_t n)
{
	struct end *e = user;

	(void)p;
	e->bytes += n;
	if (e->flags & HOLDS)
		return;
	h2_consume(&e->h2, st, n);
	h2_consume_connection(&e->h2, n);
}

static void on_end(void *user, struct h2_stream *st)
{
	struct end *e = user;

	(void)st;
	e->ends++;
}

static void on_piece(void *user, struct h2_stream *st, size_t max,
		     struct h2_piece *out)
{
	static const uint8_t body[H2_FRAME_MAX];

	(void)user;
	if (max > sizeof(body))
		abort();
	out->p = body;
	out->n = MIN(max, (size_t)st->id * 100);
	out->last = out->n < (size_t)st->id * 100 || st->id % 4 == 1;
}

static void on_sent(void *user, struct h2_stream *st, size_t n)
{
	(void)user;
	(void)st;
	(void)n;
}

static void on_finished(void *user, struct h2_stream *st)
{
	(void)user;
	if (!st->local_done)
		abort();
}

static void on_closed(void *user, struct h2_stream *st)
{
	struct end *e = user;

	if (!st->closed)
		abort();
	e->closed++;
}

static const struct h2_handler handler = { on_begin, on_field,	  on_head,
					   on_data,  on_end,	  on_piece,
					   on_sent,  on_finished, on_closed };

static const struct h2_limits limits = { .stream_window = 70000,
					 .connection_window = 100000,
					 .streams_max = 10,
					 .head_max = 4096 };

static void start(struct end *e, uint8_t flags)
{
	struct hpack_field f = { (const uint8_t *)":method",
				 (const uint8_t *)"HEAD", 7, 4, false };

	memset(e, 0, sizeof(*e));
	e->flags = flags;
	buf_init(&e->out, (size_t)256 << 10);
	if (h2_init(&e->h2, flags & SERVER, &limits, &handler, e, &e->out) < 0)
		abort();
	for (int i = 0; i < 4 && !(flags & SERVER); i++, f.nvalue = 3)
		if (!h2_request(&e->h2, &f, 1, i & 1, NULL))
			abort();
}

static void look_at_frames(const struct buf *b, size_t at)
{
	while (at < b->len) {
		const uint8_t *p = buf_data(b) + at;

		if (b->len - at < H2_FRAME_HEAD || p[3] > H2_CONTINUATION)
			abort();
		at += H2_FRAME_HEAD +
		      ((size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2]);
	}
	if (at != b->len)
		abort();
}

static int hear(struct end *e, uint8_t flags, const uint8_t *p, size_t n,
		size_t step)
{
	size_t open = 0;
	struct list *l;
	int rc = 0;

	start(e, flags);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = h2_receive(&e->h2, 0, p + at, MIN(step, n - at));
	(void)!h2_send(&e->h2, (size_t)64 << 10);
	list_for_each (l, &e->h2.streams)
		open++;
	if (open != e->h2.nstreams || e->h2.send_window < 0)
		abort();
	look_at_frames(&e->out, flags & SERVER ? 0 : H2_MAGIC_LEN);
	h2_fini(&e->h2);
	buf_fini(&e->out);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct end a, b;
	int rc;

	if (size < 2)
		return 0;
	rc = hear(&a, data[0], data + 1, size - 1, size);
	for (size_t step = 1; step < 18; step += 8)
		if (hear(&b, data[0], data + 1, size - 1, step) != rc ||
		    a.heads != b.heads || a.fields != b.fields ||
		    a.bytes != b.bytes || a.ends != b.ends ||
		    a.closed != b.closed)
			abort();
	return 0;
}
