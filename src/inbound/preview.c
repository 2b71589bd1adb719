/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl preview: a program of this machine is a new Service of the cluster.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "inbound/holder.h"
#include "inbound/inward.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define STEPS 4

struct preview {
	struct inward in;
	const struct preview_options *opt;
	struct heartbeat *service; /* of the one that we made */
};

static json_t *make_ports(const struct expose *e, int minor)
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

static json_t *make_service(const struct preview *p)
{
	const struct inward *in = &p->in;
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, inward_now(in));
	return json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s},s:{s:s,s:s,s:s,s:s*}},s:{s:s,s:O,s:o}"
		"}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name",
		in->name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		"annotations", KT_ANNOTATION_HEARTBEAT, now, KT_ANNOTATION_USER,
		shadow_user(), KT_ANNOTATION_CONFIG, in->config_text,
		KT_ANNOTATION_OWNER, owner_token(in->owner), "spec", "type",
		p->opt->external ? "LoadBalancer" : "ClusterIP", "selector",
		in->selector, "ports",
		make_ports(&p->opt->in.expose, in->minor));
}

static int check_expose(const struct preview *p, struct kt_error *err)
{
	const struct expose *e = &p->opt->in.expose;

	for (size_t i = 0; i < e->n; i++)
		if (!e->v[i].number)
			return kt_fail(
				err, EINVAL,
				"--expose %u:%s: a new Service needs the "
				"number of its port",
				e->v[i].local, e->v[i].name);
	return 0;
}

static int taken_name(const struct inward *in, struct kt_error *err)
{
	kt_hint(err, "choose another name, or use 'ktctl exchange %s'",
		in->name);
	return kt_fail(err, EEXIST, "Service %s/%s exists already", in->ns,
		       in->name);
}

/* The Service of a preview that was killed makes room for this one */
static int clear_dead(struct inward *in, const char *path,
		      const json_t *service, struct kt_error *err)
{
	const json_t *selector = json_at(service, "spec", "selector", NULL);
	int rc;

	if (!str_eq(object_label(service, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE) ||
	    !str_eq(service_role(service), KT_ROLE_PREVIEW) ||
	    holder_is_alive(in, service))
		return taken_name(in, err);
	log_info("Service %s/%s was left by a ktctl that is gone: it is "
		 "removed",
		 in->ns, in->name);
	rc = kube_delete(in->kube, path, 0, err);
	return rc < 0 ? rc : holder_clear_pods(in, selector, err);
}

static int step_plan(struct preview *p, struct kt_error *err)
{
	struct inward *in = &p->in;
	auto_free char *path = NULL;
	auto_json json_t *found = NULL;
	struct kt_error why = { 0 };
	int rc = check_expose(p, err);

	if (rc < 0)
		return rc;
	if (in->subject.kind != SUBJECT_SERVICE)
		return kt_fail(err, EINVAL, "preview makes a Service, no %s",
			       subject_kind_name(in->subject.kind));
	snprintf(in->name, sizeof(in->name), "%.63s", in->subject.name);
	path = kube_path("v1", "services", in->ns, in->name, NULL);
	if (kube_get(in->kube, path, &found, &why) == 0) {
		rc = clear_dead(in, path, found, err);
		if (rc < 0)
			return rc; /* told before anything is made */
	}
	target_make(in->target);
	in->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_PREVIEW,
				 KT_LABEL_TARGET, in->target);
	in->config_text = xasprintf("service=%s", in->name);
	in->prefix = xasprintf("%s-kt-", in->name);
	in->face = (struct shadow_face){
		.prefix = in->prefix,
		.role = KT_ROLE_PREVIEW,
		.target = in->target,
		.config = in->config_text,
	};
	in->service = make_service(p);
	rc = service_ports_make(&in->ports, in->service, NULL, err);
	if (rc == 0)
		rc = inward_map(in, err);
	return rc < 0 ? rc : inward_rules(in, NULL, err);
}

static int step_service(struct preview *p, struct kt_error *err)
{
	struct inward *in = &p->in;
	auto_free char *all = kube_path("v1", "services", in->ns, NULL, NULL);
	auto_free char *path =
		kube_path("v1", "services", in->ns, in->name, NULL);
	auto_json json_t *service = make_service(p), *got = NULL;
	const char *ip;
	int rc;

	progress_step(in->app->progress, "Make Service %s", in->name);
	rc = kube_create(in->kube, all, service, &got, err);
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		return taken_name(in, err);
	}
	if (rc < 0)
		return rc;
	p->service = heartbeat_start(in->kube, path, HEARTBEAT_INTERVAL,
				     in->global->use_local_time);
	ip = json_str(got, "spec", "clusterIP", NULL);
	progress_done(in->app->progress, "Service %s/%s has the address %s",
		      in->ns, in->name, ip ? ip : "?");
	return 0;
}

static int run(struct preview *p, const char *target, struct kt_error *err)
{
	struct inward *in = &p->in;
	auto_free char *ports = NULL;
	int rc;

	progress_begin(in->app->progress, STEPS);
	rc = inward_open(in, target, err);
	if (rc == 0)
		rc = step_plan(p, err);
	if (rc == 0)
		rc = inward_shadow(in, false, err);
	if (rc == 0)
		rc = inward_tunnel(in, err);
	if (rc == 0)
		rc = step_service(p, err);
	if (rc < 0)
		return rc;
	ports = inward_text(in);
	progress_note(in->app->progress,
		      "All looks good: Service '%s' in namespace %s is on "
		      "this machine, %s. Ctrl-C to leave.",
		      in->name, in->ns, ports);
	return inward_serve(in, err);
}

static void undo(struct preview *p)
{
	struct inward *in = &p->in;
	auto_free char *path =
		kube_path("v1", "services", in->ns, in->name, NULL);
	struct kt_error err = { 0 };

	if (p->service) {
		heartbeat_stop(p->service);
		if (kube_delete(in->kube, path, -1, &err) < 0)
			log_warn("Service %s/%s was not removed: %s", in->ns,
				 in->name, err.msg);
	}
	inward_drain(in);
	inward_disconnect(in);
	inward_remove_shadow(in);
}

int command_preview(struct app *app, const struct options *o)
{
	struct preview p = {
		.in = { .app = app,
			.global = &o->global,
			.opt = &o->preview.in,
			.component = "preview" },
		.opt = &o->preview,
	};
	struct kt_error err = { 0 };
	int rc = run(&p, o->args[0], &err);

	if (rc != -EINTR)
		progress_fail(app->progress);
	signals_clean_up(app->signals);
	undo(&p);
	rc = inward_end(&p.in, rc, &err, "preview");
	inward_close(&p.in);
	return rc;
}
