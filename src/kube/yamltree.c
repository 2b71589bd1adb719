/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/yamltree.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define MAX_ANCHORS 256

struct anchor {
	char *name;
	json_t *value; /* shared */
	size_t nodes;
};

struct ctx {
	yaml_parser_t parser;
	const char *name;
	struct anchor anchors[MAX_ANCHORS];
	size_t nanchors;
	size_t nodes;
	struct kt_error *err;
};

static json_t *yamltree_refuse(struct ctx *c, const yaml_mark_t *at,
			       const char *what)
{
	kt_fail(c->err, EINVAL, "%s:%zu: %s", c->name, at->line + 1, what);
	return NULL;
}

static bool next_event(struct ctx *c, yaml_event_t *ev)
{
	const yaml_parser_t *p = &c->parser;

	if (yaml_parser_parse(&c->parser, ev))
		return true;
	kt_fail(c->err, EINVAL, "%s:%zu: %s%s%s", c->name,
		(p->problem_mark.line ? p->problem_mark.line
				      : p->context_mark.line) +
			1,
		p->problem ? p->problem : "not YAML", p->context ? ", " : "",
		p->context ? p->context : "");
	return false;
}

static json_t *scalar_plain(const char *s)
{
	char again[32];
	long v;

	if (!*s || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0)
		return json_null();
	if (strcasecmp(s, "true") == 0)
		return json_true();
	if (strcasecmp(s, "false") == 0)
		return json_false();
	if (str_to_long(s, &v) == 0) {
		snprintf(again, sizeof(again), "%ld", v);
		if (strcmp(again, s) == 0)
			return json_integer(v);
	}
	return json_string(s);
}

static json_t *scalar(struct ctx *c, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	json_t *v;

	if (memchr(s, '\0', n))
		return yamltree_refuse(c, &ev->start_mark,
				       "a NUL byte in a value");
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		v = scalar_plain(s);
	else
		v = json_stringn(s, n);
	return v ? v
		 : yamltree_refuse(c, &ev->start_mark,
				   "a value that is not UTF-8");
}

static struct anchor *anchor_find(struct ctx *c, const char *name)
{
	for (size_t i = c->nanchors; i--;)
		if (strcmp(c->anchors[i].name, name) == 0)
			return &c->anchors[i];
	return NULL;
}

static json_t *alias(struct ctx *c, const yaml_event_t *ev)
{
	const struct anchor *a =
		anchor_find(c, (const char *)ev->data.alias.anchor);

	if (!a)
		return yamltree_refuse(c, &ev->start_mark,
				       "an alias without an anchor");
	c->nodes += a->nodes;
	return json_incref(a->value);
}

static bool anchor_add(struct ctx *c, const char *name, json_t *v, size_t nodes)
{
	if (c->nanchors == MAX_ANCHORS)
		return false;
	c->anchors[c->nanchors++] = (struct anchor){
		.name = xstrdup(name),
		.value = json_incref(v),
		.nodes = nodes,
	};
	return true;
}

static json_t *node(struct ctx *c, yaml_event_t *ev, int depth);

static json_t *sequence(struct ctx *c, int depth)
{
	json_t *arr = json_array();

	for (;;) {
		yaml_event_t ev;
		json_t *v;

		if (!next_event(c, &ev))
			break;
		if (ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return arr;
		}
		v = node(c, &ev, depth);
		yaml_event_delete(&ev);
		if (!v || json_array_append_new(arr, v) < 0)
			break;
	}
	json_decref(arr);
	return NULL;
}

/* "<<": the keys that are not there already; a list of maps or one map */
static void merge(json_t *obj, json_t *from)
{
	json_t *one;
	size_t i;

	if (json_is_object(from))
		json_object_update_missing(obj, from);
	json_array_foreach (from, i, one)
		json_object_update_missing(obj, one);
}

static char *map_key(struct ctx *c, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;

	if (ev->type != YAML_SCALAR_EVENT ||
	    memchr(s, '\0', ev->data.scalar.length)) {
		yamltree_refuse(c, &ev->start_mark,
				"a key that is not a plain text");
		return NULL;
	}
	return xstrdup(s);
}

/* One "key: value"; 1 at the end of the map, 0, or -1 with the error set. */
static int map_entry(struct ctx *c, json_t *obj, json_t *merges, int depth)
{
	auto_free char *key = NULL;
	yaml_event_t ev;
	json_t *v;
	int rc;

	if (!next_event(c, &ev))
		return -1;
	if (ev.type == YAML_MAPPING_END_EVENT) {
		yaml_event_delete(&ev);
		return 1;
	}
	key = map_key(c, &ev);
	yaml_event_delete(&ev);
	if (!key || !next_event(c, &ev))
		return -1;
	v = node(c, &ev, depth);
	if (!v) {
		yaml_event_delete(&ev);
		return -1;
	}
	if (strcmp(key, "<<") == 0)
		rc = json_array_append_new(merges, v);
	else
		rc = json_object_set_new(obj, key, v);
	if (rc < 0)
		yamltree_refuse(c, &ev.start_mark, "a key that is not UTF-8");
	yaml_event_delete(&ev);
	return rc < 0 ? -1 : 0;
}

static json_t *mapping(struct ctx *c, int depth)
{
	json_t *obj = json_object(), *merges = json_array(), *m;
	size_t i;
	int rc;

	do
		rc = map_entry(c, obj, merges, depth);
	while (!rc);
	json_array_foreach (merges, i, m)
		merge(obj, m);
	json_decref(merges);
	if (rc > 0)
		return obj;
	json_decref(obj);
	return NULL;
}

static json_t *node(struct ctx *c, yaml_event_t *ev, int depth)
{
	const char *anchor = NULL;
	size_t before = c->nodes++;
	json_t *v;

	if (depth > YAML_MAX_DEPTH)
		return yamltree_refuse(c, &ev->start_mark, "nested too deeply");
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		v = alias(c, ev);
		break;
	case YAML_SCALAR_EVENT:
		anchor = (const char *)ev->data.scalar.anchor;
		v = scalar(c, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = (const char *)ev->data.sequence_start.anchor;
		v = sequence(c, depth + 1);
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = (const char *)ev->data.mapping_start.anchor;
		v = mapping(c, depth + 1);
		break;
	default:
		v = yamltree_refuse(c, &ev->start_mark, "unexpected end");
		break;
	}
	if (v && c->nodes > YAML_MAX_NODES) {
		json_decref(v);
		return yamltree_refuse(c, &ev->start_mark, "too many values");
	}
	if (v && anchor && !anchor_add(c, anchor, v, c->nodes - before)) {
		json_decref(v);
		return yamltree_refuse(c, &ev->start_mark, "too many anchors");
	}
	return v;
}

static json_t *document(struct ctx *c)
{
	for (;;) {
		yaml_event_t ev;
		json_t *v;

		if (!next_event(c, &ev))
			return NULL;
		if (ev.type == YAML_STREAM_START_EVENT ||
		    ev.type == YAML_DOCUMENT_START_EVENT) {
			yaml_event_delete(&ev);
			continue;
		}
		v = ev.type == YAML_STREAM_END_EVENT ? json_null()
						     : node(c, &ev, 0);
		yaml_event_delete(&ev);
		return v;
	}
}

json_t *yaml_parse(const char *text, size_t len, const char *name,
		   struct kt_error *err)
{
	struct ctx *c;
	json_t *v;

	if (len > YAML_MAX_SIZE) {
		kt_fail(err, EFBIG, "%s: larger than %zu bytes", name,
			YAML_MAX_SIZE);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->name = name;
	c->err = err;
	if (!yaml_parser_initialize(&c->parser)) {
		free(c);
		kt_fail(err, ENOMEM, "%s: out of memory", name);
		return NULL;
	}
	yaml_parser_set_input_string(&c->parser, (const unsigned char *)text,
				     len);
	v = document(c);
	yaml_parser_delete(&c->parser);
	for (size_t i = 0; i < c->nanchors; i++) {
		free(c->anchors[i].name);
		json_decref(c->anchors[i].value);
	}
	free(c);
	return v;
}
