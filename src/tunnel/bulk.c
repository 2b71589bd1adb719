/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/bulk.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#define IDLE_NS (30 * NS_SEC) /* it is kept unused */
#define IDLE_TICK (5 * NS_SEC)
#define LOOK_RTTS 2
#define LOOK_MIN (50 * NS_MS)
#define LOOK_MAX (500 * NS_MS)
#define LOOKS 6			/* until the last carriers have shown it */
#define HURRY_NS NS_SEC		/* after something was moved to it */
#define REWARD_NS (10 * NS_SEC) /* after they have not */
#define RETRY_NS (60 * NS_SEC)	/* after one was not to be had */
#define FEW_BYTES (1 << 20)	/* in IDLE_NS: one carrier is enough */
#define AGAIN_MIN (100 * NS_MS)
#define AGAIN_MAX (3 * NS_SEC)

struct bulk {
	struct loop *loop;
	struct stream_mover *mover;
	const struct bulk_ops *ops;
	void *user;
	struct link *link;
	struct list waiting; /* of struct tunnel_stream, until it is up */
	struct timer again;  /* open another carrier */
	struct timer look;   /* whether another is worth while */
	struct timer idle;
	int64_t idle_ns;  /* since it was used */
	int64_t quiet_ns; /* since it carried much */
	uint64_t carried; /* bytes, until then */
	int64_t looked_at, more_before;
	int64_t hurry_until; /* something is about to begin */
	uint64_t looked;     /* bytes carried until then */
	uint64_t rate;	     /* bytes/s, before the last ones were opened */
	unsigned int lanes;  /* with those */
	unsigned int refused, looks;
	unsigned int failures;
	bool was_up;
};

struct session *bulk_session(const struct bulk *b)
{
	return link_session(b->link);
}

bool bulk_was_up(const struct bulk *b)
{
	return b->was_up;
}

size_t bulk_load(const struct bulk *b)
{
	const struct mux *m = link_mux(b->link);
	size_t n = m ? mux_streams(m) : 0;
	const struct list *l;

	list_for_each (l, &b->waiting)
		n++;
	return n;
}

bool bulk_is_free(const struct bulk *b)
{
	return !bulk_load(b) && session_is_flushed(link_session(b->link));
}

struct tunnel_stream *bulk_take(struct bulk *b)
{
	struct tunnel_stream *l;

	if (list_empty(&b->waiting))
		return NULL;
	l = container_of(b->waiting.next, struct tunnel_stream, waiting);
	list_del(&l->waiting);
	l->queued = NULL;
	return l;
}

/* --- carriers ------------------------------------------------------------- */

static void bulk_attach(struct bulk *b);

static void bulk_on_again(struct timer *t)
{
	bulk_attach(container_of(t, struct bulk, again));
}

static void bulk_again_later(struct bulk *b)
{
	int64_t pause = AGAIN_MIN << MIN(b->failures++, 8U);

	loop_timer_start(b->loop, &b->again, MIN(pause, AGAIN_MAX),
			 bulk_on_again);
}

static void bulk_attach(struct bulk *b)
{
	struct carrier *c = b->ops->open(b->user);

	if (c)
		session_attach(link_session(b->link), c);
	else
		bulk_again_later(b);
}

/* Whatever was tried before may hang in what was gone */
void bulk_retry(struct bulk *b)
{
	if (!b->was_up || session_state(link_session(b->link)) == SESSION_UP)
		return;
	log_debug("bulk: trying at once");
	loop_timer_stop(&b->again);
	b->failures = 0;
	bulk_attach(b);
}

/* --- more carriers -------------------------------------------------------- */

static void bulk_on_look(struct timer *t);

static void bulk_look_later(struct bulk *b, int64_t pause)
{
	loop_timer_start(b->loop, &b->look, MIN(MAX(pause, LOOK_MIN), LOOK_MAX),
			 bulk_on_look);
}

/* bytes/s since the last look */
static uint64_t bulk_rate(struct bulk *b, const struct session_stats *st)
{
	uint64_t all = st->acked + st->received;
	int64_t now = clock_ns(), ns = MAX(now - b->looked_at, 1);
	double rate = (double)(all - b->looked) * (double)NS_SEC / (double)ns;

	b->looked = all;
	b->looked_at = now;
	return (uint64_t)rate;
}

/* What the last ones brought decides whether there are more. One that died is
 * replaced. */
static bool bulk_is_rewarded(struct bulk *b, const struct session_stats *st,
			     uint64_t rate)
{
	if (st->lanes < b->lanes || rate > b->rate + b->rate / 8) {
		b->looks = 0;
		return true;
	}
	if (++b->looks < LOOKS)
		return false;
	b->looks = 0;
	b->rate = 0;
	b->more_before = clock_ns() + REWARD_NS;
	return false;
}

static void bulk_widen(struct bulk *b, unsigned int lanes)
{
	struct session *s = link_session(b->link);

	log_debug("bulk: %u more carriers, beyond %llu KB/s", lanes,
		  (unsigned long long)b->rate / 1000);
	b->quiet_ns = 0; /* not to be closed before they could be used */
	for (unsigned int i = 0; i < lanes; i++) {
		struct carrier *c = b->ops->open(b->user);

		b->lanes++;
		if (c && session_join(s, c))
			continue;
		b->lanes--;
		b->more_before = clock_ns() + RETRY_NS;
		return;
	}
}

/* An older end has one */
static unsigned int bulk_most(const struct bulk *b)
{
	if (!(session_peer_flags(link_session(b->link)) & FRAME_FLAG_LANES))
		return 1;
	return b->ops->lanes(b->user, b);
}

static void bulk_on_look(struct timer *t)
{
	struct bulk *b = container_of(t, struct bulk, look);
	struct session *s = link_session(b->link);
	bool limited = session_limited(s);
	unsigned int most = bulk_most(b);
	struct session_stats st;
	uint64_t rate;
	bool soon;

	session_get_stats(s, &st);
	rate = bulk_rate(b, &st);
	soon = rate || clock_ns() < b->hurry_until;
	bulk_look_later(b, soon && most > 1 ? LOOK_RTTS * st.rtt_min_ns
					    : LOOK_MAX);
	if (st.lanes > most) {
		session_narrow(s, most);
		b->lanes = most;
	}
	if (st.refused != b->refused)
		b->more_before = clock_ns() + RETRY_NS;
	b->refused = st.refused;
	if (!limited || st.joining || st.lanes >= most ||
	    clock_ns() < b->more_before || !bulk_is_rewarded(b, &st, rate))
		return;
	b->rate = rate;
	b->lanes = st.lanes;
	bulk_widen(b, MIN(st.lanes, most - st.lanes));
}

/* There is something to be seen soon */
static void bulk_hurry(struct bulk *b)
{
	b->hurry_until = clock_ns() + HURRY_NS;
	if (b->was_up && loop_timer_active(&b->look))
		bulk_look_later(b, 0);
}

void bulk_add(struct bulk *b, struct tunnel_stream *l)
{
	struct mux *m = link_mux(b->link);

	bulk_hurry(b);
	if (m && session_state(link_session(b->link)) == SESSION_UP) {
		b->ops->ask(b->user, l, m);
		return;
	}
	list_add_tail(&b->waiting, &l->waiting);
	l->queued = b->mover;
}

/* --- the session ---------------------------------------------------------- */

static void bulk_on_up(void *user, bool resumed)
{
	struct bulk *b = user;
	struct tunnel_stream *l;
	struct session_stats st;
	struct mux *m;

	log_debug("bulk: %s", resumed ? "resumed" : "up");
	b->was_up = true;
	b->failures = 0;
	b->looked_at = clock_ns();
	session_get_stats(link_session(b->link), &st);
	b->lanes = st.lanes;
	/* one more begins as slowly as the first: they do that together */
	if (b->lanes == 1 && bulk_most(b) > 1)
		bulk_widen(b, 1);
	bulk_look_later(b, 0);
	while ((m = link_mux(b->link)) && (l = bulk_take(b)))
		b->ops->ask(b->user, l, m);
}

static void bulk_on_lost(void *user, const struct kt_error *why)
{
	struct bulk *b = user;

	log_debug("bulk: carrier lost: %s", why->msg);
	loop_timer_stop(&b->look);
	if (b->was_up)
		bulk_again_later(b);
	else
		b->ops->gone(b->user, b, false);
}

static void bulk_on_dead(void *user, const struct kt_error *why)
{
	struct bulk *b = user;

	log_debug("bulk: session dead: %s", why->msg);
	b->ops->gone(b->user, b, false);
}

static const struct link_ops link_ops = {
	.up = bulk_on_up,
	.lost = bulk_on_lost,
	.dead = bulk_on_dead,
};

static void bulk_on_idle(struct timer *t)
{
	struct bulk *b = container_of(t, struct bulk, idle);

	struct session_stats st;

	session_get_stats(link_session(b->link), &st);
	if (st.acked + st.received >= b->carried + FEW_BYTES) {
		b->carried = st.acked + st.received;
		b->quiet_ns = 0;
	} else if ((b->quiet_ns += IDLE_TICK) >= IDLE_NS) {
		session_narrow(link_session(b->link), 1);
		b->lanes = 1;
		b->rate = 0;
	}
	b->idle_ns = bulk_is_free(b) ? b->idle_ns + IDLE_TICK : 0;
	if (b->idle_ns < IDLE_NS)
		loop_timer_start(b->loop, &b->idle, IDLE_TICK, bulk_on_idle);
	else
		b->ops->gone(b->user, b, true);
}

struct bulk *bulk_new(struct loop *loop, const struct session_config *scfg,
		      const struct mux_config *mcfg, struct stream_mover *mover,
		      const struct bulk_ops *ops, void *user)
{
	struct carrier *c = ops->open(user);
	struct bulk *b = c ? calloc(1, sizeof(*b)) : NULL;

	if (b)
		b->link = link_new(loop, scfg, mcfg, NULL, NULL, &link_ops, b);
	if (!b || !b->link) {
		if (c)
			carrier_close(c);
		free(b);
		return NULL;
	}
	b->loop = loop;
	b->mover = mover;
	b->ops = ops;
	b->user = user;
	b->lanes = 1;
	list_init(&b->waiting);
	mux_set_mover(link_mux(b->link), mover);
	loop_timer_start(loop, &b->idle, IDLE_TICK, bulk_on_idle);
	session_attach(link_session(b->link), c);
	return b;
}

void bulk_begin_wide(struct bulk *b, unsigned int most)
{
	most = MIN(most, b->ops->lanes(b->user, b));
	if (!b->was_up && most > b->lanes)
		bulk_widen(b, most - b->lanes);
}

void bulk_free(struct bulk *b, const char *why)
{
	if (!b)
		return;
	loop_timer_stop(&b->again);
	loop_timer_stop(&b->idle);
	loop_timer_stop(&b->look);
	while (bulk_take(b))
		;
	session_close(link_session(b->link), FRAME_CODE_BYE, why);
	link_free(b->link);
	loop_defer_free(b->loop, b);
}
