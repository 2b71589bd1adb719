/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "tunnel/session_internal.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: The carriers of a session
 *
 * How one is got: attached, joined beside others, or adopted from who opened
 * it, with what both ends agree upon in HELLO and HELLO_ACK. One that joins may
 * be opened beside the first, before that has brought the session up: it says
 * its HELLO then, so that several are there as early as one.
 */

/* --- the first words ------------------------------------------------------ */

int session_resume_from(struct session *s, uint64_t ack)
{
	if (ack < s->acked || ack > s->high)
		return -EPROTO;
	s->acked = ack;
	s->next = ack;
	session_release(s);
	return 0;
}

void session_agree(struct session *s, uint32_t window, uint8_t flags)
{
	s->peer_flags = flags;
	s->striped = s->cfg.lanes > 1 && flags & FRAME_FLAG_LANES;
	s->window = s->cfg.replay_max;
	if (s->striped)
		s->window = MIN(s->window, (uint64_t)window);
}

/* Who opens wishes for @said, or says nothing: what it gets */
static int64_t session_grant(const struct session *s, uint32_t said)
{
	if (!said || !s->cfg.keep_ns)
		return s->cfg.detached_ns;
	return MIN(said * NS_MS, s->cfg.keep_ns);
}

int64_t session_granted(const struct session *s, uint32_t said)
{
	if (!s->cfg.keep_ns)
		return s->cfg.detached_ns;
	return MIN(said ? said * NS_MS : s->cfg.detached_ns, s->cfg.keep_ns);
}

static uint32_t session_ms(int64_t ns)
{
	return (uint32_t)MIN(ns / NS_MS, (int64_t)UINT32_MAX);
}

/* --- carriers ------------------------------------------------------------- */

static void session_on_writable(void *user)
{
	struct lane *l = user;

	l->blocked = false;
	session_kick(l->session);
}

/* Of those that are opened at once the first that is there brings the session
 * up: nobody waits for the one whose packets were lost */
static void session_goes_first(struct session *s, struct lane *l)
{
	struct lane *first = s->nlanes ? s->lanes[0] : NULL;
	struct buf hello;

	if (s->state != SESSION_HELLO || !l->joins || first->opened)
		return;
	for (size_t i = 1; i < s->nlanes; i++)
		if (s->lanes[i] == l)
			s->lanes[i] = first;
	s->lanes[0] = l;
	hello = first->ctl;
	first->ctl = l->ctl;
	l->ctl = hello;
	l->joins = false;
	first->joins = true;
	lane_ramp(first);
}

static void session_on_opened(void *user)
{
	struct lane *l = user;

	session_goes_first(l->session, l);
	l->opened = true;
	session_on_writable(l);
}

static void session_on_closed(void *user, const struct kt_error *why)
{
	session_lost(user, why);
}

static const struct carrier_handler handler = {
	.opened = session_on_opened,
	.data = session_on_data,
	.writable = session_on_writable,
	.closed = session_on_closed,
};

static struct lane *session_add(struct session *s, struct carrier *c)
{
	struct lane *l = lane_new(s, s->loop, c, &handler, s->cfg.inflight_max);

	if (l)
		s->lanes[s->nlanes++] = l;
	session_count_lanes(s);
	return l;
}

static void session_hello(struct session *s, struct lane *l,
			  enum frame_type type, struct frame_hello *h)
{
	h->role = (uint8_t)s->role;
	h->window = (uint32_t)s->cfg.replay_max;
	memcpy(h->id, s->id, FRAME_ID_LEN);
	if (!l || frame_put_hello(&l->ctl, session_header(s, type), h) < 0)
		session_broken(s, -ENOMEM, "out of memory");
	else
		session_kick(s);
}

static void session_say_hello(struct session *s, struct lane *l, uint8_t flags)
{
	struct frame_hello hello = {
		.version_min = FRAME_VERSION_MIN,
		.version_max = FRAME_VERSION_MAX,
		.flags = s->cfg.flags | flags,
		.keep_ms = session_ms(s->cfg.keep_ns),
	};

	if (s->cfg.who)
		snprintf(hello.who, sizeof(hello.who), "%s", s->cfg.who);
	session_hello(s, l, FRAME_HELLO, &hello);
}

static void session_say_join(struct session *s, struct lane *l)
{
	session_say_hello(s, l, FRAME_FLAG_LANES | FRAME_FLAG_JOIN);
}

/* Those that were opened beside the first; an older end takes no more than
 * that */
static void session_join_waiting(struct session *s)
{
	size_t i = 1;

	if (s->striped && s->nlanes > 1)
		lane_ramp(s->lanes[0]);
	while (s->state == SESSION_UP && i < s->nlanes) {
		struct lane *l = s->lanes[i];

		if (s->striped) {
			session_say_join(s, l);
			i++;
			continue;
		}
		session_drop_lane(s, l);
		lane_close(l);
	}
}

void session_go_up(struct session *s)
{
	bool resumed = s->established;

	s->established = true;
	s->state = SESSION_UP;
	s->down = 0;
	s->lanes[0]->up = true;
	s->carriers++;
	log_debug("session: %s: sent %llu acked %llu received %llu",
		  resumed ? "resumed" : "up", (unsigned long long)s->high,
		  (unsigned long long)s->acked,
		  (unsigned long long)s->received);
	session_join_waiting(s);
	if (s->state != SESSION_UP)
		return;
	session_kick(s);
	s->ops->up(s->user, resumed);
}

void session_attach(struct session *s, struct carrier *c)
{
	uint8_t flags = (s->established ? FRAME_FLAG_RESUME : 0) |
			(s->cfg.lanes > 1 ? FRAME_FLAG_LANES : 0);

	if (s->state == SESSION_DEAD) {
		carrier_close(c);
		return;
	}
	session_detach(s);
	s->state = SESSION_HELLO;
	session_say_hello(s, session_add(s, c), flags);
}

static bool session_may_join(const struct session *s)
{
	if (s->nlanes >= MIN(s->cfg.lanes, SESSION_LANES))
		return false;
	return s->state == SESSION_HELLO ||
	       (s->state == SESSION_UP && s->striped);
}

bool session_join(struct session *s, struct carrier *c)
{
	struct lane *l = NULL;

	if (!session_may_join(s)) {
		carrier_close(c);
		return false;
	}
	l = session_add(s, c);
	if (!l)
		return false;
	l->joins = true;
	lane_ramp(l);
	if (s->state == SESSION_UP)
		session_say_join(s, l);
	return true;
}

void session_narrow(struct session *s, unsigned int most)
{
	struct kt_error why = { 0 };

	kt_fail(&why, ECANCELED, "not needed any more");
	while (s->state == SESSION_UP && s->nlanes > most) {
		struct lane *slow = s->lanes[0];

		for (size_t i = 1; i < s->nlanes; i++) {
			struct lane *l = s->lanes[i];

			if (!l->up ||
			    (slow->up &&
			     l->inflight.rate_mean <= slow->inflight.rate_mean))
				slow = l;
		}
		s->refused -= !slow->up;
		session_lost(slow, &why);
	}
}

/* One more of a session that is up here as well */
static int session_adopt_more(struct session *s, struct carrier *c,
			      uint16_t version, struct kt_error *err)
{
	struct frame_hello answer = { .version_min = version,
				      .version_max = version,
				      .flags = s->cfg.flags | FRAME_FLAG_LANES |
					       FRAME_FLAG_JOIN };
	struct lane *l;

	if (s->state != SESSION_UP || !s->striped ||
	    s->nlanes == MIN(s->cfg.lanes, SESSION_LANES))
		return kt_fail(err, EPROTO, "no more carriers");
	l = session_add(s, c);
	session_hello(s, l, FRAME_HELLO_ACK, &answer);
	if (s->state != SESSION_UP)
		return 0;
	lane_ramp(s->lanes[0]);
	lane_ramp(l);
	l->up = true;
	s->carriers++;
	return 0;
}

int session_adopt(struct session *s, struct carrier *c,
		  const struct frame_hello *hello, uint64_t ack,
		  struct kt_error *err)
{
	uint16_t version =
		frame_version_pick(FRAME_VERSION_MIN, FRAME_VERSION_MAX,
				   hello->version_min, hello->version_max);
	struct frame_hello answer = {
		.version_min = version,
		.version_max = version,
		.flags = s->cfg.flags | (hello->flags & FRAME_FLAG_RESUME),
	};
	struct lane *l;

	if (!version)
		return kt_fail(err, EPROTONOSUPPORT,
			       "no version of the protocol in common");
	if (hello->flags & FRAME_FLAG_JOIN)
		return session_adopt_more(s, c, version, err);
	if (s->state == SESSION_DEAD || ack < s->acked || ack > s->high)
		return kt_fail(err, EPROTO, "nothing to resume from there");
	session_detach(s);
	if (session_resume_from(s, ack) < 0)
		return kt_fail(err, EPROTO, "nothing to resume from there");
	l = session_add(s, c);
	s->keep = session_grant(s, hello->keep_ms);
	if (hello->keep_ms)
		answer.keep_ms = session_ms(s->keep);
	session_agree(s, hello->window, hello->flags);
	if (s->striped)
		answer.flags |= FRAME_FLAG_LANES;
	session_hello(s, l, FRAME_HELLO_ACK, &answer);
	if (s->state != SESSION_DEAD)
		session_go_up(s);
	return 0;
}
