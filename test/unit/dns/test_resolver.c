/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "dns/resolver.h"
#include "fake.h"

#include <errno.h>
#include <string.h>

static const struct fake_rr cluster_zone[] = {
	{ "web.demo.svc.cluster.local", "10.96.0.1" },
	{ "web.other.svc.cluster.local", "10.96.0.2" },
	{ "x.other.svc.cluster.local", "10.96.0.3" },
	{ "other.svc.cluster.local", "" },
	{ "p-0.db.demo.svc.cluster.local", "10.244.0.7" },
	{ "v4only.demo.svc.cluster.local", "" },
	{ "outside.test", "192.0.2.99" }, /* as a Pod would find it */
	{ 0 }
};

static const struct fake_rr upstream_zone[] = {
	{ "www.test", "192.0.2.1" },
	{ "printer", "192.0.2.2" },
	{ "web.other", "192.0.2.3" },
	{ "deep.name.test", "192.0.2.4" },
	{ "web.demo.svc.cluster.local", "192.0.2.66" },
	{ 0 }
};

struct fixture {
	struct loop *loop;
	struct fake_cluster cluster;
	struct fake_upstream up;
	struct dns_view view;
	struct dns_resolver *r;
	struct dns_resolver_config cfg;
	bool done;
	int replies, past;
	int past_rc; /* of the way past the capture */
	int clashes;
	uint8_t reply[4096];
	size_t len;
};

static struct fixture *fix; /* the reply callback has only its owner */

static int past(void *user, int fd, const struct ipport *to)
{
	struct fixture *f = user;

	assert_true(fd >= 0 && to->port);
	f->past++;
	return f->past_rc;
}

static void clash(void *user, const struct dns_name *name,
		  const struct dns_name *service)
{
	struct fixture *f = user;
	char text[DNS_NAME_STRLEN];

	assert_string_equal(dns_name_str(name, text), "www.corp.test");
	assert_string_equal(dns_name_str(service, text),
			    "www.demo.svc.cluster.local");
	f->clashes++;
}

static void start(struct fixture *f, const char *order, uint32_t ttl)
{
	struct kt_error err = { 0 };

	f->cfg = (struct dns_resolver_config){
		.view = &f->view,
		.cache_ttl = ttl,
		.upstream = { .past = past, .user = f },
		.clash = clash,
		.user = f,
	};
	assert_int_equal(dns_order_parse(&f->cfg.order, order, &err), 0);
	f->r = dns_resolver_new(f->loop, &f->cfg, &fake_cluster_ops,
				&f->cluster);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct kt_error err = { 0 };

	f->loop = loop_new();
	assert_non_null(f->loop);
	fake_cluster_init(&f->cluster, f->loop, cluster_zone);
	fake_upstream_init(&f->up, f->loop, upstream_zone);
	assert_int_equal(dns_view_init(&f->view, "cluster.local", "demo", &err),
			 0);
	start(f, "cluster,upstream", 60);
	fix = *state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dns_resolver_free(f->r);
	fake_cluster_fini(&f->cluster);
	fake_upstream_fini(&f->up);
	dns_view_fini(&f->view);
	loop_once(f->loop, 0);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void restart(struct fixture *f, const char *order, uint32_t ttl)
{
	dns_resolver_free(f->r);
	start(f, order, ttl);
}

static void know_namespaces(struct fixture *f)
{
	auto_strv struct strv names = strv_split("demo,other", ',');

	dns_view_set_namespaces(&f->view, &names);
}

static void on_reply(const struct dns_from *from, const uint8_t *msg,
		     size_t len)
{
	struct fixture *f = fix;

	assert_ptr_equal(from->owner, f);
	assert_in_range(len, 0, sizeof(f->reply));
	memcpy(f->reply, msg, len);
	f->len = len;
	f->replies++;
	f->done = true;
}

static void send_raw(struct fixture *f, bool tcp, const uint8_t *msg,
		     size_t len)
{
	struct dns_from from = { .owner = f, .tcp = tcp, .orig = f->up.addr };

	f->done = false;
	dns_resolver_ask(f->r, &from, msg, len, on_reply);
}

static size_t build(const char *name, uint16_t type, uint8_t msg[512])
{
	struct dns_query q = {
		.id = 4242, .flags = DNS_RD, .type = type, .klass = DNS_IN
	};

	assert_int_equal(dns_name_parse(&q.name, name), 0);
	return (size_t)dns_query_build(&q, msg, 512);
}

/* ask and wait; milliseconds it took */
static int ask_as(struct fixture *f, bool tcp, const char *name, uint16_t type)
{
	uint8_t msg[512];
	size_t len = build(name, type, msg);
	int64_t began = clock_ns();

	send_raw(f, tcp, msg, len);
	if (!f->done)
		assert_int_equal(loop_run_until(f->loop, &f->done, 7 * NS_SEC),
				 0);
	assert_int_equal(dns_get_id(f->reply), 4242);
	return (int)((clock_ns() - began) / NS_MS);
}

static int ask(struct fixture *f, const char *name)
{
	return ask_as(f, false, name, DNS_A);
}

/* the reply is one A record of @name with @ip; or, @ip NULL, has @rcode */
static void assert_reply(struct fixture *f, const char *name, const char *ip,
			 unsigned int rcode)
{
	char text[IPADDR_STRLEN], owner[DNS_NAME_STRLEN];
	struct ipaddr a;
	struct dns_walk w;
	struct dns_rr rr;
	struct dns_hdr h;

	assert_int_equal(dns_hdr_read(&h, f->reply, f->len), 0);
	assert_int_equal(dns_hdr_rcode(&h), rcode);
	assert_int_equal(dns_walk_start(&w, f->reply, f->len), 0);
	if (!ip) {
		assert_int_equal(h.count[1], 0);
		return;
	}
	assert_int_equal(h.count[1], 1);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	assert_string_equal(dns_name_str(&rr.name, owner), name);
	a = ipaddr_v4(f->reply + rr.rdata);
	assert_string_equal(ipaddr_str(&a, text), ip);
}

static void cluster_names_go_to_the_cluster_only(void **state)
{
	struct fixture *f = *state;

	ask(f, "web.demo.svc.cluster.local");
	assert_reply(f, "web.demo.svc.cluster.local", "10.96.0.1", 0);
	ask(f, "nope.demo.svc.cluster.local");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	assert_int_equal(f->reply[9], 1); /* the SOA came with it */
	assert_int_equal(f->up.asked, 0);
}

static void short_names_as_in_a_pod(void **state)
{
	struct fixture *f = *state;

	ask(f, "wEb");
	assert_reply(f, "wEb", "10.96.0.1", 0);
	assert_int_equal(f->up.asked, 0);
	/* of another namespace only: not found */
	ask(f, "x");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	assert_int_equal(f->up.asked, 1);
	ask(f, "x.other");
	assert_reply(f, "x.other", "10.96.0.3", 0);
	ask(f, "x.other.svc");
	assert_reply(f, "x.other.svc", "10.96.0.3", 0);
	ask(f, "p-0.db");
	assert_reply(f, "p-0.db", "10.244.0.7", 0);
	/* a name of the laptop's network */
	ask(f, "printer");
	assert_reply(f, "printer", "192.0.2.2", 0);
	/* the name exists, the type does not: no other server is asked */
	f->up.asked = 0;
	ask(f, "v4only");
	assert_reply(f, NULL, NULL, DNS_NOERROR);
	assert_int_equal(f->up.asked, 0);
}

static void the_clusters_yes_wins(void **state)
{
	struct fixture *f = *state;

	/* both know it; the other server is much faster */
	f->cluster.delay = 30 * NS_MS;
	ask(f, "web.other");
	assert_reply(f, "web.other", "10.96.0.2", 0);
	assert_int_equal(f->up.asked, 1); /* side by side */
}

static void known_namespaces_spare_the_cluster(void **state)
{
	struct fixture *f = *state;
	auto_strv struct strv services = strv_split("web", ',');

	know_namespaces(f);
	dns_view_set_services(&f->view, &services);
	f->cluster.mute = true;
	assert_in_range(ask(f, "www.test"), 0, 200);
	assert_reply(f, "www.test", "192.0.2.1", 0);
	ask(f, "nope.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	assert_int_equal(f->cluster.asked, 0);
	f->cluster.mute = false;
	ask(f, "web.other");
	assert_reply(f, "web.other", "10.96.0.2", 0);
	assert_int_equal(f->cluster.asked, 1);
	assert_int_equal(f->up.asked, 2);
}

static void learns_which_places_are_absent(void **state)
{
	struct fixture *f = *state;
	int asked;

	ask(f, "www.test");
	assert_int_equal(loop_sleep(f->loop, 20 * NS_MS), 0);
	/* two candidates, then "test.demo.svc..." and "test.svc..." */
	assert_int_equal(f->cluster.asked, 4);
	f->cluster.mute = true;
	assert_in_range(ask(f, "deep.name.test"), 0, 200);
	assert_reply(f, "deep.name.test", "192.0.2.4", 0);
	assert_int_equal(f->cluster.asked, 4);
	f->cluster.mute = false;
	/* a place that exists is not forgotten */
	ask(f, "nope.other");
	assert_int_equal(loop_sleep(f->loop, 20 * NS_MS), 0);
	asked = f->cluster.asked;
	ask(f, "web.other");
	assert_reply(f, "web.other", "10.96.0.2", 0);
	assert_true(f->cluster.asked > asked);
	/* the cluster changed */
	dns_resolver_flush(f->r);
	asked = f->cluster.asked;
	ask(f, "www.test");
	assert_true(f->cluster.asked > asked);
}

static void passes_the_message_unchanged(void **state)
{
	struct fixture *f = *state;
	uint8_t msg[512];
	size_t len =
		build("dEEp.name.of.many.labels.indeed.test", DNS_TXT, msg);

	msg[11] = 1; /* EDNS with a cookie */
	memcpy(msg + len,
	       "\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08\1\2\3\4\5\6\7\x08",
	       23);
	send_raw(f, false, msg, len + 23);
	assert_int_equal(loop_run_until(f->loop, &f->done, NS_SEC), 0);
	assert_int_equal(f->up.last_len, len + 23);
	assert_memory_equal(f->up.last + 2, msg + 2, len + 21);
	assert_int_equal(dns_get_id(f->reply), 4242);
	assert_int_equal(f->cluster.asked, 0);
}

static void tunnel_down(void **state)
{
	struct fixture *f = *state;

	f->cluster.down = true;
	assert_in_range(ask(f, "web.demo.svc.cluster.local"), 0, 100);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	assert_in_range(ask(f, "web"), 0, 100);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	assert_in_range(ask(f, "printer"), 0, 100);
	assert_reply(f, "printer", "192.0.2.2", 0);
	assert_in_range(ask(f, "www.test"), 0, 100);
	assert_reply(f, "www.test", "192.0.2.1", 0);
	assert_in_range(ask(f, "nope.test"), 0, 100);
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
}

static void tunnel_mute(void **state)
{
	struct fixture *f = *state;
	int asked;

	f->cluster.mute = true;
	assert_in_range(ask(f, "web.demo.svc.cluster.local"), 800, 999);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	/* from now on it is suspected: no wait for it */
	assert_in_range(ask(f, "www.test"), 0, 100);
	assert_reply(f, "www.test", "192.0.2.1", 0);
	assert_in_range(ask(f, "web"), 350, 600);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	/* who asks again does not ask the tunnel again */
	asked = f->cluster.asked;
	assert_in_range(ask(f, "web"), 350, 600);
	assert_int_equal(f->cluster.asked, asked);
}

static void slow_cluster_does_not_slow_others_much(void **state)
{
	struct fixture *f = *state;

	f->cluster.mute = true;
	assert_in_range(ask(f, "www.test"), 300, 600);
	assert_reply(f, "www.test", "192.0.2.1", 0);
}

static void late_replies_still_fill_the_cache(void **state)
{
	struct fixture *f = *state;

	f->cluster.delay = 1100 * NS_MS;
	ask(f, "web.demo.svc.cluster.local");
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	assert_int_equal(loop_sleep(f->loop, 400 * NS_MS), 0);
	assert_in_range(ask(f, "web.demo.svc.cluster.local"), 0, 50);
	assert_reply(f, "web.demo.svc.cluster.local", "10.96.0.1", 0);
}

static void caches_and_joins(void **state)
{
	struct fixture *f = *state;
	uint8_t msg[512];
	size_t len = build("web", DNS_A, msg);

	/* three at once are one question */
	send_raw(f, false, msg, len);
	send_raw(f, true, msg, len);
	send_raw(f, false, msg, len);
	while (f->replies < 3)
		loop_once(f->loop, NS_SEC);
	assert_int_equal(f->cluster.asked, 1);
	/* the full name is the same question as the short one */
	ask(f, "web.demo.svc.cluster.local");
	ask_as(f, true, "WEB.demo.svc.cluster.local", DNS_A);
	assert_reply(f, "WEB.demo.svc.cluster.local", "10.96.0.1", 0);
	assert_int_equal(f->cluster.asked, 1);
	dns_resolver_flush(f->r);
	ask(f, "web");
	assert_int_equal(f->cluster.asked, 2);
	/* no cache at all */
	restart(f, "cluster,upstream", 0);
	ask(f, "web");
	ask(f, "web");
	assert_int_equal(f->cluster.asked, 4);
}

static void ttl_is_capped(void **state)
{
	struct fixture *f = *state;
	struct dns_walk w;
	struct dns_rr rr;

	restart(f, "cluster,upstream", 7);
	ask(f, "web");
	assert_int_equal(dns_walk_start(&w, f->reply, f->len), 0);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	assert_int_equal(rr.ttl, 7);
}

static void obeys_the_order(void **state)
{
	struct fixture *f = *state;

	restart(f, "upstream,cluster", 60);
	ask(f, "web.other");
	assert_reply(f, "web.other", "192.0.2.3", 0);
	ask(f, "web");
	assert_reply(f, "web", "10.96.0.1", 0);
	/* without the cluster in the list nothing is the cluster's */
	restart(f, "upstream", 60);
	ask(f, "web.demo.svc.cluster.local");
	assert_reply(f, "web.demo.svc.cluster.local", "192.0.2.66", 0);
	ask(f, "web");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
}

static void goes_on_to_the_next_server(void **state)
{
	struct fixture *f = *state;
	char order[128], addr[IPPORT_STRLEN];

	/* port 1 refuses; then the one that knows */
	snprintf(order, sizeof(order), "cluster,127.0.0.1:1,tcp:%s",
		 ipport_str(&f->up.addr, addr));
	restart(f, order, 60);
	ask(f, "deep.name.test");
	assert_reply(f, "deep.name.test", "192.0.2.4", 0);
	assert_int_equal(f->up.asked_tcp, 1);
	assert_int_equal(f->up.asked, 0);
}

static void pod_dns_asks_only_the_cluster(void **state)
{
	struct fixture *f = *state;

	restart(f, "cluster", 60);
	ask(f, "outside.test");
	assert_reply(f, "outside.test", "192.0.2.99", 0);
	ask(f, "web");
	assert_reply(f, "web", "10.96.0.1", 0);
	ask(f, "printer");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	ask(f, "a.very.long.name.that.no.pod.has.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	assert_int_equal(f->up.asked, 0);
}

static void tcp_goes_by_tcp_and_tc_passes(void **state)
{
	struct fixture *f = *state;

	f->up.truncate = true;
	ask(f, "one.two.three.www.test");
	assert_true(f->reply[2] & 2);
	ask_as(f, true, "www.test", DNS_A);
	assert_reply(f, "www.test", "192.0.2.1", 0);
	assert_int_equal(f->up.asked_tcp, 1);
	/* forced to UDP, but the client is on TCP already */
	restart(f, "cluster,udp:upstream", 60);
	ask_as(f, true, "www.test", DNS_A);
	assert_reply(f, "www.test", "192.0.2.1", 0);
	assert_int_equal(f->up.asked_tcp, 2);
}

static void wrong_datagrams_are_ignored(void **state)
{
	struct fixture *f = *state;

	f->up.lies = 3;
	ask(f, "www.test");
	assert_reply(f, "www.test", "192.0.2.1", 0);
}

static void dead_servers_end_in_servfail(void **state)
{
	struct fixture *f = *state;
	struct dns_from from = { .owner = f };
	uint8_t msg[512];
	size_t len = build("deep.name.of.the.net.test.", DNS_A, msg);

	/* nothing listens there */
	assert_int_equal(ipport_parse(&from.orig, "127.0.0.1:1"), 0);
	dns_resolver_ask(f->r, &from, msg, len, on_reply);
	assert_int_equal(loop_run_until(f->loop, &f->done, NS_SEC), 0);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	/* no destination known, no fallback */
	from.orig = (struct ipport){ 0 };
	f->done = false;
	dns_resolver_ask(f->r, &from, msg, len, on_reply);
	assert_true(f->done);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	/* silence: repeated, then given up */
	f->up.mute = true;
	f->up.asked = 0;
	assert_in_range(ask(f, "deep.name.test"), 4900, 5500);
	assert_reply(f, NULL, NULL, DNS_SERVFAIL);
	assert_in_range(f->up.asked, 3, 4);
}

static void ingress_hosts(void **state)
{
	struct fixture *f = *state;
	auto_strv struct strv hosts = strv_split("shop.test,*.apps.test", ',');
	struct ipaddr ip;

	assert_int_equal(ipaddr_parse(&ip, "203.0.113.5"), 0);
	dns_resolver_set_ingress(f->r, &ip, &hosts);
	ask(f, "Shop.test");
	assert_reply(f, "Shop.test", "203.0.113.5", 0);
	ask(f, "a.apps.test");
	assert_reply(f, "a.apps.test", "203.0.113.5", 0);
	ask_as(f, false, "shop.test", DNS_AAAA);
	assert_reply(f, NULL, NULL, DNS_NOERROR);
	assert_int_equal(f->up.asked, 0);
	ask(f, "apps.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	ask(f, "b.a.apps.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	dns_resolver_set_ingress(f->r, NULL, NULL);
	ask(f, "shop.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
}

static void unusual_messages(void **state)
{
	struct fixture *f = *state;
	uint8_t msg[512];
	size_t len = build("web", DNS_A, msg);
	struct dns_hdr h;

	/* junk: no answer at all; a reply: neither */
	send_raw(f, false, (const uint8_t *)"junk", 4);
	assert_true(f->done && f->len == 0);
	msg[2] |= 0x80;
	send_raw(f, false, msg, len);
	assert_true(f->done && f->len == 0);
	msg[2] &= 0x7f;
	/* a question that is cut off, and two questions */
	send_raw(f, false, msg, len - 1);
	assert_true(f->done);
	assert_int_equal(f->reply[3] & 15, DNS_FORMERR);
	msg[5] = 2;
	send_raw(f, false, msg, len);
	assert_int_equal(f->reply[3] & 15, DNS_FORMERR);
	msg[5] = 1;
	/* UPDATE is for the server it was sent to */
	msg[2] = 0x28;
	send_raw(f, false, msg, len);
	assert_int_equal(loop_run_until(f->loop, &f->done, NS_SEC), 0);
	assert_int_equal(f->up.asked, 1);
	assert_int_equal(f->reply[2] & 0x78, 0x28);
	msg[2] = 1;
	/* CHAOS too, even for a name of the cluster */
	msg[len - 1] = DNS_CHAOS;
	send_raw(f, false, msg, len);
	assert_int_equal(loop_run_until(f->loop, &f->done, NS_SEC), 0);
	assert_int_equal(f->up.asked, 2);
	assert_int_equal(f->cluster.asked, 0);
	msg[len - 1] = DNS_IN;
	/* EDNS version 1 */
	msg[11] = 1;
	memcpy(msg + len, "\0\0\x29\x10\0\0\1\0\0\0\0", 11);
	send_raw(f, false, msg, len + 11);
	assert_true(f->done);
	assert_int_equal(dns_hdr_read(&h, f->reply, f->len), 0);
	assert_int_equal(h.count[3], 1);
	assert_int_equal(f->reply[f->len - 6], 1); /* BADVERS = 16 */
	/* zone transfer of the cluster */
	ask_as(f, true, "cluster.local", DNS_AXFR);
	assert_reply(f, NULL, NULL, DNS_REFUSED);
}

static void cancelled_tasks_stay_silent(void **state)
{
	struct fixture *f = *state;
	uint8_t msg[512];

	send_raw(f, false, msg, build("web", DNS_A, msg));
	send_raw(f, false, msg, build("one.two.www.test", DNS_A, msg));
	send_raw(f, false, msg, build("x.other", DNS_A, msg));
	dns_resolver_cancel(f->r, f);
	assert_int_equal(loop_sleep(f->loop, 100 * NS_MS), 0);
	assert_int_equal(f->replies, 0);
	/* and in flight when all ends */
	send_raw(f, false, msg, build("web.demo", DNS_A, msg));
}

static const struct fake_rr office_zone[] = {
	{ "www.corp.test", "192.0.2.80" },
	{ 0 },
};
static const struct fake_rr office_cluster[] = {
	{ "www.demo.svc.cluster.local", "10.96.0.80" },
	{ "web.demo.svc.cluster.local", "10.96.0.1" },
	{ 0 },
};
static const struct fake_rr wildcard_zone[] = {
	{ "www.corp.test", "192.0.2.80" },
	{ "*.corp.test", "192.0.2.99" },
	{ 0 },
};

static void office(struct fixture *f)
{
	auto_strv struct strv services = strv_split("www,web", ',');
	auto_strv struct strv search = strv_split("corp.test", ',');

	f->up.zone = office_zone;
	f->cluster.zone = office_cluster;
	know_namespaces(f);
	dns_view_set_services(&f->view, &services);
	dns_search_set(&f->view.laptop, &search, 1);
}

/* A host of the office with the name of a Service stays what it was. */
static void the_own_domains_hosts(void **state)
{
	struct fixture *f = *state;

	office(f);
	/* not a host there: the Service, completed by the library */
	ask(f, "web.corp.test");
	assert_reply(f, "web.corp.test", "10.96.0.1", 0);
	assert_int_equal(f->clashes, 0);
	/* a host, even when the cluster is much faster; for each type */
	ask(f, "www.corp.test");
	assert_reply(f, "www.corp.test", "192.0.2.80", 0);
	ask_as(f, false, "www.corp.test", DNS_AAAA);
	assert_reply(f, NULL, NULL, DNS_NOERROR);
	ask_as(f, true, "www.corp.test", DNS_A);
	assert_reply(f, "www.corp.test", "192.0.2.80", 0);
	assert_true(f->clashes >= 2);
	/* the Service's own name is not in question */
	ask(f, "www");
	assert_reply(f, "www", "10.96.0.80", 0);
	/* the server listed alone is asked alone */
	f->cluster.asked = 0;
	ask(f, "other.corp.test");
	assert_reply(f, NULL, NULL, DNS_NXDOMAIN);
	assert_int_equal(f->cluster.asked, 0);
}

static const struct fake_rr echo_zone[] = {
	{ "www.corp.test", "10.96.0.80" },
	{ 0 },
};

/* dnsmasq on this machine asks its own server through us, and says what the
 * cluster has said: nobody is warned of a host that is not there. */
static void a_server_that_has_asked_us(void **state)
{
	struct fixture *f = *state;

	office(f);
	f->up.zone = echo_zone;
	ask(f, "www.corp.test");
	assert_reply(f, "www.corp.test", "10.96.0.80", 0);
	ask_as(f, false, "www.corp.test", DNS_AAAA);
	assert_reply(f, NULL, NULL, DNS_NOERROR);
	assert_int_equal(f->clashes, 0);
}

/* Who knows every name knows none. */
static void a_wildcard_in_the_own_domain(void **state)
{
	struct fixture *f = *state;

	office(f);
	f->up.zone = wildcard_zone;
	ask(f, "web.corp.test");
	assert_reply(f, "web.corp.test", "10.96.0.1", 0);
	ask(f, "nobody.corp.test");
	assert_reply(f, "nobody.corp.test", "192.0.2.99", 0);
	f->up.asked = 0; /* it was learnt */
	ask(f, "www.corp.test");
	assert_reply(f, "www.corp.test", "10.96.0.80", 0);
	assert_int_equal(f->up.asked, 1);
	assert_int_equal(f->clashes, 0);
}

/* Away from the office its server is silent: Services are found all the same */
static void the_own_domains_server_is_silent(void **state)
{
	struct fixture *f = *state;

	office(f);
	f->up.mute = true;
	assert_in_range(ask(f, "web.corp.test"), 500, 1500);
	assert_reply(f, "web.corp.test", "10.96.0.1", 0);
	assert_in_range(ask(f, "www.corp.test"), 0, 300);
	assert_reply(f, "www.corp.test", "10.96.0.80", 0);
	/* back in the office */
	f->up.mute = false;
	ask(f, "www.corp.test");
	assert_reply(f, "www.corp.test", "192.0.2.80", 0);
}

/* Where a server is says nothing about whose it is. */
static void servers_in_a_captured_range(void **state)
{
	struct fixture *f = *state;
	struct ipprefix range;

	know_namespaces(f);
	/* not captured: our own sockets go past the capture anyway */
	ask_as(f, false, "www.test", DNS_A);
	assert_int_equal(f->past, 1);
	assert_int_equal(f->up.asked, 1);
	/* captured: both ways, the first answer is it */
	assert_int_equal(ipprefix_parse(&range, "127.0.0.0/8"), 0);
	dns_view_set_ranges(&f->view, &range, 1);
	ask_as(f, false, "www.test", DNS_A);
	assert_int_equal(f->past, 2);
	assert_true(f->len > DNS_HDR_LEN);
	assert_int_equal(f->reply[3] & 0x0f, DNS_NOERROR);
	assert_int_equal(loop_sleep(f->loop, 20 * NS_MS), 0);
	assert_int_equal(f->up.asked, 3);
	/* no other way: that into the cluster is left */
	f->past_rc = -ENETUNREACH;
	ask_as(f, false, "www.test", DNS_A);
	assert_int_equal(f->past, 3);
	assert_int_equal(f->reply[3] & 0x0f, DNS_NOERROR);
	ask_as(f, true, "www.test", DNS_A);
	assert_int_equal(f->past, 4);
	assert_int_equal(f->reply[3] & 0x0f, DNS_NOERROR);
	/* the cluster's own: no other way is tried */
	dns_view_set_servers(&f->view, &f->up.addr.addr, 1);
	ask_as(f, false, "www.test", DNS_A);
	assert_int_equal(f->past, 4);
	assert_int_equal(f->reply[3] & 0x0f, DNS_NOERROR);
	dns_view_set_ranges(&f->view, NULL, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cluster_names_go_to_the_cluster_only),
		T(short_names_as_in_a_pod),
		T(the_clusters_yes_wins),
		T(known_namespaces_spare_the_cluster),
		T(learns_which_places_are_absent),
		T(passes_the_message_unchanged),
		T(tunnel_down),
		T(tunnel_mute),
		T(slow_cluster_does_not_slow_others_much),
		T(late_replies_still_fill_the_cache),
		T(caches_and_joins),
		T(ttl_is_capped),
		T(obeys_the_order),
		T(goes_on_to_the_next_server),
		T(pod_dns_asks_only_the_cluster),
		T(tcp_goes_by_tcp_and_tc_passes),
		T(wrong_datagrams_are_ignored),
		T(dead_servers_end_in_servfail),
		T(ingress_hosts),
		T(unusual_messages),
		T(the_own_domains_hosts),
		T(a_server_that_has_asked_us),
		T(a_wildcard_in_the_own_domain),
		T(the_own_domains_server_is_silent),
		T(servers_in_a_captured_range),
		T(cancelled_tasks_stay_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
