/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/observe.h"

#include "base/mem.h"
#include "wire/h2.h"
#include "wire/http1.h"
#include "wire/observe_h2.h"

#include <errno.h>
#include <string.h>

/* One way. What is not whole yet waits in @head; a body is only followed. */
struct observe_way {
	struct buf head;
	struct http1_flow body;
	bool in_body;
};

struct observe_request {
	struct event event;
	bool to_head, connect;
	bool h2c; /* it offers to go on as HTTP/2 */
};

struct observer {
	observe_fn fn;
	void *user;
	int64_t begin;
	struct observe_way ask, answer;
	struct observe_request pending[OBSERVE_PENDING];
	size_t first, npending;
	struct observe_h2 *h2; /* the connection is HTTP/2; both of its ways */
	bool is_http;	       /* at least one request was */
	bool off;	       /* nothing more is looked at */
};

/* one at a time: it is large */
static struct http1_head observe_head;

struct observer *observer_new(observe_fn fn, void *user, int64_t now)
{
	struct observer *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->fn = fn;
	o->user = user;
	o->begin = now;
	buf_init(&o->ask.head, OBSERVE_HEAD_MAX);
	buf_init(&o->answer.head, OBSERVE_HEAD_MAX);
	return o;
}

/* --- what is told --------------------------------------------------------- */

static void observer_stop(struct observer *o)
{
	o->off = true;
	buf_fini(&o->ask.head);
	buf_fini(&o->answer.head);
	observe_h2_free(steal_ptr(&o->h2), EVENT_NOBODY);
}

/* The oldest request is over */
static void observer_tell(struct observer *o, enum event_by by,
			  unsigned int status, int64_t latency)
{
	struct observe_request *r = &o->pending[o->first];

	o->first = (o->first + 1) % OBSERVE_PENDING;
	o->npending--;
	r->event.by = by;
	r->event.status = (uint16_t)status;
	r->event.latency = latency;
	o->fn(o->user, &r->event);
}

static void observer_tell_connection(struct observer *o, enum event_proto proto)
{
	struct event ev = { .when = o->begin,
			    .latency = -1,
			    .kind = EVENT_CONNECTION,
			    .proto = proto,
			    .by = EVENT_LOCAL };

	o->fn(o->user, &ev);
}

/* Nothing more is understood. The requests so far have come, and what became
 * of them nobody knows. What is left is told as a connection, or requests that
 * follow would be missing without a word. */
static void observer_give_up(struct observer *o)
{
	enum event_proto proto = o->h2 ? EVENT_HTTP2 : EVENT_TCP;

	while (o->npending)
		observer_tell(o, EVENT_LOCAL, 0, -1);
	observe_h2_free(steal_ptr(&o->h2), EVENT_LOCAL);
	observer_tell_connection(o, proto);
	observer_stop(o);
}

void observer_free(struct observer *o)
{
	if (!o)
		return;
	if (!o->off && o->h2 && !observe_h2_has_seen(o->h2))
		observer_tell_connection(o, EVENT_HTTP2);
	else if (!o->off && !o->h2 && !o->is_http)
		observer_tell_connection(o, EVENT_TCP);
	while (o->npending)
		observer_tell(o, EVENT_NOBODY, 0, -1);
	observer_stop(o);
	free(o);
}

/* --- requests ------------------------------------------------------------- */

static int observe_request_head(struct observer *o, const struct http1_head *h,
				int64_t now)
{
	size_t at = (o->first + o->npending) % OBSERVE_PENDING;
	struct observe_request *r = &o->pending[at];
	uint64_t length = 0;
	int kind = http1_request_body(h, &length);

	if (kind < 0 || o->npending == OBSERVE_PENDING)
		return -EBADMSG;
	*r = (struct observe_request){
		.event = { .when = now, .latency = -1, .proto = EVENT_HTTP1 },
		.to_head = slice_is(h->method, "HEAD"),
		.connect = slice_is(h->method, "CONNECT"),
		.h2c = http1_has_token(h, "upgrade", "h2c"),
	};
	event_set_request(&r->event, h->method, h->target);
	o->npending++;
	o->is_http = true;
	http1_flow_start(&o->ask.body, kind, length);
	o->ask.in_body = !o->ask.body.done;
	return 0;
}

/* --- answers -------------------------------------------------------------- */

/* The local program goes on in HTTP/2, with the answer to what was asked for
 * (RFC 7540 section 3.2); whoever called waits for that, and has said nothing
 * more */
static int observe_upgrade(struct observer *o)
{
	const struct observe_request *r = &o->pending[o->first];

	if (o->npending != 1 || o->ask.in_body || o->ask.head.len)
		return -EBADMSG;
	o->h2 = observe_h2_new(o->fn, o->user);
	if (!o->h2)
		return -ENOMEM;
	o->npending = 0;
	return observe_h2_adopt(o->h2, &r->event);
}

/* 1: the connection is something else from here on */
static int observe_answer_head(struct observer *o, const struct http1_head *h,
			       int64_t now)
{
	const struct observe_request *r = &o->pending[o->first];
	bool to_head = r->to_head, connect = r->connect;
	uint64_t length = 0;
	int kind;

	if (!o->npending)
		return -EBADMSG;
	if (h->status < 200 && h->status != 101)
		return 0;
	if (h->status == 101 && r->h2c && http1_has_token(h, "upgrade", "h2c"))
		return observe_upgrade(o);
	observer_tell(o, EVENT_LOCAL, h->status,
		      MAX(now - r->event.when, (int64_t)0) / 1000);
	if (h->status == 101 || (connect && h->status / 100 == 2))
		return 1;
	kind = http1_passed_body(h, to_head, &length);
	if (http1_is_odd(h))
		return -EBADMSG; /* perhaps it goes on, perhaps not */
	if (kind < 0 || kind == HTTP1_UNTIL_EOF)
		return 1;
	http1_flow_start(&o->answer.body, kind, length);
	o->answer.body.chunks.lenient = true;
	o->answer.in_body = !o->answer.body.done;
	return 0;
}

/* --- bytes ---------------------------------------------------------------- */

/* The caller's first bytes are the preface of HTTP/2, or may be yet */
static bool observe_is_preface(const struct observer *o, const uint8_t *p,
			       size_t n)
{
	return !o->is_http &&
	       memcmp(p, H2_MAGIC, MIN(n, (size_t)H2_MAGIC_LEN)) == 0;
}

/* A server of HTTP/2 may say its SETTINGS before it has heard anything (section
 * 3.4). They wait for what the caller says; other protocols whose server
 * speaks first do not begin with a zero. */
static bool observe_is_early(const struct observer *o,
			     const struct observe_way *w, const uint8_t *p)
{
	return w == &o->answer && !o->is_http && (w->head.len || !*p);
}

/* Bytes of @p that are the preface; 0: it is not whole yet; -errno */
static ssize_t observe_take_preface(struct observer *o, const uint8_t *p,
				    size_t n, int64_t now)
{
	int rc;

	if (n < H2_MAGIC_LEN)
		return 0;
	o->h2 = observe_h2_new(o->fn, o->user);
	if (!o->h2)
		return -ENOMEM;
	rc = observe_h2_bytes(o->h2, true, p, H2_MAGIC_LEN, now);
	if (rc == 0)
		rc = observe_h2_bytes(o->h2, false, buf_data(&o->answer.head),
				      o->answer.head.len, now);
	buf_fini(&o->answer.head);
	return rc < 0 ? rc : H2_MAGIC_LEN;
}

/* Bytes of @p that are a head; 0: it is not whole yet; -errno: none */
static ssize_t observe_take_head(struct observer *o, struct observe_way *w,
				 const uint8_t *p, size_t n, int64_t now)
{
	bool ask = w == &o->ask;
	ssize_t len;
	int rc;

	if (ask && observe_is_preface(o, p, n))
		return observe_take_preface(o, p, n, now);
	len = ask ? http1_parse_request(&observe_head, p, n)
		  : http1_parse_response(&observe_head, p, n);
	if (len == -EAGAIN)
		return n < OBSERVE_HEAD_MAX ? 0 : -E2BIG;
	if (len < 0)
		return len;
	rc = ask ? observe_request_head(o, &observe_head, now)
		 : observe_answer_head(o, &observe_head, now);
	if (rc < 0)
		return rc;
	if (rc > 0)
		observer_stop(o);
	return len;
}

/* Bytes of @p that were used; those that begin a head are kept by @w */
static ssize_t observe_heads(struct observer *o, struct observe_way *w,
			     const uint8_t *p, size_t n, int64_t now)
{
	size_t had = w->head.len;
	ssize_t len;

	if (!had) {
		len = observe_take_head(o, w, p, n, now);
		if (len)
			return len;
		len = buf_put(&w->head, p, n);
		return len < 0 ? len : (ssize_t)n;
	}
	/* what is behind the head does not matter: it is looked at again */
	n = MIN(n, OBSERVE_HEAD_MAX - had);
	len = buf_put(&w->head, p, n);
	if (len == 0)
		len = observe_take_head(o, w, buf_data(&w->head), w->head.len,
					now);
	if (len == 0 || len < 0)
		return len ? len : (ssize_t)n;
	buf_fini(&w->head);
	return (size_t)len > had ? len - (ssize_t)had : -EBADMSG;
}

static int observe_bytes(struct observer *o, struct observe_way *w,
			 const uint8_t *p, size_t n, int64_t now)
{
	if (n && !o->h2 && observe_is_early(o, w, p))
		return buf_put(&w->head, p, n);
	while (n && !o->off && !o->h2) {
		ssize_t used = w->in_body ? http1_flow_next(&w->body, p, n)
					  : observe_heads(o, w, p, n, now);

		if (used < 0)
			return (int)used;
		if (w->in_body)
			w->in_body = !w->body.done;
		p += used;
		n -= (size_t)used;
	}
	if (n && !o->off)
		return observe_h2_bytes(o->h2, w == &o->ask, p, n, now);
	return 0;
}

/* A request begins with its method */
static bool observe_may_be_http(const struct observer *o, const uint8_t *p)
{
	return o->is_http || o->h2 || o->ask.head.len ||
	       (*p >= 'A' && *p <= 'Z') || *p == '\r';
}

void observer_ask(struct observer *o, const uint8_t *p, size_t n, int64_t now)
{
	if (o->off || !n)
		return;
	if (!observe_may_be_http(o, p) ||
	    observe_bytes(o, &o->ask, p, n, now) < 0)
		observer_give_up(o);
}

void observer_answer(struct observer *o, const uint8_t *p, size_t n,
		     int64_t now)
{
	if (!o->off && observe_bytes(o, &o->answer, p, n, now) < 0)
		observer_give_up(o);
}

static bool observe_way_is_quiet(const struct observe_way *w)
{
	return !w->in_body && !w->head.len;
}

bool observer_is_quiet(const struct observer *o)
{
	return !o->off && !o->h2 && !o->npending &&
	       observe_way_is_quiet(&o->ask) &&
	       observe_way_is_quiet(&o->answer);
}
