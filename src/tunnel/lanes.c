/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/lanes.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "tunnel/lane.h"
#include "tunnel/target.h"

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

struct lanes {
	struct loop *loop;
	struct session_config cfg;
	uint8_t quick[FRAME_ID_LEN]; /* the session's id */
	lanes_open_fn open;
	void *user;
	struct link *bulk;   /* NULL: none */
	struct list waiting; /* of struct lane, until it is up */
	struct timer again;  /* open another carrier */
	struct timer idle;
	int64_t idle_ns;    /* since it was used */
	int64_t not_before; /* the next try to have one */
	unsigned int failures;
	bool was_up;
	bool unknown; /* the other end is too old for it */
};

static void stop_waiting(struct lanes *ls)
{
	while (!list_empty(&ls->waiting))
		lanes_forget(
			container_of(ls->waiting.next, struct lane, waiting));
}

/* the link is NONE */
static void forget_bulk(struct lanes *ls, int64_t pause)
{
	struct link *l = steal_ptr(&ls->bulk);

	loop_timer_stop(&ls->again);
	loop_timer_stop(&ls->idle);
	stop_waiting(ls);
	ls->not_before = clock_ns() + pause;
	link_free(l);
}

static void ask(struct lanes *ls, struct lane *l)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-continue",
					 .path = path };
	struct mux *m = link_mux(ls->bulk);
	int rc = -ENOTCONN;

	target_continue_path(path, ls->quick, mux_stream_id(l->first));
	if (m)
		rc = lane_ask(l, m, &req);
	if (rc < 0)
		log_debug("bulk: a stream stays: %s", strerror(-rc));
}

/* --- the bulk link ------------------------------------------------------ */

static void attach(struct lanes *ls);

static void on_again(struct timer *t)
{
	attach(container_of(t, struct lanes, again));
}

static void again_later(struct lanes *ls)
{
	int64_t pause = AGAIN_MIN << MIN(ls->failures++, 8U);

	loop_timer_start(ls->loop, &ls->again, MIN(pause, AGAIN_MAX), on_again);
}

static void attach(struct lanes *ls)
{
	struct carrier *c = ls->open(ls->user);

	if (c)
		session_attach(link_session(ls->bulk), c);
	else if (ls->was_up)
		again_later(ls);
	else
		forget_bulk(ls, RETRY_NS);
}

static void on_idle(struct timer *t)
{
	struct lanes *ls = container_of(t, struct lanes, idle);
	struct mux *m = link_mux(ls->bulk);

	ls->idle_ns = m && mux_streams(m) ? 0 : ls->idle_ns + IDLE_TICK;
	if (ls->idle_ns < IDLE_NS) {
		loop_timer_start(ls->loop, &ls->idle, IDLE_TICK, on_idle);
		return;
	}
	log_debug("bulk: not used: closed");
	session_close(link_session(ls->bulk), FRAME_CODE_BYE, "not used");
	forget_bulk(ls, 0);
}

static void on_up(void *user, bool resumed)
{
	struct lanes *ls = user;

	log_debug("bulk: %s", resumed ? "resumed" : "up");
	ls->was_up = true;
	ls->failures = 0;
	while (!list_empty(&ls->waiting)) {
		struct lane *l =
			container_of(ls->waiting.next, struct lane, waiting);

		lanes_forget(l);
		ask(ls, l);
	}
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct lanes *ls = user;

	log_debug("bulk: carrier lost: %s", why->msg);
	if (ls->was_up)
		again_later(ls);
	else
		forget_bulk(ls, RETRY_NS);
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct lanes *ls = user;

	log_debug("bulk: session dead: %s", why->msg);
	forget_bulk(ls, RETRY_NS);
}

static const struct link_ops link_ops = {
	.up = on_up,
	.lost = on_lost,
	.dead = on_dead,
};

static void start_bulk(struct lanes *ls)
{
	struct session_config scfg = session_config_bulk(&ls->cfg);
	struct mux_config mcfg = mux_config_bulk(false);

	ls->bulk = link_new(ls->loop, &scfg, &mcfg, NULL, NULL, &link_ops, ls);
	if (!ls->bulk)
		return;
	mux_set_lanes(link_mux(ls->bulk), ls);
	ls->was_up = false;
	ls->failures = 0;
	ls->idle_ns = 0;
	loop_timer_start(ls->loop, &ls->idle, IDLE_TICK, on_idle);
	attach(ls);
}

/* --- the streams -------------------------------------------------------- */

static void want(struct lanes *ls, struct lane *l)
{
	if (ls->unknown || (!ls->bulk && loop_now(ls->loop) < ls->not_before))
		return;
	if (ls->bulk && session_state(link_session(ls->bulk)) == SESSION_UP) {
		ask(ls, l);
		return;
	}
	list_add_tail(&ls->waiting, &l->waiting);
	l->queued = true;
	if (!ls->bulk)
		start_bulk(ls);
}

void lanes_note(struct lanes *ls, struct lane *l, size_t n)
{
	int64_t now;

	if (!ls || l->queued)
		return;
	now = loop_now(l->loop);
	if (now - l->last > PAUSE_NS)
		l->burst = 0;
	l->last = now;
	l->burst += n;
	if (l->burst < BULK_BYTES)
		return;
	l->burst = 0; /* if it has to stay, ask again after as much */
	want(ls, l);
}

void lanes_forget(struct lane *l)
{
	if (l->queued)
		list_del(&l->waiting);
	l->queued = false;
}

void lanes_answered(struct lanes *ls, int status)
{
	if (!ls || status != 501)
		return;
	log_debug("bulk: the other end does not know how to move streams");
	ls->unknown = true;
}

/* --- life --------------------------------------------------------------- */

struct lanes *lanes_new(struct loop *loop, const struct session_config *cfg,
			struct link *quick, lanes_open_fn open, void *user)
{
	struct lanes *ls = calloc(1, sizeof(*ls));

	if (!ls)
		return NULL;
	ls->loop = loop;
	ls->cfg = *cfg;
	ls->open = open;
	ls->user = user;
	memcpy(ls->quick, session_id(link_session(quick)), FRAME_ID_LEN);
	list_init(&ls->waiting);
	mux_set_lanes(link_mux(quick), ls);
	return ls;
}

void lanes_free(struct lanes *ls)
{
	if (!ls)
		return;
	if (ls->bulk)
		session_close(link_session(ls->bulk), FRAME_CODE_BYE,
			      "ktctl ends");
	forget_bulk(ls, 0);
	loop_defer_free(ls->loop, ls);
}

void lanes_bulk(const struct lanes *ls, struct session_stats *st)
{
	*st = (struct session_stats){ 0 };
	if (ls && ls->bulk)
		session_get_stats(link_session(ls->bulk), st);
}
