/* SPDX-License-Identifier: Apache-2.0 */
/* The Pod of a copy: image, variables, and what only one Pod can have. */
#include "env/copy_pod.h"

#include "base/mem.h"
#include "cluster/netpolicy.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"
#define VARIABLE "{{env}}"

static const char *const copy_pod_lists[] = { "containers", "initContainers" };

/* --- images --------------------------------------------------------------- */

const char *copy_pod_image(const char *text)
{
	const char *eq = strchr(text, '='); /* no image has one in its name */

	return eq ? eq + 1 : text;
}

/* Length of "registry:5000/a/b" in "registry:5000/a/b:tag@sha256:..." */
static size_t copy_pod_repository(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *last = slash ? slash : image;

	/* a digest has no slash */
	return (size_t)(last - image) + strcspn(last, ":@");
}

static bool copy_pod_same_repository(const char *a, const char *b)
{
	size_t n = copy_pod_repository(a);

	return n == copy_pod_repository(b) && strncmp(a, b, n) == 0;
}

/* What the server fills in for an image without a policy */
static const char *copy_pod_default_policy(const char *image)
{
	const char *rest = image + copy_pod_repository(image);

	return !*rest || strcmp(rest, ":latest") == 0 ? "Always"
						      : "IfNotPresent";
}

static void copy_pod_set_image(json_t *container, const char *image,
			       bool always)
{
	const char *old = json_str(container, "image", NULL);
	const char *policy = json_str(container, "imagePullPolicy", NULL);

	/* what the server had filled in was about the old one */
	if (old && str_eq(policy, copy_pod_default_policy(old)))
		json_object_del(container, "imagePullPolicy");
	if (always)
		json_object_set_new(container, "imagePullPolicy",
				    json_string("Always"));
	json_object_set_new(container, "image", json_string(image));
}

/* --- which container ------------------------------------------------------ */

static json_t *copy_pod_named(json_t *pod, const char *name, size_t n)
{
	json_t *c;
	size_t i;

	json_array_foreach (json_object_get(pod, "containers"), i, c) {
		const char *its = json_str(c, "name", NULL);

		if (its && strlen(its) == n && strncmp(its, name, n) == 0)
			return c;
	}
	return NULL;
}

/* The only one that has an image of the same repository: what is new is most
 * likely that one, whoever listens on the Service's port */
static json_t *copy_pod_same(json_t *pod, const char *image)
{
	json_t *found = NULL, *c;
	size_t i;

	json_array_foreach (json_object_get(pod, "containers"), i, c) {
		const char *its = json_str(c, "image", NULL);

		if (!its || !copy_pod_same_repository(its, image))
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

static bool copy_pod_declares(const json_t *container, const json_t *port)
{
	const json_t *target = json_object_get(port, "targetPort"), *p;
	const char *proto = json_str(port, "protocol", NULL);
	const char *name = json_string_value(target);
	size_t i;

	if (!json_integer_value(target))
		target = json_object_get(port, "port");
	json_array_foreach (json_object_get(container, "ports"), i, p) {
		const char *its = json_str(p, "protocol", NULL);

		if (strcmp(its ? its : "TCP", proto ? proto : "TCP") != 0)
			continue;
		if (name ? str_eq(json_str(p, "name", NULL), name)
			 : json_equal(json_object_get(p, "containerPort"),
				      target))
			return true;
	}
	return false;
}

bool copy_pod_has_port(const json_t *pod, const json_t *port)
{
	const json_t *c;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(copy_pod_lists); k++)
		json_array_foreach (json_object_get(pod, copy_pod_lists[k]), i,
				    c)
			if (copy_pod_declares(c, port))
				return true;
	return false;
}

static json_t *copy_pod_serving(json_t *pod, const json_t *service)
{
	json_t *port, *c;
	size_t i, k;

	json_array_foreach (json_at(service, "spec", "ports", NULL), i, port)
		json_array_foreach (json_object_get(pod, "containers"), k, c)
			if (copy_pod_declares(c, port))
				return c;
	return NULL;
}

static json_t *copy_pod_guess(json_t *pod, const struct copy_spec *s)
{
	json_t *list = json_object_get(pod, "containers"), *c;
	const char *name = json_str(s->template, "metadata", "annotations",
				    DEFAULT_CONTAINER, NULL);

	if (json_array_size(list) == 1)
		return json_array_get(list, 0);
	c = copy_pod_same(pod, s->image);
	if (!c)
		c = copy_pod_serving(pod, s->service);
	if (!c && name)
		c = copy_pod_named(pod, name, strlen(name));
	return c;
}

static char *copy_pod_names(const json_t *pod)
{
	struct strv names = { 0 };
	const json_t *c;
	char *text;
	size_t i;

	json_array_foreach (json_object_get(pod, "containers"), i, c)
		strv_add(&names, json_str(c, "name", NULL)
					 ? json_str(c, "name", NULL)
					 : "?");
	text = names.n ? strv_join(&names, ", ") : xstrdup("none");
	strv_fini(&names);
	return text;
}

json_t *copy_pod_container(json_t *pod, const struct copy_spec *s,
			   struct kt_error *err)
{
	const char *image = copy_pod_image(s->image);
	size_t n = (size_t)(image - s->image);
	json_t *c = n ? copy_pod_named(pod, s->image, n - 1)
		      : copy_pod_guess(pod, s);
	auto_free char *names = NULL;

	if (json_is_object(c))
		return c;
	names = copy_pod_names(pod);
	if (n) {
		kt_fail(err, ENOENT, "%s: it has no container %.*s; it has %s",
			s->of, (int)(n - 1), s->image, names);
		return NULL;
	}
	kt_hint(err, "say --image CONTAINER=%s", image);
	kt_fail(err, ENOENT,
		"%s: which of its containers (%s) image %s is for cannot be "
		"told",
		s->of, names, image);
	return NULL;
}

/* --- variables ------------------------------------------------------------ */

char *copy_pod_expand(const char *value, const char *env)
{
	char *out = xstrdup("");

	for (;;) {
		const char *at = strstr(value, VARIABLE);
		int n = at ? (int)(at - value) : (int)strlen(value);
		char *more =
			xasprintf("%s%.*s%s", out, n, value, at ? env : "");

		free(out);
		out = more;
		if (!at)
			return out;
		value = at + strlen(VARIABLE);
	}
}

static json_t *copy_pod_list(json_t *container, const char *key)
{
	json_t *list = json_object_get(container, key);

	if (json_is_array(list))
		return list;
	list = json_array();
	json_object_set_new(container, key, list);
	return list;
}

void copy_pod_set_variable(json_t *container, const char *name,
			   const char *value, bool first)
{
	json_t *list = copy_pod_list(container, "env");
	size_t at = first ? 0 : json_array_size(list);

	for (size_t i = json_array_size(list); i-- > 0;) {
		if (!str_eq(json_str(json_array_get(list, i), "name", NULL),
			    name))
			continue;
		json_array_remove(list, i);
		at = i;
	}
	json_array_insert_new(
		list, at,
		json_pack("{s:s, s:s}", "name", name, "value", value));
}

static void copy_pod_set_variables(json_t *container, const struct copy_spec *s)
{
	for (size_t i = 0; s->set && i < s->set->n; i++) {
		auto_free char *value =
			copy_pod_expand(s->set->v[i].value, s->env);

		copy_pod_set_variable(container, s->set->v[i].key, value,
				      false);
	}
	for (size_t i = 0; s->env_from && i < s->env_from->n; i++) {
		const char *text = s->env_from->v[i];
		const char *name = strchr(text, '/');
		const char *key = str_starts(text, "secret/") ? "secretRef"
							      : "configMapRef";

		if (name)
			json_array_append_new(
				copy_pod_list(container, "envFrom"),
				json_pack("{s:{s:s}}", key, "name", name + 1));
	}
}

/* --- containers ----------------------------------------------------------- */

static const char *copy_pod_name_of(const json_t *container)
{
	const char *name = json_str(container, "name", NULL);

	return name ? name : "?";
}

/* On the node's network each port is one of the node, which is told once */
static void copy_pod_drop_host_ports(json_t *container, bool tell,
				     struct strv *warnings)
{
	json_t *list = json_object_get(container, "ports"), *p;
	size_t i;

	json_array_foreach (list, i, p) {
		json_t *port = json_object_get(p, "hostPort");

		if (tell && json_integer_value(port))
			strv_take(warnings,
				  xasprintf("container %s: port "
					    "%" JSON_INTEGER_FORMAT
					    " of the node is the original's "
					    "(hostPort), the copy has none",
					    copy_pod_name_of(container),
					    json_integer_value(port)));
		json_object_del(p, "hostPort");
		json_object_del(p, "hostIP");
	}
}

/* The same program in another role (it migrates a database first, it works on a
 * queue beside) is the same version of it, unless one was asked for by name */
static bool copy_pod_goes_along(const json_t *container, const char *old,
				const struct copy_spec *s)
{
	return old && copy_pod_image(s->image) == s->image &&
	       str_eq(json_str(container, "image", NULL), old);
}

static void copy_pod_change_containers(json_t *pod, json_t *main,
				       const struct copy_spec *s,
				       struct strv *warnings)
{
	const char *image = copy_pod_image(s->image);
	const char *its = json_str(main, "image", NULL);
	auto_free char *old = its ? xstrdup(its) : NULL;
	bool host = json_is_true(json_object_get(pod, "hostNetwork"));
	json_t *c;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(copy_pod_lists); k++)
		json_array_foreach (json_object_get(pod, copy_pod_lists[k]), i,
				    c) {
			if (!json_is_object(c))
				continue;
			if (c != main && copy_pod_goes_along(c, old, s))
				strv_take(warnings,
					  xasprintf("container %s had the same "
						    "image and gets the new "
						    "one, too",
						    copy_pod_name_of(c)));
			if (c == main || copy_pod_goes_along(c, old, s))
				copy_pod_set_image(c, image, s->always_pull);
			copy_pod_set_variable(c, KT_ENV_VARIABLE, s->env, true);
			copy_pod_drop_host_ports(c, !host, warnings);
		}
	copy_pod_set_variables(main, s);
}

/* --- what is shared with the original ------------------------------------- */

static void copy_pod_drop_host_network(json_t *pod, struct strv *warnings)
{
	const char *dns = json_str(pod, "dnsPolicy", NULL);

	if (!json_is_true(json_object_get(pod, "hostNetwork")))
		return;
	json_object_del(pod, "hostNetwork");
	if (str_eq(dns, "ClusterFirstWithHostNet"))
		json_object_del(pod, "dnsPolicy");
	strv_add(warnings, "the original is on the node's network "
			   "(hostNetwork), the copy has a network of its own");
}

/* Claims of a StatefulSet are of one Pod each */
static void copy_pod_empty_claims(json_t *pod, const json_t *claims,
				  struct strv *warnings)
{
	json_t *volumes = NULL, *claim;
	size_t i;

	json_array_foreach (claims, i, claim) {
		const char *name = object_name(claim);

		if (!*name)
			continue;
		volumes = copy_pod_list(pod, "volumes");
		for (size_t k = json_array_size(volumes); k-- > 0;)
			if (str_eq(json_str(json_array_get(volumes, k), "name",
					    NULL),
				   name))
				json_array_remove(volumes, k);
		json_array_append_new(volumes, json_pack("{s:s, s:{}}", "name",
							 name, "emptyDir"));
		strv_take(warnings,
			  xasprintf("volume %s is empty in the copy, and gone "
				    "with its Pod: each Pod of the original "
				    "has a claim of its own",
				    name));
	}
}

static void copy_pod_tell_claims(const json_t *pod, struct strv *warnings)
{
	const json_t *v;
	size_t i;

	json_array_foreach (json_object_get(pod, "volumes"), i, v) {
		const char *claim =
			json_str(v, "persistentVolumeClaim", "claimName", NULL);

		if (claim)
			strv_take(warnings,
				  xasprintf("PersistentVolumeClaim %s is used "
					    "by the original and the copy: "
					    "both write to the same files, if "
					    "it can be mounted twice at all",
					    claim));
	}
}

/* A rule that keeps Pods like these away from each other is about the
 * original's Pods: with it the copy would find no node where these are */
static void copy_pod_drop_apart(json_t *pod, const json_t *labels,
				struct strv *warnings)
{
	static const char required[] =
		"requiredDuringSchedulingIgnoredDuringExecution";
	json_t *anti = json_at(pod, "affinity", "podAntiAffinity", NULL);
	json_t *terms = json_object_get(anti, required);
	bool dropped = false;

	for (size_t i = json_array_size(terms); i-- > 0;) {
		const json_t *selector = json_object_get(
			json_array_get(terms, i), "labelSelector");

		if (!json_object_size(selector) ||
		    !netpolicy_matches(selector, labels))
			continue;
		json_array_remove(terms, i);
		dropped = true;
	}
	if (!dropped)
		return;
	if (!json_array_size(terms))
		json_object_del(anti, required);
	strv_add(warnings, "Pods of the original are kept on different nodes "
			   "(podAntiAffinity), the copy may run beside them");
}

void copy_pod_change(json_t *pod, json_t *container, const json_t *labels,
		     const struct copy_spec *s, struct strv *warnings)
{
	copy_pod_change_containers(pod, container, s, warnings);
	copy_pod_drop_host_network(pod, warnings);
	copy_pod_tell_claims(pod, warnings);
	copy_pod_empty_claims(pod, s->claims, warnings);
	copy_pod_drop_apart(pod, labels, warnings);
	/* a Deployment takes no other, and neither has a Pod's end */
	json_object_set_new(pod, "restartPolicy", json_string("Always"));
	json_object_del(pod, "activeDeadlineSeconds");
}
