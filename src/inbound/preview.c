/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl preview: a program of this machine is a new Service of the cluster.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/heartbeat.h"
#include "cluster/takeover.h"
#include "inbound/job.h"
#include "inbound/lease.h"
#include "inbound/probe.h"
#include "inbound/program.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PREVIEW_SETTLED (2 * NS_SEC)

struct preview {
	struct job job;
	const struct preview_options *opt;
	struct heartbeat *service; /* of the one that we made */
	json_t *dead;		   /* what a killed one has left, or NULL */
};

static struct preview *preview_of(struct job *job)
{
	return container_of(job, struct preview, job);
}

static json_t *preview_ports(const struct expose *e, int minor)
{
	bool low = !minor || minor >= LOW_PORTS_SINCE;
	json_t *list = json_array();

	for (size_t i = 0; i < e->n; i++) {
		bool udp = e->v[i].proto == EXPOSE_UDP;
		int port = e->v[i].number;
		int target =
			port < 1024 && !low ? port + SERVICE_PORT_RAISE : port;
		char name[16];

		snprintf(name, sizeof(name), "kt-%d%s", port,
			 udp ? "-udp" : "");
		json_array_append_new(
			list, json_pack("{s:s,s:i,s:i,s:s}", "name", name,
					"port", port, "targetPort", target,
					"protocol", udp ? "UDP" : "TCP"));
	}
	return list;
}

static json_t *preview_make(void *user)
{
	const struct preview *p = user;
	const struct job *job = &p->job;
	json_t *service;
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, job_now(job));
	service = json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s},s:{s:s,s:s,s:s,s:s*}},s:{s:s,s:O,s:o}"
		"}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name",
		job->name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		"annotations", KT_ANNOTATION_HEARTBEAT, now, KT_ANNOTATION_USER,
		shadow_user(), KT_ANNOTATION_CONFIG, job->config_text,
		KT_ANNOTATION_OWNER, owner_token(job->owner), "spec", "type",
		p->opt->external ? "LoadBalancer" : "ClusterIP", "selector",
		job->selector, "ports",
		preview_ports(&job->opt->expose, job->minor));
	object_add_options(service, &job->global->pod);
	return service;
}

/* @service: what has the name; NULL: not known */
static int preview_name_taken(struct job *job, const json_t *service,
			      struct kt_error *err)
{
	bool ours = str_eq(object_label(service, KT_LABEL_CONTROL),
			   KT_LABEL_CONTROL_VALUE);
	auto_free char *user = lease_user_of(job, service);

	if (ours && str_eq(service_role(service), KT_ROLE_PREVIEW)) {
		kt_hint(err,
			"choose another name; when their ktctl is gone, the "
			"name is free again, at the latest after %d minutes",
			HEARTBEAT_DEAD_KT / 60);
		return kt_fail(err, EEXIST,
			       "Service %s/%s is a preview of %s's", job->ns,
			       job->name, user);
	}
	if (ours ||
	    !json_object_size(json_at(service, "spec", "selector", NULL)))
		kt_hint(err, "choose another name");
	else
		kt_hint(err, "choose another name, or use 'ktctl exchange %s'",
			job->name);
	return kt_fail(err, EEXIST, "Service %s/%s exists already%s", job->ns,
		       job->name, ours ? ", ktctl has made it" : "");
}

/* The Service of a preview that was killed becomes this one's, so that callers
 * who know its address find us there; its shadow goes */
static int preview_clear_dead(struct preview *p, json_t *service,
			      struct kt_error *err)
{
	struct job *job = &p->job;
	const json_t *selector = json_at(service, "spec", "selector", NULL);

	if (!str_eq(object_label(service, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE) ||
	    !str_eq(service_role(service), KT_ROLE_PREVIEW) ||
	    lease_is_alive(job, service))
		return preview_name_taken(job, service, err);
	log_info("Service %s/%s was left by a ktctl that is gone: it is taken "
		 "over",
		 job->ns, job->name);
	p->dead = json_incref(service);
	return lease_clear(job, selector, err);
}

static int preview_plan(struct preview *p, struct kt_error *err)
{
	struct job *job = &p->job;
	auto_free char *path = NULL;
	auto_json json_t *found = NULL;
	struct kt_error why = { 0 };
	int rc;

	snprintf(job->name, sizeof(job->name), "%.63s", job->subject.name);
	path = kube_path("v1", "services", job->ns, job->name, NULL);
	if (kube_get(job->kube, path, &found, &why) == 0) {
		rc = preview_clear_dead(p, found, err);
		if (rc < 0)
			return rc; /* told before anything is made */
	}
	rc = program_await(job, err);
	if (rc < 0)
		return rc;
	target_make(job->target);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_PREVIEW,
				  KT_LABEL_TARGET, job->target);
	job->config_text = xasprintf("service=%s", job->name);
	job->prefix = xasprintf("%s-kt-", job->name);
	job->face = (struct shadow_face){
		.prefix = job->prefix,
		.role = KT_ROLE_PREVIEW,
		.target = job->target,
		.config = job->config_text,
	};
	job->service = preview_make(p);
	rc = service_ports_make(&job->ports, job->service, NULL, err);
	if (rc == 0)
		rc = job_map(job, err);
	return rc < 0 ? rc : job_rules(job, NULL, err);
}

static int preview_open(struct job *job, struct kt_error *err)
{
	int rc = job_open(job, err);

	return rc < 0 ? rc : preview_plan(preview_of(job), err);
}

static int preview_shadow(struct job *job, struct kt_error *err)
{
	return job_shadow(job, false, err);
}

/* -EEXIST: somebody else was quicker; -ENOENT: it was removed meanwhile */
static int preview_take_over(struct preview *p, const char *path, json_t **out,
			     struct kt_error *err)
{
	auto_json json_t *patch = preview_make(p);
	json_t *selector = json_at(patch, "spec", "selector", NULL);
	json_t *value;
	const char *key;
	int rc;

	json_object_foreach (json_at(p->dead, "spec", "selector", NULL), key,
			     value)
		if (!json_object_get(selector, key))
			json_object_set_new(selector, key, json_null());
	json_object_set(json_object_get(patch, "metadata"), "resourceVersion",
			json_at(p->dead, "metadata", "resourceVersion", NULL));
	rc = kube_patch(p->job.kube, path, patch, out, err);
	return rc == -EBUSY ? -EEXIST : rc;
}

static int preview_publish(struct preview *p, const char *path, json_t **out,
			   struct kt_error *err)
{
	struct job *job = &p->job;
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_json json_t *service = preview_make(p);
	int rc = p->dead ? preview_take_over(p, path, out, err) : -ENOENT;

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		rc = kube_create(job->kube, all, service, out, err);
	}
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		return preview_name_taken(job, NULL, err);
	}
	return rc;
}

/* A caller is tried meanwhile */
static int preview_settle(struct job *job, json_t *got)
{
	int64_t end = clock_ns() + PREVIEW_SETTLED;

	json_decref(job->service);
	job->service = json_incref(got); /* it has an address */
	probe_arrival(job);
	return loop_sleep(job->app->loop, MAX(end - clock_ns(), 0));
}

static int preview_service(struct job *job, struct kt_error *err)
{
	struct preview *p = preview_of(job);
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	auto_json json_t *got = NULL;
	const char *ip;
	int rc;

	progress_step(job->app->progress, "Make Service %s", job->name);
	rc = preview_publish(p, path, &got, err);
	if (rc < 0)
		return rc;
	p->service = heartbeat_start(job->kube, path, HEARTBEAT_INTERVAL,
				     job->global->use_local_time);
	progress_detail(job->app->progress, "until every node knows it");
	rc = preview_settle(job, got);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	ip = json_str(got, "spec", "clusterIP", NULL);
	progress_done(job->app->progress, "Service %s/%s has the address %s",
		      job->ns, job->name, ip ? ip : "?");
	return 0;
}

static int preview_keep(void *user, struct kt_error *err)
{
	return keep_objects(user, err);
}

static int preview_serve(struct job *job, struct kt_error *err)
{
	keep_add(job, job->name, preview_make, preview_of(job), true);
	job->on_change = job->renew = preview_keep;
	job->change_user = job;
	keep_start(job);
	return job_serve(job, err);
}

static void preview_ready(struct job *job)
{
	auto_free char *ports = job_text(job);
	char how[128];

	progress_note(job->app->progress,
		      "%s: Service '%s' in namespace %s is on this machine, "
		      "%s. %s",
		      job_verdict(job), job->name, job->ns, ports,
		      app_leave_how(job->app, how, sizeof(how)));
}

static void preview_undo(struct job *job)
{
	struct preview *p = preview_of(job);
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	struct kt_error err = { 0 };

	if (p->service) {
		heartbeat_stop(p->service);
		if (!keep_is_foreign(job, job->name) &&
		    kube_delete(job->kube, path, -1, &err) < 0)
			job_unfinished(job, "Service %s/%s was not removed: %s",
				       job->ns, job->name, err.msg);
	}
	job_drain(job);
	job_disconnect(job);
	job_remove_shadow(job);
}

static const struct job_plan preview_steps = {
	.step = { preview_open, preview_shadow, job_tunnel, preview_service },
	.ready = preview_ready,
	.serve = preview_serve,
	.undo = preview_undo,
	.role = "preview",
};

int command_preview(struct app *app, const struct options *o)
{
	struct preview p = {
		.job = { .app = app,
			 .global = &o->global,
			 .opt = &o->preview.in,
			 .asked = o->args[0],
			 .component = "preview" },
		.opt = &o->preview,
	};
	int rc = job_run(&p.job, &preview_steps);

	json_decref(p.dead);
	return rc;
}
