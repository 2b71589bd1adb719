/* SPDX-License-Identifier: Apache-2.0 */
#include "control/expect.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#define EXPECT_CONDITIONS 16
#define EXPECT_TEXT_MAX ((size_t)4096)
#define EXPECT_COUNT_MAX 1000000000L

enum expect_op {
	EXPECT_EQ,
	EXPECT_NE,
	EXPECT_LIKE,
	EXPECT_UNLIKE,
	EXPECT_GE,
	EXPECT_LE,
	EXPECT_GT,
	EXPECT_LT,
	EXPECT_NOPS_
};

/* the longer ones first */
static const struct {
	const char *text;
	enum expect_op op;
} expect_ops[] = {
	{ "==", EXPECT_EQ },  { "!=", EXPECT_NE }, { "!~", EXPECT_UNLIKE },
	{ ">=", EXPECT_GE },  { "<=", EXPECT_LE }, { "=", EXPECT_EQ },
	{ "~", EXPECT_LIKE }, { ">", EXPECT_GT },  { "<", EXPECT_LT },
};

struct expect_condition {
	char *text; /* as it was written */
	const struct expect_field *field;
	enum expect_op op;
	char *value;
	long number;
	size_t near; /* events that meet all others */
	json_t *last;
};

struct expect {
	char *text;
	const struct expect_field *fields;
	struct expect_condition v[EXPECT_CONDITIONS];
	size_t n;
	bool counts; /* "count" was said */
	enum expect_op count_op;
	long count;
	long seen;
};

/* --- reading -------------------------------------------------------------- */

static bool expect_compare(long a, enum expect_op op, long b)
{
	switch (op) {
	case EXPECT_EQ:
		return a == b;
	case EXPECT_NE:
		return a != b;
	case EXPECT_GE:
		return a >= b;
	case EXPECT_LE:
		return a <= b;
	case EXPECT_GT:
		return a > b;
	case EXPECT_LT:
		return a < b;
	default:
		return false;
	}
}

/* The next condition of *@at, without its quotes; NULL: there is none.
 * (returned, caller frees) */
static char *expect_word(const char **at, struct kt_error *err)
{
	char *word;
	size_t n = 0;
	bool quoted = false;

	*at += strspn(*at, " \t");
	if (!**at)
		return NULL;
	word = xmalloc(strlen(*at) + 1);
	for (; **at && (quoted || !strchr(" \t", **at)); ++*at) {
		if (**at == '"')
			quoted = !quoted;
		else
			word[n++] = **at;
	}
	word[n] = '\0';
	if (!quoted)
		return word;
	kt_fail(err, EINVAL, "a quote is not closed");
	free(word);
	return NULL;
}

static int expect_fields_text(const struct expect *x, char *dst, size_t size)
{
	size_t n = 0;

	for (const struct expect_field *f = x->fields; f->name; f++)
		n += (size_t)snprintf(dst + MIN(n, size), size - MIN(n, size),
				      "%s, ", f->name);
	return snprintf(dst + MIN(n, size), size - MIN(n, size), "count");
}

static const struct expect_field *expect_find(const struct expect *x,
					      const char *name, size_t len)
{
	for (const struct expect_field *f = x->fields; f->name; f++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

static bool expect_is_order(enum expect_op op)
{
	return op >= EXPECT_GE;
}

static int expect_number(const char *word, const char *value, long max, long *v,
			 struct kt_error *err)
{
	if (str_to_long(value, v) == 0 && *v >= 0 && *v <= max)
		return 0;
	return kt_fail(err, EINVAL,
		       "'%.60s': '%.40s' is not a number of 0 to "
		       "%ld",
		       word, value, max);
}

static int expect_read_count(struct expect *x, const char *word,
			     enum expect_op op, const char *value,
			     struct kt_error *err)
{
	if (x->counts)
		return kt_fail(err, EINVAL, "'count' is there twice");
	if (op == EXPECT_NE || op == EXPECT_LIKE || op == EXPECT_UNLIKE)
		return kt_fail(err, EINVAL,
			       "'%.60s': count wants =, >=, <=, > or <", word);
	x->counts = true;
	x->count_op = op;
	return expect_number(word, value, EXPECT_COUNT_MAX, &x->count, err);
}

static int expect_check_value(const struct expect_condition *c,
			      struct kt_error *err)
{
	const char *const *v = c->field->values;
	char all[256] = "";
	size_t n = 0;

	if (!v || (c->op != EXPECT_EQ && c->op != EXPECT_NE) ||
	    strcmp(c->value, "null") == 0)
		return 0;
	for (; *v; v++) {
		if (strcmp(*v, c->value) == 0)
			return 0;
		n += (size_t)snprintf(all + MIN(n, sizeof(all)),
				      sizeof(all) - MIN(n, sizeof(all)), "%s%s",
				      n ? ", " : "", *v);
	}
	return kt_fail(err, EINVAL, "'%.60s': %s is one of %s", c->text,
		       c->field->name, all);
}

static int expect_read_field(struct expect *x, const char *word, size_t name,
			     enum expect_op op, const char *value,
			     struct kt_error *err)
{
	struct expect_condition *c = &x->v[x->n];
	char all[256];

	if (x->n == EXPECT_CONDITIONS)
		return kt_fail(err, EINVAL, "more than %d conditions",
			       EXPECT_CONDITIONS);
	c->field = expect_find(x, word, name);
	if (!c->field) {
		expect_fields_text(x, all, sizeof(all));
		return kt_fail(err, EINVAL,
			       "'%.60s': there is no such field; there are %s",
			       word, all);
	}
	if (c->field->type == EXPECT_TEXT && expect_is_order(op))
		return kt_fail(err, EINVAL,
			       "'%.60s': %s is a text: =, !=, ~ "
			       "or !~",
			       word, c->field->name);
	if (c->field->type == EXPECT_NUMBER &&
	    (op == EXPECT_LIKE || op == EXPECT_UNLIKE))
		return kt_fail(err, EINVAL,
			       "'%.60s': %s is a number: =, !=, "
			       ">=, <=, > or <",
			       word, c->field->name);
	c->op = op;
	c->text = xstrdup(word);
	c->value = xstrdup(value);
	x->n++;
	if (c->field->type == EXPECT_NUMBER &&
	    (expect_is_order(op) || strcmp(value, "null") != 0))
		return expect_number(word, value, INT32_MAX, &c->number, err);
	return expect_check_value(c, err);
}

static int expect_read(struct expect *x, const char *word, struct kt_error *err)
{
	size_t name = strcspn(word, "=!~<>");

	for (size_t i = 0; i < ARRAY_SIZE(expect_ops); i++) {
		const char *value;

		if (!str_starts(word + name, expect_ops[i].text))
			continue;
		value = word + name + strlen(expect_ops[i].text);
		if (name == 5 && memcmp(word, "count", 5) == 0)
			return expect_read_count(x, word, expect_ops[i].op,
						 value, err);
		return expect_read_field(x, word, name, expect_ops[i].op, value,
					 err);
	}
	return kt_fail(err, EINVAL,
		       "'%.60s' is no condition, as "
		       "service=web, path~/api/* or count>=1 are",
		       word);
}

struct expect *expect_new(const char *text, const struct expect_field *fields,
			  struct kt_error *err)
{
	struct expect *x = xcalloc(1, sizeof(*x));
	struct kt_error why = { 0 };
	const char *at = text;
	size_t words = 0;
	char *word;
	int rc = 0;

	x->text = xstrdup(text);
	x->fields = fields;
	x->count_op = EXPECT_GE;
	x->count = 1;
	if (strlen(text) > EXPECT_TEXT_MAX)
		rc = kt_fail(&why, EINVAL, "longer than %zu bytes",
			     EXPECT_TEXT_MAX);
	while (rc == 0 && (word = expect_word(&at, &why))) {
		rc = expect_read(x, word, &why);
		free(word);
		words++;
	}
	if (rc == 0 && !words && !why.code)
		kt_fail(&why, EINVAL, "no condition");
	if (!why.code)
		return x;
	kt_fail(err, EINVAL, "%s", why.msg);
	expect_free(x);
	return NULL;
}

void expect_free(struct expect *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n; i++) {
		free(x->v[i].text);
		free(x->v[i].value);
		json_decref(x->v[i].last);
	}
	free(x->text);
	free(x);
}

/* Up to the next ';' that is not in quotes, or the end */
static size_t expects_part(const char *text)
{
	bool quoted = false;
	size_t n = 0;

	for (; text[n] && (quoted || text[n] != ';'); n++)
		quoted ^= text[n] == '"';
	return n;
}

int expects_new(struct expect *v[EXPECTS_MAX], const char *text,
		const struct expect_field *fields, struct kt_error *err)
{
	int n = 0;

	for (;;) {
		size_t len = expects_part(text);
		auto_free char *part = xstrndup(text, len);

		if (n == EXPECTS_MAX)
			kt_fail(err, EINVAL, "more than %d expectations",
				EXPECTS_MAX);
		else
			v[n] = expect_new(part, fields, err);
		if (n == EXPECTS_MAX || !v[n]) {
			expects_free(v, n);
			return -EINVAL;
		}
		n++;
		if (!text[len])
			return n;
		text += len + 1;
	}
}

void expects_free(struct expect *v[EXPECTS_MAX], int n)
{
	for (int i = 0; i < n; i++)
		expect_free(v[i]);
}

/* --- seeing --------------------------------------------------------------- */

static bool expect_text_holds(const struct expect_condition *c,
			      const char *text)
{
	switch (c->op) {
	case EXPECT_EQ:
		return text ? strcmp(text, c->value) == 0
			    : strcmp(c->value, "null") == 0;
	case EXPECT_NE:
		return text ? strcmp(text, c->value) != 0
			    : strcmp(c->value, "null") != 0;
	case EXPECT_LIKE:
		return text && fnmatch(c->value, text, 0) == 0;
	case EXPECT_UNLIKE:
		return !text || fnmatch(c->value, text, 0) != 0;
	default:
		return false;
	}
}

static bool expect_number_holds(const struct expect_condition *c,
				const json_t *v)
{
	bool null = strcmp(c->value, "null") == 0;

	if (!json_is_integer(v) || null)
		return (c->op == EXPECT_EQ && null && !json_is_integer(v)) ||
		       (c->op == EXPECT_NE && null == json_is_integer(v));
	return expect_compare((long)json_integer_value(v), c->op, c->number);
}

static bool expect_holds(const struct expect_condition *c, const json_t *event)
{
	const json_t *v = json_object_get(event, c->field->name);

	return c->field->type == EXPECT_NUMBER
		       ? expect_number_holds(c, v)
		       : expect_text_holds(c, json_string_value(v));
}

void expect_see(struct expect *x, const json_t *event)
{
	struct expect_condition *missed = NULL;
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++)
		if (!expect_holds(&x->v[i], event)) {
			missed = &x->v[i];
			n++;
		}
	if (n == 0 && x->seen < EXPECT_COUNT_MAX + 1)
		x->seen++;
	if (n != 1)
		return;
	missed->near++;
	json_decref(missed->last);
	missed->last = json_incref(json_object_get(event, missed->field->name));
}

/* --- the verdict ---------------------------------------------------------- */

static bool expect_count_fits(const struct expect *x)
{
	return expect_compare(x->seen, x->count_op, x->count);
}

bool expect_met(const struct expect *x, bool whole)
{
	enum expect_state state = expect_state(x);

	return state == EXPECT_MET || (state == EXPECT_HOLDS && whole);
}

/* No number of further ones changes it */
enum expect_state expect_state(const struct expect *x)
{
	bool met = expect_count_fits(x);

	switch (x->count_op) {
	case EXPECT_GE:
	case EXPECT_GT:
		return met ? EXPECT_MET : EXPECT_OPEN;
	case EXPECT_EQ:
		return x->seen > x->count ? EXPECT_FAILED
		       : met		  ? EXPECT_HOLDS
					  : EXPECT_OPEN;
	default:
		return met ? EXPECT_HOLDS : EXPECT_FAILED;
	}
}

/* The condition that most events fail alone */
static const struct expect_condition *expect_nearest(const struct expect *x)
{
	const struct expect_condition *best = NULL;

	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].near && (!best || x->v[i].near > best->near))
			best = &x->v[i];
	return best;
}

char *expect_why(const struct expect *x)
{
	const struct expect_condition *c = expect_nearest(x);
	auto_free char *last = NULL;
	char *near;

	if (!c)
		return xasprintf("%ld seen for '%s'", x->seen, x->text);
	last = json_dumps(c->last ? c->last : json_null(), JSON_ENCODE_ANY);
	near = xasprintf("%ld seen for '%s'; of %zu more all but %s is so, the "
			 "last has %s",
			 x->seen, x->text, c->near, c->text,
			 last ? last : "null");
	return near;
}

json_t *expect_result(const struct expect *x, bool whole)
{
	json_t *near = json_array();

	for (size_t i = 0; i < x->n; i++)
		json_array_append_new(
			near,
			json_pack("{s:s,s:I,s:O}", "condition", x->v[i].text,
				  "count", (json_int_t)x->v[i].near, "last",
				  x->v[i].last ? x->v[i].last : json_null()));
	return json_pack("{s:s,s:b,s:I,s:o}", "expect", x->text, "met",
			 expect_met(x, whole), "count", (json_int_t)x->seen,
			 "near", near);
}
