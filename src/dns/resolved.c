/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/resolved.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIME_LIMIT (5 * NS_SEC)
#define ZONES_MAX 16

bool resolved_is_running(void)
{
	/* its socket for nss-resolve is there exactly while it runs */
	return access(RESOLVED_DIR "/io.systemd.Resolve", F_OK) == 0 ||
	       access(RESOLVED_DIR "/stub-resolv.conf", F_OK) == 0;
}

/* resolvectl VERB LINK VALUES... */
static int resolved_run(struct loop *l, const char *verb, const char *link,
			const struct strv *values, struct kt_error *err)
{
	struct process_result res = { 0 };
	auto_strv struct strv argv = { 0 };
	int rc;

	strv_add(&argv, "resolvectl");
	strv_add(&argv, verb);
	strv_add(&argv, link);
	for (size_t i = 0; values && i < values->n; i++)
		strv_add(&argv, values->v[i]);
	rc = process_run(l, argv.v, NULL, NULL, 4096, TIME_LIMIT, &res, err);
	if (rc == 0 && res.status != 0)
		rc = kt_fail(err, EIO, "resolvectl %s %s: %s", verb, link,
			     res.errout && *res.errout ? res.errout : "failed");
	process_result_fini(&res);
	return rc;
}

static int run_one(struct loop *l, const char *verb, const char *link,
		   const char *value, struct kt_error *err)
{
	auto_strv struct strv values = { 0 };

	strv_add(&values, value);
	return resolved_run(l, verb, link, &values, err);
}

static struct strv domain_list(const struct resolved_link *link)
{
	struct strv out = { 0 };

	for (size_t i = 0; link->search && i < link->search->n; i++)
		strv_add(&out, link->search->v[i]);
	for (size_t i = 0; link->route && i < link->route->n; i++)
		strv_take(&out, xasprintf("~%s", link->route->v[i]));
	return out;
}

/* what only makes it better: an old resolvectl may not know it */
static void set_extras(struct loop *l, const char *name)
{
	static const char *const extra[][2] = {
		{ "default-route", "no" }, /* only our zones come this way */
		{ "llmnr", "no" },	   { "mdns", "no" },
		{ "dnssec", "no" },	/* the cluster's zone is not signed */
		{ "dnsovertls", "no" }, /* our listener speaks plain DNS */
	};

	for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
		struct kt_error err = { 0 };

		if (run_one(l, extra[i][0], name, extra[i][1], &err) < 0)
			log_debug("%s", err.msg);
	}
}

int resolved_setup(struct loop *l, const struct resolved_link *link,
		   struct kt_error *err)
{
	auto_strv struct strv domains = domain_list(link);
	char server[IPPORT_STRLEN];
	int rc;

	set_extras(l, link->name);
	rc = resolved_run(l, "domain", link->name, &domains, err);
	if (rc == 0)
		rc = run_one(l, "dns", link->name,
			     ipport_str(&link->server, server), err);
	if (rc < 0) {
		resolved_revert(l, link->name);
		return kt_wrap(err, rc, "systemd-resolved");
	}
	return 0;
}

void resolved_revert(struct loop *l, const char *name)
{
	struct kt_error err = { 0 };

	if (resolved_run(l, "revert", name, NULL, &err) < 0)
		log_debug("%s", err.msg);
}

/* the reverse zone of the first @labels labels of @a */
static char *reverse_zone(const struct ipaddr *a, unsigned int labels)
{
	char text[80];
	size_t used = 0;
	bool v4 = a->family == AF_INET;

	for (unsigned int i = labels; i-- > 0;) {
		unsigned int v =
			v4 ? a->b[i] : a->b[i / 2] >> (i % 2 ? 0 : 4) & 15u;

		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 v4 ? "%u." : "%x.", v);
	}
	snprintf(text + used, sizeof(text) - used, "%s",
		 v4 ? "in-addr.arpa" : "ip6.arpa");
	return xstrdup(text);
}

void resolved_add_reverse(struct strv *zones, const struct ipprefix *p)
{
	unsigned int bits = p->addr.family == AF_INET ? 8 : 4;
	unsigned int labels = (p->len + bits - 1) / bits;
	unsigned int count = 1u << (labels * bits - p->len);
	struct ipaddr a = p->addr;

	if (!labels || count > ZONES_MAX)
		return;
	for (unsigned int i = 0; i < count; i++) {
		strv_take(zones, reverse_zone(&a, labels));
		if (bits == 8)
			a.b[labels - 1]++;
		else
			a.b[(labels - 1) / 2] += (uint8_t)(labels % 2 ? 16 : 1);
	}
}
