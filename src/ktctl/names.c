/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl __names: names of the cluster, one a line, for completion (cli/live.h).
 * Whatever is wrong: there is none, and nothing is said. */
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/live.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/name.h"
#include "env/share_find.h"
#include "kube/kubeconfig.h"
#include "kube/rest.h"

#include <string.h>

/* what is there for others: origins, records, previews */
#define NAMES_NOT_OURS "labelSelector=control-by%21%3Dkt"

struct names_query {
	struct kube *kube;
	const char *ns; /* NULL: all */
	const char *of; /* Service or environment */
};

static int names_list(const struct names_query *n, const char *api,
		      const char *resource, const char *prefix,
		      struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, n->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	const json_t *obj;
	size_t i;
	int rc = kube_list_metadata(n->kube, path, NAMES_NOT_OURS, &list, err);

	json_array_foreach (json_object_get(list, "items"), i, obj)
		print_line(stdout, "%s%s", prefix, object_name(obj));
	return rc;
}

static int names_namespaces(const struct names_query *n, struct kt_error *err)
{
	const struct names_query all = { .kube = n->kube };

	return names_list(&all, "v1", "namespaces", "", err);
}

static int names_services(const struct names_query *n, struct kt_error *err)
{
	return names_list(n, "v1", "services", "", err);
}

/* Who may not see one kind sees the other */
static int names_workloads(const struct names_query *n, struct kt_error *err)
{
	int a = names_list(n, "apps/v1", "deployments", "deployment/", err);
	int b = names_list(n, "apps/v1", "statefulsets", "statefulset/", err);

	return a < 0 && b < 0 ? a : 0;
}

static int names_pods(const struct names_query *n, struct kt_error *err)
{
	return names_list(n, "v1", "pods", "pod/", err);
}

/* --expose takes a number as it is, and a name behind a local port */
static int names_ports(const struct names_query *n, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", n->ns, n->of, NULL);
	auto_json json_t *service = NULL;
	const json_t *port;
	size_t i;
	int rc = kube_get(n->kube, path, &service, err);

	json_array_foreach (json_at(service, "spec", "ports", NULL), i, port) {
		const json_t *target = json_object_get(port, "targetPort");
		const char *name = json_str(port, "name", NULL);
		json_int_t number =
			json_integer_value(json_object_get(port, "port"));

		if (json_is_string(target))
			print_line(stdout, "%lld:%s\tport %lld", number,
				   json_string_value(target), number);
		else
			print_line(stdout, "%lld\tport %lld%s%s",
				   target ? json_integer_value(target) : number,
				   number, name ? " " : "", name ? name : "");
	}
	return rc;
}

/* --- environments --------------------------------------------------------- */

static int names_envs(const struct names_query *n, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	const json_t *job;
	size_t i;
	int rc = env_jobs(n->kube, n->ns, &jobs, err);

	json_array_foreach (jobs, i, job) {
		int64_t now = kube_cluster_time(n->kube);
		struct env_info info;
		char left[24];

		if (env_info_read(&info, job) == 0 &&
		    env_info_is_alive(&info, now))
			print_line(stdout, "%s\t%s%s", info.name,
				   info.expires ? "time left: " : "",
				   env_info_left(&info, now, left));
		env_info_fini(&info);
	}
	return rc;
}

/* As env_pick() takes a name: the whole one, or its last labels */
static bool names_is_of(const struct names_query *n, const json_t *obj)
{
	const char *env = object_label(obj, KT_LABEL_ENV);

	return env && env_name_is_tail(env, n->of);
}

static int names_members(const struct names_query *n, struct kt_error *err)
{
	auto_json json_t *records = NULL;
	const json_t *record;
	size_t i;
	int rc = env_records(n->kube, n->ns, NULL, &records, err);

	json_array_foreach (records, i, record) {
		auto_free char *service = env_record_service(record);

		if (service && names_is_of(n, record))
			print_line(stdout, "%s", service);
	}
	return rc;
}

static int names_hosts(const struct names_query *n, struct kt_error *err)
{
	auto_json json_t *shares = NULL;
	const json_t *share;
	size_t i;
	int rc = share_find(n->kube, n->ns, &shares, err);

	json_array_foreach (shares, i, share)
		if (env_name_is_tail(json_str(share, "environment", NULL),
				     n->of))
			print_line(stdout, "%s\t%s",
				   json_str(share, "host", NULL),
				   json_str(share, "service", NULL));
	return rc;
}

static const struct names_kind {
	const char *name;
	int (*run)(const struct names_query *n, struct kt_error *err);
} names_kinds[] = {
	{ LIVE_NAMESPACES, names_namespaces },
	{ LIVE_SERVICES, names_services },
	{ LIVE_WORKLOADS, names_workloads },
	{ LIVE_PODS, names_pods },
	{ LIVE_PORTS, names_ports },
	{ LIVE_ENVS, names_envs },
	{ LIVE_MEMBERS, names_members },
	{ LIVE_HOSTS, names_hosts },
};

static int names_ask(const struct names_query *n, const char *kind,
		     struct kt_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(names_kinds); i++)
		if (strcmp(names_kinds[i].name, kind) == 0)
			return names_kinds[i].run(n, err);
	return -1;
}

static int names_contexts(const struct kube_config_source *src,
			  struct kt_error *err)
{
	auto_strv struct strv list = { 0 };
	int rc = kube_config_contexts(src, &list, err);

	for (size_t i = 0; i < list.n; i++)
		print_line(stdout, "%s", list.v[i]);
	return rc;
}

static int names_of_cluster(struct app *app, const struct options *o,
			    const struct kube_config_source *src,
			    struct kt_error *err)
{
	struct kube_config *config = NULL;
	struct kube *kube = NULL;
	int rc = kube_config_load(&config, src, err);

	if (rc == 0)
		rc = kube_new(&kube, app->loop, config, err);
	if (rc == 0) {
		const struct names_query n = {
			.kube = kube,
			.ns = o->global.namespace ? o->global.namespace
						  : config->namespace_,
			.of = o->nargs > 1 ? o->args[1] : "",
		};

		rc = names_ask(&n, o->args[0], err);
	}
	kube_free(kube);
	kube_config_free(config);
	return rc;
}

int command_names(struct app *app, const struct options *o)
{
	const struct kube_config_source src = { .files = o->global.kubeconfig,
						.context = o->global.context };
	struct kt_error ignored = { 0 };
	int rc = strcmp(o->args[0], LIVE_CONTEXTS) == 0
			 ? names_contexts(&src, &ignored)
			 : names_of_cluster(app, o, &src, &ignored);

	return rc < 0 ? EXIT_FAILED : EXIT_OK;
}
