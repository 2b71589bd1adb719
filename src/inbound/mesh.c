/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl mesh: marked requests to a Service come to this machine, all others to
 * its own Pods. A router stands in front of the Service, one for all its users
 * (mode auto), or a Pod with the Service's own labels and the mark as one more
 * joins it, for the routes of a service mesh (mode manual; with --route they
 * are written, too). The tables at the end name the steps of each.
 */
#include "inbound/mesh.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "inbound/lease.h"
#include "inbound/probe.h"

#include <errno.h>
#include <string.h>

static int mesh_open(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc = mesh_read_mark(m, err);

	return rc < 0 ? rc : job_open(job, err);
}

/* What is copied, for people */
static const char *mesh_copy_text(const struct mesh *m, char *dst, size_t size)
{
	char mark[1200] = "", share[32] = "";

	if (m->match.n)
		mesh_mark_text(m, mark, sizeof(mark));
	if (m->job.copy < 100)
		snprintf(share, sizeof(share), "%d %% of the ", m->job.copy);
	snprintf(dst, size, "%srequests to Service %s/%s%s%s", share, m->job.ns,
		 m->job.name, *mark ? " with " : "", mark);
	return dst;
}

static void mesh_ready_copy(struct job *job)
{
	auto_free char *ports = job_text(job);
	char text[1400], how[128];

	progress_note(job->app->progress,
		      "%s: %s are copied to local, %s; its own Pods answer "
		      "all of them. %s",
		      job_verdict(job),
		      mesh_copy_text(mesh_of(job), text, sizeof(text)), ports,
		      app_leave_how(job->app, how, sizeof(how)));
}

static void mesh_ready(struct job *job)
{
	auto_free char *ports = job_text(job);
	char text[1200], how[128];

	if (job->copy) {
		mesh_ready_copy(job);
		return;
	}

	progress_note(job->app->progress,
		      "%s: requests to Service %s/%s with %s are redirected to "
		      "local, %s; all others reach its own Pods. %s",
		      job_verdict(job), job->ns, job->name,
		      mesh_mark_text(mesh_of(job), text, sizeof(text)), ports,
		      app_leave_how(job->app, how, sizeof(how)));
}

/* --- manual --------------------------------------------------------------- */

static int mesh_check_manual(struct mesh *m, struct kt_error *err)
{
	int rc = mesh_look(m, err);

	return rc == 0 ? job_rules(&m->job, NULL, err) : rc;
}

static int mesh_find(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc = mesh_check_manual(m, err);

	if (rc == 0) /* where the Service leads elsewhere nobody would come */
		rc = lease_check(job, LEASE_BESIDE, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	m->labels = json_copy(job->original);
	json_object_set_new(m->labels, m->mark.key, json_string(m->mark.value));
	return 0;
}

static int mesh_pod(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc;

	job->face.name = m->name;
	job->face.role = KT_ROLE_MESH;
	job->face.labels = m->labels;
	rc = lease_clear(job, m->labels, err);
	if (rc == 0)
		rc = lease_clear_name(job, m->name, err);
	if (rc == 0)
		rc = job_shadow(job, false, err);
	if (rc == -EEXIST)
		kt_hint(err, "choose another --versionMark");
	return rc;
}

/* Of plain mode manual: the Pod has the labels that the Service asks for */
static int mesh_keep_manual(void *user, struct kt_error *err)
{
	struct mesh *m = user;
	struct job *job = &m->job;
	int rc = keep_user_service(job, err);

	if (rc > 0) {
		json_decref(job->keep.former);
		job->keep.former = m->labels;
		m->labels = json_copy(job->original);
		json_object_set_new(m->labels, m->mark.key,
				    json_string(m->mark.value));
		job->face.labels = m->labels;
	}
	return rc < 0 ? rc : keep_objects(job, err);
}

static int mesh_serve_manual(struct job *job, struct kt_error *err)
{
	job->on_change = mesh_keep_manual;
	job->change_user = mesh_of(job);
	keep_start(job);
	return job_serve(job, err);
}

static void mesh_ready_manual(struct job *job)
{
	const struct mesh *m = mesh_of(job);
	auto_free char *ports = job_text(job);
	char how[128];

	progress_note(job->app->progress,
		      "%s: Pod %s is part of Service %s/%s, %s. Let the routes "
		      "of your service mesh lead to the label '%s=%s'. %s",
		      job_verdict(job), m->name, job->ns, job->name, ports,
		      m->mark.key, m->mark.value,
		      app_leave_how(job->app, how, sizeof(how)));
}

static void mesh_undo_manual(struct job *job)
{
	job_step_aside(job, mesh_of(job)->labels);
	job_drain(job);
	job_disconnect(job);
	job_remove_shadow(job);
}

/* --- manual, with the routes ---------------------------------------------- */

static int mesh_find_routes(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc = mesh_check_manual(m, err);

	if (rc == 0)
		rc = mesh_route_check(&m->route, err);
	if (rc == 0)
		rc = mesh_record_make(m, err);
	if (rc == 0)
		rc = mesh_route_origin(&m->route, err);
	if (rc < 0)
		return rc;
	mesh_warn_unmarked(job);
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	m->labels = json_pack("{s:s}", m->mark.key, m->mark.value);
	job->face.target = job->target;
	return 0;
}

static int mesh_tunnel(struct job *job, struct kt_error *err)
{
	int rc = job_tunnel(job, err);

	if (rc == 0)
		probe_pod(job);
	return rc;
}

static int mesh_write_routes(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc;

	progress_step(job->app->progress, "Write the routes");
	mesh_record_keep(m);
	rc = mesh_route_start(&m->route, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "The %ss lead the mark to Service %s",
		      m->route.api->kind, m->name);
	return 0;
}

static void mesh_ready_routes(struct job *job)
{
	auto_free char *ports = job_text(job);
	char text[1200], how[128];

	progress_note(
		job->app->progress,
		"%s: requests to Service %s/%s with %s are redirected to "
		"local, %s, by the routes of the service mesh; all others "
		"go where they went. %s",
		job_verdict(job), job->ns, job->name,
		mesh_mark_text(mesh_of(job), text, sizeof(text)), ports,
		app_leave_how(job->app, how, sizeof(how)));
}

static void mesh_undo_routes(struct job *job)
{
	struct mesh *m = mesh_of(job);
	bool left = mesh_route_leave(&m->route);

	if (left && m->recorded) {
		job_drain(job);
		job_disconnect(job);
		job_remove_shadow(job);
		mesh_route_remove_origin(&m->route);
		mesh_record_remove(m);
	}
	job_disconnect(job);
	heartbeat_stop(m->record);
}

/* --- the command ---------------------------------------------------------- */

static const struct job_plan mesh_auto = {
	.step = { mesh_open, mesh_router_claim, mesh_router_start, job_tunnel,
		  mesh_router_switch },
	.ready = mesh_ready,
	.serve = job_serve,
	.undo = mesh_router_undo,
	.role = "mesh",
};

static const struct job_plan mesh_manual = {
	.step = { mesh_open, mesh_find, mesh_pod, mesh_tunnel },
	.ready = mesh_ready_manual,
	.serve = mesh_serve_manual,
	.undo = mesh_undo_manual,
	.role = "mesh",
};

static const struct job_plan mesh_routes = {
	.step = { mesh_open, mesh_find_routes, mesh_pod, mesh_tunnel,
		  mesh_write_routes },
	.ready = mesh_ready_routes,
	.serve = job_serve,
	.undo = mesh_undo_routes,
	.role = "mesh",
};

static const struct job_plan *mesh_plan(const struct mesh *m)
{
	if (m->opt->mode == MESH_AUTO)
		return &mesh_auto;
	return m->route.api ? &mesh_routes : &mesh_manual;
}

static const struct route_api *mesh_route_api(const struct mesh_options *o)
{
	return o->route == ROUTE_ISTIO	   ? &route_istio
	       : o->route == ROUTE_GATEWAY ? &route_gateway
					   : NULL;
}

void mesh_fini(struct mesh *m)
{
	mesh_route_fini(&m->route);
	json_decref(m->labels);
	free(m->router);
	free(m->served);
}

int command_mesh(struct app *app, const struct options *o)
{
	struct global_options global = o->global;
	struct mesh m = {
		.job = { .app = app,
			 .global = &global,
			 .opt = &o->mesh.in,
			 .asked = o->args[0],
			 .component = "mesh" },
		.opt = &o->mesh,
		.route = { .job = &m.job,
			   .api = mesh_route_api(&o->mesh),
			   .mark = &m.mark,
			   .record = m.name },
	};
	int rc;

	m.job.copy = o->mesh.copy ? o->mesh.percent : 0;
	if (o->mesh.router_image && o->mesh.mode == MESH_AUTO)
		global.pod.image = o->mesh.router_image;
	rc = job_run(&m.job, mesh_plan(&m));
	mesh_fini(&m);
	return rc;
}
