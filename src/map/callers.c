/* SPDX-License-Identifier: Apache-2.0 */
#include "map/callers.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <string.h>

/* "web-5d8f" of a ReplicaSet whose Pods have that hash is Deployment "web"
 * (returned) */
static char *callers_owner(const json_t *pod)
{
	const json_t *owner = json_array_get(
		json_at(pod, "metadata", "ownerReferences", NULL), 0);
	const char *name = json_str(owner, "name", NULL);
	const char *hash = object_label(pod, "pod-template-hash");
	auto_free char *end = hash ? xasprintf("-%s", hash) : NULL;

	if (!name)
		return NULL;
	if (end && str_eq(json_str(owner, "kind", NULL), "ReplicaSet") &&
	    str_ends(name, end))
		return xstrndup(name, strlen(name) - strlen(end));
	return xstrdup(name);
}

/* Who is connected through it (returned) */
static char *callers_user(const json_t *pod)
{
	const char *user = object_annotation(pod, KT_ANNOTATION_USER);
	const char *machine = object_annotation(pod, KT_ANNOTATION_MACHINE);

	if (!user || !str_eq(object_label(pod, KT_LABEL_ROLE), KT_ROLE_CONNECT))
		return NULL;
	return machine ? xasprintf("%s@%s", user, machine) : xstrdup(user);
}

/* What a Pod is called (returned), or NULL */
static char *callers_name(const json_t *pod)
{
	auto_free char *user = callers_user(pod);
	auto_free char *owner = user ? NULL : callers_owner(pod);
	const char *name = user ? user : owner ? owner : object_name(pod);

	return name ? xstrdup(name) : NULL;
}

/* Its addresses are free: another Pod may have them soon */
static bool callers_is_over(const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* Its addresses are the node's, which are everybody's there */
static bool callers_is_of_node(const json_t *pod)
{
	return json_is_true(json_at(pod, "spec", "hostNetwork", NULL));
}

void callers_forget(json_t *names, const json_t *pod)
{
	const json_t *addr, *ips = json_at(pod, "status", "podIPs", NULL);
	auto_free char *name = callers_name(pod);
	size_t i;

	if (callers_is_of_node(pod))
		return;
	json_array_foreach (ips, i, addr) {
		const char *ip = json_str(addr, "ip", NULL);

		if (ip && str_eq(json_str(names, ip, NULL), name))
			json_object_del(names, ip);
	}
}

void callers_note(json_t *names, const json_t *pod)
{
	const json_t *addr, *ips = json_at(pod, "status", "podIPs", NULL);
	auto_free char *name = callers_name(pod);
	size_t i;

	if (callers_is_of_node(pod))
		return;
	if (callers_is_over(pod)) {
		callers_forget(names, pod);
		return;
	}
	if (json_object_size(names) > CALLERS_MAX)
		json_object_clear(names);
	json_array_foreach (ips, i, addr) {
		const char *ip = json_str(addr, "ip", NULL);

		if (ip && name)
			json_object_set_new(names, ip, json_string(name));
	}
}
