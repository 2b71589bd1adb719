/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/inward.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/pidfile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- the cluster ---------------------------------------------------------- */

static int load_config(struct inward *in, struct kt_error *err)
{
	struct kube_config_source src = { .files = in->global->kubeconfig,
					  .context = in->global->context };
	int rc = kube_config_load(&in->config, &src, err);

	if (rc < 0)
		return rc;
	if (in->subject.ns[0] && in->global->namespace &&
	    strcmp(in->subject.ns, in->global->namespace) != 0)
		return kt_fail(err, EINVAL,
			       "two namespaces are named: %s and --namespace "
			       "%s",
			       in->subject.ns, in->global->namespace);
	snprintf(in->ns, sizeof(in->ns), "%s",
		 in->subject.ns[0]	 ? in->subject.ns
		 : in->global->namespace ? in->global->namespace
					 : in->config->namespace_);
	return kube_new(&in->kube, in->app->loop, in->config, err);
}

static int minor_of(const json_t *version)
{
	const char *text = json_str(version, "minor", NULL);

	return text ? (int)strtol(text, NULL, 10) : 0; /* "22+" */
}

int inward_open(struct inward *in, const char *target, struct kt_error *err)
{
	auto_json json_t *version = NULL;
	struct kt_error why = { 0 };
	const char *git;
	int rc = subject_parse(&in->subject, target, err);

	if (rc == 0)
		rc = load_config(in, err);
	if (rc < 0)
		return rc;
	in->pidfile = pidfile_new(in->app->loop, in->app->home, in->component,
				  in->app->signals, err);
	if (!in->pidfile)
		return -err->code;
	in->owner = owner_new(in->app->home, &why);
	if (!in->owner)
		log_debug("%s", why.msg);
	progress_step(in->app->progress, "Reach cluster %s at %s",
		      in->config->context, in->config->server);
	rc = kube_get(in->kube, "/version", &version, err);
	if (rc < 0)
		return rc;
	git = json_str(version, "gitVersion", NULL);
	if (!git)
		return kt_fail(err, EPROTO,
			       "%s does not answer like the API server of a "
			       "Kubernetes cluster",
			       in->config->server);
	in->minor = minor_of(version);
	progress_done(in->app->progress, "Cluster %s at %s, Kubernetes %s",
		      in->config->context, in->config->server, git);
	return 0;
}

/* --- the Service ---------------------------------------------------------- */

static int read_named(struct inward *in, struct kt_error *err)
{
	static const struct {
		const char *api, *resource;
	} where[] = {
		[SUBJECT_SERVICE] = { "v1", "services" },
		[SUBJECT_DEPLOYMENT] = { "apps/v1", "deployments" },
		[SUBJECT_STATEFULSET] = { "apps/v1", "statefulsets" },
		[SUBJECT_POD] = { "v1", "pods" },
	};
	enum subject_kind kind = in->subject.kind;
	auto_free char *path = kube_path(where[kind].api, where[kind].resource,
					 in->ns, in->subject.name, NULL);
	int rc;

	json_decref(in->named);
	in->named = NULL;
	rc = kube_get(in->kube, path, &in->named, err);
	if (rc == -ENOENT)
		kt_hint(err, "'kubectl -n %s get %s' shows what there is",
			in->ns, where[kind].resource);
	return rc < 0 ? kt_wrap(err, rc, "%s %s/%s", subject_kind_name(kind),
				in->ns, in->subject.name)
		      : 0;
}

static bool leads_to(const json_t *service, const json_t *labels)
{
	auto_json json_t *original = service_original(service);

	return !str_eq(object_label(service, KT_LABEL_CONTROL),
		       KT_LABEL_CONTROL_VALUE) &&
	       selector_matches(original, labels);
}

/* The Service that leads to the Pods of what was named: the one of its name,
 * else the first */
static int find_service_of(struct inward *in, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", in->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	json_t *service;
	size_t i;
	int rc = kube_list(in->kube, path, NULL, &list, err);

	if (rc < 0)
		return rc;
	json_array_foreach (json_object_get(list, "items"), i, service) {
		bool same = strcmp(object_name(service), in->subject.name) == 0;

		if ((in->service && !same) ||
		    !leads_to(service, object_pod_labels(in->named)))
			continue;
		json_decref(in->service);
		in->service = json_incref(service);
	}
	if (in->service)
		return 0;
	return kt_fail(err, ENOENT, "%s %s/%s: no Service leads to its Pods",
		       subject_kind_name(in->subject.kind), in->ns,
		       in->subject.name);
}

int inward_read(struct inward *in, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", in->ns, in->name, NULL);
	json_t *now = NULL;
	int rc = kube_get(in->kube, path, &now, err);

	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", in->ns, in->name);
	json_decref(in->service);
	in->service = now;
	json_decref(in->original);
	in->original = service_original(now);
	return 0;
}

/* A named target's number is in its Pods */
static int read_ports(struct inward *in, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", in->ns, NULL, NULL);
	auto_free char *query = selector_query(in->original);
	auto_json json_t *pods = NULL;
	const json_t *port;
	bool named = false;
	size_t i;
	int rc = 0;

	json_array_foreach (json_at(in->service, "spec", "ports", NULL), i,
			    port)
		if (json_is_string(json_object_get(port, "targetPort")))
			named = true;
	if (named && query)
		rc = kube_list(in->kube, path, query, &pods, err);
	if (rc < 0)
		return rc;
	service_ports_fini(&in->ports);
	rc = service_ports_make(&in->ports, in->service,
				json_object_get(pods, "items"), err);
	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", in->ns, in->name);
	if (in->minor && in->minor < LOW_PORTS_SINCE)
		service_ports_raise(&in->ports);
	if (service_ports_low(&in->ports) && in->minor &&
	    in->minor < LOW_PORTS_SINCE)
		return kt_fail(err, EACCES,
			       "Service %s/%s: its Pods listen on a port below "
			       "1024, which a Pod without root can do from "
			       "Kubernetes 1.%d on; this one is 1.%d",
			       in->ns, in->name, LOW_PORTS_SINCE, in->minor);
	return 0;
}

static int find_service(struct inward *in, struct kt_error *err)
{
	const char *type;
	int rc = read_named(in, err);

	if (rc == 0 && in->subject.kind == SUBJECT_SERVICE)
		in->service = json_incref(in->named);
	else if (rc == 0)
		rc = find_service_of(in, err);
	if (rc < 0)
		return rc;
	snprintf(in->name, sizeof(in->name), "%s", object_name(in->service));
	in->original = service_original(in->service);
	type = json_str(in->service, "spec", "type", NULL);
	if (str_eq(type, "ExternalName"))
		return kt_fail(
			err, EINVAL,
			"Service %s/%s is only another name of %s: it "
			"has no Pods whose place could be taken",
			in->ns, in->name,
			json_str(in->service, "spec", "externalName", NULL));
	if (str_eq(object_label(in->service, KT_LABEL_CONTROL),
		   KT_LABEL_CONTROL_VALUE))
		return kt_fail(
			err, EINVAL,
			"Service %s/%s is one that ktctl has made itself",
			in->ns, in->name);
	if (!json_object_size(json_at(in->service, "spec", "selector", NULL)))
		return kt_fail(err, EINVAL,
			       "Service %s/%s has no selector: its addresses "
			       "are kept by somebody else",
			       in->ns, in->name);
	return read_ports(in, err);
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

static int map_one(struct inward *in, const struct expose_item *e,
		   struct kt_error *err)
{
	const struct service_port *sp = service_ports_find(
		&in->ports, e->number, e->name, e->proto != EXPOSE_UDP,
		e->proto != EXPOSE_TCP);
	static const uint8_t loopback[] = { 127, 0, 0, 1 };
	struct inbound_port *p = &in->local[in->nlocal];
	auto_free char *text = NULL;
	char number[8];

	snprintf(number, sizeof(number), "%u", e->number);
	if (!sp) {
		text = service_ports_text(&in->ports);
		return kt_fail(
			err, ENOENT, "Service %s/%s has no port %s; it has %s",
			in->ns, in->name, e->number ? number : e->name, text);
	}
	*p = (struct inbound_port){
		.remote = sp->target,
		.udp = sp->udp,
		.local = { .addr = ipaddr_v4(loopback), .port = e->local },
	};
	for (size_t i = 0; i < in->nlocal; i++)
		if (in->local[i].remote == p->remote &&
		    in->local[i].udp == p->udp)
			return kt_fail(err, EINVAL,
				       "--expose names port %u of the Pods "
				       "twice",
				       p->remote);
	in->nlocal++;
	return in->opt->skip_port_checking ? 0 : check_local(p, err);
}

int inward_map(struct inward *in, struct kt_error *err)
{
	const struct expose *e = &in->opt->expose;
	int rc = 0;

	in->local = xcalloc(e->n ? e->n : 1, sizeof(*in->local));
	for (size_t i = 0; rc == 0 && i < e->n; i++)
		rc = map_one(in, &e->v[i], err);
	return rc;
}

char *inward_text(const struct inward *in)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < in->nlocal; i++) {
		const struct inbound_port *p = &in->local[i];
		char *more = xasprintf("%s%s%u%s to localhost:%u", text,
				       i ? ", " : "", p->remote,
				       p->udp ? "/udp" : "", p->local.port);

		free(text);
		text = more;
	}
	return text;
}

/* --- rules ---------------------------------------------------------------- */

static void add_rule(struct inward *in, uint16_t port, bool udp,
		     const struct rule_match *match)
{
	struct rule *r = &in->rules[in->nrules];

	*r = (struct rule){ .port = port, .udp = udp };
	if (match)
		r->match = *match;
	for (size_t i = 0; i < in->nrules; i++)
		if (rule_same(&in->rules[i], r))
			return;
	in->nrules++;
}

int inward_look(struct inward *in, struct kt_error *err)
{
	int rc;

	progress_step(in->app->progress, "Look at %s in namespace %s",
		      in->subject.name, in->ns);
	rc = find_service(in, err);
	return rc < 0 ? rc : inward_map(in, err);
}

int inward_rules(struct inward *in, const struct rule_match *match,
		 struct kt_error *err)
{
	size_t n = match ? in->nlocal : in->ports.n;

	if (n > INBOUND_RULES_MAX)
		return kt_fail(err, E2BIG, "%zu ports are more than %d", n,
			       INBOUND_RULES_MAX);
	in->rules = xcalloc(n ? n : 1, sizeof(*in->rules));
	for (size_t i = 0; i < n && !match; i++)
		add_rule(in, in->ports.v[i].target, in->ports.v[i].udp, NULL);
	for (size_t i = 0; i < n && match; i++) {
		if (in->local[i].udp)
			return kt_fail(err, EINVAL,
				       "port %u/udp: only requests of HTTP can "
				       "be told apart by a mark",
				       in->local[i].remote);
		add_rule(in, in->local[i].remote, false, match);
	}
	return 0;
}
