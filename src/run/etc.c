/* SPDX-License-Identifier: Apache-2.0 */
#include "run/etc.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ETC_FILE_MAX (1u << 20)
#define NSSWITCH "/etc/nsswitch.conf"

char *etc_resolv_conf(const struct strv *servers, const struct strv *search,
		      unsigned int ndots)
{
	auto_free char *list = NULL;
	char *text = NULL, *more;

	for (size_t i = 0; i < servers->n; i++) {
		more = xasprintf("%snameserver %s\n", text ? text : "",
				 servers->v[i]);
		free(text);
		text = more;
	}
	if (!text || !search->n)
		return text;
	list = strv_join(search, " ");
	more = xasprintf("%ssearch %s\noptions ndots:%u\n", text, list, ndots);
	free(text);
	return more;
}

char *etc_hosts(const char *hostname)
{
	return xasprintf("# Made by ktctl run for this program\n"
			 "127.0.0.1\tlocalhost\n"
			 "::1\tlocalhost ip6-localhost ip6-loopback\n"
			 "127.0.1.1\t%s\n",
			 hostname);
}

static bool etc_is_hosts_line(const char *line)
{
	line += strspn(line, " \t");
	return str_starts(line, "hosts:");
}

char *etc_nsswitch(const char *text)
{
	char *out = xmalloc(strlen(text) + sizeof("\nhosts: files dns\n"));
	char *to = out;

	while (*text) {
		size_t n = strcspn(text, "\n");

		n += text[n] == '\n';
		if (!etc_is_hosts_line(text))
			to = mempcpy(to, text, n);
		text += n;
	}
	if (to > out && to[-1] != '\n')
		*to++ = '\n';
	memcpy(to, "hosts: files dns\n", sizeof("hosts: files dns\n"));
	return out;
}

void etc_load(struct etc_files *f, const struct strv *servers,
	      const struct strv *search, unsigned int ndots)
{
	auto_free char *text = file_read(NSSWITCH, ETC_FILE_MAX, NULL);
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		memcpy(name, "localhost", sizeof("localhost"));
	f->resolv_conf = etc_resolv_conf(servers, search, ndots);
	f->hosts = etc_hosts(name);
	f->nsswitch = text ? etc_nsswitch(text) : NULL;
}

void etc_set_env(const char *resolv_conf)
{
	static const struct {
		const char *word, *name;
	} of[] = { { "\nsearch ", "LOCALDOMAIN" },
		   { "\noptions ", "RES_OPTIONS" } };

	for (size_t i = 0; resolv_conf && i < ARRAY_SIZE(of); i++) {
		const char *at = strstr(resolv_conf, of[i].word);
		auto_free char *text = NULL;

		if (!at)
			continue;
		at += strlen(of[i].word);
		text = xstrndup(at, strcspn(at, "\n"));
		setenv(of[i].name, text, 0);
	}
}

void etc_fini(struct etc_files *f)
{
	free(f->resolv_conf);
	free(f->hosts);
	free(f->nsswitch);
	*f = (struct etc_files){ 0 };
}
