/* SPDX-License-Identifier: Apache-2.0 */
#include "env/copy.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/copy_labels.h"
#include "env/copy_pod.h"
#include "env/spec.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define COPY_NAME_MAX 63
#define COPY_HASH_LEN 6
#define NAME_MAX_DNS 253

/* --- names ---------------------------------------------------------------- */

static uint32_t copy_hash(const char *service, const char *env)
{
	auto_free char *both = xasprintf("%s/%s", service, env);

	return str_hash(both) & 0xffffff;
}

static char *copy_name_with(const char *service, const char *env, uint32_t hash)
{
	int room = COPY_NAME_MAX - COPY_HASH_LEN - 1;
	auto_free char *name = xasprintf("%s-%s", service, env);

	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '-';
	return xasprintf("%.*s-%0*x", room, name, COPY_HASH_LEN, hash);
}

char *copy_name(const char *service, const char *env)
{
	return copy_name_with(service, env, copy_hash(service, env));
}

char *copy_name_salted(const char *service, const char *env, const char *salt)
{
	auto_free char *of = xasprintf("%s/%s", env, salt);

	return copy_name_with(service, env, copy_hash(service, of));
}

void copy_rename(json_t *deployment, const char *target)
{
	auto_free char *name = copy_name_salted(
		object_label(deployment, KT_LABEL_ENV_OF),
		object_label(deployment, KT_LABEL_ENV), target);

	json_object_set_new(json_object_get(deployment, "metadata"), "name",
			    json_string(name));
}

/* DNS subdomain (RFC 1123), as far as it matters: the server knows the rest */
static bool copy_is_name(const char *s)
{
	size_t n = strlen(s);

	return n && n <= NAME_MAX_DNS &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n;
}

int copy_check_env_from(const char *text, struct kt_error *err)
{
	static const char *const kinds[] = { "configmap/", "secret/" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_starts(text, kinds[i]) &&
		    copy_is_name(text + strlen(kinds[i])))
			return 0;
	return kt_fail(err, EINVAL,
		       "'%s' is neither configmap/NAME nor secret/NAME", text);
}

/* --- metadata ------------------------------------------------------------- */

static json_t *copy_own_labels(const struct copy_spec *s)
{
	return json_pack("{s:s, s:s, s:s}", KT_LABEL_ENV, s->env,
			 KT_LABEL_ENV_OF, object_name(s->service),
			 KT_LABEL_TARGET, s->target);
}

/* Without those that say which roll-out of the original made it */
static json_t *copy_annotations(const json_t *template)
{
	static const char *const gone[] = {
		"kubectl.kubernetes.io/last-applied-configuration",
		"kubectl.kubernetes.io/restartedAt",
		"deployment.kubernetes.io/revision",
	};
	json_t *all = json_at(template, "metadata", "annotations", NULL);
	json_t *kept = json_is_object(all) ? json_copy(all) : json_object();

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		json_object_del(kept, gone[i]);
	return kept;
}

static json_t *copy_metadata(const struct copy_spec *s)
{
	auto_free char *name = copy_name(object_name(s->service), s->env);
	auto_json json_t *asked =
		env_spec_image(s->image, s->set, s->env_from, s->replicas);
	auto_free char *text = NULL;

	env_spec_idle(asked, s->idle, s->wake_timeout);
	if (s->on_join)
		json_object_set_new(asked, "onJoin", json_string(s->on_join));
	if (s->on_delete)
		json_object_set_new(asked, "onDelete",
				    json_string(s->on_delete));
	text = json_dumps(asked, JSON_COMPACT | JSON_SORT_KEYS);
	return json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:s}, s:{s:s*, s:s*}, s:[O]}", "name",
		name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		KT_LABEL_ROLE, KT_ROLE_ENV_MEMBER, KT_LABEL_ENV, s->env,
		KT_LABEL_ENV_OF, object_name(s->service), "annotations",
		KT_ANNOTATION_USER, s->user, KT_ANNOTATION_SPEC, text,
		"ownerReferences", (json_t *)(uintptr_t)s->owner);
}

/* --- the Service's ports -------------------------------------------------- */

/* As they are, by name where they were: the copy's containers have these names.
 * Only the port of the nodes is the Service's own. */
static json_t *copy_ports(const struct copy_spec *s, const json_t *pod,
			  struct strv *warnings)
{
	json_t *ports =
		json_deep_copy(json_at(s->service, "spec", "ports", NULL));
	json_t *port;
	size_t i;

	if (!json_is_array(ports)) {
		json_decref(ports);
		ports = json_array();
	}
	json_array_foreach (ports, i, port) {
		const char *name = json_str(port, "targetPort", NULL);

		json_object_del(port, "nodePort");
		if (name && !copy_pod_has_port(pod, port))
			strv_take(warnings,
				  xasprintf("no container of the copy has a "
					    "port named %s, which the Service "
					    "leads to",
					    name));
	}
	return ports;
}

/* --- all of it ------------------------------------------------------------ */

/* JSON has no other text */
static int copy_check_set(const struct copy_spec *s, struct kt_error *err)
{
	for (size_t i = 0; s->set && i < s->set->n; i++) {
		auto_json json_t *key = json_string(s->set->v[i].key);
		auto_json json_t *value = json_string(s->set->v[i].value);

		if (!key || !value)
			return kt_fail(err, EINVAL,
				       "--set: item %zu is not UTF-8", i + 1);
	}
	return 0;
}

static int copy_check(const struct copy_spec *s, const json_t *pod,
		      struct kt_error *err)
{
	static const char *const ours[] = { KT_LABEL_ENV, KT_LABEL_ROLE };
	int rc = copy_check_set(s, err);

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(ours); i++)
		if (json_at(s->template, "metadata", "labels", ours[i], NULL))
			return kt_fail(err, EEXIST,
				       "%s: its Pods are ktctl's own (label "
				       "%s), no copy is made of them",
				       s->of, ours[i]);
	if (rc == 0 && !json_array_size(json_object_get(pod, "containers")))
		return kt_fail(err, EINVAL, "%s: its template has no container",
			       s->of);
	for (size_t i = 0; rc == 0 && s->env_from && i < s->env_from->n; i++)
		rc = copy_check_env_from(s->env_from->v[i], err);
	return rc;
}

static json_t *copy_labels(const struct copy_spec *s, struct strv *warnings)
{
	auto_json json_t *own = copy_own_labels(s);
	const struct copy_labels c = {
		.labels = json_at(s->template, "metadata", "labels", NULL),
		.ours = own,
		.services = s->services,
		.selector = s->selector,
		.policies = s->policies,
	};
	json_t *labels = copy_labels_make(&c);
	const char *policy = copy_labels_policy(&c, labels);

	if (policy)
		strv_take(warnings,
			  xasprintf("NetworkPolicy %s is for Pods of the "
				    "original, and not for the copy, which "
				    "must not have the label it goes by",
				    policy));
	return labels;
}

/* Who deletes the environment wants no history, and who replaces a member gets
 * another Deployment */
static json_t *copy_deployment(const struct copy_spec *s, const json_t *own,
			       json_t *labels, json_t *pod)
{
	json_t *meta = json_pack("{s:o, s:o}", "labels", labels, "annotations",
				 copy_annotations(s->template));

	return json_pack("{s:s, s:s, s:o, s:{s:i, s:i, s:{s:O}, s:{s:o, s:o}}}",
			 "apiVersion", "apps/v1", "kind", "Deployment",
			 "metadata", copy_metadata(s), "spec", "replicas",
			 s->replicas ? s->replicas : 1, "revisionHistoryLimit",
			 0, "selector", "matchLabels", (json_t *)(uintptr_t)own,
			 "template", "metadata", meta, "spec", pod);
}

int copy_make(struct env_copy *out, const struct copy_spec *s,
	      struct kt_error *err)
{
	json_t *pod = json_deep_copy(json_object_get(s->template, "spec"));
	const json_t *labels = json_at(s->template, "metadata", "labels", NULL);
	json_t *container = NULL;
	int rc = copy_check(s, pod, err);

	*out = (struct env_copy){ 0 };
	if (rc == 0) {
		container = copy_pod_container(pod, s, err);
		rc = container ? 0 : -ENOENT;
	}
	if (rc < 0) {
		json_decref(pod);
		return rc;
	}
	out->container = xstrdup(json_str(container, "name", NULL)
					 ? json_str(container, "name", NULL)
					 : "");
	copy_pod_change(pod, container, labels, s, &out->warnings);
	out->ports = copy_ports(s, pod, &out->warnings);
	out->selector = copy_own_labels(s);
	out->deployment = copy_deployment(s, out->selector,
					  copy_labels(s, &out->warnings), pod);
	return 0;
}

void copy_fini(struct env_copy *c)
{
	json_decref(c->deployment);
	json_decref(c->selector);
	json_decref(c->ports);
	free(c->container);
	strv_fini(&c->warnings);
	*c = (struct env_copy){ 0 };
}
