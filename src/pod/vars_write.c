/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vars.h"

#include "base/mem.h"
#include "pod/text.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#define VARS_DOCKER_LINE ((size_t)64 << 10) /* longer ones it does not read */

static void vars_append_text(struct pod_text *t, const char *text)
{
	pod_text_put(t, text, strlen(text));
}

static bool vars_is_shell_name(const char *name)
{
	if (!*name || isdigit((unsigned char)*name))
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

static bool vars_is_utf8(const char *text)
{
	json_t *v = json_string(text);
	bool is = v;

	json_decref(v);
	return is;
}

/* --- one of each ---------------------------------------------------------- */

static bool vars_sh(struct pod_text *t, const char *name, const char *value)
{
	if (!vars_is_shell_name(name))
		return false;
	vars_append_text(t, "export ");
	vars_append_text(t, name);
	vars_append_text(t, "='");
	for (; *value; value++) {
		if (*value == '\'')
			vars_append_text(t, "'\\''");
		else
			pod_text_put(t, value, 1);
	}
	vars_append_text(t, "'\n");
	return true;
}

static bool vars_docker(struct pod_text *t, const char *name, const char *value)
{
	size_t n = strlen(value);

	if (strpbrk(name, " \t#\n") || strpbrk(value, "\n") ||
	    (n && value[n - 1] == '\r') || !vars_is_utf8(name) ||
	    !vars_is_utf8(value) || strlen(name) + 1 + n + 1 > VARS_DOCKER_LINE)
		return false;
	vars_append_text(t, name);
	vars_append_text(t, "=");
	vars_append_text(t, value);
	vars_append_text(t, "\n");
	return true;
}

/* Of "env_file" in a compose file: between double quotes, where a backslash
 * takes the meaning of what is behind it */
static bool vars_compose(struct pod_text *t, const char *name,
			 const char *value)
{
	if (!vars_is_shell_name(name) || !vars_is_utf8(value))
		return false;
	vars_append_text(t, name);
	vars_append_text(t, "=\"");
	for (; *value; value++) {
		if (*value == '\n')
			vars_append_text(t, "\\n");
		else if (*value == '\r')
			vars_append_text(t, "\\r");
		else if (strchr("\\\"$", *value))
			pod_text_put(t, (char[]){ '\\', *value }, 2);
		else
			pod_text_put(t, value, 1);
	}
	vars_append_text(t, "\"\n");
	return true;
}

/* --- all of them ---------------------------------------------------------- */

static int vars_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *vars_json(const struct strv *sorted, struct strv *left_out,
		       size_t *n)
{
	json_t *all = json_object();
	char *text, *line;

	for (size_t i = 0; i < sorted->n; i++) {
		auto_free char *name = vars_name(sorted->v[i]);
		json_t *value = json_string(sorted->v[i] + strlen(name) + 1);

		if (!value || json_object_set_new(all, name, value) < 0)
			strv_add(left_out, name);
	}
	text = json_dumps(all, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(all);
	line = xasprintf("%s\n", text ? text : "{}");
	free(text);
	*n = strlen(line);
	return line;
}

char *vars_write(const struct strv *v, enum vars_syntax syntax,
		 struct strv *left_out, size_t *n)
{
	static bool (*const write_one[])(struct pod_text *, const char *,
					 const char *) = {
		[VARS_SH] = vars_sh,
		[VARS_DOCKER] = vars_docker,
		[VARS_COMPOSE] = vars_compose,
	};
	struct pod_text t = { 0 };
	auto_strv struct strv sorted = { 0 };

	for (size_t i = 0; i < v->n; i++)
		strv_add(&sorted, v->v[i]);
	if (sorted.n)
		qsort(sorted.v, sorted.n, sizeof(*sorted.v), vars_compare);
	if (syntax == VARS_JSON)
		return vars_json(&sorted, left_out, n);
	vars_append_text(&t, "");
	for (size_t i = 0; i < sorted.n; i++) {
		auto_free char *name = vars_name(sorted.v[i]);

		if (!write_one[syntax](&t, name,
				       sorted.v[i] + strlen(name) + 1))
			strv_add(left_out, name);
	}
	*n = t.n;
	return t.p;
}
