/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/scheduler.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "tunnel/target.h"
#include "tunnel/tunnel_stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BULK_BYTES ((uint64_t)256 * 1024)
#define PAUSE_NS (100 * NS_MS) /* shorter than that is no pause */
#define IDLE_NS (30 * NS_SEC)  /* the bulk link is kept unused */
#define IDLE_TICK (5 * NS_SEC)
#define RETRY_NS (60 * NS_SEC) /* after it was not to be had */
#define AGAIN_MIN (100 * NS_MS)
#define AGAIN_MAX (3 * NS_SEC)

static_assert(TARGET_SESSION_LEN == FRAME_ID_LEN, "session ids");

struct scheduler {
	struct stream_mover mover; /* of the streams of both links */
	struct loop *loop;
	struct session_config cfg;
	uint8_t quick[FRAME_ID_LEN]; /* the session's id */
	scheduler_open_fn open;
	void *user;
	struct link *bulk;   /* NULL: none */
	struct list waiting; /* of struct tunnel_stream, until it is up */
	struct timer again;  /* open another carrier */
	struct timer idle;
	int64_t idle_ns;    /* since it was used */
	int64_t not_before; /* the next try to have one */
	unsigned int failures;
	bool was_up;
	bool unknown; /* the other end is too old for it */
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

/* the next that waits, and now no more; NULL: none */
static struct tunnel_stream *scheduler_take(struct scheduler *ls)
{
	struct tunnel_stream *l;

	if (list_empty(&ls->waiting))
		return NULL;
	l = container_of(ls->waiting.next, struct tunnel_stream, waiting);
	scheduler_forget(&ls->mover, l);
	return l;
}

/* the link is NONE */
static void forget_bulk(struct scheduler *ls, int64_t pause)
{
	struct link *l = steal_ptr(&ls->bulk);

	loop_timer_stop(&ls->again);
	loop_timer_stop(&ls->idle);
	while (scheduler_take(ls))
		;
	ls->not_before = clock_ns() + pause;
	link_free(l);
}

static void scheduler_ask(struct scheduler *ls, struct tunnel_stream *l)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-continue",
					 .path = path };
	struct mux *m = link_mux(ls->bulk);
	int rc = -ENOTCONN;

	target_continue_path(path, ls->quick, mux_stream_id(l->first));
	if (m)
		rc = tunnel_stream_ask(l, m, &req);
	if (rc < 0)
		log_debug("bulk: a stream stays: %s", strerror(-rc));
}

/* --- the bulk link -------------------------------------------------------- */

static void scheduler_attach(struct scheduler *ls);

static void scheduler_on_again(struct timer *t)
{
	scheduler_attach(container_of(t, struct scheduler, again));
}

static void scheduler_again_later(struct scheduler *ls)
{
	int64_t pause = AGAIN_MIN << MIN(ls->failures++, 8U);

	loop_timer_start(ls->loop, &ls->again, MIN(pause, AGAIN_MAX),
			 scheduler_on_again);
}

static void scheduler_attach(struct scheduler *ls)
{
	struct carrier *c = ls->open(ls->user);

	if (c)
		session_attach(link_session(ls->bulk), c);
	else if (ls->was_up)
		scheduler_again_later(ls);
	else
		forget_bulk(ls, RETRY_NS);
}

static void scheduler_on_idle(struct timer *t)
{
	struct scheduler *ls = container_of(t, struct scheduler, idle);
	struct mux *m = link_mux(ls->bulk);

	ls->idle_ns = m && mux_streams(m) ? 0 : ls->idle_ns + IDLE_TICK;
	if (ls->idle_ns < IDLE_NS) {
		loop_timer_start(ls->loop, &ls->idle, IDLE_TICK,
				 scheduler_on_idle);
		return;
	}
	log_debug("bulk: not used: closed");
	session_close(link_session(ls->bulk), FRAME_CODE_BYE, "not used");
	forget_bulk(ls, 0);
}

static void scheduler_on_up(void *user, bool resumed)
{
	struct scheduler *ls = user;
	struct tunnel_stream *l;

	log_debug("bulk: %s", resumed ? "resumed" : "up");
	ls->was_up = true;
	ls->failures = 0;
	while ((l = scheduler_take(ls)))
		scheduler_ask(ls, l);
}

static void scheduler_on_lost(void *user, const struct kt_error *why)
{
	struct scheduler *ls = user;

	log_debug("bulk: carrier lost: %s", why->msg);
	if (ls->was_up)
		scheduler_again_later(ls);
	else
		forget_bulk(ls, RETRY_NS);
}

static void scheduler_on_dead(void *user, const struct kt_error *why)
{
	struct scheduler *ls = user;

	log_debug("bulk: session dead: %s", why->msg);
	forget_bulk(ls, RETRY_NS);
}

static const struct link_ops link_ops = {
	.up = scheduler_on_up,
	.lost = scheduler_on_lost,
	.dead = scheduler_on_dead,
};

static void start_bulk(struct scheduler *ls)
{
	struct session_config scfg = session_config_bulk(&ls->cfg);
	struct mux_config mcfg = mux_config_bulk(false);

	ls->bulk = link_new(ls->loop, &scfg, &mcfg, NULL, NULL, &link_ops, ls);
	if (!ls->bulk)
		return;
	mux_set_mover(link_mux(ls->bulk), &ls->mover);
	ls->was_up = false;
	ls->failures = 0;
	ls->idle_ns = 0;
	loop_timer_start(ls->loop, &ls->idle, IDLE_TICK, scheduler_on_idle);
	scheduler_attach(ls);
}

/* --- the streams ---------------------------------------------------------- */

static void scheduler_want(struct scheduler *ls, struct tunnel_stream *l)
{
	if (ls->unknown || (!ls->bulk && loop_now(ls->loop) < ls->not_before))
		return;
	if (ls->bulk && session_state(link_session(ls->bulk)) == SESSION_UP) {
		scheduler_ask(ls, l);
		return;
	}
	list_add_tail(&ls->waiting, &l->waiting);
	l->queued = &ls->mover;
	if (!ls->bulk)
		start_bulk(ls);
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
	ls->open = open;
	ls->user = user;
	memcpy(ls->quick, session_id(link_session(quick)), FRAME_ID_LEN);
	list_init(&ls->waiting);
	mux_set_mover(link_mux(quick), &ls->mover);
	return ls;
}

void scheduler_free(struct scheduler *ls)
{
	if (!ls)
		return;
	if (ls->bulk)
		session_close(link_session(ls->bulk), FRAME_CODE_BYE,
			      "ktctl ends");
	forget_bulk(ls, 0);
	loop_defer_free(ls->loop, ls);
}

void scheduler_bulk(const struct scheduler *ls, struct session_stats *st)
{
	*st = (struct session_stats){ 0 };
	if (ls && ls->bulk)
		session_get_stats(link_session(ls->bulk), st);
}

void scheduler_suspect(struct scheduler *ls)
{
	if (ls && ls->bulk)
		session_suspect(link_session(ls->bulk));
}
