/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>
#include <string.h>

/* --- queues and credit ---------------------------------------------------- */

static void half_fini(struct http2_half *h)
{
	buf_fini(&h->q);
	http2_head_free(h->trailer);
	h->trailer = NULL;
}

/* credit is held back from here on */
#define QUEUE_MAX ((size_t)1 << 20)

void http2_give_back(struct http2_side *s)
{
	if (s->owed && s->queued < QUEUE_MAX) {
		h2_consume_connection(&s->h2, s->owed);
		s->owed = 0;
	}
}

static void taken(struct http2_side *s, struct h2_stream *st, size_t n)
{
	if (!s)
		return;
	s->queued -= MIN(n, s->queued);
	if (st)
		h2_consume(&s->h2, st, n);
	http2_give_back(s);
}

void http2_taken(struct http2_half *h, struct http2_side *s,
		 struct h2_stream *st, size_t n)
{
	buf_take(&h->q, n);
	if (!h->q.len)
		buf_fini(&h->q);
	taken(s, st, n);
}

void http2_drop(struct http2_half *h, struct http2_side *s,
		struct h2_stream *st)
{
	size_t n = h->q.len;

	buf_fini(&h->q);
	if (n)
		taken(s, st, n);
}

void http2_rst(struct http2_side *s, struct h2_stream *st, uint32_t code)
{
	if (s && st)
		h2_reset(&s->h2, st, code);
}

void http2_resume(struct http2_side *s, struct h2_stream *st)
{
	if (s && st)
		h2_resume(&s->h2, st);
}

void http2_piece(struct http2_half *h, struct h2_stream *st,
		 struct http2_side *s, size_t max, struct h2_piece *out)
{
	const struct hpack_field *f;
	size_t n;

	out->p = buf_data(&h->q);
	out->n = MIN(max, h->q.len);
	if (out->n < h->q.len || !h->ended)
		return;
	if (!h->trailer) {
		out->last = true;
	} else if (!out->n) {
		f = http2_head_fields(h->trailer, &n);
		if (h2_head(&s->h2, st, f, n, true, false) < 0)
			h2_reset(&s->h2, st, H2_INTERNAL_ERROR);
	}
}

/* --- life ----------------------------------------------------------------- */

struct http2_call *http2_call_new(struct http2 *c, struct h2_stream *st)
{
	struct http2_call *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->c = c;
	k->asked = st;
	st->user = k;
	buf_init(&k->ask.q, HTTP2_STREAM_WINDOW);
	buf_init(&k->answer.q, HTTP2_STREAM_WINDOW);
	list_add_tail(&c->calls, &k->node);
	return k;
}

void http2_call_free(struct http2_call *k)
{
	list_del(&k->node);
	copies_abort(&k->copies);
	half_fini(&k->ask);
	half_fini(&k->answer);
	http2_head_free(k->head);
	http2_head_free(k->kept);
	http2_head_free(k->reply);
	note_dropped(&k->note);
	free(k->served_by);
	if (list_empty(&k->c->calls))
		http2_rest(k->c);
	loop_defer_free(k->c->rc->env->loop, k);
}

void http2_call_check(struct http2_call *k)
{
	if (!k->asked && !k->sent)
		http2_call_free(k);
}

void http2_asked_closed(struct http2_call *k, uint32_t code)
{
	k->asked = NULL;
	http2_drop(&k->answer, k->up, k->sent);
	if (code || !k->ask.ended) {
		copies_abort(&k->copies);
		http2_drop(&k->ask, &k->c->down, NULL);
		http2_rst(k->up, k->sent, code ? code : H2_CANCEL);
	}
	http2_call_check(k);
}

/* the response is whole, the request is not wanted whole: say so behind the
 * response, also when that is out already */
static void http2_call_cut(struct http2_call *k)
{
	k->cut = true;
	if (k->asked->local_done)
		http2_rst(&k->c->down, k->asked, H2_NO_ERROR);
}

void http2_sent_closed(struct http2_call *k, uint32_t code)
{
	k->sent = NULL; /* k->up stays: what is queued counts there */
	http2_drop(&k->ask, &k->c->down, k->asked);
	if (k->asked && !k->answer.ended)
		http2_rst(&k->c->down, k->asked,
			  code ? code : H2_INTERNAL_ERROR);
	else if (k->asked && !k->ask.ended)
		http2_call_cut(k);
	http2_call_check(k);
}

/* --- answers -------------------------------------------------------------- */

static struct hpack_field http2_call_field(const char *name, const char *value)
{
	return (struct hpack_field){ (const uint8_t *)name,
				     (const uint8_t *)value, strlen(name),
				     strlen(value), false };
}

void http2_refuse(struct http2_call *k, const char *status, const char *text)
{
	const struct hpack_field f[] = {
		http2_call_field(":status", status),
		http2_call_field("content-type", "text/plain"),
		http2_call_field("cache-control", "no-store"),
	};
	size_t n = ARRAY_SIZE(f) - !k->c->rc->env->outside;
	struct http2_side *down = &k->c->down;

	if (!k->asked)
		return;
	if (k->begun) {
		http2_rst(down, k->asked, H2_INTERNAL_ERROR);
		return;
	}
	log_debug("router: port %u: %s: %s", k->c->rc->port, status, text);
	k->begun = true;
	k->cut = true;
	note_refused(&k->note, (unsigned int)strtoul(status, NULL, 10));
	http2_drop(&k->ask, down, k->asked);
	half_fini(&k->answer);
	buf_init(&k->answer.q, HTTP2_STREAM_WINDOW);
	k->answer.ended = true;
	if (buf_printf(&k->answer.q, "%s\n", text) < 0 ||
	    h2_head(&down->h2, k->asked, f, n, false, true) < 0)
		http2_rst(down, k->asked, H2_INTERNAL_ERROR);
}

void http2_reply(struct http2_call *k, bool last)
{
	struct http2_side *down = &k->c->down;
	struct http2_head *h = steal_ptr(&k->reply);
	const struct hpack_field *f;
	size_t n;
	int rc = 0;

	/* it was heard: nobody else is asked any more */
	http2_head_free(k->kept);
	k->kept = NULL;
	if (!h) {
		http2_refuse(k, "502",
			     "the head of the backend's answer is "
			     "larger than 256 KiB");
		http2_rst(k->up, k->sent, H2_CANCEL);
		return;
	}

	if (k->begun) { /* trailers */
		http2_head_free(k->answer.trailer);
		k->answer.trailer = h;
		return;
	}
	k->begun = http2_head_status(h) >= 200;
	if (k->begun && k->served_by &&
	    http2_head_put_own(h, ROUTER_SERVED_BY, k->served_by) < 0)
		log_debug("router: " ROUTER_SERVED_BY ": no memory");
	if (k->begun && k->c->rc->env->outside && http2_head_no_store(h) < 0) {
		http2_rst(down, k->asked, H2_INTERNAL_ERROR);
		http2_head_free(h);
		return;
	}
	if (k->begun) {
		note_answered(&k->note, (unsigned int)http2_head_status(h));
		k->answer.ended = last;
	}
	f = http2_head_fields(h, &n);
	if (k->asked)
		rc = h2_head(&down->h2, k->asked, f, n, last,
			     k->begun && !last);
	http2_head_free(h);
	if (rc < 0)
		http2_rst(down, k->asked, H2_INTERNAL_ERROR);
}
