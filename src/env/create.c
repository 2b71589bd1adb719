/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env create: the Job, and the Service with the addresses of the
 * environment's Pods. Nothing half made: what the server would refuse of the
 * second is known before the first is there, and else that goes again.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/command.h"
#include "env/find.h"
#include "env/name.h"
#include "env/share_after.h"
#include "env/share_header.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define CREATE_WAIT (15 * NS_SEC) /* until one of that name is gone */
#define CREATE_LATE (500 * NS_MS) /* for a request that was broken off */
#define CREATE_LOOK (200 * NS_MS)

struct create {
	struct env_command *c;
	char *name;    /* the whole one */
	bool no_above; /* there is nobody above it yet */
	int64_t ttl, now;
	bool asked;	      /* the server has been asked to make the Job */
	struct env_info info; /* what it made */
};

/* --- the name ------------------------------------------------------------- */

/* --parent may be the last labels of one that is there */
static int create_below(struct create *n, const json_t *jobs,
			struct kt_error *err)
{
	const char *given = n->c->o->args[0], *parent = n->c->o->env.parent;
	struct env_info above = { 0 };
	int rc = env_pick(jobs, n->c->ns, parent, env_command_now(n->c), &above,
			  err);

	n->no_above = rc == -ENOENT;
	if (rc == 0 && strcmp(above.name, parent) != 0 &&
	    !envmark_within(given, above.name)) {
		free(n->name);
		n->name = env_name_make(given, above.name, err);
		rc = n->name ? 0 : -EINVAL;
	}
	env_info_fini(&above);
	if (rc != -ENOENT)
		return rc;
	*err = (struct kt_error){ 0 };
	return 0;
}

static int create_name(struct create *n, struct kt_error *err)
{
	const char *parent = n->c->o->env.parent;
	struct env_info above = { 0 };
	auto_json json_t *jobs = NULL;
	char want[ENVMARK_MAX];
	bool ended;
	int rc;

	n->name = env_name_make(n->c->o->args[0], parent, err);
	if (!n->name)
		return -EINVAL;
	snprintf(want, sizeof(want), "%s", n->name);
	if (!parent && !envmark_parent(want))
		return 0;
	rc = env_jobs(n->c->kube, n->c->ns, &jobs, err);
	if (rc < 0 || parent)
		return rc < 0 ? rc : create_below(n, jobs, err);
	n->no_above = !env_pick_whole(jobs, want, env_command_now(n->c), &ended,
				      &above);
	env_info_fini(&above);
	return 0;
}

/* --- the field that names environments ------------------------------------ */

/* A router reads it before it knows whose the request is: so all that live in
 * the namespace have the same one, or none */
static int create_header(const struct create *n, struct kt_error *err)
{
	const char *header = n->c->o->env.header;
	auto_json json_t *jobs = NULL;
	const json_t *job;
	size_t i;
	int rc = header ? env_jobs(n->c->kube, n->c->ns, &jobs, err) : 0;

	json_array_foreach (jobs, i, job) {
		struct env_info info;

		if (rc == 0 && env_info_read(&info, job) == 0 &&
		    env_info_is_alive(&info, env_command_now(n->c)) &&
		    info.header[0] && strcmp(info.header, header) != 0)
			rc = kt_fail(err, EEXIST,
				     "--header %s: environments of namespace "
				     "%s are named by %s, as %s says; there is "
				     "one such header in a namespace",
				     header, n->c->ns, info.header, info.name);
		env_info_fini(&info);
	}
	return rc;
}

/* --- the Job -------------------------------------------------------------- */

static int create_taken(const struct create *n, const struct env_info *info,
			struct kt_error *err)
{
	char left[24], age[24];
	int64_t now = env_command_now(n->c);

	env_info_left(info, now, left);
	kt_hint(err,
		"'ktctl env join %s SERVICE' puts a member into it, 'ktctl env "
		"extend %s' lets it live longer",
		info->name, info->name);
	return kt_fail(err, EEXIST,
		       "environment '%s' of namespace %s exists already: it is "
		       "%s's, made %s ago, %s%s",
		       info->name, n->c->ns,
		       info->user ? info->user : "somebody",
		       env_span(now - info->since, age),
		       info->expires ? "time left: " : "", left);
}

/* One of that name is there: 0: it is gone now */
static int create_await_gone(struct create *n, const char *path,
			     struct kt_error *err)
{
	int64_t end = clock_ns() + CREATE_WAIT;

	for (;;) {
		auto_json json_t *job = NULL;
		struct env_info info;
		int rc = kube_get(n->c->kube, path, &job, err);

		if (rc == -ENOENT) {
			*err = (struct kt_error){ 0 };
			return 0;
		}
		if (rc < 0)
			return rc;
		if (env_info_read(&info, job) < 0)
			rc = kt_fail(err, EEXIST,
				     "Job %s/%s exists, and ktctl has not made "
				     "it",
				     n->c->ns, object_name(job));
		else if (env_info_is_alive(&info, env_command_now(n->c)))
			rc = create_taken(n, &info, err);
		else if (clock_ns() > end)
			rc = kt_fail(err, EBUSY,
				     "environment '%s' of namespace %s has "
				     "ended, but its Job is not removed yet",
				     info.name, n->c->ns);
		else
			rc = env_remove(n->c->kube, n->c->ns, object_name(job),
					info.uid, err);
		env_info_fini(&info);
		if (rc < 0)
			return rc;
		rc = loop_sleep(n->c->app->loop, CREATE_LOOK);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

static int create_job(struct create *n, struct kt_error *err)
{
	char machine[SHADOW_MACHINE_SIZE];
	const struct env_spec spec = {
		.name = n->name,
		.user = shadow_user(),
		.machine = shadow_machine(machine),
		.now = n->now = env_command_now(n->c),
		.ttl = n->ttl,
		.strict = n->c->o->env.strict,
		.header = n->c->o->env.header,
	};
	auto_free char *all =
		kube_path("batch/v1", "jobs", n->c->ns, NULL, NULL);
	auto_free char *name = env_name_job(n->name);
	auto_free char *path =
		kube_path("batch/v1", "jobs", n->c->ns, name, NULL);
	auto_json json_t *job = env_job_make(&spec);
	auto_json json_t *made = NULL;
	int rc;

	object_add_options(job, &n->c->o->global.pod);
	n->asked = true;
	rc = kube_create(n->c->kube, all, job, &made, err);
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		n->asked = false;
		rc = create_await_gone(n, path, err);
		if (rc == 0) {
			n->asked = true;
			rc = kube_create(n->c->kube, all, job, &made, err);
		}
	}
	if (rc == 0 && env_info_read(&n->info, made) < 0)
		rc = kt_fail(err, EPROTO,
			     "Job %s/%s is not as it was made: something in "
			     "the cluster alters it",
			     n->c->ns, name);
	return rc;
}

/* --- the Service ---------------------------------------------------------- */

/* What a Role, a quota or a policy refuses, before anything is made */
static int create_try(struct create *n, struct kt_error *err)
{
	auto_free char *all = kube_path("v1", "services", n->c->ns, NULL, NULL);
	struct env_info none = { .uid = (char *)(uintptr_t) "0" };
	auto_json json_t *obj = NULL;
	struct kube_request req = { .method = "POST",
				    .path = all,
				    .query = "dryRun=All" };
	int rc;

	snprintf(none.name, sizeof(none.name), "%s", n->name);
	obj = env_source_make(&none);
	object_add_options(obj, &n->c->o->global.pod);
	req.body = obj;
	rc = kube_call(n->c->kube, &req, NULL, err);
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		rc = 0; /* a former one's, which goes with it */
	}
	return rc;
}

/* That of an environment which is gone goes, too, but later */
static int create_source(struct create *n, struct kt_error *err)
{
	auto_free char *all = kube_path("v1", "services", n->c->ns, NULL, NULL);
	auto_json json_t *obj = env_source_make(&n->info);
	auto_free char *path =
		kube_path("v1", "services", n->c->ns, object_name(obj), NULL);
	auto_json json_t *there = NULL;
	int rc = kube_create(n->c->kube, all, obj, NULL, err);

	if (rc != -EEXIST)
		return rc;
	rc = kube_get(n->c->kube, path, &there, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	*err = (struct kt_error){ 0 };
	if (rc == 0 &&
	    !str_eq(object_label(there, KT_LABEL_ROLE), KT_ROLE_ENV_SOURCE))
		return kt_fail(
			err, EEXIST,
			"Service %s/%s exists, and ktctl has not made it",
			n->c->ns, object_name(obj));
	rc = rc == 0 ? kube_delete(n->c->kube, path, 0, err) : 0;
	return rc < 0 ? rc : kube_create(n->c->kube, all, obj, NULL, err);
}

/* A Job that was asked for and not answered of may be there all the same: it is
 * ours if it says what we have said */
static void create_find_made(struct create *n)
{
	auto_free char *name = env_name_job(n->name);
	auto_free char *path =
		kube_path("batch/v1", "jobs", n->c->ns, name, NULL);
	auto_json json_t *job = NULL;
	struct kt_error err = { 0 };
	char machine[SHADOW_MACHINE_SIZE];

	if (loop_sleep(n->c->app->loop, CREATE_LATE) < 0 ||
	    kube_get(n->c->kube, path, &job, &err) < 0 ||
	    env_info_read(&n->info, job) < 0)
		return;
	if (n->info.since != n->now || !str_eq(n->info.user, shadow_user()) ||
	    !str_eq(n->info.machine, shadow_machine(machine)))
		env_info_fini(&n->info);
}

/* Also after Ctrl-C */
static int create_undo(struct create *n, int rc, const struct kt_error *why)
{
	auto_free char *job = env_name_job(n->name);
	struct kt_error err = { 0 };

	loop_resume(n->c->app->loop);
	if (!n->info.uid && n->asked && !why->http_status)
		create_find_made(n);
	if (n->info.uid &&
	    env_remove(n->c->kube, n->c->ns, job, n->info.uid, &err) < 0)
		log_warn("Job %s/%s was not removed: %s", n->c->ns, job,
			 err.msg);
	return rc;
}

/* It has not ended any more. Its hosts have to be shared anew. */
static void create_again(const struct create *n)
{
	struct kt_error err = { 0 };

	if (share_after_remove(n->c->kube, n->c->ns, n->name, NULL, &err) < 0)
		log_warn("what says that a former %s has ended stays: %s",
			 n->name, err.msg);
}

/* Who comes by the host name of another must not be able to set it */
static void create_header_shared(const struct create *n)
{
	struct kt_error err = { 0 };

	if (n->info.header[0] && share_header_all(n->c, &err) < 0)
		log_warn("--header %s: who comes by the host name of another "
			 "environment may set it, until that is shared again: "
			 "%s",
			 n->info.header, err.msg);
}

/* --- all of it ------------------------------------------------------------ */

static void create_tell(const struct create *n)
{
	char until[80], above[ENVMARK_MAX];
	const char *header = n->info.header;

	print_line(stdout, "Environment %s of namespace %s is there, %s",
		   n->name, n->c->ns, env_command_until(n->c, &n->info, until));
	snprintf(above, sizeof(above), "%s", n->name);
	if (n->no_above && envmark_parent(above))
		print_line(stdout,
			   "There is no environment %s above it (yet): where "
			   "it has no member, the trunk answers",
			   above);
	print_line(stdout,
		   "Requests with 'baggage: kt-env=%s'%s%s%s%s%s belong to it; "
		   "its members come with 'ktctl env join %s SERVICE'",
		   n->name, *header ? " or '" : "", header, *header ? ": " : "",
		   *header ? n->name : "", *header ? "'" : "", n->name);
}

static int create_run(struct env_command *c, struct kt_error *err)
{
	struct create n = { .c = c };
	int rc = env_command_ttl(c->o, &n.ttl, err);

	if (rc == 0)
		rc = create_name(&n, err);
	if (rc == 0)
		rc = create_header(&n, err);
	if (rc == 0)
		rc = create_try(&n, err);
	if (rc == 0)
		rc = create_job(&n, err);
	if (rc == 0)
		rc = create_source(&n, err);
	if (rc < 0 && n.asked)
		rc = create_undo(&n, rc, err);
	if (rc == 0) {
		create_again(&n);
		create_header_shared(&n);
		create_tell(&n);
	}
	env_info_fini(&n.info);
	free(n.name);
	return rc;
}

int command_env_create(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	auto_free char *name = env_name_make(o->args[0], o->env.parent, &err);

	if (!name || env_command_ttl(o, &(int64_t){ 0 }, &err) < 0)
		return app_usage(app, &err);
	return env_command_run(app, o, create_run);
}
