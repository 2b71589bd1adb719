/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "dns/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CL ".cluster.local"

enum known { NOTHING, NAMESPACES, SERVICES };

/* the plan as text: "upstream", "cluster", or "[?]candidate candidate*..."; a
 * '?' when the others are asked side by side, '*' behind a weak candidate */
static void plan_text(const struct dns_view *v, const char *name, char *out,
		      size_t size)
{
	char text[DNS_NAME_STRLEN];
	struct dns_plan plan;
	struct dns_name n;
	size_t used = 0;

	assert_int_equal(dns_name_parse(&n, name), 0);
	dns_names_plan(v, &n, &plan);
	if (plan.route != DNS_ROUTE_EXPAND) {
		snprintf(out, size, "%s",
			 plan.route == DNS_ROUTE_CLUSTER ? "cluster"
							 : "upstream");
		return;
	}
	for (size_t i = 0; i < plan.n; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s%s",
					 i ? " " : (plan.sure ? "" : "?"),
					 dns_name_str(&plan.cand[i].name, text),
					 plan.cand[i].weak ? "*" : "");
}

static void make_view(struct dns_view *v, enum known known)
{
	auto_strv struct strv laptop = strv_split("corp.test,lan", ',');
	auto_strv struct strv spaces = strv_split("demo,other", ',');
	auto_strv struct strv services = strv_split("web,db", ',');
	struct ipprefix ranges[3];
	struct kt_error err = { 0 };

	assert_int_equal(dns_view_init(v, "cluster.local", "demo", &err), 0);
	dns_search_set(&v->laptop, &laptop, 1);
	assert_int_equal(ipprefix_parse(&ranges[0], "10.96.0.0/12"), 0);
	assert_int_equal(ipprefix_parse(&ranges[1], "10.244.0.0/16"), 0);
	assert_int_equal(ipprefix_parse(&ranges[2], "fd00:10::/64"), 0);
	dns_view_set_ranges(v, ranges, 3);
	if (known >= NAMESPACES)
		dns_view_set_namespaces(v, &spaces);
	if (known >= SERVICES)
		dns_view_set_services(v, &services);
}

static const struct row {
	enum known known;
	const char *name, *plan;
} rows[] = {
	/* (a) under the cluster domain, whatever is known */
	{ NOTHING, "web.demo.svc" CL, "cluster" },
	{ NOTHING, "WEB.demo.SVC.Cluster.Local", "cluster" },
	{ NOTHING, "cluster.local", "cluster" },
	{ SERVICES, "nope.nowhere.svc" CL, "cluster" },
	{ NOTHING, "xcluster.local",
	  "?xcluster.local.demo.svc" CL " xcluster.local.svc" CL },
	/* (b) reverse names */
	{ NOTHING, "1.0.96.10.in-addr.arpa", "cluster" },
	{ NOTHING, "1.0.111.10.in-addr.arpa", "cluster" },
	{ NOTHING, "1.0.112.10.in-addr.arpa", "upstream" },
	{ NOTHING, "244.10.in-addr.arpa", "cluster" },
	{ NOTHING, "10.in-addr.arpa", "upstream" },
	{ NOTHING, "1.0.0.127.in-addr.arpa", "upstream" },
	{ NOTHING, "x.0.96.10.in-addr.arpa", "upstream" },
	{ NOTHING, "01.0.96.10.in-addr.arpa", "upstream" },
	{ NOTHING, "1.2.3.0.96.10.in-addr.arpa", "upstream" },
	/* (c) short names: always the cluster first */
	{ NOTHING, "web", "web.demo.svc" CL },
	{ SERVICES, "fresh", "fresh.demo.svc" CL },
	{ NOTHING, "localhost", "upstream" },
	{ NOTHING, ".", "upstream" },
	/* ... with a search suffix of the laptop */
	{ NOTHING, "web.lan",
	  "?web.lan.demo.svc" CL " web.lan.svc" CL " web.demo.svc" CL },
	{ NAMESPACES, "web.lan", "?web.lan.demo.svc" CL " web.demo.svc" CL },
	{ SERVICES, "web.lan", "web.demo.svc" CL },
	{ SERVICES, "wiki.lan", "upstream" },
	{ SERVICES, "web.corp.test", "web.demo.svc" CL },
	{ SERVICES, "wiki.corp.test", "upstream" },
	{ SERVICES, "corp.test", "upstream" },
	/* the library tries "web.other" itself before it adds a suffix */
	{ SERVICES, "web.other.corp.test", "upstream" },
	/* (d) two to six labels */
	{ NOTHING, "web.other", "?web.other.demo.svc" CL " web.other.svc" CL },
	{ NAMESPACES, "web.other",
	  "web.other.demo.svc" CL " web.other.svc" CL },
	{ SERVICES, "web.other", "web.other.svc" CL },
	{ SERVICES, "web.demo", "web.demo.svc" CL },
	{ NOTHING, "web.demo", "web.demo.demo.svc" CL " web.demo.svc" CL },
	{ SERVICES, "web.nowhere", "upstream" },
	{ SERVICES, "google.com", "upstream" },
	{ SERVICES, "www.google.com", "upstream" },
	{ SERVICES, "web.other.svc", "web.other.svc" CL },
	{ SERVICES, "web.nowhere.svc", "upstream" },
	{ SERVICES, "10-0-0-1.other.pod", "10-0-0-1.other.pod" CL },
	{ SERVICES, "p-0.db", "p-0.db.demo.svc" CL },
	{ SERVICES, "p-0.db.demo", "p-0.db.demo.svc" CL },
	{ SERVICES, "a-1.db.demo.svc", "a-1.db.demo.svc" CL },
	{ SERVICES, "_http._tcp.web", "_http._tcp.web.demo.svc" CL },
	{ SERVICES, "_http._tcp.a-1.db.demo.svc",
	  "_http._tcp.a-1.db.demo.svc" CL },
	{ SERVICES, "a.b.c.d.e.f.db", "upstream" },
	{ NAMESPACES, "google.com", "?google.com.demo.svc" CL },
	{ SERVICES, "WEB.Other", "WEB.Other.svc" CL },
};

static void plans_every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dns_view v;
		char text[2048];

		make_view(&v, rows[i].known);
		plan_text(&v, rows[i].name, text, sizeof(text));
		if (strcmp(text, rows[i].plan) != 0)
			print_message("row %zu: %s\n", i, rows[i].name);
		assert_string_equal(text, rows[i].plan);
		dns_view_fini(&v);
	}
}

/* the last @labels labels of the reverse name of an IPv6 address */
static void reverse_v6(const char *ip, int labels, char *name, size_t size)
{
	struct ipaddr a;
	size_t used = 0;

	assert_int_equal(ipaddr_parse(&a, ip), 0);
	for (int i = labels - 1; i >= 0; i--)
		used += (size_t)snprintf(name + used, size - used, "%x.",
					 a.b[i / 2] >> (i % 2 ? 0 : 4) & 15);
	snprintf(name + used, size - used, "ip6.arpa");
}

static void reverse_names_of_ipv6(void **state)
{
	static const struct {
		const char *ip;
		int labels;
		const char *plan;
	} v6[] = {
		{ "fd00:10::abcd", 32, "cluster" },
		{ "fd00:10::abcd", 16, "cluster" }, /* the range itself */
		{ "fd00:10::abcd", 15, "upstream" },
		{ "fd00:11::abcd", 32, "upstream" },
	};
	char name[100], text[512];
	struct ipprefix p;
	struct dns_view v;
	struct dns_name n;

	(void)state;
	make_view(&v, NOTHING);
	for (size_t i = 0; i < ARRAY_SIZE(v6); i++) {
		reverse_v6(v6[i].ip, v6[i].labels, name, sizeof(name));
		plan_text(&v, name, text, sizeof(text));
		assert_string_equal(text, v6[i].plan);
		assert_int_equal(dns_name_parse(&n, name), 0);
		assert_int_equal(dns_names_reverse(&n, &p), 0);
		assert_int_equal(p.len, v6[i].labels * 4);
	}
	plan_text(&v, "g.0.0.0.0.1.0.0.0.d.f.ip6.arpa", text, sizeof(text));
	assert_string_equal(text, "upstream");
	dns_view_fini(&v);
}

static void uses_the_pods_own_list(void **state)
{
	auto_strv struct strv pod = strv_split(
		"demo.svc.cluster.local,svc.cluster.local,cluster.local,"
		"ec2.internal,lan",
		',');
	struct dns_view v;
	char text[2048];

	(void)state;
	make_view(&v, SERVICES);
	dns_search_set(&v.pod, &pod, 5);
	plan_text(&v, "web", text, sizeof(text));
	/* "lan" is the laptop's too: its own server answers that better */
	assert_string_equal(text, "web.demo.svc" CL " web.ec2.internal*");
	plan_text(&v, "google.com", text, sizeof(text));
	assert_string_equal(text, "upstream");
	dns_view_fini(&v);
}

static void refuses_bad_parts(void **state)
{
	struct kt_error err = { 0 };
	struct dns_view v;

	(void)state;
	assert_int_equal(dns_view_init(&v, "a..b", "demo", &err), -EINVAL);
	assert_int_equal(dns_view_init(&v, ".", "demo", &err), -EINVAL);
	assert_int_equal(dns_view_init(&v, "cluster.local", "", &err), -EINVAL);
}

static void included_domains_are_the_clusters(void **state)
{
	auto_strv struct strv more = strv_split("corp.internal", ',');
	char text[4096];
	struct dns_view v;

	(void)state;
	make_view(&v, SERVICES);
	plan_text(&v, "db.corp.internal", text, sizeof(text));
	assert_string_equal(text, "upstream");
	dns_search_set(&v.more, &more, 0);
	plan_text(&v, "db.corp.internal", text, sizeof(text));
	assert_string_equal(text, "cluster");
	plan_text(&v, "db.mycorp.internal", text, sizeof(text));
	assert_string_equal(text, "upstream");
	dns_view_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(included_domains_are_the_clusters),
		cmocka_unit_test(plans_every_row),
		cmocka_unit_test(reverse_names_of_ipv6),
		cmocka_unit_test(uses_the_pods_own_list),
		cmocka_unit_test(refuses_bad_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
