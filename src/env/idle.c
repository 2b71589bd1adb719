/* SPDX-License-Identifier: Apache-2.0 */
#include "env/idle.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define IDLE_RBAC "rbac.authorization.k8s.io"
#define IDLE_PORTS 64	 /* SLEEP_PORTS of the gate */
#define IDLE_FIRST 20000 /* where the Pods' own number cannot be had */
#define IDLE_UNPRIVILEGED 1024

/* --- ports ---------------------------------------------------------------- */

/* The number that a port with a name has in the copy's containers; 0: none */
static json_int_t idle_named(const json_t *pod, const char *name)
{
	const json_t *container, *port;
	size_t i, k;

	json_array_foreach (json_object_get(pod, "containers"), i, container)
		json_array_foreach (json_object_get(container, "ports"), k,
				    port)
			if (str_eq(json_str(port, "name", NULL), name))
				return json_integer_value(
					json_object_get(port, "containerPort"));
	return 0;
}

/* The Pods' own number: policies that go by it let callers in to the sleeper,
 * too */
static json_int_t idle_number(const json_t *port, const json_t *pod)
{
	const json_t *target = json_object_get(port, "targetPort");

	if (json_is_integer(target))
		return json_integer_value(target);
	if (json_is_string(target))
		return idle_named(pod, json_string_value(target));
	return json_integer_value(json_object_get(port, "port"));
}

static bool idle_is_taken(const json_t *ports, json_int_t number)
{
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port)
		if (json_integer_value(json_object_get(port, "targetPort")) ==
		    number)
			return true;
	return false;
}

/* The next one that is free, from @number on */
static json_int_t idle_free(const json_t *ports, json_int_t number)
{
	if (number < IDLE_UNPRIVILEGED || number > 65535 ||
	    idle_is_taken(ports, number))
		number = IDLE_FIRST;
	while (idle_is_taken(ports, number))
		number++;
	return number;
}

static void idle_add_port(struct idle *i, const json_t *port, const json_t *pod)
{
	const char *name = json_str(port, "name", NULL);
	json_int_t at = idle_free(i->ports, idle_number(port, pod));
	json_t *front = json_deep_copy(port);
	char *serve = xasprintf("%s%s%lld%s%s", i->serve ? i->serve : "",
				i->serve ? "," : "", (long long)at,
				name ? "=" : "", name ? name : "");

	free(i->serve);
	i->serve = serve;
	json_object_set_new(front, "targetPort", json_integer(at));
	json_array_append_new(i->ports, front);
	json_array_append_new(i->behind, json_deep_copy(port));
}

int idle_plan(struct idle *i, const struct env_copy *copy, struct kt_error *err)
{
	const json_t *d = copy->deployment, *port;
	const json_t *pod = json_at(d, "spec", "template", "spec", NULL);
	const char *target = json_str(copy->selector, KT_LABEL_TARGET, NULL);
	auto_free char *salt = xasprintf("idle/%s", target);
	size_t k;

	*i = (struct idle){ .ports = json_array(), .behind = json_array() };
	i->name = copy_name_salted(object_label(d, KT_LABEL_ENV_OF),
				   object_label(d, KT_LABEL_ENV), salt);
	i->selector = json_pack("{s:s, s:s}", KT_LABEL_ROLE, KT_ROLE_ENV_SLEEP,
				KT_LABEL_TARGET, target);
	json_array_foreach (copy->ports, k, port)
		if (str_eq(json_str(port, "protocol", NULL), "TCP") ||
		    !json_object_get(port, "protocol"))
			idle_add_port(i, port, pod);
	if (!i->serve || json_array_size(i->ports) > IDLE_PORTS)
		return kt_fail(err, E2BIG,
			       "--idle: the Service has %zu TCP ports, a "
			       "sleeper takes 1 to %d",
			       json_array_size(i->ports), IDLE_PORTS);
	i->health = (uint16_t)idle_free(i->ports, IDLE_FIRST);
	return 0;
}

void idle_fini(struct idle *i)
{
	free(i->name);
	free(i->serve);
	json_decref(i->selector);
	json_decref(i->ports);
	json_decref(i->behind);
	*i = (struct idle){ 0 };
}

/* --- objects -------------------------------------------------------------- */

json_t *idle_owner(const json_t *deployment)
{
	return json_pack("{s:s, s:s, s:s, s:s*}", "apiVersion", "apps/v1",
			 "kind", "Deployment", "name", object_name(deployment),
			 "uid", json_str(deployment, "metadata", "uid", NULL));
}

static json_t *idle_object(const struct idle_object *o, const char *api,
			   const char *kind)
{
	json_t *obj = json_pack(
		"{s:s, s:s, s:{s:s, s:{s:s, s:s, s:s}, s:{s:s}}}", "apiVersion",
		api, "kind", kind, "metadata", "name", o->idle->name, "labels",
		KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE, KT_LABEL_ROLE,
		KT_ROLE_ENV_SLEEP, KT_LABEL_ENV, o->env, "annotations",
		KT_ANNOTATION_USER, o->user);

	if (o->owner)
		json_object_set_new(json_object_get(obj, "metadata"),
				    "ownerReferences",
				    json_pack("[O]", o->owner));
	return obj;
}

/* Its Pod mounts the token by itself, see shadow_spec.token */
json_t *idle_account(const struct idle_object *o)
{
	json_t *obj = idle_object(o, "v1", "ServiceAccount");

	json_object_set_new(obj, "automountServiceAccountToken", json_false());
	return obj;
}

json_t *idle_role(const struct idle_object *o)
{
	json_t *obj = idle_object(o, IDLE_RBAC "/v1", "Role");

	json_object_set_new(
		obj, "rules",
		json_pack("[{s:[s], s:[s], s:[s], s:[s, s]},"
			  " {s:[s], s:[s], s:[s], s:[s]}]",
			  "apiGroups", "apps", "resources", "deployments/scale",
			  "resourceNames", object_name(o->copy), "verbs", "get",
			  "patch", "apiGroups", "", "resources", "endpoints",
			  "resourceNames", o->idle->name, "verbs", "get"));
	return obj;
}

json_t *idle_binding(const struct idle_object *o, const char *ns)
{
	const char *name = o->idle->name;
	json_t *obj = idle_object(o, IDLE_RBAC "/v1", "RoleBinding");

	json_object_set_new(obj, "roleRef",
			    json_pack("{s:s, s:s, s:s}", "apiGroup", IDLE_RBAC,
				      "kind", "Role", "name", name));
	json_object_set_new(obj, "subjects",
			    json_pack("[{s:s, s:s, s:s}]", "kind",
				      "ServiceAccount", "name", name,
				      "namespace", ns));
	return obj;
}

json_t *idle_service(const struct idle_object *o, const json_t *selector)
{
	json_t *obj = idle_object(o, "v1", "Service");

	json_object_set_new(obj, "spec",
			    json_pack("{s:O, s:O}", "selector", selector,
				      "ports", o->idle->behind));
	return obj;
}
