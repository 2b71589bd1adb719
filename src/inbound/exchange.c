/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl exchange: everybody's requests to a Service come to this machine. The
 * shadow stands in front (mode selector), or the Service's own Pods are scaled
 * away and the shadow has their labels (mode scale), or each Pod has a shadow
 * inside (mode ephemeral).
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/ephemeral.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/inject.h"
#include "inbound/job.h"
#include "inbound/lease.h"
#include "kube/rest.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>

#define STEPS_SELECTOR 5
#define STEPS_SCALE 5
#define STEPS_EPHEMERAL 3
#define SCALE_POLL NS_SEC

struct exchange {
	struct job job;
	const struct exchange_options *opt;

	/* mode scale */
	json_t *workload; /* as it was read */
	const char *resource, *kind;
	char *workload_name;
	json_t *labels; /* of the shadow */
	bool scaled;

	struct injector *injector; /* mode ephemeral */
};

static int exchange_step_service(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc = job_inspect(job, err);

	if (rc == 0)
		rc = job_rules(job, NULL, err);
	if (rc == 0)
		rc = lease_check(job, false, err);
	return rc;
}

static void name_shadow(struct job *job, const char *what)
{
	job->prefix = xasprintf("%s-kt-exchange-", what);
	job->face.prefix = job->prefix;
	job->face.role = KT_ROLE_EXCHANGE;
	job->face.config = job->config_text;
}

static void exchange_say_ready(const struct exchange *x, const char *kind,
			       const char *name)
{
	auto_free char *ports = job_text(&x->job);

	progress_note(x->job.app->progress,
		      "All looks good: %s %s/%s is redirected to local, %s. "
		      "Ctrl-C to leave.",
		      kind, x->job.ns, name, ports);
}

/* --- selector ------------------------------------------------------------- */

static int step_switch(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc;

	progress_step(job->app->progress, "Switch Service %s", job->name);
	rc = job_take(job, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s leads to the shadow",
		      job->ns, job->name);
	job_unlock(job);
	return 0;
}

static int run_selector(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc = exchange_step_service(x, err);

	if (rc == 0)
		rc = job_check_callers(job, false, err);
	if (rc == 0)
		rc = job_lock(job, err);
	if (rc == 0)
		rc = lease_check(job, false,
				 err); /* now nobody comes between */
	if (rc == 0)
		rc = job_stuntman(job, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	target_make(job->target);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_EXCHANGE,
				  KT_LABEL_TARGET, job->target);
	job->face.target = job->target;
	job->config_text = xasprintf("service=%s", job->name);
	name_shadow(job, job->name);
	rc = job_shadow(job, false, err);
	if (rc == 0)
		rc = job_tunnel(job, err);
	if (rc == 0)
		rc = step_switch(x, err);
	if (rc < 0)
		return rc;
	exchange_say_ready(x, "Service", job->name);
	return job_serve(job, err);
}

static void undo_selector(struct exchange *x)
{
	struct job *job = &x->job;

	if (job_give_back(job)) {
		job_drain(job);
		job_disconnect(job);
		job_remove_shadow(job);
		job_stuntman_remove(job);
	}
	job_unlock(job);
}

/* --- scale ---------------------------------------------------------------- */

static int first_matching(struct exchange *x, const char *resource,
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
static int find_workload(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	enum subject_kind kind = job->subject.kind;
	int rc;

	if (kind == SUBJECT_DEPLOYMENT || kind == SUBJECT_STATEFULSET) {
		x->workload = json_incref(job->named);
		rc = 1;
	} else {
		kind = SUBJECT_DEPLOYMENT;
		rc = first_matching(x, "deployments", err);
		if (rc == 0) {
			kind = SUBJECT_STATEFULSET;
			rc = first_matching(x, "statefulsets", err);
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
static int check_scaled(struct exchange *x, struct kt_error *err)
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

static json_t *down(const json_t *obj, void *arg)
{
	(void)arg;
	return workload_down(obj);
}

static int step_scale(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc;

	progress_step(job->app->progress, "Scale %s %s to 0", x->kind,
		      x->workload_name);
	rc = update_workload(job->kube, job->ns, x->resource, x->workload_name,
			     down, NULL, NULL, err);
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

static void describe(struct exchange *x)
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
	name_shadow(job, x->workload_name);
}

static int run_scale(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc = exchange_step_service(x, err);

	if (rc == 0)
		rc = find_workload(x, err);
	if (rc == 0)
		rc = check_scaled(x, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s, %s %s", job->ns,
		      job->name, x->kind, x->workload_name);
	describe(x);
	rc = job_shadow(job, false, err);
	if (rc == 0)
		rc = job_tunnel(job, err);
	if (rc == 0)
		rc = step_scale(x, err);
	if (rc < 0)
		return rc;
	exchange_say_ready(x, x->kind, x->workload_name);
	return job_serve(job, err);
}

static bool is_back(struct exchange *x, int replicas)
{
	auto_free char *path = kube_path("apps/v1", x->resource, x->job.ns,
					 x->workload_name, NULL);
	auto_json json_t *now = NULL;
	struct kt_error err = { 0 };

	return kube_get(x->job.kube, path, &now, &err) < 0 ||
	       json_integer_value(json_at(now, "status", "readyReplicas",
					  NULL)) >= replicas;
}

/* The shadow answers until the Pods do, but not for longer than was said */
static void wait_back(struct exchange *x, int replicas)
{
	int64_t end = clock_ns() + x->opt->recover_wait_time * NS_SEC;

	if (!is_back(x, replicas))
		progress_note(x->job.app->progress,
			      "Waiting for %d Pods of %s %s (Ctrl-C skips it)",
			      replicas, x->kind, x->workload_name);
	while (!is_back(x, replicas)) {
		if (clock_ns() >= end) {
			log_warn("%s %s/%s is not complete after %d s", x->kind,
				 x->job.ns, x->workload_name,
				 x->opt->recover_wait_time);
			return;
		}
		if (loop_sleep(x->job.app->loop, SCALE_POLL) < 0)
			return;
	}
}

static void undo_scale(struct exchange *x)
{
	struct job *job = &x->job;
	struct kt_error err = { 0 };
	int replicas = 0;

	if (x->scaled) {
		job_await_write(job);
		if (update_scale_back(job->kube, job->ns, x->resource,
				      x->workload_name, 0, &replicas, &err) < 0)
			log_warn("%s %s/%s was not scaled back: %s; 'ktctl "
				 "recover %s' does it",
				 x->kind, job->ns, x->workload_name, err.msg,
				 job->name);
		else if (replicas)
			wait_back(x, replicas);
		job_step_aside(job, x->labels);
		job_drain(job);
	}
	job_disconnect(job);
	job_remove_shadow(job);
}

/* --- ephemeral ------------------------------------------------------------ */

static int run_ephemeral(struct exchange *x, struct kt_error *err)
{
	struct job *job = &x->job;
	int rc;

	if (job->minor && job->minor < EPHEMERAL_SINCE) {
		kt_hint(err, "--mode selector does the same for the whole "
			     "Service");
		return kt_fail(err, EOPNOTSUPP,
			       "--mode ephemeral: ephemeral containers are "
			       "there from Kubernetes 1.%d on; this one is "
			       "1.%d",
			       EPHEMERAL_SINCE, job->minor);
	}
	rc = exchange_step_service(x, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	progress_step(job->app->progress,
		      "Add a container to each of its Pods");
	x->injector = injector_new(job);
	rc = injector_start(x->injector, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Pods that lead here: %zu",
		      injector_pods(x->injector));
	job->ready = true;
	exchange_say_ready(x, "Service", job->name);
	return injector_serve(x->injector, err);
}

static void undo_ephemeral(struct exchange *x)
{
	if (!x->injector)
		return;
	if (x->job.ready)
		progress_note(x->job.app->progress,
			      "Requests under way end (Ctrl-C ends them now)");
	injector_leave(x->injector);
	injector_free(x->injector);
}

/* --- the command ---------------------------------------------------------- */

static const struct mode {
	unsigned int steps;
	int (*run)(struct exchange *x, struct kt_error *err); /* to the end */
	void (*undo)(struct exchange *x);
	const char *role; /* of deploy/rbac */
} modes[] = {
	[EXCHANGE_SELECTOR] = { STEPS_SELECTOR, run_selector, undo_selector,
				"exchange" },
	[EXCHANGE_SCALE] = { STEPS_SCALE, run_scale, undo_scale,
			     "exchange-scale" },
	[EXCHANGE_EPHEMERAL] = { STEPS_EPHEMERAL, run_ephemeral, undo_ephemeral,
				 "exchange-ephemeral" },
};

int command_exchange(struct app *app, const struct options *o)
{
	struct exchange x = {
		.job = { .app = app,
			 .global = &o->global,
			 .opt = &o->exchange.in,
			 .component = "exchange" },
		.opt = &o->exchange,
	};
	const struct mode *mode = &modes[x.opt->mode];
	struct kt_error err = { 0 };
	int rc;

	progress_begin(app->progress, mode->steps);
	rc = job_open(&x.job, o->args[0], &err);
	if (rc == 0)
		rc = mode->run(&x, &err);
	if (rc != -EINTR)
		progress_fail(app->progress);
	signals_clean_up(app->signals);
	mode->undo(&x);
	rc = job_end(&x.job, rc, &err, mode->role);
	job_close(&x.job);
	json_decref(x.workload);
	json_decref(x.labels);
	free(x.workload_name);
	return rc;
}
