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

static void add(struct prefixset *s, const char *text)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, text), 0);
	prefixset_add(s, &p);
}

static void expect_set(const struct prefixset *s, const char *want)
{
	char text[256] = "", one[IPPREFIX_STRLEN];

	for (size_t i = 0; i < s->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s ", ipprefix_str(&s->v[i], one));
	assert_string_equal(text, want);
}

/* What the shadow sees, and what its manifest says: that counts */
static void from_the_shadow_alone(void **state)
{
	struct cidr_hints h = { .nservices = 1, .npods = 2 };
	struct cidr_result r;

	(void)state;
	assert_int_equal(ipaddr_parse(&h.services[0], "10.96.0.10"), 0);
	assert_int_equal(ipaddr_parse(&h.kubernetes, "10.96.0.1"), 0);
	assert_int_equal(ipaddr_parse(&h.pods[0], "10.244.3.7"), 0);
	assert_int_equal(ipaddr_parse(&h.pods[1], "fd00:244::7"), 0);
	cidr_from_shadow(&h, true, &r);
	expect_set(&r.services, "10.96.0.0/12 ");
	expect_set(&r.pods, "10.244.3.0/24 fd00:244::/64 ");
	assert_non_null(strstr(r.warning, "of Services and Pods were guessed"));
	assert_non_null(strstr(r.warning, "SHADOW_SERVICE_RANGES"));
	assert_false(r.know_namespaces);
	cidr_fini(&r);

	/* a network that it is in is all Pods'; others are not */
	add(&h.routes, "10.244.0.0/16");
	add(&h.routes, "192.168.0.0/16");
	cidr_from_shadow(&h, true, &r);
	expect_set(&r.pods, "10.244.0.0/16 fd00:244::/64 ");
	cidr_fini(&r);

	add(&h.service_ranges, "10.0.0.0/20");
	add(&h.service_ranges, "fd00:1::/112");
	cidr_from_shadow(&h, true, &r);
	expect_set(&r.services, "10.0.0.0/20 fd00:1::/112 ");
	assert_non_null(strstr(r.warning, "of Pods were guessed"));
	cidr_fini(&r);
	cidr_from_shadow(&h, false, &r);
	expect_set(&r.pods, "");
	assert_string_equal(r.warning, "");
	cidr_fini(&r);

	add(&h.pod_ranges, "10.1.0.0/16");
	cidr_from_shadow(&h, true, &r);
	expect_set(&r.pods, "10.1.0.0/16 ");
	assert_string_equal(r.warning, "");
	cidr_fini(&r);
	cidr_hints_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_of_both_families),
		cmocka_unit_test(from_the_shadow_alone),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
