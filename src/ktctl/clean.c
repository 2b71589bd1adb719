/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl clean: undo what a ktctl left that was killed, on this machine and in
 * the namespace. What is to be done is decided in clean_plan.c.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "cluster/nscheck.h"
#include "cluster/objects.h"
#include "cluster/routing.h"
#include "cluster/update.h"
#include "env/find.h"
#include "env/giveback.h"
#include "env/hook_run.h"
#include "inbound/scale_back.h"
#include "inbound/scale_list.h"
#include "ktctl/clean_local.h"
#include "ktctl/clean_plan.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define OURS "labelSelector=control-by%3Dkt"
#define CLEAN_PODS (20 * NS_SEC)  /* until those that come back are ready */
#define CLEAN_HOOKS (60 * NS_SEC) /* until they have ended */
#define CLEAN_HOOKS_LOOK (NS_SEC / 2)

struct clean {
	struct app *app;
	const struct clean_options *opt;
	const struct global_options *global;

	struct kube_config *config;
	struct kube *kube;
	const char *ns;
	json_t *pods, *deployments, *configmaps, *services; /* Lists */
	json_t *statefulsets, *jobs;
	struct clean_plan plan;
	bool given_back; /* some Services, before the plan */
};

/* --- looking -------------------------------------------------------------- */

static int clean_list(struct clean *c, const char *api, const char *resource,
		      const char *query, json_t **out, struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, c->ns, NULL, NULL);

	return kube_list(c->kube, path, query, out, err);
}

/* Of ConfigMaps the names and labels will do: ours are large */
static int clean_list_configmaps(struct clean *c, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "configmaps", c->ns, NULL, NULL);

	return kube_list_metadata(c->kube, path, OURS, &c->configmaps, err);
}

/* What the user may not list cannot be cleaned; that is told, no failure */
static int clean_allowed(struct clean *c, const char *resource, int rc,
			 const struct kt_error *why, struct kt_error *err)
{
	if (rc == -EPERM || rc == -ENOENT) {
		progress_note(c->app->progress, "%s are left out: %s", resource,
			      why->msg);
		return 0;
	}
	if (rc < 0)
		*err = *why;
	return rc;
}

static int list_if_allowed(struct clean *c, const char *api,
			   const char *resource, const char *query,
			   json_t **out, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc = clean_list(c, api, resource, query, out, &why);

	return clean_allowed(c, resource, rc, &why, err);
}

static int clean_list_jobs(struct clean *c, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc;

	json_decref(c->jobs);
	c->jobs = NULL;
	rc = env_jobs_all(c->kube, c->ns, &c->jobs, &why);
	return clean_allowed(c, "jobs", rc, &why, err);
}

static int clean_look(struct clean *c, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc = clean_list(c, "v1", "pods", OURS, &c->pods, err);

	if (rc == 0)
		rc = list_if_allowed(c, "apps/v1", "deployments", NULL,
				     &c->deployments, err);
	if (rc == 0)
		rc = list_if_allowed(c, "apps/v1", "statefulsets", NULL,
				     &c->statefulsets, err);
	/* later than Pods and Deployments: a router's user writes his record
	 * before he makes one */
	if (rc == 0)
		rc = clean_list(c, "v1", "services", NULL, &c->services, err);
	/* later than the Services: else an environment could be too new */
	if (rc == 0)
		rc = clean_list_jobs(c, err);
	if (rc == 0) {
		rc = clean_list_configmaps(c, &why);
		rc = clean_allowed(c, "configmaps", rc, &why, err);
	}
	return rc;
}

static bool clean_owner_is_dead(void *user, const char *owner)
{
	const struct app *app = user;

	return owner_is_dead(app->home, owner);
}

static void clean_make_plan(struct clean *c)
{
	struct clean_input in = {
		.pods = json_object_get(c->pods, "items"),
		.deployments = json_object_get(c->deployments, "items"),
		.statefulsets = json_object_get(c->statefulsets, "items"),
		.configmaps = json_object_get(c->configmaps, "items"),
		.services = json_object_get(c->services, "items"),
		.jobs = c->jobs,
		.now = c->global->use_local_time ? (int64_t)time(NULL)
						 : kube_cluster_time(c->kube),
		.age = (int64_t)c->opt->threshold_minutes * 60,
		.dead = clean_owner_is_dead,
		.user = c->app,
	};

	clean_plan_make(&c->plan, &in);
}

/* --- telling -------------------------------------------------------------- */

static void show(const char *what, const json_t *objects)
{
	const json_t *obj;
	size_t i;

	if (!json_array_size(objects))
		return;
	print_line(stdout, "%s (%zu):", what, json_array_size(objects));
	json_array_foreach (objects, i, obj)
		print_line(stdout, "  %s", object_name(obj));
}

static void show_scale(const char *what, const json_t *list, bool scaled)
{
	auto_json json_t *part = scale_list_part(list, scaled);
	const json_t *text;
	size_t i;

	if (!json_array_size(part))
		return;
	print_line(stdout, "%s (%zu):", what, json_array_size(part));
	json_array_foreach (part, i, text)
		print_line(stdout, "  %s", json_string_value(text));
}

static void show_hooks(const json_t *hooks)
{
	const json_t *text;
	size_t i;

	if (!json_array_size(hooks))
		return;
	print_line(stdout, "Hooks to run (%zu):", json_array_size(hooks));
	json_array_foreach (hooks, i, text)
		print_line(stdout, "  %s", json_string_value(text));
}

static void show_plan(const struct clean *c)
{
	const struct clean_plan *p = &c->plan;

	show("Services to recover", p->recover);
	show_scale("Workloads to scale back", p->scale, true);
	show_scale("Workloads with a note to drop", p->scale, false);
	show("Services to unlock", p->unlock);
	show("Environments to remove", p->jobs);
	show("Pods to remove", p->pods);
	show("Deployments to remove", p->deployments);
	show("Services to remove", p->services);
	show("ConfigMaps to remove", p->configmaps);
	show_hooks(p->hooks);
}

static void show_kept(const struct clean *c)
{
	const json_t *text;
	size_t i;

	json_array_foreach (c->plan.kept, i, text)
		progress_note(c->app->progress, "left: %s",
			      json_string_value(text));
}

/* --- doing * -------------------------------------------------------------- */

static int recover(struct clean *c, struct kt_error *err)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (c->plan.recover, i, obj) {
		int rc = update_restore(c->kube, c->ns, object_name(obj), err);

		if (rc < 0)
			return kt_wrap(err, rc, "Service %s/%s", c->ns,
				       object_name(obj));
		if (rc > 0)
			print_line(stdout, "recovered Service %s",
				   object_name(obj));
	}
	return 0;
}

static int unlock(struct clean *c, struct kt_error *err)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (c->plan.unlock, i, obj) {
		int rc =
			update_unlock(c->kube, c->ns, object_name(obj), 0, err);

		if (rc < 0)
			return kt_wrap(err, rc, "Service %s/%s", c->ns,
				       object_name(obj));
		if (rc > 0)
			print_line(stdout, "unlocked Service %s",
				   object_name(obj));
	}
	return 0;
}

static void clean_print_line(void *user, const char *text)
{
	(void)user;
	print_line(stdout, "%s", text);
}

static void clean_wait_line(void *user, const char *text)
{
	const struct clean *c = user;

	progress_note(c->app->progress, "%s", text);
}

/* Pods that do not become ready are told, no failure: their number is back */
static int clean_scale(struct clean *c, struct kt_error *err)
{
	const struct scale_back s = { .kube = c->kube,
				      .ns = c->ns,
				      .limit = CLEAN_PODS,
				      .say = clean_print_line,
				      .wait = clean_wait_line,
				      .user = c };
	int rc = scale_back(&s, c->plan.scale, err);

	return rc < 0 ? rc : 0;
}

/* Not an object that somebody has touched since it was listed */
static int remove_one(struct clean *c, const char *api, const char *resource,
		      const json_t *obj, struct kt_error *err)
{
	auto_free char *path =
		kube_path(api, resource, c->ns, object_name(obj), NULL);
	auto_json json_t *options = json_pack(
		"{s:s, s:{s:s*, s:s*}}", "propagationPolicy", "Background",
		"preconditions", "uid", json_str(obj, "metadata", "uid", NULL),
		"resourceVersion",
		json_str(obj, "metadata", "resourceVersion", NULL));
	struct kube_request req = { .method = "DELETE",
				    .path = path,
				    .body = options };
	int rc = kube_call(c->kube, &req, NULL, err);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EBUSY) {
		progress_note(c->app->progress, "left: %s %s has changed",
			      resource, object_name(obj));
		return 0;
	}
	if (rc == 0)
		print_line(stdout, "removed %s %s", resource, object_name(obj));
	return rc;
}

static int clean_remove_all(struct clean *c, const char *api,
			    const char *resource, const json_t *objects,
			    struct kt_error *err)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj) {
		int rc = remove_one(c, api, resource, obj, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- hooks ---------------------------------------------------------------- */

/* How many run */
static int clean_begin_hooks(struct clean *c, struct kt_error *err)
{
	const struct hook_sweep s = { .kube = c->kube,
				      .ns = c->ns,
				      .jobs = c->jobs,
				      .now = kube_cluster_time(c->kube),
				      .say = clean_print_line };
	struct kt_error why = { 0 };
	int rc = hook_sweep(&s, &why);

	if (rc == -EPERM)
		progress_note(c->app->progress, "hooks are left: %s", why.msg);
	else if (rc < 0)
		*err = why;
	return rc == -EPERM ? 0 : rc;
}

/* Who cleans once wants to see it clean; who does it again comes by */
static int clean_hooks(struct clean *c, struct kt_error *err)
{
	int64_t end = clock_ns() + CLEAN_HOOKS;

	for (;;) {
		int rc = clean_begin_hooks(c, err);

		if (rc > 0 && !c->opt->every && clock_ns() > end)
			progress_note(c->app->progress,
				      "left: hooks that run still (%d)", rc);
		if (rc <= 0 || c->opt->every || clock_ns() > end)
			return MIN(rc, 0);
		rc = loop_sleep(c->app->loop, CLEAN_HOOKS_LOOK);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
		rc = clean_list_jobs(c, err);
		if (rc < 0)
			return rc;
	}
}

static int clean_carry_out(struct clean *c, struct kt_error *err)
{
	const struct clean_plan *p = &c->plan;
	int rc = clean_scale(c, err);

	if (rc == 0)
		rc = recover(c, err);
	if (rc == 0)
		rc = unlock(c, err);
	if (rc == 0)
		rc = clean_remove_all(c, "batch/v1", "jobs", p->jobs, err);
	if (rc == 0)
		rc = clean_remove_all(c, "v1", "pods", p->pods, err);
	if (rc == 0)
		rc = clean_remove_all(c, "apps/v1", "deployments",
				      p->deployments, err);
	if (rc == 0)
		rc = clean_remove_all(c, "v1", "services", p->services, err);
	if (rc == 0)
		rc = clean_remove_all(c, "v1", "configmaps", p->configmaps,
				      err);
	return rc < 0 ? rc : clean_hooks(c, err);
}

/* --- routes * ------------------------------------------------------------- */

static bool clean_has(const json_t *list, const char *name,
		      const char *annotation)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj)
		if ((!name || strcmp(object_name(obj), name) == 0) &&
		    (!annotation || object_annotation(obj, annotation)))
			return true;
	return false;
}

static bool has_no_record(const char *record, void *arg)
{
	const struct clean *c = arg;

	return !clean_has(json_object_get(c->services, "items"), record,
			  NULL) ||
	       clean_has(c->plan.services, record, NULL);
}

/* Entries whose records are gone, or go: how many objects had some */
static int clean_give_back_routes(struct clean *c, struct kt_error *err)
{
	struct routing_sweep s = {
		.gone = has_no_record,
		.arg = c,
		.expected =
			clean_has(c->plan.services, NULL, KT_ANNOTATION_ROUTE),
		.dry_run = c->opt->dry_run,
		.say = clean_print_line,
	};

	return routing_sweep(c->kube, c->ns, &s, err);
}

/* --- Services whose environments have ended ------------------------------- */

/* Under each Service's lock, so that nobody joins one that is given back. Who
 * may not all of it, or finds it locked, goes by the plan. */
static int clean_give_back(struct clean *c)
{
	const struct giveback g = { .kube = c->kube,
				    .ns = c->ns,
				    .home = c->app->home,
				    .say = clean_print_line };
	struct kt_error err = { 0 };
	int rc = c->opt->dry_run ? 0 : env_give_back_idle(&g, &err);

	if (rc < 0)
		log_debug("Services of environments: %s", err.msg);
	c->given_back = rc > 0;
	return rc == -EINTR ? rc : 0;
}

/* --- the two halves ------------------------------------------------------- */

static int clean_cluster(struct clean *c, struct kt_error *err)
{
	struct kube_config_source src = { .files = c->global->kubeconfig,
					  .context = c->global->context };
	int rc = kube_config_load(&c->config, &src, err);

	if (rc < 0)
		return rc;
	c->ns = c->global->namespace ? c->global->namespace
				     : c->config->namespace_;
	rc = kube_new(&c->kube, c->app->loop, c->config, err);
	if (rc < 0)
		return rc;
	if (!c->opt->every) /* else it would be said all day */
		progress_step(c->app->progress,
			      "Look for leftovers in namespace %s", c->ns);
	rc = clean_give_back(c);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	rc = clean_look(c, err);
	if (rc == 0 && !json_array_size(json_object_get(c->services, "items")))
		rc = nscheck(c->kube, c->ns, err);
	if (rc < 0)
		return rc;
	clean_make_plan(c);
	progress_done(c->app->progress, NULL);
	show_kept(c);
	if (c->opt->dry_run)
		show_plan(c);
	else
		rc = clean_carry_out(c, err);
	if (rc == 0)
		rc = clean_give_back_routes(c, err);
	if (rc == 0 && clean_plan_empty(&c->plan) && !c->given_back &&
	    !c->opt->every)
		print_line(stdout, "Nothing to clean in namespace %s.", c->ns);
	return rc;
}

static void clean_fini(struct clean *c)
{
	clean_plan_fini(&c->plan);
	json_decref(c->pods);
	json_decref(c->deployments);
	json_decref(c->statefulsets);
	json_decref(c->jobs);
	json_decref(c->configmaps);
	json_decref(c->services);
	kube_free(c->kube);
	kube_config_free(c->config);
}

static int clean_once(struct app *app, const struct options *o, bool first,
		      struct kt_error *err)
{
	struct clean c = { .app = app, .opt = &o->clean, .global = &o->global };
	int rc = 0;

	/* this machine first: it is what the user waits for, and works
	 * without the cluster */
	if (first || o->clean.local_only)
		rc = clean_local(app, o->clean.dry_run, err);
	if (rc == 0 && !o->clean.local_only)
		rc = clean_cluster(&c, err);
	clean_fini(&c);
	return rc;
}

/* Until it is asked to end. An API server that is away comes back. */
static int clean_again(struct app *app, const struct options *o)
{
	struct kt_error err;
	bool first = true;
	int rc;

	do {
		err = (struct kt_error){ 0 };
		rc = clean_once(app, o, first, &err);
		first = false;
		fflush(stdout); /* into a Pod's log */
		if (rc < 0 && rc != -EINTR)
			app_fail(app, rc, &err);
		if (rc != -EINTR)
			rc = loop_sleep(app->loop, o->clean.every);
	} while (rc != -EINTR);
	return EXIT_OK;
}

int command_clean(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	int rc;

	if (o->clean.every)
		return clean_again(app, o);
	rc = clean_once(app, o, true, &err);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}
