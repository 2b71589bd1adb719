/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/resolvconf.h"

#include "base/mem.h"

#include <string.h>

#define NDOTS_MAX 15
#define SEARCH_MAX 32

void resolvconf_fini(struct resolvconf *rc)
{
	strv_fini(&rc->search);
}

/* "fe80::1%eth0": an address of a link is of no use without it */
static void add_server(struct resolvconf *rc, char *text,
		       resolvconf_zone_fn zone)
{
	struct ipport s = { .port = 53 };
	char *link = strchr(text, '%');

	if (link)
		*link++ = '\0';
	if (rc->nservers == RESOLVCONF_SERVERS ||
	    ipaddr_parse(&s.addr, text) < 0)
		return;
	if (link)
		s.scope = zone && *link ? zone(link) : 0;
	if (!s.scope && (link || ipaddr_is_link_local(&s.addr)))
		return;
	if (!ipaddr_is_link_local(&s.addr))
		s.scope = 0;
	rc->servers[rc->nservers++] = s;
}

static void set_search(struct resolvconf *rc, const struct strv *words,
		       size_t max)
{
	strv_fini(&rc->search);
	rc->search = (struct strv){ 0 };
	for (size_t i = 1; i < words->n && rc->search.n < max; i++) {
		if (!str_eq(words->v[i], "."))
			strv_add(&rc->search, words->v[i]);
	}
}

static void resolvconf_set_options(struct resolvconf *rc,
				   const struct strv *words)
{
	long v;

	for (size_t i = 1; i < words->n; i++) {
		const char *w = words->v[i];

		if (str_starts(w, "ndots:") &&
		    str_to_long(w + strlen("ndots:"), &v) == 0 && v >= 0)
			rc->ndots = (unsigned int)MIN(v, NDOTS_MAX);
	}
}

static void parse_line(struct resolvconf *rc, char *line,
		       resolvconf_zone_fn zone)
{
	auto_strv struct strv words = { 0 };

	/* a comment begins a line, or ends one behind the values */
	line[strcspn(line, "#;")] = '\0';
	for (char *p = line; *p; p++) {
		if (*p == '\t' || *p == '\r')
			*p = ' ';
	}
	words = strv_split(line, ' ');
	if (words.n < 2)
		return;
	if (str_eq(words.v[0], "nameserver"))
		add_server(rc, words.v[1], zone);
	else if (str_eq(words.v[0], "search"))
		set_search(rc, &words, SEARCH_MAX);
	else if (str_eq(words.v[0], "domain"))
		set_search(rc, &words, 1);
	else if (str_eq(words.v[0], "options"))
		resolvconf_set_options(rc, &words);
}

void resolvconf_parse(struct resolvconf *rc, const char *text,
		      resolvconf_zone_fn zone)
{
	auto_strv struct strv lines = strv_split(text, '\n');

	*rc = (struct resolvconf){ .ndots = 1 };
	for (size_t i = 0; i < lines.n; i++)
		parse_line(rc, lines.v[i], zone);
}
