/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/resolvconf_file.h"

#include "base/mem.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

static const struct ipaddr localhost = { AF_INET, { 127, 0, 0, 1 } };

static uint32_t resolvconf_zone(const char *zone)
{
	long n;

	if (str_to_long(zone, &n) == 0)
		return n > 0 && n <= INT32_MAX ? (uint32_t)n : 0;
	return if_nametoindex(zone);
}

static bool is_stub(const struct ipport *s)
{
	/* 127.0.0.53, and 127.0.0.54 which does not touch the messages */
	return s->addr.family == AF_INET && s->addr.b[0] == 127 &&
	       s->addr.b[1] == 0 && s->addr.b[2] == 0 &&
	       (s->addr.b[3] == 53 || s->addr.b[3] == 54);
}

static void take_servers(struct resolvconf *rc, const char *path)
{
	struct resolvconf real;
	auto_free char *text = file_read(path, RESOLVCONF_MAX, NULL);

	if (!text)
		return; /* the stub will do */
	resolvconf_parse(&real, text, resolvconf_zone);
	if (real.nservers) {
		memcpy(rc->servers, real.servers, sizeof(rc->servers));
		rc->nservers = real.nservers;
	}
	resolvconf_fini(&real);
}

int resolvconf_load(struct resolvconf *rc, const char *path,
		    struct kt_error *err)
{
	const char *file = path ? path : RESOLVCONF_PATH;
	auto_free char *text = file_read(file, RESOLVCONF_MAX, NULL);

	*rc = (struct resolvconf){ .ndots = 1 };
	if (!text && errno != ENOENT)
		return kt_fail(err, errno, "read %s: %s", file,
			       strerror(errno));
	resolvconf_parse(rc, text ? text : "", resolvconf_zone);
	if (!rc->nservers)
		rc->servers[rc->nservers++] = (struct ipport){ localhost, 53 };
	rc->stub = is_stub(&rc->servers[0]);
	if (rc->stub)
		take_servers(rc, RESOLVCONF_REAL);
	return 0;
}

bool resolvconf_is_kt(const char *path)
{
	auto_free char *text =
		file_read(path ? path : RESOLVCONF_PATH, RESOLVCONF_MAX, NULL);

	return text && strstr(text, "# Added by KtConnect");
}
