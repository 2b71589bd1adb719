/* SPDX-License-Identifier: Apache-2.0 */
#include "env/idle.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/podstate.h"
#include "cluster/takeover.h"
#include "env/copy_wait.h"
#include "env/join.h"
#include "env/member.h"
#include "kube/authz.h"
#include "kube/rest.h"
#include "uplink/bootstrap.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define IDLE_RBAC_API "rbac.authorization.k8s.io/v1"

/* --- the sleeper ---------------------------------------------------------- */

/* The program's arguments: numbers are in @text, borrowed as @v */
struct idle_args {
	char text[4][24];
	char *member;
	const char *v[20]; /* ends in NULL */
};

static void idle_set_args(struct idle_args *a, const struct env_join *j)
{
	const struct idle *i = &j->member->idle;
	const struct env_options *e = &j->o->env;
	size_t n = 0;

	a->member = xasprintf("%s of environment %s", j->mesh.job.name,
			      j->info.name);
	snprintf(a->text[0], sizeof(a->text[0]), "%lld",
		 (long long)MAX(e->idle / NS_SEC, (int64_t)1));
	snprintf(a->text[1], sizeof(a->text[1]), "%lld",
		 (long long)MAX(e->wake_timeout / NS_SEC, (int64_t)1));
	snprintf(a->text[2], sizeof(a->text[2]), "%d", e->replicas);
	snprintf(a->text[3], sizeof(a->text[3]), "%u", i->health);
	a->v[n++] = "sleep";
	a->v[n++] = "--deployment";
	a->v[n++] = object_name(j->member->copy.deployment);
	a->v[n++] = "--endpoints";
	a->v[n++] = i->name;
	a->v[n++] = "--serve";
	a->v[n++] = i->serve;
	a->v[n++] = "--idle";
	a->v[n++] = a->text[0];
	a->v[n++] = "--wake";
	a->v[n++] = a->text[1];
	a->v[n++] = "--replicas";
	a->v[n++] = a->text[2];
	a->v[n++] = "--health";
	a->v[n++] = a->text[3];
	a->v[n++] = "--member";
	a->v[n++] = a->member;
}

/* Those of the copy's Pods, so that policies for them are for it; no Service
 * finds those (env/copy.h), and the environment's are not its */
static json_t *idle_pod_labels(const struct env_join *j)
{
	json_t *labels = json_copy((json_t *)(uintptr_t)object_pod_labels(
		j->member->copy.deployment));

	json_object_del(labels, KT_LABEL_ENV);
	json_object_del(labels, KT_LABEL_ENV_OF);
	json_object_del(labels, KT_LABEL_TARGET);
	return labels;
}

/* It is the copy's by its labels: who removes that removes it */
static json_t *idle_deployment(const struct env_join *j,
			       const struct bootstrap *b, const json_t *owner)
{
	const struct job *job = &j->mesh.job;
	const struct pod_options *o = &job->global->pod;
	const struct idle *i = &j->member->idle;
	auto_json json_t *nodes = objects_pairs(&o->node_selector);
	auto_json json_t *labels = idle_pod_labels(j);
	auto_json json_t *more = objects_pairs(&o->labels);
	auto_json json_t *annotations = objects_pairs(&o->annotations);
	auto_json json_t *owners = owner ? json_pack("[O]", owner) : NULL;
	struct idle_args args = { 0 };
	struct shadow_spec spec = {
		.name = i->name,
		.role = KT_ROLE_ENV_SLEEP,
		.target = json_str(j->member->copy.selector, KT_LABEL_TARGET,
				   NULL),
		.user = shadow_user(),
		.always_pull = o->force_update,
		.image_pull_secret = o->image_pull_secret,
		.service_account = i->name,
		.token = true,
		.run_as_user = o->run_as_user,
		.node_selector = nodes,
		.labels = labels,
		.annotations = annotations,
		.cpu = o->quota.cpu,
		.memory = o->quota.memory,
		.args = args.v,
		.health_port = i->health,
		.owners = owners,
	};
	json_t *d, *meta;

	json_object_update_missing(labels, more);
	idle_set_args(&args, j);
	bootstrap_fill(b, &spec);
	d = shadow_deployment(&spec);
	meta = json_object_get(json_object_get(d, "metadata"), "labels");
	free(args.member);
	/* its Pods share the map: these are the Deployment's alone */
	json_object_set_new(meta, KT_LABEL_ENV, json_string(j->info.name));
	json_object_set_new(meta, KT_LABEL_ENV_OF, json_string(job->name));
	return d;
}

/* --- may it be made? ------------------------------------------------------ */

static int idle_post(struct env_join *j, const char *api, const char *resource,
		     json_t *obj, bool dry, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_free char *path = kube_path(api, resource, job->ns, NULL, NULL);
	const struct kube_request req = { .method = "POST",
					  .path = path,
					  .query = dry ? "dryRun=All" : NULL,
					  .body = obj };
	int rc = kube_call(job->kube, &req, NULL, err);

	json_decref(obj);
	return rc;
}

/* Who gives rights has to have them: the server says which are missing. A
 * binding cannot be tried without its Role. */
static int idle_try_rights(struct env_join *j, const struct idle_object *o,
			   struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	int rc = idle_post(j, "v1", "serviceaccounts", idle_account(o), true,
			   err);

	if (rc == 0)
		rc = idle_post(j, IDLE_RBAC_API, "roles", idle_role(o), true,
			       err);
	if (rc == 0)
		rc = kube_can(job->kube, job->ns, "create",
			      "rbac.authorization.k8s.io", "rolebindings", err);
	if (rc == 0)
		rc = kt_fail(err, EPERM,
			     "rolebindings.rbac.authorization.k8s.io is "
			     "forbidden: you may not create them in namespace "
			     "%s",
			     job->ns);
	return MIN(rc, 0);
}

static struct idle_object idle_of(const struct env_join *j, const json_t *owner)
{
	return (struct idle_object){ .idle = &j->member->idle,
				     .env = j->info.name,
				     .user = shadow_user(),
				     .copy = j->member->copy.deployment,
				     .owner = owner };
}

static void idle_bootstrap(const struct env_join *j, struct bootstrap *b)
{
	const struct job *job = &j->mesh.job;

	bootstrap_init(b, job->kube, job->ns, &job->global->pod);
	b->is_gate = true;
	b->home = job->app->home;
}

int idle_try(struct env_join *j, struct kt_error *err)
{
	const struct idle_object o = idle_of(j, NULL);
	struct bootstrap b;
	int rc;

	if (j->tls)
		return kt_fail(err, EOPNOTSUPP,
			       "--idle: the router of Service %s ends TLS, and "
			       "a handshake cannot wait for a member to wake",
			       j->mesh.job.name);
	rc = idle_try_rights(j, &o, err);

	if (rc == -EPERM || rc == -EACCES) {
		err->hint[0] = '\0'; /* of one verb */
		kt_hint(err, "--idle needs the Role ktctl-env-idle "
			     "(deploy/rbac/env-idle.yaml) besides ktctl-env");
		return kt_wrap(err, rc, "--idle");
	}
	if (rc < 0)
		return rc;
	idle_bootstrap(j, &b);
	rc = bootstrap_find(&b, j->mesh.job.original, err);
	if (rc == 0)
		rc = idle_post(j, "apps/v1", "deployments",
			       idle_deployment(j, &b, NULL), true, err);
	bootstrap_fini(&b);
	return rc;
}

/* --- it is made ----------------------------------------------------------- */

static int idle_make_rights(struct env_join *j, const struct idle_object *o,
			    struct kt_error *err)
{
	int rc = idle_post(j, "v1", "serviceaccounts", idle_account(o), false,
			   err);

	if (rc == 0)
		rc = idle_post(j, IDLE_RBAC_API, "roles", idle_role(o), false,
			       err);
	if (rc == 0)
		rc = idle_post(j, IDLE_RBAC_API, "rolebindings",
			       idle_binding(o, j->mesh.job.ns), false, err);
	if (rc == 0)
		rc = idle_post(j, "v1", "services",
			       idle_service(o, j->member->copy.selector), false,
			       err);
	return rc;
}

int idle_make(struct env_join *j, const json_t *deployment,
	      struct kt_error *err)
{
	auto_json json_t *owner = idle_owner(deployment);
	const struct idle_object o = idle_of(j, owner);
	struct bootstrap b;
	int rc = idle_make_rights(j, &o, err);

	if (rc < 0)
		return rc;
	idle_bootstrap(j, &b);
	rc = bootstrap_prepare(&b, j->mesh.job.original, err);
	if (rc == 0)
		rc = idle_post(j, "apps/v1", "deployments",
			       idle_deployment(j, &b, owner), false, err);
	bootstrap_fini(&b);
	return rc;
}

static void idle_on_progress(void *user, const char *text)
{
	const struct job *job = user;

	progress_detail(job->app->progress, "%s", text);
}

int idle_await(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	const struct idle *i = &j->member->idle;
	const struct copy_wait w = {
		.ns = job->ns,
		.deployment = i->name,
		.selector = i->selector,
		.replicas = 1,
		.timeout_ns = job->global->pod.creation_timeout * NS_SEC,
		.silent = KT_CONTAINER,
		.progress = idle_on_progress,
		.user = job,
	};
	int rc;

	progress_detail(job->app->progress, "until its sleeper is ready");
	rc = copy_wait_ready(job->kube, &w, err);
	if (rc < 0)
		pod_hint_gate(err);
	return rc < 0 ? kt_wrap(err, rc, "the sleeper") : 0;
}
