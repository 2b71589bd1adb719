/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env events: the requests of one environment, at all routers of the
 * namespace, a line of JSON each; or whether those come that are expected.
 */
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "control/eventjson.h"
#include "control/judge.h"
#include "env/asleep.h"
#include "env/command.h"
#include "env/find.h"
#include "env/name.h"
#include "env/routers.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define EVENTS_LOOK (2 * NS_SEC)
#define EVENTS_FIRST (5 * NS_SEC) /* that all tell; who comes later, later */

struct env_events {
	struct env_command *c;
	const struct events_options *opt;
	char name[ENVMARK_MAX];
	char *job, *uid;
	struct judge judge;
	struct env_routers *routers;
	json_t *sleepers; /* see asleep_look() */
	size_t others;	  /* requests that are not the environment's */
	bool moved, over, told_old;
};

/* --- what comes ----------------------------------------------------------- */

static void env_events_print(const json_t *obj)
{
	auto_free char *text = json_dumps(obj, JSON_COMPACT);

	print_line(stdout, "%s", text ? text : "{}");
	fflush(stdout);
}

static void env_events_take(struct env_events *e, const json_t *event)
{
	e->moved = true;
	if (judge_see(&e->judge, event) && !e->judge.n)
		env_events_print(event);
}

/* It cannot be known which requests are meant */
static void env_events_on_old(struct env_events *e, const char *service)
{
	if (e->told_old)
		return;
	e->told_old = true;
	e->judge.refused++;
	print_line(stderr,
		   "ktctl: the router of Service %s is of an older ktctl, "
		   "which does not tell whose requests are: it is a new one "
		   "when all members have left once",
		   service);
}

static void env_events_on_event(void *user, const struct env_router_event *ev)
{
	struct env_events *e = user;
	const struct event_place at = { .session = ev->pod,
					.ns = e->c->ns,
					.service = ev->service,
					.port = ev->port ?: ev->event->port };
	auto_json json_t *dropped = NULL, *json = NULL;

	if (ev->missed) {
		dropped =
			eventjson_dropped(ev->pod, ev->event->when, ev->missed);
		env_events_take(e, dropped);
	}
	if (ev->event->old)
		env_events_on_old(e, ev->service);
	if (!envmark_within(ev->event->env, e->name)) {
		e->others += ev->event->kind == EVENT_REQUEST &&
			     ev->event->when >= e->judge.from;
		return;
	}
	json = eventjson_make(ev->event, &at);
	json_object_set_new(json, "environment", json_string(ev->event->env));
	json_object_set_new(
		json, "marked_by",
		json_string(ev->event->env_added ? "router" : "caller"));
	env_events_take(e, json);
}

/* Who expects something, expects requests */
static void env_events_on_member(void *user, const json_t *copy,
				 const char *state)
{
	struct env_events *e = user;
	const struct event_place at = { .session = object_name(copy),
					.ns = e->c->ns,
					.service = object_label(
						copy, KT_LABEL_ENV_OF) };
	auto_json json_t *event = NULL;

	if (e->judge.n)
		return;
	event = eventjson_member(&at, object_label(copy, KT_LABEL_ENV), state);
	env_events_print(event);
}

static void env_events_look_asleep(struct env_events *e)
{
	auto_json json_t *all = env_command_copies(e->c);

	if (all)
		asleep_look(e->sleepers, all, e->name, env_events_on_member, e);
}

/* --- until it is decided -------------------------------------------------- */

/* The environment is looked after as well: when it is gone, nothing comes */
static int env_events_look(struct env_events *e, struct kt_error *err)
{
	auto_json json_t *job = NULL;
	struct env_info info = { 0 };
	int rc = kube_get(e->c->kube, e->job, &job, err);

	if (rc == 0 &&
	    (env_info_read(&info, job) < 0 ||
	     !env_info_is_alive(&info, env_command_now(e->c)) ||
	     strcmp(json_str(job, "metadata", "uid", NULL) ?: "", e->uid) != 0))
		rc = -ENOENT;
	env_info_fini(&info);
	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		e->over = true;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!e->judge.n)
		env_events_look_asleep(e);
	return env_routers_look(e->routers, err);
}

/* What fails for a moment is looked for again */
static int env_events_look_again(struct env_events *e, int64_t *next)
{
	struct kt_error err = { 0 };
	int rc;

	if (clock_ns() < *next)
		return 0;
	rc = env_events_look(e, &err);
	*next = clock_ns() + EVENTS_LOOK;
	return rc == -EINTR ? rc : 0;
}

static int env_events_wait(struct env_events *e)
{
	int64_t end = clock_ns() + e->opt->timeout, next = 0;
	int rc = 0;

	while (rc == 0 && !judge_decided(&e->judge) && !e->over &&
	       !ferror(stdout)) {
		int64_t left = EVENTS_LOOK;

		if (e->judge.n)
			left = MIN(left, end - clock_ns());
		if (left <= 0)
			return -ETIMEDOUT;
		e->moved = false;
		rc = loop_run_until(e->c->app->loop, &e->moved, left);
		if (rc == -ETIMEDOUT || rc == 0)
			rc = env_events_look_again(e, &next);
	}
	return rc;
}

/* --- the result ----------------------------------------------------------- */

/* A mark that was lost on the way is nowhere to be seen: but the request came
 * to somebody */
static char *env_events_why(const struct env_events *e, const char *gap, int rc)
{
	auto_free char *why = judge_why(&e->judge, gap, rc);

	if (!why || e->judge.seen || !e->others)
		return steal_ptr(&why);
	return xasprintf("%s; %zu request%s without the mark of %s came "
			 "meanwhile: does somebody on the way not pass it on? "
			 "(ktctl env check %s)",
			 why, e->others, e->others == 1 ? "" : "s", e->name,
			 e->name);
}

static int env_events_end(struct env_events *e, int rc, struct kt_error *err)
{
	const struct judge *j = &e->judge;
	const char *gap = judge_gap(j, rc, env_routers_unheard(e->routers));
	auto_free char *why = NULL;

	if (rc == -EINTR)
		return j->n ? kt_fail(err, EINTR, "interrupted") : 0;
	if (!j->n)
		return !e->over ? 0
				: kt_fail(err, ENOENT,
					  "environment '%s' of namespace %s "
					  "has ended",
					  e->name, e->c->ns);
	why = env_events_why(e, gap, rc);
	if (e->opt->output == OUTPUT_JSON) {
		auto_json json_t *result = judge_result(j, gap);

		json_object_set_new(result, "environment",
				    json_string(e->name));
		json_object_set_new(result, "others",
				    json_integer((json_int_t)e->others));
		json_object_set_new(result, "reason",
				    why ? json_string(why) : json_null());
		env_events_print(result);
	}
	return why ? kt_fail(err, ENODATA, "%s", why) : 0;
}

static int env_events_begin(struct env_events *e, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	struct env_info info = { 0 };
	int rc = env_jobs(e->c->kube, e->c->ns, &jobs, err);

	if (rc == 0)
		rc = env_pick(jobs, e->c->ns, e->c->o->args[0],
			      env_command_now(e->c), &info, err);
	if (rc == 0) {
		auto_free char *job = env_name_job(info.name);

		snprintf(e->name, sizeof(e->name), "%s", info.name);
		e->uid = xstrdup(info.uid);
		e->job = kube_path("batch/v1", "jobs", e->c->ns, job, NULL);
		rc = env_routers_look(e->routers, err);
	}
	env_info_fini(&info);
	if (rc == 0 && env_routers_hear(e->routers, EVENTS_FIRST) == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	return rc;
}

static int env_events_run(struct env_command *c, struct kt_error *err)
{
	struct env_events e = { .c = c,
				.opt = &c->o->events,
				.sleepers = json_object() };
	/* its type has refused a wrong one already */
	int rc = judge_init(&e.judge, "router", e.opt->expect, e.opt->since,
			    err);

	e.routers = env_routers_new(c, env_events_on_event, &e);
	if (rc == 0)
		rc = env_events_begin(&e, err);
	if (rc == 0)
		rc = env_events_end(&e, env_events_wait(&e), err);
	env_routers_free(e.routers);
	judge_fini(&e.judge);
	json_decref(e.sleepers);
	free(e.job);
	free(e.uid);
	return rc;
}

int command_env_events(struct app *app, const struct options *o)
{
	return env_command_read(app, o, env_events_run);
}
