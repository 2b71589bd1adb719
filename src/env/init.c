/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env init: a Service, its trunk and its router as manifests, to be kept
 * where the Service's own is. Nothing is changed.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/yaml.h"
#include "cluster/declared.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "env/command.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

struct init {
	struct env_command *c;
	const char *name;
	json_t *service;
	json_t *selector; /* its own */
	struct service_ports ports;
};

static int init_refuse(const struct init *n, struct kt_error *err)
{
	const char *type = json_str(n->service, "spec", "type", NULL);
	const char *ip = json_str(n->service, "spec", "clusterIP", NULL);

	if (object_annotation(n->service, KT_ANNOTATION_SELECTOR) ||
	    service_role(n->service)) {
		kt_hint(err,
			"when they have left, or after 'ktctl recover %s', it "
			"can be declared",
			n->name);
		return kt_fail(err, EBUSY,
			       "Service %s/%s is taken at this moment: what "
			       "it is otherwise cannot be written down",
			       n->c->ns, n->name);
	}
	if (str_eq(type, "ExternalName") || str_eq(ip, "None") ||
	    !json_object_size(json_at(n->service, "spec", "selector", NULL)))
		return kt_fail(err, EINVAL,
			       "Service %s/%s has no address of its own, or no "
			       "selector: no router can stand in front of it",
			       n->c->ns, n->name);
	return 0;
}

static int init_look(struct init *n, struct kt_error *err)
{
	struct kube *k = n->c->kube;
	auto_free char *path =
		kube_path("v1", "services", n->c->ns, n->name, NULL);
	auto_free char *pods = kube_path("v1", "pods", n->c->ns, NULL, NULL);
	auto_free char *query = NULL;
	auto_json json_t *list = NULL;
	int rc = kube_get(k, path, &n->service, err);

	if (rc == 0)
		rc = init_refuse(n, err);
	if (rc < 0)
		return rc;
	n->selector = declared_selector(n->service);
	if (!n->selector)
		n->selector = json_incref(
			json_at(n->service, "spec", "selector", NULL));
	query = selector_query(n->selector);
	rc = kube_list(k, pods, query, &list, err);
	if (rc == 0)
		rc = service_ports_make(&n->ports, n->service,
					json_object_get(list, "items"), err);
	if (rc == 0 && n->c->o->env.tls_secret &&
	    !service_ports_end_tls(&n->ports))
		return kt_fail(err, EOPNOTSUPP,
			       "Service %s/%s has no port that speaks TLS, "
			       "going by names, appProtocol and numbers",
			       n->c->ns, n->name);
	return rc;
}

static json_t *init_router(const struct init *n)
{
	const struct options *o = n->c->o;
	auto_free char *name = declared_router_name(n->name);
	auto_free char *origin = declared_origin_name(n->name);
	auto_free char *served = xasprintf("%s.%s", n->name, n->c->ns);
	auto_free char *host = xasprintf("%s.%s.svc.%s.", origin, n->c->ns,
					 o->env.cluster_domain);
	auto_free char *serve = service_ports_serve(&n->ports, host, false);
	auto_free char *ended = service_ports_ended(&n->ports);
	auto_free char *name_tls = xasprintf("%s.%s.svc", n->name, n->c->ns);
	auto_json json_t *containers = service_ports_containers(&n->ports);
	const struct shadow_face face = {
		.name = name,
		.role = KT_ROLE_ROUTER,
		.target = "declared",
		.serve = serve,
		.ports = containers,
		.low_ports = service_ports_low(&n->ports),
		.standing = true,
		.env_service = served,
		.tls_secret = o->env.tls_secret,
		.tls_ports = ended,
		.tls_name = name_tls,
	};
	const struct shadow_config cfg = { .kube = n->c->kube,
					   .ns = n->c->ns,
					   .pod = &o->global.pod,
					   .face = &face,
					   .share = true };
	struct shadow_pod *s = shadow_new(&cfg);
	json_t *obj = shadow_object(s);

	shadow_free(s);
	declared_router(obj, n->service);
	return obj;
}

#define INIT_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* Of one that it has not made, kubectl apply keeps what it does not know */
static void init_warn(const struct init *n)
{
	if (!object_annotation(n->service, INIT_APPLIED))
		log_warn("Service %s/%s was not made by 'kubectl apply', which "
			 "keeps its former selector beside the new one: then "
			 "'kubectl -n %s set selector service "
			 "%s " KT_LABEL_DECLARED "=%s' drops it",
			 n->c->ns, n->name, n->c->ns, n->name, n->name);
}

static void init_print(const struct init *n)
{
	json_t *const objects[] = {
		declared_origin(n->service, n->selector),
		init_router(n),
		declared_service(n->service, n->selector),
	};

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		print_line(stdout, "---");
		yaml_print(objects[i]);
		json_decref(objects[i]);
	}
}

static int init_one(struct env_command *c, const char *name,
		    struct kt_error *err)
{
	struct init n = { .c = c, .name = name };
	int rc = init_look(&n, err);

	if (rc == 0) {
		init_print(&n);
		init_warn(&n);
	}
	service_ports_fini(&n.ports);
	json_decref(n.selector);
	json_decref(n.service);
	return rc;
}

static int init_run(struct env_command *c, struct kt_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->o->nargs; i++)
		rc = init_one(c, c->o->args[i], err);
	return rc;
}

int command_env_init(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	if (o->global.pod.image)
		return env_command_read(app, o, init_run);
	kt_hint(&err, "'ktctl image push REGISTRY/REPO' makes one");
	(void)!kt_fail(&err, EINVAL,
		       "--image is needed: what is kept in Git names the "
		       "router's image");
	return app_usage(app, &err);
}
