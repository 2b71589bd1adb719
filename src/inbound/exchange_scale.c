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
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>

#define SCALE_POLL NS_SEC

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

/* Another's number would be lost: 0 would be recorded in its place */
static int scale_check(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_json json_t *list = NULL, *by = json_array();
	auto_free char *users = NULL;
	json_t *pod;
	size_t i;
	int rc, n;

	if (!object_annotation(x->workload, KT_ANNOTATION_REPLICAS))
		return 0;
	rc = kube_list(
		job->kube, path,
		"labelSelector=control-by%3Dkt%2Ckt-role%3D" KT_ROLE_EXCHANGE,
		&list, err);
	if (rc < 0)
		return rc;
	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (selector_matches(json_at(x->workload, "spec", "selector",
					     "matchLabels", NULL),
				     object_pod_labels(pod)) &&
		    lease_is_alive(job, pod))
			json_array_append(by, pod);
	if (!json_array_size(by)) {
		log_info("%s %s/%s was left scaled down by a ktctl that is "
			 "gone",
			 x->kind, job->ns, x->workload_name);
		return update_scale_back(job->kube, job->ns, x->resource,
					 x->workload_name, 0, &n, err);
	}
	users = lease_users(by);
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

int exchange_scale_down(struct job *job, struct kt_error *err)
{
	struct exchange *x = exchange_of(job);
	int rc;

	progress_step(job->app->progress, "Scale %s %s to 0", x->kind,
		      x->workload_name);
	/* the shadow is one of the Service's Pods now, and no node may learn
	 * that later than that the others are gone */
	rc = job_settle(job);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
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
	progress_done(job->app->progress, "%s %s/%s is scaled to 0", x->kind,
		      job->ns, x->workload_name);
	return 0;
}

static void scale_describe(struct exchange *x)
{
	struct job *job = &x->job;
	const json_t *n = json_at(x->workload, "spec", "replicas", NULL);
	int replicas = json_is_integer(n) ? (int)json_integer_value(n) : 1;
	json_t *match =
		json_at(x->workload, "spec", "selector", "matchLabels", NULL);

	/* as KT Connect writes it, which knows Deployments only */
	job->config_text = xasprintf(
		"%s=%s,replicas=%d",
		strcmp(x->kind, "Deployment") == 0 ? "app" : "statefulset",
		x->workload_name, replicas);
	x->labels = json_copy(match);
	json_object_update(x->labels, job->original);
	job->face.labels = x->labels;
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
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s, %s %s", job->ns,
		      job->name, x->kind, x->workload_name);
	scale_describe(x);
	return 0;
}

static bool scale_is_back(struct exchange *x, int replicas)
{
	auto_free char *path = kube_path("apps/v1", x->resource, x->job.ns,
					 x->workload_name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error err = { 0 };

	return kube_get(x->job.kube, path, &now, &err) < 0 ||
	       json_integer_value(json_at(now, "status", "readyReplicas",
					  NULL)) >= replicas;
}

/* The shadow answers until the Pods do, but not for longer than was said. true:
 * they do */
static bool scale_wait(struct exchange *x, int replicas)
{
	int64_t end = clock_ns() + x->opt->recover_wait_time * NS_SEC;

	if (!scale_is_back(x, replicas))
		progress_note(x->job.app->progress,
			      "Waiting for %d Pods of %s %s (Ctrl-C skips it)",
			      replicas, x->kind, x->workload_name);
	while (!scale_is_back(x, replicas)) {
		if (clock_ns() >= end) {
			log_warn("%s %s/%s is not complete after %d s", x->kind,
				 x->job.ns, x->workload_name,
				 x->opt->recover_wait_time);
			return false;
		}
		if (signals_sleep(x->job.app->signals, SCALE_POLL) < 0)
			return false;
	}
	return true;
}

void exchange_scale_undo(struct job *job)
{
	struct exchange *x = exchange_of(job);
	struct kt_error err = { 0 };
	int replicas = 0;

	if (x->scaled) {
		job_await_write(job);
		if (update_scale_back(job->kube, job->ns, x->resource,
				      x->workload_name, 0, &replicas, &err) < 0)
			job_unfinished(
				job,
				"%s %s/%s was not scaled back: %s; 'ktctl "
				"recover %s' does it",
				x->kind, job->ns, x->workload_name, err.msg,
				job->name);
		else if (replicas && scale_wait(x, replicas))
			(void)!job_settle(job); /* nodes know them */
		job_step_aside(job, x->labels);
		job_drain(job);
	}
	job_disconnect(job);
	job_remove_shadow(job);
}
