/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/reader.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* --- parsing -------------------------------------------------------------- */

/* Is there a tab among the blanks at the beginning of line @line, from 0? */
static bool reader_has_tab(const char *text, size_t len, size_t line)
{
	const char *p = text, *end = text + len;

	while (line-- && p) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	while (p && p < end && *p == ' ')
		p++;
	return p && p < end && *p == '\t';
}

static size_t reader_line_of(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void reader_syntax(struct apply_reader *r, const yaml_parser_t *p,
			  const char *text, size_t len)
{
	size_t line = p->problem_mark.line;

	if (p->error == YAML_READER_ERROR)
		line = reader_line_of(text, MIN(len, p->problem_offset));
	kt_fail(r->err, EINVAL, "%s:%zu: %s%s%s", r->name, line + 1,
		p->problem ? p->problem : "this is not YAML",
		p->context ? ", " : "", p->context ? p->context : "");
	if (reader_has_tab(text, len, line))
		kt_hint(r->err, "YAML is indented with blanks, not with tabs");
}

/* The top node, which is the only one of the file */
static yaml_node_t *reader_load(struct apply_reader *r, yaml_parser_t *p,
				const char *text, size_t len)
{
	yaml_document_t more;
	yaml_node_t *top, *second;

	if (!yaml_parser_load(p, &r->doc)) {
		r->doc = (yaml_document_t){ 0 };
		reader_syntax(r, p, text, len);
		return NULL;
	}
	top = yaml_document_get_root_node(&r->doc);
	if (!top) {
		kt_fail(r->err, EINVAL, "%s is empty", r->name);
		return NULL;
	}
	if (!yaml_parser_load(p, &more)) {
		reader_syntax(r, p, text, len);
		return NULL;
	}
	second = yaml_document_get_root_node(&more);
	if (second)
		reader_fail(r, second, "a second document; one is taken");
	yaml_document_delete(&more);
	return second ? NULL : top;
}

yaml_node_t *reader_init(struct apply_reader *r, const char *name,
			 const char *text, size_t len, struct kt_error *err)
{
	yaml_parser_t p;
	yaml_node_t *top;

	*r = (struct apply_reader){ .name = name, .err = err };
	if (len > READER_MAX_SIZE) {
		kt_fail(err, EFBIG, "%s is larger than %zu KiB", name,
			READER_MAX_SIZE >> 10);
		return NULL;
	}
	if (!yaml_parser_initialize(&p)) {
		kt_fail(err, ENOMEM, "%s: out of memory", name);
		return NULL;
	}
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	top = reader_load(r, &p, text, len);
	yaml_parser_delete(&p);
	if (top)
		r->seen = xcalloc(
			(size_t)(r->doc.nodes.top - r->doc.nodes.start) + 1,
			sizeof(*r->seen));
	return top;
}

void reader_fini(struct apply_reader *r)
{
	yaml_document_delete(&r->doc);
	free(r->seen);
	r->seen = NULL;
}

/* --- nodes ---------------------------------------------------------------- */

int reader_line(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

int reader_fail(struct apply_reader *r, const yaml_node_t *node,
		const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return kt_fail(r->err, EINVAL, "%s:%d: %s", r->name, reader_line(node),
		       what);
}

static bool reader_is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

const char *reader_text(struct apply_reader *r, const yaml_node_t *node,
			const char *what)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE) {
		reader_fail(r, node, "%s takes one value, not a %s", what,
			    node->type == YAML_MAPPING_NODE ? "mapping"
							    : "list");
		return NULL;
	}
	text = (const char *)node->data.scalar.value;
	if (strlen(text) != node->data.scalar.length)
		reader_fail(r, node, "%s: a NUL byte in a value", what);
	else if (reader_is_plain(node) && (!*text || strcmp(text, "~") == 0 ||
					   strcasecmp(text, "null") == 0))
		reader_fail(r, node, "%s has no value", what);
	else
		return text;
	return NULL;
}

static bool reader_has_own_tag(const yaml_node_t *node)
{
	static const char *const own[] = {
		[YAML_SCALAR_NODE] = YAML_DEFAULT_SCALAR_TAG,
		[YAML_SEQUENCE_NODE] = YAML_DEFAULT_SEQUENCE_TAG,
		[YAML_MAPPING_NODE] = YAML_DEFAULT_MAPPING_TAG,
	};

	return node->tag && strcmp((const char *)node->tag, own[node->type]);
}

/* Each node once, and of no type of its own */
static yaml_node_t *reader_take(struct apply_reader *r,
				const yaml_node_t *parent, int index)
{
	yaml_node_t *node = yaml_document_get_node(&r->doc, index);

	if (!node) {
		reader_fail(r, parent, "a value is missing");
		return NULL;
	}
	if (r->seen[index]) {
		reader_fail(r, parent,
			    "aliases (*name) are not taken: write it twice");
		return NULL;
	}
	r->seen[index] = true;
	if (reader_has_own_tag(node)) {
		reader_fail(r, node, "tags (!name) are not taken");
		return NULL;
	}
	return node;
}

/* --- walking -------------------------------------------------------------- */

static const char *reader_key(struct apply_reader *r, const yaml_node_t *map,
			      const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = reader_take(r, map, pair->key), *other;

	if (!key)
		return NULL;
	if (key->type != YAML_SCALAR_NODE ||
	    strlen((const char *)key->data.scalar.value) !=
		    key->data.scalar.length) {
		reader_fail(r, key, "a key that is no plain text");
		return NULL;
	}
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < pair; p++) {
		other = yaml_document_get_node(&r->doc, p->key);
		if (strcmp((const char *)other->data.scalar.value,
			   (const char *)key->data.scalar.value) != 0)
			continue;
		reader_fail(r, key, "%.60s is there twice, first in line %d",
			    (const char *)key->data.scalar.value,
			    reader_line(other));
		return NULL;
	}
	return (const char *)key->data.scalar.value;
}

static int reader_walk_map(struct apply_reader *r, yaml_node_t *map,
			   reader_fn fn, void *user)
{
	const yaml_node_pair_t *start = map->data.mapping.pairs.start,
			       *end = map->data.mapping.pairs.top;
	int rc = 0;

	if (end - start > READER_MAX_CHILDREN)
		return reader_fail(r, map, "more than %d keys",
				   READER_MAX_CHILDREN);
	for (const yaml_node_pair_t *p = start; rc >= 0 && p < end; p++) {
		const char *key = reader_key(r, map, p);
		yaml_node_t *at = yaml_document_get_node(&r->doc, p->key);
		yaml_node_t *value = key ? reader_take(r, at, p->value) : NULL;

		rc = value ? fn(user, key, at, value) : -EINVAL;
	}
	return rc < 0 ? rc : 0;
}

static int reader_walk_list(struct apply_reader *r, yaml_node_t *list,
			    reader_fn fn, void *user)
{
	const yaml_node_item_t *start = list->data.sequence.items.start,
			       *end = list->data.sequence.items.top;
	int rc = 0;

	if (end - start > READER_MAX_CHILDREN)
		return reader_fail(r, list, "more than %d entries",
				   READER_MAX_CHILDREN);
	for (const yaml_node_item_t *p = start; rc >= 0 && p < end; p++) {
		yaml_node_t *value = reader_take(r, list, *p);

		rc = value ? fn(user, NULL, value, value) : -EINVAL;
	}
	return rc < 0 ? rc : 0;
}

int reader_walk(struct apply_reader *r, yaml_node_t *node, reader_fn fn,
		void *user)
{
	if (node->type == YAML_MAPPING_NODE)
		return reader_walk_map(r, node, fn, user);
	if (node->type == YAML_SEQUENCE_NODE)
		return reader_walk_list(r, node, fn, user);
	return reader_fail(r, node, "a mapping or a list is wanted");
}
