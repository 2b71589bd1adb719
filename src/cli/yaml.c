/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/yaml.h"

#include "base/mem.h"
#include "base/print.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define YAML_MAX ((size_t)64 << 20)
#define YAML_KEY_MAX 128 /* YAML's own limit is 1024 */

/* --- scalars -------------------------------------------------------------- */

/* The bytes of the character at @p that YAML has no place for between quotes:
 * C1 and line ends of Unicode, the mark of byte order, U+FFFE and U+FFFF; 0:
 * it may stand there */
static unsigned int yaml_bad_char(const unsigned char *p)
{
	if (p[0] == 0xc2 && p[1] < 0xa0)
		return p[1];
	if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		return 0x2000 | (p[2] & 0x3f);
	if (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
		return 0xfeff;
	if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
		return 0xffc0 | (p[2] & 0x3f);
	return 0;
}

static int yaml_put_char(struct buf *b, const unsigned char *p, size_t *len)
{
	unsigned int bad = yaml_bad_char(p);

	*len = 1;
	if (*p == '"' || *p == '\\')
		return buf_printf(b, "\\%c", *p);
	if (*p == '\n')
		return buf_printf(b, "\\n");
	if (*p == '\t')
		return buf_printf(b, "\\t");
	if (*p < 0x20 || *p == 0x7f)
		return buf_printf(b, "\\x%02x", *p);
	if (!bad)
		return buf_put(b, p, 1);
	*len = bad < 0x100 ? 2 : 3;
	return buf_printf(b, "\\u%04x", bad);
}

/* Not as JSON has it: two escapes for one character (a surrogate pair) are none
 * in YAML. @text is UTF-8, as every string of jansson. */
static int yaml_put_text(struct buf *b, const char *text)
{
	size_t len;
	int rc = buf_put(b, "\"", 1);

	for (const unsigned char *p = (const void *)text; rc == 0 && *p;
	     p += len)
		rc = yaml_put_char(b, p, &len);
	return rc == 0 ? buf_put(b, "\"", 1) : rc;
}

/* A scalar, or what is empty: of others than texts JSON's form is one of YAML
 */
static int yaml_put_flow(struct buf *b, const json_t *v)
{
	auto_free char *text = NULL;
	int rc;

	if (json_is_string(v)) {
		rc = yaml_put_text(b, json_string_value(v));
		return rc == 0 ? buf_put(b, "\n", 1) : rc;
	}
	text = json_dumps(v, JSON_ENCODE_ANY);
	return buf_printf(b, "%s\n", text ? text : "null");
}

/* Names with a slash or a dash are never something else than text; "on" would
 * be. */
static bool yaml_key_is_plain(const char *key)
{
	static const char *const others[] = { "y",    "n",     "yes",
					      "no",   "on",    "off",
					      "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcasecmp(key, others[i]) == 0)
			return false;
	if (!isalpha((unsigned char)*key))
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char)*key) && !strchr("-_./", *key))
			return false;
	return true;
}

/* With its colon. One that is long has a line of its own, by a question mark */
static int yaml_put_key(struct buf *b, const char *key, int indent)
{
	bool is_long = strlen(key) > YAML_KEY_MAX;
	int rc = is_long ? buf_printf(b, "? ") : 0;

	if (rc == 0)
		rc = yaml_key_is_plain(key) ? buf_put(b, key, strlen(key))
					    : yaml_put_text(b, key);
	if (rc == 0 && is_long)
		rc = buf_printf(b, "\n%*s", indent, "");
	return rc == 0 ? buf_put(b, ":", 1) : rc;
}

/* --- the tree ------------------------------------------------------------- */

static bool yaml_is_block(const json_t *v)
{
	return json_object_size(v) || json_array_size(v);
}

static int yaml_put(struct buf *b, const json_t *v, int indent, bool inlined);

static int yaml_put_object(struct buf *b, const json_t *v, int indent,
			   bool inlined)
{
	const char *key;
	json_t *one;
	int rc = 0;

	json_object_foreach ((json_t *)(uintptr_t)v, key, one) {
		rc = buf_printf(b, "%*s", inlined ? 0 : indent, "");
		if (rc == 0)
			rc = yaml_put_key(b, key, indent);
		if (rc == 0)
			rc = buf_printf(b, "%c",
					yaml_is_block(one) ? '\n' : ' ');
		inlined = false;
		if (rc == 0)
			rc = yaml_put(b, one, indent + 2, false);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as what the caller has made */
static int yaml_put(struct buf *b, const json_t *v, int indent, bool inlined)
{
	const json_t *one;
	size_t i;
	int rc = 0;

	if (!yaml_is_block(v))
		return yaml_put_flow(b, v);
	if (json_is_object(v))
		return yaml_put_object(b, v, indent, inlined);
	json_array_foreach (v, i, one) {
		rc = buf_printf(b, "%*s- ", inlined ? 0 : indent, "");
		inlined = false;
		if (rc == 0)
			rc = yaml_put(b, one, indent + 2, true);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int yaml_write(struct buf *b, const json_t *value)
{
	return yaml_put(b, value, 0, false);
}

int yaml_write_at(struct buf *b, const json_t *value, int indent)
{
	return yaml_put(b, value, indent, false);
}

void yaml_print(const json_t *value)
{
	struct buf b;

	buf_init(&b, YAML_MAX);
	if (yaml_write(&b, value) == 0)
		print_text(stdout, (const char *)buf_data(&b), b.len);
	buf_fini(&b);
}
