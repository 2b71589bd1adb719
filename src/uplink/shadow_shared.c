/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Write the count, or delete what has no user left: in either case as @obj was
 * read, so that nobody has joined or left since (-EBUSY) */
static int shared_write_refs(struct shadow_pod *s, const char *path,
			     const json_t *obj, long refs, struct kt_error *err)
{
	auto_json json_t *patch = NULL;
	char text[24];

	if (refs <= 0)
		return kube_delete_as(s->cfg.kube, path, obj,
				      s->cfg.face ? -1 : 0, err);
	snprintf(text, sizeof(text), "%ld", refs);
	patch = json_pack("{s:{s:s*, s:{s:s}}}", "metadata", "resourceVersion",
			  json_str(obj, "metadata", "resourceVersion", NULL),
			  "annotations", KT_ANNOTATION_REFS, text);
	return kube_patch(s->cfg.kube, path, patch, NULL, err);
}

/* Read, change the count, write; somebody else's write in between is a 409 and
 * makes us read again. Without a user it is deleted, or left as it is (@stay).
 * @seen: as it was read just now (taken), or NULL. *@left: the new count. */
static int shared_change_refs(struct shadow_pod *s, int by, bool stay,
			      json_t *seen, long *left, struct kt_error *err)
{
	auto_free char *path = shadow_path(s, s->name);

	for (int tries = 0;; tries++) {
		auto_json json_t *obj = steal_ptr(&seen);
		const char *old;
		int rc = obj ? 0 : kube_get(s->cfg.kube, path, &obj, err);

		if (rc < 0)
			return rc;
		old = object_annotation(obj, KT_ANNOTATION_REFS);
		if (!old || str_to_long(old, left) < 0)
			*left = 1;
		*left += by;
		if (*left <= 0 && stay)
			return 0;
		rc = shared_write_refs(s, path, obj, *left, err);
		if (rc != -EBUSY || tries == 20)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(kube_loop(s->cfg.kube),
				(10 + 10 * tries) * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

int shadow_change_refs(struct shadow_pod *s, int by, bool stay, long *left,
		       struct kt_error *err)
{
	return shared_change_refs(s, by, stay, NULL, left, err);
}

/* KT Connect's, with the name that ours would have: another program is in it.
 * -EAGAIN: its users are gone, it is removed. A router that a Service leads to
 * is not removed like that (see lease.c). */
static int shared_meet_kt(struct shadow_pod *s, const char *path,
			  const json_t *obj, struct kt_error *err)
{
	const char *kind = shadow_is_deployment(s) ? "Deployment" : "Pod";
	const char *user = object_annotation(obj, KT_ANNOTATION_USER);
	int64_t age = object_age(obj, KT_ANNOTATION_HEARTBEAT, shadow_now(s));
	int rc;

	if (!shadow_is_router(s) && age > SWEEP_AGE) {
		log_info("%s %s/%s was left by KT Connect (user %s, no "
			 "heartbeat for %" PRId64 " min): it is removed",
			 kind, s->cfg.ns, object_name(obj), user ? user : "?",
			 age / 60);
		rc = kube_delete_as(s->cfg.kube, path, obj, 0, err);
		return rc < 0 && rc != -EBUSY ? rc : -EAGAIN;
	}
	if (shadow_is_router(s))
		kt_hint(err, "--mode manual needs no router");
	else
		kt_hint(err,
			"without --shareShadow you have a Pod of your own; "
			"when its users have left, 'kubectl -n %s delete %s "
			"%s' makes room",
			s->cfg.ns,
			shadow_is_deployment(s) ? "deployment" : "pod",
			object_name(obj));
	return kt_fail(err, EBUSY,
		       "%s %s/%s is KT Connect's, which cannot be shared: it "
		       "was made by %s and is alive",
		       kind, s->cfg.ns, object_name(obj),
		       user ? user : "somebody");
}

/* One that has ended, or is ending, makes room. Another user may have been
 * quicker, and made the next one under the same name: that stays. -EAGAIN: look
 * again. */
static int shared_make_room(struct shadow_pod *s, const char *name,
			    struct kt_error *err)
{
	auto_free char *path = shadow_path(s, name);
	auto_json json_t *obj = NULL;
	int rc = kube_get(s->cfg.kube, path, &obj, err);

	if (rc == 0 && shadow_is_ending(obj))
		rc = kube_delete_as(s->cfg.kube, path, obj, 0, err);
	return rc == 0 || rc == -ENOENT || rc == -EBUSY ? -EAGAIN : rc;
}

/* *@out: what there is (returned) */
static int shared_look(struct shadow_pod *s, const char *name,
		       enum shadow_seen *state, json_t **out,
		       struct kt_error *err)
{
	auto_free char *path = shadow_path(s, name);
	auto_json json_t *obj = NULL;
	int rc = kube_get(s->cfg.kube, path, &obj, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && s->cfg.share && !shadow_is_ending(obj) &&
	    !object_is_of_ktctl(obj))
		return shared_meet_kt(s, path, obj, err);
	if (rc == -ENOENT)
		*err = (struct kt_error){ 0 };
	*state = rc == -ENOENT ? SHARED_ABSENT
		 : shadow_is_ending(obj) || strcmp(name, s->after) == 0
			 ? SHARED_ENDING
			 : SHARED_LIVE;
	*out = steal_ptr(&obj);
	return 0;
}

int shadow_look(struct shadow_pod *s, const char *name, enum shadow_seen *state,
		struct kt_error *err)
{
	auto_json json_t *obj = NULL;

	return shared_look(s, name, state, &obj, err);
}

/* What is shared has one name; a router has two, so that another can take over
 * while it ends. A live one is in @name, or else a name that is free; -EAGAIN:
 * all are ending, look again. *@obj: it (returned) */
static int shared_find(struct shadow_pod *s, char name[256],
		       enum shadow_seen *state, json_t **obj,
		       struct kt_error *err)
{
	auto_json json_t *one = NULL, *twin = NULL;
	json_t **objs[2] = { &one, &twin };
	size_t n = shadow_is_router(s) && !shadow_is_standing(s) ? 2 : 1;
	enum shadow_seen seen[2] = { SHARED_ABSENT, SHARED_ABSENT };
	char names[2][256] = { KT_SHARED_SHADOW, "" };
	int rc = 0;

	if (shadow_is_router(s)) {
		snprintf(names[0], sizeof(names[0]), "%s", s->cfg.face->name);
		shadow_twin(names[0], names[1]);
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = shared_look(s, names[i], &seen[i], objs[i], err);
	if (rc < 0)
		return rc;
	for (int want = SHARED_LIVE; want >= SHARED_ABSENT; want -= 2)
		for (size_t i = 0; i < n; i++)
			if ((int)seen[i] == want) {
				memcpy(name, names[i], sizeof(names[i]));
				*state = seen[i];
				*obj = steal_ptr(objs[i]);
				return 0;
			}
	shadow_report(s, "the former one ends");
	return shared_make_room(
		s, names[strcmp(names[0], s->after) == 0 ? n - 1 : 0], err);
}

/* -EAGAIN: it went in this moment. @obj: as it was found; taken */
static int shared_join(struct shadow_pod *s, const char *name, json_t *obj,
		       struct kt_error *err)
{
	long refs = 0;
	int rc;

	shadow_set_name(s, name);
	s->joined = shadow_is_standing(s);
	if (s->joined) {
		json_decref(obj);
		return 0;
	}
	rc = shared_change_refs(s, 1, true, obj, &refs, err);
	if (rc == -ENOENT)
		return -EAGAIN;
	if (rc < 0)
		return rc;
	s->joined = true;
	s->found = true;
	log_debug("joined %s, %ld users", s->name, refs);
	return 0;
}

char *shadow_shared_path(const struct shadow_pod *s)
{
	return s->cfg.share && !s->cfg.given && !s->cfg.face
		       ? shadow_path(s, KT_SHARED_SHADOW)
		       : NULL;
}

int shadow_join_or_create(struct shadow_pod *s, struct kt_error *err)
{
	for (int tries = 0; tries < 100; tries++) {
		enum shadow_seen state = SHARED_ABSENT;
		auto_json json_t *obj = NULL;
		char name[256];
		int rc = shared_find(s, name, &state, &obj, err);

		if (rc == 0 && state == SHARED_LIVE) {
			rc = shared_join(s, name, steal_ptr(&obj), err);
		} else if (rc == 0) {
			rc = shadow_create(s, name, err);
			if (rc == -EEXIST) { /* another user was quicker */
				*err = (struct kt_error){ 0 };
				continue;
			}
		}
		if (rc != -EAGAIN)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(kube_loop(s->cfg.kube), 200 * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return kt_fail(err, EBUSY, "the former one does not end");
}
