/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/update.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define TRIES 20
#define LOCK_POLL NS_SEC
#define LOCK_WAIT 33 /* seconds: KT asks 11 times, every 3 s */

int update_retry(struct kube *k, int tries, int rc, struct kt_error *err)
{
	if (rc != -EBUSY)
		return rc;
	if (tries >= TRIES)
		return -EAGAIN;
	*err = (struct kt_error){ 0 };
	rc = loop_sleep(kube_loop(k), (10 + 10 * tries) * NS_MS);
	return rc < 0 ? kt_fail(err, -rc, "interrupted") : -EBUSY;
}

/* --- the second write: whose the fields are ------------------------------- */

static json_t *update_whole(const json_t *obj, json_t *managers)
{
	json_t *copy = json_deep_copy(obj);
	json_t *meta = json_object_get(copy, "metadata");
	json_t *notes = json_object_get(meta, "annotations");

	json_object_set(meta, "managedFields", managers);
	json_object_del(notes, KT_ANNOTATION_MANAGERS);
	if (!json_object_size(notes))
		json_object_del(meta, "annotations");
	return copy;
}

static json_t *update_patch_of(const json_t *obj, json_t *managers)
{
	return json_pack("{s:{s:s*, s:{s:n}, s:O}}", "metadata",
			 "resourceVersion",
			 json_str(obj, "metadata", "resourceVersion", NULL),
			 "annotations", KT_ANNOTATION_MANAGERS, "managedFields",
			 managers);
}

static int update_once(struct kube *k, const char *path, const json_t *obj,
		       const struct update_fields *f, struct kt_error *err)
{
	auto_json json_t *managers = managers_restored(obj, f->field);
	auto_json json_t *body = NULL;

	if (!managers)
		return 0;
	body = f->patch ? update_patch_of(obj, managers)
			: update_whole(obj, managers);
	return f->patch ? kube_patch(k, path, body, NULL, err)
			: kube_replace(k, path, body, NULL, err);
}

void update_managers(struct kube *k, const char *path, const json_t *obj,
		     const struct update_fields *f)
{
	auto_json json_t *now = json_incref((json_t *)(uintptr_t)obj);
	struct kt_error err = { 0 };
	int rc;

	for (int tries = 1;; tries++) {
		rc = update_once(k, path, now, f, &err);
		rc = update_retry(k, tries, rc, &err);
		if (rc != -EBUSY)
			break;
		json_decref(now);
		now = NULL;
		rc = kube_get(k, path, &now, &err);
		if (rc < 0)
			break;
	}
	if (rc < 0 && rc != -ENOENT)
		log_debug("%s: fields stay in our name: %s", path, err.msg);
}

/* --- Services ------------------------------------------------------------- */

static const struct update_fields update_selector = { "selector", false };

/* What one that was killed between its two writes has left */
static void update_finish(struct kube *k, const char *path, const json_t *obj,
			  const struct update_fields *f)
{
	if (object_annotation(obj, KT_ANNOTATION_MANAGERS))
		update_managers(k, path, obj, f);
}

int update_service(struct kube *k, const char *ns, const char *name,
		   service_edit_fn edit, void *arg, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", ns, name, NULL);

	for (int tries = 1;; tries++) {
		auto_json json_t *now = NULL;
		auto_json json_t *then = NULL;
		auto_json json_t *done = NULL;
		int rc = kube_get(k, path, &now, err);

		if (rc < 0)
			return rc;
		then = edit(now, arg);
		if (!then) {
			update_finish(k, path, now, &update_selector);
			return 0;
		}
		managers_record(then, now, update_selector.field);
		rc = kube_replace(k, path, then, &done, err);
		if (rc == 0) {
			update_managers(k, path, done, &update_selector);
			return 1;
		}
		rc = update_retry(k, tries, rc, err);
		if (rc != -EBUSY)
			return rc;
	}
}

static json_t *restored(const json_t *service, void *arg)
{
	(void)arg;
	return service_restored(service);
}

int update_restore(struct kube *k, const char *ns, const char *name,
		   struct kt_error *err)
{
	return update_service(k, ns, name, restored, NULL, err);
}

struct restore_use {
	int64_t since;
	bool lost; /* the lock */
};

static json_t *update_restored_held(const json_t *service, void *arg)
{
	const char *text = object_annotation(service, KT_ANNOTATION_LOCK);
	struct restore_use *u = arg;
	long at;

	u->lost = !text || str_to_long(text, &at) < 0 || at != u->since;
	return u->lost ? NULL : service_restored_held(service);
}

int update_restore_held(struct kube *k, const char *ns, const char *name,
			int64_t since, struct kt_error *err)
{
	struct restore_use u = { .since = since };
	int rc = update_service(k, ns, name, update_restored_held, &u, err);

	return rc == 0 && u.lost ? kt_fail(err, EBUSY,
					   "somebody else has changed it in "
					   "this moment")
				 : rc;
}

/* --- the lock ------------------------------------------------------------- */

struct lock_use {
	const struct update_lock *l;
	int64_t now;
	int64_t age; /* of another's live one, -1: it is ours now */
};

/* May the lock that is there be taken over? */
static bool update_lock_is_free(const struct lock_use *u, const json_t *service)
{
	const struct update_lock *l = u->l;
	const char *text = object_annotation(service, KT_ANNOTATION_LOCK);
	auto_free char *owner = service_lock_owner(service);
	long at;

	if (u->age < 0 || u->age > KT_LOCK_LIFE)
		return true;
	if (owner && l->owner && strcmp(owner, l->owner) == 0)
		return true;
	if (owner && l->dead && l->dead(l->user, owner))
		return true;
	return l->since && str_to_long(text, &at) == 0 && at == l->since;
}

static json_t *update_locked(const json_t *service, void *arg)
{
	struct lock_use *u = arg;

	u->age = service_lock_age(service, u->now);
	if (!update_lock_is_free(u, service))
		return NULL;
	u->age = -1;
	return service_locked(service, u->now, u->l->owner);
}

int update_lock(struct kube *k, const char *ns, const char *name,
		struct update_lock *l, struct kt_error *err)
{
	struct lock_use u = { .l = l, .now = l->now };

	for (int tries = 0;; tries++) {
		int rc = update_service(k, ns, name, update_locked, &u, err);

		if (rc < 0)
			return rc;
		if (u.age < 0)
			break;
		if (tries == 0 && l->wait)
			l->wait(l->user);
		if (tries == LOCK_WAIT) {
			kt_hint(err,
				"a lock ends by itself after %d s; 'ktctl "
				"recover %s' drops it now",
				KT_LOCK_LIFE, name);
			return kt_fail(err, EBUSY,
				       "somebody else is changing it since "
				       "%lld s (annotation " KT_ANNOTATION_LOCK
				       ")",
				       (long long)u.age);
		}
		rc = loop_sleep(kube_loop(k), LOCK_POLL);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
		u.now++;
	}
	l->since = u.now;
	return 0;
}

static json_t *unlocked(const json_t *service, void *arg)
{
	return service_unlocked(service, *(int64_t *)arg);
}

int update_unlock(struct kube *k, const char *ns, const char *name,
		  int64_t since, struct kt_error *err)
{
	return update_service(k, ns, name, unlocked, &since, err);
}

/* --- Deployments, StatefulSets -------------------------------------------- */

static const struct update_fields update_replicas = { "replicas", true };

int update_workload(struct kube *k, const char *ns, const char *resource,
		    const char *name, workload_edit_fn edit, void *arg,
		    json_t **out, struct kt_error *err)
{
	auto_free char *path = kube_path("apps/v1", resource, ns, name, NULL);

	for (int tries = 1;; tries++) {
		auto_json json_t *now = NULL;
		auto_json json_t *patch = NULL;
		auto_json json_t *done = NULL;
		int rc = kube_get(k, path, &now, err);

		if (rc < 0)
			return rc;
		patch = edit(now, arg);
		if (!patch) {
			update_finish(k, path, now, &update_replicas);
			return 0;
		}
		managers_record(patch, now, update_replicas.field);
		rc = kube_patch(k, path, patch, &done, err);
		if (rc == 0) {
			update_managers(k, path, done, &update_replicas);
			if (out)
				*out = json_incref(done);
			return 1;
		}
		rc = update_retry(k, tries, rc, err);
		if (rc != -EBUSY)
			return rc;
	}
}

struct scale_use {
	int told;
	const char *by;
};

static json_t *update_scaled_up(const json_t *obj, void *arg)
{
	const struct scale_use *u = arg;

	return workload_up(obj, u->told, u->by);
}

static json_t *update_scaled_done(const json_t *obj, void *arg)
{
	(void)arg;
	return workload_done(obj);
}

/* What is gone needs nothing */
static int update_scale(struct kube *k, const char *ns, const char *resource,
			const char *name, workload_edit_fn edit, void *arg,
			json_t **out, struct kt_error *err)
{
	int rc = update_workload(k, ns, resource, name, edit, arg, out, err);

	if (rc != -ENOENT)
		return rc;
	*err = (struct kt_error){ 0 };
	return 0;
}

int update_scale_back(struct kube *k, const char *ns, const char *resource,
		      const char *name, int told, const char *by, int *replicas,
		      struct kt_error *err)
{
	struct scale_use u = { told, by };
	auto_json json_t *after = NULL;
	int rc = update_scale(k, ns, resource, name, update_scaled_up, &u,
			      &after, err);

	*replicas = rc > 0 ? workload_replicas(after) : 0;
	return rc < 0 ? rc : 0;
}

int update_scale_done(struct kube *k, const char *ns, const char *resource,
		      const char *name, struct kt_error *err)
{
	return update_scale(k, ns, resource, name, update_scaled_done, NULL,
			    NULL, err);
}
