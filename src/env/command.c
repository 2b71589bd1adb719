/* SPDX-License-Identifier: Apache-2.0 */
#include "env/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "env/hook_run.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <time.h>

int64_t env_command_now(const struct env_command *c)
{
	return c->o->global.use_local_time ? (int64_t)time(NULL)
					   : kube_cluster_time(c->kube);
}

json_t *env_command_items(struct env_command *c, const char *api,
			  const char *resource, const char *query)
{
	auto_free char *path = kube_path(api, resource, c->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	struct kt_error err = { 0 };

	if (kube_list(c->kube, path, query, &list, &err) < 0) {
		log_debug("%s of members: %s", resource, err.msg);
		return NULL;
	}
	return json_incref(json_object_get(list, "items"));
}

json_t *env_command_copies(struct env_command *c)
{
	return env_command_items(c, "apps/v1", "deployments",
				 "labelSelector=" KT_LABEL_ENV_OF);
}

static void env_command_say(void *user, const char *text)
{
	(void)user;
	print_line(stdout, "%s", text);
}

/* What another command has left is no result of this one */
static void env_command_log(void *user, const char *text)
{
	(void)user;
	log_info("%s", text);
}

void env_command_giveback(const struct env_command *c, struct giveback *g)
{
	*g = (struct giveback){ .kube = c->kube,
				.ns = c->ns,
				.home = c->app->home,
				.say = env_command_say };
}

static void env_command_on_hook(void *user, const char *text)
{
	(void)user;
	log_info("%s", text);
}

int env_command_hooks(struct env_command *c, const struct member_place *at,
		      struct kt_error *err)
{
	const struct hook_say say = { env_command_on_hook, c };
	auto_json json_t *waiting = NULL;
	struct kt_error why = { 0 };
	int rc = hook_waiting(at, &waiting, err);

	if (rc == 0)
		rc = hook_end(at, waiting, NULL, HOOK_RUN, &say, &why);
	if (rc < 0 && why.code && c->o->env.in.force && rc != -EINTR) {
		log_warn("%s; it is tried again when the environment is over",
			 why.msg);
		return 0;
	}
	if (rc < 0 && why.code) {
		*err = why;
		kt_hint(err, "the member is out of use; do the same again, or "
			     "--force goes on without it");
	}
	return rc;
}

int env_command_ttl(const struct options *o, int64_t *ttl, struct kt_error *err)
{
	const struct env_options *e = &o->env;

	*ttl = (e->ttl + NS_SEC - 1) / NS_SEC;
	if (*ttl || e->in.force)
		return 0;
	kt_hint(err, "give it a time, as --ttl 8h, or use --force");
	return kt_fail(err, EINVAL,
		       "--ttl 0: an environment without an end stays until "
		       "somebody deletes it");
}

const char *env_command_until(const struct env_command *c,
			      const struct env_info *info, char dst[80])
{
	char at[RFC3339_STRLEN], left[24];

	env_info_left(info, env_command_now(c), left);
	if (info->expires)
		snprintf(dst, 80, "until %s (%s)",
			 rfc3339_format(info->expires, at), left);
	else
		snprintf(dst, 80, "until it is deleted");
	return dst;
}

static int env_command_open(struct env_command *c, struct kt_error *err)
{
	struct kube_config_source src = { .files = c->o->global.kubeconfig,
					  .context = c->o->global.context };
	int rc = kube_config_load(&c->config, &src, err);

	if (rc < 0)
		return rc;
	c->ns = c->o->global.namespace ? c->o->global.namespace
				       : c->config->namespace_;
	return kube_new(&c->kube, c->app->loop, c->config, err);
}

/* A user who may only look can look all the same */
static void env_command_sweep(const struct env_command *c)
{
	struct kt_error err = { 0 };
	struct giveback g;

	env_command_giveback(c, &g);
	g.say = env_command_log;
	if (env_sweep(&g, &err) < 0)
		log_debug("what has ended stays: %s", err.msg);
}

enum command_sweep { SWEEP_FIRST, SWEEP_AFTER, SWEEP_NOT };

static int command_carry_out(struct env_command *c, env_command_fn *fn,
			     enum command_sweep sweep, struct kt_error *err)
{
	int rc;

	if (sweep == SWEEP_FIRST)
		env_command_sweep(c);
	rc = fn(c, err);
	if (sweep == SWEEP_AFTER && (rc >= 0 || rc == -ENOENT))
		env_command_sweep(c);
	return rc;
}

static int command_whole(struct app *app, const struct options *o,
			 env_command_fn *fn, enum command_sweep sweep)
{
	struct env_command c = { .app = app, .o = o };
	struct kt_error err = { 0 };
	int rc = env_command_open(&c, &err);

	if (rc == 0)
		rc = command_carry_out(&c, fn, sweep, &err);
	kube_free(c.kube);
	kube_config_free(c.config);
	if (rc >= 0)
		return EXIT_OK;
	rc = app_fail(app, rc, &err);
	offer_role(&err, "env");
	return rc;
}

int env_command_run(struct app *app, const struct options *o,
		    env_command_fn *fn)
{
	return command_whole(app, o, fn, SWEEP_FIRST);
}

int env_command_change(struct app *app, const struct options *o,
		       env_command_fn *fn)
{
	return command_whole(app, o, fn, SWEEP_AFTER);
}

int env_command_read(struct app *app, const struct options *o,
		     env_command_fn *fn)
{
	return command_whole(app, o, fn, SWEEP_NOT);
}
