/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/fetch.h"
#include "tunnel/internal.h"

#include <errno.h>
#include <string.h>

#define INFO_MAX (512 * 1024)

struct info_request {
	void (*done)(void *user, int error, const struct tunnel_info *info);
	void *user;
	struct loop *loop;
};

static void info_set_text(char *to, size_t size, const char *value)
{
	snprintf(to, size, "%s", value);
}

static void take_pair(struct tunnel_info *in, const char *key,
		      const char *value)
{
	const struct {
		const char *key;
		struct strv *list;
	} lists[] = {
		{ "pod_ip", &in->pod_ips },
		{ "prefix", &in->prefixes },
		{ "route", &in->routes },
		{ "nameserver", &in->nameservers },
		{ "search", &in->search },
		{ "service_range", &in->service_ranges },
		{ "pod_range", &in->pod_ranges },
		{ "env_member", &in->env_members },
		{ "listening", &in->listening },
	};
	long n;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (strcmp(key, lists[i].key) == 0)
			strv_add(lists[i].list, value);
	if (strcmp(key, "version") == 0)
		info_set_text(in->version, sizeof(in->version), value);
	else if (strcmp(key, "hostname") == 0)
		info_set_text(in->hostname, sizeof(in->hostname), value);
	else if (strcmp(key, "service_host") == 0)
		info_set_text(in->service_host, sizeof(in->service_host),
			      value);
	else if (strcmp(key, "accepted") == 0 && str_to_long(value, &n) == 0)
		in->accepted = n;
	else if (strcmp(key, "able") == 0)
		in->able_env |= strcmp(value, "env") == 0;
	else if (strcmp(key, "ndots") == 0 && str_to_long(value, &n) == 0)
		in->ndots = (unsigned int)MAX(MIN(n, 15), 0);
}

/* "key=value" lines; keys that a newer shadow adds are passed over */
static void info_parse(struct tunnel_info *in, const uint8_t *p, size_t len)
{
	auto_free char *text = xstrndup((const char *)p, len);
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = 0;
		take_pair(in, line, value);
	}
}

static void info_fini(struct tunnel_info *in)
{
	strv_fini(&in->pod_ips);
	strv_fini(&in->prefixes);
	strv_fini(&in->routes);
	strv_fini(&in->nameservers);
	strv_fini(&in->search);
	strv_fini(&in->service_ranges);
	strv_fini(&in->pod_ranges);
	strv_fini(&in->env_members);
	strv_fini(&in->listening);
}

static void info_on_answer(void *user, int error, const uint8_t *body,
			   size_t len)
{
	struct info_request *r = user;
	struct tunnel_info in = { .ndots = 1, .accepted = -1 };

	if (!error && len)
		info_parse(&in, body, len);
	r->done(r->user, error, error ? NULL : &in);
	info_fini(&in);
	loop_defer_free(r->loop, r);
}

int tunnel_info_get(struct tunnel *t,
		    void (*done)(void *user, int error,
				 const struct tunnel_info *info),
		    void *user)
{
	struct info_request *r = xcalloc(1, sizeof(*r));

	r->done = done;
	r->user = user;
	r->loop = tunnel_loop(t);
	if (fetch_start(t, "/.well-known/ktctl/info", NULL, NULL, 0, INFO_MAX,
			info_on_answer, r))
		return 0;
	free(r);
	return -errno;
}
