/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TRIES 2

/* connections to one backend, where it takes few streams on each */
#define UPS_MAX 32

static const struct pipe_handler up_handler;

/* --- connections ---------------------------------------------------------- */

void http2_up_free(struct http2_side *s)
{
	list_del(&s->node);
	if (s->end.pipe)
		pipe_close(s->end.pipe, true);
	s->end.pipe = NULL;
	http2_side_fini(s);
	loop_defer_free(s->c->rc->env->loop, s);
}

static bool has_calls(const struct http2_side *s)
{
	struct list *n;

	list_for_each (n, &s->c->calls)
		if (container_of(n, struct http2_call, node)->up == s)
			return true;
	return false;
}

void http2_up_sweep(struct http2 *c)
{
	struct router_env *env = c->rc->env;
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &c->ups) {
		struct http2_side *s = container_of(n, struct http2_side, node);

		if (env->serves(env, s->ref) || has_calls(s))
			continue;
		if (s->end.pipe)
			pipe_close(s->end.pipe, false);
		s->end.pipe = NULL;
		http2_up_free(s);
	}
}

static void http2_up_on_again(struct timer *t)
{
	struct http2 *c = container_of(t, struct http2, again);

	http2_route_lost(c);
	http2_run(c);
}

/* nothing of it was sent, or it may be asked twice: it may go another way */
static bool is_lost(struct http2_call *k, const struct http2_side *s, int error)
{
	bool member = !s->opened && k->ref.kind == BACKEND_MEMBER &&
		      k->c->rc->env->again;

	k->error = error;
	if (k->kept && member) {
		k->tries--; /* others answer in its place, in turn */
		k->lost = true;
	} else {
		k->lost = k->kept && k->tries < TRIES;
	}
	return k->lost;
}

void http2_up_broke(struct http2_side *s, int error)
{
	struct http2 *c = s->c;
	struct list *n, *tmp;
	char text[128];

	snprintf(text, sizeof(text), "%s: %s",
		 s->opened ? "the backend sent no answer"
			   : "no connection to the backend",
		 strerror(error ? -error : ECONNRESET));
	list_for_each_safe (n, tmp, &c->calls) {
		struct http2_call *k = container_of(n, struct http2_call, node);

		if (k->up != s)
			continue;
		k->up = NULL;
		k->sent = NULL;
		k->waits = false;
		if ((!s->opened || (k->again && error == -ENETRESET)) &&
		    k->asked && is_lost(k, s, error)) {
			/* whose it is now is known a moment later */
			loop_timer_start(c->rc->env->loop, &c->again, 0,
					 http2_up_on_again);
			continue;
		}
		/* a response that was complete still goes out */
		if (!(k->begun && k->answer.ended))
			http2_refuse(k, error == -ETIMEDOUT ? "504" : "502",
				     text);
		http2_drop(&k->ask, &c->down, k->asked);
		http2_call_check(k);
	}
	http2_up_free(s);
	/* as without us: the caller's ends too, behind what it has asked */
	if (c->rc->env->transparent && list_empty(&c->ups))
		h2_goaway(&c->down.h2, c->down.h2.taken, H2_NO_ERROR);
}

/* @pipe: NULL: it is to be opened */
static struct http2_side *up_new(struct http2 *c, struct backend_ref ref,
				 struct pipe *pipe)
{
	struct router_env *env = c->rc->env;
	struct http2_side *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->c = c;
	s->ref = ref;
	s->opened = pipe;
	list_init(&s->node);
	if (http2_side_start(s, false) == 0)
		s->end.pipe =
			pipe ? pipe
			     : env->open(env, c->rc->port, ref, &c->rc->from);
	if (!s->end.pipe) {
		http2_side_fini(s);
		free(s);
		return NULL;
	}
	pipe_set_handler(s->end.pipe, &up_handler, s);
	list_add_tail(&c->ups, &s->node);
	return s;
}

void http2_up_adopt(struct http2 *c, struct pipe_end *up,
		    struct backend_ref ref)
{
	if (!up_new(c, ref, up->pipe))
		pipe_close(up->pipe, true);
	up->pipe = NULL;
	buf_fini(&up->in);
}

static struct http2_side *up_for(struct http2 *c, struct backend_ref ref)
{
	struct list *n;
	size_t full = 0;

	list_for_each (n, &c->ups) {
		struct http2_side *s = container_of(n, struct http2_side, node);

		if (!backend_same(s->ref, ref))
			continue;
		if (!s->write_failed && h2_may_request(&s->h2))
			return s;
		full++;
	}
	return full < UPS_MAX ? up_new(c, ref, NULL) : NULL;
}

/* --- calls ---------------------------------------------------------------- */

static bool is_connect(const struct rule_request *req)
{
	return req->method.n == 7 && memcmp(req->method.p, "CONNECT", 7) == 0;
}

static void drop_kept(struct http2_call *k)
{
	http2_head_free(k->kept);
	k->kept = NULL;
}

/* the head k->kept goes out on k->up; false: it cannot */
static bool send_head(struct http2_call *k)
{
	bool last = k->ask.ended && !k->ask.q.len && !k->ask.trailer;
	size_t n;
	const struct hpack_field *f = http2_head_fields(k->kept, &n);

	k->sent = h2_request(&k->up->h2, f, n, last, k);
	http2_resume(k->up, k->sent); /* of its body, there may be some */
	return k->sent;
}

/* what its backend can is known; false: it cannot take this one */
static bool send_extended(struct http2_call *k)
{
	k->waits = false;
	if (k->up->h2.peer_connect)
		return send_head(k);
	k->up = NULL;
	http2_refuse(k, "501", "the backend does not take :protocol");
	return true;
}

/* it goes to the backend k->ref */
static void submit(struct http2_call *k)
{
	bool sent = false;

	k->tries++;
	k->up = up_for(k->c, k->ref);
	if (k->up && k->extended && !k->up->greeted) {
		k->waits = true;
		return;
	}
	if (k->up)
		sent = k->extended ? send_extended(k) : send_head(k);
	if (!sent) {
		k->up = NULL;
		http2_refuse(k, "502", "no connection to the backend");
	}
	if (!k->up || (k->up->opened && !k->again))
		drop_kept(k);
}

/* SETTINGS have come: some waited for them */
static void greeted(struct http2_side *s)
{
	struct list *n, *tmp;

	s->greeted = true;
	list_for_each_safe (n, tmp, &s->c->calls) {
		struct http2_call *k = container_of(n, struct http2_call, node);

		if (k->up != s || !k->waits)
			continue;
		if (!send_extended(k)) {
			k->up = NULL;
			http2_refuse(k, "502", "no connection to the backend");
		}
		drop_kept(k);
		http2_call_check(k);
	}
}

/* RFC 9110 section 9.2.1 */
static bool http2_is_safe(const struct rule_request *req)
{
	static const char *const safe[] = { "GET", "HEAD", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < ARRAY_SIZE(safe); i++)
		if (req->method.n == strlen(safe[i]) &&
		    memcmp(req->method.p, safe[i], req->method.n) == 0)
			return true;
	return false;
}

static void http2_copy(struct http2_call *k, bool last)
{
	size_t n;
	const struct hpack_field *f = http2_head_fields(k->kept, &n);

	copies_head2(&k->copies, f, n, last);
}

/* whose is it now? @was: who was not reached, or NULL. False: nobody's, who
 * asked knows */
static bool http2_choose(struct http2_call *k, const struct rule_request *req,
			 const struct backend_ref *was)
{
	struct router_conn *rc = k->c->rc;

	k->ref = router_choose(rc->env, rc->port, req, was);
	free(k->served_by);
	k->served_by = router_served_by(rc->env);
	note_request(&k->note, rc, EVENT_HTTP2, req, k->ref);
	if (k->ref.kind == BACKEND_DOWN)
		http2_refuse(k, rc->env->said.absent ? "404" : "503",
			     rc->env->said.text);
	else if (k->ref.kind == BACKEND_NONE)
		http2_refuse(k, "502", "nobody serves this request");
	return k->ref.kind != BACKEND_DOWN && k->ref.kind != BACKEND_NONE;
}

/* it may get a mark, which is one of those that the rules see; false: memory */
static bool http2_mark(struct http2_call *k, struct rule_request *req)
{
	struct router_conn *rc = k->c->rc;
	const char *header = req->env_header;
	char name[ENVMARK_MAX];

	if (!router_mark(rc->env, &rc->from, req, name))
		return true;
	if (http2_head_mark(k->head, name, header) < 0)
		return false;
	http2_head_rule(k->head, req);
	req->env_header = header;
	req->marked = true;
	return true;
}

void http2_route(struct http2_call *k, bool last)
{
	const struct backend_ref none = { .kind = BACKEND_NONE };
	struct router_conn *rc = k->c->rc;
	struct rule_request req;
	bool copies;

	k->routed = true;
	k->ask.ended = last;
	if (!k->head) {
		note_request(&k->note, rc, EVENT_HTTP2, NULL, none);
		http2_refuse(k, "431",
			     "the request's head is larger than 256 KiB");
		return;
	}
	if (rc->env->outside)
		http2_head_unmark(k->head, router_header(rc->env));
	http2_head_rule(k->head, &req);
	req.env_header = router_header(rc->env);
	k->extended = http2_head_is_extended(k->head);
	if (is_connect(&req) && !k->extended) {
		note_request(&k->note, rc, EVENT_HTTP2, &req, none);
		http2_refuse(k, "405", "CONNECT is not for a Service");
		return;
	}
	if (!http2_mark(k, &req)) {
		http2_refuse(k, "503", "not enough memory");
		return;
	}
	k->again = last && http2_is_safe(&req);
	if (!http2_choose(k, &req, NULL))
		return;
	copies = !k->extended && copies_begin(&k->copies, rc, k->ref, &req);
	if (!rc->env->transparent &&
	    http2_head_forwarded(k->head, &rc->from) < 0) {
		copies_abort(&k->copies);
		http2_refuse(k, "431", "the request's head is too large");
		return;
	}
	k->kept = steal_ptr(&k->head);
	if (copies)
		http2_copy(k, last);
	submit(k);
}

static void route_again(struct http2_call *k)
{
	struct backend_ref was = k->ref;
	struct rule_request req;
	char text[128];

	k->lost = false;
	http2_head_rule(k->kept, &req);
	req.env_header = router_header(k->c->rc->env);
	if (!http2_choose(k, &req, &was)) {
		http2_call_check(k);
		return;
	}
	/* the same one would not open again */
	if (!backend_same(was, k->ref)) {
		submit(k);
		return;
	}
	snprintf(text, sizeof(text), "no connection to the backend: %s",
		 strerror(k->error ? -k->error : ECONNRESET));
	http2_refuse(k, k->error == -ETIMEDOUT ? "504" : "502", text);
	http2_call_check(k);
}

void http2_route_lost(struct http2 *c)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &c->calls) {
		struct http2_call *k = container_of(n, struct http2_call, node);

		if (k->lost)
			route_again(k);
	}
}

/* --- pipes ---------------------------------------------------------------- */

static void http2_up_on_opened(void *user)
{
	struct http2_side *s = user;
	struct list *n;

	s->opened = true;
	list_for_each (n, &s->c->calls) {
		struct http2_call *k = container_of(n, struct http2_call, node);

		if (k->up == s && !k->again && !k->waits)
			drop_kept(k);
	}
	http2_run(s->c);
}

static void http2_up_on_writable(void *user)
{
	struct http2_side *s = user;

	http2_run(s->c);
}

static void http2_up_on_data(void *user, const uint8_t *p, size_t n)
{
	struct http2_side *s = user;
	struct http2 *c = s->c;
	int rc = h2_receive(&s->h2, loop_now(c->rc->env->loop), p, n);

	if (s->end.pipe)
		pipe_consume(s->end.pipe, n);
	if (rc == 0 && s->h2.settled && !s->greeted)
		greeted(s);
	if (rc < 0)
		http2_up_broke(s, -EPROTO);
	http2_run(c);
}

static void http2_up_on_eof(void *user)
{
	struct http2_side *s = user;
	struct http2 *c = s->c;

	http2_up_broke(s, -ECONNRESET);
	http2_run(c);
}

static void http2_up_on_closed(void *user, int error)
{
	struct http2_side *s = user;
	struct http2 *c = s->c;

	s->end.pipe = NULL;
	http2_up_broke(s, error);
	http2_run(c);
}

static const struct pipe_handler up_handler = {
	http2_up_on_opened, http2_up_on_data, http2_up_on_eof,
	http2_up_on_writable, http2_up_on_closed
};
