/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/parse.h"

#include "base/mem.h"
#include "cli/command.h"
#include "cli/suggest.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Two passes
 *
 * Flags may stand before the command whose flags they are ("ktctl --mode
 * sshuttle connect"), so the command has to be found first: the first pass
 * only skips flags and their values, by the rows of all commands. The second
 * pass takes the words one by one, with the rows of the one command.
 */

static const struct option help_options[] = {
	{ "help", 'h', VALUE_BOOL, "false", NULL, "show this help" },
	{ 0 },
};

static const struct option version_options[] = {
	{ "version", 'v', VALUE_BOOL, "false", NULL, "show the version" },
	{ 0 },
};

struct parser {
	struct invocation *inv;
	struct kt_error *err;
	char *const *argv;
	int argc;
	int next;     /* word to look at */
	int words[2]; /* places of the words that name the command, or 0 */
};

/* --- first pass ----------------------------------------------------------- */

static const struct option *option_of(const struct option *table,
				      const char *name, size_t len, char letter)
{
	return name ? option_find(table, name, len)
		    : option_find_letter(table, letter);
}

/* The option of @cmd (NULL: not known) of that name (or, without one, of that
 * letter), else any command's: it may stand before the command */
static const struct option *option_anywhere(const struct command *cmd,
					    const char *name, size_t len,
					    char letter)
{
	const struct option *opt =
		option_of(cmd ? cmd->options : NULL, name, len, letter);
	const struct command *c;

	if (!opt)
		opt = option_of(global_option_table, name, len, letter);
	for_each_command (c) {
		if (opt)
			break;
		opt = option_of(c->options, name, len, letter);
	}
	return opt;
}

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1];
}

/* The option of the flag @word that takes the next word as its value, or NULL
 */
static const struct option *takes_next(const struct command *cmd,
				       const char *word)
{
	const struct option *opt;

	if (word[1] == '-') {
		if (strchr(word, '='))
			return NULL;
		opt = option_anywhere(cmd, word + 2, strlen(word + 2), 0);
		return opt && opt->type != VALUE_BOOL ? opt : NULL;
	}
	for (const char *p = word + 1; *p; p++) {
		opt = option_anywhere(cmd, NULL, 0, *p);
		if (!opt || p[1] == '=')
			return NULL;
		if (opt->type != VALUE_BOOL)
			return p[1] ? NULL : opt;
	}
	return NULL;
}

/* The sub-command of @parent (NULL: the command) whose word is @word */
static const struct command *find_child(const struct command *parent,
					const char *word)
{
	const struct command *c;

	for_each_command (c) {
		if (parent ? !command_is_child(c, parent)
			   : strchr(c->name, ' ') != NULL)
			continue;
		if (strcmp(command_word(c), word) == 0)
			return c;
	}
	return NULL;
}

static void find_command(struct parser *p)
{
	const struct command *c = NULL;

	for (int i = 1, depth = 0; i < p->argc && depth < 2; i++) {
		const char *word = p->argv[i];
		const struct command *child;

		if (strcmp(word, "--") == 0)
			return;
		if (is_flag(word)) {
			i += takes_next(c, word) != NULL;
			continue;
		}
		child = find_child(c, word);
		if (!child)
			return;
		p->words[depth++] = i;
		p->inv->command = c = child;
		if (c->run)
			return;
	}
}

/* --- second pass ---------------------------------------------------------- */

static int unknown_flag(struct parser *p, const char *dashes, const char *flag,
			size_t len)
{
	const struct command *c = p->inv->command;
	const struct option *opt;
	struct suggest s;

	suggest_init(&s, flag, len);
	if (len > 1) {
		for_each_option (opt, c ? c->options : NULL)
			if (!opt->hidden)
				suggest_offer(&s, opt->name);
		for_each_option (opt, global_option_table)
			suggest_offer(&s, opt->name);
		suggest_offer(&s, "help");
		if (!c)
			suggest_offer(&s, "version");
	}
	if (s.best)
		kt_hint(p->err, "did you mean --%s?", s.best);
	return kt_fail(p->err, EINVAL, "unknown flag: %s%.*s", dashes, (int)len,
		       flag);
}

static const struct option *lookup(const struct parser *p, const char *name,
				   size_t len, char letter)
{
	const struct command *c = p->inv->command;
	const struct option *tables[] = { c ? c->options : NULL,
					  global_option_table, help_options,
					  c ? NULL : version_options };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct option *opt =
			name ? option_find(tables[i], name, len)
			     : option_find_letter(tables[i], letter);

		if (opt)
			return opt;
	}
	return NULL;
}

static void take_flag(struct parser *p, const struct option *opt,
		      const char *text)
{
	struct invocation *inv = p->inv;

	if (opt == help_options || opt == version_options) {
		bool on = strcmp(text, "false") != 0;

		if (opt == help_options)
			inv->help = on;
		else
			inv->version = on;
		return;
	}
	inv->flags =
		xrealloc(inv->flags, (inv->nflags + 1) * sizeof(*inv->flags));
	inv->flags[inv->nflags++] = (struct given){ opt, text };
}

static int take_long(struct parser *p, const char *word)
{
	const char *name = word + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct option *opt = lookup(p, name, len, 0);

	if (!opt || !len)
		return unknown_flag(p, "--", name, len);
	if (eq)
		take_flag(p, opt, eq + 1);
	else if (opt->type == VALUE_BOOL)
		take_flag(p, opt, "true");
	else if (p->next < p->argc)
		take_flag(p, opt, p->argv[p->next++]);
	else
		return kt_fail(p->err, EINVAL, "flag needs a value: --%s %s",
			       opt->name, opt->metavar);
	return 0;
}

static int take_short(struct parser *p, const char *word)
{
	for (const char *s = word + 1; *s; s++) {
		const struct option *opt = lookup(p, NULL, 0, *s);

		if (!opt)
			return unknown_flag(p, "-", s, 1);
		if (s[1] == '=') {
			take_flag(p, opt, s + 2);
			return 0;
		}
		if (opt->type == VALUE_BOOL) {
			take_flag(p, opt, "true");
			continue;
		}
		if (s[1])
			take_flag(p, opt, s + 1);
		else if (p->next < p->argc)
			take_flag(p, opt, p->argv[p->next++]);
		else
			return kt_fail(p->err, EINVAL,
				       "flag needs a value: -%c %s", *s,
				       opt->metavar);
		return 0;
	}
	return 0;
}

static int unknown_command(struct parser *p, const char *word)
{
	const struct command *parent = p->inv->command, *c;
	struct suggest s;

	suggest_init(&s, word, strlen(word));
	for_each_command (c) {
		if (c->hidden || (parent ? !command_is_child(c, parent)
					 : strchr(c->name, ' ') != NULL))
			continue;
		suggest_offer(&s, command_word(c));
	}
	if (s.best)
		kt_hint(p->err, "did you mean %s?", s.best);
	return kt_fail(p->err, EINVAL, "unknown command: %s%s%s",
		       parent ? parent->name : "", parent ? " " : "", word);
}

static int parse_take_word(struct parser *p, int at)
{
	struct invocation *inv = p->inv;

	if (at == p->words[0] || at == p->words[1])
		return 0;
	if (!inv->command || !inv->command->run)
		return unknown_command(p, p->argv[at]);
	inv->args = xrealloc(inv->args, (inv->nargs + 2) * sizeof(*inv->args));
	inv->args[inv->nargs++] = p->argv[at];
	inv->args[inv->nargs] = NULL;
	return 0;
}

static int take_words(struct parser *p)
{
	bool flags = true;

	for (p->next = 1; p->next < p->argc && !p->inv->help;) {
		const char *word = p->argv[p->next++];
		int rc;

		if (flags && strcmp(word, "--") == 0) {
			flags = false;
			p->inv->ended = true;
			p->inv->nbefore = p->inv->nargs;
			continue;
		}
		if (!flags || !is_flag(word))
			rc = parse_take_word(p, p->next - 1);
		else if (word[1] == '-')
			rc = take_long(p, word);
		else
			rc = take_short(p, word);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_count(const struct invocation *inv, struct kt_error *err)
{
	const struct command *c = inv->command;

	if (inv->nargs < c->min_args)
		kt_fail(err, EINVAL, "%s: an argument is missing", c->name);
	else if (!c->max_args && inv->nargs)
		kt_fail(err, EINVAL, "%s takes no arguments: %s", c->name,
			inv->args[0]);
	else if (inv->nargs > c->max_args)
		kt_fail(err, EINVAL, "%s: too many arguments: %s", c->name,
			inv->args[c->max_args]);
	else
		return 0;
	kt_hint(err, "usage: ktctl %s%s%s [flags]", c->name,
		*c->args ? " " : "", c->args);
	return -EINVAL;
}

int parse_argv(struct invocation *inv, int argc, char *const *argv,
	       struct kt_error *err)
{
	struct parser p = {
		.inv = inv, .err = err, .argv = argv, .argc = argc
	};
	int rc;

	*inv = (struct invocation){ 0 };
	find_command(&p);
	if (inv->command && inv->command->raw) {
		size_t n = (size_t)(argc - p.words[0] - 1);

		inv->args = xcalloc(n + 1, sizeof(*inv->args));
		for (inv->nargs = 0; inv->nargs < n; inv->nargs++)
			inv->args[inv->nargs] =
				argv[(size_t)p.words[0] + 1 + inv->nargs];
		return 0;
	}
	rc = take_words(&p);
	if (rc == 0 && inv->command && inv->command->run && !inv->help)
		rc = check_count(inv, err);
	if (rc < 0)
		kt_hint(err, "ktctl %s%s--help lists what there is",
			inv->command ? inv->command->name : "",
			inv->command ? " " : "");
	return rc;
}

void parse_context(struct parse_context *ctx, int argc, char *const *argv)
{
	struct invocation inv = { 0 };
	struct parser p = { .inv = &inv, .argv = argv, .argc = argc };

	find_command(&p);
	*ctx = (struct parse_context){ .command = inv.command };
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!ctx->flags_ended && strcmp(word, "--") == 0) {
			ctx->flags_ended = true;
		} else if (!ctx->flags_ended && is_flag(word)) {
			const struct option *opt =
				takes_next(inv.command, word);

			if (opt && ++i == argc)
				ctx->pending = opt;
		} else if (i != p.words[0] && i != p.words[1]) {
			if (!ctx->nargs++)
				ctx->first = word;
		}
	}
}

void invocation_fini(struct invocation *inv)
{
	free(inv->flags);
	free(inv->args);
	*inv = (struct invocation){ 0 };
}
