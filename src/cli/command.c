/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct command *command_next(const struct command *c)
{
	c = c ? c + 1 : command_table;
	while (!c->name && c->more)
		c = c->more;
	return c->name ? c : NULL;
}

bool command_is_child(const struct command *c, const struct command *parent)
{
	size_t n = strlen(parent->name);

	return strncmp(c->name, parent->name, n) == 0 && c->name[n] == ' ';
}

const struct command *command_find(const char *name)
{
	const struct command *c;

	for_each_command (c)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

const char *command_word(const struct command *c)
{
	const char *space = strrchr(c->name, ' ');

	return space ? space + 1 : c->name;
}

/* "envFile", or in the spelling of its item, "env-file" */
static bool command_is_option(const struct option *opt, const char *name,
			      size_t len)
{
	char item[ITEM_STRLEN];

	if (strlen(opt->name) == len && memcmp(opt->name, name, len) == 0)
		return true;
	option_item(opt, item, sizeof(item));
	return strlen(item) == len && memcmp(item, name, len) == 0;
}

const struct option *option_find(const struct option *table, const char *name,
				 size_t len)
{
	const struct option *opt;

	for_each_option (opt, table)
		if (command_is_option(opt, name, len))
			return opt;
	return NULL;
}

const struct option *option_find_letter(const struct option *table, char letter)
{
	const struct option *opt;

	for_each_option (opt, table)
		if (letter && opt->letter == letter)
			return opt;
	return NULL;
}

const char *option_item(const struct option *opt, char *dst, size_t size)
{
	size_t n = 0;

	for (const char *p = opt->name; *p && n + 2 < size; p++) {
		if (isupper((unsigned char)*p))
			dst[n++] = '-';
		dst[n++] = (char)tolower((unsigned char)*p);
	}
	dst[n] = '\0';
	return dst;
}

const char *option_env(const struct option *opt, const char *group, char *dst,
		       size_t size)
{
	char item[ITEM_STRLEN];

	option_item(opt, item, sizeof(item));
	if (strcmp(group, "global") == 0)
		snprintf(dst, size, "KTCTL_%s", item);
	else
		snprintf(dst, size, "KTCTL_%s_%s", group, item);
	for (char *p = dst; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return dst;
}

static const struct option *find_item(const struct option *table,
				      const char *item)
{
	const struct option *opt;
	char name[ITEM_STRLEN];

	for_each_option (opt, table)
		if (!opt->no_config &&
		    strcmp(option_item(opt, name, sizeof(name)), item) == 0)
			return opt;
	return NULL;
}

const struct option *option_by_item(const char *item)
{
	const struct command *c;

	if (strncmp(item, "global.", 7) == 0)
		return find_item(global_option_table, item + 7);
	for_each_command (c) {
		size_t n = c->group ? strlen(c->group) : 0;

		if (n && strncmp(item, c->group, n) == 0 && item[n] == '.')
			return find_item(c->options, item + n + 1);
	}
	return NULL;
}
