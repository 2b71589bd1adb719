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
#include "inbound/holder.h"
#include "inbound/inward.h"
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
	struct inward in;
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
static void warn_tls(const struct inward *in)
{
	for (size_t i = 0; i < in->ports.n; i++) {
		const struct service_port *p = &in->ports.v[i];

		if (strncmp(p->name, "https", 5) == 0 || p->port == 443)
			log_warn("port %u of Service %s seems to be TLS, where "
				 "no mark can be seen: all of it goes to the "
				 "Service's own Pods",
				 p->port, in->name);
	}
}

static int step_service(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
	int rc = inward_look(in, err);

	if (rc < 0)
		return rc;
	mark_object_name(&m->mark, in->name, m->name);
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
	const struct inward *in = &m->in;
	const char *route = m->route.api ? m->route.api->name : NULL;
	char now[24], match[RULE_MATCH_MAX];

	snprintf(now, sizeof(now), "%" PRId64, inward_now(in));
	return json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s,s:s},s:{s:s,s:s,s:s*,s:s,"
		"s:s*,s:s*}},s:{s:o,s:O}}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name",
		m->name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		KT_LABEL_ROLE, KT_ROLE_MESH, "annotations",
		KT_ANNOTATION_HEARTBEAT, now, KT_ANNOTATION_USER, shadow_user(),
		KT_ANNOTATION_CONFIG, in->config_text, "kt-match",
		rule_match_print(&m->match, match), KT_ANNOTATION_ROUTE, route,
		KT_ANNOTATION_OWNER, owner_token(in->owner), "spec", "selector",
		record_selector(m), "ports",
		json_at(in->service, "spec", "ports", NULL));
}

/* Ports without what only the original can have */
static json_t *record_object(const struct mesh *m)
{
	auto_json json_t *all = make_record(m);
	json_t *copy = json_deep_copy(all), *port;
	size_t i;

	json_array_foreach (json_at(copy, "spec", "ports", NULL), i, port)
		json_object_del(port, "nodePort");
	return copy;
}

/* Somebody has it; whoever is gone does not count */
static int take_record(struct mesh *m, const char *path, struct kt_error *err)
{
	struct inward *in = &m->in;
	auto_json json_t *record = NULL, *list = json_array();
	auto_free char *user = NULL;
	char text[1200];
	int rc = kube_get(in->kube, path, &record, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	in->heir = !holder_is_alive(in, record);
	if (in->heir)
		return kube_delete(in->kube, path, 0, err);
	json_array_append(list, record);
	user = holder_users(list);
	kt_hint(err, "choose another --versionMark");
	return kt_fail(err, EEXIST, "Service %s/%s is meshed with %s by %s",
		       in->ns, in->name, mark_text(m, text, sizeof(text)),
		       user);
}

static int step_record(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
	auto_free char *all = kube_path("v1", "services", in->ns, NULL, NULL);
	auto_free char *path =
		kube_path("v1", "services", in->ns, m->name, NULL);
	auto_json json_t *record = record_object(m);
	json_t **made = &m->route.made;
	int rc = kube_create(in->kube, all, record, made, err);

	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		rc = take_record(m, path, err);
		if (rc == 0)
			rc = kube_create(in->kube, all, record, made, err);
	}
	if (rc == 0)
		m->record = heartbeat_start(in->kube, path, HEARTBEAT_INTERVAL,
					    in->global->use_local_time);
	return rc;
}

static void remove_record(struct mesh *m)
{
	auto_free char *path =
		kube_path("v1", "services", m->in.ns, m->name, NULL);
	struct kt_error err = { 0 };

	if (!m->record)
		return;
	heartbeat_stop(m->record);
	m->record = NULL;
	if (kube_delete(m->in.kube, path, -1, &err) < 0)
		log_warn("Service %s was not removed: %s", m->name, err.msg);
}

/* --- auto ----------------------------------------------------------------- */

static void face_router(struct mesh *m, bool join)
{
	struct inward *in = &m->in;
	const char *target = join ? service_target(in->service) : NULL;

	if (target)
		snprintf(in->target, sizeof(in->target), "%s", target);
	else
		target_make(in->target);
	m->router = xasprintf("%s" KT_ROUTER, in->name);
	in->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_ROUTER,
				 KT_LABEL_TARGET, in->target);
	in->face.name = m->router;
	in->face.role = KT_ROLE_ROUTER;
	in->face.target = in->target;
	in->face.config = in->config_text;
}

/* A router that is there without a Service leading to it (its maker broke off)
 * has a target of its own */
static int adopt_target(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
	auto_free char *path = kube_path("v1", "pods", in->ns, m->router, NULL);
	auto_json json_t *pod = NULL;
	const char *target;
	int rc = kube_get(in->kube, path, &pod, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	target = object_label(pod, KT_LABEL_TARGET);
	if (json_at(pod, "metadata", "deletionTimestamp", NULL) || !target)
		return 0;
	snprintf(in->target, sizeof(in->target), "%s", target);
	json_object_set_new(in->selector, KT_LABEL_TARGET, json_string(target));
	return 0;
}

static int start_auto(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
	auto_free char *ports = NULL;
	char text[1200];
	int rc = step_service(m, err), join = 0;

	if (rc == 0)
		rc = inward_rules(in, &m->match, err);
	if (rc == 0)
		rc = inward_lock(in, err);
	if (rc == 0)
		rc = join = holder_check(in, true, err);
	if (rc < 0)
		return rc;
	warn_tls(in);
	in->config_text = xasprintf("service=%s", in->name);
	face_router(m, join);
	rc = step_record(m, err);
	if (rc == 0)
		rc = inward_stuntman(in, err);
	if (rc == 0 && !join)
		rc = adopt_target(m, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "Service %s/%s%s", in->ns, in->name,
		      join ? ", which has a router already" : "");
	rc = inward_shadow(in, true, err);
	if (rc == 0)
		rc = inward_tunnel(in, err);
	if (rc < 0)
		return rc;
	progress_step(in->app->progress, "Switch Service %s", in->name);
	rc = inward_take(in, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "Service %s/%s leads to the router",
		      in->ns, in->name);
	inward_unlock(in);
	ports = inward_text(in);
	progress_note(in->app->progress,
		      "All looks good: requests to Service %s/%s with %s are "
		      "redirected to local, %s; all others reach its own "
		      "Pods. Ctrl-C to leave.",
		      in->ns, in->name, mark_text(m, text, sizeof(text)),
		      ports);
	return 0;
}

/* Am I the last one? When nobody can say, it is better to stay. */
static bool is_last(struct mesh *m)
{
	auto_json json_t *others = NULL;
	struct kt_error err = { 0 };

	if (holder_meshes(&m->in, m->name, &others, &err) < 0) {
		log_warn("the router of Service %s stays: %s", m->in.name,
			 err.msg);
		return false;
	}
	return !json_array_size(others);
}

static void leave_router(struct mesh *m, bool last)
{
	struct kt_error err = { 0 };

	if (m->in.shadow && shadow_leave(m->in.shadow, last, &err) < 0)
		log_warn("%s: %s", shadow_describe(m->in.shadow), err.msg);
}

static void undo_auto(struct mesh *m)
{
	struct inward *in = &m->in;
	struct kt_error err = { 0 };

	if (!m->record) { /* nothing was made */
		inward_unlock(in);
		return;
	}
	/* so that nobody joins what goes away; without the lock it is a risk,
	 * but staying is none */
	if (!in->locked && inward_lock(in, &err) < 0)
		log_debug("%s", err.msg);
	if (is_last(m)) {
		in->taken = true; /* by another of us, perhaps */
		if (inward_give_back(in)) {
			inward_drain(in);
			inward_disconnect(in);
			leave_router(m, true);
			inward_stuntman_remove(in);
		}
	} else {
		inward_withdraw(in);
		inward_disconnect(in);
		leave_router(m, false);
	}
	remove_record(m);
	inward_unlock(in);
}

/* --- manual --------------------------------------------------------------- */

static int check_manual(struct mesh *m, struct kt_error *err)
{
	int rc = step_service(m, err);

	if (rc == 0 && m->opt->match)
		rc = kt_fail(err, EINVAL,
			     "--match is for --mode auto: in mode manual the "
			     "routes of the service mesh decide");
	if (rc == 0 && !mark_is_label(&m->mark))
		rc = kt_fail(err, EINVAL,
			     "--versionMark %s:%s cannot be a label of a Pod",
			     m->mark.key, m->mark.value);
	return rc == 0 ? inward_rules(&m->in, NULL, err) : rc;
}

static int start_manual(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
	auto_free char *ports = NULL;
	int rc = check_manual(m, err);

	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "Service %s/%s", in->ns, in->name);
	m->labels = json_copy(in->original);
	json_object_set_new(m->labels, m->mark.key, json_string(m->mark.value));
	in->face.name = m->name;
	in->face.role = KT_ROLE_MESH;
	in->face.labels = m->labels;
	rc = holder_clear_pods(in, m->labels, err);
	if (rc == 0)
		rc = inward_shadow(in, false, err);
	if (rc == -EEXIST)
		kt_hint(err, "choose another --versionMark");
	if (rc == 0)
		rc = inward_tunnel(in, err);
	if (rc < 0)
		return rc;
	ports = inward_text(in);
	progress_note(in->app->progress,
		      "All looks good: Pod %s is part of Service %s/%s, %s. "
		      "Let the routes of your service mesh lead to the label "
		      "'%s=%s'. Ctrl-C to leave.",
		      m->name, in->ns, in->name, ports, m->mark.key,
		      m->mark.value);
	return 0;
}

static void undo_manual(struct mesh *m)
{
	inward_step_aside(&m->in, m->labels);
	inward_drain(&m->in);
	inward_disconnect(&m->in);
	inward_remove_shadow(&m->in);
}

/* --- manual, with the routes -------------------------------------------------
 */

static int start_route(struct mesh *m, struct kt_error *err)
{
	struct inward *in = &m->in;
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
	warn_tls(in);
	progress_done(in->app->progress, "Service %s/%s", in->ns, in->name);
	m->labels = json_pack("{s:s}", m->mark.key, m->mark.value);
	in->face.name = m->name;
	in->face.role = KT_ROLE_MESH;
	in->face.target = in->target;
	in->face.labels = m->labels;
	rc = holder_clear_pods(in, m->labels, err);
	if (rc == 0)
		rc = inward_shadow(in, false, err);
	if (rc == 0)
		rc = inward_tunnel(in, err);
	if (rc < 0)
		return rc;
	progress_step(in->app->progress, "Write the routes");
	rc = mesh_route_start(&m->route, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "The %ss lead the mark to Service %s",
		      m->route.api->kind, m->name);
	ports = inward_text(in);
	progress_note(in->app->progress,
		      "All looks good: requests to Service %s/%s with %s are "
		      "redirected to local, %s, by the routes of the service "
		      "mesh; all others go where they went. Ctrl-C to leave.",
		      in->ns, in->name, mark_text(m, text, sizeof(text)),
		      ports);
	return 0;
}

static void undo_route(struct mesh *m)
{
	bool left = mesh_route_leave(&m->route);

	if (left && m->record) {
		inward_drain(&m->in);
		inward_disconnect(&m->in);
		inward_remove_shadow(&m->in);
		mesh_route_remove_origin(&m->route);
		remove_record(m);
	}
	inward_disconnect(&m->in);
	heartbeat_stop(m->record);
	mesh_route_fini(&m->route);
}

/* --- the command ---------------------------------------------------------- */

static int start(struct mesh *m, struct kt_error *err)
{
	if (m->opt->mode == MESH_AUTO)
		return start_auto(m, err);
	return m->route.api ? start_route(m, err) : start_manual(m, err);
}

static void undo(struct mesh *m)
{
	if (m->opt->mode == MESH_AUTO)
		undo_auto(m);
	else if (m->route.api)
		undo_route(m);
	else
		undo_manual(m);
}

static int run(struct mesh *m, const char *target, struct kt_error *err)
{
	bool manual = m->opt->mode == MESH_MANUAL;
	int rc = read_mark(m, err);

	if (rc == 0 && m->opt->route && !manual)
		rc = kt_fail(err, EINVAL,
			     "--route is for --mode manual: in mode auto no "
			     "service mesh is needed");
	if (rc < 0)
		return rc;
	progress_begin(m->in.app->progress, !manual	    ? STEPS_AUTO
					    : m->opt->route ? STEPS_ROUTE
							    : STEPS_MANUAL);
	rc = inward_open(&m->in, target, err);
	if (rc == 0)
		rc = start(m, err);
	return rc < 0 ? rc : inward_serve(&m->in, err);
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
		.in = { .app = app,
			.global = &global,
			.opt = &o->mesh.in,
			.component = "mesh" },
		.opt = &o->mesh,
	};
	struct kt_error err = { 0 };
	int rc;

	m.route.in = &m.in;
	m.route.api = api_of(&o->mesh);
	m.route.mark = &m.mark;
	m.route.record = m.name;
	if (o->mesh.router_image && o->mesh.mode == MESH_AUTO)
		global.pod.image = o->mesh.router_image;
	rc = run(&m, o->args[0], &err);
	if (rc != -EINTR)
		progress_fail(app->progress);
	signals_clean_up(app->signals);
	undo(&m);
	rc = inward_end(&m.in, rc, &err, "mesh");
	inward_close(&m.in);
	json_decref(m.labels);
	free(m.router);
	return rc;
}
