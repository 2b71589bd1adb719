/* SPDX-License-Identifier: Apache-2.0 */
/* The address ranges as API servers tell them that have one family, or both. */
#include "test.h"

#include "fake.h"

#include "cluster/cidr.h"

#include <string.h>

struct server {
	const char *v4, *v6; /* what it says of an impossible ClusterIP */
};

static const char no_v4[] = "IPv4 is not configured on this cluster";
static const char no_v6[] = "IPv6 is not configured on this cluster";
static const char of_v4[] = "provided IP is not in the valid range. The range "
			    "of valid IPs is 10.96.0.0/12";
static const char of_v6[] = "provided IP is not in the valid range. The range "
			    "of valid IPs is fd00:10:96::/112";

/* nothing may be listed; a Service of a wrong address is refused */
static void answer(struct fake_conn *c, const char *request)
{
	const struct server *s = c->fake->user;
	const char *why = NULL;
	char body[512];

	if (strncmp(request, "POST", 4) == 0)
		why = strstr(request, "2001:db8::1") ? s->v6 : s->v4;
	if (why)
		snprintf(body, sizeof(body),
			 "{\"kind\":\"Status\",\"message\":\"Service \\\"x\\\" "
			 "is invalid: spec.clusterIPs[0]: %s\"}",
			 why);
	fake_reply(c, why ? 422 : 403, "", why ? body : "{}");
}

static void ranges_of(const char *v4, const char *v6, const char *want)
{
	struct server s = { v4, v6 };
	struct cidr_hints hints = { 0 };
	struct kt_error err = { 0 };
	struct cidr_result r;
	char text[256] = "", one[IPPREFIX_STRLEN];
	struct world w;

	world_init(&w, answer);
	w.fake.user = &s;
	if (cidr_discover(w.kube, "ns", &hints, false, &r, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < r.services.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s ", ipprefix_str(&r.services.v[i], one));
	assert_string_equal(text, want);
	cidr_fini(&r);
	world_fini(&w);
}

static void asks_of_both_families(void **state)
{
	(void)state;
	ranges_of(of_v4, no_v6, "10.96.0.0/12 ");
	ranges_of(no_v4, of_v6, "fd00:10:96::/112 ");
	ranges_of(of_v4, of_v6, "10.96.0.0/12 fd00:10:96::/112 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_of_both_families),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
