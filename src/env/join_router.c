/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router without a member, which sees all that comes to a Service and leads
 * it to the trunk. Its record has no line in the routers' table, so nobody's
 * requests go another way, and the trunk's Pods are no environment's.
 */
#include "env/join.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

static int router_claim(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	int rc = mesh_router_look(job, err);

	if (rc < 0)
		return rc;
	j->env.selector = job->original;
	j->env.ports = json_at(job->service, "spec", "ports", NULL);
	return env_join_hold(j, err);
}

static void router_ready(struct job *job)
{
	(void)job;
}

int env_join_router(struct app *app, const struct options *o, const char *env,
		    const char *service)
{
	static const struct job_plan plan = {
		.step = { env_join_open, router_claim, mesh_router_start,
			  env_join_switch },
		.ready = router_ready,
		.undo = mesh_router_undo,
		.role = "env",
	};
	char *const words[] = { (char *)(uintptr_t)env,
				(char *)(uintptr_t)service, NULL };
	auto_free char *member = xasprintf("service %s", service);
	struct options own = *o;
	struct env_join j = {
		.mesh = { .job = { .app = app,
				   .global = &own.global,
				   .opt = &j.options.in,
				   .asked = service,
				   .component = "env-check" },
			  .opt = &j.options },
		.o = &own,
		.env = { .member = member },
	};
	int rc;

	own.args = words;
	own.nargs = ARRAY_SIZE(words) - 1;
	j.mesh.route.job = &j.mesh.job;
	j.options.in.any_port = true;
	rc = job_run(&j.mesh.job, &plan);
	env_join_fini(&j);
	return rc;
}
