/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"

#include <string.h>

#define PREFIX "/base"

static void store_status(struct fake_conn *c, int code, const char *reason)
{
	auto_free char *text =
		xasprintf("{\"kind\":\"Status\",\"code\":%d,\"reason\":\"%s\","
			  "\"message\":\"%s\"}",
			  code, reason, reason);

	fake_reply(c, code, "Content-Type: application/json\r\n", text);
}

/* The API server names what it does not find */
static void store_not_found(struct fake_conn *c, const char *path)
{
	auto_free char *text = xasprintf(
		"{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\","
		"\"message\":\"%s: \\\"%s\\\" not found\"}",
		path, strrchr(path, '/') + 1);

	fake_reply(c, 404, "Content-Type: application/json\r\n", text);
}

static void store_reply(struct fake_conn *c, int code, const json_t *obj)
{
	char *text = json_dumps(obj, JSON_COMPACT);

	fake_reply(c, code, "Content-Type: application/json\r\n", text);
	free(text);
}

void store_put(struct store *s, const char *path, json_t *obj)
{
	auto_free char *version = xasprintf("%lld", (long long)++s->version);
	json_t *meta = json_object_get(obj, "metadata");

	json_object_set_new(meta, "resourceVersion", json_string(version));
	if (!json_object_get(meta, "uid"))
		json_object_set_new(meta, "uid", json_string(version));
	json_object_set_new(s->objects, path, obj);
}

json_t *store_get(const struct store *s, const char *path)
{
	return json_object_get(s->objects, path);
}

int store_logged(const struct store *s, const char *start)
{
	int n = 0;

	for (const char *p = s->log; *p; p = strchr(p, '\n') + 1)
		n += str_starts(p, start);
	return n;
}

static void store_merge(json_t *to, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)patch, key, value) {
		json_t *old = json_object_get(to, key);

		if (json_is_null(value))
			json_object_del(to, key);
		else if (!json_is_object(value))
			json_object_set(to, key, value);
		else {
			if (!json_is_object(old)) {
				json_object_set_new(to, key, json_object());
				old = json_object_get(to, key);
			}
			store_merge(old, value);
		}
	}
}

/* Is @obj still of the version that @said names, if any? */
static bool store_is_current(const json_t *obj, const char *said)
{
	return !said ||
	       str_eq(said, json_str(obj, "metadata", "resourceVersion", NULL));
}

/* fieldSelector=metadata.name=NAME, as it is in a query, or all */
static bool store_wants(const char *query, const char *name)
{
	static const char by_name[] = "fieldSelector=metadata.name%3D";
	const char *at = strstr(query, by_name);
	size_t n = strlen(name);

	if (!at)
		return true;
	at += strlen(by_name);
	return strncmp(at, name, n) == 0 && strchr("& ", at[n]);
}

/* "a,b" of "(a,b)" has @value */
static bool store_in(const char *set, const char *value)
{
	size_t n = value ? strlen(value) : 0;

	for (const char *p = set; value && (p = strstr(p, value)); p++)
		if (strchr("(,", p[-1]) && strchr("),", p[n]))
			return true;
	return false;
}

/* One requirement: KEY, !KEY, KEY=VALUE, KEY!=VALUE, KEY in (A,B) */
static bool store_meets(const json_t *obj, const char *text)
{
	size_t n = strcspn(text + (*text == '!'), "!= ");
	auto_free char *key = xstrndup(text + (*text == '!'), n);
	const char *has = json_str(obj, "metadata", "labels", key, NULL);
	const char *op = text + n;

	if (*text == '!')
		return !has;
	if (str_starts(op, " in "))
		return store_in(op, has);
	if (str_starts(op, "!="))
		return !has || strcmp(has, op + 2) != 0;
	return has && (!*op || strcmp(has, op + 1) == 0);
}

/* The value of labelSelector, its %XX read; NULL: none */
static char *store_selector(const char *query)
{
	const char *at = strstr(query, "labelSelector=");
	char *out, *to;
	unsigned int byte;

	if (!at)
		return NULL;
	at += strlen("labelSelector=");
	out = to = xcalloc(strlen(at) + 1, 1);
	for (; *at && *at != '&' && *at != ' '; at++) {
		*to++ = *at;
		if (*at == '%' && sscanf(at + 1, "%2x", &byte) == 1) {
			to[-1] = (char)byte;
			at += 2;
		}
	}
	return out;
}

static bool store_selected(const json_t *obj, const char *query)
{
	auto_free char *all = store_selector(query);
	char *part = all;

	for (char *p = all; p && *p; p++) {
		if (*p == '(')
			p = strchr(p, ')') ?: p;
		if (*p != ',')
			continue;
		*p = '\0';
		if (!store_meets(obj, part))
			return false;
		part = p + 1;
	}
	return !all || store_meets(obj, part);
}

static void store_list(struct store *s, struct fake_conn *c, const char *path,
		       const char *query)
{
	auto_free char *start = xasprintf("%s/", path);
	auto_json json_t *list =
		json_pack("{s:s,s:{s:s},s:[]}", "kind", "List", "metadata",
			  "resourceVersion", "1", "items");
	const char *key;
	json_t *obj;

	json_object_foreach (s->objects, key, obj)
		if (str_starts(key, start) &&
		    store_wants(query, key + strlen(start)) &&
		    store_selected(obj, query))
			json_array_append(json_object_get(list, "items"), obj);
	s->listed += json_array_size(json_object_get(list, "items"));
	store_reply(c, 200, list);
}

static void store_write(struct store *s, struct fake_conn *c,
			const char *method, const char *path, json_t *body)
{
	json_t *obj = store_get(s, path), *now;
	const char *said = json_str(body, "metadata", "resourceVersion", NULL);
	auto_free char *made = NULL;

	if (strcmp(method, "POST") == 0) {
		made = xasprintf("%s/%s", path,
				 json_str(body, "metadata", "name", NULL));
		if (store_get(s, made)) {
			store_status(c, 409, "AlreadyExists");
			return;
		}
		store_put(s, made, json_deep_copy(body));
		store_reply(c, 201, store_get(s, made));
		return;
	}
	if (strcmp(method, "DELETE") == 0)
		said = json_str(body, "preconditions", "resourceVersion", NULL);
	if (!obj) {
		store_not_found(c, path);
	} else if (!store_is_current(obj, said)) {
		store_status(c, 409, "Conflict");
	} else if (strcmp(method, "DELETE") == 0) {
		json_object_del(s->objects, path);
		store_status(c, 200, "Success");
	} else {
		now = strcmp(method, "PUT") == 0 ? json_deep_copy(body)
						 : json_deep_copy(obj);
		if (strcmp(method, "PATCH") == 0)
			store_merge(now, body);
		store_put(s, path, now);
		store_reply(c, 200, now);
	}
}

static void store_answer(struct fake_conn *c, const char *request)
{
	struct store *s = c->fake->user;
	const char *space = strchr(request, ' ');
	const char *text = strstr(request, "\r\n\r\n");
	auto_free char *method = xstrndup(request, (size_t)(space - request));
	auto_free char *path = NULL;
	auto_json json_t *body = json_loads(text + 4, 0, NULL);
	const char *query;
	size_t n = strlen(s->log);

	space += 1 + strlen(PREFIX);
	path = xstrndup(space, strcspn(space, "? "));
	query = space + strlen(path);
	if (strcmp(method, "GET") != 0)
		snprintf(s->log + n, sizeof(s->log) - n, "%s %s\n", method,
			 path);
	if (s->before && s->before(s, c, method, path, body))
		return;
	if (strcmp(method, "GET") != 0 && strstr(query, "dryRun=All")) {
		store_reply(c, 200, body);
	} else if (strcmp(method, "GET") != 0) {
		store_write(s, c, method, path, body);
	} else if (strstr(query, "watch=1")) {
		static const char head[] = "HTTP/1.1 200 x\r\nContent-Type: "
					   "application/json\r\n\r\n";

		s->stream = c;
		fake_write(c, head, strlen(head));
	} else if (store_get(s, path)) {
		store_reply(c, 200, store_get(s, path));
	} else if (str_ends(path, "s")) {
		store_list(s, c, path, query);
	} else {
		store_not_found(c, path);
	}
}

void store_event(struct store *s, const char *type, const json_t *obj)
{
	auto_json json_t *event =
		json_pack("{s:s,s:O}", "type", type, "object", obj);
	char *text = json_dumps(event, JSON_COMPACT);

	assert_non_null(s->stream);
	fake_write(s->stream, text, strlen(text));
	fake_write(s->stream, "\n", 1);
	free(text);
}

void store_init(struct store *s)
{
	*s = (struct store){ .objects = json_object() };
	world_init(&s->w, store_answer);
	s->w.fake.user = s;
}

void store_fini(struct store *s)
{
	world_fini(&s->w);
	json_decref(s->objects);
}
