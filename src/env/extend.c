/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env extend: another end, counted from now on. The Job first, which is
 * what counts; then what tells others of it: the members' records, and the
 * table that routers read.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/command.h"
#include "env/find.h"
#include "env/name.h"
#include "env/share_after.h"
#include "env/share_entry.h"
#include "env/table.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --force of another user's is put down */
static void extend_sign(const struct env_command *c,
			const struct env_info *info, json_t *patch)
{
	if (info->user && strcmp(info->user, shadow_user()) != 0 &&
	    c->o->env.in.force)
		json_object_set_new(
			json_at(patch, "metadata", "annotations", NULL),
			KT_ANNOTATION_FORCED, json_string(shadow_user()));
}

static int extend_job(struct env_command *c, struct env_info *info,
		      struct kt_error *err)
{
	auto_free char *name = env_name_job(info->name);
	auto_free char *path = kube_path("batch/v1", "jobs", c->ns, name, NULL);
	auto_json json_t *patch = NULL, *done = NULL;
	char named_by[sizeof(info->named_by)];
	int64_t ttl;
	int rc = env_command_ttl(c->o, &ttl, err);

	if (rc < 0)
		return rc;
	patch = env_job_extend(info, env_command_now(c), ttl);
	extend_sign(c, info, patch);
	rc = kube_patch(c->kube, path, patch, &done, err);
	if (rc < 0)
		return rc;
	memcpy(named_by, info->named_by, sizeof(named_by));
	env_info_fini(info);
	if (env_info_read(info, done) < 0)
		return kt_fail(err, EPROTO, "Job %s/%s makes no sense", c->ns,
			       name);
	memcpy(info->named_by, named_by, sizeof(named_by));
	return 0;
}

static int extend_records(struct env_command *c, const struct env_info *info,
			  struct kt_error *err)
{
	auto_json json_t *records = NULL, *patch = NULL;
	int rc = env_records(c->kube, c->ns, info->name, &records, err);
	const json_t *record;
	char expires[24];
	size_t i;

	snprintf(expires, sizeof(expires), "%" PRId64, info->expires);
	patch = json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			  KT_ANNOTATION_EXPIRES, expires);
	json_array_foreach (records, i, record) {
		auto_free char *path = kube_path("v1", "services", c->ns,
						 object_name(record), NULL);

		if (rc == 0)
			rc = kube_patch(c->kube, path, patch, NULL, err);
		if (rc == -ENOENT) /* it has left meanwhile */
			rc = 0;
	}
	return rc;
}

static int extend_run(struct env_command *c, struct kt_error *err)
{
	struct env_info info;
	char until[80];
	int rc = env_find(c->kube, c->ns, c->o->args[0], &info, err);
	auto_free char *what =
		xasprintf("environment '%s' of namespace %s", info.name, c->ns);

	if (rc == 0)
		rc = env_mine(info.user, c->o->env.in.force, what, err);
	if (rc == 0)
		rc = extend_job(c, &info, err);
	if (rc == 0) {
		rc = extend_records(c, &info, err);
		if (rc == 0)
			rc = share_after_extend(c, &info, err);
		if (rc == 0)
			rc = share_entry_extend(c, &info, err);
		if (rc == 0)
			rc = env_table_refresh(c->kube, c->ns, err);
		if (rc < 0)
			kt_hint(err, "its Job has the new end; say 'ktctl env "
				     "extend' once more, so that its members "
				     "and routers have it, too");
	}
	if (rc == 0)
		print_line(stdout, "Environment %s of namespace %s lives %s",
			   info.name, c->ns,
			   env_command_until(c, &info, until));
	env_info_fini(&info);
	return rc;
}

int command_env_extend(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	if (env_command_ttl(o, &(int64_t){ 0 }, &err) < 0)
		return app_usage(app, &err);
	return env_command_read(app, o, extend_run);
}
