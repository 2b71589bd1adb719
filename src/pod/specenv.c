/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/specenv.h"

#include "base/mem.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "pod/expand.h"
#include "pod/field.h"
#include "pod/vars.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct specenv {
	struct strv *out;
	struct strv services; /* behind all others, and for $(NAME) */
	const struct pod_found *f;
	struct pod_sources *sources;
	struct strv *missing;
};

static void specenv_miss(struct specenv *e, const char *what,
			 const struct kt_error *why)
{
	strv_take(e->missing, xasprintf("%s (%s)", what, why->msg));
}

/* --- Services ------------------------------------------------------------- */

static char *specenv_name(const char *name)
{
	char *text = xstrdup(name);

	for (char *p = text; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return text;
}

static void specenv_set(struct strv *out, const char *value, const char *fmt,
			...) KT_PRINTF(3, 4);

static void specenv_set(struct strv *out, const char *value, const char *fmt,
			...)
{
	char name[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	vars_set(out, name, value);
}

/* As Docker's links had them */
static void specenv_link(struct strv *out, const char *name, const char *ip,
			 const json_t *port, bool first)
{
	const char *said = json_str(port, "protocol", NULL);
	auto_free char *upper = specenv_name(said ? said : "TCP");
	auto_free char *lower = xstrdup(upper);
	auto_free char *number = xasprintf(
		"%lld",
		(long long)json_integer_value(json_object_get(port, "port")));
	auto_free char *url = NULL;

	for (char *p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	url = xasprintf(strchr(ip, ':') ? "%s://[%s]:%s" : "%s://%s:%s", lower,
			ip, number);
	if (first)
		specenv_set(out, url, "%s_PORT", name);
	specenv_set(out, url, "%s_PORT_%s_%s", name, number, upper);
	specenv_set(out, lower, "%s_PORT_%s_%s_PROTO", name, number, upper);
	specenv_set(out, number, "%s_PORT_%s_%s_PORT", name, number, upper);
	specenv_set(out, ip, "%s_PORT_%s_%s_ADDR", name, number, upper);
}

static void specenv_service(struct strv *out, const json_t *service)
{
	const char *ip = json_str(service, "spec", "clusterIP", NULL);
	const char *said = json_str(service, "metadata", "name", NULL);
	const json_t *ports = json_at(service, "spec", "ports", NULL), *port;
	auto_free char *name = specenv_name(said ? said : "");
	size_t i;

	if (!ip || !*ip || strcmp(ip, "None") == 0)
		return;
	specenv_set(out, ip, "%s_SERVICE_HOST", name);
	json_array_foreach (ports, i, port) {
		const char *of = json_str(port, "name", NULL);
		auto_free char *number = xasprintf(
			"%lld", (long long)json_integer_value(
					json_object_get(port, "port")));
		auto_free char *port_name = specenv_name(of ? of : "");

		if (i == 0)
			specenv_set(out, number, "%s_SERVICE_PORT", name);
		if (*port_name)
			specenv_set(out, number, "%s_SERVICE_PORT_%s", name,
				    port_name);
	}
	json_array_foreach (ports, i, port)
		specenv_link(out, name, ip, port, i == 0);
}

void specenv_services(struct strv *out, const json_t *services,
		      const char *began)
{
	int64_t since = began ? rfc3339_parse(began) : -1;
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s) {
		const char *made =
			json_str(s, "metadata", "creationTimestamp", NULL);

		if (since >= 0 && made && rfc3339_parse(made) > since)
			continue;
		specenv_service(out, s);
	}
}

static const char *specenv_began(const struct pod_found *f)
{
	return json_str(f->status, "state", "running", "startedAt", NULL);
}

/* "kubernetes" of the namespace default is everywhere */
static void specenv_find_services(struct specenv *e)
{
	const json_t *links =
		json_at(e->f->pod, "spec", "enableServiceLinks", NULL);
	const json_t *own = NULL, *master = NULL, *s;
	auto_json json_t *one = json_array();
	struct kt_error err = { 0 };
	size_t i;

	if (!json_is_false(links)) {
		if (pod_source_services(e->sources, e->f->ns, &own, &err) < 0)
			specenv_miss(e, "variables of Services", &err);
		specenv_services(&e->services, own, specenv_began(e->f));
	}
	if (vars_get(&e->services, "KUBERNETES_SERVICE_HOST"))
		return;
	if (pod_source_services(e->sources, "default", &master, &err) < 0)
		return; /* specenv_add_api() */
	json_array_foreach (master, i, s)
		if (str_eq(json_str(s, "metadata", "name", NULL), "kubernetes"))
			json_array_append(one, (json_t *)(uintptr_t)s);
	specenv_services(&e->services, one, NULL);
}

void specenv_add_api(struct strv *vars, const char *address)
{
	auto_json json_t *services =
		json_pack("[{s:{s:s}, s:{s:s, s:[{s:s, s:i}]}}]", "metadata",
			  "name", "kubernetes", "spec", "clusterIP", address,
			  "ports", "name", "https", "port", 443);

	specenv_services(vars, services, NULL);
}

/* --- ConfigMaps and Secrets ----------------------------------------------- */

/* The value of a key (returned, caller frees), or NULL */
static char *specenv_key(const json_t *object, const char *key, bool secret)
{
	const char *text = json_str(object, "data", key, NULL);
	size_t n;

	if (!text)
		return NULL;
	return secret ? base64_decode(text, &n) : xstrdup(text);
}

static int specenv_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool specenv_is_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (*p == '=' || (unsigned char)*p < ' ' ||
		    (unsigned char)*p > '~')
			return false;
	return *name != '\0';
}

static void specenv_from(struct specenv *e, const json_t *from)
{
	const json_t *ref = json_object_get(from, "configMapRef"), *object;
	const json_t *secret = json_object_get(from, "secretRef");
	const char *prefix = json_str(from, "prefix", NULL), *key;
	const char *resource = ref ? "configmaps" : "secrets";
	auto_strv struct strv keys = { 0 };
	struct kt_error err = { 0 };
	const char *name;
	json_t *value;
	int rc;

	ref = ref ? ref : secret;
	name = json_str(ref, "name", NULL);
	if (!name)
		return;
	rc = pod_source(e->sources, resource, name, &object, &err);
	if (rc == -ENOENT && json_is_true(json_object_get(ref, "optional")))
		return;
	if (rc < 0) {
		auto_free char *what =
			xasprintf("envFrom %s/%s", resource, name);

		specenv_miss(e, what, &err);
		return;
	}
	json_object_foreach (json_object_get(object, "data"), key, value)
		strv_add(&keys, key);
	if (keys.n)
		qsort(keys.v, keys.n, sizeof(*keys.v), specenv_compare);
	for (size_t i = 0; i < keys.n; i++) {
		auto_free char *text =
			specenv_key(object, keys.v[i], resource[0] == 's');
		auto_free char *var =
			xasprintf("%s%s", prefix ? prefix : "", keys.v[i]);

		if (text && specenv_is_name(var))
			vars_set(e->out, var, text);
	}
}

/* A key of a ConfigMap or Secret. false: it sets nothing */
static bool specenv_take_key(struct specenv *e, const char *name,
			     const json_t *ref, const char *resource)
{
	const char *of = json_str(ref, "name", NULL);
	const char *key = json_str(ref, "key", NULL);
	bool optional = json_is_true(json_object_get(ref, "optional"));
	auto_free char *text = NULL;
	struct kt_error err = { 0 };
	const json_t *object;
	int rc = pod_source(e->sources, resource, of ? of : "", &object, &err);

	if (rc == 0) {
		text = specenv_key(object, key ? key : "", *resource == 's');
		if (!text)
			rc = kt_fail(&err, ENOENT, "%s/%s has no key '%s'",
				     resource, of, key);
	}
	if (rc == 0)
		vars_set(e->out, name, text);
	else if (rc != -ENOENT || !optional)
		specenv_miss(e, name, &err);
	return rc == 0;
}

/* --- env ------------------------------------------------------------------ */

static void specenv_take_field(struct specenv *e, const char *name,
			       const json_t *ref)
{
	const char *path = json_str(ref, "fieldPath", NULL);
	auto_free char *text = pod_field(e->f->pod, path ? path : "");
	struct kt_error err = { 0 };

	if (text) {
		vars_set(e->out, name, text);
		return;
	}
	kt_fail(&err, EINVAL, "fieldPath '%s' is not known", path ? path : "");
	specenv_miss(e, name, &err);
}

static void specenv_take_resource(struct specenv *e, const char *name,
				  const json_t *ref)
{
	const char *at = json_str(e->f->pod, "spec", "nodeName", NULL);
	struct kt_error err = { 0 };
	const json_t *node;
	auto_free char *text =
		pod_resource(e->f->pod, ref, e->f->container, NULL, &err);

	if (!text && err.code == ENODATA && at &&
	    pod_source(e->sources, "nodes", at, &node, &err) == 0)
		text = pod_resource(e->f->pod, ref, e->f->container, node,
				    &err);
	if (text)
		vars_set(e->out, name, text);
	else
		specenv_miss(e, name, &err);
}

static const char *specenv_value(void *user, const char *name)
{
	const struct specenv *e = user;
	const char *value = vars_get(e->out, name);

	return value ? value : vars_get(&e->services, name);
}

static void specenv_take(struct specenv *e, const json_t *var)
{
	const char *name = json_str(var, "name", NULL);
	const char *value = json_str(var, "value", NULL);
	const json_t *from = json_object_get(var, "valueFrom"), *ref;
	struct kt_error err = { 0 };

	if (!name)
		return;
	if ((value && *value) || !from) {
		auto_free char *text =
			expand_text(value ? value : "", specenv_value, e);

		vars_set(e->out, name, text);
		return;
	}
	if ((ref = json_object_get(from, "fieldRef"))) {
		specenv_take_field(e, name, ref);
	} else if ((ref = json_object_get(from, "resourceFieldRef"))) {
		specenv_take_resource(e, name, ref);
	} else if ((ref = json_object_get(from, "configMapKeyRef"))) {
		specenv_take_key(e, name, ref, "configmaps");
	} else if ((ref = json_object_get(from, "secretKeyRef"))) {
		specenv_take_key(e, name, ref, "secrets");
	} else {
		kt_fail(&err, EINVAL, "its valueFrom is not known");
		specenv_miss(e, name, &err);
	}
}

/* As the container runtime sets it */
static void specenv_hostname(struct specenv *e)
{
	const json_t *pod = e->f->pod;
	const char *name = json_str(pod, "spec", "hostname", NULL);
	char cut[64];

	if (json_is_true(json_at(pod, "spec", "hostNetwork", NULL)))
		name = json_str(pod, "spec", "nodeName", NULL);
	if (!name || !*name)
		name = e->f->name;
	snprintf(cut, sizeof(cut), "%s", name);
	if (!vars_get(e->out, "HOSTNAME"))
		vars_set(e->out, "HOSTNAME", cut);
}

void specenv_make(struct strv *out, const struct pod_found *f,
		  struct pod_sources *s, struct strv *missing)
{
	struct specenv e = {
		.out = out, .f = f, .sources = s, .missing = missing
	};
	const json_t *v;
	size_t i;

	specenv_find_services(&e);
	json_array_foreach (json_object_get(f->spec, "envFrom"), i, v)
		specenv_from(&e, v);
	json_array_foreach (json_object_get(f->spec, "env"), i, v)
		specenv_take(&e, v);
	for (i = 0; i < e.services.n; i++) {
		auto_free char *name = vars_name(e.services.v[i]);

		if (!vars_get(out, name))
			strv_add(out, e.services.v[i]);
	}
	specenv_hostname(&e);
	strv_fini(&e.services);
}
