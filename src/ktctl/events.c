/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl events: what this machine's sessions see of requests, a line of JSON
 * each; or whether what is expected of them comes to pass. */
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "control/ask.h"
#include "control/eventjson.h"
#include "control/expect.h"
#include "control/follow.h"
#include "control/once.h"
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>

/* so old ones are looked at, to say that they would have been good */
#define EVENTS_BEFORE 3600

struct events_run {
	struct app *app;
	const struct events_options *opt;
	struct follow *follow;
	struct once *once; /* several sessions may tell of one request */
	struct timer once_timer;
	struct strv ids; /* those alone */
	int64_t from;	 /* microseconds since 1970: they count from then on */
	struct expect *expect[EXPECTS_MAX];
	int n;
	size_t seen, before; /* events; that were too early */
	json_int_t dropped;
	bool moved;	/* look */
	size_t refused; /* sessions that tell nothing */
	size_t ended;	/* that told, and have ended */
};

/* --- what is asked for ---------------------------------------------------- */

/* connect and forward have no requests to tell: without a name nobody asks
 * them */
static bool events_may_tell(const char *id)
{
	static const char *const commands[] = { "mesh", "exchange", "preview",
						"env-join" };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (ask_is_command(id, commands[i]))
			return true;
	return false;
}

static int events_find(struct events_run *e, const struct options *o,
		       struct kt_error *err)
{
	auto_strv struct strv all = { 0 };
	size_t telling = 0;
	int rc = 0;

	ask_names(e->app->home, &all);
	for (size_t i = 0; rc == 0 && i < o->nargs; i++)
		rc = ask_choose(&all, o->args[i], &e->ids, err);
	if (rc < 0)
		return rc;
	for (size_t k = 0; k < all.n; k++)
		telling += events_may_tell(all.v[k]);
	if (o->nargs || telling)
		return 0;
	kt_hint(err, "mesh, exchange, preview and env join --local see "
		     "requests; ktctl status lists what runs");
	return kt_fail(err, ENOENT,
		       "no session that sees requests runs on this machine");
}

/* --- what comes ----------------------------------------------------------- */

static void events_print(const json_t *event)
{
	auto_free char *text = json_dumps(event, JSON_COMPACT);

	print_line(stdout, "%s", text ? text : "{}");
	fflush(stdout);
}

static void events_on_once(void *user, json_t *event)
{
	struct events_run *e = user;
	bool dropped = str_eq(json_str(event, "type", NULL), "dropped");

	e->moved = true;
	if (eventjson_when(event) < e->from) {
		e->before += !dropped;
		return;
	}
	if (dropped) {
		e->dropped +=
			json_integer_value(json_object_get(event, "count"));
	} else {
		e->seen++;
	}
	if (!e->n) {
		events_print(event);
		return;
	}
	for (int i = 0; i < e->n && !dropped; i++)
		expect_see(e->expect[i], event);
}

static void events_on_due(struct timer *t);

static void events_wait_for_due(struct events_run *e)
{
	int64_t due = once_due(e->once);

	if (due >= 0)
		loop_timer_start(e->app->loop, &e->once_timer,
				 MAX(due - clock_ns(), (int64_t)0),
				 events_on_due);
}

static void events_on_due(struct timer *t)
{
	struct events_run *e = container_of(t, struct events_run, once_timer);

	once_flush(e->once, clock_ns());
	events_wait_for_due(e);
}

static void events_on_event(void *user, json_t *event)
{
	struct events_run *e = user;
	bool waited = once_due(e->once) >= 0;

	once_add(e->once, event, follow_count(e->follow) < 2, clock_ns());
	if (!waited)
		events_wait_for_due(e);
}

static void events_on_ended(void *user, const char *id, const char *why)
{
	struct events_run *e = user;

	e->moved = true;
	if (!e->ids.n && !events_may_tell(id))
		return;
	if (!why) {
		e->ended++;
		return;
	}
	print_line(stderr, "ktctl: %s: %s", id, why);
	e->refused++;
}

/* --- the command ---------------------------------------------------------- */

static bool events_failed(const struct events_run *e)
{
	for (int i = 0; i < e->n; i++)
		if (expect_state(e->expect[i]) == EXPECT_FAILED)
			return true;
	return false;
}

/* Nothing that comes makes a difference */
static bool events_decided(const struct events_run *e)
{
	bool all = e->n > 0;

	for (int i = 0; i < e->n; i++)
		all = all && expect_state(e->expect[i]) == EXPECT_MET;
	return all || events_failed(e);
}

/* Why an upper bound is not known to be kept, @rc being how the waiting has
 * ended; NULL: all that came was seen */
static const char *events_gap(const struct events_run *e, int rc)
{
	if (e->dropped)
		return "some events were dropped";
	if (e->refused)
		return "not all sessions tell";
	if (rc == -ETIMEDOUT && follow_unheard(e->follow))
		return "not all sessions have answered";
	if (rc != -ETIMEDOUT || e->ended)
		return "a session has ended before the time was over";
	return NULL;
}

static bool events_met(const struct events_run *e, bool whole)
{
	for (int i = 0; i < e->n; i++)
		if (!expect_met(e->expect[i], whole))
			return false;
	return true;
}

static int events_wait(struct events_run *e)
{
	int64_t end = clock_ns() + e->opt->timeout;

	while (!events_decided(e) && follow_count(e->follow) &&
	       !ferror(stdout)) {
		int64_t left = e->n ? end - clock_ns() : -1;
		int rc;

		if (e->n && left <= 0)
			return -ETIMEDOUT;
		e->moved = false;
		rc = loop_run_until(e->app->loop, &e->moved, left);
		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
	}
	return 0;
}

static void events_result(const struct events_run *e, bool whole)
{
	json_t *list = json_array();
	auto_json json_t *all = NULL;
	auto_free char *text = NULL;

	for (int i = 0; i < e->n; i++)
		json_array_append_new(list, expect_result(e->expect[i], whole));
	all = json_pack("{s:i,s:s,s:b,s:I,s:I,s:I,s:o}", "version",
			EVENTJSON_VERSION, "type", "result", "met",
			events_met(e, whole), "seen", (json_int_t)e->seen,
			"before", (json_int_t)e->before, "dropped", e->dropped,
			"expected", list);
	text = json_dumps(all, JSON_COMPACT);
	print_line(stdout, "%s", text ? text : "{}");
	fflush(stdout);
}

static const char *events_reason(const struct expect *x, const char *gap,
				 int rc)
{
	switch (expect_state(x)) {
	case EXPECT_FAILED:
		return "more than expected";
	case EXPECT_HOLDS:
		return gap ? gap : "it is not known whether more came";
	default:
		return rc == -ETIMEDOUT ? "the time is over"
					: "the session has ended";
	}
}

/* One line, for the one that is not met first */
static void events_tell_why(const struct events_run *e, const char *gap, int rc)
{
	for (int i = 0; i < e->n; i++) {
		auto_free char *why = NULL;

		if (expect_met(e->expect[i], !gap))
			continue;
		why = expect_why(e->expect[i]);
		print_line(stderr, "ktctl: %s: %s (%zu events in all%s%s%s)",
			   events_reason(e->expect[i], gap, rc), why, e->seen,
			   e->before ? ", and earlier ones that --since would "
				       "take in"
				     : "",
			   e->dropped ? ", some were dropped" : "",
			   e->refused ? ", not all sessions tell" : "");
		return;
	}
}

static int events_status(struct events_run *e, int rc)
{
	const char *gap = events_gap(e, rc);
	bool met = events_met(e, !gap);

	if (rc == -EINTR)
		return e->n ? EXIT_INTERRUPTED : EXIT_OK;
	if (!e->n)
		return e->refused && !e->seen ? EXIT_FAILED : EXIT_OK;
	if (e->opt->output == OUTPUT_JSON)
		events_result(e, !gap);
	if (!met)
		events_tell_why(e, gap, rc);
	return met ? EXIT_OK : EXIT_FAILED;
}

int command_events(struct app *app, const struct options *o)
{
	struct events_run e = { .app = app, .opt = &o->events };
	struct kt_error err = { 0 };
	struct follow_config cfg = {
		.loop = app->loop,
		.home = app->home,
		.since = (o->events.since + NS_SEC - 1) / NS_SEC,
		.event = events_on_event,
		.ended = events_on_ended,
		.user = &e,
	};
	int status, rc;

	e.from = eventjson_now() - o->events.since / 1000;
	if (e.opt->expect)
		e.n = expects_new(e.expect, e.opt->expect, eventjson_fields,
				  &err);
	if (e.n < 0) { /* its type has refused that already */
		status = app_usage(app, &err);
	} else if ((rc = events_find(&e, o, &err)) < 0) {
		status = app_fail(app, rc, &err);
	} else {
		cfg.ids = e.ids.n ? e.ids.v : NULL;
		cfg.nids = e.ids.n;
		if (e.n)
			cfg.since = MAX(cfg.since, (int64_t)EVENTS_BEFORE);
		e.once = once_new(events_on_once, &e);
		e.follow = follow_start(&cfg);
		rc = events_wait(&e);
		once_flush(e.once, INT64_MAX);
		status = events_status(&e, rc);
	}
	loop_timer_stop(&e.once_timer);
	follow_stop(e.follow);
	once_free(e.once);
	expects_free(e.expect, e.n);
	strv_fini(&e.ids);
	return status;
}
