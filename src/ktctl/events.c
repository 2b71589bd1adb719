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
#include "control/follow.h"
#include "control/judge.h"
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
	struct judge judge;
	bool moved; /* look */
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

	e->moved = true;
	if (judge_see(&e->judge, event) && !e->judge.n)
		events_print(event);
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
		e->judge.ended++;
		return;
	}
	print_line(stderr, "ktctl: %s: %s", id, why);
	e->judge.refused++;
}

/* --- the command ---------------------------------------------------------- */

static int events_wait(struct events_run *e)
{
	int64_t end = clock_ns() + e->opt->timeout;

	while (!judge_decided(&e->judge) && follow_count(e->follow) &&
	       !ferror(stdout)) {
		int64_t left = e->judge.n ? end - clock_ns() : -1;
		int rc;

		if (e->judge.n && left <= 0)
			return -ETIMEDOUT;
		e->moved = false;
		rc = loop_run_until(e->app->loop, &e->moved, left);
		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
	}
	return 0;
}

static int events_status(struct events_run *e, int rc)
{
	const struct judge *j = &e->judge;
	const char *gap = judge_gap(j, rc, follow_unheard(e->follow));
	auto_free char *why = NULL;
	auto_json json_t *result = NULL;

	if (rc == -EINTR)
		return j->n ? EXIT_INTERRUPTED : EXIT_OK;
	if (!j->n)
		return j->refused && !j->seen ? EXIT_FAILED : EXIT_OK;
	if (e->opt->output == OUTPUT_JSON) {
		result = judge_result(j, gap);
		events_print(result);
	}
	why = judge_why(j, gap, rc);
	if (why)
		print_line(stderr, "ktctl: %s", why);
	return why ? EXIT_FAILED : EXIT_OK;
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

	/* its type has refused that already */
	if (judge_init(&e.judge, "session", e.opt->expect, o->events.since,
		       &err) < 0) {
		status = app_usage(app, &err);
	} else if ((rc = events_find(&e, o, &err)) < 0) {
		status = app_fail(app, rc, &err);
	} else {
		cfg.ids = e.ids.n ? e.ids.v : NULL;
		cfg.nids = e.ids.n;
		if (e.judge.n)
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
	judge_fini(&e.judge);
	strv_fini(&e.ids);
	return status;
}
