/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vars.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

static const char *const vars_local[] = {
	"PATH", "HOME",	  "USER",  "SHELL", "PWD",     "TERM",
	"LANG", "TMPDIR", "SSH_*", "XDG_*", "DISPLAY",
};

/* --- a list --------------------------------------------------------------- */

static size_t vars_name_len(const char *record)
{
	return strcspn(record, "=");
}

char *vars_name(const char *record)
{
	return xstrndup(record, vars_name_len(record));
}

static size_t vars_find(const struct strv *v, const char *name, size_t n)
{
	size_t i = 0;

	while (i < v->n && (strncmp(v->v[i], name, n) != 0 ||
			    (v->v[i][n] != '=' && v->v[i][n])))
		i++;
	return i;
}

/* Takes @record */
static void vars_put(struct strv *v, char *record)
{
	size_t i = vars_find(v, record, vars_name_len(record));

	if (i == v->n) {
		strv_take(v, record);
		return;
	}
	free(v->v[i]);
	v->v[i] = record;
}

/** struct vars_index - where each name is, for a block of many of them: it is
 *  the Pod's to say how many */
struct vars_index {
	uint32_t *slot; /* 0, or the place in the list + 1 */
	size_t mask;
};

static void vars_index_init(struct vars_index *x, size_t n)
{
	x->mask = 1;
	while (x->mask < 2 * n)
		x->mask *= 2;
	x->slot = xcalloc(x->mask, sizeof(*x->slot));
	x->mask--;
}

static uint32_t *vars_index_find(const struct vars_index *x,
				 const struct strv *v, const char *record)
{
	size_t n = vars_name_len(record);
	size_t i = hash_bytes(record, n) & x->mask;

	while (x->slot[i]) {
		const char *have = v->v[x->slot[i] - 1];

		if (strncmp(have, record, n) == 0 && have[n] == '=')
			break;
		i = (i + 1) & x->mask;
	}
	return &x->slot[i];
}

/* Takes @record; as vars_put() */
static void vars_index_put(struct vars_index *x, struct strv *v, char *record)
{
	uint32_t *slot = vars_index_find(x, v, record);

	if (*slot) {
		free(v->v[*slot - 1]);
		v->v[*slot - 1] = record;
		return;
	}
	strv_take(v, record);
	*slot = (uint32_t)v->n;
}

void vars_parse(struct strv *v, const char *block, size_t n)
{
	struct vars_index x;
	size_t count = 1;

	for (size_t i = 0; i < n; i++)
		count += !block[i];
	vars_index_init(&x, count);
	while (n) {
		size_t len = strnlen(block, n);
		const char *eq = memchr(block, '=', len);

		if (eq && eq > block)
			vars_index_put(&x, v, xstrndup(block, len));
		len += len < n;
		block += len;
		n -= len;
	}
	free(x.slot);
}

char *vars_block(const struct strv *v, size_t *n)
{
	char *block, *p;

	*n = 0;
	for (size_t i = 0; i < v->n; i++)
		*n += strlen(v->v[i]) + 1;
	p = block = xmalloc(*n + 1);
	for (size_t i = 0; i < v->n; i++)
		p = mempcpy(p, v->v[i], strlen(v->v[i]) + 1);
	*p = '\0';
	return block;
}

const char *vars_get(const struct strv *v, const char *name)
{
	size_t n = strlen(name), i = vars_find(v, name, n);

	return i < v->n && v->v[i][n] ? v->v[i] + n + 1 : NULL;
}

void vars_set(struct strv *v, const char *name, const char *value)
{
	vars_put(v, xasprintf("%s=%s", name, value));
}

/* --- names ---------------------------------------------------------------- */

bool vars_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *at = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			at = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool vars_is_local(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(vars_local); i++)
		if (vars_matches(vars_local[i], name))
			return true;
	return false;
}

static bool vars_in(const struct strv *patterns, const char *name)
{
	for (size_t i = 0; patterns && i < patterns->n; i++)
		if (vars_matches(patterns->v[i], name))
			return true;
	return false;
}

/* --- a file --------------------------------------------------------------- */

static int vars_take_line(struct strv *v, const char *line, const char *name,
			  unsigned int number, const struct strv *local,
			  struct kt_error *err)
{
	size_t n = vars_name_len(line);
	auto_free char *key = NULL;

	line += strspn(line, " \t");
	n = vars_name_len(line);
	if (!*line || *line == '#')
		return 0;
	key = xstrndup(line, n);
	if (!n || key[strcspn(key, " \t")])
		return kt_fail(err, EINVAL,
			       "%s:%u: '%.80s' is no name of a variable", name,
			       number, key);
	if (line[n])
		vars_set(v, key, line + n + 1);
	else if (vars_get(local, key))
		vars_set(v, key, vars_get(local, key));
	return 0;
}

int vars_read_file(struct strv *v, const char *text, const char *name,
		   const struct strv *local, struct kt_error *err)
{
	for (unsigned int number = 1; *text; number++) {
		size_t n = strcspn(text, "\n");
		auto_free char *line = xstrndup(text, n);
		int rc;

		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		rc = vars_take_line(v, line, name, number, local, err);
		if (rc < 0)
			return rc;
		text += n + (text[n] == '\n');
	}
	return 0;
}

/* --- what the program gets ------------------------------------------------ */

static bool vars_stays(const struct vars_rules *r, const char *name)
{
	/* asked for by its whole name */
	if (r->include && strv_has(r->include, name))
		return false;
	return vars_is_local(name) || vars_in(r->local, name);
}

static bool vars_is_wanted(const struct vars_rules *r, const char *name)
{
	if (vars_in(r->exclude, name) || vars_stays(r, name))
		return false;
	return !r->include || !r->include->n || vars_in(r->include, name);
}

void vars_make(struct strv *out, const struct strv *pod,
	       const struct strv *local, const struct vars_rules *r)
{
	for (size_t i = 0; pod && i < pod->n; i++) {
		auto_free char *name = vars_name(pod->v[i]);

		if (vars_is_wanted(r, name))
			strv_add(out, pod->v[i]);
	}
	for (size_t i = 0; i < local->n; i++) {
		auto_free char *name = vars_name(local->v[i]);

		if (!pod || vars_stays(r, name))
			vars_put(out, xstrdup(local->v[i]));
	}
	for (size_t i = 0; r->file && i < r->file->n; i++)
		vars_put(out, xstrdup(r->file->v[i]));
	for (size_t i = 0; r->set && i < r->set->n; i++)
		vars_set(out, r->set->v[i].key, r->set->v[i].value);
}
