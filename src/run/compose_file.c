/* SPDX-License-Identifier: Apache-2.0 */
#include "run/compose_file.h"

#include "base/mem.h"
#include "cli/yaml.h"
#include "kube/rest.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define COMPOSE_SUFFIX "-ktctl"
#define COMPOSE_NAME_MAX 200

/* What is of the network: the engine refuses it where the network is another
 * container's */
static const char *const compose_network_keys[] = {
	"ports",       "expose", "networks",	   "hostname",
	"domainname",  "dns",	 "dns_search",	   "dns_opt",
	"extra_hosts", "links",	 "external_links", "mac_address",
};

/* What the sidecar has, too: the same image, where and when it is the service's
 */
static const char *const compose_same_keys[] = {
	"image", "build", "platform", "pull_policy", "profiles",
};

/* --- what is there -------------------------------------------------------- */

static bool compose_is_name(const char *s)
{
	if (!*s || strlen(s) > COMPOSE_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

int compose_services(const json_t *doc, const char *name, struct strv *out,
		     struct kt_error *err)
{
	json_t *services = json_object_get(doc, "services"), *one;
	const char *key;

	if (!json_object_size(services))
		return kt_fail(err, EINVAL,
			       "%s: not a compose file: it has no services",
			       name);
	json_object_foreach (services, key, one) {
		if (!compose_is_name(key) || !json_is_object(one))
			return kt_fail(err, EINVAL,
				       "%s: '%.80s' is not a service", name,
				       key);
		strv_add(out, key);
	}
	return 0;
}

static int compose_resolve_first(struct kt_error *err, const char *service,
				 const char *key)
{
	kt_hint(err, "docker compose config | ktctl compose -f - ...");
	return kt_fail(err, EINVAL,
		       "service %s: '%s' names what is not in this file",
		       service, key);
}

/* A namespace's sysctls are the sidecar's; who sets them wants them there */
static bool compose_has_net_sysctl(const json_t *s)
{
	json_t *all = json_object_get(s, "sysctls"), *one;
	const char *key;
	size_t i;

	json_object_foreach (all, key, one)
		if (str_starts(key, "net."))
			return true;
	json_array_foreach (all, i, one)
		if (json_is_string(one) &&
		    str_starts(json_string_value(one), "net."))
			return true;
	return false;
}

static int compose_check(const json_t *s, const char *service,
			 struct kt_error *err)
{
	const char *mode = json_str(s, "network_mode", NULL);

	if (json_object_get(s, "extends"))
		return compose_resolve_first(err, service, "extends");
	if (json_object_get(s, "network_mode"))
		return kt_fail(err, EINVAL,
			       "service %s has a network_mode (%.80s), which "
			       "would be the sidecar's",
			       service, mode ? mode : "null");
	if (compose_has_net_sysctl(s))
		return kt_fail(err, EINVAL,
			       "service %s sets sysctls of its network, which "
			       "would be the sidecar's",
			       service);
	if (!json_object_get(s, "image") && !json_object_get(s, "build"))
		return compose_resolve_first(err, service, "image");
	return 0;
}

char *compose_text(const char *text)
{
	char *out = xcalloc(2, strlen(text) + 1), *p = out;

	for (; *text; text++) {
		if (*text == '$')
			*p++ = '$';
		*p++ = *text;
	}
	return out;
}

/* --- the sidecar ---------------------------------------------------------- */

/* In one network: what was there, and the service's names */
static json_t *compose_network(const json_t *was, const json_t *names)
{
	json_t *net = json_is_object(was) ? json_deep_copy(was) : json_object();
	json_t *all = json_object_get(net, "aliases");

	all = json_is_array(all) ? json_incref(all) : json_array();
	json_array_extend(all, (json_t *)(uintptr_t)names);
	json_object_set_new(net, "aliases", all);
	return net;
}

static json_t *compose_networks(const json_t *was, const json_t *names)
{
	json_t *out = json_object(), *one;
	const char *key;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)was, key, one)
		json_object_set_new(out, key, compose_network(one, names));
	json_array_foreach (was, i, one)
		if (json_is_string(one))
			json_object_set_new(out, json_string_value(one),
					    compose_network(NULL, names));
	if (!json_object_size(out))
		json_object_set_new(out, "default",
				    compose_network(NULL, names));
	return out;
}

static json_t *compose_names(const json_t *s, const char *service)
{
	const char *container = json_str(s, "container_name", NULL);
	json_t *names = json_pack("[s]", service);

	if (container && !str_eq(container, service))
		json_array_append_new(names, json_string(container));
	return names;
}

static json_t *compose_beside(struct compose_join *j, const json_t *s,
			      const json_t *sidecar)
{
	json_t *out = json_deep_copy(sidecar);
	auto_json json_t *names = compose_names(s, j->service);

	for (size_t i = 0; i < ARRAY_SIZE(compose_same_keys); i++) {
		const char *key = compose_same_keys[i];
		json_t *v = json_object_get(s, key);

		if (v)
			json_object_set_new(out, key, json_deep_copy(v));
	}
	for (size_t i = 0; i < ARRAY_SIZE(compose_network_keys); i++) {
		const char *key = compose_network_keys[i];
		json_t *v = json_object_get(s, key);

		if (!v)
			continue;
		strv_add(&j->moved, key);
		json_object_set_new(out, key, json_deep_copy(v));
	}
	json_object_set_new(
		out, "networks",
		compose_networks(json_object_get(s, "networks"), names));
	return out;
}

/* --- the service ---------------------------------------------------------- */

/* "environment" is a map, or a list of NAME=VALUE and NAME */
static bool compose_sets(const json_t *s, const char *name)
{
	const json_t *env = json_object_get(s, "environment"), *one;
	size_t i, n = strlen(name);

	if (json_object_get(env, name))
		return true;
	json_array_foreach (env, i, one) {
		const char *text = json_string_value(one);

		if (text && strncmp(text, name, n) == 0 &&
		    (!text[n] || text[n] == '='))
			return true;
	}
	return false;
}

static json_t *compose_environment(const json_t *s, const struct strv *vars,
				   struct strv *left_out)
{
	json_t *env = json_object();

	for (size_t i = 0; vars && i < vars->n; i++) {
		const char *is = strchr(vars->v[i], '=');
		auto_free char *name = NULL, *value = NULL;

		if (!is)
			continue;
		name = xstrndup(vars->v[i], (size_t)(is - vars->v[i]));
		value = compose_text(is + 1);
		if (compose_sets(s, name))
			continue;
		if (json_object_set_new(env, name, json_string(value)) < 0)
			strv_add(left_out, name);
	}
	return env;
}

static json_t *compose_added(const struct compose_join *j, const json_t *s,
			     const struct strv *vars, struct strv *left_out)
{
	auto_free char *mode = xasprintf("service:%s", j->sidecar);
	json_t *added = json_pack("{s:s, s:{s:{s:s}}}", "network_mode", mode,
				  "depends_on", j->sidecar, "condition",
				  "service_healthy");
	json_t *env = compose_environment(s, vars, left_out);

	if (json_object_size(env))
		json_object_set(added, "environment", env);
	json_decref(env);
	return added;
}

int compose_join_make(struct compose_join *j, const json_t *doc,
		      const char *service, const json_t *sidecar,
		      const struct strv *vars, struct strv *left_out,
		      struct kt_error *err)
{
	const json_t *services = json_object_get(doc, "services");
	const json_t *s = json_object_get(services, service);
	int rc;

	*j = (struct compose_join){ .service = xstrdup(service) };
	j->sidecar = xasprintf("%s" COMPOSE_SUFFIX, service);
	if (!s)
		return compose_resolve_first(err, service, "services");
	if (json_object_get(services, j->sidecar))
		return kt_fail(err, EINVAL,
			       "the sidecar of %s would be %s, and there is a "
			       "service of that name",
			       service, j->sidecar);
	rc = compose_check(s, service, err);
	if (rc < 0)
		return rc;
	j->beside = compose_beside(j, s, sidecar);
	j->added = compose_added(j, s, vars, left_out);
	return 0;
}

void compose_join_fini(struct compose_join *j)
{
	free(j->service);
	free(j->sidecar);
	json_decref(j->added);
	json_decref(j->beside);
	strv_fini(&j->moved);
	*j = (struct compose_join){ 0 };
}

/* --- the override --------------------------------------------------------- */

bool compose_resets(const struct compose_join *j, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (j[i].moved.n)
			return true;
	return false;
}

static int compose_put(struct buf *b, const char *name, const json_t *v,
		       const struct strv *moved)
{
	int rc = buf_printf(b, "  \"%s\":\n", name);

	if (rc == 0)
		rc = yaml_write_at(b, v, 4);
	for (size_t i = 0; rc == 0 && moved && i < moved->n; i++)
		rc = buf_printf(b, "    %s: !reset null\n", moved->v[i]);
	return rc;
}

int compose_override(struct buf *b, const struct compose_join *j, size_t n)
{
	int rc = buf_printf(b, "services:\n");

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = compose_put(b, j[i].service, j[i].added, &j[i].moved);
		if (rc == 0)
			rc = compose_put(b, j[i].sidecar, j[i].beside, NULL);
	}
	return rc;
}

/* --- the whole file ------------------------------------------------------- */

/* As a map, which has conditions */
static void compose_depend(json_t *s, json_t *more)
{
	json_t *was = json_object_get(s, "depends_on"), *all, *one;
	size_t i;

	all = json_is_object(was) ? json_incref(was) : json_object();
	json_array_foreach (was, i, one)
		if (json_is_string(one))
			json_object_set_new(all, json_string_value(one),
					    json_pack("{s:s}", "condition",
						      "service_started"));
	json_object_update(all, more);
	json_object_set_new(s, "depends_on", all);
}

/* In the form that it has there */
static void compose_add_environment(json_t *s, json_t *more)
{
	json_t *env = json_object_get(s, "environment"), *one;
	const char *key;

	if (!json_is_array(env)) {
		env = json_is_object(env) ? json_incref(env) : json_object();
		json_object_update(env, more);
		json_object_set_new(s, "environment", env);
		return;
	}
	json_object_foreach (more, key, one) {
		/* here the name is a part of a value, and a variable in it one
		 */
		auto_free char *name = compose_text(key);
		auto_free char *text =
			xasprintf("%s=%s", name, json_string_value(one));

		json_array_append_new(env, json_string(text));
	}
}

static void compose_change(json_t *services, const struct compose_join *j)
{
	json_t *s = json_object_get(services, j->service);
	json_t *env = json_object_get(j->added, "environment");

	for (size_t i = 0; i < j->moved.n; i++)
		json_object_del(s, j->moved.v[i]);
	json_object_set(s, "network_mode",
			json_object_get(j->added, "network_mode"));
	compose_depend(s, json_object_get(j->added, "depends_on"));
	if (env)
		compose_add_environment(s, env);
	json_object_set(services, j->sidecar, j->beside);
}

int compose_whole(struct buf *b, const json_t *doc,
		  const struct compose_join *j, size_t n)
{
	auto_json json_t *all = json_deep_copy(doc);

	/* with a version 3 there are no conditions */
	json_object_del(all, "version");
	for (size_t i = 0; i < n; i++)
		compose_change(json_object_get(all, "services"), &j[i]);
	return yaml_write(b, all);
}
