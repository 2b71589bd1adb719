/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http1_head.h"
#include "router/http1_inside.h"
#include "router/note.h"

#include <errno.h>
#include <string.h>

/* The response of the backend to the caller: router/http1.c says how it fits.
 */

/* it may go another way, or the same way again */
static bool may_go_again(struct http1 *c)
{
	const struct up *up = c->ups.used;
	bool bare = c->body.kind == HTTP1_NO_BODY;

	if (up->end.in.len || c->heard)
		return false;
	if (!up->opened && c->ref.kind == BACKEND_MEMBER && c->rc->env->again) {
		c->tries--; /* others answer in its place, in turn */
		return true;
	}
	if (c->tries >= HTTP1_TRIES)
		return false;
	if (!up->opened || (up->reused && !c->head_sent))
		return true; /* nothing of it was sent */
	/* a laptop that did not come back in time will not answer */
	return bare && ((up->reused && c->idempotent) ||
			(up->error == -ENETRESET && c->safe));
}

/* the backend has ended without an answer */
static void no_answer(struct http1 *c)
{
	struct up *up = c->ups.used;
	bool lost = up->error == -ENETRESET;

	c->error = up->error;
	if (!c->rc->env->transparent && may_go_again(c)) {
		if (up->opened && !lost)
			c->error = 0; /* a new connection may do */
		http1_again(c);
		return;
	}
	/* The backend has closed an idle connection as the request came:
	 * between the caller and it, this would have been a connection that
	 * ends. What to do then callers know (RFC 9112 section 9.3.1). */
	if (up->reused && !up->end.in.len && !c->heard && !lost &&
	    up->error != -ETIMEDOUT) {
		http1_over(c, false);
		return;
	}
	http1_bad_gateway(c, up->opened ? "the backend sent no answer"
					: "no connection to the backend");
}

/* the caller is to know that this response is the last one */
static void say_close(struct http1 *c, const struct http1_head *h, size_t len)
{
	struct pipe_end *up = &c->ups.used->end;
	const char *start = (const char *)buf_data(&up->in);

	c->keep = false;
	if (http1_head_closing(&c->out, h, start, start + len) < 0) {
		buf_reset(&c->out); /* as it was; the end comes unsaid */
		return;
	}
	pipe_end_take(up, len);
	c->answer_ok = 0;
}

/* an answer that cannot be understood: as http1_passes(); of a backend that has
 * broken meanwhile nothing more can come */
static void http1_bad_answer(struct http1 *c, const char *what)
{
	if (!c->rc->env->transparent || c->head_sent < c->head.len)
		http1_bad_gateway(c, what);
	else if (c->ups.used->end.pipe)
		http1_tunnel(c);
	else
		http1_over(c, true);
}

static void final_head(struct http1 *c, const struct http1_head *h, size_t len)
{
	uint64_t length;
	int kind = http1_passed_body(h, c->to_head, &length);

	if (kind < 0) {
		http1_bad_answer(c, "the backend's answer is ambiguous");
		return;
	}
	note_answered(&c->note, h->status);
	http1_flow_start(&c->answer, kind, length);
	c->answer.chunks.lenient = true;
	c->answer_ok = len;
	c->in_answer = true;
	c->answer_persists = kind != HTTP1_UNTIL_EOF && http1_head_persists(h);
	c->keep = c->keep && c->answer_persists &&
		  (!c->old || http1_has_token(h, "connection", "keep-alive"));
	if (c->keep && c->rc->draining)
		say_close(c, h, len);
}

static void interim_head(struct http1 *c, size_t len)
{
	c->heard = true;
	if (c->old) /* RFC 9110 section 15.2 */
		pipe_end_take(&c->ups.used->end, len);
	else
		c->answer_ok = len;
}

/* the head at the front of @e is put right; 0, -EAGAIN or another -errno */
static int repair(struct pipe_end *e)
{
	struct buf head;
	ssize_t n;
	int rc;

	buf_init(&head, 2 * HTTP1_MAX_HEAD);
	n = http1_repair(&head, buf_data(&e->in), e->in.len);
	rc = n < 0 ? (int)n : 0;
	if (rc == 0) {
		pipe_end_take(e, (size_t)n);
		rc = pipe_end_put_back(e, buf_data(&head), head.len);
	}
	buf_fini(&head);
	return rc;
}

/* the length of a head, or -errno */
static ssize_t parse_answer(struct http1_head *h, struct pipe_end *e)
{
	ssize_t n = http1_parse_response(h, buf_data(&e->in), e->in.len);
	int rc;

	if (n != -EBADMSG && (n < 0 || !http1_is_odd(h)))
		return n;
	rc = repair(e);
	return rc < 0 ? rc
		      : http1_parse_response(h, buf_data(&e->in), e->in.len);
}

static void http1_change(struct http1 *c, unsigned int status)
{
	note_answered(&c->note, status);
	if (c->ups.used->end.pipe)
		http1_tunnel(c);
	else
		http1_over(c, true); /* it broke behind its answer */
}

/* the answer says who gives it in another's place, or that nobody may keep it;
 * the length of its head */
static size_t http1_complete(struct http1 *c, const struct http1_head *h,
			     size_t len)
{
	struct pipe_end *up = &c->ups.used->end;
	const char *start = (const char *)buf_data(&up->in);
	auto_free char *by = steal_ptr(&c->served_by);
	struct buf head;

	c->completed = true;
	buf_init(&head, HTTP1_MAX_HEAD);
	if (http1_head_answer(&head, h, start, start + len, by,
			      c->rc->env->outside) == 0) {
		pipe_end_take(up, len);
		if (pipe_end_put_back(up, buf_data(&head), head.len) < 0)
			head.len = 0; /* memory: the connection is broken */
		len = head.len;
	} /* else the head is as large as may be: it goes as it is */
	buf_fini(&head);
	return len;
}

static bool http1_is_last_head(const struct http1_head *h)
{
	return h->status >= 200 || h->status == 101;
}

static void on_head(struct http1 *c, const struct http1_head *h, size_t len)
{
	if (c->connect && h->status / 100 == 2)
		http1_change(c, h->status);
	else if (h->status == 101 && c->upgrade && http1_request_sent(c))
		http1_change(c, h->status);
	else if (h->status == 101)
		http1_bad_answer(c, "the backend changed protocols");
	else if (h->status < 200)
		interim_head(c, len);
	else
		final_head(c, h, len);
}

/* an answer in another protocol, whose end nobody here would know */
static bool http1_is_other(const struct http1 *c, const struct buf *in)
{
	static const char version[] = "HTTP/";

	return c->rc->env->transparent &&
	       memcmp(buf_data(in), version,
		      MIN(in->len, sizeof(version) - 1)) != 0;
}

/* false: there is none yet, or no answer at all */
static bool read_head(struct http1 *c)
{
	struct up *up = c->ups.used;
	ssize_t n = -EAGAIN;

	if (up->end.in.len && http1_is_other(c, &up->end.in))
		n = -EBADMSG;
	else if (up->end.in.len)
		n = parse_answer(&http1_scratch, &up->end);
	if (n > 0 && (c->served_by || c->rc->env->outside) && !c->completed &&
	    http1_is_last_head(&http1_scratch)) {
		size_t len = http1_complete(c, &http1_scratch, (size_t)n);

		n = len ? http1_parse_response(&http1_scratch,
					       buf_data(&up->end.in), len)
			: -ENOMEM;
	}
	if (n == -EAGAIN && (up->end.eof || !up->end.pipe))
		no_answer(c);
	else if (n == -EAGAIN)
		pipe_end_more(&up->end);
	if (n == -EAGAIN)
		return false;
	if (n == -E2BIG)
		http1_bad_answer(c, "the head of the backend's answer is "
				    "larger than 256 KiB");
	else if (n < 0)
		http1_bad_answer(c, "the backend's answer is malformed");
	else
		on_head(c, &http1_scratch, (size_t)n);
	return !c->gone && c->state == EXCHANGE;
}

/* 1: it is complete; 0: later; -1: the connection is gone or lingers */
static int read_body(struct http1 *c)
{
	struct up *up = c->ups.used;
	struct buf *in = &up->end.in;
	ssize_t n = 0;

	if (in->len > c->answer_ok)
		n = http1_flow_next(&c->answer, buf_data(in) + c->answer_ok,
				    in->len - c->answer_ok);
	if (n < 0) {
		http1_over(c, true);
		return -1;
	}
	c->answer_ok += (size_t)n;
	if (c->answer_ok)
		return 0;
	if (c->answer.done)
		return 1;
	if (c->answer.kind == HTTP1_UNTIL_EOF && up->end.eof)
		return 1;
	if (up->end.eof || !up->end.pipe) {
		http1_over(c, true); /* cut off */
		return -1;
	}
	return 0;
}

int http1_pull(struct http1 *c)
{
	struct up *up = c->ups.used;

	for (;;) {
		if (c->out.len) {
			int rc = http1_send_out(c);

			if (rc <= 0)
				return rc;
			c->answered = true;
		}
		if (c->in_answer) {
			int rc = read_body(c);

			if (rc)
				return rc;
		}
		if (c->answer_ok) {
			ssize_t n =
				pipe_send(c->caller.pipe, buf_data(&up->end.in),
					  c->answer_ok);
			if (n < 0) {
				http1_over(c, true);
				return -1;
			}
			if (c->in_answer && n)
				c->answered = true;
			c->answer_ok -= (size_t)n;
			pipe_end_take(&up->end, (size_t)n);
			if (c->answer_ok)
				return 0;
		} else if (c->in_answer) {
			return 0;
		} else if (!read_head(c)) {
			return -1;
		}
	}
}
