/* SPDX-License-Identifier: Apache-2.0 */
#include "map/guard.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

void guard_init(struct guard *g, uint16_t port)
{
	str_random(g->token, GUARD_TOKEN_LEN);
	g->port = port;
}

/* "127.0.0.1:PORT" or "localhost:PORT"; browsers write it in lower case */
static bool guard_is_authority(const struct guard *g, const char *text)
{
	static const char *const names[] = { "127.0.0.1", "localhost" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *want = xasprintf("%s:%u", names[i], g->port);

		if (strcasecmp(text, want) == 0)
			return true;
	}
	return false;
}

static bool guard_is_here(const struct guard *g, const struct guard_request *r)
{
	static const char scheme[] = "http://";

	if (r->hosts != 1 || !r->host || !guard_is_authority(g, r->host))
		return false;
	if (!r->origins)
		return true;
	/* ours, by the name that the page was opened with */
	return r->origins == 1 && r->origin && str_starts(r->origin, scheme) &&
	       strcasecmp(r->origin + strlen(scheme), r->host) == 0;
}

/* Takes as long wherever they differ */
static bool guard_is_token(const struct guard *g, const char *text)
{
	unsigned char differ = 0;

	if (strnlen(text, GUARD_TOKEN_LEN) < GUARD_TOKEN_LEN)
		return false;
	for (size_t i = 0; i < GUARD_TOKEN_LEN; i++)
		differ |= (unsigned char)(text[i] ^ g->token[i]);
	return differ == 0;
}

static enum guard_answer guard_find(const char *rest)
{
	static const struct {
		const char *path;
		enum guard_answer answer;
	} files[] = {
		{ "/", GUARD_PAGE },
		{ "/events", GUARD_EVENTS },
		{ "/state.json", GUARD_STATE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(rest, files[i].path) == 0)
			return files[i].answer;
	return GUARD_NOT_FOUND;
}

enum guard_answer guard_check(const struct guard *g,
			      const struct guard_request *r)
{
	if (!guard_is_here(g, r))
		return GUARD_FORBIDDEN;
	if (!r->path || r->path[0] != '/' || !guard_is_token(g, r->path + 1))
		return GUARD_NOT_FOUND;
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0)
		return GUARD_METHOD;
	return guard_find(r->path + 1 + GUARD_TOKEN_LEN);
}

char *guard_url(const struct guard *g)
{
	return xasprintf("http://127.0.0.1:%u/%s/", g->port, g->token);
}
