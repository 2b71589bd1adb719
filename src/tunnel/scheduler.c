/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/scheduler.h"

#include "base/log.h"
#include "base/mem.h"
#include "tunnel/bulk.h"
#include "tunnel/target.h"
#include "tunnel/tunnel_stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BULK_BYTES ((uint64_t)256 * 1024)
#define FAR_BYTES ((uint64_t)32 * 1024) /* it takes long to get a carrier */
#define FAR_LANES 4U			/* of these, at first */
#define VERY_FAR_NS (40 * NS_MS)	/* all of them at once */
#define PAUSE_NS (100 * NS_MS)		/* shorter than that is no pause */
#define RETRY_NS (60 * NS_SEC)		/* after it was not to be had */
#define PARTS_RETRY_NS (600 * NS_SEC)	/* after the first of several was not */

static_assert(TARGET_SESSION_LEN == FRAME_ID_LEN, "session ids");

#define WIDE_STREAMS 3 /* share the one with several carriers */

/* what a session for bulk has of the buffers */
enum scheduler_kind {
	SCHEDULER_PLAIN, /* all; it is the only one */
	SCHEDULER_WIDE,	 /* most; there may be parts beside it */
	SCHEDULER_PART,	 /* a sixteenth */
};

/* One of the sessions for bulk, or the place of one */
struct scheduler_part {
	struct bulk *bulk; /* NULL: none */
	enum scheduler_kind kind;
	bool up; /* opened for a stream that carries much up */
};

struct scheduler {
	struct stream_mover mover; /* of the streams of all links */
	struct loop *loop;
	struct session_config cfg;
	struct link *quick;
	scheduler_open_fn open;
	void *user;
	struct scheduler_part parts[1 + SESSION_PARTS]; /* the first: no part */
	int64_t not_before;   /* the next try to have one */
	int64_t more_before;  /* and one more */
	int64_t parts_before; /* with one that is a part */
	bool unknown;	      /* the other end is too old to move streams */
};

static struct scheduler *scheduler_of(struct stream_mover *mv)
{
	return container_of(mv, struct scheduler, mover);
}

static void scheduler_forget(struct stream_mover *mv, struct tunnel_stream *l)
{
	(void)mv;
	list_del(&l->waiting);
	l->queued = NULL;
}

static void scheduler_ask(void *user, struct tunnel_stream *l, struct mux *m)
{
	struct scheduler *ls = user;
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-continue",
					 .path = path };
	int rc;

	target_continue_path(path, session_id(link_session(ls->quick)),
			     mux_stream_id(l->first));
	rc = tunnel_stream_ask(l, m, &req);
	if (rc < 0)
		log_debug("bulk: a stream stays: %s", strerror(-rc));
}

/* --- the bulk sessions ---------------------------------------------------- */

static struct carrier *scheduler_carrier(void *user)
{
	const struct scheduler *ls = user;

	return ls->open(ls->user);
}

/* What waited goes where there is a place; else it asks again, when it has
 * carried as much again */
static void scheduler_on_gone(void *user, struct bulk *b, bool idle)
{
	enum scheduler_kind kind = SCHEDULER_PLAIN;
	struct scheduler *ls = user;
	int64_t later = clock_ns() + (idle ? 0 : RETRY_NS);
	struct tunnel_stream *l;
	struct bulk *other = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ls->parts); i++) {
		struct scheduler_part *p = &ls->parts[i];

		if (p->bulk && p->bulk != b)
			other = p->bulk;
		if (p->bulk != b)
			continue;
		kind = p->kind;
		p->bulk = NULL;
	}
	while (other && (l = bulk_take(b)))
		bulk_add(other, l);
	if (kind == SCHEDULER_PART)
		ls->more_before = later;
	else if (kind == SCHEDULER_WIDE && !idle && !bulk_was_up(b))
		ls->parts_before = clock_ns() + PARTS_RETRY_NS;
	else
		ls->not_before = later;
	if (idle)
		log_debug("bulk: not used: closed");
	bulk_free(b, "not used");
}

/* its round trip, or 0: it is near */
static int64_t scheduler_far(const struct scheduler *ls)
{
	struct session_stats st;

	session_get_stats(link_session(ls->quick), &st);
	return ls->cfg.far_ns && st.rtt_min_ns >= ls->cfg.far_ns ? st.rtt_min_ns
								 : 0;
}

static bool scheduler_is_far(const struct scheduler *ls)
{
	return scheduler_far(ls) > 0;
}

/* Far away, and the other end takes several sessions for bulk */
static bool scheduler_divides(const struct scheduler *ls)
{
	return scheduler_is_far(ls) &&
	       session_peer_flags(link_session(ls->quick)) & FRAME_FLAG_PART &&
	       loop_now(ls->loop) >= ls->parts_before &&
	       session_config_parts(&ls->cfg) > 0;
}

/* The carriers of all of them are SESSION_LANES together */
static unsigned int scheduler_lanes(void *user, const struct bulk *b)
{
	const struct scheduler *ls = user;
	unsigned int n = SESSION_LANES;

	if (!scheduler_is_far(ls))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(ls->parts); i++) {
		const struct scheduler_part *p = &ls->parts[i];

		if (!p->bulk || p->kind != SCHEDULER_PART)
			continue;
		if (p->bulk == b)
			return 1;
		n -= bulk_load(p->bulk) > 0;
	}
	return n;
}

static const struct bulk_ops bulk_ops = {
	.open = scheduler_carrier,
	.lanes = scheduler_lanes,
	.ask = scheduler_ask,
	.gone = scheduler_on_gone,
};

static void scheduler_start(struct scheduler *ls, struct scheduler_part *p,
			    enum scheduler_kind kind, bool up)
{
	struct session_config scfg = session_config_bulk(&ls->cfg);
	struct mux_config mcfg = mux_config_bulk(false);

	if (kind == SCHEDULER_WIDE) {
		scfg = session_config_wide(&ls->cfg);
		mcfg = mux_config_wide(false);
	} else if (kind == SCHEDULER_PART) {
		scfg = session_config_part(&ls->cfg);
		mcfg = mux_config_part(false);
	}
	p->kind = kind;
	p->up = up;
	p->bulk = bulk_new(ls->loop, &scfg, &mcfg, &ls->mover, &bulk_ops, ls);
	if (p->bulk && kind == SCHEDULER_WIDE)
		bulk_begin_wide(p->bulk, scheduler_far(ls) < VERY_FAR_NS
						 ? FAR_LANES
						 : SESSION_LANES);
}

/* One more, or NULL */
static struct scheduler_part *scheduler_more(struct scheduler *ls, bool up)
{
	struct scheduler_part *first = &ls->parts[0];
	int64_t now = loop_now(ls->loop);
	bool divides = scheduler_divides(ls);

	if (!first->bulk) {
		if (now < ls->not_before)
			return NULL;
		scheduler_start(ls, first,
				divides ? SCHEDULER_WIDE : SCHEDULER_PLAIN, up);
		if (!first->bulk)
			ls->not_before = clock_ns() + RETRY_NS;
		return first->bulk ? first : NULL;
	}
	if (!divides || first->kind == SCHEDULER_PLAIN || now < ls->more_before)
		return NULL;
	for (size_t i = 1; i < ARRAY_SIZE(ls->parts); i++) {
		struct scheduler_part *p = &ls->parts[i];

		if (p->bulk)
			continue;
		scheduler_start(ls, p, SCHEDULER_PART, up);
		if (p->bulk)
			return p;
		ls->more_before = clock_ns() + RETRY_NS;
		return NULL;
	}
	return NULL;
}

static struct scheduler_part *scheduler_least(struct scheduler *ls)
{
	struct scheduler_part *least = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ls->parts); i++) {
		struct scheduler_part *p = &ls->parts[i];

		if (p->bulk &&
		    (!least || bulk_load(p->bulk) < bulk_load(least->bulk)))
			least = p;
	}
	return least;
}

/* There is room in it for one more that carries much @up, or down */
static bool scheduler_fits(const struct scheduler_part *p, bool far, bool up)
{
	size_t most = p->kind == SCHEDULER_WIDE ? WIDE_STREAMS : 1;

	if (!p->bulk)
		return false;
	if (!far || p->kind == SCHEDULER_PLAIN)
		return true;
	return bulk_load(p->bulk) < most &&
	       (p->up == up || bulk_is_free(p->bulk));
}

/* The one to which a stream is moved, or NULL: it stays */
static struct bulk *scheduler_choose(struct scheduler *ls, bool up)
{
	bool far = scheduler_is_far(ls);
	struct scheduler_part *p = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ls->parts) && !p; i++)
		if (scheduler_fits(&ls->parts[i], far, up))
			p = &ls->parts[i];
	if (p && far && p->up != up && bulk_is_free(p->bulk)) {
		bulk_free(steal_ptr(&p->bulk), "not used");
		scheduler_start(ls, p, p->kind, up);
	} else if (!p) {
		p = scheduler_more(ls, up);
	}
	if (!p || !p->bulk)
		p = scheduler_least(ls);
	return p ? p->bulk : NULL;
}

/* --- the streams ---------------------------------------------------------- */

static void scheduler_want(struct scheduler *ls, struct tunnel_stream *l)
{
	struct bulk *b = NULL;

	if (!ls->unknown)
		b = scheduler_choose(ls, l->sent > l->received);
	if (b)
		bulk_add(b, l);
}

/* Far away a stream that begins pauses for a round trip after each window */
static bool scheduler_is_pause(const struct scheduler *ls, int64_t ns)
{
	return ns > PAUSE_NS && ns > 2 * scheduler_far(ls);
}

static void scheduler_note(struct stream_mover *mv, struct tunnel_stream *l,
			   size_t n)
{
	struct scheduler *ls = scheduler_of(mv);
	int64_t now;

	if (l->queued)
		return;
	now = loop_now(l->loop);
	if (scheduler_is_pause(ls, now - l->last))
		l->burst = 0;
	l->last = now;
	l->burst += n;
	if (l->burst < FAR_BYTES ||
	    (l->burst < BULK_BYTES && !scheduler_is_far(ls)))
		return;
	l->burst = 0; /* if it has to stay, ask again after as much */
	scheduler_want(ls, l);
}

static void scheduler_answered(struct stream_mover *mv, int status)
{
	struct scheduler *ls = scheduler_of(mv);

	if (status != 501)
		return;
	log_debug("bulk: the other end does not know how to move streams");
	ls->unknown = true;
}

static const struct stream_mover_ops mover_ops = {
	.note = scheduler_note,
	.forget = scheduler_forget,
	.answered = scheduler_answered,
};

/* --- life ----------------------------------------------------------------- */

struct scheduler *scheduler_new(struct loop *loop,
				const struct session_config *cfg,
				struct link *quick, scheduler_open_fn open,
				void *user)
{
	struct scheduler *ls = calloc(1, sizeof(*ls));

	if (!ls)
		return NULL;
	ls->mover.ops = &mover_ops;
	ls->loop = loop;
	ls->cfg = *cfg;
	ls->quick = quick;
	ls->open = open;
	ls->user = user;
	mux_set_mover(link_mux(quick), &ls->mover);
	return ls;
}

void scheduler_free(struct scheduler *ls)
{
	if (!ls)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ls->parts); i++)
		bulk_free(steal_ptr(&ls->parts[i].bulk), "ktctl ends");
	loop_defer_free(ls->loop, ls);
}

void scheduler_bulk(const struct scheduler *ls, struct session_stats *st)
{
	*st = (struct session_stats){ 0 };
	for (size_t i = 0; ls && i < ARRAY_SIZE(ls->parts); i++) {
		struct session_stats one;

		if (!ls->parts[i].bulk)
			continue;
		session_get_stats(bulk_session(ls->parts[i].bulk), &one);
		st->sent += one.sent;
		st->acked += one.acked;
		st->received += one.received;
		st->inflight += one.inflight;
		st->rate += one.rate;
		st->carriers += one.carriers;
		st->lanes += one.lanes;
		st->joining += one.joining;
		st->rtt_ns = MAX(st->rtt_ns, one.rtt_ns);
		st->rtt_min_ns = MAX(st->rtt_min_ns, one.rtt_min_ns);
	}
}

void scheduler_retry(struct scheduler *ls)
{
	for (size_t i = 0; ls && i < ARRAY_SIZE(ls->parts); i++)
		if (ls->parts[i].bulk)
			bulk_retry(ls->parts[i].bulk);
}

void scheduler_suspect(struct scheduler *ls)
{
	for (size_t i = 0; ls && i < ARRAY_SIZE(ls->parts); i++)
		if (ls->parts[i].bulk)
			session_suspect(bulk_session(ls->parts[i].bulk));
}
