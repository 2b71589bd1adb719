/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sleep.h"

#include "base/log.h"
#include "base/mem.h"
#include "gate/sleep_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLEEP_TICK NS_SEC	 /* looks whether it is idle, at most */
#define SLEEP_AGAIN NS_SEC	 /* in DOWN */
#define SLEEP_LOOK (30 * NS_SEC) /* at addresses, awake */
#define SLEEP_ASLEEP_LOOK (60 * NS_SEC)
#define SLEEP_SCALE (5 * NS_SEC) /* has somebody else scaled it? */
#define SLEEP_BACKOFF_MAX (10 * NS_SEC)
#define SLEEP_TRIES 3
#define SLEEP_REFUSED "its Pods take no connection"

static void sleep_step(struct sleep *s);

enum sleep_state sleep_state(const struct sleep *s)
{
	return s->state;
}

const char *sleep_state_name(enum sleep_state state)
{
	static const char *const names[SLEEP_NSTATES_] = {
		[SLEEP_STARTING] = "starting", [SLEEP_AWAKE] = "awake",
		[SLEEP_DRAINING] = "draining", [SLEEP_ASLEEP] = "asleep",
		[SLEEP_WAKING] = "waking",     [SLEEP_DOWN] = "down",
		[SLEEP_GONE] = "gone",
	};

	return names[state];
}

bool sleep_is_ready(const struct sleep *s)
{
	return s->answered;
}

const char *sleep_why(const struct sleep *s)
{
	return s->why;
}

struct ipport sleep_at(const struct sleep *s, size_t i)
{
	return s->ports[i].at;
}

/* --- callers -------------------------------------------------------------- */

static struct sleep_conn *sleep_conn_of(struct list *node)
{
	return container_of(node, struct sleep_conn, node);
}

static size_t sleep_count(const struct sleep *s, enum sleep_phase phase)
{
	struct list *n;
	size_t count = 0;

	list_for_each (n, &s->conns)
		count += sleep_conn_of(n)->phase == phase;
	return count;
}

bool sleep_is_busy(const struct sleep *s)
{
	struct list *n;

	list_for_each (n, &s->conns)
		if (sleep_conn_is_used(sleep_conn_of(n)))
			return true;
	return false;
}

/* With the Pods' half of those that are quiet, none of them meets one that ends
 */
static void sleep_rest_all(struct sleep *s)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &s->conns)
		if (sleep_conn_of(n)->phase == SLEEP_JOINED &&
		    !sleep_conn_is_used(sleep_conn_of(n)))
			sleep_conn_rest(sleep_conn_of(n));
}

static void sleep_refuse_all(struct sleep *s, const char *why)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &s->conns) {
		struct sleep_conn *c = sleep_conn_of(n);

		if (c->phase == SLEEP_HELD_ || c->phase == SLEEP_DIALLING)
			sleep_conn_refuse(c, why);
		else if (!sleep_conn_is_used(c) && c->phase != SLEEP_ENDING)
			sleep_conn_end(c);
	}
}

void sleep_dial_all(struct sleep *s)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &s->conns) {
		struct sleep_conn *c = sleep_conn_of(n);

		if (c->phase == SLEEP_HELD_ && c->port->npods)
			sleep_conn_dial(c);
	}
}

/* --- ports ---------------------------------------------------------------- */

static void sleep_on_caller(void *user, int fd, const struct ipport *peer)
{
	(void)peer;
	sleep_conn_take(user, fd);
}

static int sleep_open_port(struct sleep_port *p, struct kt_error *err)
{
	return listener_open(&p->listener, p->sleep->c.loop, &p->at,
			     sleep_on_caller, p, err);
}

static void sleep_close_ports(struct sleep *s)
{
	for (size_t i = 0; i < s->c.nserve; i++)
		listener_stop(&s->ports[i].listener);
}

/* It was ours a moment ago: who has it now would be in this very Pod */
static void sleep_open_ports(struct sleep *s)
{
	struct kt_error err = { 0 };

	for (size_t i = 0; i < s->c.nserve; i++)
		if (!s->ports[i].listener.watch.loop &&
		    sleep_open_port(&s->ports[i], &err) < 0)
			log_warn("%s", err.msg);
}

/* --- states --------------------------------------------------------------- */

static bool sleep_takes_callers(enum sleep_state state)
{
	return state == SLEEP_AWAKE || state == SLEEP_DRAINING ||
	       state == SLEEP_ASLEEP || state == SLEEP_WAKING;
}

void sleep_enter(struct sleep *s, enum sleep_state state, const char *why)
{
	int64_t now = clock_ns();
	auto_free char *text = xstrdup(why); /* it may be ours */

	why = text;
	log_info("%s%s%s", sleep_state_name(state), *why ? ": " : "", why);
	s->state = state;
	s->since = now;
	s->scaled = s->stale = s->empty = false;
	s->refused[0] = '\0';
	sleep_dial_stop(&s->dial);
	if (sleep_takes_callers(state)) {
		sleep_open_ports(s);
	} else {
		snprintf(s->why, sizeof(s->why), "%s", why);
		sleep_close_ports(s);
		sleep_refuse_all(s, why);
	}
	if (state == SLEEP_AWAKE) {
		s->used = now;
		sleep_dial_all(s);
	}
	if (state == SLEEP_DRAINING)
		sleep_rest_all(s);
	sleep_arm(s, 0);
}

void sleep_fail(struct sleep *s, const char *why)
{
	int64_t wait = SLEEP_BACKOFF << MIN(s->failures, 10U);

	if (strcmp(s->why, why) != 0)
		log_warn("%s", why);
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->failures++;
	s->again = clock_ns() + MIN(wait, SLEEP_BACKOFF_MAX);
	if (s->state != SLEEP_DRAINING)
		return;
	s->awake_until = clock_ns() + MIN(s->c.idle_ns, SLEEP_ASLEEP_LOOK);
	sleep_enter(s, SLEEP_AWAKE, why);
}

/* --- steps ---------------------------------------------------------------- */

/* An answer is waited for, and calls again; else the number of ns to wait, -1:
 * it has gone to another state */
static int64_t sleep_step_awake(struct sleep *s, int64_t now)
{
	if (sleep_is_busy(s))
		s->used = now;
	if (s->empty) {
		sleep_ask_scale(s);
		return 0;
	}
	if (s->stale || now - s->looked >= SLEEP_LOOK) {
		sleep_ask_addresses(s);
		return 0;
	}
	if (now - s->used >= s->c.idle_ns && now >= s->awake_until) {
		sleep_enter(s, SLEEP_DRAINING, "nobody asks for it");
		return -1;
	}
	return MIN(SLEEP_TICK, s->c.idle_ns / 4);
}

/* Nothing that begins while the number is being changed is broken off */
static int64_t sleep_step_draining(struct sleep *s)
{
	if (s->scaled)
		sleep_ask_addresses(s);
	else
		sleep_ask_scale(s);
	return 0;
}

static int64_t sleep_step_asleep(struct sleep *s, int64_t now)
{
	if (sleep_count(s, SLEEP_HELD_)) {
		sleep_enter(s, SLEEP_WAKING, "a request came");
		return -1;
	}
	if (now - s->looked >= SLEEP_ASLEEP_LOOK) {
		sleep_ask_scale(s);
		return 0;
	}
	return SLEEP_ASLEEP_LOOK - (now - s->looked);
}

static const char *sleep_reason(const struct sleep *s)
{
	return s->why[0]       ? s->why
	       : s->refused[0] ? s->refused
			       : "no Pod was ready in time";
}

static int64_t sleep_step_waking(struct sleep *s, int64_t now)
{
	if (now - s->since >= s->c.wake_ns) {
		sleep_enter(s, SLEEP_DOWN, sleep_reason(s));
		return -1;
	}
	if (s->dial.active)
		return SLEEP_POLL;
	if (now < s->again)
		return s->again - now;
	if (!s->scaled || now - s->scaled_at >= SLEEP_SCALE)
		sleep_ask_scale(s);
	else
		sleep_ask_addresses(s);
	return 0;
}

static int64_t sleep_step_down(struct sleep *s, int64_t now)
{
	if (now - s->since >= MAX(s->c.idle_ns, s->c.wake_ns) &&
	    now >= s->awake_until) {
		sleep_enter(s, SLEEP_DRAINING, "it did not come back");
		return -1;
	}
	if (!s->dial.active &&
	    (!s->scaled || now - s->scaled_at >= SLEEP_SCALE))
		sleep_ask_scale(s);
	else if (!s->dial.active &&
		 now - s->looked >= MIN(SLEEP_AGAIN, s->c.idle_ns / 8))
		sleep_ask_addresses(s);
	return MIN(SLEEP_AGAIN, s->c.idle_ns / 8);
}

static int64_t sleep_step_other(struct sleep *s, int64_t now)
{
	if (s->state == SLEEP_GONE) {
		if (now - s->looked < SLEEP_LOOK)
			return SLEEP_LOOK;
		sleep_ask_scale(s);
	} else if (s->scaled && !s->dial.active) {
		sleep_ask_addresses(s);
	} else if (!s->scaled) {
		sleep_ask_scale(s);
	}
	return SLEEP_POLL;
}

static void sleep_step(struct sleep *s)
{
	int64_t now = clock_ns(), wait;

	if (sleep_api_is_busy(s->c.api))
		return;
	/* a wait that has an end of its own is looked at all the same */
	if (now < s->again && s->state != SLEEP_WAKING) {
		sleep_arm(s, s->again - now);
		return;
	}
	switch (s->state) {
	case SLEEP_AWAKE:
		wait = sleep_step_awake(s, now);
		break;
	case SLEEP_DRAINING:
		wait = sleep_step_draining(s);
		break;
	case SLEEP_ASLEEP:
		wait = sleep_step_asleep(s, now);
		break;
	case SLEEP_WAKING:
		wait = sleep_step_waking(s, now);
		break;
	case SLEEP_DOWN:
		wait = sleep_step_down(s, now);
		break;
	default:
		wait = sleep_step_other(s, now);
	}
	if (wait >= 0 && !sleep_api_is_busy(s->c.api))
		sleep_arm(s, wait);
}

static void sleep_on_timer(struct timer *t)
{
	sleep_step(container_of(t, struct sleep, timer));
}

void sleep_arm(struct sleep *s, int64_t ns)
{
	loop_timer_start(s->c.loop, &s->timer, ns, sleep_on_timer);
}

/* --- from callers --------------------------------------------------------- */

void sleep_on_call(struct sleep_conn *c)
{
	struct sleep *s = c->sleep;

	s->used = clock_ns();
	s->probed = (size_t)(c->port - s->ports);
	if (sleep_count(s, SLEEP_HELD_) > SLEEP_HELD)
		sleep_conn_refuse(c, "too many callers wait for it");
	else if (s->state == SLEEP_AWAKE && c->port->npods)
		sleep_conn_dial(c);
	else if (s->state == SLEEP_AWAKE)
		s->stale = true;
	sleep_arm(s, 0);
}

void sleep_on_refused(struct sleep_conn *c)
{
	struct sleep *s = c->sleep;

	s->stale = true;
	if (s->state == SLEEP_AWAKE && c->tries >= SLEEP_TRIES) {
		if (s->c.nserve == 1)
			sleep_enter(s, SLEEP_DOWN, SLEEP_REFUSED);
		else /* perhaps nobody listens at that port alone */
			sleep_conn_refuse(c, SLEEP_REFUSED);
	}
	sleep_arm(s, SLEEP_POLL);
}

void sleep_on_late(struct sleep_conn *c)
{
	struct sleep *s = c->sleep;
	int64_t left = s->since + s->c.wake_ns - clock_ns();

	/* who has waked it is the first of all that wait */
	if (s->state == SLEEP_WAKING && left < 2 * SLEEP_POLL)
		sleep_enter(s, SLEEP_DOWN, sleep_reason(s));
	else
		sleep_conn_refuse(c, sleep_reason(s));
}

/* --- all of it ------------------------------------------------------------ */

struct sleep *sleep_new(const struct sleep_config *c, struct kt_error *err)
{
	struct sleep *s = xcalloc(1, sizeof(*s));

	s->c = *c;
	s->wanted = MAX(c->replicas, 1);
	s->ports = xcalloc(c->nserve, sizeof(*s->ports));
	s->since = s->used = clock_ns();
	list_init(&s->conns);
	for (size_t i = 0; i < c->nserve; i++) {
		struct sleep_port *p = &s->ports[i];

		p->sleep = s;
		p->at = c->serve[i].at;
		snprintf(p->name, sizeof(p->name), "%s", c->serve[i].name);
		if (sleep_open_port(p, err) < 0) {
			sleep_free(s);
			return NULL;
		}
	}
	sleep_arm(s, 0);
	return s;
}

void sleep_free(struct sleep *s)
{
	struct list *n, *tmp;

	if (!s)
		return;
	loop_timer_stop(&s->timer);
	sleep_dial_stop(&s->dial);
	sleep_close_ports(s);
	list_for_each_safe (n, tmp, &s->conns)
		sleep_conn_end(sleep_conn_of(n));
	free(s->ports);
	loop_defer_free(s->c.loop, s);
}
