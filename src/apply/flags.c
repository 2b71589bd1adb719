/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are flags of the option table, and their values */
#include "apply/item.h"

#include "base/mem.h"
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/value.h"

#include <errno.h>
#include <string.h>

void apply_flags_fini(struct apply_flags *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct apply_flags){ 0 };
}

/* What apply says itself is no key; nor is what is there for KT's sake */
static bool apply_flags_is_key(const struct option *opt)
{
	static const char *const own[] = { "background", "with" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strcmp(own[i], opt->name) == 0)
			return false;
	return !opt->hidden;
}

const struct option *apply_flags_find(const struct option *table,
				      const char *name)
{
	const struct option *opt = option_find(table, name, strlen(name));

	return opt && apply_flags_is_key(opt) ? opt : NULL;
}

void apply_flags_offer(struct suggest *s, const struct option *table)
{
	const struct option *opt;

	for_each_option (opt, table)
		if (apply_flags_is_key(opt))
			suggest_offer(s, opt->name);
}

int apply_unknown(struct apply_reader *r, const yaml_node_t *at,
		  const char *key, const struct suggest *s)
{
	if (s->best)
		kt_hint(r->err, "did you mean %s?", s->best);
	return reader_fail(r, at, "unknown key: %.60s", key);
}

/* --- values --------------------------------------------------------------- */

/* Written with ',' on a command line (or each by a flag of its own), as a list
 * here */
static bool apply_flags_is_list(const struct option *opt)
{
	switch (opt->type) {
	case VALUE_STRINGS:
	case VALUE_DOMAINS:
	case VALUE_LABELS:
	case VALUE_PAIRS:
	case VALUE_SETTINGS:
	case VALUE_PREFIXES:
	case VALUE_QUOTA:
	case VALUE_ENV_FROM:
	case VALUE_VARIABLES:
	case VALUE_EXPOSE:
		return true;
	default:
		return false;
	}
}

static bool apply_flags_is_map(const struct option *opt)
{
	return opt->type == VALUE_PAIRS || opt->type == VALUE_LABELS ||
	       opt->type == VALUE_SETTINGS;
}

struct apply_joined {
	struct apply_reader *r;
	const struct option *opt;
	char *text;
};

/* One of a list, or one "key: value" of a mapping */
static int apply_flags_join(void *user, const char *key, yaml_node_t *at,
			    yaml_node_t *value)
{
	struct apply_joined *j = user;
	const char *text = reader_text(j->r, value, key ? key : j->opt->name);
	const char between = j->opt->repeats ? j->opt->repeats : ',';
	const char no_key[] = { between, '=', '\0' };
	char *more;

	if (!text)
		return -EINVAL;
	if (strchr(text, between) || (key && strpbrk(key, no_key)) ||
	    (!key && !*text))
		return reader_fail(j->r, at,
				   "%s: '%.60s' is not one entry of a list",
				   j->opt->name, key ? key : text);
	more = xasprintf("%s%.*s%s%s%s", j->text, *j->text ? 1 : 0, &between,
			 key ? key : "", key ? "=" : "", text);
	free(j->text);
	j->text = more;
	return 0;
}

/* As a command line has it; returned (caller frees), NULL with the error set */
static char *apply_flags_text(struct apply_reader *r, const struct option *opt,
			      yaml_node_t *value)
{
	struct apply_joined j = { .r = r, .opt = opt };
	const char *text;

	if ((value->type == YAML_SEQUENCE_NODE && apply_flags_is_list(opt)) ||
	    (value->type == YAML_MAPPING_NODE && apply_flags_is_map(opt))) {
		j.text = xstrdup("");
		if (reader_walk(r, value, apply_flags_join, &j) == 0)
			return j.text;
		free(j.text);
		return NULL;
	}
	text = reader_text(r, value, opt->name);
	return text ? xstrdup(text) : NULL;
}

static int apply_flags_read_one(struct apply_flags *f, struct apply_reader *r,
				const struct option *opt, yaml_node_t *value)
{
	auto_free char *text = apply_flags_text(r, opt, value);
	struct kt_error why = { 0 };

	if (!text)
		return -EINVAL;
	if (value_check(opt, text, &why) < 0)
		return reader_fail(r, value, "%s: %s", opt->name, why.msg);
	f->v = xrealloc(f->v, (f->n + 1) * sizeof(*f->v));
	f->v[f->n++] = (struct apply_flag){ opt, steal_ptr(&text) };
	return 0;
}

/* One of a flag that can be given several times */
struct apply_repeated {
	struct apply_flags *f;
	struct apply_reader *r;
	const struct option *opt;
};

static int apply_flags_repeat(void *user, const char *key, yaml_node_t *at,
			      yaml_node_t *value)
{
	const struct apply_repeated *x = user;

	(void)key;
	(void)at;
	return apply_flags_read_one(x->f, x->r, x->opt, value);
}

int apply_flags_read(struct apply_flags *f, struct apply_reader *r,
		     const struct option *opt, yaml_node_t *value)
{
	struct apply_repeated x = { f, r, opt };

	return opt->repeats && value->type == YAML_SEQUENCE_NODE &&
			       !apply_flags_is_list(opt)
		       ? reader_walk(r, value, apply_flags_repeat, &x)
		       : apply_flags_read_one(f, r, opt, value);
}
