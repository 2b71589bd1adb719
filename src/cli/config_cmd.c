/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl config show, get, set, unset. Profiles: config_profile.c */
#include "cli/app.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/options.h"
#include "cli/suggest.h"
#include "cli/value.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* "group.item" of @name cut at its first dot: @group is returned, caller
 * frees; @item is borrowed from @name */
static char *split_item(const char *name, const char **item)
{
	const char *dot = strchr(name, '.');

	*item = dot ? dot + 1 : "";
	return xstrndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

static int unknown_item(const char *name, struct kt_error *err)
{
	struct suggest s;

	suggest_init(&s, name, strlen(name));
	for (size_t i = 0; config_items[i]; i++)
		suggest_offer(&s, config_items[i]);
	if (s.best)
		kt_hint(err, "did you mean %s?", s.best);
	else
		kt_hint(err, "ktctl config show --all lists every item");
	return kt_fail(err, EINVAL, "unknown item: %s", name);
}

static bool is_set(const struct config *cfg, const char *name,
		   const char **value)
{
	const char *item;
	auto_free char *group = split_item(name, &item);

	*value = config_value(cfg, group, item);
	return *value;
}

/* Items of KT Connect that we know come in its order, foreign ones last */
static void print_foreign(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n; i++) {
		const struct config_entry *e = &cfg->v[i];
		auto_free char *name = xasprintf("%s.%s", e->group, e->item);

		if (!config_item_known(name))
			print_line(stdout, "%s = %s", name, e->value);
	}
}

int command_config_show(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct config cfg;
	const char *value;

	if (config_load(&cfg, app->home, "", "config", &err) < 0)
		return app_fail(app, -err.code, &err);
	for (size_t i = 0; config_items[i]; i++) {
		if (is_set(&cfg, config_items[i], &value))
			print_line(stdout, "%s = %s", config_items[i], value);
		else if (o->config.all &&
			 strcmp(config_items[i], "global.as-worker") != 0)
			print_line(stdout, "%s", config_items[i]);
	}
	print_foreign(&cfg);
	config_fini(&cfg);
	return EXIT_OK;
}

int command_config_get(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct config cfg;
	const char *value;
	int rc = config_load(&cfg, app->home, "", "config", &err);

	for (size_t i = 0; rc == 0 && i < o->nargs; i++) {
		if (is_set(&cfg, o->args[i], &value))
			print_line(stdout, "%s = %s", o->args[i], value);
		else if (config_item_known(o->args[i]))
			print_line(stdout, "%s = <empty>", o->args[i]);
		else
			rc = unknown_item(o->args[i], &err);
	}
	config_fini(&cfg);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}

/* The forms "item value", "item = value", "item=value", also with the "="
 * stuck to either side: @name is returned, caller frees; @value is borrowed */
static char *set_words(const struct options *o, const char **value)
{
	const char *first = o->args[0], *eq = strchr(first, '=');

	*value = NULL;
	if (o->nargs == 1 && eq) {
		*value = eq + 1;
		return xstrndup(first, (size_t)(eq - first));
	}
	if (o->nargs == 2 && eq && !eq[1]) { /* item= value */
		*value = o->args[1];
		return xstrndup(first, (size_t)(eq - first));
	}
	if (o->nargs == 2 && o->args[1][0] == '=' && o->args[1][1])
		*value = o->args[1] + 1; /* item =value */
	else if (o->nargs == 2)
		*value = o->args[1];
	else if (o->nargs == 3 && strcmp(o->args[1], "=") == 0)
		*value = o->args[2];
	return xstrdup(first);
}

/* Refuse now what the command would refuse later */
static int check_item(const char *name, const char *value, struct kt_error *err)
{
	const struct option *opt = option_by_item(name);
	json_t *text;
	int rc;

	if (!config_item_known(name))
		return unknown_item(name, err);
	text = json_string(value);
	if (!text)
		return kt_fail(err, EINVAL, "the value of %s is not UTF-8",
			       name);
	json_decref(text);
	rc = opt ? value_check(opt, value, err) : 0;
	return rc < 0 ? kt_wrap(err, rc, "%s", name) : 0;
}

int command_config_set(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct config cfg = { 0 };
	const char *value, *item;
	auto_free char *name = set_words(o, &value);
	auto_free char *group = split_item(name, &item);
	int rc;

	if (!value) {
		kt_fail(&err, EINVAL, "config set: there is no value");
		kt_hint(&err, "usage: ktctl config set <item> <value>, or "
			      "<item>=<value>");
		return app_usage(app, &err);
	}
	if (check_item(name, value, &err) < 0)
		return app_usage(app, &err);
	rc = config_load(&cfg, app->home, "", "config", &err);
	if (rc == 0) {
		config_set(&cfg, group, item, value);
		rc = config_save(&cfg, app->home, "", "config", &err);
	}
	config_fini(&cfg);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}

int command_config_unset(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct config cfg = { 0 };
	int rc = 0;

	if (!o->config.all && !o->nargs) {
		kt_fail(&err, EINVAL, "config unset: an item is missing");
		kt_hint(&err, "usage: ktctl config unset <item>... | --all");
		return app_usage(app, &err);
	}
	/* --all is also the way out of a damaged file */
	if (!o->config.all)
		rc = config_load(&cfg, app->home, "", "config", &err);
	for (size_t i = 0; rc == 0 && i < o->nargs; i++) {
		const char *item;
		auto_free char *group = split_item(o->args[i], &item);

		if (!config_unset(&cfg, group, item) &&
		    !config_item_known(o->args[i]) && !o->config.all)
			rc = unknown_item(o->args[i], &err);
	}
	if (rc == 0)
		rc = config_save(&cfg, app->home, "", "config", &err);
	config_fini(&cfg);
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}
