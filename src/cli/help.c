/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/config.h"

#include <string.h>

#define COLUMN 32 /* where summaries begin */
#define WIDTH 80

/* @text from @column on, broken at blanks, later lines indented to COLUMN */
static void put_wrapped(FILE *out, const char *text, size_t column)
{
	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > COLUMN && column + 1 + word > WIDTH) {
			fprintf(out, "\n%*s", COLUMN, "");
			column = COLUMN;
		} else if (column > COLUMN) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, word, out);
		column += word;
		text += word + strspn(text + word, " ");
	}
	fputc('\n', out);
}

static void put_row(FILE *out, const char *left, const char *text)
{
	size_t n = strlen(left);

	fputs(left, out);
	if (n + 2 > COLUMN) {
		fputc('\n', out);
		n = 0;
	}
	fprintf(out, "%*s", (int)(COLUMN - n), "");
	put_wrapped(out, text, COLUMN);
}

static char *default_text(const struct option *opt, const char *group,
			  const struct config *cfg)
{
	char item[ITEM_STRLEN];
	const char *set = NULL;

	if (cfg && group && !opt->no_config)
		set = config_value(cfg, group,
				   option_item(opt, item, sizeof(item)));
	if (set)
		return xasprintf(" (default %s, by ~/.kt/config)", set);
	if (!*opt->fallback || opt->type == VALUE_BOOL)
		return xstrdup("");
	return xasprintf(" (default %s)", opt->fallback);
}

static void put_option(FILE *out, const struct option *opt, const char *group,
		       const struct config *cfg)
{
	auto_free char *dflt = default_text(opt, group, cfg);
	auto_free char *text = xasprintf("%s%s", opt->summary, dflt);
	char letter[8] = "    ";
	auto_free char *left = NULL;

	if (opt->letter)
		snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
	left = xasprintf("  %s--%s%s%s", letter, opt->name,
			 opt->metavar ? " " : "",
			 opt->metavar ? opt->metavar : "");
	put_row(out, left, text);
}

static void help_put_options(FILE *out, const struct option *table,
			     const char *group, const struct config *cfg)
{
	const struct option *opt;

	for_each_option (opt, table) {
		if (!opt->hidden)
			put_option(out, opt, group, cfg);
	}
}

static bool has_children(const struct command *parent)
{
	const struct command *c;

	for_each_command (c) {
		if (command_is_child(c, parent))
			return true;
	}
	return false;
}

/* The sub-commands of @parent, or the commands */
static void put_commands(FILE *out, const struct command *parent)
{
	const struct command *c;

	fputs("\nCommands:\n", out);
	for_each_command (c) {
		auto_free char *left = NULL;

		if (c->hidden || (parent ? !command_is_child(c, parent)
					 : strchr(c->name, ' ') != NULL))
			continue;
		left = xasprintf("  %s", command_word(c));
		put_row(out, left, c->summary);
	}
}

static void put_usage(FILE *out, const struct command *c)
{
	if (!c || !c->run)
		fprintf(out, "  ktctl %s%s<command> [flags]\n",
			c ? c->name : "", c ? " " : "");
	else
		fprintf(out, "  ktctl %s%s%s [flags]\n", c->name,
			*c->args ? " " : "", c->args);
}

void help_print(FILE *out, const struct command *c, const struct config *cfg)
{
	if (!c)
		fputs("Join this machine and a Kubernetes cluster, without a "
		      "deployment.\n",
		      out);
	else if (c->details)
		fprintf(out, "%s\n", c->details);
	else
		fprintf(out, "ktctl %s: %s\n", c->name, c->summary);
	fputs("\nUsage:\n", out);
	put_usage(out, c);
	if (!c || has_children(c))
		put_commands(out, c);
	if (c && c->options && c->options->name) {
		fputs("\nFlags:\n", out);
		help_put_options(out, c->options, c->group, cfg);
	}
	fputs("\nGlobal flags:\n", out);
	help_put_options(out, global_option_table, "global", cfg);
	put_row(out, "  -h, --help", "show the help of a command");
	if (!c)
		put_row(out, "  -v, --version", "show the version");
	if (!c)
		fputs("\nktctl <command> --help tells more; so does the manual "
		      "page ktctl(1).\n",
		      out);
}
