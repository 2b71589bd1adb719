/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl mesh: marked requests to a Service come to this machine, all others to
 * its own Pods. A router stands in front of the Service, one for all its users
 * (mode auto), or a Pod with the Service's own labels and the mark as one more
 * joins it, for the routes of a service mesh (mode manual).
 *
 * Each user of a router has a record, the Service NAME-kt-mesh-VALUE, whose
 * heartbeat says that its user is there; the last one to leave takes the router
 * away. Joining and leaving happen under the Service's lock.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/mark.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "inbound/job.h"
#include "inbound/lease.h"
#include "inbound/mesh_route.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define STEPS_AUTO 5
#define STEPS_MANUAL 4
#define STEPS_ROUTE 5

struct mesh {
	struct job job;
	const struct mesh_options *opt;
	struct mark mark;
	struct rule_match match;
	char name[OBJECT_NAME_LEN]; /* of the record, or the Pod */
	char *router;		    /* of the router's Pod */
	struct heartbeat *record;   /* of ours; NULL: there is none */
	struct mesh_route route;    /* --route; api NULL: without */
	json_t *labels;		    /* of a Pod made by hand */
};

/* --- the mark ------------------------------------------------------------- */

static int read_mark(struct mesh *m, struct kt_error *err)
{
	char term[320];
	int rc = mark_parse(&m->mark, m->opt->version_mark, err);

	if (rc < 0)
		return kt_wrap(err, rc, "--versionMark");
	if (m->mark.key_replaced)
		log_warn("--versionMark %s: the part before ':' cannot be the "
			 "name of a header, so it is '" MARK_KEY "'",
			 m->opt->version_mark);
	if (m->opt->match) {
		rc = rule_match_parse(&m->match, m->opt->match, err);
		if (rc < 0)
			return kt_wrap(err, rc, "--match");
		if (!m->match.n)
			return kt_fail(err, EINVAL,
				       "--match all is what exchange does");
	}
	/* both hold, where both were said */
	if (m->opt->match && !m->opt->version_mark)
		return 0;
	snprintf(term, sizeof(term), "header:%s=%s", m->mark.key,
		 m->mark.value);
	rc = rule_match_add(&m->match, term, err);
	return rc < 0 ? kt_wrap(err, rc, "--versionMark") : 0;
}

/* What callers have to say, for people */
static const char *mark_text(const struct mesh *m, char *dst, size_t size)
{
	char header[256], match[RULE_MATCH_MAX];

	if (!m->opt->match)
		snprintf(dst, size, "the header '%s'",
			 mark_header(&m->mark, header, sizeof(header)));
	else
		snprintf(dst, size, "'%s'", rule_match_print(&m->match, match));
	return dst;
}

/* A header cannot be seen in TLS */
static void warn_tls(const struct job *job)
{
	for (size_t i = 0; i < job->ports.n; i++) {
		const struct service_port *p = &job->ports.v[i];

		if (strncmp(p->name, "https", 5) == 0 || p->port == 443)
			log_warn("port %u of Service %s seems to be TLS, where "
				 "no mark can be seen: all of it goes to the "
				 "Service's own Pods",
				 p->port, job->name);
	}
}

static int mesh_step_service(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	int rc = job_inspect(job, err);

	if (rc < 0)
		return rc;
	mark_object_name(&m->mark, job->name, m->name);
	return 0;
}

/* --- the record ----------------------------------------------------------- */

/* It leads nowhere, unless there are routes that lead to it */
static json_t *record_selector(const struct mesh *m)
{
	char target[KT_TARGET_SIZE];

	if (m->route.api)
		return mesh_route_selector(&m->route);
	target_make(target);
	return json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_MESH,
			 KT_LABEL_TARGET, target);
}

static json_t *make_record(const struct mesh *m)
{
	const struct job *job = &m->job;
	const char *route = m->route.api ? m->route.api->name : NULL;
	char now[24], match[RULE_MATCH_MAX];

	snprintf(now, sizeof(now), "%" PRId64, job_now(job));
	return json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s,s:s},s:{s:s,s:s,s:s*,s:s,"
		"s:s*,s:s*}},s:{s:o,s:O}}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name",
		m->name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		KT_LABEL_ROLE, KT_ROLE_MESH, "annotations",
		KT_ANNOTATION_HEARTBEAT, now, KT_ANNOTATION_USER, shadow_user(),
		KT_ANNOTATION_CONFIG, job->config_text, "kt-match",
		rule_match_print(&m->match, match), KT_ANNOTATION_ROUTE, route,
		KT_ANNOTATION_OWNER, owner_token(job->owner), "spec",
		"selector", record_selector(m), "ports",
		json_at(job->service, "spec", "ports", NULL));
}

/* Ports without what only the original can have */
static json_t *record_object(const struct mesh *m)
{
	auto_json json_t *all = make_record(m);
	json_t *copy = json_deep_copy(all), *port;
	size_t i;

	object_add_options(copy, &m->job.global->pod);
	json_array_foreach (json_at(copy, "spec", "ports", NULL), i, port)
		json_object_del(port, "nodePort");
	return copy;
}

/* Somebody has it; whoever is gone does not count */
static int take_record(struct mesh *m, const char *path, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_json json_t *record = NULL, *list = json_array();
	auto_free char *user = NULL;
	char text[1200];
	int rc = kube_get(job->kube, path, &record, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	job->successor = !lease_is_alive(job, record);
	if (job->successor)
		return kube_delete(job->kube, path, 0, err);
	json_array_append(list, record);
	user = lease_users(list);
	kt_hint(err, "choose another --versionMark");
	return kt_fail(err, EEXIST, "Service %s/%s is meshed with %s by %s",
		       job->ns, job->name, mark_text(m, text, sizeof(text)),
		       user);
}

static int step_record(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_free char *path =
		kube_path("v1", "services", job->ns, m->name, NULL);
	auto_json json_t *record = record_object(m);
	json_t **made = &m->route.made;
	int rc = kube_create(job->kube, all, record, made, err);

	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		rc = take_record(m, path, err);
		if (rc == 0)
			rc = kube_create(job->kube, all, record, made, err);
	}
	if (rc == 0)
		m->record = heartbeat_start(job->kube, path, HEARTBEAT_INTERVAL,
					    job->global->use_local_time);
	return rc;
}

static void remove_record(struct mesh *m)
{
	auto_free char *path =
		kube_path("v1", "services", m->job.ns, m->name, NULL);
	struct kt_error err = { 0 };

	if (!m->record)
		return;
	heartbeat_stop(m->record);
	m->record = NULL;
	if (kube_delete(m->job.kube, path, -1, &err) < 0)
		log_warn("Service %s was not removed: %s", m->name, err.msg);
}

/* --- auto ----------------------------------------------------------------- */

static void face_router(struct mesh *m, bool join)
{
	struct job *job = &m->job;
	const char *target = join ? service_target(job->service) : NULL;

	if (target)
		snprintf(job->target, sizeof(job->target), "%s", target);
	else
		target_make(job->target);
	m->router = xasprintf("%s" KT_ROUTER, job->name);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_ROUTER,
				  KT_LABEL_TARGET, job->target);
	job->face.name = m->router;
	job->face.role = KT_ROLE_ROUTER;
	job->face.target = job->target;
	job->face.config = job->config_text;
}

/* A router that is there without a Service leading to it (its maker broke off)
 * has a target of its own */
static int adopt_target(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *path =
		kube_path("v1", "pods", job->ns, m->router, NULL);
	auto_json json_t *pod = NULL;
	const char *target;
	int rc = kube_get(job->kube, path, &pod, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	target = object_label(pod, KT_LABEL_TARGET);
	if (json_at(pod, "metadata", "deletionTimestamp", NULL) || !target)
		return 0;
	snprintf(job->target, sizeof(job->target), "%s", target);
	json_object_set_new(job->selector, KT_LABEL_TARGET,
			    json_string(target));
	return 0;
}

static int start_auto(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *ports = NULL;
	char text[1200];
	int rc = mesh_step_service(m, err), join = 0;

	if (rc == 0)
		rc = job_rules(job, &m->match, err);
	if (rc == 0)
		rc = job_check_callers(job, true, err);
	if (rc == 0)
		rc = job_lock(job, err);
	if (rc == 0)
		rc = join = lease_check(job, true, err);
	if (rc < 0)
		return rc;
	warn_tls(job);
	job->config_text = xasprintf("service=%s", job->name);
	face_router(m, join);
	rc = step_record(m, err);
	if (rc == 0)
		rc = job_stuntman(job, err);
	if (rc == 0 && !join)
		rc = adopt_target(m, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s%s", job->ns, job->name,
		      join ? ", which has a router already" : "");
	rc = job_shadow(job, true, err);
	if (rc == 0)
		rc = job_tunnel(job, err);
	if (rc < 0)
		return rc;
	progress_step(job->app->progress, "Switch Service %s", job->name);
	rc = job_take(job, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s leads to the router",
		      job->ns, job->name);
	job_unlock(job);
	ports = job_text(job);
	progress_note(job->app->progress,
		      "All looks good: requests to Service %s/%s with %s are "
		      "redirected to local, %s; all others reach its own "
		      "Pods. Ctrl-C to leave.",
		      job->ns, job->name, mark_text(m, text, sizeof(text)),
		      ports);
	return 0;
}

/* Am I the last one? When nobody can say, it is better to stay. */
static bool is_last(struct mesh *m)
{
	auto_json json_t *others = NULL;
	struct kt_error err = { 0 };

	if (lease_meshes(&m->job, m->name, &others, &err) < 0) {
		log_warn("the router of Service %s stays: %s", m->job.name,
			 err.msg);
		return false;
	}
	return !json_array_size(others);
}

static void leave_router(struct mesh *m, bool last)
{
	struct kt_error err = { 0 };

	if (m->job.shadow && shadow_leave(m->job.shadow, last, &err) < 0)
		log_warn("%s: %s", shadow_describe(m->job.shadow), err.msg);
}

static void undo_auto(struct mesh *m)
{
	struct job *job = &m->job;
	struct kt_error err = { 0 };

	if (!m->record) { /* nothing was made */
		job_unlock(job);
		return;
	}
	/* so that nobody joins what goes away; without the lock it is a risk,
	 * but staying is none */
	if (!job->locked && job_lock(job, &err) < 0)
		log_debug("%s", err.msg);
	if (is_last(m)) {
		job->taken = true; /* by another of us, perhaps */
		if (job_give_back(job)) {
			job_drain(job);
			job_disconnect(job);
			leave_router(m, true);
			job_stuntman_remove(job);
		}
	} else {
		job_withdraw(job);
		job_disconnect(job);
		leave_router(m, false);
	}
	remove_record(m);
	job_unlock(job);
}

/* --- manual --------------------------------------------------------------- */

static int check_manual(struct mesh *m, struct kt_error *err)
{
	int rc = mesh_step_service(m, err);

	if (rc == 0 && m->opt->match)
		rc = kt_fail(err, EINVAL,
			     "--match is for --mode auto: in mode manual the "
			     "routes of the service mesh decide");
	if (rc == 0 && !mark_is_label(&m->mark))
		rc = kt_fail(err, EINVAL,
			     "--versionMark %s:%s cannot be a label of a Pod",
			     m->mark.key, m->mark.value);
	return rc == 0 ? job_rules(&m->job, NULL, err) : rc;
}

static int start_manual(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *ports = NULL;
	int rc = check_manual(m, err);

	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	m->labels = json_copy(job->original);
	json_object_set_new(m->labels, m->mark.key, json_string(m->mark.value));
	job->face.name = m->name;
	job->face.role = KT_ROLE_MESH;
	job->face.labels = m->labels;
	rc = lease_clear_pods(job, m->labels, err);
	if (rc == 0)
		rc = job_shadow(job, false, err);
	if (rc == -EEXIST)
		kt_hint(err, "choose another --versionMark");
	if (rc == 0)
		rc = job_tunnel(job, err);
	if (rc < 0)
		return rc;
	ports = job_text(job);
	progress_note(job->app->progress,
		      "All looks good: Pod %s is part of Service %s/%s, %s. "
		      "Let the routes of your service mesh lead to the label "
		      "'%s=%s'. Ctrl-C to leave.",
		      m->name, job->ns, job->name, ports, m->mark.key,
		      m->mark.value);
	return 0;
}

static void undo_manual(struct mesh *m)
{
	job_step_aside(&m->job, m->labels);
	job_drain(&m->job);
	job_disconnect(&m->job);
	job_remove_shadow(&m->job);
}

/* --- manual, with the routes ---------------------------------------------- */

static int start_route(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *ports = NULL;
	char text[1200];
	int rc = check_manual(m, err);

	if (rc == 0)
		rc = mesh_route_check(&m->route, err);
	if (rc == 0)
		rc = step_record(m, err);
	if (rc == 0)
		rc = mesh_route_origin(&m->route, err);
	if (rc < 0)
		return rc;
	warn_tls(job);
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	m->labels = json_pack("{s:s}", m->mark.key, m->mark.value);
	job->face.name = m->name;
	job->face.role = KT_ROLE_MESH;
	job->face.target = job->target;
	job->face.labels = m->labels;
	rc = lease_clear_pods(job, m->labels, err);
	if (rc == 0)
		rc = job_shadow(job, false, err);
	if (rc == 0)
		rc = job_tunnel(job, err);
	if (rc < 0)
		return rc;
	progress_step(job->app->progress, "Write the routes");
	rc = mesh_route_start(&m->route, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "The %ss lead the mark to Service %s",
		      m->route.api->kind, m->name);
	ports = job_text(job);
	progress_note(job->app->progress,
		      "All looks good: requests to Service %s/%s with %s are "
		      "redirected to local, %s, by the routes of the service "
		      "mesh; all others go where they went. Ctrl-C to leave.",
		      job->ns, job->name, mark_text(m, text, sizeof(text)),
		      ports);
	return 0;
}

static void undo_route(struct mesh *m)
{
	bool left = mesh_route_leave(&m->route);

	if (left && m->record) {
		job_drain(&m->job);
		job_disconnect(&m->job);
		job_remove_shadow(&m->job);
		mesh_route_remove_origin(&m->route);
		remove_record(m);
	}
	job_disconnect(&m->job);
	heartbeat_stop(m->record);
	mesh_route_fini(&m->route);
}

/* --- the command ---------------------------------------------------------- */

static int mesh_start(struct mesh *m, struct kt_error *err)
{
	if (m->opt->mode == MESH_AUTO)
		return start_auto(m, err);
	return m->route.api ? start_route(m, err) : start_manual(m, err);
}

static void mesh_undo(struct mesh *m)
{
	if (m->opt->mode == MESH_AUTO)
		undo_auto(m);
	else if (m->route.api)
		undo_route(m);
	else
		undo_manual(m);
}

static int mesh_run(struct mesh *m, const char *target, struct kt_error *err)
{
	bool manual = m->opt->mode == MESH_MANUAL;
	int rc = read_mark(m, err);

	if (rc == 0 && m->opt->route && !manual)
		rc = kt_fail(err, EINVAL,
			     "--route is for --mode manual: in mode auto no "
			     "service mesh is needed");
	if (rc < 0)
		return rc;
	progress_begin(m->job.app->progress, !manual	     ? STEPS_AUTO
					     : m->opt->route ? STEPS_ROUTE
							     : STEPS_MANUAL);
	rc = job_open(&m->job, target, err);
	if (rc == 0)
		rc = mesh_start(m, err);
	return rc < 0 ? rc : job_serve(&m->job, err);
}

static const struct route_api *api_of(const struct mesh_options *o)
{
	return o->route == ROUTE_ISTIO	   ? &route_istio
	       : o->route == ROUTE_GATEWAY ? &route_gateway
					   : NULL;
}

int command_mesh(struct app *app, const struct options *o)
{
	struct global_options global = o->global;
	struct mesh m = {
		.job = { .app = app,
			 .global = &global,
			 .opt = &o->mesh.in,
			 .component = "mesh" },
		.opt = &o->mesh,
	};
	struct kt_error err = { 0 };
	int rc;

	m.route.job = &m.job;
	m.route.api = api_of(&o->mesh);
	m.route.mark = &m.mark;
	m.route.record = m.name;
	if (o->mesh.router_image && o->mesh.mode == MESH_AUTO)
		global.pod.image = o->mesh.router_image;
	rc = mesh_run(&m, o->args[0], &err);
	if (rc != -EINTR)
		progress_fail(app->progress);
	signals_clean_up(app->signals);
	mesh_undo(&m);
	rc = job_end(&m.job, rc, &err, "mesh");
	job_close(&m.job);
	json_decref(m.labels);
	free(m.router);
	return rc;
}
