/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/uplink.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/memtrim.h"
#include "base/repeat.h"
#include "carrier/portforward.h"
#include "kube/denied.h"
#include "local/netwatch.h"
#include "tunnel/fetch.h"
#include "uplink/retry.h"
#include "wire/clientline.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define HEAL_PAUSE (3 * NS_SEC)
#define FRESH_TRY (500 * NS_MS) /* not hindered by what was before */
#define FAILURES_BEFORE_HEAL 3
#define FAILURES_BEFORE_DOUBT 2 /* of a Pod that is said to run */
#define DOUBT (5 * NS_SEC)	/* for so long it may be a kubelet's restart */

struct uplink {
	struct uplink_config cfg;
	struct session_config session;
	struct tunnel *tunnel; /* one of the two */
	struct inbound *inbound;
	char who[CLIENTLINE_WHO_MAX]; /* said to the shadow */
	struct timer retry, rest;
	struct netwatch *net;
	int64_t tried;		    /* when the last carrier was begun */
	struct session_total bytes; /* where nobody else wants to know */
	struct memtrim trim;
	struct carriers carriers;
	unsigned int failures; /* since it was up */
	unsigned int before;   /* of them, before the network has changed */
	bool fresh;	       /* the last try began with a change of it */
	int64_t deadline;      /* of uplink_connect() */
	bool up, was_up, warned;
	bool refused;	/* by the API server, in every form */
	bool attention; /* uplink_wait() is to return */
	bool fatal;
	bool healing;		/* another shadow is being made */
	struct fetch *question; /* is the shadow told to end? NULL: none */
	bool ending;		/* the shadow says so */
	bool ill;		/* uplink_is_ill() */
	bool stands_by;
	bool retired;		  /* another does its work */
	bool over;		  /* and there is none left */
	int64_t lost;		  /* since when; 0: it is not */
	struct kt_error why;	  /* of the last loss */
	struct repeat gone, heal; /* what uplink_heal() says */
};

static void open_carrier(struct uplink *u);

/* Give the memory of a busy time back to the machine when it is over. */
static void on_rest(struct timer *t)
{
	struct uplink *u = container_of(t, struct uplink, rest);
	const struct session_total *all = u->session.total;

	if (memtrim_due(&u->trim, all->sent + all->received)) {
		malloc_trim(0);
		if (u->trim.code)
			memtrim_code();
	}
	loop_timer_start(u->cfg.loop, t, MEMTRIM_TICK, on_rest);
}

static void uplink_on_retry(struct timer *t)
{
	open_carrier(container_of(t, struct uplink, retry));
}

static void retry_later(struct uplink *u)
{
	uint32_t chance = 0;

	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = (uint32_t)clock_ns();
	/* after a change it is tried as often as at first */
	loop_timer_start(
		u->cfg.loop, &u->retry,
		retry_pause(MAX(u->failures, u->before + 1) - u->before,
			    chance),
		uplink_on_retry);
}

static void uplink_forget_failures(struct uplink *u)
{
	u->failures = u->before = 0;
}

static void uplink_on_change(struct timer *t)
{
	struct uplink *u = container_of(t, struct uplink, retry);

	open_carrier(u);
	u->fresh = true;
}

/* A try of before may hang in what is gone. One that began with a change has
 * its time: where the network changes all the time none would get through. */
static bool uplink_try_is_stale(const struct uplink *u)
{
	int64_t may =
		u->fresh ? retry_patience(u->failures, u->cfg.open_timeout_ns)
			 : FRESH_TRY;

	return clock_ns() - u->tried >= may;
}

/* The network has changed, or this machine has slept: what is up is doubted,
 * and what is not waits no longer. */
static void uplink_on_network(void *user)
{
	struct uplink *u = user;

	if (u->up && u->tunnel) {
		tunnel_suspect(u->tunnel);
	} else if (u->up) {
		inbound_suspect(u->inbound);
	} else if (u->was_up && !u->fatal && !u->healing &&
		   (loop_timer_active(&u->retry) || uplink_try_is_stale(u))) {
		log_debug("the network has changed: trying at once");
		u->before = u->failures;
		loop_timer_start(u->cfg.loop, &u->retry, 0, uplink_on_change);
	}
}

/* The API server answered, and the answer is about the Pod. */
static bool blames_pod(const struct kt_error *why)
{
	return why->http_status == 404 || why->http_status == 400 ||
	       why->http_status == 500;
}

/* Nothing that time would change. */
static bool is_refusal(const struct uplink *u, const struct kt_error *why)
{
	int status = why->http_status;

	return status == 401 || status == 403 ||
	       carriers_refused(&u->carriers) ||
	       (carriers_forced(&u->carriers) && status >= 400 &&
		status < 500 && status != 404 && status != 429);
}

/* One that never came up: another form may. */
static bool try_another(struct uplink *u, const struct kt_error *why)
{
	if (!carriers_failed(&u->carriers, why))
		return false;
	loop_timer_start(u->cfg.loop, &u->retry, 0, uplink_on_retry);
	return true;
}

/* Some servers refuse WebSocket without a word: the refusal of another form,
 * which names the missing right, says more. Any answer says more than none. */
static bool says_less(const struct kt_error *why, const struct kt_error *before)
{
	struct denied d;

	if (!why->http_status && why->code == ETIMEDOUT && before->http_status)
		return true;
	return why->http_status == 403 && before->http_status == 403 &&
	       !denied_parse(&d, why->msg) && denied_parse(&d, before->msg);
}

/* The first reason counts: the tries that follow fail for others */
static void uplink_note_loss(struct uplink *u, const struct kt_error *why)
{
	struct uplink_history *h = u->cfg.history;

	if (!h || !u->up || u->retired || u->stands_by)
		return;
	snprintf(h->why, sizeof(h->why), "%.255s", why->msg);
	h->when_lost = (int64_t)time(NULL);
}

static void uplink_say_lost(struct uplink *u, const struct kt_error *why,
			    bool was_up)
{
	if (was_up && !u->stands_by && u->cfg.moved &&
	    u->cfg.moved(u->cfg.user, u, false))
		log_warn("connection to %s lost: %s; new connections go "
			 "through another, open ones wait",
			 shadow_describe(u->cfg.shadow), why->msg);
	else if (u->was_up && !u->warned && !u->stands_by)
		log_warn("connection to the cluster lost: %s; open connections "
			 "wait",
			 why->msg);
	else
		log_debug("tunnel: %s", why->msg);
	u->warned = !u->stands_by;
}

static void failed(struct uplink *u, const struct kt_error *why)
{
	bool was_up = u->up;

	uplink_note_loss(u, why);
	u->up = false;
	if (was_up)
		u->lost = clock_ns();
	if (u->retired) {
		u->failures++; /* one word may be that of a proxy, and pass */
		u->over |= u->failures >= FAILURES_BEFORE_HEAL &&
			   (u->ill ? why->http_status == 404 : blames_pod(why));
		retry_later(u);
		return;
	}
	if (!says_less(why, &u->why))
		u->why = *why;
	if (!was_up && try_another(u, why))
		return;
	u->refused = is_refusal(u, why);
	uplink_say_lost(u, why, was_up);
	u->failures++;
	if (blames_pod(why) || u->failures % FAILURES_BEFORE_HEAL == 0 ||
	    (u->was_up && u->failures == FAILURES_BEFORE_DOUBT))
		uplink_wake(u);
	retry_later(u);
}

static int open_forward(struct uplink *u, struct carrier **c,
			struct kt_error *err)
{
	static const struct carrier_handler none = { 0 };
	int64_t patience =
		carriers_patience(&u->carriers, u->cfg.open_timeout_ns);

	if (u->was_up && !u->up)
		patience = retry_patience(u->failures, patience);
	return portforward_open(c, carriers_form(&u->carriers), u->cfg.kube,
				u->cfg.ns, shadow_pod_name(u->cfg.shadow),
				shadow_port(u->cfg.shadow), patience, &none,
				NULL, err);
}

/* Nothing depends on it: no healing, no other form. */
static struct carrier *open_bulk(void *user)
{
	struct uplink *u = user;
	struct kt_error err = { 0 };
	struct carrier *c = NULL;

	if (!u->up)
		return NULL;
	if (open_forward(u, &c, &err) == 0)
		return c;
	log_debug("bulk: %s", err.msg);
	return NULL;
}

static void open_carrier(struct uplink *u)
{
	struct kt_error err = { 0 };
	struct carrier *c = NULL;
	int rc = open_forward(u, &c, &err);

	u->tried = clock_ns();
	u->fresh = false;
	if (rc < 0)
		failed(u, &err);
	else if (u->inbound)
		inbound_attach(u->inbound, c);
	else
		tunnel_attach(u->tunnel, c);
}

static void is_up(struct uplink *u)
{
	if (u->warned)
		log_info("connected to the cluster again");
	u->warned = false;
	repeat_over(&u->gone);
	repeat_over(&u->heal);
	carriers_worked(&u->carriers);
	if (u->was_up && !u->up && u->cfg.history && !u->stands_by)
		u->cfg.history->reconnects++;
	u->up = true;
	u->was_up = true;
	u->lost = 0;
	u->ill = false;
	uplink_forget_failures(u);
	loop_timer_stop(&u->retry);
	if (u->cfg.moved && !u->retired)
		u->cfg.moved(u->cfg.user, u, true);
}

/* An older shadow has no answer; one that dies is seen elsewhere */
static void uplink_on_told(void *user, int error, const uint8_t *body,
			   size_t len)
{
	struct uplink *u = user;

	(void)body;
	(void)len;
	u->question = NULL;
	if (error || u->retired)
		return;
	u->ending = true;
	uplink_wake(u);
}

/* For as long as this session lives */
static void uplink_ask(struct uplink *u)
{
	if (!u->tunnel || !u->cfg.succeeds)
		return;
	u->ending = false;
	if (!u->question)
		u->question =
			fetch_start(u->tunnel, "/.well-known/ktctl/ending",
				    NULL, NULL, 0, 64, uplink_on_told, u);
}

static void uplink_on_up(void *user)
{
	struct uplink *u = user;

	is_up(u);
	if (u->retired)
		return;
	uplink_ask(u);
	if (u->cfg.up)
		u->cfg.up(u->cfg.user);
}

/* That the shadow ends was told before, and there was no tunnel meanwhile to
 * make another one beside */
static void on_resumed(void *user)
{
	struct uplink *u = user;

	is_up(u);
	if (u->ending && !u->retired)
		uplink_wake(u);
}

static void uplink_on_lost(void *user, const struct kt_error *why)
{
	failed(user, why);
}

/* No further try makes sense; u->why says why */
static void uplink_end(struct uplink *u)
{
	u->fatal = true;
	uplink_wake(u);
	loop_timer_stop(&u->retry);
}

static void uplink_on_dead(void *user, const struct kt_error *why)
{
	struct uplink *u = user;

	if (u->retired) {
		u->over = true;
		return;
	}
	if (u->was_up && (!u->stands_by || uplink_open(u)))
		log_warn("open connections were reset: %s", why->msg);
	u->warned |= u->was_up && !u->stands_by; /* they do not wait */
	failed(u, why);
	if (why->code == EPROTONOSUPPORT)
		uplink_end(u);
}

static void on_refused(void *user, const char *holder, const char *text)
{
	struct uplink *u = user;

	u->why = (struct kt_error){ 0 };
	if (*holder)
		kt_fail(&u->why, EEXIST, "%s has the same rule already",
			holder);
	else
		kt_fail(&u->why, EINVAL, "the shadow refuses the rules: %s",
			text);
	u->up = false;
	uplink_end(u);
}

/* A fresh session is one of a shadow that has not said so */
static void uplink_on_fresh(void *user)
{
	struct uplink *u = user;

	u->ending = false;
}

static void uplink_on_ending(void *user)
{
	struct uplink *u = user;

	inbound_wait(u->inbound);
	u->ending = true;
	uplink_wake(u);
}

static void uplink_on_caller(void *user, const struct inbound_caller *c)
{
	struct uplink *u = user;

	if (u->cfg.caller)
		u->cfg.caller(u->cfg.user, c);
}

static void uplink_on_copies(void *user, uint64_t sent, uint64_t dropped)
{
	struct uplink *u = user;

	if (u->cfg.copies)
		u->cfg.copies(u->cfg.user, sent, dropped);
}

static void uplink_on_event(void *user, const struct event *ev, uint64_t missed)
{
	struct uplink *u = user;

	if (u->cfg.event)
		u->cfg.event(u->cfg.user, ev, missed);
}

static void uplink_on_watching(void *user)
{
	struct uplink *u = user;

	if (u->cfg.watching)
		u->cfg.watching(u->cfg.user);
}

static void uplink_new_tunnel(struct uplink *u)
{
	static const struct tunnel_events events = {
		.up = uplink_on_up,
		.resumed = on_resumed,
		.lost = uplink_on_lost,
		.dead = uplink_on_dead,
		.bulk = open_bulk,
	};
	static const struct inbound_events inbound_events = {
		.up = uplink_on_fresh,
		.accepted = uplink_on_up,
		.resumed = on_resumed,
		.lost = uplink_on_lost,
		.dead = uplink_on_dead,
		.refused = on_refused,
		.ending = uplink_on_ending,
		.caller = uplink_on_caller,
		.copies = uplink_on_copies,
		.watching = uplink_on_watching,
		.event = uplink_on_event,
		.bulk = open_bulk,
	};

	if (u->cfg.inbound)
		u->inbound = inbound_new(u->cfg.loop, &u->session,
					 u->cfg.inbound, &inbound_events, u);
	else
		u->tunnel = tunnel_new(u->cfg.loop, &u->session, &events, u);
	if (!u->tunnel && !u->inbound)
		abort();
}

struct uplink *uplink_new(const struct uplink_config *cfg)
{
	struct uplink *u = xcalloc(1, sizeof(*u));
	const char *command = shadow_command(cfg->shadow);
	char machine[SHADOW_MACHINE_SIZE];

	u->session = session_config_default();
	if (command)
		u->session.who = clientline_who(u->who, command, shadow_user(),
						shadow_machine(machine));
	session_config_limit(&u->session, cfg->buffers);
	u->session.keep_ns = cfg->keep_ns;
	u->session.total = cfg->history ? &cfg->history->bytes : &u->bytes;
	u->cfg = *cfg;
	carriers_init(&u->carriers, cfg->home, kube_config_of(cfg->kube),
		      cfg->carrier);
	uplink_new_tunnel(u);
	loop_timer_start(cfg->loop, &u->rest, MEMTRIM_TICK, on_rest);
	u->net = netwatch_new(cfg->loop, uplink_on_network, u);
	return u;
}

void uplink_give_way(struct uplink *u)
{
	struct farewell f;

	if (!u->tunnel)
		return;
	loop_timer_stop(&u->retry);
	if (u->question)
		fetch_cancel(steal_ptr(&u->question));
	tunnel_leave(u->tunnel, &f);
	uplink_new_tunnel(u);
	u->up = u->ending = u->ill = false;
	u->lost = 0;
	uplink_wake(u);
	farewell_wait(&f, u->cfg.loop, FAREWELL_NS);
}

void uplink_leave(struct uplink *u, struct farewell *f)
{
	*f = (struct farewell){ 0 };
	if (!u)
		return;
	loop_timer_stop(&u->retry);
	loop_timer_stop(&u->rest);
	netwatch_free(u->net);
	if (u->question)
		fetch_cancel(u->question);
	if (u->tunnel)
		tunnel_leave(u->tunnel, f);
	if (u->inbound)
		inbound_leave(u->inbound, f);
	carriers_fini(&u->carriers);
	loop_defer_free(u->cfg.loop, u);
}

void uplink_free(struct uplink *u)
{
	struct farewell f;

	uplink_leave(u, &f);
	farewell_drop(&f);
}

void uplink_close(struct uplink *u)
{
	struct loop *loop = u ? u->cfg.loop : NULL;
	struct farewell f;

	uplink_leave(u, &f);
	farewell_wait(&f, loop, FAREWELL_NS);
}

static int fatal(const struct uplink *u, struct kt_error *err)
{
	*err = u->why;
	if (err->code == EPROTONOSUPPORT && shadow_is_given(u->cfg.shadow))
		kt_hint(err, "ktctl and the shadow are of different versions: "
			     "the image in its manifest must be this one's");
	else if (err->code == EPROTONOSUPPORT)
		kt_hint(err, "ktctl and the shadow image are of different "
			     "versions: choose the image of this version with "
			     "--image");
	return -err->code;
}

/* What the user can do about a port-forward that does not come up. */
static void hint_at_the_way(const struct uplink *u, struct kt_error *err)
{
	bool silent = !err->http_status &&
		      (err->code == ETIMEDOUT || err->code == ECONNRESET);

	if (err->hint[0])
		return;
	if (carriers_forced(&u->carriers))
		kt_hint(err, "without --carrier, one that works is found");
	else if (err->http_status == 401 || err->http_status == 403)
		return;
	else if (silent || carriers_refused(&u->carriers))
		kt_hint(err, "a port-forward needs HTTP Upgrade (SPDY or "
			     "WebSocket), which a proxy or load balancer "
			     "before the API server may not let through; try "
			     "\"kubectl port-forward\" the same way");
}

/* The first carrier may be early: the Pod runs a moment before it listens. So
 * tries go on until the time is over; when the API server, or who is before it,
 * refuses every form, they end at once. */
int uplink_connect(struct uplink *u, struct kt_error *err)
{
	u->deadline = clock_ns() + u->cfg.open_timeout_ns;
	uplink_forget_failures(u);
	u->refused = false;
	u->was_up = false;
	u->why = (struct kt_error){ 0 };
	open_carrier(u);
	while (!u->up) {
		int rc = loop_run_until(u->cfg.loop, &u->up, 50 * NS_MS);

		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
		if (u->fatal)
			return fatal(u, err);
		if (u->up)
			break;
		if (u->cfg.gone && u->cfg.gone(u->cfg.user))
			return kt_fail(err, ENOENT, "%s has ended",
				       shadow_describe(u->cfg.shadow));
		if (u->refused) {
			*err = u->why;
			hint_at_the_way(u, err);
			return kt_wrap(err, -EPERM, "open the tunnel to %s",
				       shadow_describe(u->cfg.shadow));
		}
		if (clock_ns() >= u->deadline) {
			if (u->why.code)
				*err = u->why;
			else
				kt_fail(err, ETIMEDOUT, "no answer");
			hint_at_the_way(u, err);
			return kt_wrap(err, -ETIMEDOUT, "open the tunnel to %s",
				       shadow_describe(u->cfg.shadow));
		}
	}
	u->attention = false;
	return 0;
}

int uplink_wait(struct uplink *u, struct kt_error *err)
{
	int rc = loop_run_until(u->cfg.loop, &u->attention, -1);

	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	u->attention = false;
	return u->fatal ? fatal(u, err) : 0;
}

void uplink_wake(struct uplink *u)
{
	u->attention = true;
	if (u->cfg.woken)
		u->cfg.woken(u->cfg.user);
}

int uplink_check(const struct uplink *u, struct kt_error *err)
{
	return u->fatal ? fatal(u, err) : 0;
}

bool uplink_is_up(const struct uplink *u)
{
	return u->up;
}

void uplink_probe(struct uplink *u)
{
	if (u && u->tunnel)
		tunnel_probe(u->tunnel);
	else if (u)
		inbound_probe(u->inbound);
}

void uplink_report(const struct uplink *u, struct control_report *r)
{
	struct session_stats st;

	if (!u)
		return;
	if (u->tunnel)
		tunnel_stats(u->tunnel, &st);
	else
		inbound_stats(u->inbound, &st);
	if (u->up) { /* of those that are lost nobody expects an answer */
		r->answered =
			r->up ? MIN(r->answered, st.answer_ns) : st.answer_ns;
		r->latency = MAX(r->latency, st.answer_rtt_ns);
	}
	r->tunnels++;
	r->up += u->up;
	r->streams += uplink_open(u);
}

void uplink_history_report(const struct uplink_history *h,
			   struct control_report *r)
{
	r->bytes_in = h->bytes.received;
	r->bytes_out = h->bytes.sent;
	r->reconnects = h->reconnects;
	r->why = h->why;
	r->when_lost = h->when_lost;
}

size_t uplink_open(const struct uplink *u)
{
	size_t n = u->tunnel ? tunnel_streams(u->tunnel)
			     : inbound_callers(u->inbound);

	return n && u->question ? n - 1 : n;
}

bool uplink_needs_another(const struct uplink *u)
{
	return u->ending || u->ill;
}

void uplink_set_gone(struct uplink *u)
{
	u->ending = u->ill = false;
	if (!u->up)
		uplink_wake(u);
}

bool uplink_is_ill(const struct uplink *u)
{
	return u->ill;
}

int64_t uplink_lost_ns(const struct uplink *u)
{
	return u->lost ? MAX(clock_ns() - u->lost, 1) : 0;
}

void uplink_stand_by(struct uplink *u, struct uplink *to)
{
	u->stands_by = true;
	if (!to)
		return;
	to->stands_by = false;
	if (u->warned && to->up)
		log_info("connected to the cluster again, through %s",
			 shadow_pod_name(to->cfg.shadow));
	to->warned = u->warned && !to->up;
	u->warned = false;
}

void uplink_retire(struct uplink *u)
{
	u->retired = true;
	u->ill |= !u->up && !u->ending; /* it may come back */
	u->warned = false;
}

bool uplink_is_over(const struct uplink *u)
{
	return u->over || u->fatal;
}

/* The Pod is there still, or so it is said. true: another is needed all the
 * same: it was told to end when nobody heard it, or nobody gets through */
static bool uplink_doubts(struct uplink *u, int check)
{
	if (!shadow_can_succeed(u->cfg.shadow) || !u->lost)
		return false;
	u->ending |= check == 2;
	u->ill = check == 1 && u->failures >= FAILURES_BEFORE_DOUBT &&
		 uplink_lost_ns(u) >= DOUBT;
	if (uplink_needs_another(u))
		uplink_wake(u);
	return uplink_needs_another(u);
}

int uplink_heal(struct uplink *u, struct kt_error *err)
{
	struct kt_error e = { 0 };
	int rc;

	if (u->up)
		return 0;
	rc = shadow_check(u->cfg.shadow, &e);
	if (rc > 0 && uplink_doubts(u, rc))
		return 0;
	if (rc == 0 && u->cfg.renew) {
		rc = u->cfg.renew(u->cfg.user, err);
		if (rc < 0)
			return rc;
	}
	if (rc == 0) {
		repeat_warn(&u->gone, "%s is gone: %s another",
			    shadow_describe(u->cfg.shadow),
			    shadow_is_given(u->cfg.shadow) ? "looking for"
							   : "making");
		loop_timer_stop(&u->retry);
		u->healing = true;
		rc = shadow_ensure(u->cfg.shadow, &e);
		u->healing = false;
		uplink_forget_failures(u);
		if (rc == 0)
			open_carrier(u);
		else
			retry_later(u);
	}
	if (rc == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	if (rc < 0) {
		log_debug("%s", e.msg);
		if (e.http_status || rc == -EBUSY) /* KT Connect has its name */
			repeat_warn(&u->heal, "%s", e.msg);
		rc = loop_sleep(u->cfg.loop, HEAL_PAUSE);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return 0;
}

struct tunnel *uplink_tunnel(struct uplink *u)
{
	return u->tunnel;
}

struct inbound *uplink_inbound(struct uplink *u)
{
	return u->inbound;
}
