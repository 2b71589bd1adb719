/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/session_internal.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: What goes out
 *
 * The owner is asked for bytes (produce()) only when a carrier takes them and
 * the windows (lane_room(), session.window) have room, so nothing queues up
 * here that could wait in a socket or in HTTP/2 instead. Sending is deferred to
 * the end of the batch of events (session_kick()), so that what several streams
 * have to say goes out in one frame.
 *
 * Which carrier gets the next frame: the one that will be done first with what
 * is under way on it, by the rate that it delivered last. So a slow one, or one
 * that recovers from a loss, gets less, without a share that anybody has set.
 * What a carrier had that died goes first.
 */

#define SEND_MIN (16 * 1024)
#define KEPT_WINDOWS 4
#define HASTEN_NS (50 * NS_MS)
#define PUMP_ROUNDS 2 /* frames in a row; then others have their turn */

uint8_t *session_reserve(struct session *s, size_t min, size_t *got)
{
	return replay_reserve(&s->replay, min, got);
}

void session_commit(struct session *s, size_t n)
{
	replay_commit(&s->replay, n);
}

/* Nothing before that is kept: it is there, and no carrier has begun with it */
static uint64_t session_kept(const struct session *s)
{
	uint64_t from = s->acked;

	for (size_t i = 0; i < s->nlanes; i++)
		if (s->lanes[i]->cur.active)
			from = MIN(from, s->lanes[i]->cur.at);
	return from;
}

void session_release(struct session *s)
{
	uint64_t upto = session_kept(s);

	if (upto > s->replay.start)
		replay_release(&s->replay, upto);
}

void session_stop_sending(struct session *s)
{
	loop_timer_stop(&s->more);
	extents_fini(&s->again);
	s->hastened = 0;
	s->hungry = s->behind = false;
}

/* that takes the next frame; NULL: none does now */
static struct lane *session_choose(const struct session *s)
{
	int64_t least = 0, now = clock_ns();
	struct lane *best = NULL;

	for (size_t i = 0; i < s->nlanes; i++) {
		struct lane *l = s->lanes[i];
		int64_t wait;

		if (!l->up || l->blocked || l->cur.active || !lane_room(l))
			continue;
		wait = lane_wait(l, now);
		if (best && wait >= least)
			continue;
		best = l;
		least = wait;
	}
	return best;
}

/* One that carries DATA says all that an ACK would, where it is alone */
static int session_begin(struct session *s, struct lane *l, uint64_t at,
			 size_t len)
{
	struct frame_hdr h = session_header(s, FRAME_DATA);

	h.flags = s->behind ? FRAME_MORE : 0;
	if (!s->striped)
		lane_said(l);
	return lane_begin(l, h, at, len);
}

static int session_send_again(struct session *s, struct lane *l)
{
	const struct extent *x;
	uint64_t at;
	size_t n;
	int rc;

	while ((x = extents_first(&s->again)) && x->at < s->acked)
		extents_drop(&s->again, MIN(s->acked - x->at, x->len));
	if (!x)
		return 0;
	at = x->at;
	n = (size_t)MIN(x->len, (uint64_t)s->cfg.frame_max);
	rc = session_begin(s, l, at, n);
	if (rc == 0)
		extents_drop(&s->again, n);
	return rc < 0 ? rc : 1;
}

/* A carrier that stands still has some windows more, as TCP does for seconds
 * after losses, until it is done without */
static bool session_keeps_too_much(const struct session *s)
{
	return s->next - session_kept(s) >= KEPT_WINDOWS * s->window;
}

static size_t session_window_room(const struct session *s)
{
	uint64_t used = s->next - s->acked;

	if (session_keeps_too_much(s))
		return 0;
	return used < s->window ? (size_t)(s->window - used) : 0;
}

static int session_produce(struct session *s, size_t room)
{
	uint64_t before = s->replay.end;
	int rc;

	room = MIN(room, s->cfg.frame_max);
	rc = s->ops->produce(s->user, room);
	s->hungry = s->replay.end - before >= room;
	s->behind &= s->hungry;
	return rc;
}

/* The carrier on which that is for which all others wait; @x: what it is */
static struct lane *session_last(const struct session *s, struct extent *x)
{
	uint64_t at = MAX(s->acked, s->hastened);
	struct lane *last = NULL;
	struct extent y = { 0 };

	for (size_t i = 0; i < s->nlanes; i++) {
		struct lane *l = s->lanes[i];

		if (!extents_find(&l->under_way, at, &y) ||
		    (last && y.at >= x->at))
			continue;
		*x = y;
		last = l;
	}
	return last;
}

/* Nothing else can be sent: what all wait for goes over @l as well, when it
 * would arrive there sooner; once */
static int session_hasten(struct session *s, struct lane *l)
{
	int64_t trip = l->inflight.rtt_min + HASTEN_NS, now = clock_ns();
	struct extent x = { 0 };
	struct lane *last;
	size_t n;
	int rc;

	if (!s->striped || s->nlanes == 1)
		return 0;
	last = session_last(s, &x);
	if (!last || last == l ||
	    lane_wait(last, now) < lane_wait(l, now) + trip)
		return 0;
	n = (size_t)MIN(x.len, (uint64_t)s->cfg.frame_max);
	s->hastened = x.at + n;
	rc = session_begin(s, l, x.at, n);
	return rc < 0 ? rc : 1;
}

/* One that stands still with what has come by others long ago */
static void session_drop_stuck(struct session *s)
{
	struct kt_error why = { 0 };
	size_t i = 0;

	kt_fail(&why, ETIMEDOUT, "it takes nothing, and all others wait");
	while (i < s->nlanes) {
		struct lane *l = s->lanes[i];

		if (l->cur.active && l->cur.at < s->acked)
			session_lost(l, &why);
		else
			i++;
	}
}

/* have a DATA frame on @l, if there is anything to say; < 0: fatal */
static int session_fill(struct session *s, struct lane *l)
{
	size_t room, n;
	int rc;

	if (session_keeps_too_much(s))
		session_drop_stuck(s);
	rc = session_send_again(s, l);
	if (rc != 0)
		return rc;
	room = MIN(lane_room(l), session_window_room(s));
	if (s->next == s->replay.end && room)
		rc = session_produce(s, room);
	if (rc < 0 || s->state != SESSION_UP || !l->carrier)
		return rc;
	if (s->next == s->replay.end || !room)
		return session_hasten(s, l);
	n = (size_t)MIN(s->replay.end - s->next, (uint64_t)s->cfg.frame_max);
	if (l->ramp)
		n = MIN(n, MAX(room, (size_t)SEND_MIN));
	rc = session_begin(s, l, s->next, n);
	if (rc < 0)
		return rc;
	s->next += n;
	if (s->cfg.total && s->next > s->high)
		s->cfg.total->sent += s->next - s->high;
	s->high = MAX(s->high, s->next);
	return 1;
}

static void session_put_acks(struct session *s)
{
	for (size_t i = 0; i < s->nlanes; i++) {
		struct lane *l = s->lanes[i];
		struct frame_hdr h = session_header(s, FRAME_ACK);
		int rc;

		/* one is enough: what waits will be sent with a newer one */
		if (!l->ack_due || l->blocked || l->ctl.len || !l->up)
			continue;
		rc = s->striped ? frame_put_number(&l->ctl, h, l->got)
				: frame_put_empty(&l->ctl, h);
		if (rc == 0)
			lane_said(l);
	}
}

/* 1: something went out, and a carrier takes more; 0: none, or nothing */
static int session_flush(struct session *s)
{
	struct lane *lanes[SESSION_LANES];
	size_t n = s->nlanes;
	int more = 0;

	memcpy(lanes, s->lanes, sizeof(lanes));
	for (size_t i = 0; i < n; i++) {
		struct lane *l = lanes[i];
		struct kt_error err = { 0 };
		int rc = 0;

		if (l->carrier && !l->blocked && lane_has(l))
			rc = lane_flush(l, &s->replay);
		if (rc >= 0) {
			more |= rc;
			continue;
		}
		kt_fail(&err, -rc, "send to the shadow: %s", strerror(-rc));
		session_lost(l, &err);
		more = 1;
		if (s->freed)
			return 0;
	}
	/* what only a carrier that stood still had need of */
	if (s->state == SESSION_UP)
		session_release(s);
	return more;
}

static void pump_more(struct timer *t);

static void session_pump(struct session *s)
{
	int more = 1;

	for (int i = 0; i < PUMP_ROUNDS && more; i++) {
		struct lane *l =
			s->state == SESSION_UP ? session_choose(s) : NULL;
		int rc = l ? session_fill(s, l) : 0;

		if (rc < 0) {
			session_broken(s, rc, "cannot produce the stream");
			return;
		}
		if (s->freed)
			return;
		if (s->state == SESSION_UP)
			session_put_acks(s);
		more = session_flush(s);
		if (s->freed)
			return;
	}
	if (s->hungry && !session_choose(s))
		s->behind = s->limited = true;
	if (more && s->nlanes)
		/* not session_kick(): that would still be in this batch */
		loop_timer_start(s->loop, &s->more, 0, pump_more);
}

static void pump_more(struct timer *t)
{
	session_pump(container_of(t, struct session, more));
}

static void run_kick(void *user)
{
	struct session *s = user;

	s->kicked = false;
	if (!s->freed)
		session_pump(s);
}

void session_kick(struct session *s)
{
	bool open = false;

	for (size_t i = 0; i < s->nlanes; i++)
		open |= !s->lanes[i]->blocked;
	if (s->kicked || s->freed || !open)
		return;
	s->kicked = true;
	loop_defer(s->loop, run_kick, s);
}

void session_leave(struct session *s, uint16_t code, const char *text,
		   struct farewell *f)
{
	struct lane *l = NULL;
	struct buf rest = { 0 };

	*f = (struct farewell){ 0 };
	for (size_t i = 0; i < s->nlanes && s->state == SESSION_UP; i++)
		if (s->lanes[i]->up && !l)
			l = s->lanes[i];
	s->state = SESSION_DEAD;
	loop_timer_stop(&s->tick);
	if (l &&
	    frame_put_text(&l->ctl, session_header(s, FRAME_CLOSE), code,
			   text) == 0 &&
	    lane_flush(l, &s->replay) >= 0 &&
	    lane_gather(l, &s->replay, &rest) == 0)
		farewell_start(f, steal_ptr(&l->carrier), &rest, &l->parser);
	buf_fini(&rest);
	session_detach(s);
}
