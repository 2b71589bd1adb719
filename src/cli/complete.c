/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/live.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/profile.h"
#include "cli/subject.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "control/ask.h"

#include <string.h>

/**
 * DOC: Completion
 *
 * "ktctl __complete WORDS... CURRENT" prints what CURRENT may become, one per
 * line with its description behind a tab, then ":4", or ":0" where files are
 * wanted. KT Connect's scripts understand that as well.
 */

struct complete {
	const struct home *home;
	const char *current; /* what the candidates begin with */
	const char *keep;    /* "--flag=" before a value, or "" */
	size_t keep_len;
	bool describe;
	bool files;
	char *const *words; /* that are complete, from 1 on */
	int nwords;
	const char *target; /* the first argument, or NULL */
};

static void complete_offer(const struct complete *c, const char *text,
			   const char *about)
{
	if (!str_starts(text, c->current))
		return;
	about = c->describe ? about : NULL;
	print_line(stdout, "%.*s%s%s%s", (int)c->keep_len, c->keep, text,
		   about ? "\t" : "", about ? about : "");
}

/* --- names of the cluster ------------------------------------------------- */

/* "NAME<tab>DESCRIPTION", or the name alone */
static void offer_line(const struct complete *c, char *line)
{
	char *about = strchr(line, '\t');

	if (about)
		*about++ = '\0';
	complete_offer(c, line, about);
}

static void offer_live(const struct complete *c, const char *kind,
		       const char *of)
{
	auto_strv struct strv names = { 0 };

	live_names(kind, of, c->words, c->nwords, &names);
	for (size_t i = 0; i < names.n; i++)
		offer_line(c, names.v[i]);
}

/* Of the Service that was named: the last one of a list is completed */
static void offer_ports(struct complete *c)
{
	const char *comma = strrchr(c->current, ',');
	struct subject s;

	if (!c->target || subject_parse(&s, c->target, NULL) < 0 ||
	    s.kind != SUBJECT_SERVICE || s.ns[0])
		return;
	if (comma) {
		if (!c->keep_len)
			c->keep = c->current;
		c->keep_len = (size_t)(comma + 1 - c->keep);
		c->current = comma + 1;
	}
	offer_live(c, LIVE_PORTS, s.name);
}

static void offer_targets(const struct complete *c, bool pods)
{
	if (!strchr(c->current, '/')) {
		offer_live(c, LIVE_SERVICES, NULL);
		return;
	}
	offer_live(c, LIVE_WORKLOADS, NULL);
	if (pods)
		offer_live(c, LIVE_PODS, NULL);
}

/* The value of a flag; true: it is a name of the cluster */
static bool offer_live_value(struct complete *c, const struct option *opt)
{
	if (strcmp(opt->name, "namespace") == 0)
		offer_live(c, LIVE_NAMESPACES, NULL);
	else if (strcmp(opt->name, "context") == 0)
		offer_live(c, LIVE_CONTEXTS, NULL);
	else if (strcmp(opt->name, "env") == 0 ||
		 strcmp(opt->name, "parent") == 0)
		offer_live(c, LIVE_ENVS, NULL);
	else if (strcmp(opt->name, "service") == 0)
		offer_live(c, LIVE_SERVICES, NULL);
	else if (opt->type == VALUE_EXPOSE)
		offer_ports(c);
	else
		return false;
	return true;
}

/* --- values --------------------------------------------------------------- */

static void offer_values(struct complete *c, const struct option *opt)
{
	switch (opt->type) {
	case VALUE_CHOICE:
		for (size_t i = 0; opt->choices[i]; i++)
			complete_offer(c, opt->choices[i], NULL);
		break;
	case VALUE_BOOL:
		complete_offer(c, "true", NULL);
		complete_offer(c, "false", NULL);
		break;
	case VALUE_FAMILY:
		complete_offer(c, "4", NULL);
		complete_offer(c, "6", NULL);
		break;
	case VALUE_DNS_MODE:
		complete_offer(c, "localDNS",
			       "cluster names through a local resolver");
		complete_offer(c, "podDNS",
			       "the cluster's DNS, with sshuttle only");
		complete_offer(c, "hosts", "names in /etc/hosts");
		break;
	default:
		if (!offer_live_value(c, opt))
			c->files = strcmp(opt->name, "kubeconfig") == 0 ||
				   strcmp(opt->name, "file") == 0 ||
				   strcmp(opt->name, "envFile") == 0;
		break;
	}
}

/* --- flags ---------------------------------------------------------------- */

static void offer_flag(const struct complete *c, const char *name,
		       const char *about)
{
	auto_free char *flag = xasprintf("--%s", name);

	complete_offer(c, flag, about);
}

static void offer_flags(const struct complete *c, const struct command *cmd)
{
	const struct option *opt;

	for_each_option (opt, cmd ? cmd->options : NULL)
		if (!opt->hidden)
			offer_flag(c, opt->name, opt->summary);
	for_each_option (opt, global_option_table)
		if (!opt->hidden)
			offer_flag(c, opt->name, opt->summary);
	offer_flag(c, "help", "show the help of a command");
	if (!cmd)
		offer_flag(c, "version", "show the version");
}

/* "--flag=val": the values of the flag, with "--flag=" kept in front */
static void offer_flag_value(struct complete *c, const struct command *cmd)
{
	const char *name = c->current + 2, *eq = strchr(name, '=');
	size_t len = (size_t)(eq - name);
	const struct option *opt =
		option_find(cmd ? cmd->options : NULL, name, len);

	if (!opt)
		opt = option_find(global_option_table, name, len);
	if (!opt)
		return;
	c->keep = c->current;
	c->keep_len = (size_t)(eq + 1 - c->current);
	c->current = eq + 1;
	offer_values(c, opt);
}

/* --- words ---------------------------------------------------------------- */

static void offer_commands(const struct complete *c,
			   const struct command *parent)
{
	const struct command *cmd;

	for_each_command (cmd)
		if (!cmd->hidden && (parent ? command_is_child(cmd, parent)
					    : !strchr(cmd->name, ' ')))
			complete_offer(c, command_word(cmd), cmd->summary);
}

static void offer_known_items(const struct complete *c)
{
	for (size_t i = 0; config_items[i]; i++) {
		const struct option *opt = option_by_item(config_items[i]);

		complete_offer(c, config_items[i], opt ? opt->summary : NULL);
	}
}

static void offer_set_items(const struct complete *c)
{
	struct config cfg;

	if (config_load(&cfg, c->home, "", "config", NULL) < 0)
		return;
	for (size_t i = 0; i < cfg.n; i++) {
		auto_free char *name =
			xasprintf("%s.%s", cfg.v[i].group, cfg.v[i].item);

		complete_offer(c, name, cfg.v[i].value);
	}
	config_fini(&cfg);
}

static void offer_profiles(const struct complete *c)
{
	auto_strv struct strv names = { 0 };

	if (profile_list(c->home, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		complete_offer(c, names.v[i], NULL);
}

/* Sessions that run, and their commands */
static void offer_sessions(const struct complete *c)
{
	auto_strv struct strv names = { 0 };

	ask_names(c->home, &names);
	for (size_t i = 0; i < names.n; i++)
		complete_offer(c, names.v[i], NULL);
}

/* of help: a command, then one of its sub-commands */
static void offer_topics(const struct complete *c,
			 const struct parse_context *ctx)
{
	const struct command *parent = NULL;

	if (ctx->nargs)
		parent = command_find(ctx->first);
	if (parent || !ctx->nargs)
		offer_commands(c, parent);
}

/* The name of an environment, then what the command is about */
static void offer_env_argument(const struct complete *c,
			       const struct parse_context *ctx)
{
	const char *command = command_word(ctx->command);
	bool share = strcmp(command, "share") == 0;

	if (strcmp(command, "init") == 0)
		offer_live(c, LIVE_SERVICES, NULL);
	else if (strcmp(command, "create") == 0 || ctx->flags_ended)
		return;
	else if (!ctx->nargs && ctx->command->max_args)
		offer_live(c, LIVE_ENVS, NULL);
	else if (ctx->nargs == 1 && share)
		offer_live(c, LIVE_HOSTS, ctx->first);
	else if (ctx->nargs == 1 && strcmp(command, "leave") == 0)
		offer_live(c, LIVE_MEMBERS, ctx->first);
	else if (ctx->nargs == (share ? 2 : 1) &&
		 ctx->command->max_args > ctx->nargs &&
		 strcmp(command, "run") != 0)
		offer_live(c, LIVE_SERVICES, NULL);
}

/* Arguments that are names of the cluster, or of sessions; true: this is one */
static bool offer_live_argument(const struct complete *c,
				const struct parse_context *ctx)
{
	const char *name = ctx->command->name;

	if ((strcmp(name, "exchange") == 0 || strcmp(name, "mesh") == 0) &&
	    !ctx->nargs)
		offer_targets(c, false);
	else if (strcmp(name, "forward") == 0 ||
		 ((strcmp(name, "run") == 0 || strcmp(name, "env-file") == 0) &&
		  !ctx->nargs && !ctx->flags_ended))
		offer_targets(c, true);
	else if ((strcmp(name, "recover") == 0 && !ctx->nargs) ||
		 (strcmp(name, "doctor") == 0 && ctx->nargs == 1))
		offer_live(c, LIVE_SERVICES, NULL);
	else if (str_starts(name, "env "))
		offer_env_argument(c, ctx);
	else if (strcmp(name, "disconnect") == 0 || strcmp(name, "events") == 0)
		offer_sessions(c);
	else
		return false;
	return true;
}

static void offer_arguments(struct complete *c, const struct parse_context *ctx)
{
	const char *name = ctx->command->name;

	if (offer_live_argument(c, ctx))
		return;
	if (strcmp(name, "help") == 0 && ctx->nargs < 2) {
		offer_topics(c, ctx);
	} else if (strcmp(name, "config set") == 0 && ctx->nargs == 1) {
		const struct option *opt = option_by_item(ctx->first);

		if (opt)
			offer_values(c, opt);
	} else if (strcmp(name, "config set") == 0 && !ctx->nargs) {
		offer_known_items(c);
	} else if (strcmp(name, "config get") == 0 ||
		   strcmp(name, "config unset") == 0) {
		offer_set_items(c);
	} else if (str_ends(name, "-profile") && !ctx->nargs &&
		   ctx->command->max_args) {
		offer_profiles(c);
	}
}

int command_complete(struct app *app, const struct options *o)
{
	struct complete c = {
		.home = app->home,
		.current = o->nargs ? o->args[o->nargs - 1] : "",
		.keep = "",
		.describe = strcmp(o->command->name, "__complete") == 0,
	};
	auto_free char **words = xcalloc(o->nargs + 1, sizeof(*words));
	struct parse_context ctx;

	/* the words that are complete, behind the program's name */
	for (size_t i = 0; i + 1 < o->nargs; i++)
		words[i + 1] = o->args[i];
	c.words = words;
	c.nwords = (int)MAX(o->nargs, 1);
	parse_context(&ctx, c.nwords, words);
	c.target = ctx.first;
	if (ctx.pending)
		offer_values(&c, ctx.pending);
	else if (!ctx.flags_ended && str_starts(c.current, "--") &&
		 strchr(c.current, '='))
		offer_flag_value(&c, ctx.command);
	else if (!ctx.flags_ended && c.current[0] == '-')
		offer_flags(&c, ctx.command);
	else if (!ctx.command || !ctx.command->run)
		offer_commands(&c, ctx.command);
	else
		offer_arguments(&c, &ctx);
	print_line(stdout, "%s", c.files ? ":0" : ":4");
	return EXIT_OK;
}
