/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_SCHEMA_H
#define KT_UNIT_SCHEMA_H

#include "test.h"

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/**
 * DOC: JSON Schema, as far as docs/schema uses it
 *
 * type, enum, const, properties (which has to be there beside it, too),
 * additionalProperties (false, or a schema), required, items,
 * minimum, maximum, pattern, $ref into #/$defs. Any other word fails the test:
 * nothing is passed over in silence.
 */

struct schema {
	json_t *root;
	char why[256];
};

static inline void schema_load(struct schema *s, const char *path)
{
	json_error_t e;

	*s = (struct schema){ .root = json_load_file(
				      path, JSON_REJECT_DUPLICATES, &e) };
	if (!s->root)
		fail_msg("%s: line %d: %s", path, e.line, e.text);
}

static inline bool schema_no(struct schema *s, const char *what,
			     const char *more)
{
	snprintf(s->why, sizeof(s->why), "%s: %s", what, more);
	return false;
}

static inline bool schema_is_type(const json_t *v, const char *type)
{
	static const char *const names[] = { "object",	"array",  "string",
					     "integer", "number", "boolean",
					     "boolean", "null" };
	int t = json_typeof(v); /* OBJECT is 0, TRUE 5, FALSE 6, NULL 7 */

	return strcmp(names[t], type) == 0 ||
	       (json_is_integer(v) && strcmp(type, "number") == 0);
}

static inline bool schema_type(const json_t *v, const json_t *type)
{
	const json_t *t;
	size_t i;

	if (json_is_string(type))
		return schema_is_type(v, json_string_value(type));
	json_array_foreach (type, i, t)
		if (schema_is_type(v, json_string_value(t)))
			return true;
	return false;
}

static inline bool schema_enum(const json_t *v, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_equal(v, one))
			return true;
	return false;
}

static inline bool schema_pattern(const json_t *v, const char *pattern)
{
	regex_t re;
	bool ok;

	if (!json_is_string(v))
		return true;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		fail_msg("pattern %s", pattern);
	ok = regexec(&re, json_string_value(v), 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static bool schema_fits(struct schema *s, const json_t *v,
			const json_t *schema);

/* @others: additionalProperties, or NULL */
static inline bool schema_members(struct schema *s, const json_t *v,
				  const json_t *props, const json_t *others)
{
	json_t *member;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)v, name, member) {
		const json_t *sub = json_object_get(props, name);

		if (!sub && json_is_object(others))
			sub = others;
		if (!sub && json_is_false(others))
			return schema_no(s, name, "is not foreseen");
		if (sub && !schema_fits(s, member, sub))
			return false;
	}
	return true;
}

static inline bool schema_required(struct schema *s, const json_t *v,
				   const json_t *list)
{
	const json_t *name;
	size_t i;

	if (!json_is_object(v))
		return true;
	json_array_foreach (list, i, name)
		if (!json_object_get(v, json_string_value(name)))
			return schema_no(s, json_string_value(name), "missing");
	return true;
}

static inline bool schema_items(struct schema *s, const json_t *v,
				const json_t *items)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v))
		return true;
	json_array_foreach (v, i, item)
		if (!schema_fits(s, item, items))
			return false;
	return true;
}

static inline const json_t *schema_ref(const struct schema *s, const char *ref)
{
	const char *name = strrchr(ref, '/');
	const json_t *def = json_object_get(json_object_get(s->root, "$defs"),
					    name ? name + 1 : "");

	if (strncmp(ref, "#/$defs/", 8) != 0 || !def)
		fail_msg("$ref %s", ref);
	return def;
}

static inline bool schema_word(struct schema *s, const json_t *v,
			       const json_t *schema, const char *word,
			       const json_t *arg)
{
	static const char *const ignored =
		" $schema $id $defs title description additionalProperties ";
	char spaced[64];

	if (strcmp(word, "type") == 0)
		return schema_type(v, arg);
	if (strcmp(word, "enum") == 0)
		return schema_enum(v, arg);
	if (strcmp(word, "const") == 0)
		return json_equal(v, arg);
	if (strcmp(word, "minimum") == 0)
		return !json_is_number(v) ||
		       json_number_value(v) >= json_number_value(arg);
	if (strcmp(word, "maximum") == 0)
		return !json_is_number(v) ||
		       json_number_value(v) <= json_number_value(arg);
	if (strcmp(word, "pattern") == 0)
		return schema_pattern(v, json_string_value(arg));
	if (strcmp(word, "required") == 0)
		return schema_required(s, v, arg);
	if (strcmp(word, "items") == 0)
		return schema_items(s, v, arg);
	if (strcmp(word, "$ref") == 0)
		return schema_fits(s, v, schema_ref(s, json_string_value(arg)));
	if (strcmp(word, "properties") == 0)
		return !json_is_object(v) ||
		       schema_members(
			       s, v, arg,
			       json_object_get(schema, "additionalProperties"));
	snprintf(spaced, sizeof(spaced), " %.60s ", word);
	if (!strstr(ignored, spaced))
		fail_msg("the schema has the word %s", word);
	return true;
}

/* schema_fits() - does @v fit? s->why says what does not */
static bool schema_fits(struct schema *s, const json_t *v, const json_t *schema)
{
	const char *word;
	json_t *arg;

	json_object_foreach ((json_t *)(uintptr_t)schema, word, arg) {
		if (schema_word(s, v, schema, word, arg))
			continue;
		if (!s->why[0]) {
			char *text = json_dumps(v, JSON_ENCODE_ANY);

			schema_no(s, word, text);
			free(text);
		}
		return false;
	}
	return true;
}

#endif
