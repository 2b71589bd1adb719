/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/rest.h"

#include "base/buf.h"
#include "base/mem.h"
#include "kube/encode.h"
#include "kube/internal.h"

#include <errno.h>
#include <string.h>

#define MAX_PATH_LEN 8192
#define MAX_PAGES 1000

/* --- paths ---------------------------------------------------------------- */

/* "/" + @lit (literal) or @part (escaped); an overlong path is a bug or an
 * attack: it is cut, and the server answers 404. */
static void put_part(struct buf *b, const char *part)
{
	if (part && buf_put(b, "/", 1) == 0 && uri_put(b, part) < 0)
		b->max = b->len;
}

char *kube_path(const char *api, const char *resource, const char *ns,
		const char *name, const char *sub)
{
	const char *slash = strchr(api, '/');
	struct buf b;
	char *path;

	buf_init(&b, MAX_PATH_LEN);
	if (buf_printf(&b, "%s/%s", slash ? "/apis" : "/api", api) < 0)
		b.max = b.len;
	if (ns)
		put_part(&b, "namespaces");
	put_part(&b, ns);
	put_part(&b, resource);
	put_part(&b, name);
	put_part(&b, sub);
	path = xstrndup((char *)buf_data(&b), b.len);
	buf_fini(&b);
	return path;
}

char *kube_query(char *q, const char *key, const char *value)
{
	struct buf b;
	char *out;

	buf_init(&b, MAX_PATH_LEN);
	if (uri_put(&b, value) < 0 || !b.len)
		buf_reset(&b);
	out = xasprintf("%s%s%s=%.*s", q ? q : "", q ? "&" : "", key,
			(int)b.len, b.len ? (char *)buf_data(&b) : "");
	buf_fini(&b);
	free(q);
	return out;
}

/* --- verbs ---------------------------------------------------------------- */

static int simple(struct kube *k, const char *method, const char *path,
		  const json_t *body, enum kube_content content, json_t **out,
		  struct kt_error *err)
{
	const struct kube_request req = {
		.method = method,
		.path = path,
		.body = body,
		.content = content,
	};

	return kube_call(k, &req, out, err);
}

int kube_get(struct kube *k, const char *path, json_t **out,
	     struct kt_error *err)
{
	return simple(k, "GET", path, NULL, KUBE_JSON, out, err);
}

int kube_create(struct kube *k, const char *path, const json_t *obj,
		json_t **out, struct kt_error *err)
{
	return simple(k, "POST", path, obj, KUBE_JSON, out, err);
}

int kube_replace(struct kube *k, const char *path, const json_t *obj,
		 json_t **out, struct kt_error *err)
{
	return simple(k, "PUT", path, obj, KUBE_JSON, out, err);
}

int kube_patch(struct kube *k, const char *path, const json_t *patch,
	       json_t **out, struct kt_error *err)
{
	return simple(k, "PATCH", path, patch, KUBE_MERGE_PATCH, out, err);
}

int kube_delete_as(struct kube *k, const char *path, const json_t *obj,
		   int grace_s, struct kt_error *err)
{
	auto_json json_t *opt = NULL;
	struct kt_error e = { 0 };
	int rc;

	/* a Deployment's Pods go with it */
	opt = json_pack("{s:s,s:s,s:s}", "apiVersion", "v1", "kind",
			"DeleteOptions", "propagationPolicy", "Background");
	if (grace_s >= 0)
		json_object_set_new(opt, "gracePeriodSeconds",
				    json_integer(grace_s));
	if (obj)
		json_object_set_new(
			opt, "preconditions",
			json_pack("{s:s*,s:s*}", "uid",
				  json_str(obj, "metadata", "uid", NULL),
				  "resourceVersion",
				  json_str(obj, "metadata", "resourceVersion",
					   NULL)));
	rc = simple(k, "DELETE", path, opt, KUBE_JSON, NULL, &e);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0 && err)
		*err = e;
	return rc;
}

int kube_delete(struct kube *k, const char *path, int grace_s,
		struct kt_error *err)
{
	return kube_delete_as(k, path, NULL, grace_s, err);
}

static int list_page(struct kube *k, const char *path, const char *query,
		     const char *as, const char *cont, json_t **out,
		     struct kt_error *err)
{
	auto_free char *q = query && *query ? xstrdup(query) : NULL;

	q = kube_query(q, "limit", REST_PAGE);
	if (cont)
		q = kube_query(q, "continue", cont);

	const struct kube_request req = {
		.method = "GET",
		.path = path,
		.query = q,
		.as = as,
	};

	return kube_call(k, &req, out, err);
}

static int list_all(struct kube *k, const char *path, const char *query,
		    const char *as, json_t **out, struct kt_error *err)
{
	auto_json json_t *all = json_array();
	auto_free char *cont = NULL;

	for (int page = 0; page < MAX_PAGES; page++) {
		json_t *list = NULL, *items;
		const char *next;
		int rc = list_page(k, path, query, as, cont, &list, err);

		if (rc < 0)
			return rc;
		items = json_object_get(list, "items");
		if (!json_is_array(items) && !json_is_null(items)) {
			json_decref(list);
			return kt_fail(err, EPROTO,
				       "list %s: no items in the "
				       "reply",
				       path);
		}
		json_array_extend(all, items);
		next = json_str(list, "metadata", "continue", NULL);
		if (!next || !*next) {
			json_object_set(list, "items", all);
			*out = list;
			return 0;
		}
		free(cont);
		cont = xstrdup(next);
		json_decref(list);
	}
	return kt_fail(err, EFBIG, "list %s: too many pages", path);
}

int kube_list(struct kube *k, const char *path, const char *query, json_t **out,
	      struct kt_error *err)
{
	return list_all(k, path, query, NULL, out, err);
}

int kube_list_metadata(struct kube *k, const char *path, const char *query,
		       json_t **out, struct kt_error *err)
{
	return list_all(k, path, query, KUBE_METADATA_LIST, out, err);
}

/* --- trees ---------------------------------------------------------------- */

static json_t *walk(const json_t *obj, va_list ap)
{
	json_t *v = (json_t *)(uintptr_t)obj;

	for (const char *key; v && (key = va_arg(ap, const char *));)
		v = json_object_get(v, key);
	return v;
}

json_t *json_at(const json_t *obj, ...)
{
	va_list ap;
	json_t *v;

	va_start(ap, obj);
	v = walk(obj, ap);
	va_end(ap);
	return v;
}

const char *json_str(const json_t *obj, ...)
{
	va_list ap;
	json_t *v;

	va_start(ap, obj);
	v = walk(obj, ap);
	va_end(ap);
	return json_string_value(v);
}
