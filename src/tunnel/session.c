/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/session.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "tunnel/session_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/**
 * DOC: Theory of operation
 *
 * Two ends, each with one outgoing and one incoming stream of bytes, numbered
 * from 0. Positions of the outgoing stream:
 *
 *     acked <= next <= high <= replay.end
 *
 *   acked       the peer has everything before it; nothing older is kept
 *   next        the next byte that no carrier was given yet
 *   high        the highest byte that any carrier was ever given
 *   replay.end  the next byte that the owner will produce
 *
 * States, and what may happen in each:
 *
 *   DETACHED  No carrier. Nothing is produced. A timer bounds the time.
 *             attach/adopt -> HELLO/UP; time is up -> DEAD
 *   HELLO     Opening side only: HELLO sent (as soon as the carrier takes it),
 *             no DATA either way. HELLO_ACK -> UP; REFUSE -> DEAD; carrier
 *             gone, silent -> DETACHED
 *   UP        DATA, ACK, PING, PONG both ways. CLOSE -> DEAD; the last carrier
 *             gone, silent, out of step -> DETACHED
 *   DEAD      The owner was told; only session_free() is left.
 *
 * When the carrier dies its successor begins with HELLO and HELLO_ACK, each
 * with the next byte expected (the ack field of the header), and each end goes
 * on from exactly there. A resume point outside [acked, high] means that the
 * other end is not the one we talked to: the session dies. So does an
 * acknowledgement beyond next, which this carrier has not been given yet.
 *
 * Several carriers at once (tunnel/lane.h), where both ends have said so
 * (FRAME_FLAG_LANES): a HELLO with FRAME_FLAG_JOIN adds one to a session that
 * is UP. DATA goes over any of them, in frames that say where in the stream
 * they belong; what comes too early waits in a reorder buffer. The sender goes
 * no further than session.window beyond what is acknowledged in order, which
 * bounds that buffer; in it are bytes of streams only, for which HTTP/2 has
 * given credit, so they are within --bufferLimit, too. What a carrier has
 * brought is counted for itself (ACK's payload): so each has its own rate and
 * its own bytes in flight, and when it dies what it was given and did not
 * acknowledge is sent again over others, and nobody else notices. With the last
 * one the reorder buffer is forgotten, and all is as with a single one.
 *
 * How long a session lives without a carrier is agreed upon in the same two
 * frames: who opens it wishes for a time, who accepts it says what it grants,
 * and both keep to that. An end that is too old to say so keeps it for its
 * detached_ns, and so does the other then.
 *
 * Liveness: silence is counted in ticks of the session's own timer, not in
 * wall-clock time, so that a stopped process does not take its own pause for
 * the peer's. After ping_ns of silence a PING goes out, after dead_ns the
 * carrier is given up, whatever the kernel believes of it; SUSPECT_NS after
 * the owner has reason to doubt it.
 *
 * The acknowledgement travels in every frame; a frame of its own is sent for
 * it after ACK_BYTES, or ack_ns after the first byte not acknowledged.
 */

#define SUSPECT_NS (2 * NS_SEC)

static const char *const state_names[] = { "detached", "hello", "up", "dead" };
static_assert(ARRAY_SIZE(state_names) == SESSION_NSTATES_, "one name each");

static void tick_fn(struct timer *t);

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

bool session_is_flushed(const struct session *s)
{
	return s->acked == s->replay.end;
}

uint8_t session_peer_flags(const struct session *s)
{
	return s->peer_flags;
}

enum session_state session_state(const struct session *s)
{
	return s->state;
}

const uint8_t *session_id(const struct session *s)
{
	return s->id;
}

bool session_limited(struct session *s)
{
	bool limited = s->limited;

	s->limited = false;
	return limited;
}

void session_get_stats(const struct session *s, struct session_stats *st)
{
	*st = (struct session_stats){
		.sent = s->high,
		.acked = s->acked,
		.received = s->received,
		.inflight = s->next - s->acked,
		.carriers = s->carriers,
		.lanes = (unsigned int)s->nlanes,
		.refused = s->refused,
	};
	for (size_t i = 0; i < s->nlanes; i++) {
		const struct lane *l = s->lanes[i];
		int64_t min = l->inflight.rtt_min;

		st->joining += !l->up;
		st->rate += l->inflight.rate;
		st->rtt_ns = MAX(st->rtt_ns, l->inflight.rtt);
		if (min && (!st->rtt_min_ns || min < st->rtt_min_ns))
			st->rtt_min_ns = min;
		if (l->answer > st->answer_ns) {
			st->answer_ns = l->answer;
			st->answer_rtt_ns = l->answer_rtt;
		}
	}
}

/* --- life and death ------------------------------------------------------- */

static void session_start_tick(struct session *s)
{
	loop_timer_start(s->loop, &s->tick, s->tick_ns, tick_fn);
}

void session_detach(struct session *s)
{
	while (s->nlanes)
		lane_close(s->lanes[--s->nlanes]);
	session_stop_sending(s);
	reorder_reset(&s->reorder);
}

void session_die(struct session *s, const struct kt_error *why)
{
	if (s->state == SESSION_DEAD)
		return;
	session_detach(s);
	s->state = SESSION_DEAD;
	loop_timer_stop(&s->tick);
	log_debug("session: dead: %s", why->msg);
	s->ops->dead(s->user, why);
}

void session_count_lanes(struct session *s)
{
	for (size_t i = 0; i < s->nlanes; i++)
		s->lanes[i]->of = s->nlanes;
}

void session_drop_lane(struct session *s, const struct lane *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nlanes; i++)
		if (s->lanes[i] != l)
			s->lanes[kept++] = s->lanes[i];
	s->nlanes = kept;
	session_count_lanes(s);
}

static bool session_has_lane(const struct session *s)
{
	for (size_t i = 0; i < s->nlanes; i++)
		if (s->lanes[i]->up)
			return true;
	return false;
}

bool session_is_joining(const struct lane *l)
{
	return l->joins && !l->up;
}

void session_lost(struct lane *l, const struct kt_error *why)
{
	struct session *s = l->session;
	bool joining = session_is_joining(l);

	if (!l->carrier)
		return;
	log_debug("session: carrier lost: %s", why->msg);
	s->refused += joining;
	session_drop_lane(s, l);
	if (joining && s->state == SESSION_HELLO) {
		lane_close(l);
		return;
	}
	if (s->state == SESSION_UP && session_has_lane(s) &&
	    extents_move(&s->again, &l->under_way) == 0) {
		lane_close(l);
		session_release(s);
		session_kick(s);
		return;
	}
	lane_close(l);
	session_detach(s);
	s->state = SESSION_DETACHED;
	s->ops->lost(s->user, why);
}

void session_broken(struct session *s, int rc, const char *what)
{
	struct kt_error err = { 0 };

	kt_fail(&err, -rc, "tunnel: %s", what);
	session_die(s, &err);
}

struct session *session_new(struct loop *loop, const struct session_config *cfg,
			    const uint8_t *id, enum frame_role role,
			    const struct session_ops *ops, void *user)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->cfg = *cfg;
	s->ops = ops;
	s->user = user;
	s->role = role;
	s->keep = cfg->detached_ns;
	if (id)
		memcpy(s->id, id, FRAME_ID_LEN);
	else if (getrandom(s->id, FRAME_ID_LEN, 0) != FRAME_ID_LEN)
		abort();
	s->tick_ns = MIN(cfg->ping_ns, cfg->hello_ns);
	s->tick_ns = MIN(s->tick_ns, cfg->detached_ns);
	if (cfg->keep_ns)
		s->tick_ns = MIN(s->tick_ns, cfg->keep_ns);
	s->tick_ns = MAX(MIN(s->tick_ns / 3, NS_SEC), NS_MS);
	s->window = cfg->replay_max;
	replay_init(&s->replay, cfg->frame_max);
	reorder_init(&s->reorder, cfg->replay_max + FRAME_DATA_MAX);
	session_start_tick(s);
	return s;
}

void session_free(struct session *s)
{
	if (!s || s->freed)
		return;
	s->freed = true;
	s->state = SESSION_DEAD;
	session_detach(s);
	loop_timer_stop(&s->tick);
	replay_fini(&s->replay);
	loop_defer_free(s->loop, s);
}

struct frame_hdr session_header(const struct session *s, enum frame_type type)
{
	return (struct frame_hdr){ .type = (uint8_t)type,
				   .seq = s->next,
				   .ack = s->received };
}

void session_close(struct session *s, uint16_t code, const char *text)
{
	struct farewell f;

	session_leave(s, code, text, &f);
	farewell_drop(&f);
}

/* --- time ----------------------------------------------------------------- */

static void session_probe_lane(struct session *s, struct lane *l)
{
	/* also behind what waits: no room for it is no answer */
	if (l->up && frame_put_number(&l->ctl, session_header(s, FRAME_PING),
				      (uint64_t)clock_ns()) == 0)
		session_kick(s);
}

static void tick_lane(struct session *s, struct lane *l)
{
	int64_t most = l->up ? s->cfg.dead_ns : s->cfg.hello_ns;
	struct kt_error err = { 0 };

	l->silence += s->tick_ns;
	if (l->silence >= most && (l->pinged || !l->up)) {
		kt_fail(&err, ETIMEDOUT,
			l->up ? "no answer for %lld s"
			      : "no answer of the shadow for %lld s",
			(long long)((l->up ? l->silence : most) / NS_SEC));
		session_lost(l, &err);
		return;
	}
	if (!l->up || l->silence < s->cfg.ping_ns)
		return;
	l->pinged = true; /* or something else waits to be sent: as good */
	if (!l->ctl.len)
		session_probe_lane(s, l);
}

void session_probe(struct session *s)
{
	for (size_t i = 0; i < s->nlanes && s->state == SESSION_UP; i++)
		session_probe_lane(s, s->lanes[i]);
}

void session_suspect(struct session *s)
{
	if (s->state != SESSION_UP)
		return;
	for (size_t i = 0; i < s->nlanes; i++) {
		struct lane *l = s->lanes[i];

		l->silence = MAX(l->silence, s->cfg.dead_ns - SUSPECT_NS);
		l->pinged = true;
	}
	session_probe(s);
}

static void tick_fn(struct timer *t)
{
	struct session *s = container_of(t, struct session, tick);
	struct lane *lanes[SESSION_LANES];
	struct kt_error err = { 0 };
	size_t n = s->nlanes;

	session_start_tick(s);
	if (s->state != SESSION_UP)
		s->down += s->tick_ns;
	if (s->established && s->down >= s->keep) {
		kt_fail(&err, ETIMEDOUT, "no connection for %lld s",
			(long long)(s->keep / NS_SEC));
		session_die(s, &err);
		return;
	}
	memcpy(lanes, s->lanes, sizeof(lanes));
	for (size_t i = 0; i < n && !s->freed; i++)
		if (lanes[i]->carrier)
			tick_lane(s, lanes[i]);
}
