/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/resolvconf.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define FILE_MAX (64 * 1024)
#define BLANK " \t\r"

/* the next word of a line, or NULL */
static char *next_word(char **rest)
{
	char *word;

	do {
		word = strsep(rest, BLANK);
	} while (word && !*word);
	return word;
}

static void add_server(struct resolvconf *rc, const char *text)
{
	struct ipaddr a;

	if (rc->nservers == RESOLVCONF_SERVERS || ipaddr_parse(&a, text) < 0)
		return;
	rc->server[rc->nservers++] = (struct ipport){ a, 53 };
}

static void set_search(struct resolvconf *rc, char **rest)
{
	char *word;

	rc->nsearch = 0; /* the last line counts */
	while ((word = next_word(rest))) {
		if (rc->nsearch == RESOLVCONF_SEARCH ||
		    strlen(word) >= sizeof(rc->search[0]))
			continue;
		snprintf(rc->search[rc->nsearch++], sizeof(rc->search[0]), "%s",
			 word);
	}
}

static void set_options(struct resolvconf *rc, char **rest)
{
	char *word;
	long n;

	while ((word = next_word(rest)))
		if (str_starts(word, "ndots:") &&
		    str_to_long(word + 6, &n) == 0 && n >= 0)
			rc->ndots = (unsigned int)MIN(n, 15);
}

static void parse_line(struct resolvconf *rc, char *line)
{
	char *rest = line;
	char *word = next_word(&rest);

	if (!word || *word == '#' || *word == ';')
		return;
	if (strcmp(word, "nameserver") == 0) {
		word = next_word(&rest);
		if (word)
			add_server(rc, word);
	} else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) {
		set_search(rc, &rest);
	} else if (strcmp(word, "options") == 0) {
		set_options(rc, &rest);
	}
}

void resolvconf_parse(struct resolvconf *rc, const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *line;

	*rc = (struct resolvconf){ .ndots = 1 };
	while ((line = strsep(&rest, "\n")))
		parse_line(rc, line);
}

void resolvconf_read(struct resolvconf *rc, const char *path)
{
	auto_free char *text = file_read(path, FILE_MAX, NULL);

	resolvconf_parse(rc, text ? text : "");
}
