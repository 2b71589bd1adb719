/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/file.h"

#include "apply/item.h"
#include "apply/reader.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/value.h"

#include <errno.h>
#include <string.h>

#define APPLY_NAME_MAX 63

/* In the order in which they are started: what the others may need first */
static const char *const apply_commands[] = { "connect", "forward", "exchange",
					      "mesh", "preview" };

static const char *const apply_keys[] = { "apiVersion", "name", "run" };

struct apply_parsing {
	struct apply_reader r;
	struct apply_file *f;
	const struct apply_source *src;
	struct apply_flags common;
	bool versioned;
	/* of apply_commands: what stands under its key */
	yaml_node_t *at[ARRAY_SIZE(apply_commands)];
	yaml_node_t *value[ARRAY_SIZE(apply_commands)];
	const struct command *command; /* of the list that is walked */
};

/* --- the top -------------------------------------------------------------- */

static int apply_file_version(struct apply_parsing *p, yaml_node_t *value)
{
	const char *text = reader_text(&p->r, value, "apiVersion");

	if (!text)
		return -EINVAL;
	if (strcmp(text, APPLY_VERSION) != 0)
		return reader_fail(&p->r, value,
				   "apiVersion: '%.60s' is not " APPLY_VERSION,
				   text);
	p->versioned = true;
	return 0;
}

static int apply_file_name(struct apply_parsing *p, yaml_node_t *value)
{
	const char *text = reader_text(&p->r, value, "name");
	size_t n;

	if (!text)
		return -EINVAL;
	n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-_.");
	if (!n || text[n] || n > APPLY_NAME_MAX)
		return reader_fail(&p->r, value,
				   "name: '%.80s' is not 1 to %d letters, "
				   "digits, '-', '_' and '.'",
				   text, APPLY_NAME_MAX);
	p->f->name = xstrdup(text);
	return 0;
}

static int apply_file_run_word(void *user, const char *key, yaml_node_t *at,
			       yaml_node_t *value)
{
	struct apply_parsing *p = user;
	const char *text = reader_text(&p->r, value, "run");

	(void)key;
	(void)at;
	if (text)
		strv_add(&p->f->run, text);
	return text ? 0 : -EINVAL;
}

static int apply_file_run(struct apply_parsing *p, yaml_node_t *value)
{
	int rc;

	if (value->type != YAML_SEQUENCE_NODE) {
		kt_hint(p->r.err, "for instance run: [npm, run, dev]; a shell "
				  "is run: [sh, -c, \"...\"]");
		return reader_fail(&p->r, value,
				   "run is a list of the command's words");
	}
	rc = reader_walk(&p->r, value, apply_file_run_word, p);
	if (rc == 0 && (!p->f->run.n || !p->f->run.v[0][0]))
		rc = reader_fail(&p->r, value, "run names no command");
	return rc;
}

static int apply_file_key(void *user, const char *key, yaml_node_t *at,
			  yaml_node_t *value)
{
	struct apply_parsing *p = user;
	const struct option *opt = apply_flags_find(global_option_table, key);
	struct suggest s;

	if (strcmp(key, "apiVersion") == 0)
		return apply_file_version(p, value);
	if (strcmp(key, "name") == 0)
		return apply_file_name(p, value);
	if (strcmp(key, "run") == 0)
		return apply_file_run(p, value);
	if (opt)
		return apply_flags_read(&p->common, &p->r, opt, value);
	suggest_init(&s, key, strlen(key));
	for (size_t i = 0; i < ARRAY_SIZE(apply_commands); i++) {
		if (strcmp(key, apply_commands[i]) == 0) {
			p->at[i] = at;
			p->value[i] = value;
			return 0;
		}
		suggest_offer(&s, apply_commands[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(apply_keys); i++)
		suggest_offer(&s, apply_keys[i]);
	apply_flags_offer(&s, global_option_table);
	return apply_unknown(&p->r, at, key, &s);
}

/* --- jobs ----------------------------------------------------------------- */

static int apply_file_unique(struct apply_parsing *p, yaml_node_t *at)
{
	const struct apply_file *f = p->f;
	const struct apply_item *last = &f->item[f->n - 1];

	for (const struct apply_item *i = f->item; i < last; i++)
		if (strcmp(i->digest, last->digest) == 0)
			return reader_fail(&p->r, at,
					   "%s is there twice, first in line "
					   "%d",
					   last->label, i->line);
	return 0;
}

static int apply_file_add(struct apply_parsing *p, yaml_node_t *node,
			  yaml_node_t *at)
{
	struct apply_file *f = p->f;
	int rc;

	if (f->n == APPLY_ITEMS_MAX)
		return reader_fail(&p->r, at, "more than %d jobs",
				   APPLY_ITEMS_MAX);
	f->item = xrealloc(f->item, (f->n + 1) * sizeof(*f->item));
	rc = apply_item_read(&f->item[f->n++], &p->r, p->command, node, at,
			     &p->common, p->src);
	return rc < 0 ? rc : apply_file_unique(p, at);
}

static int apply_file_entry(void *user, const char *key, yaml_node_t *at,
			    yaml_node_t *value)
{
	(void)key;
	return apply_file_add(user, value, at);
}

/* There is one at most: true, false, or its flags */
static int apply_file_connect(struct apply_parsing *p, yaml_node_t *value,
			      yaml_node_t *at)
{
	const struct option yes = { "connect", .type = VALUE_BOOL };
	const char *text;
	struct kt_error why = { 0 };
	bool on;

	if (value->type == YAML_MAPPING_NODE)
		return apply_file_add(p, value, at);
	text = reader_text(&p->r, value, "connect");
	if (!text)
		return -EINVAL;
	if (value_check(&yes, text, &why) < 0)
		return reader_fail(&p->r, value,
				   "connect: %s, nor are there flags", why.msg);
	on = strchr("tTyY1", text[0]); /* as set_bool() has it */
	return on ? apply_file_add(p, NULL, at) : 0;
}

static int apply_file_jobs(struct apply_parsing *p)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(apply_commands); i++) {
		yaml_node_t *value = p->value[i];

		if (!value)
			continue;
		p->command = command_find(apply_commands[i]);
		if (i == 0)
			rc = apply_file_connect(p, value, p->at[i]);
		else if (value->type == YAML_SEQUENCE_NODE)
			rc = reader_walk(&p->r, value, apply_file_entry, p);
		else
			rc = reader_fail(&p->r, value,
					 "%s is a list: each entry begins with "
					 "'- '",
					 apply_commands[i]);
	}
	return rc;
}

/* --- interface ------------------------------------------------------------ */

static int apply_file_top(struct apply_parsing *p, yaml_node_t *top)
{
	int rc;

	if (top->type != YAML_MAPPING_NODE)
		return reader_fail(&p->r, top,
				   "a mapping is wanted, and this is none");
	rc = reader_walk(&p->r, top, apply_file_key, p);
	if (rc == 0 && !p->versioned)
		rc = reader_fail(&p->r, top,
				 "'apiVersion: " APPLY_VERSION "' is missing");
	if (rc == 0 && !p->f->name)
		p->f->name = xstrdup(p->src->name);
	return rc < 0 ? rc : apply_file_jobs(p);
}

int apply_file_parse(struct apply_file *f, const char *text, size_t len,
		     const struct apply_source *src, struct kt_error *err)
{
	struct apply_parsing p = { .f = f, .src = src };
	yaml_node_t *top = reader_init(&p.r, src->shown, text, len, err);
	int rc;

	*f = (struct apply_file){ 0 };
	rc = top ? apply_file_top(&p, top) : -EINVAL;
	apply_flags_fini(&p.common);
	reader_fini(&p.r);
	return rc;
}

void apply_file_fini(struct apply_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		apply_item_fini(&f->item[i]);
	free(f->item);
	free(f->name);
	strv_fini(&f->run);
	*f = (struct apply_file){ 0 };
}
