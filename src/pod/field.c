/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/field.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"
#include "pod/quantity.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* --- texts ---------------------------------------------------------------- */

struct field_text {
	char *p;
	size_t n;
};

static void field_put(struct field_text *t, const char *data, size_t n)
{
	t->p = xrealloc(t->p, t->n + n + 1);
	memcpy(t->p + t->n, data, n);
	t->n += n;
	t->p[t->n] = '\0';
}

/* One UTF-8 character, which jansson has looked at */
static uint32_t field_rune(const char *s, size_t *n)
{
	unsigned char c = (unsigned char)*s;
	uint32_t v;

	*n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	v = *n == 1 ? c : c & (0xffu >> (*n + 1));
	for (size_t i = 1; i < *n; i++)
		v = v << 6 | ((unsigned char)s[i] & 0x3f);
	return v;
}

/* As far as Go's strconv.IsPrint() and we agree: what is seen is printed */
static bool field_is_printed(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0xa0 },	   { 0xad, 0xad },
		{ 0x61c, 0x61c },   { 0x1680, 0x1680 },	   { 0x2000, 0x200f },
		{ 0x2028, 0x202f }, { 0x205f, 0x206f },	   { 0x3000, 0x3000 },
		{ 0xe000, 0xf8ff }, { 0xfeff, 0xfeff },	   { 0xfff0, 0xfffb },
		{ 0xfffe, 0xffff }, { 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return false;
	return true;
}

/* As Go's %q */
static void field_quote(struct field_text *t, const char *s)
{
	static const char from[] = "\a\b\f\n\r\t\v\"\\", to[] = "abfnrtv\"\\";
	char text[16];
	size_t n;

	field_put(t, "\"", 1);
	for (; *s; s += n) {
		uint32_t c = field_rune(s, &n);
		const char *simple = n == 1 ? strchr(from, *s) : NULL;

		if (simple)
			snprintf(text, sizeof(text), "\\%c", to[simple - from]);
		else if (field_is_printed(c))
			snprintf(text, sizeof(text), "%.*s", (int)n, s);
		else if (c < 0x80)
			snprintf(text, sizeof(text), "\\x%02x", c);
		else if (c < 0x10000)
			snprintf(text, sizeof(text), "\\u%04x", c);
		else
			snprintf(text, sizeof(text), "\\U%08x", c);
		field_put(t, text, strlen(text));
	}
	field_put(t, "\"", 1);
}

static int field_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All labels or annotations: sorted lines of key="value" */
static char *field_map(const json_t *map)
{
	auto_strv struct strv keys = { 0 };
	struct field_text t = { 0 };
	const char *key;
	json_t *value;
	json_t *all = json_incref((json_t *)(uintptr_t)map);

	json_object_foreach (all, key, value)
		strv_add(&keys, key);
	if (keys.n)
		qsort(keys.v, keys.n, sizeof(*keys.v), field_compare);
	field_put(&t, "", 0);
	for (size_t i = 0; i < keys.n; i++) {
		const char *text = json_str(all, keys.v[i], NULL);

		if (i)
			field_put(&t, "\n", 1);
		field_put(&t, keys.v[i], strlen(keys.v[i]));
		field_put(&t, "=", 1);
		field_quote(&t, text ? text : "");
	}
	json_decref(all);
	return t.p;
}

/* --- fieldRef ------------------------------------------------------------- */

/* "metadata.labels['KEY']" */
static char *field_subscript(const json_t *pod, const char *path,
			     const char *name)
{
	auto_free char *start = xasprintf("metadata.%s['", name);
	auto_free char *key = NULL;
	const char *value;

	if (!str_starts(path, start) || !str_ends(path, "']"))
		return NULL;
	path += strlen(start);
	key = xstrndup(path, strlen(path) - 2);
	value = json_str(pod, "metadata", name, key, NULL);
	return xstrdup(value ? value : "");
}

static char *field_ips(const json_t *list, const char *one)
{
	auto_strv struct strv all = { 0 };
	const json_t *ip;
	size_t i;

	json_array_foreach (list, i, ip) {
		const char *text = json_str(ip, "ip", NULL);

		if (text)
			strv_add(&all, text);
	}
	if (!all.n && one)
		strv_add(&all, one);
	return all.n ? strv_join(&all, ",") : xstrdup("");
}

char *pod_field(const json_t *pod, const char *path)
{
	static const char *const plain[][2] = {
		{ "metadata", "name" },
		{ "metadata", "namespace" },
		{ "metadata", "uid" },
		{ "spec", "nodeName" },
		{ "status", "hostIP" },
		{ "status", "podIP" },
		{ "spec", "serviceAccountName" },
	};
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		auto_free char *is =
			xasprintf("%s.%s", plain[i][0], plain[i][1]);
		const char *value =
			json_str(pod, plain[i][0], plain[i][1], NULL);

		if (strcmp(path, is) == 0)
			return xstrdup(value ? value : "");
	}
	if (strcmp(path, "metadata.labels") == 0)
		return field_map(json_at(pod, "metadata", "labels", NULL));
	if (strcmp(path, "metadata.annotations") == 0)
		return field_map(json_at(pod, "metadata", "annotations", NULL));
	if (strcmp(path, "status.podIPs") == 0)
		return field_ips(json_at(pod, "status", "podIPs", NULL),
				 json_str(pod, "status", "podIP", NULL));
	if (strcmp(path, "status.hostIPs") == 0)
		return field_ips(json_at(pod, "status", "hostIPs", NULL),
				 json_str(pod, "status", "hostIP", NULL));
	text = field_subscript(pod, path, "labels");
	return text ? text : field_subscript(pod, path, "annotations");
}

/* --- resourceFieldRef ----------------------------------------------------- */

const json_t *pod_container(const json_t *pod, const char *name)
{
	static const char *const lists[] = { "containers", "initContainers" };
	const json_t *c;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		json_array_foreach (json_at(pod, "spec", lists[k], NULL), i, c)
			if (str_eq(json_str(c, "name", NULL), name))
				return c;
	return NULL;
}

char *pod_resource(const json_t *pod, const json_t *ref, const char *container,
		   const json_t *node, struct kt_error *err)
{
	const char *of = json_str(ref, "containerName", NULL);
	const char *path = json_str(ref, "resource", NULL);
	const char *dot = path ? strchr(path, '.') : NULL;
	const json_t *c = pod_container(pod, of ? of : container);
	auto_free char *kind = NULL;
	const char *text;
	int64_t v;

	if (!c || !dot) {
		kt_fail(err, EINVAL, "resourceFieldRef '%s' of container '%s'",
			path ? path : "", of ? of : container);
		return NULL;
	}
	kind = xstrndup(path, (size_t)(dot - path));
	dot++;
	text = json_str(c, "resources", kind, dot, NULL);
	if (!text && strcmp(kind, "limits") == 0) {
		text = json_str(node, "status", "allocatable", dot, NULL);
		if (!text) {
			kt_fail(err, ENODATA,
				"%s is not set: it is what the node has", path);
			return NULL;
		}
	}
	if (quantity_divided(text ? text : "0", json_str(ref, "divisor", NULL),
			     strcmp(dot, "cpu") == 0, &v) < 0) {
		kt_fail(err, EINVAL, "%s: '%s' is no quantity", path, text);
		return NULL;
	}
	return xasprintf("%lld", (long long)v);
}
