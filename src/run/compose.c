/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl compose: a second compose file, by which services of the first are in
 * the cluster's network (compose_file.h), with the environment of a Pod where
 * that is asked for. Nothing is started: that is for docker compose.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "kube/client.h"
#include "kube/yamltree.h"
#include "pod/environ.h"
#include "pod/find.h"
#include "pod/vars.h"
#include "run/compose_file.h"
#include "run/compose_sidecar.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define COMPOSE_OUT_MAX ((size_t)64 << 20)

struct compose {
	struct app *app;
	const struct options *o;
	char *name; /* of the file, for messages */
	json_t *doc;
	struct kube_config *config;
	struct kube *kube; /* once a workload was named */
	json_t *sidecar;
	struct strv services;  /* chosen */
	struct strv workloads; /* one for each; "": none */
	struct compose_join *joins;
	size_t njoins;
};

/* --- the file ------------------------------------------------------------- */

/* As Compose looks for it */
static const char *compose_find(void)
{
	static const char *const names[] = { "compose.yaml", "compose.yml",
					     "docker-compose.yml",
					     "docker-compose.yaml" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (access(names[i], F_OK) == 0)
			return names[i];
	return NULL;
}

static int compose_load(struct compose *c, struct strv *all,
			struct kt_error *err)
{
	const char *file =
		c->o->compose.file ? c->o->compose.file : compose_find();
	bool is_stdin = str_eq(file, "-");
	auto_free char *text = NULL;
	size_t len;

	if (!file) {
		kt_hint(err, "name one with --file");
		return kt_fail(err, ENOENT,
			       "no compose.yaml or docker-compose.yml in this "
			       "directory");
	}
	c->name = xstrdup(is_stdin ? "stdin" : file);
	text = file_read(is_stdin ? "/dev/stdin" : file, YAML_MAX_SIZE, &len);
	if (!text)
		return kt_fail(err, errno, "read %s: %s", c->name,
			       strerror(errno));
	c->doc = yaml_parse(text, len, c->name, err);
	return c->doc ? compose_services(c->doc, c->name, all, err) : -EINVAL;
}

/* "SERVICE[=WORKLOAD]"; none: every service */
static int compose_choose(struct compose *c, const struct strv *all,
			  struct kt_error *err)
{
	for (size_t i = 0; i < c->o->nargs; i++) {
		const char *arg = c->o->args[i], *is = strchr(arg, '=');
		size_t n = is ? (size_t)(is - arg) : strlen(arg);
		auto_free char *name = xstrndup(arg, n);

		if (!strv_has(all, name)) {
			auto_free char *known = strv_join(all, ", ");

			return kt_fail(err, ENOENT,
				       "%s has no service '%.80s' (known: "
				       "%.300s)",
				       c->name, name, known);
		}
		if (strv_has(&c->services, name))
			return kt_fail(err, EINVAL, "service %s is named twice",
				       name);
		strv_add(&c->services, name);
		strv_add(&c->workloads, is ? is + 1 : "");
	}
	for (size_t i = 0; !c->o->nargs && i < all->n; i++) {
		strv_add(&c->services, all->v[i]);
		strv_add(&c->workloads, "");
	}
	return 0;
}

/* --- the environment of a Pod --------------------------------------------- */

static int compose_read_vars(struct compose *c, const char *workload,
			     struct strv *vars, struct kt_error *err)
{
	const struct pod_env_options *pod = &c->o->run.pod;
	const struct vars_rules rules = { .include = &pod->include,
					  .exclude = &pod->exclude };
	const struct strv none = { 0 };
	const char *ns = c->o->global.namespace ? c->o->global.namespace
						: c->config->namespace_;
	auto_strv struct strv has = { 0 };
	struct pod_sources sources;
	struct pod_found found = { 0 };
	int rc = c->kube ? 0 : kube_new(&c->kube, c->app->loop, c->config, err);

	if (rc < 0)
		return rc;
	rc = pod_find(&found, c->kube, ns, workload, pod->container, err);
	sources = (struct pod_sources){ .kube = c->kube, .ns = found.ns };
	if (rc == 0)
		rc = environ_read(&has, c->kube, &found, &sources, err);
	if (rc == 0)
		vars_make(vars, &has, &none, &rules);
	pod_sources_fini(&sources);
	pod_found_fini(&found);
	return rc;
}

static int compose_join(struct compose *c, size_t i, struct kt_error *err)
{
	auto_strv struct strv vars = { 0 }, left_out = { 0 };
	int rc = 0;

	if (*c->workloads.v[i])
		rc = compose_read_vars(c, c->workloads.v[i], &vars, err);
	if (rc < 0)
		return rc;
	rc = compose_join_make(&c->joins[c->njoins++], c->doc, c->services.v[i],
			       c->sidecar, &vars, &left_out, err);
	for (size_t k = 0; k < left_out.n; k++)
		log_warn("%s is left out: its value is not UTF-8",
			 left_out.v[k]);
	return rc;
}

/* --- the command ---------------------------------------------------------- */

static int compose_print(const struct compose *c, struct kt_error *err)
{
	struct buf b;
	int rc;

	buf_init(&b, COMPOSE_OUT_MAX);
	rc = buf_printf(&b, "# made by 'ktctl compose'\n");
	if (rc == 0 && !c->o->compose.whole &&
	    compose_resets(c->joins, c->njoins))
		rc = buf_printf(&b, "# needs Compose 2.24: see --whole\n");
	if (rc == 0)
		rc = c->o->compose.whole
			     ? compose_whole(&b, c->doc, c->joins, c->njoins)
			     : compose_override(&b, c->joins, c->njoins);
	if (rc == 0)
		print_text(stdout, (const char *)buf_data(&b), b.len);
	buf_fini(&b);
	return rc < 0 ? kt_fail(err, -rc, "the file is too large") : 0;
}

static int compose_run(struct compose *c, struct kt_error *err)
{
	struct kube_config_source src = { .files = c->o->global.kubeconfig,
					  .context = c->o->global.context };
	int rc = kube_config_load(&c->config, &src, err);

	if (rc == 0)
		rc = compose_sidecar(&c->sidecar, c->o, c->config, c->app->home,
				     err);
	c->joins = xcalloc(c->services.n, sizeof(*c->joins));
	for (size_t i = 0; rc == 0 && i < c->services.n; i++)
		rc = compose_join(c, i, err);
	return rc == 0 ? compose_print(c, err) : rc;
}

static int compose_check(const struct compose *c, struct kt_error *err)
{
	for (size_t i = 0; i < c->o->nargs; i++) {
		const char *is = strchr(c->o->args[i], '=');
		int rc = is ? pod_find_check(is + 1, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void compose_fini(struct compose *c)
{
	for (size_t i = 0; i < c->njoins; i++)
		compose_join_fini(&c->joins[i]);
	free(c->joins);
	strv_fini(&c->services);
	strv_fini(&c->workloads);
	json_decref(c->sidecar);
	kube_free(c->kube);
	kube_config_free(c->config);
	json_decref(c->doc);
	free(c->name);
}

int command_compose(struct app *app, const struct options *o)
{
	struct compose c = { .app = app, .o = o };
	auto_strv struct strv all = { 0 };
	struct kt_error err = { 0 };
	int rc = compose_check(&c, &err);

	if (rc < 0)
		return app_usage(app, &err);
	rc = compose_load(&c, &all, &err);
	if (rc == 0)
		rc = compose_choose(&c, &all, &err);
	if (rc == 0)
		rc = compose_run(&c, &err);
	compose_fini(&c);
	if (rc >= 0)
		return EXIT_OK;
	rc = app_fail(app, rc, &err);
	offer_role(&err, "env-file");
	return rc;
}
