/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/job.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/gitops.h"
#include "cluster/takeover.h"
#include "control/control.h"
#include "inbound/program.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/pidfile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- the cluster ---------------------------------------------------------- */

static int job_find_load_config(struct job *job, struct kt_error *err)
{
	struct kube_config_source src = { .files = job->global->kubeconfig,
					  .context = job->global->context };
	int rc = kube_config_load(&job->config, &src, err);

	if (rc < 0)
		return rc;
	snprintf(job->ns, sizeof(job->ns), "%s",
		 job->subject.ns[0]	  ? job->subject.ns
		 : job->global->namespace ? job->global->namespace
					  : job->config->namespace_);
	rc = control_open(job->app->control, job->config->context, job->ns,
			  err);
	if (rc < 0)
		return rc;
	return kube_new(&job->kube, job->app->loop, job->config, err);
}

static int minor_of(const json_t *version)
{
	const char *text = json_str(version, "minor", NULL);

	return text ? (int)strtol(text, NULL, 10) : 0; /* "22+" */
}

int job_open(struct job *job, struct kt_error *err)
{
	auto_json json_t *version = NULL;
	struct kt_error why = { 0 };
	const char *git;
	int rc = subject_parse(&job->subject, job->asked, err);

	if (rc == 0)
		rc = job_find_load_config(job, err);
	if (rc < 0)
		return rc;
	job->pidfile = pidfile_try(job->app->loop, job->app->home,
				   job->component, job->app->signals);
	job->owner = owner_new(job->app->home, &why);
	if (!job->owner)
		log_debug("%s", why.msg);
	progress_step(job->app->progress, "Reach cluster %s at %s",
		      job->config->context, job->config->server);
	rc = kube_get(job->kube, "/version", &version, err);
	if (rc < 0)
		return rc;
	git = json_str(version, "gitVersion", NULL);
	if (!git)
		return kt_fail(err, EPROTO,
			       "%s does not answer like the API server of a "
			       "Kubernetes cluster",
			       job->config->server);
	job->minor = minor_of(version);
	progress_done(job->app->progress, "Cluster %s at %s, Kubernetes %s",
		      job->config->context, job->config->server, git);
	return 0;
}

/* --- the Service ---------------------------------------------------------- */

static int read_named(struct job *job, struct kt_error *err)
{
	static const struct {
		const char *api, *resource;
	} where[] = {
		[SUBJECT_SERVICE] = { "v1", "services" },
		[SUBJECT_DEPLOYMENT] = { "apps/v1", "deployments" },
		[SUBJECT_STATEFULSET] = { "apps/v1", "statefulsets" },
		[SUBJECT_POD] = { "v1", "pods" },
	};
	enum subject_kind kind = job->subject.kind;
	auto_free char *path = kube_path(where[kind].api, where[kind].resource,
					 job->ns, job->subject.name, NULL);
	int rc;

	json_decref(job->named);
	job->named = NULL;
	rc = kube_get(job->kube, path, &job->named, err);
	if (rc == -ENOENT)
		kt_hint(err, "'kubectl -n %s get %s' shows what there is",
			job->ns, where[kind].resource);
	return rc < 0 ? kt_wrap(err, rc, "%s %s/%s", subject_kind_name(kind),
				job->ns, job->subject.name)
		      : 0;
}

/* The Service that leads to the Pods of what was named: the one of its name,
 * else the first */
static int find_service_of(struct job *job, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	int rc = kube_list(job->kube, path, NULL, &list, err);

	if (rc < 0)
		return rc;
	json_decref(job->service);
	job->service = json_incref(service_leading_to(
		json_object_get(list, "items"), job->subject.name,
		object_pod_labels(job->named)));
	if (job->service)
		return 0;
	return kt_fail(err, ENOENT, "%s %s/%s: no Service leads to its Pods",
		       subject_kind_name(job->subject.kind), job->ns,
		       job->subject.name);
}

int job_read(struct job *job, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", job->ns, job->name, NULL);
	json_t *now = NULL;
	int rc = kube_get(job->kube, path, &now, err);

	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", job->ns, job->name);
	json_decref(job->service);
	job->service = now;
	json_decref(job->original);
	job->original = service_original(now);
	return 0;
}

/* A named target's number is in its Pods */
static int read_ports(struct job *job, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query = selector_query(job->original);
	auto_json json_t *pods = NULL;
	const json_t *port;
	bool named = false;
	size_t i;
	int rc = 0;

	json_array_foreach (json_at(job->service, "spec", "ports", NULL), i,
			    port)
		if (json_is_string(json_object_get(port, "targetPort")))
			named = true;
	if (named && query)
		rc = kube_list(job->kube, path, query, &pods, err);
	if (rc < 0)
		return rc;
	service_ports_fini(&job->ports);
	rc = service_ports_make(&job->ports, job->service,
				json_object_get(pods, "items"), err);
	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", job->ns, job->name);
	if (job->minor && job->minor < LOW_PORTS_SINCE)
		service_ports_raise(&job->ports);
	if (service_ports_low(&job->ports) && job->minor &&
	    job->minor < LOW_PORTS_SINCE)
		return kt_fail(err, EACCES,
			       "Service %s/%s: its Pods listen on a port below "
			       "1024, which a Pod without root can do from "
			       "Kubernetes 1.%d on; this one is 1.%d",
			       job->ns, job->name, LOW_PORTS_SINCE, job->minor);
	return 0;
}

static int job_check_names(struct job *job, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query = selector_query(job->original);
	auto_json json_t *pods = NULL;
	auto_free char *name = NULL;
	int rc;

	if (!query ||
	    !str_eq(json_str(job->service, "spec", "clusterIP", NULL), "None"))
		return 0;
	rc = kube_list(job->kube, path, query, &pods, err);
	if (rc < 0)
		return rc;
	name = service_named_pod(job->service, json_object_get(pods, "items"));
	if (!name)
		return 0;
	if (job->opt->force) {
		log_warn("nobody can resolve %s, and the like, until you leave",
			 name);
		return 0;
	}
	kt_hint(err, "'exchange --mode ephemeral' leaves the names as they "
		     "are; --force takes the Service all the same");
	return kt_fail(err, ENOTUNIQ,
		       "Service %s/%s gives its Pods names (%s), which nobody "
		       "could resolve while it leads here",
		       job->ns, job->name, name);
}

int job_check_callers(struct job *job, bool origin, struct kt_error *err)
{
	int rc = service_role(job->service) ? 0 : job_check_names(job, err);
	const char *text, *pause = NULL;
	const char *manager = gitops_manager(job->service, &pause);

	if (rc == 0 && manager)
		log_warn("Service %s/%s is managed by %s: %s", job->ns,
			 job->name, manager, pause);

	for (size_t i = 0;
	     rc == 0 && (text = service_caveat(job->service, origin, i)); i++)
		log_warn("Service %s/%s: %s", job->ns, job->name, text);
	return rc;
}

static int find_service(struct job *job, struct kt_error *err)
{
	const char *type;
	int rc = read_named(job, err);

	if (rc == 0 && job->subject.kind == SUBJECT_SERVICE)
		job->service = json_incref(job->named);
	else if (rc == 0)
		rc = find_service_of(job, err);
	if (rc < 0)
		return rc;
	snprintf(job->name, sizeof(job->name), "%s", object_name(job->service));
	job->original = service_original(job->service);
	type = json_str(job->service, "spec", "type", NULL);
	if (str_eq(type, "ExternalName"))
		return kt_fail(
			err, EINVAL,
			"Service %s/%s is only another name of %s: it "
			"has no Pods whose place could be taken",
			job->ns, job->name,
			json_str(job->service, "spec", "externalName", NULL));
	if (str_eq(object_label(job->service, KT_LABEL_CONTROL),
		   KT_LABEL_CONTROL_VALUE))
		return kt_fail(
			err, EINVAL,
			"Service %s/%s is one that ktctl has made itself",
			job->ns, job->name);
	if (!json_object_size(json_at(job->service, "spec", "selector", NULL)))
		return kt_fail(err, EINVAL,
			       "Service %s/%s has no selector: its addresses "
			       "are kept by somebody else",
			       job->ns, job->name);
	return read_ports(job, err);
}

/* --- local ports ---------------------------------------------------------- */

static bool tcp_listens(const struct ipport *at)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);
	auto_close int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0;
}

/* Where the port is taken somebody listens */
static bool udp_listens(const struct ipport *at)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);
	auto_close int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) < 0 &&
	       errno == EADDRINUSE;
}

static int check_local(const struct inbound_port *p, struct kt_error *err)
{
	struct ipport six = { .addr = { AF_INET6, { [15] = 1 } },
			      .port = p->local.port };
	bool (*listens)(const struct ipport *) =
		p->udp ? udp_listens : tcp_listens;

	if (listens(&p->local) || listens(&six))
		return 0;
	kt_hint(err, "start your program first, or add --skipPortChecking");
	return kt_fail(err, ECONNREFUSED,
		       "nothing listens on port %u%s of this machine",
		       p->local.port, p->udp ? "/udp" : "");
}

/* LOCAL:REMOTE of an item, as it was typed or meant (caller frees) */
static char *job_find_typed(const struct expose_item *e)
{
	return e->number ? xasprintf("%u:%u", e->local, e->number)
			 : xasprintf("%u:%s", e->local, e->name);
}

static int job_find_twice(const struct expose_item *a,
			  const struct expose_item *b, struct kt_error *err)
{
	auto_free char *one = job_find_typed(a), *two = job_find_typed(b);

	return kt_fail(err, EINVAL,
		       "--expose: %s and %s mean the same port of the Pods",
		       one, two);
}

/* Is a port that the Service does not have the local one alone? */
static bool job_find_any_port(const struct job *job,
			      const struct expose_item *e)
{
	return job->opt->any_port && job->ports.n == 1 &&
	       e->number == e->local && e->proto == EXPOSE_ANY;
}

static int map_one(struct job *job, const struct expose_item *e,
		   struct kt_error *err)
{
	const struct service_port *sp = service_ports_find(
		&job->ports, e->number, e->name, e->proto != EXPOSE_UDP,
		e->proto != EXPOSE_TCP);
	static const uint8_t loopback[] = { 127, 0, 0, 1 };
	struct inbound_port *p = &job->local[job->nlocal];
	auto_free char *text = NULL;
	char number[8];

	snprintf(number, sizeof(number), "%u", e->number);
	if (!sp && job_find_any_port(job, e))
		sp = &job->ports.v[0];
	if (!sp) {
		text = service_ports_text(&job->ports);
		return kt_fail(
			err, ENOENT, "Service %s/%s has no port %s; it has %s",
			job->ns, job->name, e->number ? number : e->name, text);
	}
	*p = (struct inbound_port){
		.remote = sp->target,
		.udp = sp->udp,
		.local = { .addr = ipaddr_v4(loopback), .port = e->local },
	};
	for (size_t i = 0; i < job->nlocal; i++)
		if (job->local[i].remote == p->remote &&
		    job->local[i].udp == p->udp)
			return job_find_twice(&job->opt->expose.v[i], e, err);
	job->nlocal++;
	return job->opt->skip_port_checking || job->program
		       ? 0
		       : check_local(p, err);
}

int job_map(struct job *job, struct kt_error *err)
{
	int rc = program_await(job, err);
	const struct expose *e = &job->opt->expose;

	job->local = xcalloc(e->n ? e->n : 1, sizeof(*job->local));
	for (size_t i = 0; rc == 0 && i < e->n; i++)
		rc = map_one(job, &e->v[i], err);
	return rc;
}

/* As it was typed: what the Pods listen on is another number, perhaps */
char *job_text(const struct job *job)
{
	const struct expose *e = &job->opt->expose;
	char *text = xstrdup("");

	for (size_t i = 0; i < job->nlocal && i < e->n; i++) {
		bool any = job_find_any_port(job, &e->v[i]);
		auto_free char *number = xasprintf(
			"%u", any ? job->ports.v[0].port : e->v[i].number);
		char *more = xasprintf(
			"%s%s%s%s to localhost:%u", text, i ? ", " : "",
			e->v[i].number ? number : e->v[i].name,
			job->local[i].udp ? "/udp" : "", e->v[i].local);

		free(text);
		text = more;
	}
	return text;
}

/* --- rules ---------------------------------------------------------------- */

static void job_find_add_rule(struct job *job, uint16_t port, bool udp,
			      const struct rule_match *match)
{
	struct rule *r = &job->rules[job->nrules];

	*r = (struct rule){ .port = port,
			    .udp = udp,
			    .copy = (uint8_t)job->copy };
	if (match)
		r->match = *match;
	for (size_t i = 0; i < job->nrules; i++)
		if (rule_same(&job->rules[i], r))
			return;
	job->nrules++;
}

int job_inspect(struct job *job, struct kt_error *err)
{
	int rc;

	progress_step(job->app->progress, "Look at %s in namespace %s",
		      job->subject.name, job->ns);
	rc = find_service(job, err);
	return rc < 0 ? rc : job_map(job, err);
}

int job_rules(struct job *job, const struct rule_match *match,
	      struct kt_error *err)
{
	size_t n = match ? job->nlocal : job->ports.n;

	if (n > INBOUND_RULES_MAX)
		return kt_fail(err, E2BIG, "%zu ports are more than %d", n,
			       INBOUND_RULES_MAX);
	job->rules = xcalloc(n ? n : 1, sizeof(*job->rules));
	for (size_t i = 0; i < n && !match; i++)
		job_find_add_rule(job, job->ports.v[i].target,
				  job->ports.v[i].udp, NULL);
	for (size_t i = 0; i < n && match; i++) {
		if (job->local[i].udp)
			return kt_fail(err, EINVAL,
				       "port %u/udp: only requests of HTTP can "
				       "be told apart by a mark",
				       job->local[i].remote);
		job_find_add_rule(job, job->local[i].remote, false, match);
	}
	return 0;
}
