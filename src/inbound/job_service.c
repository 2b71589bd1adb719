/* SPDX-License-Identifier: Apache-2.0 */
/* Exchange, mesh: what is written into the user's Service and beside it. */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/managers.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/job.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

/* --- the origin ----------------------------------------------------------- */

static char *stuntman_path(const struct job *job)
{
	auto_free char *name = stuntman_name(job->name);

	return kube_path("v1", "services", job->ns, name, NULL);
}

static json_t *make_stuntman(void *user)
{
	const struct job *job = user;
	const struct stuntman_spec spec = {
		job->service,
		job->original,
		shadow_user(),
		job->face.standing ? 0 : job_now(job),
		&job->global->pod,
		job->face.standing ? NULL : owner_token(job->owner)
	};

	return stuntman_service(&spec);
}

/* Who has it now renews it, and is asked for when it is swept; one that stands
 * has nobody */
static void stuntman_own(const struct job *job, const json_t *want,
			 json_t *patch)
{
	const char *owner = object_annotation(want, KT_ANNOTATION_OWNER);
	auto_json json_t *own = json_pack(
		"{s:{s:{s:o}}}", "metadata", "annotations", KT_ANNOTATION_OWNER,
		owner ? json_string(owner) : json_null());

	if (job->face.standing)
		json_object_set_new(
			json_object_get(json_object_get(own, "metadata"),
					"annotations"),
			KT_ANNOTATION_HEARTBEAT, json_null());
	json_object_update_recursive(patch, own);
}

/* One that is there must be ours; what it is may be of former times */
static int adopt_stuntman(struct job *job, const char *path, json_t **out,
			  struct kt_error *err)
{
	auto_json json_t *want = make_stuntman(job), *patch = NULL;
	auto_json json_t *more = NULL;
	int rc = kube_get(job->kube, path, out, err);

	if (rc < 0)
		return rc;
	if (!str_eq(object_label(*out, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE)) {
		kt_hint(err, "its name is needed for the origin of Service %s",
			job->name);
		return kt_fail(
			err, EEXIST,
			"Service %s/%s exists, and ktctl has not made it",
			job->ns, object_name(*out));
	}
	patch = stuntman_patch(*out, want);
	more = service_drift(*out, want); /* what a former one did not have */
	json_object_set(patch, "metadata", json_object_get(more, "metadata"));
	stuntman_own(job, want, patch);
	json_decref(*out);
	*out = NULL;
	return kube_patch(job->kube, path, patch, out, err);
}

int job_stuntman(struct job *job, struct kt_error *err)
{
	auto_free char *path = stuntman_path(job);
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_json json_t *want = make_stuntman(job), *got = NULL;
	const char *ip;
	int rc;

	rc = kube_create(job->kube, all, want, &got, err);
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		rc = adopt_stuntman(job, path, &got, err);
	}
	if (rc < 0)
		return kt_wrap(err, rc, "make a second Service of %s/%s",
			       job->ns, job->name);
	job->stuntman = true;
	ip = json_str(got, "spec", "clusterIP", NULL);
	if (!ip || !*ip)
		return kt_fail(err, EPROTO, "%s has no address", path);
	job->origin = xstrdup(ip);
	if (!job->face.standing)
		job->stuntman_beat =
			heartbeat_start(job->kube, path, HEARTBEAT_INTERVAL,
					job->global->use_local_time);
	return 0;
}

void job_stuntman_remove(struct job *job)
{
	auto_free char *path = stuntman_path(job);
	auto_free char *name = stuntman_name(job->name);
	struct kt_error err = { 0 };

	heartbeat_stop(job->stuntman_beat);
	job->stuntman_beat = NULL;
	if (job->stuntman && !keep_is_foreign(job, name) &&
	    kube_delete(job->kube, path, -1, &err) < 0)
		job_unfinished(job, "%s was not removed: %s", path, err.msg);
	job->stuntman = false;
}

/* --- the switch, and what keeps it ---------------------------------------- */

struct retake {
	struct job *job;
	enum service_state state;
	bool force;  /* retake one that was given back */
	bool revert; /* it says what it said before us */
	bool stop;   /* once too often */
	json_t *original, *now;
};

/* Also where something of ours is left in it: client-side apply merges */
static bool retake_is_revert(const struct retake *w, const json_t *service)
{
	return w->state != SERVICE_OURS && w->original &&
	       json_equal(w->original, w->job->original) &&
	       !json_equal(json_at(service, "spec", "selector", NULL),
			   w->job->selector);
}

static const char *retake_by(const struct retake *w)
{
	return managers_last(w->now, "selector", w->job->keep.since);
}

static json_t *take_again(const json_t *service, void *arg)
{
	struct retake *w = arg;

	json_decref(w->original);
	json_decref(w->now);
	w->now = json_incref((json_t *)(uintptr_t)service);
	w->state = service_state(service, w->job->selector, &w->original);
	w->revert = retake_is_revert(w, service);
	w->stop = w->revert &&
		  reverts_is_last(&w->job->reverts, retake_by(w), clock_ns());
	if (w->state == SERVICE_OURS)
		w->original = service_original(service);
	if (w->stop || w->state == SERVICE_OURS ||
	    (w->state == SERVICE_GIVEN_BACK && !w->force))
		return NULL;
	return service_taken(service, w->job->selector,
			     w->original ? w->original : w->job->original);
}

static void retake_fini(struct retake *w)
{
	json_decref(w->original);
	json_decref(w->now);
}

/* The record has changed: the origin is what somebody says now. 1: it was */
static int follow(struct job *job, const struct retake *w)
{
	auto_free char *path = stuntman_path(job);
	auto_json json_t *got = NULL;
	struct kt_error err = { 0 };

	if (!w->original || json_equal(w->original, job->original))
		return 0;
	json_decref(job->original);
	job->original = json_incref(w->original);
	/* what fails here is put right with the other objects */
	if (job->stuntman && adopt_stuntman(job, path, &got, &err) < 0)
		log_debug("%s", err.msg);
	return 1;
}

/* The record is gone, and another object with it: whose doing was that? */
static int job_service_lost(const struct job *job, const json_t *now,
			    struct kt_error *err)
{
	const char *uid = json_str(now, "metadata", "uid", NULL);
	const char *who = managers_last(now, "selector", job->keep.since);

	if (uid &&
	    !str_eq(uid, json_str(job->service, "metadata", "uid", NULL)))
		return kt_fail(err, ECANCELED,
			       "Service %s/%s was deleted and made anew, and "
			       "the shadow is gone",
			       job->ns, job->name);
	/* only a ktctl gives the field back in its former owner's name */
	return kt_fail(err, ECANCELED,
		       "Service %s/%s was recovered by somebody else ('%s')",
		       job->ns, job->name, who ? who : KT_MANAGER);
}

/* 1: it was written, or its record is another; 0: it is as it shall be */
static int service_retake(struct job *job, struct retake *w,
			  struct kt_error *err)
{
	char by[96];
	int rc = update_service(job->kube, job->ns, job->name, take_again, w,
				err);

	if (rc == 0 && !w->stop && w->state == SERVICE_GIVEN_BACK) {
		rc = keep_await(job, err);
		if (rc == -ECANCELED)
			return job_service_lost(job, w->now, err);
		if (rc < 0)
			return rc;
		w->force = true;
		rc = update_service(job->kube, job->ns, job->name, take_again,
				    w, err);
	}
	if (rc < 0)
		return rc;
	if (w->stop)
		return reverts_fail(err, "Service", job->ns, w->now,
				    "/spec/selector", retake_by(w));
	if (rc > 0 && w->revert)
		reverts_note(&job->reverts, retake_by(w), clock_ns());
	absence_note(&job->keep.claim, false, clock_ns());
	rc |= follow(job, w);
	if (rc > 0)
		repeat_warn(&job->told,
			    "Service %s/%s was changed by somebody%s: requests "
			    "keep coming here, and what it shall be is "
			    "remembered",
			    job->ns, job->name,
			    keep_by(job, w->now, "selector", by));
	return rc;
}

/* Something that the job stands on was changed by somebody, perhaps: what is
 * not as it shall be is put right. -ECANCELED: it was recovered. */
static int job_service_keep(void *user, struct kt_error *err)
{
	struct job *job = user;
	struct retake w = { .job = job };
	struct kt_error why = { 0 };
	int rc = service_retake(job, &w, &why);

	retake_fini(&w);
	if (rc == -ENOENT) {
		absence_note(&job->keep.claim, true, clock_ns());
		job_changed(job); /* take it when it is there again */
		return keep_await_service(job, err);
	}
	if (rc == -ECANCELED || rc == -EINTR) {
		*err = why;
		return rc;
	}
	if (rc < 0)
		repeat_warn(&job->told, "Service %s/%s: %s", job->ns, job->name,
			    why.msg);
	return keep_objects(job, err);
}

void job_changed(void *user)
{
	struct job *job = user;

	job->changed = true;
	if (job->wakes)
		*job->wakes = true;
	if (job->uplink)
		uplink_wake(job->uplink);
}

void job_on_object(void *user, const json_t *obj, bool gone)
{
	(void)obj;
	(void)gone;
	job_changed(user);
}

/* The Pod is gone. Somebody's `recover`, or only the Pod? */
static int pod_is_gone(void *user, struct kt_error *err)
{
	struct job *job = user;
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	auto_json json_t *service = NULL, *original = NULL;
	struct kt_error why = { 0 };

	absence_note(&job->keep.pod, true, clock_ns());
	if (kube_get(job->kube, path, &service, &why) < 0 ||
	    service_state(service, job->selector, &original) !=
		    SERVICE_GIVEN_BACK)
		return 0;
	return job_service_lost(job, service, err);
}

static json_t *job_service_take(const json_t *service, void *arg)
{
	struct job *job = arg;
	auto_json json_t *original = service_original(service);

	if (object_annotation(service, KT_ANNOTATION_SELECTOR) ||
	    service_role(service))
		return NULL; /* somebody was quicker */
	return service_taken(service, job->selector, original);
}

int job_take(struct job *job, struct kt_error *err)
{
	int rc = update_service(job->kube, job->ns, job->name, job_service_take,
				job, err);

	if (rc < 0) {
		job->taken = job->maybe_changed = !err->http_status;
		return kt_wrap(err, rc, "switch Service %s/%s", job->ns,
			       job->name);
	}
	if (rc == 0 && job_read(job, err) < 0)
		return -err->code;
	if (rc == 0 &&
	    !json_equal(json_at(job->service, "spec", "selector", NULL),
			job->selector)) {
		kt_hint(err, "try again: whoever has it is named then");
		return kt_fail(err, EBUSY,
			       "Service %s/%s was taken by somebody else in "
			       "this moment",
			       job->ns, job->name);
	}
	job->taken = true;
	job->on_change = job_service_keep;
	job->renew = pod_is_gone;
	job->change_user = job;
	job->keep.holds = true;
	if (job->stuntman) {
		auto_free char *name = stuntman_name(job->name);

		keep_add(job, name, make_stuntman, job, false);
	}
	keep_start(job);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

void job_await_write(struct job *job)
{
	if (job->maybe_changed)
		(void)!loop_sleep(job->app->loop, MAYBE_PAUSE);
	job->maybe_changed = false;
}

bool job_give_back(struct job *job)
{
	struct kt_error err = { 0 };
	int rc;

	keep_stop(job);
	job->on_change = job->renew = NULL;
	if (!job->taken)
		return true;
	job_await_write(job);
	rc = update_restore(job->kube, job->ns, job->name, &err);
	if (rc < 0 && rc != -ENOENT) {
		job_unfinished(
			job,
			"Service %s/%s was not given back: %s; its own Pods "
			"answer through the shadow until 'ktctl recover %s'",
			job->ns, job->name, err.msg, job->name);
		return false;
	}
	job->taken = false;
	return true;
}
