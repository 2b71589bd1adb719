/* SPDX-License-Identifier: Apache-2.0 */
#include "image/docker_config.h"

#include "base/mem.h"
#include "base/slice.h"
#include "base/str.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

void docker_auth_fini(struct docker_auth *a)
{
	free(a->username);
	free(a->password);
	free(a->identity_token);
	free(a->registry_token);
	*a = (struct docker_auth){ 0 };
}

int docker_config_parse(json_t **root, const char *text, size_t len,
			struct kt_error *err)
{
	json_error_t e;

	*root = json_loadb(text, len, 0, &e);
	if (json_is_object(*root))
		return 0;
	json_decref(*root);
	*root = NULL;
	return kt_fail(err, EINVAL, "line %d is no JSON object of docker's",
		       e.line > 0 ? e.line : 1);
}

/* A word of PATH, not a path */
static bool docker_helper_ok(const char *name)
{
	return name && *name && !strpbrk(name, "/ \t\r\n") &&
	       strlen(name) < 128;
}

const char *docker_config_helper(const json_t *root, const char *key)
{
	const char *name = json_str(root, "credHelpers", key, NULL);

	if (!name)
		name = json_str(root, "credsStore", NULL);
	return docker_helper_ok(name) ? name : NULL;
}

/* Old entries are URLs: "https://registry.example/v1/" */
static struct slice docker_host(const char *key)
{
	const char *p = strstr(key, "://");
	struct slice s = slice_of(p ? p + 3 : key), host;

	return slice_cut(&s, '/', &host) ? host : s;
}

static const json_t *docker_entry(const json_t *root, const char *key)
{
	const json_t *auths = json_object_get(root, "auths");
	const json_t *exact = json_object_get(auths, key);
	struct slice host = docker_host(key);
	const char *name;
	json_t *v;

	if (exact)
		return exact;
	json_object_foreach ((json_t *)(uintptr_t)auths, name, v) {
		struct slice other = docker_host(name);

		if (other.n == host.n && !memcmp(other.p, host.p, host.n))
			return v;
	}
	return NULL;
}

static char *docker_text(const json_t *entry, const char *name)
{
	const char *v = json_str(entry, name, NULL);

	return v && *v ? xstrdup(v) : NULL;
}

static int docker_split(struct docker_auth *out, const char *auth)
{
	size_t len;
	auto_free char *text = base64_decode(auth, &len);
	char *colon = text ? strchr(text, ':') : NULL;

	/* docker pads old passwords with NULs */
	if (!colon || colon == text)
		return -EINVAL;
	out->username = xstrndup(text, (size_t)(colon - text));
	out->password = xstrdup(colon + 1);
	return 0;
}

int docker_config_auth(const json_t *root, const char *key,
		       struct docker_auth *out, struct kt_error *err)
{
	const json_t *entry = docker_entry(root, key);
	const char *auth = json_str(entry, "auth", NULL);

	*out = (struct docker_auth){ 0 };
	if (auth && *auth && docker_split(out, auth) < 0)
		return kt_fail(err, EINVAL,
			       "'auth' of %s is not the base64 of "
			       "\"USER:PASSWORD\"",
			       key);
	if (!out->username) {
		out->username = docker_text(entry, "username");
		out->password = docker_text(entry, "password");
	}
	out->identity_token = docker_text(entry, "identitytoken");
	out->registry_token = docker_text(entry, "registrytoken");
	if (out->username && out->password)
		return 0;
	return out->identity_token || out->registry_token ? 0 : -ENOENT;
}

int docker_helper_answer(const char *text, size_t len, struct docker_auth *out)
{
	auto_json json_t *root = json_loadb(text, len, 0, NULL);
	const char *user = json_str(root, "Username", NULL);
	const char *secret = json_str(root, "Secret", NULL);

	*out = (struct docker_auth){ 0 };
	if (!user || !secret)
		return -EINVAL;
	/* by this name docker knows what is no password */
	if (strcmp(user, "<token>") == 0) {
		out->identity_token = xstrdup(secret);
		return 0;
	}
	out->username = xstrdup(user);
	out->password = xstrdup(secret);
	return 0;
}
