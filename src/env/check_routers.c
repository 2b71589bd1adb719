/* SPDX-License-Identifier: Apache-2.0 */
#include "env/check_routers.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/objects.h"
#include "env/advice.h"
#include "env/join.h"
#include "env/name.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>

#define CHECK_ROUTERS_NAME "check-"
#define CHECK_ROUTERS_RANDOM 5
/* until each node knows where the Services lead */
#define CHECK_ROUTERS_STEADY (2 * NS_SEC)

static int check_routers_make(struct check_routers *r, struct kt_error *err)
{
	const struct env_command *c = r->c;
	char name[sizeof(CHECK_ROUTERS_NAME) + CHECK_ROUTERS_RANDOM] =
		CHECK_ROUTERS_NAME;
	char machine[SHADOW_MACHINE_SIZE];
	const struct env_spec spec = {
		.name = name,
		.user = shadow_user(),
		.machine = shadow_machine(machine),
		.now = env_command_now(c),
		.ttl = CHECK_ROUTERS_TTL,
	};
	auto_free char *all = kube_path("batch/v1", "jobs", c->ns, NULL, NULL);
	auto_json json_t *job = NULL, *made = NULL;
	int rc;

	str_random(name + sizeof(CHECK_ROUTERS_NAME) - 1, CHECK_ROUTERS_RANDOM);
	job = env_job_make(&spec);
	object_add_options(job, &c->o->global.pod);
	rc = kube_create(c->kube, all, job, &made, err);
	if (rc == 0 && env_info_read(&r->info, made) < 0)
		rc = kt_fail(err, EPROTO,
			     "Job %s/%s is not as it was made: something in "
			     "the cluster alters it",
			     c->ns, object_name(made));
	return rc;
}

void check_routers_hold(struct check_routers *r)
{
	const struct env_command *c = r->c;
	auto_free char *name = env_name_job(r->info.name);
	auto_free char *path = kube_path("batch/v1", "jobs", c->ns, name, NULL);
	auto_json json_t *patch = NULL;
	struct kt_error err = { 0 };

	if (!r->info.uid)
		return;
	patch = env_job_extend(&r->info, env_command_now(c), CHECK_ROUTERS_TTL);
	if (kube_patch(c->kube, path, patch, NULL, &err) < 0)
		log_debug("%s: %s", path, err.msg);
}

/* Where nobody could look into what comes, or callers come past it, as they do
 * to a headless Service's Pods, a router is of no use */
static bool check_routers_useful(const struct check_routers *r,
				 const json_t *services, const char *name)
{
	struct kt_error ignored = { 0 };
	const json_t *one;
	uint16_t port;
	size_t i;

	json_array_foreach (services, i, one)
		if (str_eq(object_name(one), name))
			return !str_eq(json_str(one, "spec", "clusterIP", NULL),
				       "None") &&
			       advice_markable(r->c->ns, one, &port,
					       &ignored) == 0;
	return false;
}

int check_routers_put(struct check_routers *r, const json_t *names,
		      const json_t *services, struct kt_error *err)
{
	const struct env_command *c = r->c;
	const json_t *one;
	size_t i;

	json_array_foreach (names, i, one) {
		const char *name = json_string_value(one);
		int rc = 0;

		if (!check_routers_useful(r, services, name))
			continue;
		if (r->info.uid)
			check_routers_hold(r);
		else
			rc = check_routers_make(r, err);
		if (rc < 0)
			return rc;
		if (env_join_router(c->app, c->o, r->info.name, name) != 0)
			log_warn("Service %s/%s is checked without a router",
				 c->ns, name);
		if (loop_interrupted(c->app->loop))
			return kt_fail(err, EINTR, "interrupted");
	}
	if (r->info.uid && loop_sleep(c->app->loop, CHECK_ROUTERS_STEADY) < 0)
		return kt_fail(err, EINTR, "interrupted");
	return 0;
}

void check_routers_remove(struct check_routers *r)
{
	struct env_command *c = r->c;
	struct kt_error err = { 0 };
	struct giveback g;

	if (r->info.uid) {
		loop_resume(c->app->loop);
		env_command_giveback(c, &g);
		g.say = NULL;
		if (env_end(c, &g, &r->info, &err) < 0)
			log_warn("the routers of this check go with "
				 "environment %s, in %d seconds, and the next "
				 "'ktctl env list' or 'ktctl clean': %s",
				 r->info.name, CHECK_ROUTERS_TTL, err.msg);
	}
	env_info_fini(&r->info);
}
