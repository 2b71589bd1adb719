/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/managers.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <string.h>

/* What tells an entry of managedFields from the others */
static const char *const managers_keys[] = { "manager", "operation",
					     "apiVersion", "subresource" };

static bool managers_is_ours(const json_t *entry)
{
	return str_eq(json_str(entry, "manager", NULL), KT_MANAGER);
}

static json_t *managers_list(const json_t *obj)
{
	return json_at(obj, "metadata", "managedFields", NULL);
}

/* "f:selector" (returned, caller frees) */
static char *managers_key(const char *field)
{
	return xasprintf("f:%s", field ? field : "spec");
}

/* Where the field's subtree is: below f:spec, or at the top */
static json_t *managers_above(const json_t *entry, const char *field)
{
	return field ? json_at(entry, "fieldsV1", "f:spec", NULL)
		     : json_at(entry, "fieldsV1", NULL);
}

/* --- before --------------------------------------------------------------- */

/* Everybody's part of it but ours: a list of entries without the rest */
static json_t *managers_owners(const json_t *obj, const char *field)
{
	auto_free char *key = managers_key(field);
	json_t *out = json_array(), *entry;
	size_t i;

	json_array_foreach (managers_list(obj), i, entry) {
		json_t *part =
			json_object_get(managers_above(entry, field), key);
		json_t *copy;

		if (!part || managers_is_ours(entry))
			continue;
		copy = json_copy(entry);
		json_object_set_new(
			copy, "fieldsV1",
			field ? json_pack("{s:{s:O}}", "f:spec", key, part)
			      : json_pack("{s:O}", key, part));
		json_array_append_new(out, copy);
	}
	return out;
}

static bool managers_changes(const json_t *then, const json_t *now,
			     const char *field)
{
	const json_t *to = json_at(then, "spec", field, NULL);

	return to && !json_equal(to, json_at(now, "spec", field, NULL));
}

void managers_record(json_t *then, const json_t *now, const char *field)
{
	auto_json json_t *owners = managers_owners(now, field);
	auto_free char *text = NULL;
	json_t *meta = json_object_get(then, "metadata"), *notes;

	if (object_annotation(now, KT_ANNOTATION_MANAGERS) ||
	    !json_array_size(owners) || !managers_changes(then, now, field))
		return;
	notes = json_object_get(meta, "annotations");
	if (!json_is_object(notes)) {
		notes = json_object();
		json_object_set_new(meta, "annotations", notes);
	}
	text = json_dumps(owners, JSON_COMPACT | JSON_SORT_KEYS);
	json_object_set_new(notes, KT_ANNOTATION_MANAGERS, json_string(text));
}

/* --- after ---------------------------------------------------------------- */

static bool managers_same(const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(managers_keys); i++)
		if (!json_equal(json_object_get(a, managers_keys[i]),
				json_object_get(b, managers_keys[i])) &&
		    (json_object_get(a, managers_keys[i]) ||
		     json_object_get(b, managers_keys[i])))
			return false;
	return true;
}

static void managers_add(json_t *list, const json_t *owner)
{
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry)
		if (managers_same(entry, owner)) {
			json_object_update_recursive(
				json_object_get(entry, "fieldsV1"),
				json_object_get(owner, "fieldsV1"));
			return;
		}
	json_array_append_new(list, json_deep_copy(owner));
}

/* true: it was there */
static bool managers_drop(json_t *above, const char *key)
{
	return json_object_get(above, key) && json_object_del(above, key) == 0;
}

/* Our part, and what is empty then: true when there was one */
static bool managers_drop_ours(json_t *entry, const char *field)
{
	auto_free char *key = managers_key(field);
	json_t *fields = json_object_get(entry, "fieldsV1");
	json_t *meta = json_object_get(fields, "f:metadata");
	json_t *notes = json_object_get(meta, "f:annotations");
	bool any = managers_drop(managers_above(entry, field), key);

	any |= managers_drop(notes, "f:" KT_ANNOTATION_MANAGERS);
	if (field && json_object_get(fields, "f:spec") &&
	    !json_object_size(json_object_get(fields, "f:spec")))
		json_object_del(fields, "f:spec");
	if (notes && !json_object_size(notes))
		json_object_del(meta, "f:annotations");
	if (meta && !json_object_size(meta))
		json_object_del(fields, "f:metadata");
	return any;
}

json_t *managers_restored(const json_t *obj, const char *field)
{
	const char *text = object_annotation(obj, KT_ANNOTATION_MANAGERS);
	auto_json json_t *owners = text ? json_loads(text, 0, NULL) : NULL;
	json_t *list = json_deep_copy(managers_list(obj)), *entry;
	bool any = text != NULL;
	size_t i = 0;

	if (!json_is_array(list)) { /* a server that keeps no such thing */
		json_decref(list);
		return any ? json_array() : NULL;
	}
	while ((entry = json_array_get(list, i))) {
		if (managers_is_ours(entry)) {
			any |= managers_drop_ours(entry, field);
			if (!json_object_size(
				    json_object_get(entry, "fieldsV1"))) {
				json_array_remove(list, i);
				continue;
			}
		}
		i++;
	}
	if (!any) {
		json_decref(list);
		return NULL;
	}
	json_array_foreach (owners, i, entry)
		if (json_is_object(json_object_get(entry, "fieldsV1")))
			managers_add(list, entry);
	if (!json_array_size(list)) /* an empty one would be "no change" */
		json_array_append_new(list, json_object());
	return list;
}

/* Of a subresource, which the object's own fields are not in; but the number of
 * replicas is (HorizontalPodAutoscaler, kubectl scale) */
static bool managers_is_elsewhere(const json_t *entry, const char *field)
{
	const char *sub = json_str(entry, "subresource", NULL);

	return sub && !(str_eq(field, "replicas") && str_eq(sub, "scale"));
}

const char *managers_last(const json_t *obj, const char *field,
			  const char *since)
{
	auto_free char *key = managers_key(field);
	const char *newest = since, *who = NULL;
	const json_t *entry;
	size_t i;

	json_array_foreach (managers_list(obj), i, entry) {
		const char *time = json_str(entry, "time", NULL);

		if (!time || strcmp(time, newest) < 0 ||
		    managers_is_elsewhere(entry, field))
			continue;
		if (field ? !json_object_get(managers_above(entry, field), key)
			  : managers_is_ours(entry))
			continue;
		newest = time;
		who = json_str(entry, "manager", NULL);
	}
	return who;
}
