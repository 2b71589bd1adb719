/* SPDX-License-Identifier: Apache-2.0 */
/* Exchange, mesh: what is written into the user's Service and beside it. */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/guard.h"
#include "cluster/mend.h"
#include "cluster/takeover.h"
#include "inbound/inward.h"
#include "kube/rest.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

#define RECOVERED_PAUSE (3 * NS_SEC)

/* --- the origin ---------------------------------------------------------- */

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

/* --- the switch, and what keeps it ---------------------------------------- */

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

/* The Service was changed by somebody, perhaps: take it again, and remember
 * what it shall be. -ECANCELED: it was recovered. */
static int keep(void *user, struct kt_error *err)
{
	struct inward *in = user;
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

void inward_attend(void *user)
{
	struct inward *in = user;

	in->changed = true;
	if (in->uplink)
		uplink_wake(in->uplink);
}

/* The Pod is gone. Somebody's `recover`, or only the Pod? */
static int pod_is_gone(void *user, struct kt_error *err)
{
	struct inward *in = user;
	auto_free char *path =
		kube_path("v1", "services", in->ns, in->name, NULL);
	auto_json json_t *service = NULL, *original = NULL;
	struct kt_error why = { 0 };

	if (kube_get(in->kube, path, &service, &why) < 0 ||
	    service_guard(service, in->selector, &original) !=
		    SERVICE_GIVEN_BACK)
		return 0;
	return kt_fail(err, ECANCELED,
		       "Service %s/%s was recovered by somebody else", in->ns,
		       in->name);
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

static void start_guard(struct inward *in)
{
	auto_free char *path = kube_path("v1", "services", in->ns, NULL, NULL);
	auto_free char *field = xasprintf("metadata.name=%s", in->name);
	auto_free char *query = kube_query(NULL, "fieldSelector", field);

	in->guard = guard_start(in->kube, path, query, inward_attend, in);
}

int inward_take(struct inward *in, struct kt_error *err)
{
	int rc = mend_service(in->kube, in->ns, in->name, take, in, err);

	if (rc < 0) {
		in->taken = in->unsure = !err->http_status;
		return kt_wrap(err, rc, "switch Service %s/%s", in->ns,
			       in->name);
	}
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
	in->attend = keep;
	in->renew = pod_is_gone;
	in->attend_user = in;
	start_guard(in);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

void inward_be_sure(struct inward *in)
{
	if (in->unsure)
		(void)!loop_sleep(in->app->loop, UNSURE_PAUSE);
	in->unsure = false;
}

bool inward_give_back(struct inward *in)
{
	struct kt_error err = { 0 };
	int rc;

	guard_stop(in->guard);
	in->guard = NULL;
	in->attend = in->renew = NULL;
	if (!in->taken)
		return true;
	inward_be_sure(in);
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
