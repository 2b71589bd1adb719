/* SPDX-License-Identifier: Apache-2.0 */
/* exchange --mode scale: the Service's own Pods are scaled away meanwhile. */
#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/exchange.h"
#include "inbound/lease.h"
#include "inbound/lease_scale.h"
#include "inbound/probe.h"
#include "inbound/scale_back.h"
#include "inbound/scale_list.h"
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>

#define SCALE_POLL NS_SEC
#define SCALE_DEAD (60 * NS_SEC) /* for the Pods of a dead one's */

static int scale_first(struct exchange *x, const char *resource,
		       struct kt_error *err)
{
	struct job *job = &x->job;
	auto_free char *path =
		kube_path("apps/v1", resource, job->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	json_t *obj;
	size_t i;
	int rc = kube_list(job->kube, path, NULL, &list, err);

	if (rc < 0)
		return rc;
	json_array_foreach (json_object_get(list, "items"), i, obj)
		if (selector_matches(job->original, object_pod_labels(obj)) &&
		    !object_label(obj, KT_LABEL_CONTROL)) {
			x->workload = json_incref(obj);
			return 1;
		}
	return 0;
}

/* The Deployment or StatefulSet behind the Service, or the one that was named
 */
static int scale_find(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	enum subject_kind kind = job->subject.kind;
	int rc;

	if (kind == SUBJECT_DEPLOYMENT || kind == SUBJECT_STATEFULSET) {
		x->workload = json_incref(job->named);
		rc = 1;
	} else {
		kind = SUBJECT_DEPLOYMENT;
		rc = scale_first(x, "deployments", err);
		if (rc == 0) {
			kind = SUBJECT_STATEFULSET;
			rc = scale_first(x, "statefulsets", err);
		}
	}
	if (rc < 0)
		return rc;
	if (rc == 0)
		return kt_fail(err, ENOENT,
			       "Service %s/%s: no Deployment or StatefulSet "
			       "makes its Pods, so nothing can be scaled",
			       job->ns, job->name);
	x->kind = subject_kind_name(kind);
	x->resource =
		kind == SUBJECT_DEPLOYMENT ? "deployments" : "statefulsets";
	x->workload_name = xstrdup(object_name(x->workload));
	return 0;
}

static bool scale_any_alive(const struct job *job, const json_t *shadows)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (shadows, i, obj)
		if (object_annotation(obj, KT_ANNOTATION_HEARTBEAT) &&
		    !json_at(obj, "metadata", "deletionTimestamp", NULL) &&
		    lease_is_alive(job, obj))
			return true;
	return false;
}

static void scale_say(void *user, const char *text)
{
	(void)user;
	log_info("%s", text);
}

static int scale_read(struct exchange *x, struct kt_error *err)
{
	auto_free char *path = kube_path("apps/v1", x->resource, x->job.ns,
					 x->workload_name, NULL);
	json_t *now = NULL;
	int rc = kube_get(x->job.kube, path, &now, err);

	if (rc < 0)
		return kt_wrap(err, rc, "%s %s/%s", x->kind, x->job.ns,
			       x->workload_name);
	json_decref(x->workload);
	x->workload = now;
	return 0;
}

/* One that is gone has its number on the workload still, perhaps on its shadow
 * alone: what it had scaled down is what we are to give back */
static int scale_from_dead(struct exchange *x, const json_t *shadows,
			   struct kt_error *err)
{
	struct job *job = &x->job;
	const struct scale_back s = { .kube = job->kube,
				      .ns = job->ns,
				      .limit = SCALE_DEAD,
				      .say = scale_say,
				      .wait = scale_say };
	auto_json json_t *told = json_object(), *list = NULL;
	const json_t *obj;
	size_t i;
	int n, rc;

	json_array_foreach (shadows, i, obj)
		scale_list_tell(told, obj);
	n = scale_list_told(told, x->kind, x->workload_name);
	if (!object_annotation(x->workload, KT_ANNOTATION_REPLICAS) &&
	    !workload_wants(x->workload, n))
		return 0;
	log_info("%s %s/%s was left scaled down by a ktctl that is gone",
		 x->kind, job->ns, x->workload_name);
	list = json_pack("[{s:s, s:{s:s}, s:i}]", "kind", x->kind, "metadata",
			 "name", x->workload_name, "replicas", n);
	rc = scale_back(&s, list, err);
	return rc < 0 ? rc : scale_read(x, err);
}

/* Another's number would be lost: 0 would be recorded in its place */
static int scale_check(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	auto_json json_t *shadows = NULL;
	auto_free char *users = NULL;
	int rc = lease_find_scalers(job, x->kind, x->workload, &shadows, err);

	if (rc < 0)
		return rc;
	if (!scale_any_alive(job, shadows))
		return scale_from_dead(x, shadows, err);
	users = objects_users(shadows);
	kt_hint(err,
		"when their ktctl is gone, 'ktctl recover %s' gives it back",
		job->name);
	return kt_fail(err, EBUSY, "%s %s/%s is exchanged by %s", x->kind,
		       job->ns, x->workload_name, users);
}

static json_t *scale_zero(const json_t *obj, void *arg)
{
	(void)arg;
	return workload_down(obj);
}

int exchange_scale_switch(struct job *job, struct kt_error *err)
{
	int rc;

	progress_step(job->app->progress, "Switch Service %s", job->name);
	/* before, for NetworkPolicies go by labels, too */
	exchange_scale_label(exchange_of(job), true);
	rc = job_take(job, err);
	if (rc < 0)
		return rc;
	/* every node is to know that before the Pods go */
	rc = job_settle(job);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	probe_callers(job);
	probe_arrival(job);
	progress_done(job->app->progress, "Service %s/%s leads to the shadow",
		      job->ns, job->name);
	return 0;
}

int exchange_scale_down(struct job *job, struct kt_error *err)
{
	struct exchange *x = exchange_of(job);
	int rc;

	progress_step(job->app->progress, "Scale %s %s to 0", x->kind,
		      x->workload_name);
	rc = update_workload(job->kube, job->ns, x->resource, x->workload_name,
			     scale_zero, NULL, NULL, err);
	x->scaled = job->maybe_changed = rc < 0 && !err->http_status;
	if (rc < 0)
		return kt_wrap(err, rc, "scale %s %s/%s", x->kind, job->ns,
			       x->workload_name);
	if (rc == 0)
		return kt_fail(err, EBUSY,
			       "%s %s/%s was scaled down by somebody else in "
			       "this moment",
			       x->kind, job->ns, x->workload_name);
	x->scaled = true;
	exchange_scale_keep(x);
	progress_done(job->app->progress, "%s %s/%s is scaled to 0", x->kind,
		      job->ns, x->workload_name);
	job_unlock(job);
	return 0;
}

/* The Service has a selector of its own for the shadow, which gets the labels
 * of the Pods only when its tunnel is up: before it would refuse callers. KT
 * Connect's clean reads both parts of kt-config. */
static void scale_describe(struct exchange *x)
{
	struct job *job = &x->job;
	json_t *match =
		json_at(x->workload, "spec", "selector", "matchLabels", NULL);

	x->replicas = workload_replicas(x->workload);
	job->config_text = xasprintf(
		"%s=%s,replicas=%d,service=%s",
		strcmp(x->kind, "Deployment") == 0 ? "app" : "statefulset",
		x->workload_name, x->replicas, job->name);
	x->labels = json_copy(match);
	json_object_update(x->labels, job->original);
	target_make(job->target);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_EXCHANGE,
				  KT_LABEL_TARGET, job->target);
	job->face.target = job->target;
	job->labels_later = true;
	exchange_name(job, x->workload_name);
}

int exchange_find_workload(struct job *job, struct kt_error *err)
{
	struct exchange *x = exchange_of(job);
	int rc = exchange_look(job, err);

	if (rc == 0)
		rc = scale_find(x, err);
	if (rc == 0)
		rc = scale_check(x, err);
	if (rc == 0)
		rc = job_lock(job, err);
	if (rc == 0) /* now nobody comes between */
		rc = lease_check(job, LEASE_ALL, err);
	if (rc == 0)
		rc = scale_read(x, err);
	if (rc == 0)
		rc = scale_check(x, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s, %s %s", job->ns,
		      job->name, x->kind, x->workload_name);
	scale_describe(x);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

/* The shadow answers until the Pods do, but not for longer than was said. true:
 * they do */
static bool scale_wait(struct exchange *x)
{
	struct job *job = &x->job;
	int64_t end = clock_ns() + x->opt->recover_wait_time * NS_SEC;

	for (bool told = false;; told = true) {
		struct kt_error err = { 0 };
		int rc = scale_back_is_ready(job->kube, job->ns, x->resource,
					     x->workload_name, &err);

		if (rc > 0)
			return true;
		if (rc < 0)
			log_debug("%s", err.msg);
		if (!told)
			progress_note(job->app->progress,
				      "Waiting for the Pods of %s %s (Ctrl-C "
				      "skips it)",
				      x->kind, x->workload_name);
		if (clock_ns() >= end || kube_is_gone(job->kube) ||
		    signals_sleep(job->app->signals, SCALE_POLL) < 0)
			return false;
	}
}

/* true: its Pods answer, and every node knows them */
static bool scale_give_back(struct exchange *x)
{
	struct job *job = &x->job;
	struct kt_error err = { 0 };
	int n, rc;

	job_await_write(job);
	rc = update_scale_back(job->kube, job->ns, x->resource,
			       x->workload_name, x->replicas, shadow_user(), &n,
			       &err);
	if (rc < 0) {
		job_unfinished(job,
			       "%s %s/%s was not scaled back: %s; 'ktctl "
			       "recover %s' does it",
			       x->kind, job->ns, x->workload_name, err.msg,
			       job->name);
		return false;
	}
	if (!scale_wait(x)) {
		job_unfinished(
			job,
			"%s %s/%s is scaled back, but not all its Pods "
			"are ready: its annotation " KT_ANNOTATION_REPLICAS
			" stays until 'ktctl recover %s'",
			x->kind, job->ns, x->workload_name, job->name);
		return false;
	}
	if (update_scale_done(job->kube, job->ns, x->resource, x->workload_name,
			      &err) < 0)
		job_unfinished(job, "%s %s/%s: %s", x->kind, job->ns,
			       x->workload_name, err.msg);
	return true;
}

void exchange_scale_undo(struct job *job)
{
	struct exchange *x = exchange_of(job);
	bool known = job->taken || x->labelled; /* to callers */

	exchange_scale_let(x);
	if (x->scaled && scale_give_back(x))
		(void)!job_settle(job);
	if (x->labelled)
		exchange_scale_label(x, false);
	if (job_give_back(job)) {
		if (known && !job->ready) /* then it does not drain */
			(void)!job_settle(job);
		job_drain(job);
		job_disconnect(job);
		job_remove_shadow(job);
	}
	job_unlock(job);
}
