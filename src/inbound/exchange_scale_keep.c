/* SPDX-License-Identifier: Apache-2.0 */
/**
 * DOC: Mode scale: what others do to it
 *
 * The Service is kept as in mode selector (job_take()). The workload is watched
 * as well. That it stands at more than 0 has two meanings:
 *
 *   it was recovered  its record is gone or somebody has signed for scaling it
 *                     back (takeover.h), or the shadow is gone or goes within
 *                     seconds: the job ends, and gives back what is left
 *   it was reverted   as often as reverts.h has it: the job ends
 *   it was changed    all the rest, as "kubectl scale": it makes room again,
 *                     and what it stood at is what it shall be later
 */
#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cluster/managers.h"
#include "cluster/object_watch.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/exchange.h"
#include "kube/rest.h"

#include <errno.h>

#define SCALE_PAUSE (3 * NS_SEC)  /* who recovers removes the Pod next */
#define SCALE_AFTER (15 * NS_SEC) /* or has removed it before */

void exchange_scale_label(struct exchange *x, bool on)
{
	struct job *job = &x->job;
	const char *pod = job->shadow ? shadow_pod_name(job->shadow) : "";
	auto_free char *path = kube_path("v1", "pods", job->ns, pod, NULL);
	auto_json json_t *labels = json_object();
	auto_json json_t *patch = NULL;
	struct kt_error err = { 0 };
	json_t *value;
	const char *key;

	if (!*pod)
		return;
	x->labelled = on;
	json_object_foreach (x->labels, key, value)
		json_object_set_new(labels, key,
				    on ? json_incref(value) : json_null());
	patch = json_pack("{s:{s:O}}", "metadata", "labels", labels);
	if (kube_patch(job->kube, path, patch, NULL, &err) < 0)
		log_debug("labels of Pod %s: %s", pod, err.msg);
}

static int scale_keep_ended(const struct exchange *x, const json_t *now,
			    struct kt_error *err)
{
	const char *by = object_annotation(now, KT_ANNOTATION_SCALED_BACK);

	return kt_fail(err, ECANCELED, "%s %s/%s was recovered by %s", x->kind,
		       x->job.ns, x->workload_name, by ? by : "somebody else");
}

/* 1: the shadow is gone, or was a moment ago */
static int scale_keep_lost(struct exchange *x, struct kt_error *err)
{
	int rc;

	if (x->lost_at && clock_ns() - x->lost_at < SCALE_AFTER)
		return 1;
	rc = shadow_check(x->job.shadow, err);
	if (rc == 1)
		return 0;
	return rc < 0 ? rc : 1;
}

static int scale_keep_recovered(struct exchange *x, const json_t *now,
				struct kt_error *err)
{
	int rc;

	if (!object_annotation(now, KT_ANNOTATION_REPLICAS) ||
	    object_annotation(now, KT_ANNOTATION_SCALED_BACK))
		return 1;
	rc = scale_keep_lost(x, err);
	if (rc != 0)
		return rc;
	rc = loop_sleep(x->job.app->loop, SCALE_PAUSE);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	return scale_keep_lost(x, err);
}

static json_t *scale_keep_down(const json_t *obj, void *arg)
{
	struct exchange *x = arg;

	if (workload_replicas(obj) > 0)
		x->replicas = workload_replicas(obj);
	return workload_kept_down(obj, x->replicas);
}

static int scale_keep_again(struct exchange *x, struct kt_error *err)
{
	int was = x->replicas;
	int rc = update_workload(x->job.kube, x->job.ns, x->resource,
				 x->workload_name, scale_keep_down, x, NULL,
				 err);

	if (rc > 0)
		repeat_warn(&x->told,
			    "%s %s/%s was changed by somebody: it stays at 0, "
			    "and that it shall have %d Pods%s is remembered",
			    x->kind, x->job.ns, x->workload_name, x->replicas,
			    was == x->replicas ? "" : " later");
	return rc < 0 ? rc : 0;
}

/* Who scales it to what it was, once too often? */
static int scale_keep_revert(struct exchange *x, const json_t *now,
			     struct kt_error *err)
{
	struct job *job = &x->job;
	const char *by = managers_last(now, "replicas", job->keep.since);

	if (workload_replicas(now) != x->replicas)
		return 0;
	if (reverts_is_last(&job->reverts, by, clock_ns()))
		return reverts_fail(err, x->kind, job->ns, now,
				    "/spec/replicas", by);
	return 0;
}

static int scale_keep_workload(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	auto_free char *path = kube_path("apps/v1", x->resource, job->ns,
					 x->workload_name, NULL);
	auto_json json_t *now = NULL;
	bool back;
	int rc = kube_get(job->kube, path, &now, err);

	if (rc == 0 && workload_replicas(now) > 0) {
		rc = scale_keep_recovered(x, now, err);
		if (rc > 0)
			return scale_keep_ended(x, now, err);
		if (rc == 0)
			rc = scale_keep_revert(x, now, err);
		back = workload_replicas(now) == x->replicas;
		if (rc == 0)
			rc = scale_keep_again(x, err);
		if (rc == 0 && back) /* once for each time, not for each look */
			reverts_note(
				&job->reverts,
				managers_last(now, "replicas", job->keep.since),
				clock_ns());
	} else if (rc == 0 && workload_record(now) < x->replicas) {
		rc = scale_keep_again(x, err);
	}
	if (rc == -EINTR || rc == -ECANCELED)
		return rc;
	if (rc < 0)
		repeat_warn(&x->told, "%s %s/%s: %s", x->kind, job->ns,
			    x->workload_name, err->msg);
	*err = (struct kt_error){ 0 };
	return 0;
}

static int scale_keep_change(void *user, struct kt_error *err)
{
	struct exchange *x = exchange_of(user);
	int rc = x->service_change(user, err);

	if (rc < 0)
		return rc;
	exchange_scale_label(x, true); /* of another Pod, perhaps */
	return scale_keep_workload(x, err);
}

/* The shadow's Pod is gone: by somebody who recovers, or only the Pod? */
static int scale_keep_renew(void *user, struct kt_error *err)
{
	struct exchange *x = exchange_of(user);
	auto_free char *path = kube_path("apps/v1", x->resource, x->job.ns,
					 x->workload_name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error why = { 0 };
	int rc = x->service_renew(user, err);

	x->lost_at = clock_ns();
	if (rc < 0)
		return rc;
	if (kube_get(x->job.kube, path, &now, &why) == 0 &&
	    workload_replicas(now) > 0)
		return scale_keep_ended(x, now, err);
	return 0;
}

void exchange_scale_keep(struct exchange *x)
{
	struct job *job = &x->job;
	auto_free char *path =
		kube_path("apps/v1", x->resource, job->ns, NULL, NULL);
	auto_free char *field = xasprintf("metadata.name=%s", x->workload_name);
	auto_free char *query = kube_query(NULL, "fieldSelector", field);

	x->service_change = job->on_change;
	x->service_renew = job->renew;
	job->on_change = scale_keep_change;
	job->renew = scale_keep_renew;
	x->watch =
		object_watch_start(job->kube, path, query, job_on_object, job);
}

void exchange_scale_let(struct exchange *x)
{
	object_watch_stop(x->watch);
	x->watch = NULL;
}
