/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl doctor: what a command needs, looked at in the order in which things
 * fail. Nothing is changed, in the cluster or on this machine. Top-down:
 * command_doctor() at the end.
 */
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/subject.h"
#include "cluster/cidr.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "doctor/captures.h"
#include "doctor/container.h"
#include "doctor/credentials.h"
#include "doctor/finding.h"
#include "doctor/forms.h"
#include "doctor/given.h"
#include "doctor/machine.h"
#include "doctor/needs.h"
#include "doctor/ranges.h"
#include "doctor/rights.h"
#include "doctor/target.h"
#include "kube/proxy.h"
#include "kube/rest.h"
#include "local/signals.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define DOCTOR_SKEW 60	 /* seconds that clocks may differ */
#define DOCTOR_OLDEST 20 /* Kubernetes 1.20 */
#define DOCTOR_FORM_TIME (5 * NS_SEC)

/** struct doctor_plan - what a command needs */
struct doctor_plan {
	const char *command;
	bool machine;  /* devices, rules, names */
	bool captures; /* ways to capture a program without root */
	bool pod;      /* makes a Pod */
	bool target;   /* is about a Service */
	bool workload; /* which the name of a Deployment may stand for */
	bool http;     /* and about its requests */
};

static const struct doctor_plan doctor_plans[] = {
	{ "connect", .machine = true, .pod = true },
	{ "exchange", .pod = true, .target = true, .workload = true },
	{ "mesh", .pod = true, .target = true, .workload = true, .http = true },
	{ "preview", .pod = true },
	{ "forward", .pod = true },
	{ "run", .captures = true, .pod = true },
	{ "env-file" },
	{ "recover", .target = true },
	{ "clean" },
	{ "birdseye" },
	{ "map" },
	{ "env" },
};

struct doctor {
	struct app *app;
	const struct options *o;
	const struct global_options *global;
	const struct doctor_plan *plan; /* NULL: of all commands */
	const char *target;		/* or NULL */
	const char *shadow;		/* of connect --shadow; or NULL */
	struct findings found;
	struct kube_config *config;
	struct kube *kube;
	char ns[64];
	int minor;	/* of the server's version */
	bool ephemeral; /* no Pod is made, but a container in each one */
};

/* --- the cluster ---------------------------------------------------------- */

static bool doctor_config(struct doctor *d)
{
	struct kube_config_source src = { .files = d->global->kubeconfig,
					  .context = d->global->context };
	struct kt_error err = { 0 };
	int rc = kube_config_load(&d->config, &src, &err);

	if (rc == 0)
		rc = kube_new(&d->kube, d->app->loop, d->config, &err);
	if (rc < 0) {
		finding_error(&d->found, "kubeconfig", FINDING_FAIL, &err);
		return false;
	}
	snprintf(d->ns, sizeof(d->ns), "%s",
		 d->global->namespace ? d->global->namespace
				      : d->config->namespace_);
	finding_add(&d->found, "kubeconfig", FINDING_OK, NULL,
		    "context '%s', namespace %s", d->config->context, d->ns);
	return true;
}

/* Without the secret that may be in its URL */
static void doctor_proxy(struct doctor *d)
{
	auto_free char *url =
		proxy_for(d->config->server, d->config->proxy_url);
	struct url_host at;

	/* what cannot be understood is kube_new()'s error */
	if (url && url_host_parse(&at, url) == 0)
		finding_add(&d->found, "proxy", FINDING_OK,
			    "it has to pass 'Upgrade' (port-forward); "
			    "NO_PROXY=HOST leaves it out",
			    "requests go through %s:%u", at.host, at.port);
}

static bool doctor_server(struct doctor *d)
{
	auto_json json_t *version = NULL;
	struct kt_error err = { 0 };
	const char *minor, *git;

	if (kube_get(d->kube, "/version", &version, &err) < 0) {
		finding_error(&d->found,
			      err.http_status == 401 ? "login" : "API server",
			      FINDING_FAIL, &err);
		return false;
	}
	git = json_str(version, "gitVersion", NULL);
	minor = json_str(version, "minor", NULL);
	if (!git || !minor) {
		finding_add(&d->found, "API server", FINDING_FAIL,
			    "is the server of the context the right one?",
			    "%s does not answer like a Kubernetes cluster",
			    d->config->server);
		return false;
	}
	d->minor = (int)strtol(minor, NULL, 10);
	if (d->minor < DOCTOR_OLDEST)
		finding_add(&d->found, "API server", FINDING_WARN,
			    "not tested with so old a version",
			    "%s, Kubernetes %s", d->config->server, git);
	else
		finding_add(&d->found, "API server", FINDING_OK, NULL,
			    "%s, Kubernetes %s", d->config->server, git);
	return true;
}

static void doctor_clock(struct doctor *d)
{
	int64_t skew = kube_clock_skew(d->kube);

	if (skew > DOCTOR_SKEW || skew < -DOCTOR_SKEW)
		finding_add(&d->found, "clock", FINDING_WARN,
			    "set this machine's clock (NTP): credentials have "
			    "times in them",
			    "this machine is %lld s %s the cluster",
			    (long long)(skew > 0 ? skew : -skew),
			    skew > 0 ? "behind" : "ahead of");
	else
		finding_add(&d->found, "clock", FINDING_OK, NULL,
			    "the same as the cluster's");
}

/* Whoever may not see it may use it all the same */
static bool doctor_namespace(struct doctor *d)
{
	auto_free char *path = kube_path("v1", "namespaces", NULL, d->ns, NULL);
	auto_json json_t *obj = NULL;
	struct kt_error err = { 0 };
	const char *phase;
	int rc = kube_get(d->kube, path, &obj, &err);

	if (rc == -EACCES || rc == -ENOENT) {
		finding_error(&d->found, rc == -EACCES ? "login" : "namespace",
			      FINDING_FAIL, &err);
		return false;
	}
	phase = json_str(obj, "status", "phase", NULL);
	if (rc < 0 && rc != -EPERM)
		finding_error(&d->found, "namespace", FINDING_WARN, &err);
	else if (str_eq(phase, "Terminating"))
		finding_add(&d->found, "namespace", FINDING_FAIL,
			    "nothing can be made in it any more",
			    "%s is being deleted", d->ns);
	else
		finding_add(&d->found, "namespace", FINDING_OK, NULL, "%s%s",
			    d->ns,
			    rc < 0 ? " (you may not see whether it is "
				     "there)"
				   : "");
	return true;
}

static void doctor_rights(struct doctor *d)
{
	const struct needs needs = {
		.kube = d->kube, .ns = d->ns, .o = d->o, .named = d->plan
	};
	struct kt_error err = { 0 };
	struct rights r;
	int rc = 0;

	rights_init(&r, d->kube, d->ns);
	for (size_t i = 0; i < ARRAY_SIZE(doctor_plans) && rc == 0; i++)
		if (!d->plan || d->plan == &doctor_plans[i])
			rc = needs_check(&needs, &r, &d->found,
					 doctor_plans[i].command, &err);
	if (rc < 0)
		finding_error(&d->found, "permissions", FINDING_SKIP, &err);
	rights_fini(&r);
}

/* The Pod of connect, in a dry run: PodSecurity, quota and admission policies
 * say what they think of it. Those of other commands differ in labels and ports
 */
static void doctor_pod(struct doctor *d)
{
	struct shadow_config cfg = { .kube = d->kube,
				     .ns = d->ns,
				     .pod = &d->global->pod };
	struct shadow_pod *shadow = shadow_new(&cfg);
	struct kt_error err = { 0 };
	auto_free char *image = NULL;

	if (shadow_try(shadow, &image, &err) < 0)
		finding_error(&d->found, image ? "shadow Pod" : "base image",
			      FINDING_FAIL, &err);
	else
		finding_add(&d->found, "shadow Pod", FINDING_OK, NULL,
			    "would be admitted, with image %s", image);
	shadow_free(shadow);
}

/* The way of the tunnel, which every command but recover and clean has */
static void doctor_forms(struct doctor *d)
{
	struct forms tried;

	if (forms_try(d->kube, d->ns, d->app->home, DOCTOR_FORM_TIME, &tried) ==
	    0)
		forms_check(&d->found, &tried);
}

static void doctor_ranges(struct doctor *d)
{
	struct cidr_hints none = { 0 };
	struct cidr_result r = { 0 };
	struct kt_error err = { 0 };
	struct prefixset all;

	if (cidr_discover(d->kube, d->ns, &none, true, &r, &err) < 0) {
		finding_error(&d->found, "ranges", FINDING_WARN, &err);
		return;
	}
	if (r.warning[0])
		finding_add(&d->found, "ranges", FINDING_WARN,
			    "name them: connect --includeIps", "%s", r.warning);
	all = prefixset_copy(&r.services);
	for (size_t i = 0; i < r.pods.n; i++)
		prefixset_add(&all, &r.pods.v[i]);
	ranges_check(&d->found, &all);
	prefixset_fini(&all);
	cidr_fini(&r);
}

/* --- the Service ---------------------------------------------------------- */

/* The Service that a workload's Pods are behind, as exchange finds it. Return:
 * 0 with *@out (returned), -errno with @err */
static int doctor_find_service(struct doctor *d, const struct subject *s,
			       const char *ns, json_t **out,
			       struct kt_error *err)
{
	static const char *const where[][2] = {
		[SUBJECT_SERVICE] = { "v1", "services" },
		[SUBJECT_DEPLOYMENT] = { "apps/v1", "deployments" },
		[SUBJECT_STATEFULSET] = { "apps/v1", "statefulsets" },
		[SUBJECT_POD] = { "v1", "pods" },
	};
	auto_free char *path = kube_path(where[s->kind][0], where[s->kind][1],
					 ns, s->name, NULL);
	auto_free char *all = kube_path("v1", "services", ns, NULL, NULL);
	auto_json json_t *named = NULL, *list = NULL;
	int rc = kube_get(d->kube, path, &named, err);

	if (rc == 0 && s->kind == SUBJECT_SERVICE)
		*out = json_incref(named);
	else if (rc == 0)
		rc = kube_list(d->kube, all, NULL, &list, err);
	if (rc < 0 || *out)
		return rc;
	*out = json_incref(service_leading_to(json_object_get(list, "items"),
					      s->name,
					      object_pod_labels(named)));
	if (*out)
		return 0;
	kt_hint(err, "name a workload whose Pods a Service leads to");
	return kt_fail(err, ENOENT, "%s %s: no Service leads to its Pods",
		       subject_kind_name(s->kind), s->name);
}

/* For ports that have names, and for names of Pods; NULL: not to be seen */
static json_t *doctor_pods_of(struct doctor *d, const json_t *service,
			      const char *ns)
{
	auto_json json_t *original = service_original(service);
	auto_free char *query = selector_query(original);
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	struct kt_error err = { 0 };
	json_t *list = NULL;

	if (!query || kube_list(d->kube, path, query, &list, &err) < 0)
		return NULL;
	return list;
}

/* What stands in each Pod where no Pod is made; @service, @pods: or NULL */
static void doctor_container(struct doctor *d, const char *ns,
			     const json_t *service, const json_t *pods)
{
	const struct container_check c = {
		.kube = d->kube,
		.ns = ns,
		.global = d->global,
		.minor = d->minor,
		.service = service,
		.pods = json_object_get(pods, "items"),
	};

	if (d->ephemeral)
		container_check(&d->found, &c);
}

static void doctor_target(struct doctor *d)
{
	struct subject s = { 0 };
	auto_json json_t *service = NULL, *pods = NULL;
	struct kt_error err = { 0 };
	const char *ns;
	int rc = subject_parse(&s, d->target, &err);

	if (rc == 0 && s.kind != SUBJECT_SERVICE && !d->plan->workload) {
		finding_add(&d->found, "Service", FINDING_FAIL,
			    "name the Service", "%s takes a Service, not a %s",
			    d->plan->command, subject_kind_name(s.kind));
		return;
	}
	ns = s.ns[0] ? s.ns : d->ns;
	if (rc == 0)
		rc = doctor_find_service(d, &s, ns, &service, &err);
	if (rc < 0) {
		finding_error(&d->found, "Service", FINDING_FAIL, &err);
		return;
	}
	pods = doctor_pods_of(d, service, ns);
	target_check(&d->found, service, json_object_get(pods, "items"),
		     d->plan->http);
	doctor_container(d, ns, service, pods);
}

/* --- the whole ------------------------------------------------------------ */

/* All that connect --shadow asks of a cluster */
static void doctor_given(struct doctor *d)
{
	const struct given_check given = {
		.kube = d->kube,
		.ns = d->ns,
		.shadow = d->shadow,
		.global = d->global,
		.home = d->app->home,
		.timeout_ns = DOCTOR_FORM_TIME,
	};

	given_check(&d->found, &given);
}

/* Return: false: nothing else can be looked at */
static bool doctor_way(struct doctor *d)
{
	if (!doctor_config(d))
		return false;
	credentials_check(&d->found, d->config, (int64_t)time(NULL));
	doctor_proxy(d);
	if (!doctor_server(d))
		return false;
	doctor_clock(d);
	return doctor_namespace(d);
}

static void doctor_cluster(struct doctor *d)
{
	if (!doctor_way(d))
		return;
	if (d->shadow) {
		doctor_given(d);
		return;
	}
	doctor_rights(d);
	if (!d->plan || d->plan->pod) {
		if (!d->ephemeral)
			doctor_pod(d);
		doctor_forms(d);
	}
	if (!d->plan || d->plan->machine)
		doctor_ranges(d);
	if (d->target)
		doctor_target(d);
	else
		doctor_container(d, d->ns, NULL, NULL);
}

static void doctor_print_roles(const struct doctor *d)
{
	const json_t *one;
	size_t i;

	json_array_foreach (d->found.list, i, one) {
		const char *role = json_str(one, "role", NULL);
		const char *text = role ? offer_role_text(role) : NULL;
		bool needed = str_eq(json_str(one, "state", NULL), "fail") ||
			      d->shadow;

		if (!text || !d->plan || !needed)
			continue;
		print_line(stdout, "%s", "");
		print_line(stdout, "# kubectl -n %s apply -f - <<'END'", d->ns);
		print_text(stdout, text, strlen(text));
	}
}

static void doctor_print(const struct doctor *d, bool json)
{
	size_t warn = findings_count(&d->found, FINDING_WARN);
	size_t fail = findings_count(&d->found, FINDING_FAIL);
	auto_json json_t *all = NULL;
	auto_free char *text = NULL;

	if (!json) {
		doctor_print_roles(d);
		print_line(stdout, "%zu checks: %zu failed, %zu with a warning",
			   json_array_size(d->found.list), fail, warn);
		return;
	}
	all = json_pack("{s:b,s:O}", "ok", fail == 0, "checks", d->found.list);
	text = json_dumps(all, JSON_INDENT(2));
	print_text(stdout, text, strlen(text));
}

static const struct doctor_plan *doctor_plan_find(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(doctor_plans); i++)
		if (strcmp(doctor_plans[i].command, command) == 0)
			return &doctor_plans[i];
	return NULL;
}

static int doctor_arguments(struct doctor *d, const struct options *o,
			    struct kt_error *err)
{
	d->shadow = o->doctor.shadow;
	if (o->nargs && !d->shadow && str_eq(o->args[0], "connect"))
		d->shadow = o->connect.shadow;
	if (o->nargs == 0 && !d->shadow)
		return 0;
	d->plan = doctor_plan_find(o->nargs ? o->args[0] : "connect");
	if (!d->plan) {
		kt_hint(err, "one of connect, exchange, mesh, preview, "
			     "forward, run, env-file, recover, clean, "
			     "birdseye, map, env");
		return kt_fail(err, EINVAL,
			       "doctor: '%s' is no command that it looks at",
			       o->args[0]);
	}
	d->ephemeral = strcmp(d->plan->command, "exchange") == 0 &&
		       o->exchange.mode == EXCHANGE_EPHEMERAL;
	if (d->shadow && !d->plan->machine)
		return kt_fail(err, EINVAL,
			       "doctor --shadow looks at connect, not at %s",
			       o->args[0]);
	if (o->nargs < 2)
		return 0;
	if (!d->plan->target)
		return kt_fail(err, EINVAL, "doctor %s takes no target",
			       o->args[0]);
	d->target = o->args[1];
	return 0;
}

int command_doctor(struct app *app, const struct options *o)
{
	struct doctor d = { .app = app, .o = o, .global = &o->global };
	bool json = o->doctor.output == OUTPUT_JSON;
	struct kt_error err = { 0 };
	int status = EXIT_OK;

	if (doctor_arguments(&d, o, &err) < 0)
		return app_usage(app, &err);
	findings_init(&d.found, !json);
	if (!d.plan || d.plan->machine)
		machine_check(&d.found, app->home,
			      d.plan ? FINDING_FAIL : FINDING_WARN);
	if (!d.plan || d.plan->captures)
		captures_check(&d.found);
	doctor_cluster(&d);
	if (signals_seen(app->signals))
		status = app_fail(app, -EINTR, &err);
	else
		doctor_print(&d, json);
	if (status == EXIT_OK && findings_count(&d.found, FINDING_FAIL))
		status = EXIT_FAILED;
	findings_fini(&d.found);
	kube_free(d.kube);
	kube_config_free(d.config);
	return status;
}
