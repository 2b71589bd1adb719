/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vars.h"

#include "base/mem.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#define VARS_DOCKER_LINE ((size_t)64 << 10) /* longer ones it does not read */

struct vars_text {
	char *p;
	size_t n, cap;
};

static void vars_append(struct vars_text *t, const char *data, size_t n)
{
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = xrealloc(t->p, t->cap);
	}
	memcpy(t->p + t->n, data, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static void vars_append_text(struct vars_text *t, const char *text)
{
	vars_append(t, text, strlen(text));
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

static bool vars_sh(struct vars_text *t, const char *name, const char *value)
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
			vars_append(t, value, 1);
	}
	vars_append_text(t, "'\n");
	return true;
}

static bool vars_docker(struct vars_text *t, const char *name,
			const char *value)
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
static bool vars_compose(struct vars_text *t, const char *name,
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
			vars_append(t, (char[]){ '\\', *value }, 2);
		else
			vars_append(t, value, 1);
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
	static bool (*const write_one[])(struct vars_text *, const char *,
					 const char *) = {
		[VARS_SH] = vars_sh,
		[VARS_DOCKER] = vars_docker,
		[VARS_COMPOSE] = vars_compose,
	};
	struct vars_text t = { 0 };
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
