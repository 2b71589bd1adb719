/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl env-file: the environment of a Pod, for programs that ktctl does not
 * run. */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "kube/client.h"
#include "pod/environ.h"
#include "pod/find.h"
#include "pod/vars.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct env_print {
	struct app *app;
	const struct options *o;
	struct kube_config *config;
	struct kube *kube;
	const char *ns;
	struct pod_found found;
	struct pod_sources sources;
};

/* Every byte counts; but a terminal would obey some of them */
static int envfile_print(const char *text, size_t n, struct kt_error *err)
{
	fflush(stdout);
	if (isatty(STDOUT_FILENO)) {
		print_text(stdout, text, n);
		return 0;
	}
	while (n) {
		ssize_t k = write(STDOUT_FILENO, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return kt_fail(err, errno, "write: %s",
				       strerror(errno));
		text += k;
		n -= (size_t)k;
	}
	return 0;
}

static int envfile_write(struct env_print *e, const struct strv *pod,
			 struct kt_error *err)
{
	const struct pod_env_options *o = &e->o->run.pod;
	const struct vars_rules rules = {
		.include = &o->include,
		.exclude = &o->exclude,
		.set = &o->set,
	};
	const struct strv none = { 0 };
	auto_strv struct strv vars = { 0 }, left_out = { 0 };
	auto_free char *text = NULL;
	size_t n;

	vars_make(&vars, pod, &none, &rules);
	text = vars_write(&vars, (enum vars_syntax)o->syntax, &left_out, &n);
	for (size_t i = 0; i < left_out.n; i++)
		log_warn("%s is left out: this syntax cannot say it",
			 left_out.v[i]);
	return envfile_print(text, n, err);
}

static int envfile_run(struct env_print *e, struct kt_error *err)
{
	struct kube_config_source src = { .files = e->o->global.kubeconfig,
					  .context = e->o->global.context };
	auto_strv struct strv pod = { 0 };
	int rc = kube_config_load(&e->config, &src, err);

	if (rc < 0)
		return rc;
	e->ns = e->o->global.namespace ? e->o->global.namespace
				       : e->config->namespace_;
	rc = kube_new(&e->kube, e->app->loop, e->config, err);
	if (rc == 0)
		rc = pod_find(&e->found, e->kube, e->ns, e->o->args[0],
			      e->o->run.pod.container, err);
	if (rc < 0)
		return rc;
	e->sources = (struct pod_sources){ .kube = e->kube, .ns = e->found.ns };
	rc = environ_read(&pod, e->kube, &e->found, &e->sources, err);
	if (rc < 0)
		return rc;
	if (!environ_has_api(&pod))
		log_warn("of the Pod's environment is missing: KUBERNETES_* "
			 "(Services of the namespace default may not be "
			 "listed)");
	return envfile_write(e, &pod, err);
}

int command_env_file(struct app *app, const struct options *o)
{
	struct env_print e = { .app = app, .o = o };
	struct kt_error err = { 0 };
	int rc = pod_find_check(o->args[0], &err);

	if (rc < 0)
		return app_usage(app, &err);
	rc = envfile_run(&e, &err);
	pod_sources_fini(&e.sources);
	pod_found_fini(&e.found);
	kube_free(e.kube);
	kube_config_free(e.config);
	if (rc >= 0)
		return EXIT_OK;
	rc = app_fail(app, rc, &err);
	offer_role(&err, "env-file");
	return rc;
}
