/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/inward.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ktctl/app.h"
#include "ktctl/guard.h"
#include "ktctl/mend.h"
#include "ktctl/offer_role.h"
#include "ktctl/pidfile.h"
#include "ktctl/progress.h"
#include "ktctl/signals.h"
#include "ktctl/uplink.h"
#include "kube/rest.h"
#include "kube/takeover.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define STEADY (2 * NS_SEC) /* every node knows a Service's selector then */
#define DRAIN_POLL (50 * NS_MS)
#define RECOVERED_PAUSE (3 * NS_SEC)
#define REFUSALS_TOLD 3

int64_t inward_now(const struct inward *in)
{
	return in->global->use_local_time ? (int64_t)time(NULL)
					  : kube_cluster_time(in->kube);
}

/* --- the lock ----------------------------------------------------------------
 */

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

/* --- the origin ------------------------------------------------------------
 */

static char *stuntman_path(const struct inward *in)
{
	auto_free char *name = xasprintf("%s" KT_STUNTMAN, in->name);

	return kube_path("v1", "services", in->ns, name, NULL);
}

/* A merge patch: what is not named stays, what is null goes */
static json_t *selector_patch(const json_t *old, const json_t *selector)
{
	json_t *s = json_copy((json_t *)(uintptr_t)selector), *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)old, key, value)
		if (!json_object_get(s, key))
			json_object_set_new(s, key, json_null());
	return json_pack("{s:{s:o}}", "spec", "selector", s);
}

/* One that is there must be ours; its selector may be of former times */
static int adopt_stuntman(struct inward *in, const char *path, json_t **out,
			  struct kt_error *err)
{
	auto_json json_t *patch = NULL;
	int rc = kube_get(in->kube, path, out, err);

	if (rc < 0)
		return rc;
	if (!str_eq(object_label(*out, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE))
		return kt_fail(err, EEXIST,
			       "Service %s/%s" KT_STUNTMAN
			       " exists, and ktctl has not made it",
			       in->ns, in->name);
	if (json_equal(json_at(*out, "spec", "selector", NULL), in->original))
		return 0;
	patch = selector_patch(json_at(*out, "spec", "selector", NULL),
			       in->original);
	json_decref(*out);
	*out = NULL;
	return kube_patch(in->kube, path, patch, out, err);
}

int inward_stuntman(struct inward *in, struct kt_error *err)
{
	auto_free char *path = stuntman_path(in);
	auto_free char *all = kube_path("v1", "services", in->ns, NULL, NULL);
	const struct stuntman_spec spec = { in->service, in->original,
					    shadow_user(), inward_now(in) };
	auto_json json_t *want = stuntman_service(&spec), *got = NULL;
	const char *ip;
	int rc;

	if (strlen(in->name) + strlen(KT_STUNTMAN) > 63)
		return kt_fail(err, ENAMETOOLONG,
			       "Service %s/%s: %s" KT_STUNTMAN
			       " is too long a name for a second Service",
			       in->ns, in->name, in->name);
	rc = kube_create(in->kube, all, want, &got, err);
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		rc = adopt_stuntman(in, path, &got, err);
	}
	if (rc < 0)
		return rc;
	in->stuntman = true;
	ip = json_str(got, "spec", "clusterIP", NULL);
	if (!ip || !*ip)
		return kt_fail(err, EPROTO, "%s has no address", path);
	in->origin = xstrdup(ip);
	in->stuntman_beat = heartbeat_start(in->kube, path, HEARTBEAT_INTERVAL,
					    in->global->use_local_time);
	return 0;
}

void inward_stuntman_remove(struct inward *in)
{
	auto_free char *path = stuntman_path(in);
	struct kt_error err = { 0 };

	heartbeat_stop(in->stuntman_beat);
	in->stuntman_beat = NULL;
	if (in->stuntman && kube_delete(in->kube, path, -1, &err) < 0)
		log_warn("Service %s" KT_STUNTMAN " was not removed: %s",
			 in->name, err.msg);
	in->stuntman = false;
}

/* --- shadow and tunnel ------------------------------------------------------
 */

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
		.global = in->global,
		.face = &in->face,
		.share = share,
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

/* A program that was not started yet would be searched for elsewhere */
static void on_caller(void *user, const struct inbound_caller *c)
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

/* The Pod is gone. Somebody's `recover`, or only the Pod? */
static int on_renew(void *user, struct kt_error *err)
{
	struct inward *in = user;
	auto_free char *path = NULL;
	auto_json json_t *service = NULL, *original = NULL;
	struct kt_error why = { 0 };

	if (!in->taken)
		return 0;
	path = kube_path("v1", "services", in->ns, in->name, NULL);
	if (kube_get(in->kube, path, &service, &why) < 0 ||
	    service_guard(service, in->selector, &original) !=
		    SERVICE_GIVEN_BACK)
		return 0;
	return kt_fail(err, ECANCELED,
		       "Service %s/%s was recovered by somebody else", in->ns,
		       in->name);
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
		.caller = on_caller,
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
	in->uplink = uplink_new(&cfg);
	rc = uplink_connect(in->uplink, err);
	if (rc < 0)
		return rc;
	progress_done(in->app->progress, "The tunnel is up");
	return 0;
}

/* --- the switch, and what keeps it ------------------------------------------
 */

struct watchman {
	struct inward *in;
	enum service_guard state;
	bool force; /* retake one that was given back */
	json_t *original;
};

static json_t *take_again(const json_t *service, void *arg)
{
	struct watchman *w = arg;

	json_decref(w->original);
	w->state = service_guard(service, w->in->selector, &w->original);
	if (w->state == SERVICE_OURS ||
	    (w->state == SERVICE_GIVEN_BACK && !w->force))
		return NULL;
	return service_taken(service, w->in->selector,
			     w->original ? w->original : w->in->original);
}

/* The record has changed: the origin is what somebody says now */
static int follow(struct inward *in, const struct watchman *w,
		  struct kt_error *err)
{
	auto_free char *path = stuntman_path(in);
	json_t *got = NULL;
	int rc = 0;

	if (!w->original || json_equal(w->original, in->original))
		return 0;
	json_decref(in->original);
	in->original = json_incref(w->original);
	if (in->stuntman)
		rc = adopt_stuntman(in, path, &got, err);
	json_decref(got);
	return rc;
}

static int guard_service(struct inward *in, struct kt_error *err)
{
	struct watchman w = { .in = in };
	int rc = mend_service(in->kube, in->ns, in->name, take_again, &w, err);

	if (rc == 0 && w.state == SERVICE_GIVEN_BACK) {
		/* who recovers removes the Pod next; who only replaced the
		 * object does not */
		rc = loop_sleep(in->app->loop, RECOVERED_PAUSE);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
		w.force = shadow_check(in->shadow, err) > 0;
		if (!w.force) {
			json_decref(w.original);
			return kt_fail(err, ECANCELED,
				       "Service %s/%s was recovered by "
				       "somebody else",
				       in->ns, in->name);
		}
		rc = mend_service(in->kube, in->ns, in->name, take_again, &w,
				  err);
	}
	if (rc > 0) {
		log_warn("Service %s/%s was changed by somebody: requests keep "
			 "coming here, and what it shall be is remembered",
			 in->ns, in->name);
		rc = follow(in, &w, err);
	}
	json_decref(w.original);
	if (rc == -ENOENT)
		log_warn("Service %s/%s was deleted", in->ns, in->name);
	else if (rc < 0 && rc != -EINTR)
		log_warn("Service %s/%s: %s", in->ns, in->name, err->msg);
	if (rc == -EINTR)
		return rc;
	*err = (struct kt_error){ 0 };
	return 0;
}

static void on_changed(void *user)
{
	struct inward *in = user;

	in->changed = true;
	uplink_wake(in->uplink);
}

static json_t *take(const json_t *service, void *arg)
{
	struct inward *in = arg;
	auto_json json_t *original = service_original(service);

	if (object_annotation(service, KT_ANNOTATION_SELECTOR) ||
	    service_role(service))
		return NULL; /* somebody was quicker */
	return service_taken(service, in->selector, original);
}

int inward_take(struct inward *in, struct kt_error *err)
{
	int rc = mend_service(in->kube, in->ns, in->name, take, in, err);

	if (rc < 0)
		return kt_wrap(err, rc, "switch Service %s/%s", in->ns,
			       in->name);
	if (rc == 0 && inward_read(in, err) < 0)
		return -err->code;
	if (rc == 0 &&
	    !json_equal(json_at(in->service, "spec", "selector", NULL),
			in->selector))
		return kt_fail(err, EBUSY,
			       "Service %s/%s was taken by somebody else in "
			       "this moment",
			       in->ns, in->name);
	in->taken = true;
	in->guard = guard_start(in->kube, in->ns, in->name, on_changed, in);
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
			rc = guard_service(in, err);
		}
		if (rc == 0)
			rc = uplink_heal(in->uplink, err);
	}
	return rc;
}

/* --- the end -----------------------------------------------------------------
 */

bool inward_give_back(struct inward *in)
{
	struct kt_error err = { 0 };
	int rc;

	guard_stop(in->guard);
	in->guard = NULL;
	if (!in->taken)
		return true;
	rc = mend_restore(in->kube, in->ns, in->name, &err);
	if (rc < 0 && rc != -ENOENT) {
		log_warn("Service %s/%s was not given back: %s; its own Pods "
			 "answer through the shadow until 'ktctl recover %s'",
			 in->ns, in->name, err.msg, in->name);
		return false;
	}
	in->taken = false;
	return true;
}

void inward_step_aside(struct inward *in, const json_t *labels)
{
	auto_free char *path = NULL;
	auto_json json_t *patch = NULL;
	struct kt_error err = { 0 };
	json_t *none, *value;
	const char *key;

	/* a Deployment would make another Pod in its place */
	if (!in->ready || in->global->use_shadow_deployment)
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

void inward_drain(struct inward *in)
{
	struct inbound *tunnel = in->uplink ? uplink_inbound(in->uplink) : NULL;
	int64_t end = clock_ns() + in->opt->grace_time * NS_SEC;

	if (!tunnel || !in->ready)
		return;
	progress_note(in->app->progress,
		      "Requests under way end (Ctrl-C ends them now)");
	if (loop_sleep(in->app->loop, STEADY) < 0)
		return;
	while (inbound_callers(tunnel) && clock_ns() < end)
		if (loop_sleep(in->app->loop, DRAIN_POLL) < 0)
			return;
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
