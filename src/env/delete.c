/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env delete: routers forget it first, so that no request goes to a
 * member that ends; then the Job, and with it all that it owns; then Services
 * that nobody is left of are given back.
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
#include "env/hook_run.h"
#include "env/name.h"
#include "env/share_after.h"
#include "env/table.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define DELETE_WAIT (20 * NS_SEC) /* until its objects are gone */
#define DELETE_LOOK (200 * NS_MS)

/* Whose client sees its member go shall know by whom */
static void delete_sign(struct env_command *c, const json_t *records)
{
	auto_json json_t *patch =
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			  KT_ANNOTATION_FORCED, shadow_user());
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		const char *user =
			object_annotation(record, KT_ANNOTATION_USER);
		auto_free char *path = kube_path("v1", "services", c->ns,
						 object_name(record), NULL);
		struct kt_error err = { 0 };

		if (user && strcmp(user, shadow_user()) != 0 &&
		    kube_patch(c->kube, path, patch, NULL, &err) < 0)
			log_debug("%s: %s", path, err.msg);
	}
}

/* Objects go after their owner: 0: they are gone, or it takes too long */
static int delete_await(struct env_command *c, const struct env_info *info,
			struct kt_error *err)
{
	int64_t end = clock_ns() + DELETE_WAIT;

	for (;;) {
		auto_json json_t *records = NULL;
		int rc = env_records(c->kube, c->ns, info->name, &records, err);

		if (rc < 0 || !json_array_size(records))
			return rc;
		if (clock_ns() > end) {
			log_warn("the members of %s are not gone yet: the "
				 "cluster removes them later",
				 info->name);
			return 0;
		}
		rc = loop_sleep(c->app->loop, DELETE_LOOK);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

static int delete_give_back(const struct giveback *g, const json_t *records,
			    struct kt_error *err)
{
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		auto_free char *service = env_record_service(record);
		int rc = service ? env_leave_service(g, service, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The Pods end first, of those members that have a hook */
static int delete_hooks(struct env_command *c, const struct env_info *info,
			const json_t *records, struct kt_error *err)
{
	struct member_place at = { c->kube, c->ns, info->name, NULL };
	auto_json json_t *waiting = NULL;
	const json_t *record;
	size_t i;
	int rc = hook_waiting(&at, &waiting, err);

	if (rc < 0 || !json_array_size(waiting))
		return rc;
	json_array_foreach (records, i, record) {
		auto_free char *service = env_record_service(record);

		at.service = service;
		rc = service ? member_remove_copies(&at, NULL, err) : 0;
		if (rc < 0)
			return rc;
	}
	at.service = NULL;
	return env_command_hooks(c, &at, err);
}

int env_end(struct env_command *c, const struct giveback *g,
	    const struct env_info *info, struct kt_error *err)
{
	auto_free char *text = xasprintf("Environment %s of namespace %s is "
					 "deleted",
					 info->name, c->ns);
	auto_free char *job = env_name_job(info->name);
	auto_json json_t *records = NULL;
	int rc = env_records(c->kube, c->ns, info->name, &records, err);

	if (rc == 0) {
		delete_sign(c, records);
		rc = env_table_drop_env(c->kube, c->ns, info->name, err);
	}
	if (rc == 0)
		rc = delete_hooks(c, info, records, err);
	if (rc == 0)
		rc = share_after_remove(c->kube, c->ns, info->name, NULL, err);
	if (rc == 0)
		rc = env_remove(c->kube, c->ns, job, info->uid, err);
	if (rc == 0 && g->say)
		g->say(g->user, text);
	if (rc == 0)
		rc = delete_await(c, info, err);
	/* it drops its hold on the table */
	if (rc == 0)
		rc = env_table_refresh(c->kube, c->ns, err);
	if (rc == 0)
		rc = delete_give_back(g, records, err);
	return rc;
}

/* It is over: what says so to who comes late may go before its time. @rc, @err:
 * how it is when there is nothing of that */
static int delete_rest(struct env_command *c, int rc, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int n = share_after_end(c, c->o->args[0], &why);

	if (n == 0)
		return rc;
	*err = why;
	if (n > 0)
		print_line(stdout,
			   "Nothing says any more that environment %s of "
			   "namespace %s has ended",
			   c->o->args[0], c->ns);
	return MIN(n, 0);
}

static int delete_run(struct env_command *c, struct kt_error *err)
{
	struct env_info info;
	struct giveback g;
	int rc = env_find(c->kube, c->ns, c->o->args[0], &info, err);
	auto_free char *what =
		xasprintf("environment '%s' of namespace %s", info.name, c->ns);

	if (rc == -ENOENT)
		return delete_rest(c, rc, err);
	if (rc == 0)
		rc = env_mine(info.user, c->o->env.in.force, what, err);
	env_command_giveback(c, &g);
	if (rc == 0)
		rc = env_end(c, &g, &info, err);
	env_info_fini(&info);
	return rc;
}

int command_env_delete(struct app *app, const struct options *o)
{
	return env_command_change(app, o, delete_run);
}
