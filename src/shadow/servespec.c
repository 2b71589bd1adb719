/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/servespec.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define ITEM_MAX 320

static int take_proto(struct serve_item *it, const char *text)
{
	static const char *const names[] = { "auto", "http", "tcp" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			it->proto = (enum serve_proto)i;
			return 0;
		}
	return -EINVAL;
}

static bool servespec_is_host(const char *text)
{
	struct ipaddr a;

	if (ipaddr_parse(&a, text) == 0)
		return true;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			return false;
	return text[0] != '.' && text[strlen(text) - 1] == '.';
}

static int take_origin(struct serve_item *it, char *text)
{
	char *colon = strrchr(text, ':');
	size_t n;

	if (!colon || str_to_port(colon + 1, &it->origin_port) < 0)
		return -EINVAL;
	*colon = 0;
	n = strlen(text);
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = 0;
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(it->host) || !servespec_is_host(text))
		return -EINVAL;
	memcpy(it->host, text, n + 1);
	return 0;
}

static int take_item(struct serve_item *it, const char *text)
{
	char copy[ITEM_MAX], *origin, *proto;
	int rc;

	*it = (struct serve_item){ 0 };
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	proto = strchr(copy, '~');
	if (proto)
		*proto++ = 0;
	origin = strchr(copy, '=');
	if (origin)
		*origin++ = 0;
	it->redirect = str_ends(copy, "!");
	it->gated = str_ends(copy, "^");
	if (it->redirect || it->gated)
		copy[strlen(copy) - 1] = 0;
	it->udp = str_ends(copy, "/udp");
	if (it->udp)
		copy[strlen(copy) - strlen("/udp")] = 0;
	rc = str_to_port(copy, &it->port);
	if (it->udp && it->gated)
		rc = -EINVAL;
	if (rc == 0 && origin)
		rc = take_origin(it, origin);
	return rc == 0 && proto ? take_proto(it, proto) : rc;
}

static bool is_there(const struct servespec *s, const struct serve_item *it)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->item[i].port == it->port && s->item[i].udp == it->udp)
			return true;
	return false;
}

int servespec_parse(struct servespec *s, const char *text, struct kt_error *err)
{
	auto_strv struct strv v = strv_split(text, ',');

	s->n = 0;
	for (size_t i = 0; i < v.n; i++) {
		struct serve_item it;

		if (take_item(&it, v.v[i]) < 0 || is_there(s, &it))
			return kt_fail(
				err, EINVAL,
				"'%.200s' is not "
				"PORT[/udp][!|^][=HOST:PORT][~PROTO], or the "
				"port is there twice",
				v.v[i]);
		if (s->n == SERVESPEC_MAX)
			return kt_fail(err, EINVAL, "more than %d ports",
				       SERVESPEC_MAX);
		s->item[s->n++] = it;
	}
	return 0;
}

bool servespec_has_origin(const struct servespec *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->item[i].host[0] && !s->item[i].redirect)
			return true;
	return false;
}
