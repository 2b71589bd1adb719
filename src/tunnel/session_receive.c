/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/session_internal.h"

#include <errno.h>
#include <string.h>

#define ACK_BYTES (512 * 1024)
#define REORDER_SLACK FRAME_DATA_MAX /* the last frame may go beyond it */

/* --- acknowledgements ----------------------------------------------------- */

static int take_ack(struct session *s, struct lane *l, uint64_t ack)
{
	uint64_t given = s->next, before = s->acked;

	/* not @high: what an earlier carrier had beyond the resume point did
	 * not arrive, and is to be sent again first */
	if (!s->striped)
		given -= l->cur.left;
	if (ack > given)
		return -EPROTO;
	if (ack <= before)
		return 0;
	s->acked = ack;
	session_release(s);
	session_kick(s);
	if (s->striped)
		return 0;
	return lane_heard(l, l->heard + (ack - before), clock_ns());
}

/* what came on this carrier, wherever in the stream it belongs */
static int take_count(struct session *s, struct lane *l,
		      const struct frame_event *ev)
{
	uint64_t n;
	int rc;

	if (!s->striped || !ev->len)
		return 0;
	rc = frame_get_number(ev->data, ev->len, &n);
	if (rc == 0)
		rc = lane_heard(l, n, clock_ns());
	session_kick(s);
	return rc;
}

static void ack_timer_fn(struct timer *t)
{
	struct lane *l = container_of(t, struct lane, ack_timer);

	if (!l->up || l->got_said == l->got)
		return;
	l->ack_due = true;
	session_kick(l->session);
}

static void note_received(struct session *s, struct lane *l)
{
	uint64_t open = l->got - l->got_said;

	if (open >= ACK_BYTES) {
		l->ack_due = true;
		session_kick(s);
	} else if (open && !loop_timer_active(&l->ack_timer)) {
		loop_timer_start(s->loop, &l->ack_timer, s->cfg.ack_ns,
				 ack_timer_fn);
	}
}

/* --- the stream ----------------------------------------------------------- */

static int session_deliver(struct session *s, const uint8_t *p, size_t n)
{
	s->received += n;
	if (s->cfg.total)
		s->cfg.total->received += n;
	return s->ops->data(s->user, p, n);
}

/* what waited for what has come now */
static int session_deliver_waiting(struct session *s)
{
	int rc = 0;

	while (rc >= 0 && s->state == SESSION_UP) {
		struct reorder_piece *p =
			reorder_take(&s->reorder, s->received);

		if (!p)
			break;
		rc = session_deliver(s, p->mem + p->off, p->len);
		free(p);
	}
	return rc;
}

/* It comes too early. Where there is no room for it, though it is no more than
 * was agreed, it came in very small pieces: without this carrier it is not
 * acknowledged, and comes again. */
static int take_early(struct session *s, struct lane *l,
		      const struct frame_event *ev)
{
	uint64_t most = s->window + REORDER_SLACK;
	uint64_t ahead = ev->seq - s->received;
	uint64_t end = ev->hdr.seq + ev->hdr.len; /* of the frame */
	struct kt_error err = { 0 };
	int rc;

	if (!s->striped || ahead > most || ev->len > most - ahead)
		return -EPROTO;
	rc = reorder_put(&s->reorder, ev->seq, ev->data, ev->len,
			 (size_t)(end - ev->seq) - ev->len);
	if (rc != -ENOBUFS)
		return rc;
	kt_fail(&err, ENOBUFS, "too much comes too early");
	session_lost(l, &err);
	return 0;
}

static int take_data(struct session *s, struct lane *l,
		     const struct frame_event *ev)
{
	const uint8_t *p = ev->data;
	size_t n = ev->len;
	uint64_t old;
	int rc;

	l->got += n;
	if (ev->hdr.flags & FRAME_MORE)
		s->limited = true;
	if (ev->seq > s->received)
		return take_early(s, l, ev);
	old = s->received - ev->seq; /* bytes that we have already */
	if (old >= n)
		return 0;
	rc = session_deliver(s, p + old, n - (size_t)old);
	return rc < 0 ? rc : session_deliver_waiting(s);
}

/* --- other frames --------------------------------------------------------- */

static int take_time(struct session *s, struct lane *l,
		     const struct frame_event *ev)
{
	uint64_t t;
	int rc = frame_get_number(ev->data, ev->len, &t);

	if (rc < 0)
		return rc;
	if (ev->hdr.type == FRAME_PONG) {
		int64_t now = clock_ns();

		if (t > (uint64_t)now)
			return 0;
		inflight_rtt(&l->inflight, now - (int64_t)t, now);
		l->answer = now;
		l->answer_rtt = now - (int64_t)t;
		return 0;
	}
	/* a peer that only pings and never reads gets no more pongs: no room */
	if (frame_put_number(&l->ctl, session_header(s, FRAME_PONG), t) == 0)
		session_kick(s);
	return 0;
}

static void session_take_text(struct session *s, struct lane *l,
			      const struct frame_event *ev)
{
	bool refuse = ev->hdr.type == FRAME_REFUSE;
	char text[FRAME_TEXT_MAX + 1];
	struct kt_error err = { 0 };
	uint16_t code;

	if (frame_get_text(ev->data, ev->len, &code, text) < 0) {
		session_broken(s, -EPROTO, "malformed end of session");
		return;
	}
	/* who leaves waits until it was heard, and no longer (farewell.h) */
	if (!refuse && s->state == SESSION_UP && l->up &&
	    frame_put_text(&l->ctl, session_header(s, FRAME_CLOSE),
			   FRAME_CODE_BYE, "heard") == 0)
		(void)!lane_flush(l, &s->replay);
	kt_fail(&err, code == FRAME_CODE_VERSION ? EPROTONOSUPPORT : ECONNRESET,
		refuse ? "tunnel refused by the other end: %s"
		       : "tunnel closed by the other end: %s",
		text);
	if (session_is_joining(l))
		session_lost(l, &err);
	else
		session_die(s, &err);
}

/* the other end picked one version out of the range of our HELLO */
static bool picked_ours(const struct frame_hello *h)
{
	return h->version_min == h->version_max &&
	       h->version_max >= FRAME_VERSION_MIN &&
	       h->version_max <= FRAME_VERSION_MAX;
}

static void wrong_version(struct session *s, const struct frame_hello *h)
{
	struct kt_error err = { 0 };

	kt_fail(&err, EPROTONOSUPPORT,
		"the other end answers with tunnel protocol %d to %d, this end "
		"(version %s) speaks %d to %d",
		h->version_min, h->version_max, KT_VERSION, FRAME_VERSION_MIN,
		FRAME_VERSION_MAX);
	session_die(s, &err);
}

static int take_hello_ack(struct session *s, struct lane *l,
			  const struct frame_event *ev)
{
	struct frame_hello h;
	int rc = frame_get_hello(ev->data, ev->len, &h);

	if (rc < 0 || l->up || (l->joins && s->state != SESSION_UP))
		return -EPROTO;
	if (memcmp(h.id, s->id, FRAME_ID_LEN) != 0)
		return -EPROTO;
	if (s->state == SESSION_UP) {
		if (!(h.flags & FRAME_FLAG_JOIN) || !picked_ours(&h))
			return -EPROTO;
		l->up = true;
		s->carriers++;
		session_kick(s);
		return 0;
	}
	if (!picked_ours(&h)) {
		wrong_version(s, &h);
		return 0;
	}
	rc = session_resume_from(s, ev->hdr.ack);
	if (rc < 0)
		return rc;
	s->keep = session_granted(s, h.keep_ms);
	session_agree(s, h.window, h.flags);
	session_go_up(s);
	return 0;
}

static int take_event(struct session *s, struct lane *l,
		      const struct frame_event *ev)
{
	int rc;

	if (ev->hdr.type == FRAME_HELLO_ACK)
		return take_hello_ack(s, l, ev);
	if (ev->hdr.type == FRAME_REFUSE || ev->hdr.type == FRAME_CLOSE) {
		session_take_text(s, l, ev);
		return 0;
	}
	if (!l->up)
		return -EPROTO;
	rc = take_ack(s, l, ev->hdr.ack);
	if (rc < 0)
		return rc;
	switch (ev->hdr.type) {
	case FRAME_DATA:
		return take_data(s, l, ev);
	case FRAME_PING:
	case FRAME_PONG:
		return take_time(s, l, ev);
	case FRAME_ACK:
		return take_count(s, l, ev);
	default:
		return -EPROTO;
	}
}

/* One that is to join has proven nothing yet, and takes nothing with it */
static void session_misunderstood(struct session *s, struct lane *l, int rc)
{
	static const char what[] = "the other end does not speak our protocol";
	struct kt_error err = { 0 };

	if (session_is_joining(l)) {
		kt_fail(&err, -rc, "%s", what);
		session_lost(l, &err);
		return;
	}
	session_broken(s, rc, what);
}

void session_on_data(void *user, const uint8_t *data, size_t len)
{
	struct lane *l = user;
	struct session *s = l->session;
	struct rd in = rd_make(data, len);
	struct frame_event ev;
	int rc;

	if (!l->carrier)
		return;
	l->silence = 0;
	l->pinged = false;
	while ((rc = frame_parse(&l->parser, &in, &ev)) == 1) {
		rc = take_event(s, l, &ev);
		if (rc < 0 || !l->carrier)
			break;
	}
	if (!l->carrier || s->freed)
		return; /* over, or on another carrier: the rest is void */
	if (rc < 0) {
		session_misunderstood(s, l, rc);
		return;
	}
	if (l->up)
		note_received(s, l);
}
