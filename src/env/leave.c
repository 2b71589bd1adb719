/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env leave: routers forget the member first, so that no request goes to
 * one that ends; then its record and its Pods go; then the Service is given
 * back, if nobody is left of it.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/subject.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "env/command.h"
#include "env/find.h"
#include "env/member.h"
#include "env/table.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

/* The record of the member for @service, or NULL; borrowed */
static const json_t *leave_find(const json_t *records, const char *service)
{
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		auto_free char *of = env_record_service(record);

		if (str_eq(of, service))
			return record;
	}
	return NULL;
}

/* One on somebody's machine ends there, unless nobody is there any more */
static int leave_check_local(struct env_command *c, const json_t *record,
			     const char *what, struct kt_error *err)
{
	const char *machine = object_annotation(record, KT_ANNOTATION_MACHINE);
	auto_json json_t *jobs = NULL, *live = NULL;
	int64_t now = env_command_now(c);
	int rc;

	if (!object_annotation(record, KT_ANNOTATION_HEARTBEAT))
		return 0;
	rc = env_jobs(c->kube, c->ns, &jobs, err);
	if (rc < 0)
		return rc;
	live = env_table_live(jobs, now);
	if (!env_record_is_alive(record, live, now, c->app->home))
		return 0;
	kt_hint(err, "its ktctl ends it: Ctrl-C, or 'ktctl disconnect', there");
	return kt_fail(err, EBUSY, "%s is a program on machine %s", what,
		       machine ? machine : "of its user");
}

/* Who looks at it before it is gone knows by whom; @record is as it is then */
static int leave_sign(struct env_command *c, const char *path, json_t **record,
		      struct kt_error *err)
{
	const char *user = object_annotation(*record, KT_ANNOTATION_USER);
	auto_json json_t *patch = json_pack(
		"{s:{s:s*,s:{s:s}}}", "metadata", "resourceVersion",
		json_str(*record, "metadata", "resourceVersion", NULL),
		"annotations", KT_ANNOTATION_FORCED, shadow_user());
	struct kt_error why = { 0 };
	json_t *now = NULL;
	int rc = 0;

	if (user && strcmp(user, shadow_user()) != 0)
		rc = kube_patch(c->kube, path, patch, &now, &why);
	if (now) {
		json_decref(*record);
		*record = now;
	}
	if (rc == -EBUSY)
		*err = why;
	else if (rc < 0)
		log_debug("%s: %s", path, why.msg);
	return rc == -EBUSY ? rc : 0;
}

/* As it was looked at: -EBUSY when somebody has written since. Pods are those
 * that its record leads to: another member's, that takes its place now, stay */
static int leave_remove(struct env_command *c, const char *env,
			const char *service, const json_t *seen,
			struct kt_error *err)
{
	const struct member_place at = { c->kube, c->ns, env, service };
	auto_free char *path =
		kube_path("v1", "services", c->ns, object_name(seen), NULL);
	auto_json json_t *record = json_incref((json_t *)(uintptr_t)seen);
	const char *next = object_annotation(seen, KT_ANNOTATION_NEXT);
	int rc = leave_sign(c, path, &record, err);

	if (rc == 0)
		rc = env_table_drop_member(c->kube, c->ns, env, service, err);
	if (rc == 0)
		rc = member_remove_copies(&at, service_target(record), err);
	if (rc == 0 && next) /* of a join that was killed, perhaps */
		rc = member_remove_copies(&at, next, err);
	if (rc == 0)
		rc = env_command_hooks(c, &at, err);
	return rc == 0 ? kube_delete_as(c->kube, path, record, -1, err) : rc;
}

/* The record of a member that may be taken out; borrowed from *@records */
static int leave_look(struct env_command *c, const struct env_info *info,
		      const char *service, json_t **records,
		      const json_t **record, struct kt_error *err)
{
	auto_free char *what = xasprintf("the member %s of environment %s",
					 service, info->name);
	int rc = env_records(c->kube, c->ns, info->name, records, err);

	if (rc < 0)
		return rc;
	*record = leave_find(*records, service);
	if (!*record) {
		kt_hint(err, "'ktctl env show %s' shows what it has",
			info->name);
		return kt_fail(err, ENOENT,
			       "environment %s has no member for Service "
			       "%s/%s",
			       info->name, c->ns, service);
	}
	rc = env_mine(object_annotation(*record, KT_ANNOTATION_USER),
		      c->o->env.in.force, what, err);
	return rc == 0 ? leave_check_local(c, *record, what, err) : rc;
}

static int leave_from(struct env_command *c, const struct env_info *info,
		      const char *service, struct kt_error *err)
{
	struct giveback g;
	int rc = -EBUSY;

	for (int tries = 1; rc == -EBUSY; tries++) {
		auto_json json_t *records = NULL;
		const json_t *record = NULL;

		rc = leave_look(c, info, service, &records, &record, err);
		if (rc < 0)
			return rc;
		rc = leave_remove(c, info->name, service, record, err);
		rc = update_retry(c->kube, tries, rc, err);
	}
	if (rc < 0)
		return rc;
	print_line(stdout, "Service %s/%s has left environment %s", c->ns,
		   service, info->name);
	env_command_giveback(c, &g);
	rc = env_leave_service(&g, service, err);
	return MIN(rc, 0);
}

static int leave_run(struct env_command *c, struct kt_error *err)
{
	struct env_info info = { 0 };
	struct subject subject;
	int rc = subject_parse(&subject, c->o->args[1], err);

	if (rc == 0 && subject.kind != SUBJECT_SERVICE)
		rc = kt_fail(err, EINVAL, "'%s': a Service is needed",
			     c->o->args[1]);
	if (rc == 0 && subject.ns[0])
		c->ns = subject.ns;
	if (rc == 0)
		rc = env_find(c->kube, c->ns, c->o->args[0], &info, err);
	if (rc == 0)
		rc = leave_from(c, &info, subject.name, err);
	env_info_fini(&info);
	return rc;
}

/* What has ended is looked for where the Service is, too */
int command_env_leave(struct app *app, const struct options *o)
{
	struct options here = *o;
	struct kt_error err = { 0 };
	struct subject subject;

	if (subject_parse(&subject, o->args[1], &err) == 0 && subject.ns[0])
		here.global.namespace = subject.ns;
	return env_command_run(app, &here, leave_run);
}
