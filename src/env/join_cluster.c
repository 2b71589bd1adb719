/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of an environment that answers in the cluster, whoever runs. It is
 * put into the routers' table when its Pods are ready, and then asked for by
 * the router's own way: what this command says to be there has answered.
 */
#include "env/join.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "cluster/takeover.h"
#include "env/advice.h"
#include "env/copy_wait.h"
#include "env/join_hook.h"
#include "env/join_tls.h"
#include "env/member.h"
#include "env/member_source.h"
#include "env/spec.h"
#include "kube/rest.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

/* The last nodes have learned of it, see inbound/settle.h */
#define CLUSTER_TURN (10 * NS_SEC)

/* --- the Service, and what the member is ---------------------------------- */

/* What a member cannot do here is told, or ends it */
static int cluster_advise(const struct env_join *j, struct kt_error *err)
{
	const struct job *job = &j->mesh.job;
	const struct advice_of of = {
		.ns = job->ns,
		.service = job->service,
		.ports = &job->ports,
		.template = json_at(j->member->copy.deployment, "spec",
				    "template", NULL),
		.set = &j->o->env.set,
	};
	struct strv warnings = { 0 };
	int rc = advice_make(&of, &warnings, err);

	for (size_t i = 0; i < warnings.n; i++)
		log_warn("%s", warnings.v[i]);
	strv_fini(&warnings);
	return rc;
}

/* What the record says of this member */
static void cluster_lead(struct env_join *j)
{
	j->env.member = j->member->text;
	j->env.selector = j->member->selector;
	j->env.ports = j->member->ports;
	j->env.next = NULL;
}

/* What it says until then: the former member answers */
static void cluster_stay_behind(struct env_join *j)
{
	const json_t *spec = json_object_get(j->replaced, "spec");
	json_t *copy = j->member->copy.deployment;

	j->env.member = object_annotation(j->replaced, KT_ANNOTATION_MEMBER);
	j->env.selector = json_object_get(spec, "selector");
	j->env.ports = json_object_get(spec, "ports");
	j->env.next = json_str(j->member->selector, KT_LABEL_TARGET, NULL);
	if (copy) /* the former has the other name */
		copy_rename(copy, j->env.next);
}

static int cluster_claim(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	int rc = mesh_router_look(job, err);

	if (rc == 0)
		rc = env_join_tls_look(j, err);
	if (rc == 0)
		rc = member_prepare(j->member, j, err);
	if (rc == 0)
		rc = cluster_advise(j, err);
	if (rc == 0)
		rc = env_join_hook_try(j, err);
	if (rc == 0)
		rc = env_join_replace(j, err);
	if (rc < 0)
		return rc;
	if (j->beside)
		cluster_stay_behind(j);
	else
		cluster_lead(j);
	return env_join_hold(j, err);
}

int env_join_switch(struct job *job, struct kt_error *err)
{
	int rc = env_join_tls_origin(env_join_of(job), err);

	if (rc < 0 || mesh_of(job)->declared)
		return rc;
	progress_step(job->app->progress, "Switch Service %s", job->name);
	rc = job_take(job, err);
	keep_stop(job); /* nobody will be there to keep it */
	job->on_change = job->renew = NULL;
	if (rc < 0)
		return rc;
	job_unlock(job);
	progress_done(job->app->progress, "Service %s/%s leads to the router",
		      job->ns, job->name);
	return 0;
}

/* --- the copy ------------------------------------------------------------- */

static void cluster_on_progress(void *user, const char *text)
{
	struct job *job = user;

	progress_detail(job->app->progress, "%s", text);
}

/* One of its name is left of a join that was killed, unless somebody has taken
 * this member's place meanwhile: the Service is not locked any more */
static int cluster_make_copy(struct env_join *j, json_t **made,
			     struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_free char *path =
		kube_path("apps/v1", "deployments", job->ns, NULL, NULL);
	const json_t *copy = j->member->copy.deployment;
	const struct member_place at = env_join_place(j);
	int rc;

	j->copied = true;
	rc = kube_create(job->kube, path, copy, made, err);
	if (rc != -EEXIST)
		return rc;
	*err = (struct kt_error){ 0 };
	rc = mesh_record_check(&j->mesh, err);
	if (rc == 0)
		rc = member_remove_copies(&at, NULL, err);
	return rc < 0 ? rc : kube_create(job->kube, path, copy, made, err);
}

static int cluster_copy(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	const struct env_copy *c = &j->member->copy;
	const struct copy_wait w = {
		.ns = job->ns,
		.deployment = object_name(c->deployment),
		.selector = c->selector,
		.replicas = j->o->env.replicas,
		.timeout_ns = job->global->pod.creation_timeout * NS_SEC,
		.progress = cluster_on_progress,
		.user = job,
	};
	auto_json json_t *made = NULL;
	int rc;

	progress_step(job->app->progress, "Start the copy with image %s",
		      j->o->env.image);
	rc = cluster_make_copy(j, &made, err);
	if (rc == 0 && j->member->idle.name)
		rc = idle_make(j, made, err);
	if (rc == 0)
		rc = copy_wait_ready(job->kube, &w, err);
	if (rc == 0 && j->member->idle.name)
		rc = idle_await(j, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Deployment %s/%s is ready", job->ns,
		      w.deployment);
	return 0;
}

/* --- the table, and the proof --------------------------------------------- */

static const char *cluster_ip(const struct env_join *j)
{
	return json_str(j->mesh.route.made, "spec", "clusterIP", NULL);
}

/* The record leads to the new Pods; nodes that have not learned it yet lead to
 * the former ones */
static int cluster_turn(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	int rc;

	cluster_lead(j);
	/* who is killed here leaves that one, for leave */
	j->env.next = service_target(j->replaced);
	j->turned = clock_ns();
	rc = mesh_record_lead(&j->mesh, err);
	if (rc < 0)
		return rc;
	progress_detail(job->app->progress, "in place of the member before");
	rc = job_settle(job);
	return rc < 0 ? kt_fail(err, -rc, "interrupted") : 0;
}

/* Routers have to forget their connections to the former Pods before these end,
 * and what is under way on them is to be answered. What goes wrong here is
 * told: the new member answers. */
static void cluster_end_former(struct env_join *j)
{
	struct job *job = &j->mesh.job;
	const struct member_place at = env_join_place(j);
	const char *target =
		json_str(j->member->selector, KT_LABEL_TARGET, NULL);
	struct kt_error err = { 0 };
	int64_t wait = j->turned + CLUSTER_TURN - clock_ns();

	progress_detail(job->app->progress, "until the one before has ended");
	if (loop_sleep(job->app->loop, MAX(wait, 2 * NS_SEC)) < 0)
		loop_resume(job->app->loop); /* at once, then */
	if (member_remove_copies_but(&at, target, &err) < 0)
		log_warn("the Pods of the member before were not removed: %s",
			 err.msg);
}

static int cluster_join(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	const struct member_place at = env_join_place(j);
	int rc;

	progress_step(job->app->progress, "Tell the router");
	rc = mesh_record_check(&j->mesh, err);
	if (rc == 0 && j->beside)
		rc = cluster_turn(j, err);
	/* of the record as it is now */
	if (rc == 0 && !j->o->env.image)
		rc = member_source_put(&at, j->mesh.route.made, &j->source,
				       err);
	if (rc == 0)
		rc = env_join_prove(j, cluster_ip(j), err);
	if (rc == 0) /* whoever has its place has its address */
		rc = mesh_record_check(&j->mesh, err);
	if (rc < 0)
		return rc;
	if (j->beside) {
		cluster_end_former(j);
		env_join_hook_former(j);
	}
	progress_done(job->app->progress, "The member answers");
	return 0;
}

/* --- the command ---------------------------------------------------------- */

static void cluster_ready(struct job *job)
{
	const struct env_join *j = env_join_of(job);
	const char *copy = object_name(j->member->copy.deployment);
	char left[48];

	print_line(stdout,
		   "Service %s/%s is in environment %s%s: requests "
		   "with its mark are answered by %s%s%s%s. 'ktctl env leave "
		   "%s %s' takes it out.",
		   job->ns, job->name, j->info.name, env_join_left(j, left),
		   j->member->text, *copy ? " (Deployment " : "", copy,
		   *copy ? ")" : "", j->info.name, job->name);
	if (j->o->env.idle) {
		auto_json json_t *idle = env_spec_span(j->o->env.idle);

		print_line(stdout,
			   "It sleeps after %s without a request; the next one "
			   "wakes it.",
			   json_string_value(idle));
	}
}

/* The member before has its record again, and what routers know of it: what is
 * undone from here on is not its. Its Pods have not ended: that is last. */
static void cluster_give_back(struct env_join *j)
{
	struct job *job = &j->mesh.job;
	const struct member_place at = env_join_place(j);
	struct kt_error err = { 0 };
	int rc;

	if (!j->mesh.recorded)
		return;
	rc = mesh_record_restore(&j->mesh, j->replaced, &err);
	if (rc == 0 && j->source) /* of its Pods, not of ours */
		rc = member_source_put(&at, j->mesh.route.made, &j->source,
				       &err);
	if (rc < 0 && rc != -ECANCELED && rc != -ENOENT)
		job_unfinished(job,
			       "the member before has not got its place back: "
			       "%s",
			       err.msg);
	if (rc == 0 && j->turned)
		(void)!job_settle(job);
}

/* Another join may have its place by now, with a copy of the same name */
static void cluster_undo(struct job *job)
{
	struct env_join *j = env_join_of(job);
	const struct member_place at = env_join_place(j);
	const char *target =
		json_str(j->member->selector, KT_LABEL_TARGET, NULL);
	struct kt_error err = { 0 };

	if (j->beside)
		cluster_give_back(j);
	env_join_untable(j);
	if (j->copied && member_remove_copies(&at, target, &err) < 0)
		job_unfinished(job, "the copy was not removed: %s", err.msg);
	env_join_hook_undo(j);
	mesh_router_undo(job);
}

int env_join_cluster(struct env_join *j)
{
	static const struct job_plan image = {
		.step = { env_join_open, cluster_claim, mesh_router_start,
			  env_join_switch, cluster_copy, cluster_join },
		.ready = cluster_ready,
		.undo = cluster_undo,
		.role = "env",
	};
	static const struct job_plan hooked = {
		.step = { env_join_open, cluster_claim, mesh_router_start,
			  env_join_switch, env_join_hook, cluster_copy,
			  cluster_join },
		.ready = cluster_ready,
		.undo = cluster_undo,
		.role = "env",
	};
	static const struct job_plan others = {
		.step = { env_join_open, cluster_claim, mesh_router_start,
			  env_join_switch, cluster_join },
		.ready = cluster_ready,
		.undo = cluster_undo,
		.role = "env",
	};
	struct member m = { 0 };
	int rc;

	j->member = &m;
	rc = job_run(&j->mesh.job, env_join_has_hook(j) ? &hooked
				   : j->o->env.image	? &image
							: &others);
	member_fini(&m);
	return rc;
}
