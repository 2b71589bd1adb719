/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against the real systemd-resolved, which with-resolved starts in namespaces
 * of its own (exit 77, skipped, where that cannot be done); the reverse zones
 * are tested without it.
 */
#include "test.h"

#include "base/mem.h"
#include "base/process.h"
#include "dns/resolved.h"
#include "dns/resolver.h"
#include "dns/server.h"
#include "fake.h"

#include <errno.h>
#include <string.h>

#define LINK "kt0" /* with-resolved makes it */

static const struct fake_rr cluster_zone[] = {
	{ "web.demo.svc.cluster.local", "10.96.0.1" },
	{ "web.other.svc.cluster.local", "10.96.0.2" },
	{ 0 }
};
static const struct fake_rr upstream_zone[] = { { "www.example", "192.0.2.1" },
						{ 0 } };

struct fixture {
	struct loop *loop;
	struct fake_cluster cluster;
	struct fake_upstream up;
	struct dns_view view;
	struct dns_resolver *r;
	struct dns_server *server;
	struct dns_server_ports ports;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct dns_resolver_config cfg = { .view = &f->view, .cache_ttl = 60 };
	struct dns_server_config scfg = { 0 };
	struct kt_error err = { 0 };

	f->loop = loop_new();
	fake_cluster_init(&f->cluster, f->loop, cluster_zone);
	fake_upstream_init(&f->up, f->loop, upstream_zone);
	cfg.fallback = f->up.addr;
	assert_int_equal(dns_view_init(&f->view, "cluster.local", "demo", &err),
			 0);
	assert_int_equal(dns_order_parse(&cfg.order, "cluster,upstream", &err),
			 0);
	f->r = dns_resolver_new(f->loop, &cfg, &fake_cluster_ops, &f->cluster);
	assert_int_equal(dns_server_open(&f->server, f->loop, f->r, &scfg,
					 &f->ports, &err),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dns_server_close(f->server);
	dns_resolver_free(f->r);
	fake_cluster_fini(&f->cluster);
	fake_upstream_fini(&f->up);
	dns_view_fini(&f->view);
	loop_once(f->loop, 0);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* run a program in the loop; its exit status, what it printed in @out */
static int run(struct fixture *f, const char *line, char *out, size_t size)
{
	auto_strv struct strv argv = strv_split(line, ' ');
	struct process_result res = { 0 };
	struct kt_error err = { 0 };
	int status;

	assert_int_equal(process_run(f->loop, argv.v, NULL, NULL, 65536,
				     20 * NS_SEC, &res, &err),
			 0);
	status = res.status;
	snprintf(out, size, "%s%s", res.out, res.errout);
	process_result_fini(&res);
	return status;
}

static void set_up(struct fixture *f)
{
	auto_strv struct strv search = { 0 };
	auto_strv struct strv route = { 0 };
	struct resolved_link link = { .name = LINK,
				      .server.port = f->ports.v4,
				      .search = &search,
				      .route = &route };
	struct kt_error err = { 0 };
	struct ipprefix services;

	strv_add(&search, "demo.svc.cluster.local");
	strv_add(&search, "svc.cluster.local");
	strv_add(&route, "cluster.local");
	assert_int_equal(ipprefix_parse(&services, "10.96.0.0/12"), 0);
	resolved_add_reverse(&route, &services);
	assert_int_equal(ipaddr_parse(&link.server.addr, "127.0.0.1"), 0);
	if (resolved_setup(f->loop, &link, &err) < 0)
		fail_msg("%s", err.msg);
}

static void answers_through_resolved(void **state)
{
	static const struct {
		const char *line, *expected;
	} runs[] = {
		/* D-Bus, as nss-resolve */
		{ "resolvectl query -4 web", "10.96.0.1" },
		{ "resolvectl query -4 web.other.svc.cluster.local",
		  "10.96.0.2" },
		/* its stub on port 53 */
		{ "dig +short @127.0.0.53 web.demo.svc.cluster.local A",
		  "10.96.0.1" },
		{ "dig @127.0.0.53 nope.demo.svc.cluster.local A", "NXDOMAIN" },
		{ "dig @127.0.0.53 web.demo.svc.cluster.local AAAA",
		  "NOERROR" },
	};
	struct fixture *f = *state;
	char out[8192];

	if (!getenv("KT_WITH_RESOLVED"))
		skip();
	assert_true(resolved_is_running());
	set_up(f);
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		run(f, runs[i].line, out, sizeof(out));
		if (!strstr(out, runs[i].expected))
			print_message("%s said: %s\n", runs[i].line, out);
		assert_non_null(strstr(out, runs[i].expected));
	}
	/* names of others do not come to us */
	f->up.asked = f->cluster.asked = 0;
	run(f, "dig +time=1 +tries=1 @127.0.0.53 www.example", out,
	    sizeof(out));
	assert_int_equal(f->up.asked + f->cluster.asked, 0);
	resolved_revert(f->loop, LINK);
	run(f, "resolvectl domain " LINK, out, sizeof(out));
	assert_null(strstr(out, "cluster.local"));
}

static void a_link_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct resolved_link link = { .name = "kt-none" };
	struct kt_error err = { 0 };

	if (!getenv("KT_WITH_RESOLVED"))
		skip();
	assert_true(resolved_setup(f->loop, &link, &err) < 0);
	assert_non_null(strstr(err.msg, "kt-none"));
}

static void reverse_zones(void **state)
{
	static const struct {
		const char *prefix, *first, *last;
		size_t n;
	} rows[] = {
		{ "10.96.0.0/12", "96.10.in-addr.arpa", "111.10.in-addr.arpa",
		  16 },
		{ "10.244.0.0/16", "244.10.in-addr.arpa", "244.10.in-addr.arpa",
		  1 },
		{ "10.244.3.7/32", "7.3.244.10.in-addr.arpa",
		  "7.3.244.10.in-addr.arpa", 1 },
		{ "10.0.0.0/9", NULL, NULL, 0 },
		{ "0.0.0.0/0", NULL, NULL, 0 },
		{ "fd00:10::/30", "0.1.0.0.0.d.f.ip6.arpa", NULL, 4 },
		{ "fd00:10:96::/112", NULL, NULL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_strv struct strv zones = { 0 };
		struct ipprefix p;

		assert_int_equal(ipprefix_parse(&p, rows[i].prefix), 0);
		resolved_add_reverse(&zones, &p);
		assert_int_equal(zones.n, rows[i].n);
		if (rows[i].last)
			assert_string_equal(zones.v[0], rows[i].first);
		if (rows[i].last)
			assert_string_equal(zones.v[zones.n - 1], rows[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reverse_zones),
		cmocka_unit_test_setup_teardown(answers_through_resolved, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_link_that_is_not_there, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
