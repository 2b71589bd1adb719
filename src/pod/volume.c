/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/volume.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "pod/field.h"

#include <errno.h>
#include <string.h>

#define VOLUME_MODE 0644
#define VOLUME_TOKEN_PRIVATE 0600
#define VOLUME_TOKEN_TTL 3600
#define VOLUME_DAY (24 * 3600)

/* --- kinds ---------------------------------------------------------------- */

enum volume_kind volume_kind(const json_t *volume, const char **name)
{
	static const char *const made[] = { "configMap", "secret", "projected",
					    "downwardAPI" };
	const char *key;
	json_t *value;
	json_t *all = json_incref((json_t *)(uintptr_t)volume);
	enum volume_kind kind = VOLUME_OTHER;

	*name = "volume";
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (json_object_get(volume, made[i]))
			kind = VOLUME_MADE;
	if (json_object_get(volume, "emptyDir"))
		kind = VOLUME_EMPTY;
	json_object_foreach (all, key, value)
		if (strcmp(key, "name") != 0)
			*name = key;
	json_decref(all);
	return kind;
}

const json_t *volume_find(const json_t *pod, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, v)
		if (str_eq(json_str(v, "name", NULL), name))
			return v;
	return NULL;
}

/* --- modes ---------------------------------------------------------------- */

struct volume_maker {
	struct tree *tree;
	const struct pod_found *f;
	struct pod_sources *sources;
	unsigned int mode; /* defaultMode */
	struct kt_error *err;
};

static bool volume_has_group(const json_t *pod)
{
	return json_is_integer(
		json_at(pod, "spec", "securityContext", "fsGroup", NULL));
}

/* All containers run as the same user, who is named */
static bool volume_has_user(const json_t *pod)
{
	const json_t *all =
		json_at(pod, "spec", "securityContext", "runAsUser", NULL);
	const json_t *first = NULL, *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c) {
		const json_t *own =
			json_at(c, "securityContext", "runAsUser", NULL);

		own = own ? own : all;
		if (!own || (first && !json_equal(first, own)))
			return false;
		first = own;
	}
	return first;
}

unsigned int volume_dir_mode(const json_t *pod)
{
	return volume_has_group(pod) ? 02755 : 0755;
}

static unsigned int volume_mode_of(const json_t *item, unsigned int otherwise)
{
	const json_t *mode = json_object_get(item, "mode");

	return json_is_integer(mode)
		       ? (unsigned int)json_integer_value(mode) & 0777
		       : otherwise;
}

/* @data is taken */
static int volume_put(struct volume_maker *m, const char *path, char *data,
		      size_t len, unsigned int mode)
{
	/* the group that the Pod has for its volumes may read them */
	if (volume_has_group(m->f->pod))
		mode |= 0440;
	if (tree_add(m->tree, path, data, len, mode) < 0)
		return kt_fail(m->err, EINVAL, "'%s' is no path in a volume",
			       path);
	return 0;
}

/* --- ConfigMaps and Secrets ----------------------------------------------- */

/* The bytes of a key (returned, caller frees), or NULL */
static char *volume_bytes(const json_t *object, const char *key, bool secret,
			  size_t *n)
{
	const char *text = json_str(object, "data", key, NULL);

	if (text && !secret) {
		*n = strlen(text);
		return xstrdup(text);
	}
	if (!text)
		text = json_str(object, "binaryData", key, NULL);
	return text ? base64_decode(text, n) : NULL;
}

static int volume_all_keys(struct volume_maker *m, const json_t *object,
			   bool secret)
{
	static const char *const maps[] = { "data", "binaryData" };
	const char *key;
	json_t *value;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		json_object_foreach (json_object_get(object, maps[i]), key,
				     value) {
			size_t n = 0;
			char *data = volume_bytes(object, key, secret, &n);

			if (data && rc == 0)
				rc = volume_put(m, key, data, n, m->mode);
			else
				free(data);
		}
	return rc;
}

static int volume_items(struct volume_maker *m, const json_t *items,
			const json_t *object, bool secret, bool optional)
{
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		const char *key = json_str(item, "key", NULL);
		const char *path = json_str(item, "path", NULL);
		size_t n = 0;
		char *data = key ? volume_bytes(object, key, secret, &n) : NULL;
		int rc;

		if (!data && optional)
			continue;
		if (!data)
			return kt_fail(m->err, ENOENT, "there is no key '%s'",
				       key ? key : "");
		rc = volume_put(m, path ? path : "", data, n,
				volume_mode_of(item, m->mode));
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* @source: "items", "optional", and the name below @name_key */
static int volume_object(struct volume_maker *m, const json_t *source,
			 const char *resource, const char *name_key)
{
	const char *name = json_str(source, name_key, NULL);
	bool optional = json_is_true(json_object_get(source, "optional"));
	bool secret = strcmp(resource, "secrets") == 0;
	const json_t *items = json_object_get(source, "items"), *object;
	struct kt_error why = { 0 };
	int rc = pod_source(m->sources, resource, name ? name : "", &object,
			    &why);

	if (rc == -ENOENT && optional)
		return 0;
	if (rc < 0) {
		*m->err = why;
		return rc;
	}
	if (json_array_size(items))
		return volume_items(m, items, object, secret, optional);
	return volume_all_keys(m, object, secret);
}

/* --- downward API --------------------------------------------------------- */

static char *volume_resource(struct volume_maker *m, const json_t *ref)
{
	const char *at = json_str(m->f->pod, "spec", "nodeName", NULL);
	const json_t *node = NULL;
	char *text =
		pod_resource(m->f->pod, ref, m->f->container, NULL, m->err);

	if (text || m->err->code != ENODATA || !at ||
	    pod_source(m->sources, "nodes", at, &node, m->err) < 0)
		return text;
	return pod_resource(m->f->pod, ref, m->f->container, node, m->err);
}

static int volume_downward(struct volume_maker *m, const json_t *source)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(source, "items"), i, item) {
		const char *path = json_str(item, "path", NULL);
		const char *field =
			json_str(item, "fieldRef", "fieldPath", NULL);
		const json_t *ref = json_object_get(item, "resourceFieldRef");
		char *text = field ? pod_field(m->f->pod, field)
				   : volume_resource(m, ref);
		int rc;

		if (!text)
			return m->err->code
				       ? -m->err->code
				       : kt_fail(m->err, EINVAL,
						 "fieldPath '%s' is not known",
						 field ? field : "");
		rc = volume_put(m, path ? path : "", text, strlen(text),
				volume_mode_of(item, m->mode));
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- projected ------------------------------------------------------------ */

static int volume_token(struct volume_maker *m, const json_t *source)
{
	auto_free char *key = volume_token_key(source);
	const char *path = json_str(source, "path", NULL);
	const char *token = json_str(m->sources->read, key, "token", NULL);
	const char *account =
		json_str(m->f->pod, "spec", "serviceAccountName", NULL);
	unsigned int mode = m->mode;

	if (!token)
		return kt_fail(m->err, ENOENT,
			       "there is no token of service account %s",
			       account ? account : "default");
	if (volume_has_group(m->f->pod) || volume_has_user(m->f->pod))
		mode = VOLUME_TOKEN_PRIVATE;
	return volume_put(m, path ? path : "", xstrdup(token), strlen(token),
			  mode);
}

static int volume_projected(struct volume_maker *m, const json_t *projected)
{
	const json_t *source, *s;
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(projected, "sources"), i, source) {
		if ((s = json_object_get(source, "configMap")))
			rc = volume_object(m, s, "configmaps", "name");
		else if ((s = json_object_get(source, "secret")))
			rc = volume_object(m, s, "secrets", "name");
		else if ((s = json_object_get(source, "downwardAPI")))
			rc = volume_downward(m, s);
		else if ((s = json_object_get(source, "serviceAccountToken")))
			rc = volume_token(m, s);
		else
			rc = kt_fail(m->err, ENOTSUP,
				     "a source of a kind that is not known "
				     "here");
		if (rc < 0)
			return rc;
	}
	return 0;
}

int volume_make(struct tree *t, const struct pod_found *f, const json_t *volume,
		struct pod_sources *s, struct kt_error *err)
{
	struct volume_maker m = { .tree = t, .f = f, .sources = s, .err = err };
	const json_t *v = json_object_get(volume, "configMap");
	const json_t *secret = json_object_get(volume, "secret");
	const json_t *projected = json_object_get(volume, "projected");
	const json_t *of = v ? v : secret ? secret : projected;
	const json_t *mode;

	if (!of)
		of = json_object_get(volume, "downwardAPI");
	mode = json_object_get(of, "defaultMode");
	m.mode = json_is_integer(mode)
			 ? (unsigned int)json_integer_value(mode) & 0777
			 : VOLUME_MODE;
	if (v)
		return volume_object(&m, v, "configmaps", "name");
	if (secret)
		return volume_object(&m, secret, "secrets", "secretName");
	if (projected)
		return volume_projected(&m, projected);
	return volume_downward(&m, of);
}

/* --- tokens --------------------------------------------------------------- */

static int64_t volume_token_ttl(const json_t *source)
{
	const json_t *ttl = json_object_get(source, "expirationSeconds");

	return json_is_integer(ttl) ? json_integer_value(ttl)
				    : VOLUME_TOKEN_TTL;
}

char *volume_token_key(const json_t *source)
{
	const char *audience = json_str(source, "audience", NULL);

	return xasprintf("token/%lld/%s", (long long)volume_token_ttl(source),
			 audience ? audience : "");
}

json_t *volume_token_request(const struct pod_found *f, const json_t *source,
			     bool bound)
{
	const char *audience = json_str(source, "audience", NULL);
	const char *uid = json_str(f->pod, "metadata", "uid", NULL);
	json_t *spec = json_object();

	if (audience && *audience)
		json_object_set_new(spec, "audiences",
				    json_pack("[s]", audience));
	json_object_set_new(spec, "expirationSeconds",
			    json_integer(volume_token_ttl(source)));
	if (bound && uid)
		json_object_set_new(spec, "boundObjectRef",
				    json_pack("{s:s, s:s, s:s, s:s}", "kind",
					      "Pod", "apiVersion", "v1", "name",
					      f->name, "uid", uid));
	return json_pack("{s:s, s:s, s:o}", "apiVersion",
			 "authentication.k8s.io/v1", "kind", "TokenRequest",
			 "spec", spec);
}

char *volume_token_path(const struct pod_found *f)
{
	const char *account =
		json_str(f->pod, "spec", "serviceAccountName", NULL);

	return kube_path("v1", "serviceaccounts", f->ns,
			 account ? account : "default", "token");
}

json_t *volume_token_of(const json_t *reply, int64_t now)
{
	const char *token = json_str(reply, "status", "token", NULL);
	const char *expires =
		json_str(reply, "status", "expirationTimestamp", NULL);

	if (!token || !expires)
		return NULL;
	return json_pack("{s:s, s:I, s:I}", "token", token, "expires",
			 (json_int_t)rfc3339_parse(expires), "since",
			 (json_int_t)now);
}

bool volume_token_due(const json_t *token, int64_t now)
{
	int64_t expires = json_integer_value(json_object_get(token, "expires"));
	int64_t since = json_integer_value(json_object_get(token, "since"));

	return now - since >= VOLUME_DAY ||
	       now - since >= (expires - since) * 8 / 10;
}
