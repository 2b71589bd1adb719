/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/acceptor.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define MAX_PENDING 64
#define HELLO_NS (5 * NS_SEC)

/* a carrier whose HELLO has not come yet, or that is being refused */
struct pending {
	struct list node;
	struct acceptor *acceptor;
	struct carrier *carrier;
	struct frame_parser parser;
	struct timer timer;
	struct buf out; /* the REFUSE frame, until it is sent */
	bool refused;
};

struct acceptor {
	struct loop *loop;
	struct session_config cfg;
	const struct acceptor_ops *ops;
	void *user;
	struct session *sessions[ACCEPTOR_SESSIONS];
	size_t nsessions, npending;
	struct list pending;
};

struct acceptor *acceptor_new(struct loop *loop,
			      const struct session_config *cfg,
			      const struct acceptor_ops *ops, void *user)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->loop = loop;
	a->cfg = *cfg;
	a->ops = ops;
	a->user = user;
	list_init(&a->pending);
	return a;
}

static void pending_free(struct pending *p)
{
	loop_timer_stop(&p->timer);
	list_del(&p->node);
	p->acceptor->npending--;
	carrier_close(p->carrier);
	buf_fini(&p->out);
	loop_defer_free(p->acceptor->loop, p);
}

void acceptor_free(struct acceptor *a)
{
	struct list *n, *tmp;

	if (!a)
		return;
	list_for_each_safe (n, tmp, &a->pending) {
		pending_free(container_of(n, struct pending, node));
	}
	loop_defer_free(a->loop, a);
}

void acceptor_remove(struct acceptor *a, const struct session *s)
{
	for (size_t i = 0; i < a->nsessions; i++) {
		if (a->sessions[i] != s)
			continue;
		a->sessions[i] = a->sessions[--a->nsessions];
		return;
	}
}

static struct session *acceptor_find(struct acceptor *a, const uint8_t *id)
{
	for (size_t i = 0; i < a->nsessions; i++)
		if (memcmp(session_id(a->sessions[i]), id, FRAME_ID_LEN) == 0)
			return a->sessions[i];
	return NULL;
}

/* --- refusing ------------------------------------------------------------- */

static void flush_refusal(struct pending *p)
{
	struct iovec iov = { buf_data(&p->out), p->out.len };
	ssize_t n = p->out.len ? carrier_send(p->carrier, &iov, 1) : 0;

	if (n > 0)
		buf_take(&p->out, (size_t)n);
	/* the other end closes when it has read it; the timer bounds that */
	if (n < 0 && n != -EAGAIN)
		pending_free(p);
}

static void acceptor_refuse(struct pending *p, uint16_t code, const char *text)
{
	struct frame_hdr h = { .type = FRAME_REFUSE };

	log_debug("acceptor: refused: %s", text);
	p->refused = true;
	if (frame_put_text(&p->out, h, code, text) < 0)
		pending_free(p);
	else
		flush_refusal(p);
}

static void refuse_version(struct pending *p, const struct frame_hello *h)
{
	char text[FRAME_TEXT_MAX];

	snprintf(text, sizeof(text),
		 "this end (version %s) speaks tunnel protocol %d to %d, the "
		 "other %d to %d: use a shadow image of ktctl's own version",
		 KT_VERSION, FRAME_VERSION_MIN, FRAME_VERSION_MAX,
		 h->version_min, h->version_max);
	acceptor_refuse(p, FRAME_CODE_VERSION, text);
}

/* --- the HELLO ------------------------------------------------------------ */

static struct session *
session_for(struct pending *p, const struct frame_hello *hello, uint64_t ack)
{
	struct acceptor *a = p->acceptor;
	struct session *s = acceptor_find(a, hello->id);

	if (s)
		return s;
	if (hello->flags & (FRAME_FLAG_RESUME | FRAME_FLAG_JOIN) || ack) {
		acceptor_refuse(p, FRAME_CODE_UNKNOWN,
				"the session is not known here (any more)");
		return NULL;
	}
	if (a->nsessions == ACCEPTOR_SESSIONS && a->ops->full)
		a->ops->full(a->user);
	if (a->nsessions < ACCEPTOR_SESSIONS)
		s = a->ops->session(a->user, hello);
	if (!s) {
		acceptor_refuse(p, FRAME_CODE_LIMIT, "too many clients");
		return NULL;
	}
	a->sessions[a->nsessions++] = s;
	return s;
}

/* true when the carrier went to a session */
static bool take_hello(struct pending *p, const struct frame_event *ev)
{
	struct kt_error err = { 0 };
	struct frame_hello hello;
	struct session *s;

	if (ev->hdr.type != FRAME_HELLO ||
	    frame_get_hello(ev->data, ev->len, &hello) < 0) {
		acceptor_refuse(p, FRAME_CODE_PROTOCOL,
				"the first frame is no HELLO");
		return false;
	}
	if (!frame_version_pick(FRAME_VERSION_MIN, FRAME_VERSION_MAX,
				hello.version_min, hello.version_max)) {
		refuse_version(p, &hello);
		return false;
	}
	s = session_for(p, &hello, ev->hdr.ack);
	if (!s)
		return false;
	if (session_adopt(s, p->carrier, &hello, ev->hdr.ack, &err) < 0) {
		acceptor_refuse(p, FRAME_CODE_UNKNOWN, err.msg);
		return false;
	}
	p->carrier = NULL;
	return true;
}

static void acceptor_on_data(void *user, const uint8_t *data, size_t len)
{
	struct pending *p = user;
	struct carrier *c = p->carrier;
	struct rd in = rd_make(data, len);
	struct frame_event ev;
	int rc;

	if (p->refused)
		return;
	rc = frame_parse(&p->parser, &in, &ev);
	if (rc < 0) {
		acceptor_refuse(p, FRAME_CODE_PROTOCOL, "not our protocol");
		return;
	}
	if (rc == 0 || !take_hello(p, &ev))
		return;
	pending_free(p);
	/* what follows the HELLO is the session's */
	if (rd_left(&in))
		c->handler->data(c->user, in.p, rd_left(&in));
}

static void acceptor_on_writable(void *user)
{
	struct pending *p = user;

	if (p->refused)
		flush_refusal(p);
}

static void acceptor_on_closed(void *user, const struct kt_error *why)
{
	struct pending *p = user;

	log_debug("acceptor: carrier without HELLO: %s", why->msg);
	pending_free(p);
}

static void acceptor_on_timeout(struct timer *t)
{
	pending_free(container_of(t, struct pending, timer));
}

static const struct carrier_handler handler = {
	.opened = acceptor_on_writable,
	.data = acceptor_on_data,
	.writable = acceptor_on_writable,
	.closed = acceptor_on_closed,
};

void acceptor_take(struct acceptor *a, struct carrier *c)
{
	struct pending *p;

	/* The oldest has had its time: who has something to say does so at
	 * once. All come from 127.0.0.1, by the kubelet: whose is whose cannot
	 * be told. */
	if (a->npending >= MAX_PENDING)
		pending_free(
			container_of(a->pending.next, struct pending, node));
	p = calloc(1, sizeof(*p));
	if (!p) {
		carrier_close(c);
		return;
	}
	p->acceptor = a;
	p->carrier = c;
	buf_init(&p->out, 1024);
	list_add_tail(&a->pending, &p->node);
	a->npending++;
	c->handler = &handler;
	c->user = p;
	loop_timer_start(a->loop, &p->timer, MIN(a->cfg.hello_ns, HELLO_NS),
			 acceptor_on_timeout);
}
