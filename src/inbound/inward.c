/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/inward.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/progress.h"
#include "cluster/guard.h"
#include "cluster/mend.h"
#include "cluster/takeover.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/pidfile.h"
#include "local/signals.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define STEADY (2 * NS_SEC)	/* every node knows a Service's selector then */
#define WITHDRAWN (300 * NS_MS) /* the shadow has heard of it then */
#define DRAIN_POLL (20 * NS_MS)
/* a connection so long quiet is an idle one; in the last second, one that might
 * be */
#define DRAIN_IDLE NS_SEC
#define DRAIN_LULL (10 * NS_MS)
#define REFUSALS_TOLD 3
#define HEIR_PATIENCE (15 * NS_SEC) /* longer than the usual grace time */

int64_t inward_now(const struct inward *in)
{
	return in->global->use_local_time ? (int64_t)time(NULL)
					  : kube_cluster_time(in->kube);
}

/* --- the lock ------------------------------------------------------------- */

static void on_lock_wait(void *user)
{
	struct inward *in = user;

	progress_detail(in->app->progress, "somebody else is changing it");
}

int inward_lock(struct inward *in, struct kt_error *err)
{
	int rc = mend_lock(in->kube, in->ns, in->name, inward_now(in),
			   on_lock_wait, in, &in->locked, err);

	if (rc < 0)
		return kt_wrap(err, rc, "lock Service %s/%s", in->ns, in->name);
	return inward_read(in, err);
}

void inward_unlock(struct inward *in)
{
	struct kt_error err = { 0 };

	if (in->locked &&
	    mend_unlock(in->kube, in->ns, in->name, in->locked, &err) < 0)
		log_warn("Service %s/%s stays locked for %d s: %s", in->ns,
			 in->name, KT_LOCK_LIFE, err.msg);
	in->locked = 0;
}

/* --- shadow and tunnel ---------------------------------------------------- */

static void on_progress(void *user, const char *text)
{
	struct inward *in = user;

	progress_detail(in->app->progress, "%s", text);
}

int inward_shadow(struct inward *in, bool share, struct kt_error *err)
{
	struct shadow_config cfg = {
		.kube = in->kube,
		.ns = in->ns,
		.pod = &in->global->pod,
		.use_local_time = in->global->use_local_time,
		.face = &in->face,
		.share = share,
		.owner = owner_token(in->owner),
		.progress = on_progress,
		.user = in,
	};
	int rc;

	/* a shadow of one user has the rule "all" only: then a refused
	 * connection is a refused one, whatever is spoken on it */
	in->serve = service_ports_serve(&in->ports, in->origin, !share);
	in->containers = service_ports_containers(&in->ports);
	in->face.serve = in->serve;
	in->face.ports = in->containers;
	in->face.low_ports = service_ports_low(&in->ports);
	progress_step(in->app->progress, "Start the %s Pod in namespace %s",
		      share ? "router" : "shadow", in->ns);
	in->shadow = shadow_new(&cfg);
	rc = shadow_ensure(in->shadow, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "%s Pod %s/%s is ready",
		      share ? "Router" : "Shadow", in->ns,
		      shadow_pod_name(in->shadow));
	return 0;
}

void inward_tell_caller(void *user, const struct inbound_caller *c)
{
	struct inward *in = user;
	char from[IPPORT_STRLEN];

	log_debug("caller %s of port %u: %s",
		  c->from.addr.family ? ipport_str(&c->from, from) : "",
		  c->remote, c->error ? strerror(-c->error) : "connected");
	if (!c->error || in->refusals >= REFUSALS_TOLD)
		return;
	for (size_t i = 0; i < in->nlocal; i++)
		if (in->local[i].remote == c->remote &&
		    in->local[i].udp == c->udp) {
			in->refusals++;
			log_warn("a caller could not be connected to "
				 "localhost:%u: %s%s",
				 in->local[i].local.port, strerror(-c->error),
				 in->refusals == REFUSALS_TOLD
					 ? " (further ones are not told)"
					 : "");
		}
}

static int on_renew(void *user, struct kt_error *err)
{
	struct inward *in = user;

	return in->renew ? in->renew(in->attend_user, err) : 0;
}

/* Who was killed has its rules for its grace time still. */
static int connect_uplink(struct inward *in, const struct uplink_config *cfg,
			  struct kt_error *err)
{
	int64_t end = clock_ns() + HEIR_PATIENCE;
	int rc;

	for (;;) {
		in->uplink = uplink_new(cfg);
		rc = uplink_connect(in->uplink, err);
		if (rc != -EEXIST || !in->heir || clock_ns() >= end)
			return rc;
		progress_detail(in->app->progress,
				"the rules of a killed ktctl are in force");
		uplink_free(in->uplink);
		in->uplink = NULL;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(in->app->loop, NS_SEC);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

int inward_tunnel(struct inward *in, struct kt_error *err)
{
	struct uplink_config cfg = {
		.loop = in->app->loop,
		.kube = in->kube,
		.ns = in->ns,
		.shadow = in->shadow,
		.open_timeout_ns = in->global->port_forward_timeout * NS_SEC,
		.home = in->app->home,
		.carrier = in->global->carrier,
		.inbound = &in->spec,
		.caller = inward_tell_caller,
		.renew = on_renew,
		.user = in,
	};
	int rc;

	in->spec = (struct inbound_spec){
		.user = shadow_user(),
		.grace_s = (unsigned int)in->opt->grace_time,
		.rules = in->rules,
		.nrules = in->nrules,
		.ports = in->local,
		.nports = in->nlocal,
	};
	progress_step(in->app->progress, "Open the tunnel");
	rc = connect_uplink(in, &cfg, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "The tunnel is up");
	return 0;
}

int inward_serve(struct inward *in, struct kt_error *err)
{
	int rc = 0;

	in->ready = true;
	while (rc == 0) {
		rc = uplink_wait(in->uplink, err);
		if (rc == 0 && in->changed) {
			in->changed = false;
			if (in->attend)
				rc = in->attend(in->attend_user, err);
		}
		if (rc == 0)
			rc = uplink_heal(in->uplink, err);
	}
	return rc;
}

/* --- the end -------------------------------------------------------------- */

void inward_step_aside(struct inward *in, const json_t *labels)
{
	auto_free char *path = NULL;
	auto_json json_t *patch = NULL;
	struct kt_error err = { 0 };
	json_t *none, *value;
	const char *key;

	/* a Deployment would make another Pod in its place */
	if (!in->ready || in->global->pod.deployment)
		return;
	path = kube_path("v1", "pods", in->ns, shadow_pod_name(in->shadow),
			 NULL);
	none = json_object();
	json_object_foreach ((json_t *)(uintptr_t)labels, key, value)
		json_object_set_new(none, key, json_null());
	patch = json_pack("{s:{s:o}}", "metadata", "labels", none);
	if (kube_patch(in->kube, path, patch, NULL, &err) < 0)
		log_debug("%s", err.msg);
}

int64_t inward_quiet(int64_t end)
{
	return end - clock_ns() > NS_SEC ? DRAIN_IDLE : DRAIN_LULL;
}

/* @settle: until no new caller comes */
static void drain(struct inward *in, int64_t settle)
{
	struct inbound *tunnel = in->uplink ? uplink_inbound(in->uplink) : NULL;
	int64_t end = clock_ns() + in->opt->grace_time * NS_SEC;

	if (!tunnel || !in->ready)
		return;
	progress_note(in->app->progress,
		      "Requests under way end (Ctrl-C ends them now)");
	if (loop_sleep(in->app->loop, settle) < 0)
		return;
	while (inbound_callers(tunnel) && clock_ns() < end) {
		inbound_end_quiet(tunnel, inward_quiet(end));
		if (loop_sleep(in->app->loop, DRAIN_POLL) < 0)
			return;
	}
}

void inward_drain(struct inward *in)
{
	struct inbound *tunnel = in->uplink ? uplink_inbound(in->uplink) : NULL;

	if (tunnel && in->ready)
		inbound_drain(tunnel);
	drain(in, STEADY);
}

void inward_withdraw(struct inward *in)
{
	struct inbound *tunnel = in->uplink ? uplink_inbound(in->uplink) : NULL;

	if (tunnel && inbound_set_rules(tunnel, NULL, 0) == 0)
		drain(in, WITHDRAWN);
}

void inward_disconnect(struct inward *in)
{
	guard_stop(in->guard); /* it wakes the uplink */
	in->guard = NULL;
	uplink_free(in->uplink);
	in->uplink = NULL;
}

void inward_remove_shadow(struct inward *in)
{
	struct kt_error err = { 0 };

	if (in->shadow && shadow_remove(in->shadow, &err) < 0)
		log_warn("%s was not removed: %s", shadow_describe(in->shadow),
			 err.msg);
}

void inward_close(struct inward *in)
{
	guard_stop(in->guard);
	heartbeat_stop(in->stuntman_beat);
	uplink_free(in->uplink);
	shadow_free(in->shadow);
	service_ports_fini(&in->ports);
	json_decref(in->named);
	json_decref(in->service);
	json_decref(in->original);
	json_decref(in->selector);
	json_decref(in->containers);
	free(in->local);
	free(in->rules);
	free(in->origin);
	free(in->prefix);
	free(in->config_text);
	free(in->serve);
	pidfile_free(in->pidfile);
	owner_free(in->owner);
	kube_free(in->kube);
	kube_config_free(in->config);
}

int inward_end(struct inward *in, int rc, const struct kt_error *err,
	       const char *role)
{
	struct app *app = in->app;

	if (rc == -EINTR && in->ready && signals_seen(app->signals)) {
		log_info("left on %s",
			 signals_name(signals_seen(app->signals)));
		return EXIT_OK;
	}
	rc = app_fail(app, rc, err);
	offer_role(err, role);
	return rc;
}
