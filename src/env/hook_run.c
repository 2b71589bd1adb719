/* SPDX-License-Identifier: Apache-2.0 */
#include "env/hook_run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/command.h"
#include "env/copy_state.h"
#include "env/find.h"
#include "env/hook.h"
#include "env/share_after.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define HOOK_POLL (NS_SEC / 2)
#define HOOK_NO_POD (10 * NS_SEC) /* then events are asked for the reason */
#define HOOK_NONE (120 * NS_SEC)  /* a busy controller; nothing says why */
#define HOOK_GONE (40 * NS_SEC)	  /* a Pod has thirty seconds to end */
#define HOOK_LONGER (20 * NS_SEC) /* than it may run, until its end is seen */

static char *hook_jobs_path(const struct member_place *at)
{
	return kube_path("batch/v1", "jobs", at->ns, NULL, NULL);
}

/* "onDelete /drop" of a Job */
static const char *hook_text(const json_t *job)
{
	const char *text = object_annotation(job, KT_ANNOTATION_HOOK);

	return text ? text : object_name(job);
}

static void hook_tell(const struct hook_say *say, const char *text)
{
	if (say && say->progress)
		say->progress(say->user, text);
}

/* --- one that runs -------------------------------------------------------- */

struct hook_wait {
	const struct member_place *at;
	const json_t *job; /* as it was made */
	const struct hook_say *say;
	char *pods, *events, *query;
	int64_t start;
	char text[160];
};

/* Its last words are the reason, mostly */
static int hook_failed(const struct hook_wait *w, const struct hook_report *r,
		       struct kt_error *err)
{
	auto_free char *said = xstrdup(r->message);
	size_t n = strlen(said);
	const char *last;

	while (n && (said[n - 1] == '\n' || said[n - 1] == ' '))
		said[--n] = '\0';
	last = strrchr(said, '\n');
	last = last ? last + 1 : said;
	if (r->status < 0)
		return kt_fail(err, ECANCELED, "%s: its Pod was ended: %.200s",
			       hook_text(w->job), last);
	return kt_fail(err, ECANCELED, "%s has ended with status %d%s%.300s",
		       hook_text(w->job), r->status,
		       *last ? "; it said last: " : "", last);
}

/* No Pod is made: the events say why */
static int hook_no_pod(struct hook_wait *w, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	struct kt_error why = { 0 };
	const char *text = NULL;
	bool grows;

	if (clock_ns() - w->start < HOOK_NO_POD)
		return 0;
	if (kube_list(w->at->kube, w->events, NULL, &list, &why) == 0)
		text = copy_report_event(json_object_get(list, "items"),
					 object_name(w->job), &grows);
	if (!text && clock_ns() - w->start < HOOK_NONE)
		return 0;
	return kt_fail(err, EPERM, "%s: Job %s/%s gets no Pod%s%s",
		       hook_text(w->job), w->at->ns, object_name(w->job),
		       text ? ": " : "", text ? text : "");
}

/* 1: it has ended well */
static int hook_look(struct hook_wait *w, json_t **vars, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	struct copy_report start;
	struct hook_report r;
	const json_t *pods;
	int rc = kube_list(w->at->kube, w->pods, w->query, &list, err);

	if (rc < 0)
		return rc;
	pods = json_object_get(list, "items");
	hook_report_make(&r, pods);
	if (r.ended && !r.good)
		return hook_failed(w, &r, err);
	if (r.ended) {
		*vars = hook_output(r.message, err);
		return *vars ? 1
			     : kt_wrap(err, -EPROTO, "%s", hook_text(w->job));
	}
	copy_report_make(&start, pods, 1);
	if (start.failed) {
		*err = start.why;
		return kt_wrap(err, -start.why.code, "%s", hook_text(w->job));
	}
	if (start.none)
		return hook_no_pod(w, err);
	if (strcmp(start.text, w->text) != 0) {
		snprintf(w->text, sizeof(w->text), "%s", start.text);
		hook_tell(w->say, w->text);
	}
	return 0;
}

static int hook_await(struct hook_wait *w, json_t **vars, struct kt_error *err)
{
	int64_t most = HOOK_SECONDS * NS_SEC + HOOK_LONGER;

	for (;;) {
		int rc = hook_look(w, vars, err);

		if (rc)
			return MIN(rc, 0);
		if (clock_ns() - w->start > most)
			return kt_fail(err, ETIMEDOUT,
				       "%s has not ended after %d s",
				       hook_text(w->job), HOOK_SECONDS);
		rc = loop_sleep(kube_loop(w->at->kube), HOOK_POLL);
		if (rc < 0)
			return kt_fail(err, -rc, "%s: interrupted",
				       hook_text(w->job));
	}
}

static int hook_remove(const struct member_place *at, const json_t *job,
		       struct kt_error *err)
{
	return env_remove(at->kube, at->ns, object_name(job),
			  json_str(job, "metadata", "uid", NULL), err);
}

/* Also after Ctrl-C */
static void hook_remove_run(const struct member_place *at, const json_t *made)
{
	struct loop *l = kube_loop(at->kube);
	bool interrupted = loop_interrupted(l);
	struct kt_error err = { 0 };

	if (interrupted)
		loop_resume(l);
	if (hook_remove(at, made, &err) < 0)
		log_warn("Job %s/%s was not removed: %s", at->ns,
			 object_name(made), err.msg);
	if (interrupted)
		loop_interrupt(l);
}

/* One of this name, if a ktctl has made it */
static int hook_clear(const struct member_place *at, const char *name,
		      struct kt_error *err)
{
	auto_free char *path =
		kube_path("batch/v1", "jobs", at->ns, name, NULL);
	auto_json json_t *there = NULL;
	int rc = kube_get(at->kube, path, &there, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!str_eq(object_label(there, KT_LABEL_ROLE), KT_ROLE_ENV_HOOK))
		return kt_fail(err, EEXIST,
			       "Job %s/%s exists, and ktctl has not made it",
			       at->ns, name);
	return hook_remove(at, there, err);
}

/* Until one of its name is gone */
static int hook_make(const struct member_place *at, const json_t *job,
		     json_t **made, struct kt_error *err)
{
	auto_free char *all = hook_jobs_path(at);
	int64_t end = clock_ns() + HOOK_GONE;

	for (;;) {
		int rc = kube_create(at->kube, all, job, made, err);

		if (rc != -EEXIST || clock_ns() > end)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = hook_clear(at, object_name(job), err);
		if (rc == 0)
			rc = loop_sleep(kube_loop(at->kube), HOOK_POLL);
		if (rc < 0)
			return rc == -EINTR ? kt_fail(err, EINTR, "interrupted")
					    : rc;
	}
}

int hook_run(const struct member_place *at, const json_t *job, json_t **vars,
	     const struct hook_say *say, struct kt_error *err)
{
	auto_free char *selector = xasprintf("job-name=%s", object_name(job));
	auto_json json_t *made = NULL, *output = NULL;
	struct hook_wait w = {
		.at = at,
		.job = job,
		.say = say,
		.pods = kube_path("v1", "pods", at->ns, NULL, NULL),
		.events = kube_path("v1", "events", at->ns, NULL, NULL),
		.query = kube_query(NULL, "labelSelector", selector),
	};
	int rc = hook_make(at, job, &made, err);

	w.start = clock_ns();
	if (rc == 0)
		rc = hook_await(&w, &output, err);
	if (made)
		hook_remove_run(at, made);
	if (rc == 0 && vars)
		*vars = json_incref(output);
	free(w.pods);
	free(w.events);
	free(w.query);
	return rc;
}

int hook_try(const struct member_place *at, const json_t *job,
	     struct kt_error *err)
{
	auto_free char *all = hook_jobs_path(at);
	const struct kube_request req = { .method = "POST",
					  .path = all,
					  .query = "dryRun=All",
					  .body = (json_t *)(uintptr_t)job };
	int rc = kube_call(at->kube, &req, NULL, err);

	return rc < 0 ? kt_wrap(err, rc, "%s", hook_text(job)) : 0;
}

/* --- those that wait ------------------------------------------------------ */

int hook_keep(const struct member_place *at, const json_t *job,
	      struct kt_error *err)
{
	int rc = hook_make(at, job, NULL, err);

	return rc < 0 ? kt_wrap(err, rc, "%s", hook_text(job)) : 0;
}

static int hook_list(struct kube *k, const char *ns, const char *env,
		     json_t **items, struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", ns, NULL, NULL);
	auto_free char *labels =
		xasprintf(KT_LABEL_ROLE "=" KT_ROLE_ENV_HOOK "%s%s",
			  env ? "," KT_LABEL_ENV "=" : "", env ? env : "");
	auto_free char *query = kube_query(NULL, "labelSelector", labels);
	auto_json json_t *list = NULL;
	int rc = kube_list(k, path, query, &list, err);

	*items = json_incref(json_object_get(list, "items"));
	return rc;
}

/* It is no environment's own, and nobody has begun it */
static bool hook_waits(const json_t *job)
{
	json_int_t n =
		json_integer_value(json_at(job, "spec", "parallelism", NULL));

	return !n && !json_at(job, "metadata", "ownerReferences", NULL) &&
	       !object_is_ending(job) &&
	       str_eq(object_label(job, KT_LABEL_ROLE), KT_ROLE_ENV_HOOK);
}

int hook_waiting(const struct member_place *at, json_t **out,
		 struct kt_error *err)
{
	auto_json json_t *all = NULL;
	const json_t *job;
	size_t i;
	int rc = hook_list(at->kube, at->ns, at->env, &all, err);

	if (rc < 0)
		return rc;
	*out = json_array();
	json_array_foreach (all, i, job)
		if (hook_waits(job) &&
		    str_eq(object_label(job, KT_LABEL_ENV), at->env) &&
		    (!at->service ||
		     str_eq(object_label(job, KT_LABEL_ENV_OF), at->service)))
			json_array_append(*out, (json_t *)(uintptr_t)job);
	return 0;
}

/* A database is not dropped under a Pod that has it open */
static int hook_await_end(const struct member_place *at, const json_t *job,
			  struct kt_error *err)
{
	auto_free char *pods = kube_path("v1", "pods", at->ns, NULL, NULL);
	auto_free char *labels =
		xasprintf(KT_LABEL_TARGET "=%s," KT_LABEL_ENV_OF "=%s",
			  object_label(job, KT_LABEL_TARGET),
			  object_label(job, KT_LABEL_ENV_OF));
	auto_free char *query = kube_query(NULL, "labelSelector", labels);
	int64_t end = clock_ns() + HOOK_GONE;

	for (;;) {
		auto_json json_t *list = NULL;
		int rc = kube_list(at->kube, pods, query, &list, err);

		if (rc < 0 || !json_array_size(json_object_get(list, "items")))
			return rc;
		if (clock_ns() > end)
			return kt_fail(err, ETIMEDOUT,
				       "%s: the Pods of the member have not "
				       "ended",
				       hook_text(job));
		rc = loop_sleep(kube_loop(at->kube), HOOK_POLL);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

static int hook_end_one(const struct member_place *at, const json_t *job,
			enum hook_end how, const struct hook_say *say,
			struct kt_error *err)
{
	auto_json json_t *fresh = hook_fresh(job);
	int rc = 0;

	if (how == HOOK_RUN) {
		hook_tell(say, hook_text(job));
		rc = hook_await_end(at, job, err);
		if (rc == 0)
			rc = hook_run(at, fresh, NULL, say, err);
	}
	return rc == 0 ? hook_remove(at, job, err) : rc;
}

int hook_end(const struct member_place *at, const json_t *waiting,
	     const char *but, enum hook_end how, const struct hook_say *say,
	     struct kt_error *err)
{
	const json_t *job;
	size_t i;

	json_array_foreach (waiting, i, job) {
		int rc;

		if (but && str_eq(object_label(job, KT_LABEL_TARGET), but))
			continue;
		rc = hook_end_one(at, job, how, say, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- those whose environment is over -------------------------------------- */

static bool hook_is_orphan(const json_t *job, const json_t *envs, int64_t now)
{
	return str_eq(object_label(job, KT_LABEL_ROLE), KT_ROLE_ENV_HOOK) &&
	       !json_at(job, "metadata", "ownerReferences", NULL) &&
	       !object_is_ending(job) && !share_after_env_lives(job, envs, now);
}

static bool hook_has(const json_t *job, const char *type)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(job, "status", "conditions", NULL), i, c)
		if (str_eq(json_str(c, "type", NULL), type))
			return str_eq(json_str(c, "status", NULL), "True");
	return false;
}

enum hook_left hook_left(const json_t *job, const json_t *envs, int64_t now)
{
	if (!hook_is_orphan(job, envs, now))
		return HOOK_LEFT_NOT;
	if (hook_has(job, "Complete"))
		return HOOK_LEFT_DONE;
	if (hook_has(job, "Failed"))
		return HOOK_LEFT_FAILED;
	return hook_waits(job) ? HOOK_LEFT_WAITS : HOOK_LEFT_RUNS;
}

char *hook_left_text(const json_t *job)
{
	return xasprintf("%s of the member %s of environment %s, which is over",
			 hook_text(job), object_label(job, KT_LABEL_ENV_OF),
			 object_label(job, KT_LABEL_ENV));
}

static int hook_begin(const struct hook_sweep *s, const json_t *job,
		      struct kt_error *err)
{
	auto_free char *path =
		kube_path("batch/v1", "jobs", s->ns, object_name(job), NULL);
	auto_json json_t *patch = hook_run_patch(job, s->now);
	auto_free char *text = hook_left_text(job);
	auto_free char *said = xasprintf("runs %s", text);
	int rc = kube_patch(s->kube, path, patch, NULL, err);

	if (rc == -ENOENT) { /* another has run it */
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc == 0 && s->say)
		s->say(s->user, said);
	return rc;
}

static void hook_tell_failed(const struct hook_sweep *s, const json_t *job)
{
	auto_free char *text = hook_left_text(job);

	log_warn("%s, has failed: see 'kubectl -n %s logs job/%s', and delete "
		 "that Job when all is done",
		 text, s->ns, object_name(job));
}

/* 1: it runs */
static int hook_sweep_one(const struct hook_sweep *s, const json_t *job,
			  struct kt_error *err)
{
	const struct member_place at = { s->kube, s->ns, NULL, NULL };
	int rc;

	switch (hook_left(job, s->jobs, s->now)) {
	case HOOK_LEFT_NOT:
		break;
	case HOOK_LEFT_DONE:
		return hook_remove(&at, job, err);
	case HOOK_LEFT_FAILED:
		hook_tell_failed(s, job);
		break;
	case HOOK_LEFT_RUNS:
		return 1;
	case HOOK_LEFT_WAITS:
		rc = hook_begin(s, job, err);
		return rc < 0 ? rc : 1;
	}
	return 0;
}

int hook_sweep(const struct hook_sweep *s, struct kt_error *err)
{
	const json_t *job;
	int rc = 0, n = 0;
	size_t i;

	json_array_foreach (s->jobs, i, job) {
		rc = hook_sweep_one(s, job, err);
		if (rc < 0)
			return rc;
		n += rc;
	}
	return n;
}
