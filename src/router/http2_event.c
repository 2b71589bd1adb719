/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>

/* --- of both -------------------------------------------------------------- */

static int new_head(struct http2_head **h)
{
	http2_head_free(*h);
	*h = http2_head_new();
	return *h ? 0 : -ENOMEM;
}

/* bytes that need not wait for anybody are credit at once */
static void unwaited(struct http2_side *s, struct h2_stream *st, size_t n)
{
	h2_consume(&s->h2, st, n);
	h2_consume_connection(&s->h2, n);
}

/* a body goes on from stream @st of @s to stream @st_to of @to, or waits */
static void put_body(struct http2_side *s, struct h2_stream *st,
		     struct http2_half *h, struct http2_side *to,
		     struct h2_stream *st_to, const uint8_t *p, size_t n)
{
	size_t gone = h->q.len ? 0 : http2_side_write(to, st_to, p, n);

	unwaited(s, st, gone);
	p += gone;
	n -= gone;
	if (!n)
		return;
	if (buf_put(&h->q, p, n) < 0) { /* more than was allowed, or memory */
		h2_end(&s->h2, H2_INTERNAL_ERROR);
		return;
	}
	s->queued += n;
	s->owed += n;
	http2_give_back(s);
}

/* --- the caller ----------------------------------------------------------- */

static int caller_begin(void *user, struct h2_stream *st)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	if (!k)
		k = http2_call_new(s->c, st);
	if (!k)
		return -ENOMEM;
	http2_owes(s->c, st->id);
	return new_head(&k->head);
}

/* a head that is too large is thrown away (NULL), and answered when it is
 * whole: other streams go on. Trailers have no answer: < 0. */
static int add_field(struct http2_head **h, const struct hpack_field *f,
		     bool trailer)
{
	int rc = *h ? http2_head_add(*h, f) : 0;

	if (rc != -E2BIG || trailer)
		return rc;
	http2_head_free(*h);
	*h = NULL;
	return 0;
}

static int caller_field(void *user, struct h2_stream *st,
			const struct hpack_field *f)
{
	struct http2_call *k = st->user;

	(void)user;
	return add_field(&k->head, f, k->routed);
}

static void caller_head(void *user, struct h2_stream *st, bool last)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	http2_owes_not(s->c, st->id);
	if (!k->routed)
		http2_route(k, last);
	else
		k->ask.trailer = steal_ptr(&k->head);
}

static void caller_data(void *user, struct h2_stream *st, const uint8_t *p,
			size_t n)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	copies_body(&k->copies, p, n);
	if (!(k->sent && k->up) && !k->lost &&
	    !k->waits) { /* nobody wants it any more */
		unwaited(s, st, n);
		return;
	}
	put_body(s, st, &k->ask, k->up, k->sent, p, n);
	http2_resume(k->up, k->sent);
}

static void http2_copy_end(struct http2_call *k)
{
	const struct hpack_field *f;
	size_t n;

	if (k->copies.first && k->ask.trailer) {
		f = http2_head_fields(k->ask.trailer, &n);
		copies_trailer(&k->copies, f, n);
	}
	copies_end(&k->copies);
}

static void caller_end(void *user, struct h2_stream *st)
{
	struct http2_call *k = st->user;

	(void)user;
	http2_copy_end(k);
	k->ask.ended = true;
	http2_resume(k->up, k->sent);
}

static void caller_piece(void *user, struct h2_stream *st, size_t max,
			 struct h2_piece *out)
{
	struct http2_call *k = st->user;

	http2_piece(&k->answer, st, user, max, out);
}

static void caller_sent(void *user, struct h2_stream *st, size_t n)
{
	struct http2_call *k = st->user;

	(void)user;
	http2_taken(&k->answer, k->up, k->sent, n);
}

static void caller_finished(void *user, struct h2_stream *st)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	/* RFC 9113 section 8.1 */
	if (k->cut && !k->ask.ended)
		h2_reset(&s->h2, st, H2_NO_ERROR);
}

static void caller_closed(void *user, struct h2_stream *st)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	http2_owes_not(s->c, st->id);
	if (k)
		http2_asked_closed(k, st->code);
}

const struct h2_handler http2_caller_handler = {
	caller_begin, caller_field, caller_head,     caller_data,  caller_end,
	caller_piece, caller_sent,  caller_finished, caller_closed
};

/* --- a backend ------------------------------------------------------------ */

static int backend_begin(void *user, struct h2_stream *st)
{
	struct http2_call *k = st->user;

	(void)user;
	return new_head(&k->reply);
}

static int backend_field(void *user, struct h2_stream *st,
			 const struct hpack_field *f)
{
	struct http2_call *k = st->user;

	(void)user;
	return add_field(&k->reply, f, k->begun);
}

static void backend_head(void *user, struct h2_stream *st, bool last)
{
	(void)user;
	http2_reply(st->user, last);
}

static void backend_data(void *user, struct h2_stream *st, const uint8_t *p,
			 size_t n)
{
	struct http2_side *s = user;
	struct http2_call *k = st->user;

	if (!k->asked) {
		unwaited(s, st, n);
		return;
	}
	put_body(s, st, &k->answer, &k->c->down, k->asked, p, n);
	http2_resume(&k->c->down, k->asked);
}

static void backend_end(void *user, struct h2_stream *st)
{
	struct http2_call *k = st->user;

	(void)user;
	k->answer.ended = true;
	http2_resume(&k->c->down, k->asked);
}

static void backend_piece(void *user, struct h2_stream *st, size_t max,
			  struct h2_piece *out)
{
	struct http2_call *k = st->user;

	http2_piece(&k->ask, st, user, max, out);
}

static void backend_sent(void *user, struct h2_stream *st, size_t n)
{
	struct http2_call *k = st->user;

	(void)user;
	http2_taken(&k->ask, &k->c->down, k->asked, n);
}

static void backend_finished(void *user, struct h2_stream *st)
{
	(void)user;
	(void)st;
}

static void backend_closed(void *user, struct h2_stream *st)
{
	(void)user;
	http2_sent_closed(st->user, st->code);
}

const struct h2_handler http2_backend_handler = {
	backend_begin, backend_field,	 backend_head,
	backend_data,  backend_end,	 backend_piece,
	backend_sent,  backend_finished, backend_closed
};
