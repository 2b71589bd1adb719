/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/keep.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/managers.h"
#include "cluster/object_watch.h"
#include "cluster/takeover.h"
#include "inbound/job.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PATIENCE (3 * NS_SEC) /* with what cannot be made again */
#define AGAIN (300 * NS_MS)
#define UNREACHED (2 * NS_SEC) /* until the server is asked again */

void absence_note(struct absence *a, bool away, int64_t now)
{
	if (away && !a->now)
		a->since = now;
	a->now = away;
}

static bool keep_together(const struct absence *a, const struct absence *b)
{
	return a->since && b->since && a->since - b->since <= KEEP_TOGETHER &&
	       b->since - a->since <= KEEP_TOGETHER;
}

bool keep_recovered(const struct keep *k)
{
	if (keep_together(&k->claim, &k->pod))
		return true;
	for (size_t i = 0; i < k->n; i++)
		if (!k->service[i].claim &&
		    keep_together(&k->claim, &k->service[i].away))
			return true;
	return false;
}

static struct absence *keep_absence(struct keep *k, struct kept *s)
{
	return s->claim ? &k->claim : &s->away;
}

const char *keep_by(const struct job *job, const json_t *obj, const char *field,
		    char dst[96])
{
	const char *who = managers_last(obj, field, job->keep.since);

	dst[0] = '\0';
	if (who)
		snprintf(dst, 96, " ('%s')", who);
	return dst;
}

bool keep_is_foreign(const struct job *job, const char *name)
{
	for (size_t i = 0; i < job->keep.n; i++)
		if (strcmp(job->keep.service[i].name, name) == 0)
			return job->keep.service[i].foreign;
	return false;
}

/* --- watching ------------------------------------------------------------- */

static void keep_on_again(struct timer *t)
{
	struct keep *k = container_of(t, struct keep, again);

	job_changed(container_of(k, struct job, keep));
}

static void keep_again(struct job *job, int64_t ns)
{
	loop_timer_start(job->app->loop, &job->keep.again, ns, keep_on_again);
}

static bool keep_is_ending(const json_t *obj)
{
	return json_at(obj, "metadata", "deletionTimestamp", NULL);
}

static bool keep_has_uid(const json_t *obj, const char *uid)
{
	return str_eq(json_str(obj, "metadata", "uid", NULL), uid);
}

/* The moment counts: what is done about one object takes time, and the next one
 * may be gone meanwhile */
static void keep_on_user_service(void *user, const json_t *obj, bool gone)
{
	struct job *job = user;

	if (obj && strcmp(object_name(obj), job->name) != 0)
		return;
	if (obj && job->keep.holds &&
	    (gone || (!object_annotation(obj, KT_ANNOTATION_SELECTOR) &&
		      !json_equal(json_at(obj, "spec", "selector", NULL),
				  job->selector))))
		absence_note(&job->keep.claim, true, clock_ns());
	job_changed(job);
}

static void keep_on_service(void *user, const json_t *obj, bool gone)
{
	struct job *job = user;
	struct keep *k = &job->keep;

	for (size_t i = 0; i < k->n; i++) {
		struct kept *s = &k->service[i];

		if (obj && strcmp(object_name(obj), s->name) != 0)
			continue;
		if (gone && keep_has_uid(obj, s->uid))
			absence_note(keep_absence(k, s), true, clock_ns());
		job_changed(job);
	}
}

/* One that has ended by itself was not taken away */
static bool keep_pod_has_ended(const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);

	return str_eq(phase, "Failed") || str_eq(phase, "Succeeded");
}

static void keep_on_pod(void *user, const json_t *obj, bool gone)
{
	struct job *job = user;
	struct keep *k = &job->keep;

	if (!job->shadow ||
	    (obj && strcmp(object_name(obj), shadow_pod_name(job->shadow))))
		return;
	if (obj && (gone || keep_is_ending(obj)) &&
	    keep_has_uid(obj, k->pod_uid) && !keep_pod_has_ended(obj))
		absence_note(&k->pod, true, clock_ns());
	job_changed(job);
}

static struct object_watch *keep_watch(struct job *job, const char *resource,
				       const char *key, const char *value,
				       object_changed_fn changed)
{
	auto_free char *path = kube_path("v1", resource, job->ns, NULL, NULL);
	auto_free char *query = kube_query(NULL, key, value);

	return object_watch_start(job->kube, path, query, changed, job);
}

void keep_add(struct job *job, const char *name, json_t *(*make)(void *user),
	      void *user, bool claim)
{
	struct keep *k = &job->keep;

	if (k->n == ARRAY_SIZE(k->service))
		abort();
	k->service[k->n++] = (struct kept){ .name = xstrdup(name),
					    .make = make,
					    .user = user,
					    .claim = claim };
}

/* By name: others of ours in the namespace may be thousands, each of which
 * changes all the time */
static void keep_watch_own(struct job *job)
{
	struct keep *k = &job->keep;

	for (size_t i = 0; i < k->n; i++) {
		auto_free char *name =
			xasprintf("metadata.name=%s", k->service[i].name);

		if (!str_eq(k->service[i].name, job->name))
			k->watch[1 + i] =
				keep_watch(job, "services", "fieldSelector",
					   name, keep_on_service);
	}
}

void keep_start(struct job *job)
{
	struct keep *k = &job->keep;
	time_t now = (time_t)kube_cluster_time(job->kube);
	struct tm tm;

	strftime(k->since, sizeof(k->since), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&now, &tm));
	if (job->name[0]) {
		auto_free char *name = xasprintf("metadata.name=%s", job->name);

		k->watch[0] = keep_watch(job, "services", "fieldSelector", name,
					 k->n && k->service[0].claim
						 ? keep_on_service
						 : keep_on_user_service);
	}
	keep_watch_own(job);
	if (job->face.role) {
		auto_free char *role =
			xasprintf(KT_LABEL_ROLE "=%s", job->face.role);

		k->watch_pods = keep_watch(job, "pods", "labelSelector", role,
					   keep_on_pod);
	}
	keep_again(job, 0); /* what they are now, before anybody comes */
}

void keep_stop(struct job *job)
{
	struct keep *k = &job->keep;

	for (size_t i = 0; i < ARRAY_SIZE(k->watch); i++) {
		object_watch_stop(k->watch[i]);
		k->watch[i] = NULL;
	}
	object_watch_stop(k->watch_pods);
	k->watch_pods = NULL;
	loop_timer_stop(&k->again);
}

void keep_fini(struct job *job)
{
	struct keep *k = &job->keep;

	keep_stop(job);
	for (size_t i = 0; i < k->n; i++)
		free(k->service[i].name);
	k->n = 0;
	json_decref(k->former);
	k->former = NULL;
}

/* --- Services of ours ----------------------------------------------------- */

static int keep_lost(const struct job *job, struct kt_error *err)
{
	const struct kept *first = &job->keep.service[0];

	if (job->keep.n && first->claim && first->make)
		return kt_fail(err, ECANCELED,
			       "Service %s/%s and its shadow were removed by "
			       "somebody else",
			       job->ns, job->name);
	return kt_fail(err, ECANCELED,
		       "Service %s/%s was recovered by somebody else", job->ns,
		       job->name);
}

/* Not now. Without the server nothing can be said of it; else there is an end
 * to it, so that nothing stays half. */
static int keep_failed(struct job *job, const struct kept *s, int rc,
		       const struct kt_error *why, struct kt_error *err)
{
	struct keep *k = &job->keep;

	if (rc == -EINTR || loop_interrupted(job->app->loop))
		return kt_fail(err, EINTR, "interrupted");
	if (!why->http_status && rc != -EEXIST) {
		log_debug("%s", why->msg);
		keep_again(job, UNREACHED);
		return 0;
	}
	if (!k->failing)
		k->failing = clock_ns();
	if (clock_ns() - k->failing < PATIENCE) {
		keep_again(job, AGAIN);
		return 0;
	}
	return kt_fail(err, ECANCELED,
		       "Service %s/%s was deleted by somebody, and cannot be "
		       "made again: %s",
		       job->ns, s->name, why->msg);
}

static void keep_remember(struct kept *s, const json_t *now)
{
	const char *uid = json_str(now, "metadata", "uid", NULL);
	const char *ip = json_str(now, "spec", "clusterIP", NULL);

	snprintf(s->uid, sizeof(s->uid), "%s", uid ? uid : "");
	snprintf(s->ip, sizeof(s->ip), "%s",
		 ip && strcmp(ip, "None") != 0 ? ip : "");
}

/* With its address: callers, and a shadow, know it */
static int keep_make(struct job *job, struct kept *s, struct kt_error *err)
{
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_json json_t *want = s->make(s->user), *got = NULL;
	struct kt_error why = { 0 };
	int rc;

	if (s->ip[0])
		json_object_set_new(json_object_get(want, "spec"), "clusterIP",
				    json_string(s->ip));
	rc = kube_create(job->kube, all, want, &got, &why);
	if (rc < 0) /* EEXIST: another user of the router was quicker */
		return keep_failed(job, s, rc, &why, err);
	keep_remember(s, got);
	absence_note(keep_absence(&job->keep, s), false, clock_ns());
	repeat_warn(&job->told,
		    "Service %s/%s was deleted by somebody: it is made again",
		    job->ns, s->name);
	return 0;
}

static int keep_missing(struct job *job, struct kept *s, struct kt_error *err)
{
	struct absence *away = keep_absence(&job->keep, s);

	absence_note(away, true, clock_ns());
	if (!s->make || keep_recovered(&job->keep))
		return keep_lost(job, err);
	return keep_make(job, s, err);
}

/* Is it another's that has the name by now? */
static bool keep_is_others(const struct kept *s, const json_t *now,
			   const json_t *want)
{
	if (!s->uid[0] || keep_has_uid(now, s->uid))
		return false;
	if (!str_eq(object_label(now, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE))
		return true;
	return (s->claim || service_target(want)) &&
	       !str_eq(service_target(now), service_target(want));
}

static int keep_put_right(struct job *job, struct kept *s, const json_t *now,
			  struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", job->ns, s->name, NULL);
	auto_json json_t *want = s->make ? s->make(s->user) : NULL;
	auto_json json_t *patch = NULL;
	struct kt_error why = { 0 };
	char by[96];
	int rc;

	if (want && keep_is_others(s, now, want)) {
		s->foreign = true;
		return kt_fail(err, ECANCELED,
			       "Service %s/%s was deleted, and somebody else "
			       "has made another%s",
			       job->ns, s->name, keep_by(job, now, NULL, by));
	}
	keep_remember(s, now);
	patch = want ? service_drift(now, want) : NULL;
	if (!patch)
		return 0;
	rc = kube_patch(job->kube, path, patch, NULL, &why);
	if (rc < 0 && rc != -ENOENT)
		return keep_failed(job, s, rc, &why, err);
	repeat_warn(&job->told,
		    "Service %s/%s was changed by somebody%s: it is put right",
		    job->ns, s->name, keep_by(job, now, NULL, by));
	return 0;
}

static int keep_service(struct job *job, struct kept *s, struct kt_error *err)
{
	struct absence *away = keep_absence(&job->keep, s);
	auto_free char *path =
		kube_path("v1", "services", job->ns, s->name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error why = { 0 };
	int rc = kube_get(job->kube, path, &now, &why);

	if (rc == -ENOENT)
		return keep_missing(job, s, err);
	if (rc < 0)
		return keep_failed(job, s, rc, &why, err);
	if (keep_is_ending(now)) { /* something holds it still */
		absence_note(away, true, clock_ns());
		kt_fail(&why, EEXIST, "it is being deleted");
		return keep_recovered(&job->keep)
			       ? keep_lost(job, err)
			       : keep_failed(job, s, -EEXIST, &why, err);
	}
	if (away->now && keep_has_uid(now, s->uid))
		away->since = 0; /* it was never gone: it had no label */
	absence_note(away, false, clock_ns());
	return keep_put_right(job, s, now, err);
}

/* --- the Pod -------------------------------------------------------------- */

static json_t *keep_pod_labels(const struct job *job)
{
	json_t *want = json_object();

	if (job->face.labels)
		json_object_update(want, (json_t *)(uintptr_t)job->face.labels);
	json_object_set_new(want, KT_LABEL_ROLE, json_string(job->face.role));
	if (job->face.target)
		json_object_set_new(want, KT_LABEL_TARGET,
				    json_string(job->face.target));
	if (job->face.standing)
		return want; /* as its Deployment makes it */
	if (!job->global || !job->global->pod.deployment)
		json_object_set_new(want, KT_LABEL_CONTROL,
				    json_string(KT_LABEL_CONTROL_VALUE));
	else /* its Deployment chose one */
		json_object_del(want, KT_LABEL_TARGET);
	return want;
}

static void keep_pod_right(struct job *job, const char *path, const json_t *pod)
{
	auto_json json_t *want = keep_pod_labels(job);
	auto_json json_t *patch = labels_drift(pod, want, job->keep.former);
	struct kt_error err = { 0 };
	char by[96];

	if (!patch)
		return;
	if (kube_patch(job->kube, path, patch, NULL, &err) < 0) {
		log_debug("%s", err.msg);
		keep_again(job, AGAIN);
		return;
	}
	repeat_warn(&job->told,
		    "Pod %s/%s was changed by somebody%s: it is put right",
		    job->ns, object_name(pod), keep_by(job, pod, NULL, by));
}

/* Only whether it is there; a new one is the uplink's work */
static int keep_pod_look(struct job *job, const char *path, json_t **out)
{
	struct keep *k = &job->keep;
	struct kt_error err = { 0 };
	const char *uid;
	int rc = kube_get(job->kube, path, out, &err);

	if (rc == -ENOENT || (rc == 0 && keep_is_ending(*out))) {
		if (rc == 0 && keep_pod_has_ended(*out))
			return 0;
		absence_note(&k->pod, true, clock_ns());
		return 0;
	}
	if (rc < 0) {
		log_debug("%s", err.msg);
		return rc;
	}
	if (k->pod.now && keep_has_uid(*out, k->pod_uid))
		k->pod.since = 0; /* it had no label */
	absence_note(&k->pod, false, clock_ns());
	uid = json_str(*out, "metadata", "uid", NULL);
	snprintf(k->pod_uid, sizeof(k->pod_uid), "%s", uid ? uid : "");
	return 1;
}

static int keep_pod(struct job *job, struct kt_error *err)
{
	const char *name = job->shadow ? shadow_pod_name(job->shadow) : "";
	auto_free char *path = kube_path("v1", "pods", job->ns, name, NULL);
	auto_json json_t *pod = NULL;

	if (!*name || job->given) /* somebody else's */
		return 0;
	if (keep_pod_look(job, path, &pod) > 0)
		keep_pod_right(job, path, pod);
	return keep_recovered(&job->keep) ? keep_lost(job, err) : 0;
}

/* Is one gone that is known, or only without the label that it is watched by?
 */
static void keep_look_service(struct job *job, struct kept *s)
{
	struct absence *away = keep_absence(&job->keep, s);
	auto_free char *path =
		kube_path("v1", "services", job->ns, s->name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error err = { 0 };
	int rc = kube_get(job->kube, path, &now, &err);

	if (rc == -ENOENT) {
		absence_note(away, true, clock_ns());
	} else if (rc == 0 && away->now && keep_has_uid(now, s->uid) &&
		   !keep_is_ending(now)) {
		*away = (struct absence){ 0 };
	}
}

/* What is gone, without doing anything about it */
static void keep_look(struct job *job)
{
	const char *name = job->shadow ? shadow_pod_name(job->shadow) : "";
	auto_free char *path = kube_path("v1", "pods", job->ns, name, NULL);
	auto_json json_t *pod = NULL;

	if (*name)
		(void)!keep_pod_look(job, path, &pod);
	for (size_t i = 0; i < job->keep.n; i++)
		keep_look_service(job, &job->keep.service[i]);
}

/* An event has said so of something: it is made sure of before it counts */
static bool keep_is_suspected(struct keep *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (keep_absence(k, &k->service[i])->now)
			return true;
	return false;
}

int keep_objects(struct job *job, struct kt_error *err)
{
	int rc;

	if (keep_is_suspected(&job->keep))
		keep_look(job);
	rc = keep_pod(job, err);

	for (size_t i = 0; rc == 0 && i < job->keep.n; i++)
		rc = keep_service(job, &job->keep.service[i], err);
	for (size_t i = 0; rc == 0 && i < job->keep.n; i++)
		if (keep_absence(&job->keep, &job->keep.service[i])->now)
			return 0;
	job->keep.failing = 0;
	return rc;
}

/* --- the claim ------------------------------------------------------------ */

int keep_await(struct job *job, struct kt_error *err)
{
	int64_t end;

	absence_note(&job->keep.claim, true, clock_ns());
	end = job->keep.claim.since + KEEP_PAUSE;
	for (;;) {
		int64_t left;
		int rc;

		keep_look(job);
		if (keep_recovered(&job->keep))
			return -ECANCELED;
		left = end - clock_ns();
		if (left <= 0)
			return 0;
		job->changed = false;
		rc = loop_run_until(job->app->loop, &job->changed, left);
		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
	}
}

int keep_await_service(struct job *job, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	int64_t end = clock_ns() + PATIENCE;

	for (;;) {
		auto_json json_t *now = NULL;
		struct kt_error why = { 0 };
		int rc = kube_get(job->kube, path, &now, &why);

		if (rc == 0 || rc == -EINTR)
			return rc < 0 ? kt_fail(err, EINTR, "interrupted") : 0;
		if (rc == -ENOENT && clock_ns() >= end)
			return kt_fail(err, ECANCELED,
				       "Service %s/%s was deleted by somebody",
				       job->ns, job->name);
		if (loop_sleep(job->app->loop, AGAIN) < 0)
			return kt_fail(err, EINTR, "interrupted");
	}
}

int keep_user_service(struct job *job, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error why = { 0 };
	json_t *original;
	char by[96];
	int rc = kube_get(job->kube, path, &now, &why);

	if (rc == -ENOENT) {
		job_changed(job); /* look again when it is there */
		return keep_await_service(job, err);
	}
	if (rc < 0) {
		log_debug("%s", why.msg);
		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
		keep_again(job, UNREACHED);
		return 0;
	}
	original = service_original(now);
	if (!original || json_equal(original, job->original)) {
		json_decref(original);
		return 0;
	}
	log_warn("Service %s/%s was changed by somebody%s: it has other Pods "
		 "now",
		 job->ns, job->name, keep_by(job, now, "selector", by));
	json_decref(job->original);
	job->original = original;
	return 1;
}
