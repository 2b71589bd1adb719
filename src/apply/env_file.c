/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/env_file.h"

#include "apply/item.h"
#include "apply/reader.h"
#include "base/mem.h"
#include "base/words.h"
#include "cli/command.h"
#include "cli/form.h"
#include "cli/options.h"
#include "cli/suggest.h"
#include "cli/value.h"
#include "env/name.h"
#include "env/spec.h"
#include "kube/rest.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const env_file_keys[] = {
	"image",       "set",	 "envFrom",  "replicas", "idle",
	"wakeTimeout", "onJoin", "onDelete", "selector", "service"
};

struct env_parsing {
	struct apply_reader r;
	struct env_file *f;
	bool versioned;
	const struct option *join, *create; /* rows of the commands */
	struct apply_flags flags;	    /* of the member that is read */
};

/* --- a member ------------------------------------------------------------- */

static int env_file_member_key(void *user, const char *key, yaml_node_t *at,
			       yaml_node_t *value)
{
	struct env_parsing *p = user;
	struct suggest s;

	for (size_t i = 0; key && i < ARRAY_SIZE(env_file_keys); i++)
		if (strcmp(key, env_file_keys[i]) == 0)
			return apply_flags_read(&p->flags, &p->r,
						apply_flags_find(p->join, key),
						value);
	if (!key)
		return reader_fail(&p->r, at, "a member is a mapping");
	if (strcmp(key, "local") == 0) {
		kt_hint(p->r.err, "who has the program joins: ktctl env join "
				  "NAME SERVICE --local PORT");
		return reader_fail(&p->r, at,
				   "local: a program of somebody's machine is "
				   "not made by a file");
	}
	suggest_init(&s, key, strlen(key));
	for (size_t i = 0; i < ARRAY_SIZE(env_file_keys); i++)
		suggest_offer(&s, env_file_keys[i]);
	return apply_unknown(&p->r, at, key, &s);
}

static const char *env_file_flag(const struct apply_flags *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].opt->name, name) == 0)
			return f->v[i].text;
	return NULL;
}

/* As many as a command line takes, and those that go together */
static int env_file_check(struct env_parsing *p, const yaml_node_t *at)
{
	const struct apply_flags *f = &p->flags;
	const char *image = env_file_flag(f, "image");
	int ways = (image && *image) + (env_file_flag(f, "selector") != NULL) +
		   (env_file_flag(f, "service") != NULL);

	if (ways != 1)
		return reader_fail(&p->r, at,
				   "one of image, selector and service says "
				   "what the member is");
	if (!image && f->n > 1)
		return reader_fail(&p->r, at,
				   "set, envFrom, replicas, idle, wakeTimeout, "
				   "onJoin and onDelete are for a member with "
				   "an image");
	if (env_file_flag(f, "wakeTimeout") && !env_file_flag(f, "idle"))
		return reader_fail(&p->r, at,
				   "wakeTimeout is for a member with idle");
	return 0;
}

static json_t *env_file_list(const char *text)
{
	struct strv parts = strv_split(text, ',');
	json_t *list = json_array();

	for (size_t i = 0; i < parts.n; i++)
		json_array_append_new(list, json_string(parts.v[i]));
	strv_fini(&parts);
	return list;
}

/* As it is told of one that is there; NULL: as always */
static json_t *env_file_span(const struct option *opt, const char *text)
{
	struct options o = { 0 };
	struct kt_error err = { 0 };
	int64_t ns;

	if (value_set(opt, &o, text, &err) < 0)
		return NULL; /* it was checked before */
	ns = o.env.idle + o.env.wake_timeout;
	return ns && o.env.wake_timeout != ENV_WAKE_DEFAULT ? env_spec_span(ns)
							    : NULL;
}

/* As env/spec.h has it: what is as it always is, is left out */
static json_t *env_file_spec(const struct apply_flags *f)
{
	json_t *spec = json_object();

	for (size_t i = 0; i < f->n; i++) {
		const char *name = f->v[i].opt->name, *text = f->v[i].text;
		json_t *v;

		if (strcmp(name, "set") == 0)
			v = env_spec_map(text, f->v[i].opt->repeats);
		else if (strcmp(name, "selector") == 0)
			v = env_spec_map(text, ',');
		else if (strcmp(name, "envFrom") == 0)
			v = env_file_list(text);
		else if (strcmp(name, "replicas") == 0)
			v = json_integer(strtol(text, NULL, 10));
		else if (strcmp(name, "idle") == 0 ||
			 strcmp(name, "wakeTimeout") == 0)
			v = env_file_span(f->v[i].opt, text);
		else
			v = json_string(text);
		if (json_integer_value(v) != 1 &&
		    (json_object_size(v) || json_array_size(v) ||
		     json_is_string(v) || json_is_integer(v)))
			json_object_set(spec, name, v);
		json_decref(v);
	}
	return spec;
}

/* "--key=text"; one for each part where the flag can be given several times,
 * none for an empty list */
static void env_file_put_words(json_t *words, const struct option *opt,
			       const char *text)
{
	auto_strv struct strv parts = { 0 };

	if (opt->repeats && *text)
		parts = words_cut(text, opt->repeats);
	else if (!opt->repeats)
		strv_add(&parts, text);
	for (size_t i = 0; i < parts.n; i++) {
		auto_free char *word =
			xasprintf("--%s=%s", opt->name, parts.v[i]);

		json_array_append_new(words, json_string(word));
	}
}

static json_t *env_file_words(const struct apply_flags *f)
{
	json_t *words = json_array();

	for (size_t k = 0; k < ARRAY_SIZE(env_file_keys); k++)
		for (size_t i = 0; i < f->n; i++)
			if (strcmp(f->v[i].opt->name, env_file_keys[k]) == 0)
				env_file_put_words(words, f->v[i].opt,
						   f->v[i].text);
	return words;
}

static int env_file_member(void *user, const char *key, yaml_node_t *at,
			   yaml_node_t *value)
{
	struct env_parsing *p = user;
	int rc;

	if (!key || value->type != YAML_MAPPING_NODE)
		return reader_fail(&p->r, at,
				   "members: a mapping of Services is wanted, "
				   "as orders: {image: IMAGE}");
	if (!form_is_name(key))
		return reader_fail(&p->r, at,
				   "members: '%.60s' is no name of a Service",
				   key);
	rc = reader_walk(&p->r, value, env_file_member_key, p);
	if (rc == 0)
		rc = env_file_check(p, at);
	if (rc == 0) {
		json_object_set_new(p->f->members, key,
				    env_file_spec(&p->flags));
		json_object_set_new(p->f->flags, key,
				    env_file_words(&p->flags));
	}
	apply_flags_fini(&p->flags);
	return rc;
}

/* --- the top -------------------------------------------------------------- */

static int env_file_name(struct env_parsing *p, yaml_node_t *value)
{
	const char *text = reader_text(&p->r, value, "environment");
	struct kt_error why = { 0 };

	if (!text)
		return -EINVAL;
	p->f->name = env_name_make(text, NULL, &why);
	return p->f->name ? 0 : reader_fail(&p->r, value, "%s", why.msg);
}

/* A flag of `env create`; returned, caller frees, NULL with the error set */
static char *env_file_value(struct env_parsing *p, const char *key,
			    yaml_node_t *value)
{
	struct apply_flags one = { 0 };
	char *text = NULL;

	if (apply_flags_read(&one, &p->r, apply_flags_find(p->create, key),
			     value) == 0)
		text = xstrdup(one.v[0].text);
	apply_flags_fini(&one);
	return text;
}

static int env_file_strict(struct env_parsing *p, yaml_node_t *value)
{
	auto_free char *text = env_file_value(p, "strict", value);

	p->f->strict = text && strchr("tTyY1", text[0]); /* as set_bool() */
	return text ? 0 : -EINVAL;
}

static int env_file_version(struct env_parsing *p, yaml_node_t *value)
{
	const char *text = reader_text(&p->r, value, "apiVersion");

	if (!text)
		return -EINVAL;
	p->versioned = strcmp(text, APPLY_VERSION) == 0;
	return p->versioned
		       ? 0
		       : reader_fail(
				 &p->r, value,
				 "apiVersion: '%.60s' is not " APPLY_VERSION,
				 text);
}

static int env_file_key(void *user, const char *key, yaml_node_t *at,
			yaml_node_t *value)
{
	static const char *const keys[] = { "apiVersion", "environment",
					    "ttl",	  "strict",
					    "header",	  "members" };
	struct env_parsing *p = user;
	struct suggest s;

	if (strcmp(key, "apiVersion") == 0)
		return env_file_version(p, value);
	if (strcmp(key, "environment") == 0)
		return env_file_name(p, value);
	if (strcmp(key, "strict") == 0)
		return env_file_strict(p, value);
	if (strcmp(key, "header") == 0) {
		p->f->header = env_file_value(p, key, value);
		return p->f->header ? 0 : -EINVAL;
	}
	if (strcmp(key, "ttl") == 0) {
		p->f->ttl = env_file_value(p, key, value);
		return p->f->ttl ? 0 : -EINVAL;
	}
	if (strcmp(key, "members") == 0)
		return reader_walk(&p->r, value, env_file_member, p);
	suggest_init(&s, key, strlen(key));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		suggest_offer(&s, keys[i]);
	return apply_unknown(&p->r, at, key, &s);
}

static int env_file_top(struct env_parsing *p, yaml_node_t *top)
{
	int rc;

	if (top->type != YAML_MAPPING_NODE)
		return reader_fail(&p->r, top,
				   "a mapping is wanted, and this is none");
	rc = reader_walk(&p->r, top, env_file_key, p);
	if (rc == 0 && !p->versioned)
		rc = reader_fail(&p->r, top,
				 "'apiVersion: " APPLY_VERSION "' is missing");
	if (rc == 0 && !p->f->name)
		rc = reader_fail(&p->r, top, "'environment: NAME' is missing");
	return rc;
}

int env_file_parse(struct env_file *f, const char *text, size_t len,
		   const char *shown, struct kt_error *err)
{
	struct env_parsing p = { .f = f,
				 .join = command_find("env join")->options,
				 .create =
					 command_find("env create")->options };
	yaml_node_t *top = reader_init(&p.r, shown, text, len, err);
	int rc;

	*f = (struct env_file){ .members = json_object(),
				.flags = json_object() };
	rc = top ? env_file_top(&p, top) : -EINVAL;
	apply_flags_fini(&p.flags);
	reader_fini(&p.r);
	return rc;
}

void env_file_fini(struct env_file *f)
{
	free(f->name);
	free(f->ttl);
	free(f->header);
	json_decref(f->members);
	json_decref(f->flags);
	*f = (struct env_file){ 0 };
}

/* --- the plan ------------------------------------------------------------- */

static json_t *env_plan_environment(const struct env_file *f,
				    const struct env_state *state)
{
	json_t *words = json_pack("[s, s, s]", "env",
				  state->exists ? "extend" : "create", f->name);
	auto_free char *ttl = f->ttl ? xasprintf("--ttl=%s", f->ttl) : NULL;

	if (ttl)
		json_array_append_new(words, json_string(ttl));
	if (f->strict && !state->exists)
		json_array_append_new(words, json_string("--strict"));
	if (f->header && !state->exists)
		json_array_append_new(words,
				      json_sprintf("--header=%s", f->header));
	return words;
}

/* Whose it is does not make it another one */
static bool env_plan_same(const json_t *there, const json_t *wanted)
{
	auto_json json_t *spec = json_copy((json_t *)(uintptr_t)there);

	json_object_del(spec, "user");
	return json_equal(spec, wanted);
}

static void env_plan_join(json_t *plan, const struct env_file *f,
			  const struct env_state *state)
{
	const char *service;
	json_t *wanted;

	json_object_foreach (f->members, service, wanted) {
		const json_t *there = json_object_get(state->members, service);
		json_t *words;

		if (there && env_plan_same(there, wanted))
			continue;
		words = json_pack("[s, s, s, s]", "env", "join", f->name,
				  service);
		json_array_extend(words, json_object_get(f->flags, service));
		json_array_append_new(plan, words);
	}
}

static void env_plan_leave(json_t *plan, const struct env_file *f,
			   const struct env_state *state, struct strv *notes)
{
	const char *service;
	json_t *there;

	json_object_foreach ((json_t *)(uintptr_t)state->members, service,
			     there) {
		const char *local = json_str(there, "local", NULL);
		const char *user = json_str(there, "user", NULL);

		if (json_object_get(f->members, service))
			continue;
		if (local)
			strv_take(notes, xasprintf("%s stays: it is on a "
						   "machine (%s)",
						   service, local));
		else if (!state->force && !str_eq(user, state->user))
			strv_take(notes,
				  xasprintf("%s stays: it is %s's", service,
					    user ? user : "nobody"));
		else
			json_array_append_new(
				plan, json_pack("[s, s, s, s]", "env", "leave",
						f->name, service));
	}
}

json_t *env_file_plan(const struct env_file *f, const struct env_state *state,
		      struct strv *notes, struct kt_error *err)
{
	json_t *plan, *words;
	size_t i;

	if (state->exists && state->strict != f->strict) {
		kt_hint(err, "'ktctl env delete %s' first", f->name);
		kt_fail(err, EEXIST,
			"environment %s is there, and is %sstrict; that is "
			"said when it is made",
			f->name, state->strict ? "" : "not ");
		return NULL;
	}
	if (state->exists && f->header &&
	    strcasecmp(state->header, f->header) != 0) {
		kt_hint(err, "'ktctl env delete %s' first", f->name);
		kt_fail(err, EEXIST,
			"environment %s is there, and its header is %s; that "
			"is "
			"said when it is made",
			f->name, state->header[0] ? state->header : "none");
		return NULL;
	}
	plan = json_array();
	/* without a time it keeps the one that it has */
	if (!state->exists || f->ttl)
		json_array_append_new(plan, env_plan_environment(f, state));
	env_plan_leave(plan, f, state, notes);
	env_plan_join(plan, f, state);
	json_array_foreach (plan, i, words)
		if (state->force)
			json_array_append_new(words, json_string("--force"));
	return plan;
}
