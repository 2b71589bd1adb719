/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "router/conn.h"
#include "router/copy.h"
#include "router/http1_head.h"
#include "router/http1_inside.h"
#include "router/note.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * A caller that speaks HTTP/1. One request is under way at a time, the next one
 * stays unread in the caller's pipe: so pipelined requests are answered in
 * order, each from its own backend.
 *
 *   READING  -> a head is there; choose a backend
 *   EXCHANGE -> request to the backend and response to the caller, side by
 *               side: a response may begin, and end, before the request's body
 *   LINGER   -> our half is finished; what the caller still sends is thrown
 *               away for a moment, so that no reset overtakes the answer
 *   101, or 2xx to CONNECT: the two pipes are joined
 *
 * Requests are read strictly (wire/http1) and bodies are followed byte by byte,
 * but what goes on is what came: request heads get X-Forwarded-For, and a mark
 * where env->mark() has one; nothing else is changed. A response's head that is
 * not as it should be is put right (wire/http1_repair.c), and goes on so. Only
 * checked bytes are sent on, and bytes are given back to their pipe only when
 * they were sent: one full side stops the other.
 *
 * A caller that finishes its half finishes the backend's too, as it would
 * without us. A backend that breaks in the middle of a response breaks the
 * caller's connection: what is cut off must not look complete. Before that the
 * caller gets a 502. A request is tried on a second connection when the first
 * was never opened and it is another's turn now, or when a reused connection
 * had ended just before: if none of the request was sent, or if sending it
 * twice is safe (RFC 9110 section 9.2.2) and it has no body. Others end the
 * caller's connection without an answer, as that backend would have. What has a
 * safe method and no answer when its laptop does not come back goes to whoever
 * has it then. What the origin has taken of a request goes to its copies
 * (router/copy.h) in the same moment.
 */

static const char too_large[] = "Request Header Fields Too Large";

struct http1_head http1_scratch;
/* likewise, as the rules see it */
static struct rule_field scratch_field[HTTP1_MAX_FIELDS + HTTP1_OWN_FIELDS];

static void http1_run(struct http1 *c);

/* --- the end -------------------------------------------------------------- */

static void http1_free(void *part)
{
	struct http1 *c = part;

	c->gone = true;
	loop_timer_stop(&c->timer);
	copies_abort(&c->copies);
	pipe_end_reset(&c->caller);
	ups_fini(&c->ups);
	note_dropped(&c->note);
	free(c->served_by);
	buf_fini(&c->out);
	buf_fini(&c->head);
	loop_defer_free(c->rc->env->loop, c);
}

void http1_over(struct http1 *c, bool reset)
{
	struct router_conn *rc = c->rc;

	if (c->caller.pipe)
		pipe_close(c->caller.pipe, reset);
	c->caller.pipe = NULL;
	http1_free(c);
	conn_over(rc);
}

static void on_lingered(struct timer *t)
{
	http1_over(container_of(t, struct http1, timer), true);
}

void http1_tunnel(struct http1 *c)
{
	struct up *up = c->ups.used;
	struct router_conn *rc = c->rc;
	struct pipe_end a = c->caller, b = up->end;

	c->caller = (struct pipe_end){ 0 };
	up->end = (struct pipe_end){ 0 };
	http1_free(c);
	conn_join(rc, &a, &b);
}

/* a caller that does not take an answer of ours is not waited for for ever */
static void http1_linger(struct http1 *c)
{
	struct router_env *env = c->rc->env;

	copies_abort(&c->copies);
	ups_drop(&c->ups, !c->in_answer);
	c->state = LINGER;
	loop_timer_start(env->loop, &c->timer,
			 router_patience(env, ROUTER_HEAD_NS), on_lingered);
}

/* an answer of ours is the last one on this connection */
static void http1_answer(struct http1 *c, int status, const char *reason,
			 const char *text)
{
	int rc = -EPIPE;

	if (!c->answered && !c->answer_ok && !c->out.len)
		rc = buf_printf(
			&c->out,
			"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\n%s"
			"Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
			status, reason,
			c->rc->env->outside ? "Cache-Control: no-store\r\n"
					    : "",
			strlen(text) + 1, c->to_head ? "" : text);
	if (rc < 0) {
		http1_over(c, true);
		return;
	}
	if (c->to_head)
		c->out.len--; /* the line's end */
	if (!c->note && c->state == READING)
		note_request(&c->note, c->rc, EVENT_HTTP1, NULL,
			     (struct backend_ref){ .kind = BACKEND_NONE });
	note_refused(&c->note, (unsigned int)status);
	log_debug("router: port %u: %d: %s", c->rc->port, status, text);
	http1_linger(c);
}

void http1_bad_gateway(struct http1 *c, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "%s%s%s", what, c->error ? ": " : "",
		 c->error ? strerror(-c->error) : "");
	if (c->error == -ETIMEDOUT)
		http1_answer(c, 504, "Gateway Timeout", text);
	else
		http1_answer(c, 502, "Bad Gateway", text);
}

int http1_send_out(struct http1 *c)
{
	ssize_t n = 0;

	if (c->out.len)
		n = pipe_send(c->caller.pipe, buf_data(&c->out), c->out.len);
	if (n < 0) {
		http1_over(c, true);
		return -1;
	}
	buf_take(&c->out, (size_t)n);
	return !c->out.len;
}

static void run_linger(struct http1 *c)
{
	struct router_conn *rc = c->rc;
	struct pipe *caller;
	int sent = http1_send_out(c);

	if (sent < 0)
		return;
	pipe_end_take(&c->caller, c->caller.in.len);
	if (sent == 0)
		return;
	if (c->caller.eof) {
		http1_over(c, false);
		return;
	}
	caller = steal_ptr(&c->caller.pipe);
	http1_free(c);
	linger_start(rc, caller);
}

/* --- a request ------------------------------------------------------------ */

static bool is_one_of(struct slice s, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == s.n && memcmp(s.p, *names, s.n) == 0)
			return true;
	return false;
}

static size_t count(const struct http1_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->nfields; i++)
		n += slice_is_nocase(h->fields[i].name, name);
	return n;
}

/* What cannot be understood is the backend's business: from here on both go on
 * as they come, or end as that one has. False: it is answered here. */
static bool http1_passes(struct http1 *c)
{
	struct router_env *env = c->rc->env;

	if (!env->transparent || c->ups.used)
		return false;
	if (ups_use(&c->ups, env->choose(env, c->rc->port, NULL), false) == 0 &&
	    c->ups.used->opened)
		http1_tunnel(c);
	else
		http1_over(c, true);
	return true;
}

static void http1_route(struct http1 *c)
{
	if (c->ref.kind == BACKEND_NONE) {
		http1_bad_gateway(c, "nobody serves this request");
		return;
	}
	if (c->ref.kind == BACKEND_DOWN) {
		const struct router_said *said = &c->rc->env->said;

		http1_answer(c, said->absent ? 404 : 503,
			     said->absent ? "Not Found" : "Service Unavailable",
			     said->text);
		return;
	}
	c->tries++;
	c->error = ups_use(&c->ups, c->ref, !c->idempotent || !c->body.done);
	if (c->error)
		http1_bad_gateway(c, "no connection to the backend");
}

/* @h as the rules see it */
static void http1_request(const struct http1 *c, const struct http1_head *h,
			  struct rule_request *req)
{
	http1_head_request(h, scratch_field, req);
	req->env_header = router_header(c->rc->env);
	if (c->rc->env->outside)
		http1_head_unmark(scratch_field, req);
}

/* @req may get a mark: @name, or "" */
static void http1_mark(struct http1 *c, struct rule_request *req,
		       char name[ENVMARK_MAX])
{
	static char text[sizeof(ENVMARK_MEMBER) + ENVMARK_MAX];
	int n;

	if (!router_mark(c->rc->env, &c->rc->from, req, name)) {
		name[0] = '\0';
		return;
	}
	n = snprintf(text, sizeof(text), ENVMARK_MEMBER "=%s", name);
	scratch_field[req->nfields++] =
		(struct rule_field){ slice_of(ENVMARK_FIELD),
				     slice_make(text, (size_t)n) };
	if (req->env_header)
		scratch_field[req->nfields++] =
			(struct rule_field){ slice_of(req->env_header),
					     slice_of(name) };
	req->marked = true;
}

/* whose is @req now? @was: who was not reached, or NULL */
static bool http1_choose(struct http1 *c, const struct rule_request *req,
			 const struct backend_ref *was)
{
	struct router_env *env = c->rc->env;
	bool copies = !c->tries && !c->connect && !c->upgrade;

	c->ref = router_choose(env, c->rc->port, req, was);
	free(c->served_by);
	c->served_by = router_served_by(env);
	if (copies)
		copies_begin(&c->copies, c->rc, c->ref, req);
	note_request(&c->note, c->rc, EVENT_HTTP1, req, c->ref);
	return c->ref.kind != BACKEND_NONE;
}

/* one that nobody gets; @status: why */
static void http1_refuse(struct http1 *c, const struct http1_head *h,
			 int status, const char *reason, const char *text)
{
	struct rule_request req;

	http1_request(c, h, &req);
	note_request(&c->note, c->rc, EVENT_HTTP1, &req,
		     (struct backend_ref){ .kind = BACKEND_NONE });
	http1_answer(c, status, reason, text);
}

/* the head for those who want a copy */
static void http1_copy(struct http1 *c)
{
	const char *start = (const char *)buf_data(&c->head);
	const char *end = start + c->head.len;
	struct http1_head *h = &http1_scratch;
	struct buf head;
	int rc = -1;

	buf_init(&head, HTTP1_PASSED_HEAD + HTTP1_OWN_FIELD);
	if (http1_parse_passed(h, start, c->head.len) >= 0)
		rc = http1_head_copied(&head, h, start, end);
	if (rc == 0)
		copies_head1(&c->copies, buf_data(&head), head.len);
	else
		copies_abort(&c->copies);
	buf_fini(&head);
}

static void http1_on_again(struct timer *t)
{
	struct http1 *c = container_of(t, struct http1, timer);
	struct backend_ref was = c->ref;
	struct rule_request req;

	if (http1_parse_passed(&http1_scratch, buf_data(&c->head),
			       c->head.len) < 0) {
		http1_over(c, true);
		return;
	}
	http1_request(c, &http1_scratch, &req);
	/* the same one would refuse again */
	if (http1_choose(c, &req, c->error ? &was : NULL) &&
	    backend_same(was, c->ref) && c->error)
		http1_bad_gateway(c, "no connection to the backend");
	else
		http1_route(c);
	http1_run(c);
}

void http1_again(struct http1 *c)
{
	ups_drop(&c->ups, true);
	c->head_sent = 0;
	loop_timer_start(c->rc->env->loop, &c->timer, 0, http1_on_again);
}

static void http1_begin(struct http1 *c, const struct http1_head *h, size_t len)
{
	/* RFC 9110 sections 9.2.1, 9.2.2 */
	static const char *const safe[] = { "GET", "HEAD", "OPTIONS", "TRACE",
					    NULL };
	static const char *const idempotent[] = { "PUT", "DELETE", NULL };
	char ip[IPADDR_STRLEN] = "", env[ENVMARK_MAX];
	struct rule_request req;
	uint64_t length;
	int kind = http1_request_body(h, &length);
	const char *start = (const char *)buf_data(&c->caller.in);

	c->to_head = slice_is_nocase(h->method, "HEAD");
	if (kind < 0 || count(h, "host") > 1) {
		if (http1_passes(c))
			return;
		http1_refuse(c, h, 400, "Bad Request",
			     "the request is ambiguous");
		return;
	}
	http1_flow_start(&c->body, kind, length);
	c->connect = slice_is_nocase(h->method, "CONNECT");
	/* an offer of h2c does not go on (http1_head_forward()) */
	c->upgrade = http1_has_token(h, "connection", "upgrade") &&
		     http1_find(h, "upgrade") &&
		     !http1_has_token(h, "upgrade", "h2c");
	c->safe = is_one_of(h->method, safe);
	c->idempotent = c->safe || is_one_of(h->method, idempotent);
	c->keep = http1_head_persists(h);
	c->old = h->minor == 0;
	c->body_ok = c->answer_ok = c->head_sent = 0;
	c->in_answer = c->answered = c->heard = c->copied = false;
	c->completed = false;
	c->tries = 0;
	c->error = 0;
	buf_reset(&c->head);
	if (!c->rc->env->transparent)
		ipaddr_str(&c->rc->from.addr, ip);
	http1_request(c, h, &req);
	http1_mark(c, &req, env);
	if (http1_head_forward(&c->head, h, start + len, ip, env,
			       req.env_header, c->rc->env->outside) < 0) {
		http1_refuse(c, h, 431, too_large,
			     "the request's head is too large");
		return;
	}
	c->state = EXCHANGE;
	http1_choose(c, &req, NULL);
	pipe_end_take(&c->caller, len);
	http1_route(c);
}

static void http1_on_slow(struct timer *t)
{
	struct http1 *c = container_of(t, struct http1, timer);

	if (c->caller.in.len)
		http1_answer(c, 408, "Request Timeout",
			     "the request's head did not come");
	else
		http1_linger(c);
	http1_run(c);
}

/* the first byte of a head begins its time, or the last request idleness */
static void http1_wait_for_caller(struct http1 *c)
{
	struct router_env *env = c->rc->env;
	bool some = c->caller.in.len > 0;

	if ((c->hurried == some && loop_timer_active(&c->timer)) ||
	    env->transparent)
		return;
	c->hurried = some;
	loop_timer_start(env->loop, &c->timer,
			 router_patience(env, some ? ROUTER_HEAD_NS
					      : c->rc->draining
						      ? ROUTER_DRAIN_NS
						      : ROUTER_IDLE_NS),
			 http1_on_slow);
}

/* who was silent for long gets a moment still: a request may be under way */
static void http1_drain(void *part)
{
	struct http1 *c = part;

	if (c->state != READING || c->caller.in.len)
		return;
	loop_timer_stop(&c->timer);
	http1_wait_for_caller(c);
}

static void read_request(struct http1 *c)
{
	struct http1_head *h = &http1_scratch;
	ssize_t n = -EAGAIN;

	if (c->ups.ended) {
		http1_over(c, false);
		return;
	}
	http1_wait_for_caller(c);
	if (c->caller.in.len)
		n = http1_parse_request(h, buf_data(&c->caller.in),
					c->caller.in.len);
	c->to_head = false;
	c->answered = false;
	if (n != -EAGAIN)
		loop_timer_stop(&c->timer);
	if (n >= 0)
		http1_begin(c, h, (size_t)n);
	else if (n != -EAGAIN && http1_passes(c))
		return;
	else if (n == -E2BIG)
		http1_answer(c, 431, too_large,
			     "the request's head is too large");
	else if (n != -EAGAIN)
		http1_answer(c, 400, "Bad Request", "the request is malformed");
	else if (c->caller.eof)
		http1_over(c, false);
	else
		pipe_end_more(&c->caller);
}

/* --- request to the backend ----------------------------------------------- */

bool http1_request_sent(const struct http1 *c)
{
	return c->body.done && !c->body_ok && c->head_sent == c->head.len;
}

/* 1: all was taken; 0: later; -1: never */
static int http1_offer(struct up *up, const uint8_t *p, size_t len,
		       size_t *done)
{
	ssize_t n = pipe_send(up->end.pipe, p, len);

	*done = 0;
	if (n < 0) {
		up->write_failed = true;
		return -1;
	}
	*done = (size_t)n;
	return *done == len;
}

static int check_body(struct http1 *c)
{
	struct buf *in = &c->caller.in;
	ssize_t n;

	if (c->body.done || in->len == c->body_ok)
		return 0;
	n = http1_flow_next(&c->body, buf_data(in) + c->body_ok,
			    in->len - c->body_ok);
	if (n < 0)
		return -EBADMSG;
	c->body_ok += (size_t)n;
	return 0;
}

/* as http1_passes(); a head of the answer that is changed goes before */
static void http1_bad_body(struct http1 *c)
{
	struct up *up = c->ups.used;

	if (!c->rc->env->transparent)
		http1_answer(c, 400, "Bad Request",
			     "the request's body is broken");
	else if (pipe_end_put_back(&up->end, buf_data(&c->out), c->out.len) < 0)
		http1_over(c, true);
	else
		http1_tunnel(c);
}

static void push(struct http1 *c)
{
	struct up *up = c->ups.used;
	size_t n;

	if (!up || !up->opened || !up->end.pipe || up->write_failed)
		return;
	if (c->head_sent < c->head.len) {
		int rc = http1_offer(up, buf_data(&c->head) + c->head_sent,
				     c->head.len - c->head_sent, &n);

		c->head_sent += n;
		if (rc <= 0)
			return;
	}
	if (c->copies.first && !c->copied)
		http1_copy(c);
	c->copied = true;
	if (check_body(c) < 0) {
		http1_bad_body(c);
		return;
	}
	if (c->body_ok) {
		http1_offer(up, buf_data(&c->caller.in), c->body_ok, &n);
		copies_body(&c->copies, buf_data(&c->caller.in), n);
		c->body_ok -= n;
		pipe_end_take(&c->caller, n);
	}
	if (http1_request_sent(c))
		copies_end(&c->copies);
	if (!c->caller.eof || c->caller.in.len || up->write_failed)
		return;
	if (!http1_request_sent(c)) { /* it will never be complete */
		http1_over(c, true);
	} else if (!up->end.finished) {
		up->end.finished = true;
		pipe_finish(up->end.pipe);
	}
}

/* --- the end of a request ------------------------------------------------- */

static void http1_finish(struct http1 *c)
{
	struct up *up = c->ups.used;
	bool usable = c->answer_persists && up->end.pipe && !up->end.eof &&
		      !up->write_failed && !up->end.finished && !up->end.in.len;

	if (!http1_request_sent(c)) {
		if (!usable || !c->keep)
			http1_linger(c);
		return; /* its body goes on */
	}
	if (!usable && c->rc->env->transparent)
		c->ups.ended = true; /* and so does the caller's */
	if (usable)
		ups_keep(&c->ups);
	else
		ups_drop(&c->ups, false);
	buf_fini(&c->head);
	if (c->keep)
		c->state = READING;
	else
		http1_linger(c);
}

static void exchange(struct http1 *c)
{
	if (c->ups.used)
		push(c);
	if (!c->gone && c->state == EXCHANGE && c->ups.used &&
	    http1_pull(c) > 0)
		http1_finish(c);
}

static void http1_run(struct http1 *c)
{
	enum http1_state was;

	do {
		was = c->state;
		if (was == READING)
			read_request(c);
		else if (was == EXCHANGE)
			exchange(c);
		else
			run_linger(c);
	} while (!c->gone && c->state != was);
	/* an idle connection has no buffer */
	if (!c->gone && !c->caller.in.len)
		buf_fini(&c->caller.in);
}

/* --- the caller ----------------------------------------------------------- */

static void http1_on_opened(void *user)
{
	(void)user;
}

static void http1_on_data(void *user, const uint8_t *p, size_t n)
{
	struct http1 *c = user;

	if (buf_put(&c->caller.in, p, n) < 0)
		http1_over(c, true);
	else
		http1_run(c);
}

static void http1_on_eof(void *user)
{
	struct http1 *c = user;

	c->caller.eof = true;
	http1_run(c);
}

static void http1_on_writable(void *user)
{
	http1_run(user);
}

static void http1_on_closed(void *user, int error)
{
	struct http1 *c = user;

	(void)error;
	c->caller.pipe = NULL;
	http1_over(c, true);
}

static const struct pipe_handler handler = { http1_on_opened, http1_on_data,
					     http1_on_eof, http1_on_writable,
					     http1_on_closed };

static void http1_sweep(void *part)
{
	struct http1 *c = part;

	ups_sweep(&c->ups);
}

static const struct part_ops part_ops = { http1_free, http1_drain,
					  http1_sweep };

static void http1_on_up(void *user)
{
	http1_run(user);
}

void http1_start(struct router_conn *rc, struct pipe_end *caller,
		 struct pipe_end *up, struct backend_ref ref)
{
	struct http1 *c = calloc(1, sizeof(*c));

	if (!c) {
		pipe_end_reset(caller);
		if (up)
			pipe_end_reset(up);
		conn_over(rc);
		return;
	}
	c->rc = rc;
	c->caller = *caller;
	buf_init(&c->out, HTTP1_MAX_HEAD + HTTP1_OWN_FIELD);
	buf_init(&c->head, HTTP1_PASSED_HEAD);
	ups_init(&c->ups, rc, http1_on_up, c);
	conn_become(rc, c, &part_ops);
	pipe_set_handler(c->caller.pipe, &handler, c);
	if (up)
		ups_adopt(&c->ups, up, ref);
	http1_run(c);
}
