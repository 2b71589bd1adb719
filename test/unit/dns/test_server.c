/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/process.h"
#include "dns/resolver.h"
#include "dns/server.h"
#include "fake.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const struct fake_rr cluster_zone[] = {
	{ "web.demo.svc.cluster.local", "10.96.0.1" },
	{ "db.demo.svc.cluster.local", "10.96.0.2" },
	{ 0 }
};
static const struct fake_rr upstream_zone[] = { { "www.test", "192.0.2.1" },
						{ 0 } };

struct fixture {
	struct loop *loop;
	struct fake_cluster cluster;
	struct fake_upstream up;
	struct dns_view view;
	struct dns_resolver *r;
	struct dns_server *server;
	struct dns_server_ports ports;
	struct ipport seen; /* the client that original() was asked for */
	bool lost;	    /* original() does not know */
	bool looping;	    /* what goes to the server comes back to us */
	int looped;
};

static int original(void *user, int fd, const struct dns_from *from,
		    struct ipport *orig)
{
	struct fixture *f = user;

	assert_true(fd >= 0);
	f->seen = from->peer;
	*orig = f->up.addr;
	if (f->looping)
		orig->port = f->ports.any4;
	return f->lost ? -ENOENT : 0;
}

static void count_looped(void *user, const struct ipport *to)
{
	struct fixture *f = user;

	assert_int_equal(to->port, f->ports.any4);
	f->looped++;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct dns_resolver_config cfg = { .view = &f->view,
					   .cache_ttl = 60,
					   .looped = count_looped,
					   .user = f };
	struct dns_server_config scfg = { .original = original,
					  .user = f,
					  .any = true };
	struct kt_error err = { 0 };

	f->loop = loop_new();
	assert_non_null(f->loop);
	fake_cluster_init(&f->cluster, f->loop, cluster_zone);
	fake_upstream_init(&f->up, f->loop, upstream_zone);
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

/* dig: an implementation that is not ours */
static void dig(struct fixture *f, const char *server, uint16_t port,
		const char *options, const char *expected)
{
	auto_strv struct strv argv = { 0 };
	auto_strv struct strv more = strv_split(options, ' ');
	struct process_result res = { 0 };
	struct kt_error err = { 0 };
	char text[16];
	int rc;

	snprintf(text, sizeof(text), "%d", port);
	strv_add(&argv, "dig");
	strv_add(&argv, server);
	strv_add(&argv, "-p");
	strv_add(&argv, text);
	strv_add(&argv, "+noall");
	strv_add(&argv, "+answer");
	strv_add(&argv, "+comments");
	strv_add(&argv, "+tries=1");
	strv_add(&argv, "+time=3");
	for (size_t i = 0; i < more.n; i++)
		strv_add(&argv, more.v[i]);
	rc = process_run(f->loop, argv.v, NULL, NULL, 1 << 20, 10 * NS_SEC,
			 &res, &err);
	if (rc == -ENOSYS) /* valgrind knows no pidfd_open() */
		return;
	assert_int_equal(rc, 0);
	if (!strstr(res.out, expected))
		print_message("dig %s said: %s\n", options, res.out);
	assert_non_null(strstr(res.out, expected));
	assert_null(strstr(res.out, "WARNING: recursion"));
	assert_null(strstr(res.out, "extra bytes"));
	assert_null(strstr(res.out, "malformed"));
	process_result_fini(&res);
}

static void dig_agrees(void **state)
{
	struct fixture *f = *state;
	uint16_t v4 = f->ports.v4;

	dig(f, "@127.0.0.1", v4, "web A", "10.96.0.1");
	dig(f, "@127.0.0.1", v4, "web A +noedns", "10.96.0.1");
	dig(f, "@127.0.0.1", v4, "web A +tcp", "10.96.0.1");
	dig(f, "@127.0.0.1", v4, "web.demo.svc.cluster.local", "10.96.0.1");
	dig(f, "@127.0.0.1", v4, "web AAAA", "status: NOERROR");
	dig(f, "@127.0.0.1", v4, "nope A", "status: NXDOMAIN");
	dig(f, "@127.0.0.1", v4, "nope A +tcp +dnssec", "status: NXDOMAIN");
	dig(f, "@127.0.0.1", v4, "www.test A", "192.0.2.1");
	dig(f, "@127.0.0.1", v4, "www.test A +tcp", "192.0.2.1");
	if (f->ports.v6) {
		dig(f, "@::1", f->ports.v6, "web A", "10.96.0.1");
		dig(f, "@::1", f->ports.v6, "www.test A +tcp", "192.0.2.1");
		if (f->seen.port)
			assert_int_equal(f->seen.addr.family, AF_INET6);
	}
}

static void unknown_destination(void **state)
{
	struct fixture *f = *state;

	f->lost = true;
	dig(f, "@127.0.0.1", f->ports.v4, "web A", "10.96.0.1");
	dig(f, "@127.0.0.1", f->ports.v4, "www.x.test A", "SERVFAIL");
}

/* Some other redirect brings our question back: it ends at once. */
static void a_question_of_our_own(void **state)
{
	struct fixture *f = *state;
	int64_t start = clock_ns();

	f->looping = true;
	dig(f, "@127.0.0.1", f->ports.v4, "www.x.test A", "SERVFAIL");
	dig(f, "@127.0.0.1", f->ports.v4, "+tcp www.x.test A", "SERVFAIL");
	assert_int_equal(f->looped, 2);
	assert_in_range(clock_ns() - start, 0, 2 * NS_SEC);
	dig(f, "@127.0.0.1", f->ports.v4, "web A", "10.96.0.1");
	f->looping = false;
	dig(f, "@127.0.0.1", f->ports.v4, "www.test A", "192.0.2.1");
}

/* dig takes an answer only from the address that it has asked */
static void answers_from_the_address_asked(void **state)
{
	struct fixture *f = *state;

	dig(f, "@127.0.0.2", f->ports.any4, "web A", "10.96.0.1");
	dig(f, "@127.0.0.3", f->ports.any4, "+tcp web A", "10.96.0.1");
	dig(f, "@::1", f->ports.any6, "web A", "10.96.0.1");
}

static int tcp_connect(const struct fixture *f)
{
	struct ipport to = { .addr = f->up.addr.addr, .port = f->ports.v4 };
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(&to, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
	return fd;
}

static size_t frame(uint8_t *to, const char *name, uint16_t id)
{
	struct dns_query q = {
		.id = id, .flags = DNS_RD, .type = DNS_A, .klass = DNS_IN
	};
	ssize_t n;

	assert_int_equal(dns_name_parse(&q.name, name), 0);
	n = dns_query_build(&q, to + 2, 512);
	assert_true(n > 0);
	to[0] = 0;
	to[1] = (uint8_t)n;
	return (size_t)n + 2;
}

/* whatever comes within the time, or until the end of the stream (*@eof) */
static size_t collect(struct fixture *f, int fd, uint8_t *buf, size_t cap,
		      size_t enough, bool *eof)
{
	int64_t end = clock_ns() + 3 * NS_SEC;
	size_t got = 0;

	*eof = false;
	while (got < enough && !*eof && clock_ns() < end) {
		ssize_t n;

		loop_once(f->loop, 10 * NS_MS);
		n = recv(fd, buf + got, cap - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		*eof = n == 0;
	}
	return got;
}

static void pipelines_over_tcp(void **state)
{
	struct fixture *f = *state;
	uint8_t out[8192], in[65536];
	size_t len = 0, got, seen = 0;
	int fd = tcp_connect(f);
	bool eof, ids[100] = { 0 };

	/* 100 questions, in odd pieces, then the end of the stream */
	for (uint16_t i = 0; i < 100; i++)
		len += frame(out + len, i % 2 ? "web" : "nope.cluster.local",
			     i);
	for (size_t at = 0; at < len; at += 333) {
		assert_true(send(fd, out + at, MIN(333, len - at), 0) > 0);
		loop_once(f->loop, NS_MS);
	}
	shutdown(fd, SHUT_WR);
	got = collect(f, fd, in, sizeof(in), SIZE_MAX, &eof);
	assert_true(eof);
	for (size_t at = 0; at + 2 <= got; seen++) {
		uint16_t id = dns_get_id(in + at + 2);

		assert_in_range(id, 0, 99);
		assert_false(ids[id]);
		ids[id] = true;
		at += 2u + (size_t)(in[at] << 8 | in[at + 1]);
	}
	assert_int_equal(seen, 100);
	close(fd);
}

static void zone_transfers_pass(void **state)
{
	struct fixture *f = *state;
	uint8_t out[512], in[4096];
	int fd = tcp_connect(f);
	size_t len = frame(out, "www.test", 5), got, seen = 0;
	bool eof;

	out[len - 3] = DNS_AXFR;
	assert_int_equal(send(fd, out, len, 0), len);
	shutdown(fd, SHUT_WR);
	got = collect(f, fd, in, sizeof(in), SIZE_MAX, &eof);
	assert_true(eof);
	for (size_t at = 0; at + 2 <= got; seen++) {
		assert_int_equal(dns_get_id(in + at + 2), 5);
		at += 2u + (size_t)(in[at] << 8 | in[at + 1]);
	}
	assert_int_equal(seen, 3);
	close(fd);
	dig(f, "@127.0.0.1", f->ports.v4, "web +tcp", "10.96.0.1");
	dig(f, "@127.0.0.1", f->ports.v4, "cluster.local AXFR",
	    "Transfer failed");
}

static void a_client_that_goes_away(void **state)
{
	struct fixture *f = *state;
	struct linger reset = { .l_onoff = 1 };
	uint8_t out[512];
	int fd = tcp_connect(f);
	size_t len = frame(out, "web", 1);

	f->cluster.delay = 100 * NS_MS;
	assert_int_equal(send(fd, out, len, 0), len);
	for (int i = 0; i < 5; i++)
		loop_once(f->loop, 10 * NS_MS);
	assert_int_equal(f->cluster.asked, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	/* its reply comes now and finds nobody */
	assert_int_equal(loop_sleep(f->loop, 200 * NS_MS), 0);
	/* one in the middle of a message */
	fd = tcp_connect(f);
	assert_int_equal(send(fd, out, len - 1, 0), len - 1);
	assert_int_equal(loop_sleep(f->loop, 50 * NS_MS), 0);
	close(fd);
	assert_int_equal(loop_sleep(f->loop, 50 * NS_MS), 0);
	dig(f, "@127.0.0.1", f->ports.v4, "web A", "10.96.0.1");
}

static void junk_does_no_harm(void **state)
{
	struct fixture *f = *state;
	struct ipport to = { .addr = f->up.addr.addr, .port = f->ports.v4 };
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(&to, &ss);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tcp = tcp_connect(f);
	uint8_t buf[512] = { 0 };
	bool eof;

	assert_true(udp >= 0);
	for (size_t len = 0; len < sizeof(buf); len += 7) {
		memset(buf, (int)len, sizeof(buf));
		sendto(udp, buf, len, 0, (struct sockaddr *)&ss, n);
	}
	/* an empty message and one without sense */
	assert_int_equal(send(tcp, "\0\0\0\3abc", 7, 0), 7);
	shutdown(tcp, SHUT_WR);
	collect(f, tcp, buf, sizeof(buf), SIZE_MAX, &eof);
	assert_true(eof);
	dig(f, "@127.0.0.1", f->ports.v4, "db A", "10.96.0.2");
	close(udp);
	close(tcp);
}

static void many_clients_are_bounded(void **state)
{
	struct fixture *f = *state;
	int fd[300], closed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = tcp_connect(f);
		for (int k = 0; k < 3; k++)
			loop_once(f->loop, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		char c;

		closed += recv(fd[i], &c, 1, MSG_DONTWAIT) == 0;
		close(fd[i]);
	}
	assert_int_equal(closed, 300 - 256);
	assert_int_equal(loop_sleep(f->loop, 50 * NS_MS), 0);
	dig(f, "@127.0.0.1", f->ports.v4, "db A +tcp", "10.96.0.2");
}

static void out_of_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, few;
	int fd = tcp_connect(f), turns = 0;
	int64_t end;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (end = clock_ns() + 250 * NS_MS; clock_ns() < end; turns++)
		loop_once(f->loop, 50 * NS_MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_in_range(turns, 1, 50);
	/* the client was not lost */
	end = clock_ns() + 200 * NS_MS;
	while (clock_ns() < end)
		loop_once(f->loop, 50 * NS_MS);
	shutdown(fd, SHUT_WR);
	assert_int_equal(loop_sleep(f->loop, 50 * NS_MS), 0);
	assert_int_equal(recv(fd, &turns, 1, MSG_DONTWAIT), 0);
	close(fd);
}

/* A connection that somebody else accepted, for a server that listens nowhere
 */
static void takes_a_connection(void **state)
{
	static const uint8_t query[] = { 0,   29,  0x12, 0x34, 1, 0,   0,
					 1,   0,   0,	 0,    0, 0,   0,
					 3,   'w', 'w',	 'w',  4, 't', 'e',
					 's', 't', 0,	 0,    1, 0,   1 };
	struct fixture *f = *state;
	const struct dns_server_config cfg = { 0 };
	struct dns_server *s = dns_server_new(f->loop, f->r, &cfg);
	struct ipport peer = f->up.addr;
	int pair[2];
	uint8_t reply[512];
	ssize_t n = -1;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(send(pair[0], "\0\x1a", 2, 0), 2);
	assert_int_equal(send(pair[0], query + 2, sizeof(query) - 2, 0),
			 (int)sizeof(query) - 2);
	dns_server_take(s, pair[1], &peer, &f->up.addr);
	for (int i = 0; i < 300 && n < 0; i++) {
		assert_int_equal(loop_sleep(f->loop, 10 * NS_MS), 0);
		n = recv(pair[0], reply, sizeof(reply), 0);
	}
	assert_true(n > 20);
	assert_memory_equal(reply + 2, query + 2, 2);
	assert_int_equal(reply[5] & 0xf, 0); /* NOERROR */
	assert_memory_equal(reply + n - 4, "\xc0\x00\x02\x01", 4);
	dns_server_close(s);
	close(pair[0]);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dig_agrees),
		T(unknown_destination),
		T(a_question_of_our_own),
		T(answers_from_the_address_asked),
		T(pipelines_over_tcp),
		T(takes_a_connection),
		T(zone_transfers_pass),
		T(a_client_that_goes_away),
		T(junk_does_no_harm),
		T(many_clients_are_bounded),
		T(out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
