/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/routing.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/managers.h"
#include "cluster/object_watch.h"
#include "cluster/objects.h"
#include "cluster/update.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

struct routing {
	struct kube *kube;
	const struct route_api *api;
	const struct route_spec *spec;
	char *version; /* "networking.istio.io/v1" */
	struct object_watch *watch;
	bool joined;
};

/* --- the API -------------------------------------------------------------- */

/* "GROUP/VERSION" (returned, caller frees) in @out; -ENOENT: there is none */
static int find_version(struct kube *k, const struct route_api *api, char **out,
			struct kt_error *err)
{
	auto_free char *path = xasprintf("/apis/%s", api->group);
	auto_json json_t *group = NULL;
	const char *version;
	int rc = kube_get(k, path, &group, err);

	if (rc < 0)
		return rc;
	version = route_version(api, group);
	if (!version)
		return kt_fail(err, ENOENT, "%s: no version of it is known",
			       path);
	*out = xasprintf("%s/%s", api->group, version);
	return 0;
}

static int routing_list(struct kube *k, const struct route_api *api,
			const char *version, const char *ns, json_t **out,
			struct kt_error *err)
{
	auto_free char *path =
		kube_path(version, api->resource, ns, NULL, NULL);

	return kube_list(k, path, NULL, out, err);
}

/* --- writing -------------------------------------------------------------- */

struct target {
	struct kube *kube;
	const struct route_api *api;
	const char *version, *ns;
	bool dry_run;
};

static int check_reply(const struct target *t, const json_t *object,
		       const json_t *reply, struct kt_error *err)
{
	if (route_holds(json_object_get(reply, "spec"),
			json_object_get(object, "spec")))
		return 0;
	return kt_fail(err, EPROTO,
		       "the cluster's %s does not keep all that is written, so "
		       "that it would lead more requests here than the marked "
		       "ones",
		       t->version);
}

static const json_t *routing_find(const json_t *items, const char *name)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (items, i, obj)
		if (strcmp(object_name(obj), name) == 0)
			return obj;
	return NULL;
}

/* @items: as they were read. The user's routes stay the user's. */
static int routing_put(const struct target *t, const char *verb, json_t *object,
		       const json_t *items, struct kt_error *err)
{
	static const struct update_fields all = { NULL, false };
	bool fresh = strcmp(verb, "create") == 0;
	auto_free char *path =
		kube_path(t->version, t->api->resource, t->ns,
			  fresh ? NULL : object_name(object), NULL);
	struct kube_request req = { .method = fresh ? "POST" : "PUT",
				    .path = path,
				    .query = t->dry_run
						     ? "fieldValidation=Strict&"
						       "dryRun=All"
						     : "fieldValidation=Strict",
				    .body = object };
	auto_json json_t *reply = NULL;
	int rc;

	if (!fresh)
		managers_record(object,
				routing_find(items, object_name(object)), NULL);
	rc = kube_call(t->kube, &req, &reply, err);
	if (rc < 0)
		return rc;
	if (!fresh && !t->dry_run)
		update_managers(t->kube, path, reply, &all);
	return check_reply(t, object, reply, err);
}

/* Not one that somebody has touched meanwhile */
static int delete (const struct target *t, const json_t *object,
		   struct kt_error *err)
{
	auto_free char *path = kube_path(t->version, t->api->resource, t->ns,
					 object_name(object), NULL);
	auto_json json_t *options = json_pack(
		"{s:{s:s*, s:s*}}", "preconditions", "uid",
		json_str(object, "metadata", "uid", NULL), "resourceVersion",
		json_str(object, "metadata", "resourceVersion", NULL));
	struct kube_request req = { .method = "DELETE",
				    .path = path,
				    .query = t->dry_run ? "dryRun=All" : NULL,
				    .body = options };
	struct kt_error why = { 0 };
	int rc = kube_call(t->kube, &req, NULL, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		*err = why;
	return rc;
}

static int routing_carry_out(const struct target *t, const json_t *plan,
			     const json_t *items, struct kt_error *err)
{
	const json_t *step;
	size_t i;

	json_array_foreach (plan, i, step) {
		json_t *object = json_object_get(step, "object");
		const char *verb = json_str(step, "verb", NULL);
		int rc = strcmp(verb, "delete") == 0
				 ? delete (t, object, err)
				 : routing_put(t, verb, object, items, err);

		if (rc == -EEXIST) /* somebody else was quicker */
			rc = -EBUSY;
		if (rc < 0)
			return kt_wrap(err, rc, "%s %s/%s", t->api->kind, t->ns,
				       object_name(object));
	}
	return 0;
}

/* May it be removed again? Nothing has that name and that version. */
static int may_delete(const struct target *t, const char *name,
		      struct kt_error *err)
{
	auto_json json_t *none =
		json_pack("{s:{s:s, s:s}}", "metadata", "name", name, "uid",
			  "00000000-0000-0000-0000-000000000000");
	int rc = delete (t, none, err);

	return rc == -EBUSY ? 0 : rc;
}

/* --- joining, leaving ----------------------------------------------------- */

typedef json_t *(*plan_fn)(const json_t *objects, const struct target *t,
			   void *arg, struct kt_error *err);

static int change(const struct target *t, plan_fn make, void *arg,
		  json_t **done, struct kt_error *err)
{
	for (int tries = 1;; tries++) {
		auto_json json_t *all = NULL;
		auto_json json_t *plan = NULL;
		int rc = routing_list(t->kube, t->api, t->version, t->ns, &all,
				      err);

		if (rc < 0)
			return rc;
		plan = make(json_object_get(all, "items"), t, arg, err);
		if (!plan)
			return -err->code;
		rc = routing_carry_out(t, plan, json_object_get(all, "items"),
				       err);
		if (rc == 0) {
			if (done)
				*done = json_incref(plan);
			return json_array_size(plan) > 0;
		}
		rc = update_retry(t->kube, tries, rc, err);
		if (rc != -EBUSY)
			return rc;
	}
}

static struct target target_of(const struct routing *r, bool dry_run)
{
	return (struct target){ r->kube, r->api, r->version, r->spec->ns,
				dry_run };
}

static json_t *plan_join(const json_t *objects, const struct target *t,
			 void *arg, struct kt_error *err)
{
	return t->api->join(objects, t->version, arg, err);
}

int routing_join(struct routing *r, struct kt_error *err)
{
	struct target t = target_of(r, false);

	r->joined = true;
	return change(&t, plan_join, (void *)(uintptr_t)r->spec, NULL, err);
}

struct drop {
	route_gone_fn gone;
	void *arg;
};

static json_t *plan_drop(const json_t *objects, const struct target *t,
			 void *arg, struct kt_error *err)
{
	const struct drop *d = arg;

	(void)err;
	return t->api->drop(objects, d->gone, d->arg);
}

static bool is_record(const char *record, void *arg)
{
	return strcmp(record, arg) == 0;
}

int routing_leave(struct routing *r, struct kt_error *err)
{
	struct drop d = { is_record, (void *)(uintptr_t)r->spec->record };
	struct target t = target_of(r, false);
	int rc;

	object_watch_stop(r->watch);
	r->watch = NULL;
	if (!r->joined)
		return 0;
	rc = change(&t, plan_drop, &d, NULL, err);
	if (rc >= 0)
		r->joined = false;
	return rc < 0 ? rc : 0;
}

/* --- life ----------------------------------------------------------------- */

static int try_it(struct routing *r, struct kt_error *err)
{
	struct target t = target_of(r, true);
	int rc = change(&t, plan_join, (void *)(uintptr_t)r->spec, NULL, err);

	return rc < 0 ? rc : may_delete(&t, r->spec->record, err);
}

int routing_open(struct routing **out, struct kube *k,
		 const struct route_api *api, const struct route_spec *spec,
		 struct kt_error *err)
{
	struct kt_error why = { 0 };
	struct routing *r;
	char *version;
	int rc = find_version(k, api, &version, &why);

	if (rc == -ENOENT) {
		kt_hint(err,
			"install its CustomResourceDefinitions; --mode auto "
			"needs no routes");
		return kt_fail(err, ENOENT,
			       "--route %s: the cluster has no %ss (API group "
			       "%s)",
			       api->name, api->kind, api->group);
	}
	if (rc < 0) {
		*err = why;
		return rc;
	}
	r = xcalloc(1, sizeof(*r));
	*r = (struct routing){ k, api, spec, version, NULL, false };
	rc = try_it(r, err);
	if (rc < 0) {
		routing_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void routing_watch(struct routing *r, object_changed_fn changed, void *user)
{
	auto_free char *path = kube_path(r->version, r->api->resource,
					 r->spec->ns, NULL, NULL);

	r->watch = object_watch_start(r->kube, path, NULL, changed, user);
}

void routing_free(struct routing *r)
{
	if (!r)
		return;
	object_watch_stop(r->watch);
	free(r->version);
	free(r);
}

/* --- what others have left ------------------------------------------------ */

static void routing_tell(const struct routing_sweep *s,
			 const struct route_api *api, const json_t *plan)
{
	const json_t *step;
	size_t i;

	json_array_foreach (plan, i, step) {
		const json_t *object = json_object_get(step, "object");
		bool gone = str_eq(json_str(step, "verb", NULL), "delete");
		auto_free char *text =
			xasprintf("%s %s %s%s", gone ? "removed" : "put right",
				  api->resource, object_name(object),
				  s->dry_run ? " (dry run)" : "");

		if (s->say)
			s->say(s->user, text);
	}
}

static int sweep_one(struct kube *k, const char *ns,
		     const struct route_api *api, const struct routing_sweep *s,
		     struct kt_error *err)
{
	struct drop d = { s->gone, s->arg };
	auto_json json_t *done = NULL;
	auto_free char *version = NULL, *text = NULL;
	struct kt_error why = { 0 };
	int rc = find_version(k, api, &version, &why);

	if (rc == 0) {
		struct target t = { k, api, version, ns, s->dry_run };

		rc = change(&t, plan_drop, &d, &done, &why);
	}
	if (rc >= 0) {
		routing_tell(s, api, done);
		return (int)json_array_size(done);
	}
	if (rc == -EPERM && s->expected && s->say) {
		text = xasprintf("%s are left out: %s", api->resource, why.msg);
		s->say(s->user, text);
	}
	if (rc == -ENOENT || rc == -EPERM)
		return 0;
	*err = why;
	return rc;
}

int routing_sweep(struct kube *k, const char *ns, const struct routing_sweep *s,
		  struct kt_error *err)
{
	int n = sweep_one(k, ns, &route_istio, s, err), more;

	if (n < 0)
		return n;
	more = sweep_one(k, ns, &route_gateway, s, err);
	return more < 0 ? more : n + more;
}
