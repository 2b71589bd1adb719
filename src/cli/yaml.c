/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/yaml.h"

#include "base/mem.h"
#include "base/print.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define YAML_MAX ((size_t)64 << 20)

/* A scalar, or what is empty: a JSON text is a YAML 1.2 flow scalar */
static int yaml_put_flow(struct buf *b, const json_t *v)
{
	auto_free char *text =
		json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	return buf_printf(b, "%s\n", text ? text : "null");
}

/* Names with a slash or a dash are never something else than text; "on" would
 * be. What a key of Kubernetes has needs no escape within quotes. */
static bool yaml_key_is_plain(const char *key)
{
	static const char *const others[] = { "y",    "n",     "yes",
					      "no",   "on",    "off",
					      "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcasecmp(key, others[i]) == 0)
			return false;
	return isalpha((unsigned char)*key) && !strpbrk(key, ": #\"\\");
}

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
		const char *quote = yaml_key_is_plain(key) ? "" : "\"";

		rc = buf_printf(b, "%*s%s%s%s:%s", inlined ? 0 : indent, "",
				quote, key, quote,
				yaml_is_block(one) ? "\n" : " ");
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

void yaml_print(const json_t *value)
{
	struct buf b;

	buf_init(&b, YAML_MAX);
	if (yaml_write(&b, value) == 0)
		print_text(stdout, (const char *)buf_data(&b), b.len);
	buf_fini(&b);
}
