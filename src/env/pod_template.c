/* SPDX-License-Identifier: Apache-2.0 */
/* What a Pod was made of. */
#include "env/workload.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <string.h>

#define ISTIO_STATUS "sidecar.istio.io/status" /* JSON: what it has put in */

/* @keys: whole ones, or what they begin with when it ends with '/' or '.' */
static bool template_is_one(const char *text, const char *const *keys)
{
	for (; *keys; keys++)
		if (str_ends(*keys, "/") || str_ends(*keys, ".")
			    ? str_starts(text, *keys)
			    : strcmp(text, *keys) == 0)
			return true;
	return false;
}

static void template_drop_keys(json_t *map, const char *const *keys)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(map, next, key,
				 v) if (template_is_one(key, keys))
		json_object_del(map, key);
}

/* Of a list of objects with names, those that @drop names */
static void template_drop_named(json_t *list,
				bool (*drop)(const char *name, void *arg),
				void *arg)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		const char *name =
			json_str(json_array_get(list, i), "name", NULL);

		if (name && drop(name, arg))
			json_array_remove(list, i);
	}
}

/* --- containers that come from elsewhere ---------------------------------- */

struct template_injector {
	const char *sign; /* a label or annotation of the Pod: it was there */
	const char *containers[4]; /* also those that run first */
	const char *volumes[5];
};

/* The sign goes as well: with it nothing would be put in again */
static const struct template_injector injectors[] = {
	{ ISTIO_STATUS,
	  { "istio-proxy", "istio-init", "istio-validation" },
	  { "istio-envoy", "istio-data", "istio-podinfo", "istio-token",
	    "istiod-ca-cert" } },
	{ "linkerd.io/proxy-version",
	  { "linkerd-proxy", "linkerd-init", "linkerd-network-validator" },
	  { "linkerd-identity-end-entity", "linkerd-identity-token",
	    "linkerd-proxy-init-xtables-lock" } },
	{ "vault.hashicorp.com/agent-inject-status",
	  { "vault-agent", "vault-agent-init" },
	  { "home-init", "home-sidecar", "vault-secrets" } },
	{ "consul.hashicorp.com/connect-inject-status",
	  { "consul-dataplane", "consul-connect-inject-init" },
	  { "consul-connect-inject-data" } },
	{ "kuma.io/sidecar-injected",
	  { "kuma-sidecar", "kuma-init", "kuma-validation" },
	  { "kuma-sidecar-tmp", "kuma-init-tmp" } },
	{ "dapr.io/sidecar-injected", { "daprd" }, { "dapr-identity-token" } },
};

static bool template_is_in(const char *name, void *arg)
{
	json_t *list = arg, *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (str_eq(json_string_value(v), name))
			return true;
	return false;
}

static json_t *template_names(const char *const *names, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && names[i]; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static void template_drop_volumes(json_t *spec,
				  bool (*drop)(const char *name, void *arg),
				  void *arg)
{
	static const char *const kinds[] = { "containers", "initContainers" };
	json_t *c;
	size_t i;

	template_drop_named(json_object_get(spec, "volumes"), drop, arg);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		json_array_foreach (json_object_get(spec, kinds[k]), i, c)
			template_drop_named(json_object_get(c, "volumeMounts"),
					    drop, arg);
}

static void template_drop_injected(json_t *spec, json_t *containers,
				   json_t *volumes)
{
	template_drop_named(json_object_get(spec, "containers"), template_is_in,
			    containers);
	template_drop_named(json_object_get(spec, "initContainers"),
			    template_is_in, containers);
	template_drop_volumes(spec, template_is_in, volumes);
}

/* Istio writes down what it has put in, by whatever template */
static void template_drop_istio(json_t *spec, const char *status)
{
	static const char *const containers[] = { "containers",
						  "initContainers" };
	auto_json json_t *said = json_loads(status, 0, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(containers); i++)
		template_drop_injected(spec,
				       json_object_get(said, containers[i]),
				       json_object_get(said, "volumes"));
	template_drop_named(json_object_get(spec, "imagePullSecrets"),
			    template_is_in,
			    json_object_get(said, "imagePullSecrets"));
}

static void template_uninject(json_t *meta, json_t *spec)
{
	json_t *labels = json_object_get(meta, "labels");
	json_t *notes = json_object_get(meta, "annotations");

	for (size_t i = 0; i < ARRAY_SIZE(injectors); i++) {
		const struct template_injector *in = &injectors[i];
		auto_json json_t *containers = template_names(
			in->containers, ARRAY_SIZE(in->containers));
		auto_json json_t *volumes =
			template_names(in->volumes, ARRAY_SIZE(in->volumes));
		json_t *note = json_object_get(notes, in->sign);

		if (!note && !json_object_get(labels, in->sign))
			continue;
		if (strcmp(in->sign, ISTIO_STATUS) == 0 && json_is_string(note))
			template_drop_istio(spec, json_string_value(note));
		template_drop_injected(spec, containers, volumes);
		json_object_del(notes, in->sign);
		json_object_del(labels, in->sign);
	}
}

/* --- what the cluster adds to every Pod ----------------------------------- */

/* The volume of the service account's token: "kube-api-access-x7k2p", on older
 * clusters a secret "NAME-token-x7k2p" */
static bool template_is_token_volume(const char *name, void *arg)
{
	const char *account = arg;
	size_t n = strlen(account);

	return str_starts(name, "kube-api-access-") ||
	       (strncmp(name, account, n) == 0 &&
		str_starts(name + n, "-token-"));
}

static void template_drop_token(json_t *spec)
{
	const char *account = json_str(spec, "serviceAccountName", NULL);
	auto_free char *name = xstrdup(account ? account : "default");

	template_drop_volumes(spec, template_is_token_volume, name);
}

/* Every Pod without tolerations for these two gets them, for 300 s */
static void template_drop_tolerations(json_t *spec)
{
	static const char *const keys[] = {
		"node.kubernetes.io/not-ready",
		"node.kubernetes.io/unreachable",
		NULL,
	};
	json_t *list = json_object_get(spec, "tolerations");

	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *t = json_array_get(list, i);
		const char *key = json_str(t, "key", NULL);
		json_t *time = json_object_get(t, "tolerationSeconds");

		if (key && template_is_one(key, keys) &&
		    json_integer_value(time) == 300)
			json_array_remove(list, i);
	}
}

/* A DaemonSet's controller puts each Pod on its node by the node's name */
static void template_drop_node(json_t *spec)
{
	json_t *required =
		json_at(spec, "affinity", "nodeAffinity",
			"requiredDuringSchedulingIgnoredDuringExecution", NULL);
	json_t *terms = json_object_get(required, "nodeSelectorTerms");
	bool empty = json_array_size(terms) > 0;

	for (size_t i = json_array_size(terms); i-- > 0;) {
		json_t *term = json_array_get(terms, i);

		if (!json_object_get(term, "matchFields"))
			continue;
		json_object_del(term, "matchFields");
		if (!json_array_size(json_object_get(term, "matchExpressions")))
			json_array_remove(terms, i);
	}
	/* a list of none would match no node */
	if (empty && !json_array_size(terms))
		json_object_del(
			json_at(spec, "affinity", "nodeAffinity", NULL),
			"requiredDuringSchedulingIgnoredDuringExecution");
}

static void template_strip_spec(json_t *spec, const char *pod)
{
	static const char *const server[] = {
		"nodeName",
		"serviceAccount", /* the old name of serviceAccountName */
		"priority",
		"preemptionPolicy", /* both of the priorityClassName */
		"overhead",	    /* of the runtimeClassName */
		"ephemeralContainers",
		"schedulingGates",
	};

	for (size_t i = 0; i < ARRAY_SIZE(server); i++)
		json_object_del(spec, server[i]);
	template_drop_token(spec);
	template_drop_tolerations(spec);
	template_drop_node(spec);
	/* of a StatefulSet: its Pods' names below the headless Service */
	if (str_eq(json_str(spec, "hostname", NULL), pod)) {
		json_object_del(spec, "hostname");
		json_object_del(spec, "subdomain");
	}
}

static void template_strip_meta(json_t *meta)
{
	static const char *const labels[] = {
		"pod-template-hash",
		"rollouts-pod-template-hash",
		"controller-revision-hash",
		"pod-template-generation",
		"statefulset.kubernetes.io/",
		"apps.kubernetes.io/pod-index",
		"batch.kubernetes.io/",
		"job-name",
		"controller-uid",
		"security.istio.io/tlsMode", /* put in with its proxy */
		"linkerd.io/control-plane-ns",
		"linkerd.io/proxy-deployment",
		"linkerd.io/workload-ns",
		NULL,
	};
	static const char *const annotations[] = {
		"cni.projectcalico.org/",
		"k8s.v1.cni.cncf.io/network-status",
		"k8s.ovn.org/",
		"kubernetes.io/config.",
		"kubernetes.io/limit-ranger",
		"kubernetes.io/psp",
		"openshift.io/scc",
		"openshift.io/deployment",
		"linkerd.io/created-by",
		"linkerd.io/trust-root-sha256",
		"cluster-autoscaler.kubernetes.io/daemonset-pod",
		NULL,
	};

	template_drop_keys(json_object_get(meta, "labels"), labels);
	template_drop_keys(json_object_get(meta, "annotations"), annotations);
}

json_t *workload_pod_template(const json_t *pod)
{
	json_t *spec = json_deep_copy(json_object_get(pod, "spec"));
	json_t *meta = json_object();
	static const char *const keys[] = { "labels", "annotations" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *map = json_at(pod, "metadata", keys[i], NULL);

		if (json_object_size(map))
			json_object_set_new(meta, keys[i], json_deep_copy(map));
	}
	if (!json_is_object(spec)) {
		json_decref(spec);
		spec = json_object();
	}
	template_uninject(meta, spec);
	template_strip_spec(spec, object_name(pod));
	template_strip_meta(meta);
	return json_pack("{s:o, s:o}", "metadata", meta, "spec", spec);
}
