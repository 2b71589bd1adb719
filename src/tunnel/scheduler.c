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
#define PAUSE_NS (100 * NS_MS)	      /* shorter than that is no pause */
#define RETRY_NS (60 * NS_SEC)	      /* after it was not to be had */
#define PARTS_RETRY_NS (600 * NS_SEC) /* after the first of several was not */

static_assert(TARGET_SESSION_LEN == FRAME_ID_LEN, "session ids");

/* One of the sessions for bulk, or the place of one */
struct scheduler_part {
	struct bulk *bulk; /* NULL: none */
	bool part;	   /* of several */
	bool up;	   /* opened for a stream that carries much up */
};

struct scheduler {
	struct stream_mover mover; /* of the streams of all links */
	struct loop *loop;
	struct session_config cfg;
	struct link *quick;
	scheduler_open_fn open;
	void *user;
	struct scheduler_part parts[SESSION_PARTS];
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
	struct scheduler *ls = user;
	int64_t later = clock_ns() + (idle ? 0 : RETRY_NS);
	struct tunnel_stream *l;
	struct bulk *other = NULL;

	bool part = false;

	for (size_t i = 0; i < ARRAY_SIZE(ls->parts); i++) {
		struct scheduler_part *p = &ls->parts[i];

		if (p->bulk && p->bulk != b)
			other = p->bulk;
		if (p->bulk != b)
			continue;
		part = p->part;
		p->bulk = NULL;
	}
	while (other && (l = bulk_take(b)))
		bulk_add(other, l);
	if (other)
		ls->more_before = later;
	else if (part && !idle && !bulk_was_up(b))
		ls->parts_before = clock_ns() + PARTS_RETRY_NS;
	else
		ls->not_before = later;
	if (idle)
		log_debug("bulk: not used: closed");
	bulk_free(b, "not used");
}

static const struct bulk_ops bulk_ops = {
	.open = scheduler_carrier,
	.ask = scheduler_ask,
	.gone = scheduler_on_gone,
};

/* Far away, and the other end takes several sessions for bulk */
static bool scheduler_is_far(const struct scheduler *ls)
{
	const struct session *s = link_session(ls->quick);
	struct session_stats st;

	session_get_stats(s, &st);
	return ls->cfg.far_ns && st.rtt_min_ns >= ls->cfg.far_ns &&
	       session_peer_flags(s) & FRAME_FLAG_PART &&
	       loop_now(ls->loop) >= ls->parts_before &&
	       session_config_parts(&ls->cfg) > 1;
}

static void scheduler_start(struct scheduler *ls, struct scheduler_part *p,
			    bool part, bool up)
{
	struct session_config scfg = part ? session_config_part(&ls->cfg)
					  : session_config_bulk(&ls->cfg);
	struct mux_config mcfg =
		part ? mux_config_part(false) : mux_config_bulk(false);

	p->part = part;
	p->up = up;
	p->bulk = bulk_new(ls->loop, &scfg, &mcfg, &ls->mover, &bulk_ops, ls);
}

/* A place for one more, or NULL */
static struct scheduler_part *scheduler_more(struct scheduler *ls)
{
	struct scheduler_part *free_one = NULL;
	bool parts = true; /* all that there are */

	for (size_t i = 0; i < session_config_parts(&ls->cfg); i++) {
		if (!ls->parts[i].bulk)
			free_one = &ls->parts[i];
		else
			parts &= ls->parts[i].part;
	}
	if (!parts || loop_now(ls->loop) < ls->more_before)
		return NULL;
	return free_one;
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

/* The one to which a stream is moved, or NULL: it stays */
static struct bulk *scheduler_choose(struct scheduler *ls, bool up)
{
	struct scheduler_part *p = scheduler_least(ls), *more;
	bool far = scheduler_is_far(ls);

	if (!p) {
		if (loop_now(ls->loop) >= ls->not_before)
			scheduler_start(ls, p = &ls->parts[0], far, up);
		if (p && !p->bulk)
			ls->not_before = clock_ns() + RETRY_NS;
		return p ? p->bulk : NULL;
	}
	if (far && p->up != up && bulk_is_free(p->bulk)) {
		bulk_free(steal_ptr(&p->bulk), "not used");
		scheduler_start(ls, p, far, up);
		return p->bulk;
	}
	more = far && (bulk_load(p->bulk) || p->up != up) ? scheduler_more(ls)
							  : NULL;
	if (!more)
		return p->bulk;
	scheduler_start(ls, more, true, up);
	if (!more->bulk)
		ls->more_before = clock_ns() + RETRY_NS;
	return more->bulk ? more->bulk : p->bulk;
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

static void scheduler_note(struct stream_mover *mv, struct tunnel_stream *l,
			   size_t n)
{
	int64_t now;

	if (l->queued)
		return;
	now = loop_now(l->loop);
	if (now - l->last > PAUSE_NS)
		l->burst = 0;
	l->last = now;
	l->burst += n;
	if (l->burst < BULK_BYTES)
		return;
	l->burst = 0; /* if it has to stay, ask again after as much */
	scheduler_want(scheduler_of(mv), l);
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
		st->rtt_ns = MAX(st->rtt_ns, one.rtt_ns);
		st->rtt_min_ns = MAX(st->rtt_min_ns, one.rtt_min_ns);
	}
}

void scheduler_suspect(struct scheduler *ls)
{
	for (size_t i = 0; ls && i < ARRAY_SIZE(ls->parts); i++)
		if (ls->parts[i].bulk)
			session_suspect(bulk_session(ls->parts[i].bulk));
}
