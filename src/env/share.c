/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env share: a host name whose requests are an environment's, by an
 * HTTPRoute at a Gateway that is there, or an Ingress; and what says for a
 * while after its end that it has ended.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/advice.h"
#include "env/command.h"
#include "env/find.h"
#include "env/share_after.h"
#include "env/share_entry.h"
#include "env/share_find.h"
#include "env/share_route.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

struct env_share {
	struct env_command *c;
	const char *host, *service;
	struct env_info info;
	const char *api;
	json_t *routes; /* of the namespace */
	bool ingress;	/* by one, rather than by a route */
	json_t *ingresses;
	json_t *parents; /* of ours */
	json_t *owner;	 /* of what stays after the end; NULL: nothing does */
	bool held;	 /* that was made now */
	char *name;
};

static char *share_path(const struct env_share *s, const char *name)
{
	return kube_path(s->api, "httproutes", s->c->ns, name, NULL);
}

static int share_list(struct env_share *s, struct kt_error *err)
{
	bool wanted = s->c->o->env.ingress_class != NULL;
	struct kt_error why = { 0 };
	int rc = share_routes(s->c->kube, s->c->ns, &s->api, &s->routes, err);

	/* who may not see routes needs none for an Ingress */
	if (rc < 0 && rc != -ENOENT && !wanted)
		return rc;
	if (rc < 0)
		*err = (struct kt_error){ 0 };
	s->ingress = wanted || rc < 0;
	rc = share_ingresses(s->c->kube, s->c->ns, &s->ingresses, &why);
	if (rc < 0 && s->ingress) {
		*err = why;
		kt_hint(err, "'ktctl env open' is a port of this machine that "
			     "does the same");
		return rc;
	}
	return 0;
}

/* Another's that says that it has ended is in nobody's way */
static int share_yield(struct env_share *s, struct kt_error *err)
{
	int rc = share_after_yield(s->c, &s->info, s->host,
				   s->routes ? s->api : NULL, err);

	if (rc <= 0)
		return rc;
	json_decref(s->routes);
	json_decref(s->ingresses);
	s->routes = s->ingresses = NULL;
	return share_list(s, err);
}

/* An environment without an end says nothing after it */
static int share_hold(struct env_share *s, struct kt_error *err)
{
	int64_t stay = s->c->o->env.ended_for / NS_SEC;

	if (!stay || !s->info.expires)
		return 0;
	return share_after_hold(s->c, &s->info, s->host, stay, &s->owner,
				&s->held, err);
}

/* --- the Gateway ---------------------------------------------------------- */

static json_t *share_gateway(const char *given)
{
	const char *slash = strchr(given, '/');

	if (!slash)
		return json_pack("[{s:s}]", "name", given);
	return json_pack("[{s:s,s:o}]", "name", slash + 1, "namespace",
			 json_stringn(given, (size_t)(slash - given)));
}

/* The only one of the namespace */
static int share_only_gateway(struct env_share *s, struct kt_error *err)
{
	auto_free char *path =
		kube_path(s->api, "gateways", s->c->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	const json_t *all;
	int rc = kube_list(s->c->kube, path, NULL, &list, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	*err = (struct kt_error){ 0 };
	all = json_object_get(list, "items");
	if (json_array_size(all) == 1) {
		s->parents = share_gateway(object_name(json_array_get(all, 0)));
		return 0;
	}
	kt_hint(err, "name it: --gateway [NAMESPACE/]NAME");
	return kt_fail(err, ENOENT,
		       "no HTTPRoute leads to Service %s/%s, and the namespace "
		       "has %s Gateway: by which one do its callers come?",
		       s->c->ns, s->service,
		       json_array_size(all) ? "more than one" : "no");
}

static int share_find_gateway(struct env_share *s, struct kt_error *err)
{
	const char *given = s->c->o->env.gateway;

	if (given)
		s->parents = share_gateway(given);
	else
		s->parents = share_parents(s->routes, s->service);
	if (json_array_size(s->parents))
		return 0;
	json_decref(s->parents);
	s->parents = NULL;
	return share_only_gateway(s, err);
}

/* --- the route ------------------------------------------------------------ */

static const json_t *share_own(const struct env_share *s)
{
	const json_t *route;
	size_t i;

	json_array_foreach (s->routes, i, route)
		if (str_eq(object_name(route), s->name))
			return route;
	return NULL;
}

static const json_t *share_own_ingress(const struct env_share *s)
{
	const json_t *one;
	size_t i;

	json_array_foreach (s->ingresses, i, one)
		if (str_eq(object_name(one), s->name))
			return one;
	return NULL;
}

static int share_mine(const struct env_share *s, const json_t *own,
		      struct kt_error *err)
{
	auto_free char *what =
		xasprintf("host %s of environment %s", s->host, s->info.name);

	if (!share_is_of(own, s->info.name))
		return kt_fail(err, EEXIST, "%s/%s is there, and not %s",
			       s->c->ns, s->name, what);
	return env_mine(object_annotation(own, KT_ANNOTATION_USER),
			s->c->o->env.in.force, what, err);
}

static int share_write(struct env_share *s, json_t *route, struct kt_error *err)
{
	auto_free char *path = NULL;
	const json_t *own = share_own(s);
	int rc;

	if (!own) {
		path = share_path(s, NULL);
		return kube_create(s->c->kube, path, route, NULL, err);
	}
	rc = share_mine(s, own, err);
	if (rc < 0)
		return rc;
	path = share_path(s, s->name);
	json_object_set(json_object_get(route, "metadata"), "resourceVersion",
			json_at(own, "metadata", "resourceVersion", NULL));
	return kube_replace(s->c->kube, path, route, NULL, err);
}

/* --- the Ingress ---------------------------------------------------------- */

static int share_put_ingress(struct env_share *s, const json_t *service,
			     uint16_t port, struct kt_error *err)
{
	const char *klass = s->c->o->env.ingress_class;
	const json_t *own = share_own_ingress(s);
	struct share_entry e = {
		.c = s->c,
		.info = &s->info,
		.host = s->host,
		.service = service,
		.port = port,
		.klass = klass ? klass
			       : share_entry_class(s->ingresses, s->service),
	};
	const char *taken = share_host_taken(s->ingresses, s->host, s->name);
	int rc = own ? share_mine(s, own, err) : 0;

	if (rc == 0 && taken)
		rc = kt_fail(err, EEXIST,
			     "host %s is that of Ingress %s/%s already",
			     s->host, s->c->ns, taken);
	if (rc == 0)
		rc = share_hold(s, err);
	e.owner = s->owner;
	return rc < 0 ? rc : share_entry_put(&e, own, err);
}

/* A route that was not there goes again if what is to stand behind it cannot be
 * made */
static int share_put_behind(struct env_share *s, const struct share_spec *spec,
			    const json_t *service, struct kt_error *err)
{
	const struct share_entry e = {
		.c = s->c,
		.info = &s->info,
		.host = s->host,
		.service = service,
		.port = spec->port,
		.owner = s->owner,
		.route = s->owner ? spec : NULL,
		.api = s->api,
	};
	auto_free char *path = share_path(s, s->name);
	struct kt_error why = { 0 };
	int rc;

	if (!s->owner)
		return share_entry_remove(&e, NULL, err);
	rc = share_entry_put(&e, NULL, err);
	if (rc == 0)
		return 0;
	kt_hint(err, "--endedFor 0 needs no Pod: then nothing says that the "
		     "environment has ended");
	if (!share_own(s) && kube_delete(s->c->kube, path, -1, &why) < 0)
		log_warn("HTTPRoute %s/%s was not removed: %s", s->c->ns,
			 s->name, why.msg);
	return rc;
}

static int share_put_route(struct env_share *s, const json_t *service,
			   uint16_t port, struct kt_error *err)
{
	struct share_spec spec = { .info = &s->info,
				   .ns = s->c->ns,
				   .host = s->host,
				   .service = s->service,
				   .port = port,
				   .user = shadow_user() };
	const char *taken = share_taken(s->routes, s->host, s->name);
	auto_json json_t *route = NULL;
	int rc;

	if (taken)
		return kt_fail(err, EEXIST,
			       "host %s is that of HTTPRoute %s/%s already",
			       s->host, s->c->ns, taken);
	rc = share_find_gateway(s, err);
	if (rc < 0)
		return rc;
	spec.parents = s->parents;
	route = share_route(&spec, s->api);
	rc = share_hold(s, err);
	if (rc == 0)
		rc = share_write(s, route, err);
	return rc < 0 ? rc : share_put_behind(s, &spec, service, err);
}

/* --- both ----------------------------------------------------------------- */

/* What stays after the end has an owner of its own; one of a share before, that
 * is not wanted any more, has nothing left to own */
static int share_put(struct env_share *s, const json_t *service, uint16_t port,
		     struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc = s->ingress ? share_put_ingress(s, service, port, err)
			    : share_put_route(s, service, port, err);

	if (rc == 0 && !s->owner)
		return share_after_remove(s->c->kube, s->c->ns, s->info.name,
					  s->host, err);
	if (rc < 0 && s->held &&
	    share_after_remove(s->c->kube, s->c->ns, s->info.name, s->host,
			       &why) < 0)
		log_debug("what was made stays: %s", why.msg);
	return rc;
}

static void share_tell(const struct env_share *s)
{
	int64_t stay = s->c->o->env.ended_for / NS_SEC;
	char until[80], span[24];

	print_line(stdout,
		   "Requests for host %s are environment %s's, at Service "
		   "%s/%s, %s%s%s%s",
		   s->host, s->info.name, s->c->ns, s->service,
		   env_command_until(s->c, &s->info, until),
		   s->owner ? "; then it says for " : "",
		   s->owner ? env_span(stay, span) : "",
		   s->owner ? " that this has ended" : "");
}

static int share_begin(struct env_share *s, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", s->c->ns, s->service, NULL);
	auto_json json_t *service = NULL;
	uint16_t port = 0;
	int rc = kube_get(s->c->kube, path, &service, err);

	if (rc == 0)
		rc = advice_markable(s->c->ns, service, &port, err);
	if (rc < 0)
		return rc;
	rc = share_put(s, service, port, err);
	if (rc == 0)
		share_tell(s);
	return rc;
}

static int share_end(struct env_share *s, struct kt_error *err)
{
	const struct share_entry e = { .c = s->c,
				       .info = &s->info,
				       .host = s->host,
				       .api = s->routes ? s->api : NULL };
	auto_free char *path = share_path(s, s->name);
	const json_t *route = share_own(s), *ingress = share_own_ingress(s);
	int rc = 0;

	if (!route && !ingress)
		return kt_fail(err, ENOENT, "environment %s has no host %s",
			       s->info.name, s->host);
	if (route)
		rc = share_mine(s, route, err);
	if (rc == 0 && ingress)
		rc = share_mine(s, ingress, err);
	if (rc == 0 && route)
		rc = kube_delete(s->c->kube, path, -1, err);
	if (rc == 0)
		rc = share_entry_remove(&e, ingress, err);
	if (rc == 0)
		rc = share_after_remove(s->c->kube, s->c->ns, s->info.name,
					s->host, err);
	if (rc == 0)
		print_line(stdout, "Host %s is no longer environment %s's",
			   s->host, s->info.name);
	return rc;
}

static int env_share_run(struct env_command *c, struct kt_error *err)
{
	struct env_share s = { .c = c,
			       .host = c->o->args[1],
			       .service =
				       c->o->nargs > 2 ? c->o->args[2] : NULL };
	int rc = env_find(c->kube, c->ns, c->o->args[0], &s.info, err);

	if (rc == 0)
		rc = share_list(&s, err);
	if (rc == 0 && !c->o->env.stop)
		rc = share_yield(&s, err);
	s.name = share_name(s.info.name, s.host);
	if (rc == 0)
		rc = c->o->env.stop ? share_end(&s, err) : share_begin(&s, err);
	json_decref(s.routes);
	json_decref(s.ingresses);
	json_decref(s.parents);
	json_decref(s.owner);
	free(s.name);
	env_info_fini(&s.info);
	return rc;
}

int command_env_share(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	if (!envmark_is_name(slice_of(o->args[1])))
		kt_fail(&err, EINVAL,
			"'%s' is no host name: lower-case labels, joined by "
			"dots, %d characters at most",
			o->args[1], ENVMARK_MAX - 1);
	else if ((o->nargs > 2) == o->env.stop)
		kt_fail(&err, EINVAL,
			o->env.stop ? "--stop wants a host and no Service"
				    : "which Service is the host to lead to?");
	else if (o->env.gateway && o->env.ingress_class)
		kt_fail(&err, EINVAL,
			"it is either --gateway or --ingressClass");
	return err.code ? app_usage(app, &err)
			: env_command_read(app, o, env_share_run);
}
