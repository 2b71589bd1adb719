/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_entry.h"

#include "base/ipaddr.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "env/name.h"
#include "env/share_route.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ENTRY_PREFIX "kt-entry-"
#define ENTRY_NAME_MAX 63
#define ENTRY_PORT 8080 /* of the Pod */
#define ENTRY_ARGUMENT "--share"

char *share_entry_name(const char *env, const char *host)
{
	auto_free char *both = xasprintf("%s.%s", env, host);
	char label[ENV_SERVICE_MAX];
	auto_free char *name =
		xasprintf(ENTRY_PREFIX "%s", env_name_service(both, label) +
						     strlen(KT_ENV_PREFIX));

	return str_shorten(name, ENTRY_NAME_MAX);
}

/* --- objects -------------------------------------------------------------- */

static json_t *entry_owner(const struct share_entry *e)
{
	return e->owner ? json_deep_copy(e->owner) : env_owner_ref(e->info);
}

static json_t *entry_meta(const struct share_entry *e, const char *name,
			  const char *ns, const char *user)
{
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s},s:{s:s},s:[o]}", "name",
			 name, "namespace", ns, "labels", KT_LABEL_CONTROL,
			 KT_LABEL_CONTROL_VALUE, KT_LABEL_ROLE,
			 KT_ROLE_ENV_SHARE, KT_LABEL_ENV, e->info->name,
			 "annotations", KT_ANNOTATION_USER, user,
			 "ownerReferences", entry_owner(e));
}

json_t *share_entry_ingress(const struct share_entry *e, const char *ns,
			    const char *user)
{
	auto_free char *name = share_name(e->info->name, e->host);
	auto_free char *entry = share_entry_name(e->info->name, e->host);
	json_t *meta = entry_meta(e, name, ns, user);

	json_object_set_new(json_object_get(meta, "annotations"),
			    KT_ANNOTATION_SHARED,
			    json_string(object_name(e->service)));
	return json_pack(
		"{s:s,s:s,s:o,s:{s:s*,s:[{s:s,s:{s:[{s:s,s:s,s:{s:{s:s,"
		"s:{s:i}}}}]}}]}}",
		"apiVersion", SHARE_INGRESS_API, "kind", "Ingress", "metadata",
		meta, "spec", "ingressClassName", e->klass, "rules", "host",
		e->host, "http", "paths", "path", "/", "pathType", "Prefix",
		"backend", "service", "name", entry, "port", "number", 80);
}

/* Annotations and certificates are those of others, who have added them */
void share_entry_keep(json_t *ingress, const json_t *own)
{
	json_t *meta = json_object_get(ingress, "metadata");
	json_t *spec = json_object_get(ingress, "spec");
	json_t *notes = json_at(own, "metadata", "annotations", NULL);
	json_t *tls = json_at(own, "spec", "tls", NULL);
	json_t *klass = json_at(own, "spec", "ingressClassName", NULL);

	json_object_set(meta, "resourceVersion",
			json_at(own, "metadata", "resourceVersion", NULL));
	if (notes)
		json_object_update_missing(json_object_get(meta, "annotations"),
					   notes);
	if (tls)
		json_object_set(spec, "tls", tls);
	if (klass && !json_object_get(spec, "ingressClassName"))
		json_object_set(spec, "ingressClassName", klass);
}

static json_t *entry_service(const struct share_entry *e, const char *name,
			     const char *target)
{
	return json_pack("{s:s,s:s,s:o,s:{s:{s:s,s:s},s:[{s:s,s:i,s:i}]}}",
			 "apiVersion", "v1", "kind", "Service", "metadata",
			 entry_meta(e, name, e->c->ns, shadow_user()), "spec",
			 "selector", KT_LABEL_ROLE, KT_ROLE_ENV_SHARE,
			 KT_LABEL_TARGET, target, "ports", "name", "http",
			 "port", 80, "targetPort", ENTRY_PORT);
}

static char *entry_argument(const struct env_info *info, const char *host)
{
	return xasprintf("%s,%s,%" PRId64 "%s%s", host, info->name,
			 info->expires, info->named_by[0] ? "," : "",
			 info->named_by);
}

static bool entry_leads_to(const json_t *ingress, const char *service)
{
	const json_t *rule, *path;
	size_t i, k;

	json_array_foreach (json_at(ingress, "spec", "rules", NULL), i, rule)
		json_array_foreach (json_at(rule, "http", "paths", NULL), k,
				    path)
			if (str_eq(json_str(path, "backend", "service", "name",
					    NULL),
				   service))
				return true;
	return false;
}

const char *share_entry_class(const json_t *ingresses, const char *service)
{
	const json_t *one;
	size_t i;

	json_array_foreach (ingresses, i, one)
		if (entry_leads_to(one, service))
			return json_str(one, "spec", "ingressClassName", NULL);
	return NULL;
}

/* --- the cluster ---------------------------------------------------------- */

static int entry_gone(int rc, struct kt_error *err)
{
	if (rc != -ENOENT)
		return rc;
	*err = (struct kt_error){ 0 };
	return 0;
}

/* Its name alone does not make it ours */
static int entry_delete(const struct share_entry *e, const char *api,
			const char *resource, struct kt_error *err)
{
	auto_free char *name = share_entry_name(e->info->name, e->host);
	auto_free char *path = kube_path(api, resource, e->c->ns, name, NULL);
	auto_json json_t *there = NULL;
	int rc = kube_get(e->c->kube, path, &there, err);

	if (rc < 0)
		return entry_gone(rc, err);
	if (!str_eq(object_label(there, KT_LABEL_ROLE), KT_ROLE_ENV_SHARE))
		return kt_fail(err, EEXIST,
			       "%s %s/%s is there, and ktctl has not made it",
			       resource, e->c->ns, name);
	/* a Deployment's status changes all the time */
	json_object_del(json_object_get(there, "metadata"), "resourceVersion");
	return entry_gone(kube_delete_as(e->c->kube, path, there, -1, err),
			  err);
}

static int entry_delete_route(const struct share_entry *e, struct kt_error *err)
{
	auto_free char *name = share_name_ended(e->info->name, e->host);
	auto_free char *path =
		kube_path(e->api, "httproutes", e->c->ns, name, NULL);

	return entry_gone(kube_delete(e->c->kube, path, -1, err), err);
}

static int entry_clear(const struct share_entry *e, struct kt_error *err)
{
	int rc = e->api ? entry_delete_route(e, err) : 0;

	if (rc == 0)
		rc = entry_delete(e, "v1", "services", err);
	return rc < 0 ? rc : entry_delete(e, "apps/v1", "deployments", err);
}

int share_entry_remove(const struct share_entry *e, const json_t *ingress,
		       struct kt_error *err)
{
	auto_free char *name = share_name(e->info->name, e->host);
	auto_free char *path =
		kube_path(SHARE_INGRESS_API, "ingresses", e->c->ns, name, NULL);
	auto_json json_t *it =
		json_pack("{s:{s:s*}}", "metadata", "uid",
			  json_str(ingress, "metadata", "uid", NULL));
	int rc = ingress ? kube_delete_as(e->c->kube, path, it, -1, err) : 0;

	rc = entry_gone(rc, err);
	return rc < 0 ? rc : entry_clear(e, err);
}

/* "8080=10.96.1.2:80~http" */
static char *entry_serve(const struct share_entry *e, struct kt_error *err)
{
	/* behind a route nobody is led on */
	const char *ip =
		e->route ? "127.0.0.1"
			 : json_str(e->service, "spec", "clusterIP", NULL);
	struct ipport at = { .port = e->port };
	char text[IPPORT_STRLEN];

	if (!ip || ipaddr_parse(&at.addr, ip) < 0) {
		kt_fail(err, EOPNOTSUPP,
			"Service %s/%s has no address of its own, which an "
			"entry could lead to",
			e->c->ns, object_name(e->service));
		return NULL;
	}
	return xasprintf("%d=%s~http", ENTRY_PORT, ipport_str(&at, text));
}

static int entry_deployment(const struct share_entry *e, const char *name,
			    const char *target, struct kt_error *err)
{
	auto_free char *serve = entry_serve(e, err);
	auto_free char *argument = entry_argument(e->info, e->host);
	auto_json json_t *owners = json_pack("[o]", entry_owner(e));
	auto_json json_t *ports = json_pack("[[{s:s,s:i}]]", "name", "http",
					    "containerPort", ENTRY_PORT);
	auto_json json_t *base =
		json_deep_copy(json_at(e->service, "spec", "selector", NULL));
	const struct shadow_face face = {
		.name = name,
		.role = KT_ROLE_ENV_SHARE,
		.target = target,
		.serve = serve,
		.ports = ports,
		.standing = true,
		.env_share = argument,
		.owners = owners,
	};
	const struct shadow_config cfg = {
		.kube = e->c->kube,
		.ns = e->c->ns,
		.pod = &e->c->o->global.pod,
		.use_local_time = e->c->o->global.use_local_time,
		.face = &face,
		.share = true,
		.base = base,
		.home = e->c->app->home,
	};
	struct shadow_pod *s;
	int rc;

	if (!serve)
		return -err->code;
	s = shadow_new(&cfg);
	rc = shadow_ensure(s, err);
	shadow_free(s);
	return rc;
}

static int entry_make_route(const struct share_entry *e, const char *name,
			    struct kt_error *err)
{
	auto_free char *path =
		kube_path(e->api, "httproutes", e->c->ns, NULL, NULL);
	auto_json json_t *route =
		share_route_ended(e->route, e->api, name, e->owner);

	return kube_create(e->c->kube, path, route, NULL, err);
}

static int entry_make_ingress(const struct share_entry *e, const json_t *own,
			      struct kt_error *err)
{
	auto_free char *path =
		kube_path(SHARE_INGRESS_API, "ingresses", e->c->ns,
			  own ? object_name(own) : NULL, NULL);
	auto_json json_t *ingress =
		share_entry_ingress(e, e->c->ns, shadow_user());

	if (!own)
		return kube_create(e->c->kube, path, ingress, NULL, err);
	share_entry_keep(ingress, own);
	return kube_replace(e->c->kube, path, ingress, NULL, err);
}

static int entry_make(const struct share_entry *e, const json_t *own,
		      struct kt_error *err)
{
	auto_free char *name = share_entry_name(e->info->name, e->host);
	auto_free char *services =
		kube_path("v1", "services", e->c->ns, NULL, NULL);
	auto_json json_t *service = NULL;
	char target[KT_TARGET_SIZE];
	int rc;

	target_make(target);
	service = entry_service(e, name, target);
	rc = entry_deployment(e, name, target, err);
	if (rc == 0)
		rc = kube_create(e->c->kube, services, service, NULL, err);
	if (rc < 0)
		return rc;
	return e->route ? entry_make_route(e, name, err)
			: entry_make_ingress(e, own, err);
}

int share_entry_put(const struct share_entry *e, const json_t *own,
		    struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc =
		entry_clear(e, err); /* of a share that was killed, or before */

	if (rc == 0)
		rc = entry_make(e, own, err);
	if (rc == 0)
		return 0;
	loop_resume(e->c->app->loop);
	if (share_entry_remove(e, own, &why) < 0)
		kt_hint(err, "what was made goes with the environment: %s",
			why.msg);
	return rc;
}

/* --- its end -------------------------------------------------------------- */

/* The containers of @deployment with another end, or header; NULL: it is no
 * entry of this environment, or as it has to be */
static json_t *entry_extended(const json_t *deployment,
			      const struct env_info *info)
{
	json_t *all = json_deep_copy(json_at(deployment, "spec", "template",
					     "spec", "containers", NULL));
	json_t *args = json_object_get(json_array_get(all, 0), "args");

	for (size_t i = 0; i + 1 < json_array_size(args); i++) {
		const char *value =
			json_string_value(json_array_get(args, i + 1));
		struct slice rest = slice_of(value ? value : ""), host;
		auto_free char *name = NULL, *now = NULL;

		if (!str_eq(json_string_value(json_array_get(args, i)),
			    ENTRY_ARGUMENT))
			continue;
		host = slice_next(&rest, ',');
		if (!slice_is(slice_next(&rest, ','), info->name))
			continue;
		name = xstrndup(host.p, host.n);
		now = entry_argument(info, name);
		if (str_eq(now, value))
			continue;
		json_array_set_new(args, i + 1, json_string(now));
		return all;
	}
	json_decref(all);
	return NULL;
}

int share_entry_extend(struct env_command *c, const struct env_info *info,
		       struct kt_error *err)
{
	auto_free char *all =
		kube_path("apps/v1", "deployments", c->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	const json_t *one;
	size_t i;
	int rc = kube_list(c->kube, all,
			   "labelSelector=kt-role%3D" KT_ROLE_ENV_SHARE, &list,
			   err);

	json_array_foreach (json_object_get(list, "items"), i, one) {
		auto_free char *path = kube_path("apps/v1", "deployments",
						 c->ns, object_name(one), NULL);
		json_t *now = entry_extended(one, info);
		auto_json json_t *patch = NULL;

		if (!now)
			continue;
		patch = json_pack("{s:{s:{s:{s:o}}}}", "spec", "template",
				  "spec", "containers", now);
		if (rc == 0)
			rc = kube_patch(c->kube, path, patch, NULL, err);
	}
	return rc;
}
