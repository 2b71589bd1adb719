/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl env join: what is said on the command line, and what both ways of it
 * have in common. */
#include "env/join.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "env/find.h"
#include "env/join_tls.h"
#include "env/member.h"
#include "env/member_source.h"
#include "env/spec.h"
#include "env/table.h"
#include "inbound/lease.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A record's name has a hash of this key, so that it is never that of a mesh
 * with the same value */
#define JOIN_MARK_KEY "kt-env"

static int join_read_mark(struct env_join *j, struct kt_error *err)
{
	struct mesh *m = &j->mesh;
	int rc;

	snprintf(j->match, sizeof(j->match), "env:%s", j->info.name);
	j->options.match = j->match;
	rc = mesh_read_mark(m, err);
	snprintf(m->mark.key, sizeof(m->mark.key), "%s", JOIN_MARK_KEY);
	snprintf(m->mark.value, sizeof(m->mark.value), "%s", j->info.name);
	return rc;
}

int env_join_open(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	int rc = job_open(job, err);

	if (rc == 0)
		rc = env_find(job->kube, job->ns, j->o->args[0], &j->info, err);
	if (rc == 0)
		rc = join_read_mark(j, err);
	if (rc < 0)
		return rc;
	snprintf(j->expires, sizeof(j->expires), "%" PRId64, j->info.expires);
	j->owner = env_owner_ref(&j->info);
	j->env.name = j->info.name;
	j->env.owner = j->owner;
	j->env.expires = j->expires;
	j->mesh.env = &j->env;
	return 0;
}

int env_join_table(struct env_join *j, const char *host, struct kt_error *err)
{
	struct job *job = &j->mesh.job;

	j->tabled = true;
	return env_table_put_member(job->kube, job->ns, j->info.name, job->name,
				    host, host ? j->mesh.nowhere : NULL,
				    j->source, err);
}

void env_join_untable(struct env_join *j)
{
	struct job *job = &j->mesh.job;
	struct kt_error err = { 0 };
	bool ours = j->tabled && j->mesh.recorded &&
		    !mesh_record_is_foreign(&j->mesh);

	if (ours && env_table_drop_member(job->kube, job->ns, j->info.name,
					  job->name, &err) < 0)
		job_unfinished(job,
			       "Service %s is in the table of the routers "
			       "still, as a member of environment %s: %s",
			       job->name, j->info.name, err.msg);
	j->tabled = false;
}

const char *env_join_left(const struct env_join *j, char dst[48])
{
	char left[24];

	dst[0] = '\0';
	if (j->info.expires)
		snprintf(dst, 48, " (%s left)",
			 env_info_left(&j->info, job_now(&j->mesh.job), left));
	return dst;
}

struct member_place env_join_place(const struct env_join *j)
{
	const struct job *job = &j->mesh.job;

	return (struct member_place){ job->kube, job->ns, j->info.name,
				      job->name };
}

/* May the member that is there make place? One on somebody's machine does not:
 * it ends there. Nothing is changed yet. */
int env_join_replace(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_free char *path =
		kube_path("v1", "services", job->ns, j->mesh.name, NULL);
	auto_free char *what = xasprintf("the member %s of environment %s",
					 job->name, j->info.name);
	auto_json json_t *record = NULL;
	struct kt_error why = { 0 };
	const char *user;
	int rc = kube_get(job->kube, path, &record, &why);

	if (rc == -ENOENT || object_annotation(record, KT_ANNOTATION_HEARTBEAT))
		return 0;
	if (rc < 0) {
		*err = why;
		return rc;
	}
	user = object_annotation(record, KT_ANNOTATION_USER);
	if (lease_is_alive(job, record)) {
		rc = env_mine(user, j->o->env.in.force, what, err);
		if (rc < 0)
			return rc;
		if (user && strcmp(user, shadow_user()) != 0)
			j->env.forced_by = shadow_user();
		j->beside = j->member != NULL;
	}
	progress_detail(job->app->progress, "in place of the member before");
	j->replaced = steal_ptr(&record);
	j->env.replaces = j->replaced;
	return 0;
}

/* Routers forget it before its Pods go: until the new one is in the table, the
 * others answer, also where a member that is away is an error */
static int join_clear(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	const struct member_place at = env_join_place(j);
	int rc;

	j->tabled = true; /* the former one, until it is known that it is not */
	rc = env_table_drop_member(job->kube, job->ns, j->info.name, job->name,
				   err);
	if (rc == 0)
		rc = member_source_remove(&at, j->mesh.name, err);
	return rc < 0 ? rc : member_remove_copies(&at, NULL, err);
}

int env_join_hold(struct env_join *j, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc = mesh_router_hold(&j->mesh.job, err), cleared = 0;

	if (rc == 0)
		rc = env_join_tls_held(j, err);

	/* also when it has failed: what it replaced has no record any more */
	if (j->mesh.recorded && j->env.replaces && !j->beside)
		cleared = join_clear(j, rc < 0 ? &why : err);
	return rc < 0 ? rc : cleared;
}

void env_join_fini(struct env_join *j)
{
	mesh_fini(&j->mesh);
	env_info_fini(&j->info);
	json_decref(j->owner);
	json_decref(j->replaced);
	free(j->source);
	free(j->tls);
	free(j->tls_name);
}

/* --- the command line ----------------------------------------------------- */

static int join_check(const struct options *o, struct kt_error *err)
{
	const struct env_options *e = &o->env;
	int ways = (e->in.expose.n > 0) + (e->image != NULL) +
		   (e->selector.n > 0) + (e->service != NULL);

	if (ways != 1)
		return kt_fail(err, EINVAL,
			       "one of --local, --image, --selector and "
			       "--service says what the member is");
	if (!e->image && (e->set.n || e->env_from.n || e->replicas > 1 ||
			  e->on_join || e->on_delete))
		return kt_fail(err, EINVAL,
			       "--set, --envFrom, --replicas, --onJoin and "
			       "--onDelete are for a member with --image");
	if (!e->image && e->idle)
		return kt_fail(err, EINVAL,
			       "--idle is for a member with --image: ktctl "
			       "stops no Pods that it has not made");
	if (e->idle && e->tls_secret)
		return kt_fail(err, EINVAL,
			       "--idle is for plain HTTP: a TLS handshake "
			       "cannot wait for a member to wake");
	if (!e->idle && e->wake_timeout != ENV_WAKE_DEFAULT)
		return kt_fail(err, EINVAL,
			       "--wakeTimeout is for a member with --idle");
	if (!e->in.expose.n && (o->session.background || o->session.with))
		return kt_fail(err, EINVAL,
			       "--background and --with are for a member with "
			       "--local: any other is there without ktctl");
	return 0;
}

int command_env_join(struct app *app, const struct options *o)
{
	bool local = o->env.in.expose.n > 0;
	struct env_join j = {
		.mesh = { .job = { .app = app,
				   .global = &o->global,
				   .opt = &j.options.in,
				   .asked = o->args[1],
				   .component = "env-join" },
			  .opt = &j.options },
		.options = { .in = o->env.in },
		.o = o,
	};
	struct kt_error err = { 0 };
	int rc = join_check(o, &err);

	if (rc < 0)
		return app_usage(app, &err);
	j.mesh.route.job = &j.mesh.job;
	j.options.in.any_port = true;
	rc = local ? env_join_local(&j) : env_join_cluster(&j);
	env_join_fini(&j);
	return rc;
}
