/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl recover: a Service is as it was before exchange and mesh. What is to be
 * done is decided in recover_plan.c.
 */
#include "inbound/recover.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/subject.h"
#include "cluster/envobject.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "cluster/routing.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/recover_plan.h"
#include "inbound/scale_back.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define OURS "labelSelector=control-by%3Dkt"
#define RECOVER_PODS (60 * NS_SEC)
/* the other ConfigMaps are large, and nobody's in particular */
#define KEYS OURS "%2Ckt-role%21%3Dshadow-program"
#define SETTLE                                                                 \
	(NS_SEC) /* until every node knows the Service's new selector          \
		  */

#define ENDING (5 * NS_SEC) /* until a Deployment's Pods are told to end */
#define DRAIN (4 * NS_SEC)  /* for so long late callers may come to a router */

struct recover {
	struct kube *kube;
	const char *ns, *name;
	void (*say)(void *user, const char *text);
	void *user;
	json_t *alive; /* shadows of KT Connect's whose clients run */
	json_t *service;
	json_t *pods, *services, *configmaps, *deployments, *statefulsets;
	struct recover_plan plan;
	int64_t since; /* of the lock that is the caller's; 0: there is none */
	bool members;  /* of environments: their records are in the plan */
	bool late;     /* Pods of what was scaled back are not ready */
	bool heir;     /* for who takes the Service himself, with its origin */
};

static void KT_PRINTF(2, 3)
	recover_say(const struct recover *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!r->say)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->say(r->user, text);
}

/* --- looking -------------------------------------------------------------- */

static int recover_list(struct recover *r, const char *api,
			const char *resource, const char *query, bool needed,
			json_t **out, struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, r->ns, NULL, NULL);
	struct kt_error why = { 0 };
	int rc = kube_list(r->kube, path, query, out, &why);

	if (rc < 0 && !needed && (rc == -EPERM || rc == -ENOENT)) {
		recover_say(r, "%s are left out: %s", resource, why.msg);
		return 0;
	}
	if (rc < 0)
		*err = why;
	return rc;
}

static int recover_look(struct recover *r, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", r->ns, r->name, NULL);
	int rc = kube_get(r->kube, path, &r->service, err);

	if (rc == -ENOENT)
		kt_hint(err, "'kubectl -n %s get services' shows what there is",
			r->ns);
	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", r->ns, r->name);
	rc = recover_list(r, "v1", "pods", OURS, true, &r->pods, err);
	if (rc == 0)
		rc = recover_list(r, "v1", "services", OURS, true, &r->services,
				  err);
	if (rc == 0)
		rc = recover_list(r, "apps/v1", "deployments", NULL, false,
				  &r->deployments, err);
	if (rc == 0)
		rc = recover_list(r, "apps/v1", "statefulsets", NULL, false,
				  &r->statefulsets, err);
	if (rc == 0)
		rc = recover_list(r, "v1", "configmaps", KEYS, false,
				  &r->configmaps, err);
	return rc;
}

static void recover_make_plan(struct recover *r)
{
	const struct recover_input job = {
		.service = r->service,
		.pods = json_object_get(r->pods, "items"),
		.services = json_object_get(r->services, "items"),
		.configmaps = json_object_get(r->configmaps, "items"),
		.deployments = json_object_get(r->deployments, "items"),
		.statefulsets = json_object_get(r->statefulsets, "items"),
	};
	const json_t *obj;
	size_t i;

	recover_plan_make(&r->plan, &job);
	json_array_foreach (r->plan.services, i, obj)
		r->members |= object_label(obj, KT_LABEL_ENV) != NULL;
}

/* --- doing ---------------------------------------------------------------- */

static void recover_say_text(void *user, const char *text)
{
	recover_say(user, "%s", text);
}

/* First of all, and until its Pods are there: what stands in their place may
 * answer still, and it may be the one thing that knows how many they were */
static int recover_scale(struct recover *r, struct kt_error *err)
{
	const struct scale_back s = { .kube = r->kube,
				      .ns = r->ns,
				      .limit = RECOVER_PODS,
				      .say = recover_say_text,
				      .wait = recover_say_text,
				      .user = r };
	int rc = scale_back(&s, r->plan.scale, err);

	r->late |= rc > 0;
	return rc < 0 ? rc : 0;
}

/* Callers that come before every node knows find nobody in a Pod that is
 * removed. One of ours serves them until nobody comes any more, and its origin
 * stays for the heir. */
static bool recover_must_settle(const struct recover *r)
{
	const json_t *pod;
	size_t i;

	json_array_foreach (r->plan.pods, i, pod)
		if (!r->heir || !object_is_of_ktctl(pod))
			return true;
	return false;
}

static int recover_give_back(struct recover *r, struct kt_error *err)
{
	int rc = 0;

	if (r->plan.restore) {
		rc = r->since ? update_restore_held(r->kube, r->ns, r->name,
						    r->since, err)
			      : update_restore(r->kube, r->ns, r->name, err);
		if (rc > 0)
			recover_say(r, "recovered Service %s", r->name);
	} else if (r->plan.unlock && !r->since) {
		rc = update_unlock(r->kube, r->ns, r->name, 0, err);
		if (rc > 0)
			recover_say(r, "unlocked Service %s", r->name);
	}
	if (rc > 0 && r->plan.restore && recover_must_settle(r)) {
		rc = loop_sleep(kube_loop(r->kube), SETTLE);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return rc < 0 ? kt_wrap(err, rc, "Service %s/%s", r->ns, r->name) : 0;
}

/* As it was seen; of a router only the status may be another by now: it says
 * what its Pods do */
static bool recover_is_same(const json_t *seen, const json_t *now)
{
	auto_json json_t *a = json_deep_copy(seen);
	auto_json json_t *b = json_deep_copy(now);
	json_t *const both[] = { a, b };

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		json_t *meta = json_object_get(both[i], "metadata");

		json_object_del(both[i], "status");
		json_object_del(both[i], "kind"); /* lists do not say them */
		json_object_del(both[i], "apiVersion");
		json_object_del(meta, "resourceVersion");
		json_object_del(meta, "managedFields");
		json_object_del(json_object_get(meta, "annotations"),
				"deployment.kubernetes.io/revision");
	}
	return json_equal(a, b);
}

/* 0: somebody has written it */
static int recover_remove_seen(struct recover *r, const char *path,
			       const json_t *seen, struct kt_error *err)
{
	auto_json json_t *now = json_incref((json_t *)(uintptr_t)seen);

	for (int tries = 1;; tries++) {
		int rc = kube_delete_as(r->kube, path, now, -1, err);

		rc = update_retry(r->kube, tries, rc, err);
		if (rc != -EBUSY)
			return rc < 0 ? rc : 1;
		json_decref(now);
		now = NULL;
		rc = kube_get(r->kube, path, &now, err);
		if (rc == -ENOENT)
			*err = (struct kt_error){ 0 };
		if (rc < 0)
			return rc == -ENOENT ? 1 : rc;
		if (!recover_is_same(seen, now))
			return 0;
	}
}

static int recover_remove_one(struct recover *r, const char *path,
			      const json_t *obj, struct kt_error *err)
{
	int rc;

	if (r->since)
		return recover_remove_seen(r, path, obj, err);
	rc = kube_delete(r->kube, path, -1, err);
	return rc < 0 ? rc : 1;
}

static int recover_remove_all(struct recover *r, const char *api,
			      const char *resource, const json_t *objects,
			      struct kt_error *err)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj) {
		auto_free char *path =
			kube_path(api, resource, r->ns, object_name(obj), NULL);
		int rc = recover_remove_one(r, path, obj, err);

		if (rc < 0)
			return rc;
		recover_say(r, rc ? "removed %s %s" : "left: %s %s has changed",
			    resource, object_name(obj));
	}
	return 0;
}

/* --- a client of KT Connect that lives ------------------------------------ */

static void recover_find_alive(struct recover *r, const json_t *shadows)
{
	int64_t now = kube_cluster_time(r->kube), age;
	json_t *obj;
	size_t i;

	json_array_foreach (shadows, i, obj) {
		age = object_age(obj, KT_ANNOTATION_HEARTBEAT, now);
		if (!object_is_of_ktctl(obj) && age >= 0 &&
		    age <= HEARTBEAT_DEAD_KT)
			json_array_append(r->alive, obj);
	}
}

static bool recover_is_target(const struct recover *r, const json_t *obj)
{
	return selector_matches(json_at(r->service, "spec", "selector", NULL),
				object_pod_labels(obj));
}

/* A Deployment's Pods go after it: 1: none is left that would be seen */
static int recover_targets_ended(struct recover *r, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", r->ns, NULL, NULL);
	auto_free char *query =
		selector_query(json_at(r->service, "spec", "selector", NULL));
	auto_json json_t *list = NULL;
	const json_t *pod;
	size_t i;
	int rc = kube_list(r->kube, path, query, &list, err);

	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (recover_is_target(r, pod) && !object_is_ending(pod))
			return 0;
	return rc < 0 ? rc : 1;
}

/* What the Service leads to goes first. In this moment callers are refused. */
static int recover_end_targets(struct recover *r, const char *api,
			       const char *resource, json_t *objects,
			       struct kt_error *err)
{
	auto_json json_t *targets = json_array();
	size_t i = 0;

	while (i < json_array_size(objects)) {
		json_t *obj = json_array_get(objects, i);

		if (!recover_is_target(r, obj)) {
			i++;
			continue;
		}
		json_array_append(targets, obj);
		json_array_remove(objects, i);
	}
	return recover_remove_all(r, api, resource, targets, err);
}

static int recover_outlive(struct recover *r, struct kt_error *err)
{
	int64_t end = clock_ns() + ENDING;
	int rc = recover_end_targets(r, "v1", "pods", r->plan.pods, err);

	if (rc == 0)
		rc = recover_end_targets(r, "apps/v1", "deployments",
					 r->plan.deployments, err);
	while (rc == 0 && (rc = recover_targets_ended(r, err)) == 0 &&
	       clock_ns() < end) {
		rc = loop_sleep(kube_loop(r->kube), 100 * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return MIN(rc, 0);
}

/* --- all of it ------------------------------------------------------------ */

/* Records that routes lead to: before the routes and the Pods, so that a client
 * which still runs knows why those vanish. They leave the plan: how many. */
static int remove_routed(struct recover *r, struct kt_error *err)
{
	auto_json json_t *routed = json_array();
	size_t i = 0;
	int rc;

	while (i < json_array_size(r->plan.services)) {
		json_t *obj = json_array_get(r->plan.services, i);

		if (!object_annotation(obj, KT_ANNOTATION_ROUTE)) {
			i++;
			continue;
		}
		json_array_append(routed, obj);
		json_array_remove(r->plan.services, i);
	}
	rc = recover_remove_all(r, "v1", "services", routed, err);
	return rc < 0 ? rc : (int)json_array_size(routed);
}

static bool is_of_service(const char *record, void *arg)
{
	const struct recover *r = arg;

	auto_free char *prefix = mesh_record_prefix(r->name);

	return str_starts(record, prefix);
}

/* 1 when something was changed */
static int recover_give_back_routes(struct recover *r, struct kt_error *err)
{
	int routed = remove_routed(r, err), rc = routed;
	struct routing_sweep s = { .gone = is_of_service,
				   .arg = r,
				   .expected = routed > 0,
				   .say = recover_say_text,
				   .user = r };

	if (rc >= 0)
		rc = routing_sweep(r->kube, r->ns, &s, err);
	return rc < 0 ? rc : rc + routed > 0;
}

/* Services whose exchange has scaled the same Pods away */
static int recover_others(struct recover *r, struct kt_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach (r->plan.also, name, value) {
		int rc = recover_service(r->kube, r->ns, name, r->say, r->user,
					 NULL, err);

		if (rc == -ENOENT)
			*err = (struct kt_error){ 0 };
		else if (rc < 0)
			return rc;
		r->late |= rc == RECOVER_LATE;
	}
	return 0;
}

/* 1: no Pod of @deployment is there any more */
static int recover_has_ended(struct recover *r, const json_t *deployment,
			     struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", r->ns, NULL, NULL);
	auto_free char *query = selector_query(
		json_at(deployment, "spec", "selector", "matchLabels", NULL));
	auto_json json_t *list = NULL;
	int rc = kube_list(r->kube, path, query, &list, err);

	return rc < 0 ? rc : !json_array_size(json_object_get(list, "items"));
}

/* Nodes that do not know yet lead callers to a router that is told to end. It
 * needs the stand-in for the Service's own Pods until it has ended. */
static int recover_await_routers(struct recover *r, struct kt_error *err)
{
	int64_t end = clock_ns() + DRAIN;
	size_t i = 0;

	while (i < json_array_size(r->plan.deployments)) {
		int rc = recover_has_ended(
			r, json_array_get(r->plan.deployments, i), err);

		if (rc < 0)
			return rc;
		if (rc || clock_ns() > end) {
			i++;
			continue;
		}
		rc = loop_sleep(kube_loop(r->kube), 200 * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return 0;
}

static void recover_keep_origin(struct recover *r)
{
	auto_free char *origin = stuntman_name(r->name);
	json_t *list = r->plan.services;

	for (size_t i = json_array_size(list); i-- > 0;)
		if (strcmp(object_name(json_array_get(list, i)), origin) == 0)
			json_array_remove(list, i);
}

static int recover_carry_out(struct recover *r, struct kt_error *err)
{
	const struct recover_plan *p = &r->plan;
	int rc = recover_others(r, err);

	if (rc == 0)
		rc = recover_scale(r, err);
	if (rc == 0 && json_array_size(r->alive))
		rc = recover_outlive(r, err);
	if (rc == 0)
		rc = recover_give_back(r, err);
	if (rc == 0)
		rc = recover_give_back_routes(r, err);
	if (rc >= 0)
		rc = recover_remove_all(r, "v1", "pods", p->pods, err);
	if (rc == 0)
		rc = recover_remove_all(r, "apps/v1", "deployments",
					p->deployments, err);
	if (rc == 0 && r->since && json_array_size(p->services))
		rc = recover_await_routers(r, err);
	if (rc == 0)
		rc = recover_remove_all(r, "v1", "services", p->services, err);
	if (rc == 0)
		rc = recover_remove_all(r, "v1", "configmaps", p->configmaps,
					err);
	return rc;
}

/* What was made for a Service is not what a Service was before */
static int recover_refuse_own(const struct recover *r, struct kt_error *err)
{
	const char *name = object_name(r->service);

	if (str_eq(service_role(r->service), KT_ROLE_PREVIEW)) {
		kt_hint(err,
			"when its ktctl is gone, 'ktctl clean -n %s' removes "
			"it, and 'ktctl preview %s' takes it over",
			r->ns, name);
		return kt_fail(err, EINVAL,
			       "Service %s/%s was made by preview: there is "
			       "nothing that it was before",
			       r->ns, name);
	}
	kt_hint(err,
		"name the Service that it was made for; when nobody uses "
		"it, 'ktctl clean -n %s' removes it",
		r->ns);
	return kt_fail(err, EINVAL,
		       "Service %s/%s is one that ktctl has made itself", r->ns,
		       name);
}

static int recover_run(struct recover *r, struct kt_error *err)
{
	int rc = recover_look(r, err);

	if (rc < 0)
		return rc;
	if (str_eq(object_label(r->service, KT_LABEL_CONTROL),
		   KT_LABEL_CONTROL_VALUE))
		return recover_refuse_own(r, err);
	recover_make_plan(r);
	if (r->heir)
		recover_keep_origin(r);
	if (r->plan.restore) {
		recover_find_alive(r, r->plan.pods);
		recover_find_alive(r, r->plan.deployments);
	}
	if (r->plan.stuck) {
		kt_hint(err,
			"set spec.selector by hand: kubectl -n %s edit "
			"service %s",
			r->ns, r->name);
		return kt_fail(err, ENODATA,
			       "Service %s/%s leads to a shadow, and nothing "
			       "says what its own selector was",
			       r->ns, r->name);
	}
	if (recover_plan_empty(&r->plan))
		return recover_give_back_routes(r, err);
	rc = recover_carry_out(r, err);
	return rc < 0 ? rc : r->late ? RECOVER_LATE : 1;
}

static void recover_fini(struct recover *r)
{
	json_decref(r->alive);
	recover_plan_fini(&r->plan);
	json_decref(r->service);
	json_decref(r->pods);
	json_decref(r->services);
	json_decref(r->configmaps);
	json_decref(r->deployments);
	json_decref(r->statefulsets);
}

static int recover_whole(struct recover *r, char **alive, struct kt_error *err)
{
	int rc;

	r->alive = json_array();
	rc = recover_run(r, err);
	if (alive)
		*alive = rc > 0 && json_array_size(r->alive)
				 ? objects_users(r->alive)
				 : NULL;
	recover_fini(r);
	return rc;
}

int recover_service(struct kube *k, const char *ns, const char *name,
		    void (*fn)(void *user, const char *text), void *user,
		    char **alive, struct kt_error *err)
{
	struct recover r = {
		.kube = k, .ns = ns, .name = name, .say = fn, .user = user
	};

	return recover_whole(&r, alive, err);
}

int recover_service_for_heir(struct kube *k, const char *ns, const char *name,
			     void (*say)(void *user, const char *text),
			     void *user, struct kt_error *err)
{
	struct recover r = { .kube = k,
			     .ns = ns,
			     .name = name,
			     .say = say,
			     .user = user,
			     .heir = true };

	return recover_whole(&r, NULL, err);
}

int recover_service_held(struct kube *k, const char *ns, const char *name,
			 int64_t since,
			 void (*fn)(void *user, const char *text), void *user,
			 struct kt_error *err)
{
	struct recover r = { .kube = k,
			     .ns = ns,
			     .name = name,
			     .say = fn,
			     .user = user,
			     .since = since };

	return recover_whole(&r, NULL, err);
}

/* --- the command ---------------------------------------------------------- */

static void recover_print_line(void *user, const char *text)
{
	(void)user;
	print_line(stdout, "%s", text);
}

/* Nobody is led wrong by what stays: the next write drops it */
static void recover_tell_members(struct kube *k, const char *ns,
				 recover_after_fn *after)
{
	struct kt_error err = { 0 };

	if (after(k, ns, &err) < 0)
		log_info("%s", err.msg);
}

static int recover_do_run(struct app *app, const struct options *o,
			  const struct subject *subject,
			  recover_after_fn *after, struct kt_error *err)
{
	struct kube_config_source src = { .files = o->global.kubeconfig,
					  .context = o->global.context };
	struct kube_config *config = NULL;
	struct kube *kube = NULL;
	auto_free char *users = NULL;
	struct recover r = { .say = recover_print_line };
	const char *ns;
	int rc = kube_config_load(&config, &src, err), held = 0;

	if (rc == 0)
		rc = kube_new(&kube, app->loop, config, err);
	if (rc == 0) {
		ns = subject->ns[0]	   ? subject->ns
		     : o->global.namespace ? o->global.namespace
					   : config->namespace_;
		r.kube = kube;
		r.ns = ns;
		r.name = subject->name;
		rc = recover_whole(&r, &users, err);
		if (rc > 0 && r.members)
			recover_tell_members(kube, ns, after);
		if (rc == 0)
			print_line(stdout,
				   "Nothing to recover: no ktctl has changed "
				   "Service %s/%s.",
				   ns, subject->name);
		if (users)
			held = recover_hold(app, kube, ns, subject->name, users,
					    err);
	}
	kube_free(kube);
	kube_config_free(config);
	return held < 0 ? held : rc;
}

int recover_command(struct app *app, const struct options *o,
		    recover_after_fn *after)
{
	struct kt_error err = { 0 };
	struct subject subject;
	int rc = subject_parse(&subject, o->args[0], &err);

	if (rc == 0 && subject.kind != SUBJECT_SERVICE)
		rc = kt_fail(&err, EINVAL, "'%s': recover is for a Service",
			     o->args[0]);
	if (rc < 0)
		return app_usage(app, &err);
	rc = recover_do_run(app, o, &subject, after, &err);
	if (rc >= 0)
		return rc == RECOVER_LATE ? EXIT_FAILED : EXIT_OK;
	rc = app_fail(app, rc, &err);
	offer_role(&err, "recover");
	return rc;
}
