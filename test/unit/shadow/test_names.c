/* SPDX-License-Identifier: Apache-2.0 */
/* Names through the real shadow, with a little name server of our own. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "tunnel/dnscheck.h"
#include "tunnel/faults.h"
#include "wire/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define BIG 20000 /* bytes of a reply that needs TCP */

static struct rig rig;
static int udp_fd, tcp_fd;
static _Atomic uint8_t moved = 1; /* last byte of mover.svc's address */
static char resolv_path[] = "/tmp/test-names-XXXXXX";

/* --- the name server ------------------------------------------------------ */

static bool starts(const struct dns_query *q, const char *text)
{
	char name[DNS_NAME_STRLEN];

	return strcmp(dns_name_str(&q->name, name), text) == 0;
}

static size_t answer(const uint8_t *msg, size_t n, uint8_t *out, bool tcp)
{
	static const uint8_t lo[4] = { 127, 0, 0, 1 };
	struct dns_query q;
	ssize_t len;

	if (dns_query_parse(&q, msg, n) < 0)
		return 0;
	if (starts(&q, "big.test") && tcp) {
		len = dns_reply_empty(&q, DNS_NOERROR, out, BIG);
		memset(out + len, 0, BIG - (size_t)len);
		return BIG;
	}
	const uint8_t now[4] = { 127, 0, 0, moved };

	if (starts(&q, "mover.svc") && q.type == DNS_A)
		len = dns_reply_addr(&q, now, 4, 30, out, 512);
	else if (starts(&q, "web.demo.svc") && q.type == DNS_A)
		len = dns_reply_addr(&q, lo, 4, 30, out, 512);
	else
		len = dns_reply_empty(
			&q,
			starts(&q, "web.demo.svc") || starts(&q, "mover.svc") ||
					starts(&q, "big.test")
				? DNS_NOERROR
			: starts(&q, "nobody.demo") || starts(&q, "silly")
				? DNS_SERVFAIL
				: DNS_NXDOMAIN,
			out, 512);
	if (starts(&q, "big.test"))
		out[2] |= 0x02; /* TC */
	return (size_t)len;
}

static void *serve_udp(void *arg)
{
	static uint8_t in[65536], out[65536];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	(void)arg;
	while ((n = recvfrom(udp_fd, in, sizeof(in), 0,
			     (struct sockaddr *)&from, &len)) > 0) {
		size_t m = answer(in, (size_t)n, out, false);

		if (m)
			sendto(udp_fd, out, m, 0, (struct sockaddr *)&from,
			       len);
	}
	return NULL;
}

static void *serve_tcp(void *arg)
{
	static uint8_t in[65536], out[65536];
	int fd;

	(void)arg;
	while ((fd = accept(tcp_fd, NULL, NULL)) >= 0) {
		ssize_t n = recv(fd, in, sizeof(in), 0);
		size_t m = n > 2 ? answer(in + 2, (size_t)n - 2, out + 2, true)
				 : 0;

		out[0] = (uint8_t)(m >> 8);
		out[1] = (uint8_t)m;
		(void)!send(fd, out, m + 2, MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static int start(void **state)
{
	static char server[32];
	static char *args[] = { (char *)(uintptr_t) "--nameserver", server,
				(char *)(uintptr_t) "--resolv-conf",
				resolv_path, NULL };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct ipport at;
	pthread_t t;
	int f = mkstemp(resolv_path);

	(void)state;
	assert_true(f >= 0);
	dprintf(f, "nameserver 10.96.0.10\nsearch x.svc demo.svc svc\n"
		   "options ndots:5\n");
	close(f);
	tcp_fd = local_listen(&at);
	udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
	sin.sin_port = htons(at.port);
	sin.sin_addr.s_addr = htonl(0x7f000001);
	assert_int_equal(bind(udp_fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	pthread_create(&t, NULL, serve_udp, NULL);
	pthread_create(&t, NULL, serve_tcp, NULL);
	snprintf(server, sizeof(server), "127.0.0.1:%u", at.port);
	assert_int_equal(setenv("SHADOW_SERVICE_RANGES",
				"10.96.0.0/12, fd00:1::/112", 1),
			 0);
	rig_start(&rig, args);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	unlink(resolv_path);
	return 0;
}

/* --- asking --------------------------------------------------------------- */

struct asked {
	bool done;
	int error;
	size_t len;
	uint8_t reply[65536];
};

static void on_reply(void *user, int error, const uint8_t *reply, size_t len)
{
	struct asked *a = user;

	a->done = true;
	a->error = error;
	a->len = len;
	if (len)
		memcpy(a->reply, reply, len);
}

static void ask(struct asked *a, const char *name, uint16_t type, bool tcp)
{
	struct dns_query q = {
		.id = 0x1234, .flags = DNS_RD, .type = type, .klass = DNS_IN
	};
	uint8_t msg[512];
	ssize_t n;

	a->done = false;
	assert_int_equal(dns_name_parse(&q.name, name), 0);
	n = dns_query_build(&q, msg, sizeof(msg));
	assert_true(n > 0);
	assert_non_null(
		tunnel_dns_query(rig.tunnel, msg, (size_t)n, tcp, on_reply, a));
	rig_wait(&rig, &a->done);
}

static void answers_queries(void **state)
{
	static struct asked a;
	struct dns_hdr h;

	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		ask(&a, "web.demo.svc", DNS_A, tcp);
		assert_int_equal(a.error, 0);
		assert_int_equal(dns_hdr_read(&h, a.reply, a.len), 0);
		assert_int_equal(h.id, 0x1234);
		assert_int_equal(h.count[1], 1);
		ask(&a, "nobody.test", DNS_A, tcp);
		assert_int_equal(a.error, 0);
		assert_int_equal(dns_hdr_read(&h, a.reply, a.len), 0);
		assert_int_equal(dns_hdr_rcode(&h), DNS_NXDOMAIN);
	}
	ask(&a, "big.test", DNS_TXT, false);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, BIG);
}

static void refuses_nonsense(void **state)
{
	static struct asked a;

	(void)state;
	a.done = false;
	assert_non_null(tunnel_dns_query(rig.tunnel, (const uint8_t *)"x", 1,
					 false, on_reply, &a));
	rig_wait(&rig, &a.done);
	assert_int_equal(a.error, -EINVAL);
}

static void on_dialed(void *user, int error)
{
	int *rc = user;

	*rc = error;
}

static int dial_name(const char *host, uint16_t port)
{
	struct tunnel_tcp *tcp;
	int rc = 1;

	tcp = tunnel_tcp_dial_name(rig.tunnel, host, port, on_dialed, &rc);
	assert_non_null(tcp);
	while (rc == 1)
		loop_once(rig.loop, NS_SEC);
	if (rc == 0)
		tunnel_tcp_cancel(tcp);
	return rc;
}

static void dials_names(void **state)
{
	struct ipport at;
	int l = local_listen(&at);

	(void)state;
	assert_int_equal(dial_name("web", at.port), 0);
	assert_int_equal(dial_name("web.demo", at.port), 0);
	assert_int_equal(dial_name("web.demo.svc", at.port), 0);
	assert_int_equal(dial_name("web.demo.svc.", at.port), 0);
	assert_int_equal(dial_name("web", free_port()), -ECONNREFUSED);
	assert_int_equal(dial_name("nobody", at.port), -ENOENT);
	close(l);
}

/* --- UDP by name ---------------------------------------------------------- */

struct talk {
	bool done, opened;
	int error;
	char data[16];
};

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
	struct talk *t = user;

	snprintf(t->data, sizeof(t->data), "%.*s", (int)len,
		 (const char *)data);
	t->done = true;
}

static void on_udp_open(void *user)
{
	struct talk *t = user;

	t->opened = true;
}

static void on_udp_closed(void *user, int error)
{
	struct talk *t = user;

	t->error = error;
	t->done = true;
}

/* What was sent before the name is known waits for that */
static void datagrams_to_names(void **state)
{
	static const struct tunnel_udp_ops ops = {
		.open = on_udp_open,
		.datagram = on_datagram,
		.close = on_udp_closed,
	};
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct talk talk = { 0 };
	struct tunnel_udp *u;
	char got[16] = "";

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	u = tunnel_udp_open_name(rig.tunnel, "web", ntohs(sin.sin_port), &ops,
				 &talk);
	assert_non_null(u);
	assert_int_equal(tunnel_udp_send(u, (const uint8_t *)"ping", 4), 0);
	for (int i = 0; i < 1000 && !got[0]; i++) {
		len = sizeof(sin);
		(void)!loop_sleep(rig.loop, 10 * NS_MS);
		(void)!recvfrom(fd, got, sizeof(got) - 1, MSG_DONTWAIT,
				(struct sockaddr *)&sin, &len);
	}
	assert_string_equal(got, "ping");
	sendto(fd, "pong", 4, 0, (struct sockaddr *)&sin, len);
	rig_wait(&rig, &talk.done);
	assert_string_equal(talk.data, "pong");
	tunnel_udp_close(u);
	close(fd);

	assert_true(talk.opened);

	talk = (struct talk){ 0 };
	assert_non_null(
		tunnel_udp_open_name(rig.tunnel, "nobody", 53, &ops, &talk));
	rig_wait(&rig, &talk.done);
	assert_int_equal(talk.error, -ENOENT);
	assert_false(talk.opened);
	assert_null(
		tunnel_udp_open_name(rig.tunnel, "no body", 53, &ops, &talk));
	assert_int_equal(errno, EINVAL);
}

/* A listener at @text, any port; its descriptor */
static int listens_at(const char *text, uint16_t *port)
{
	struct sockaddr_storage ss;
	struct ipport at = { 0 };
	socklen_t len = sizeof(ss);
	int fd;

	assert_int_equal(ipaddr_parse(&at.addr, text), 0);
	fd = socket(at.addr.family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	len = ipport_to_sockaddr(&at, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(ipport_from_sockaddr(&at, (struct sockaddr *)&ss), 0);
	*port = at.port;
	return fd;
}

/* The tunnel's own port is one of those on 127.0.0.1 */
static void listens_to_us(const struct tunnel_info *in)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", rig.port);
	assert_true(strv_has(&in->listening, port));
	assert_false(strv_has(&in->listening, "0"));
}

static void on_info(void *user, int error, const struct tunnel_info *in)
{
	bool *done = user;

	*done = true;
	assert_int_equal(error, 0);
	assert_string_equal(in->version, KT_VERSION);
	assert_true(*in->hostname);
	assert_int_equal(in->ndots, 5);
	assert_int_equal(in->search.n, 3);
	assert_string_equal(in->search.v[1], "demo.svc");
	assert_int_equal(in->nameservers.n, 1);
	assert_int_equal(in->service_ranges.n, 2);
	assert_string_equal(in->service_ranges.v[1], "fd00:1::/112");
	assert_int_equal(in->pod_ranges.n, 0);
	listens_to_us(in);
}

static void tells_what_it_sees(void **state)
{
	bool done = false;

	(void)state;
	assert_int_equal(tunnel_info_get(rig.tunnel, on_info, &done), 0);
	rig_wait(&rig, &done);
}

struct listeners {
	uint16_t port[5];
	bool said[5];
	bool done;
};

static void on_listeners(void *user, int error, const struct tunnel_info *in)
{
	struct listeners *l = user;
	char port[8];

	l->done = true;
	assert_int_equal(error, 0);
	for (size_t i = 0; i < ARRAY_SIZE(l->port); i++) {
		snprintf(port, sizeof(port), "%u", l->port[i]);
		l->said[i] = strv_has(&in->listening, port);
	}
}

/* Who can be called at 127.0.0.1, and nobody else */
static void tells_who_listens(void **state)
{
	static const char *const at[] = { "0.0.0.0", "127.0.0.2",
					  "::", "::ffff:127.0.0.1", "::1" };
	struct listeners l = { 0 };
	int fd[ARRAY_SIZE(at)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		fd[i] = listens_at(at[i], &l.port[i]);
	assert_int_equal(tunnel_info_get(rig.tunnel, on_listeners, &l), 0);
	rig_wait(&rig, &l.done);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		assert_int_equal(l.said[i], i != 4);
		close(fd[i]);
	}
}

static void waits(int64_t ns)
{
	(void)!loop_sleep(rig.loop, ns);
}

/* Its loop had no turn for so long that the shadow gave the carrier up */
static void come_back(void)
{
	waits(100 * NS_MS);
	if (tunnel_state(rig.tunnel) == TUNNEL_UP)
		return;
	rig_connect(&rig);
	for (int i = 0; i < 500 && tunnel_state(rig.tunnel) != TUNNEL_UP; i++)
		waits(10 * NS_MS);
	assert_int_equal(tunnel_state(rig.tunnel), TUNNEL_UP);
	assert_false(rig.dead);
}

/* The name server that the shadow uses, and one that a policy keeps it from */
static void tells_when_dns_is_silent(void **state)
{
	struct dnscheck check;
	struct rig other;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	char server[32];
	char *args[] = { (char *)(uintptr_t) "--nameserver", server, NULL };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	dnscheck_start(&check, rig.loop, rig.tunnel, "shadow", "10.96.0.10");
	while (check.query)
		waits(10 * NS_MS);
	assert_false(check.silent);
	dnscheck_stop(&check);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(sin.sin_port));
	rig_start(&other, args);
	dnscheck_start(&check, other.loop, other.tunnel, "shadow", NULL);
	for (int i = 0; i < 800 && !check.silent; i++)
		(void)!loop_sleep(other.loop, 10 * NS_MS);
	assert_true(check.silent);
	assert_null(check.query);
	dnscheck_stop(&check);
	rig_stop(&other);
	close(fd);
	come_back();
}

/* --- targets of faults ---------------------------------------------------- */

static struct faults *faults_of(const char *one, const char *two)
{
	struct fault v[2];
	const struct fault_list list = { v, two ? 2 : 1 };

	assert_int_equal(fault_parse(&v[0], one, NULL, NULL, NULL), 0);
	if (two)
		assert_int_equal(fault_parse(&v[1], two, NULL, NULL, NULL), 0);
	return faults_new(rig.loop, rig.tunnel, &list, 1);
}

static bool is_hit(struct faults *f, const char *host, uint8_t last)
{
	const struct ipport to = { { AF_INET, { 127, 0, 0, last } }, 80 };

	return faults_pick(f, FAULT_TCP, FAULT_BOTH, host, &to);
}

/* A name is completed as in the Pod, however a program writes it; its address
 * is followed */
static void faults_follow_names(void **state)
{
	struct faults *f = faults_of("mover:80 refuse", NULL);
	struct kt_error err = { 0 };

	(void)state;
	assert_false(is_hit(f, NULL, 1));
	if (faults_start(f, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(is_hit(f, NULL, 1));
	assert_false(is_hit(f, NULL, 2));
	assert_true(is_hit(f, "mover", 0));
	assert_true(is_hit(f, "mover.svc", 0));
	assert_true(is_hit(f, "Mover.Svc.", 0));
	assert_false(is_hit(f, "mover.demo", 0));
	assert_false(is_hit(f, "move", 0));
	assert_false(is_hit(f, "web.demo.svc", 0));
	moved = 2;
	for (int i = 0; i < 3000 && !is_hit(f, NULL, 2); i++)
		waits(10 * NS_MS);
	assert_true(is_hit(f, NULL, 2));
	assert_false(is_hit(f, NULL, 1));
	faults_free(f);
}

/* Of the names that are tried, the last one is no name of the cluster's, and
 * whoever is asked for it may fail */
static void faults_of_nobody(void **state)
{
	struct faults *f = faults_of("* latency=1s", "nobody.demo refuse");
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(faults_start(f, &err), -ENOENT);
	assert_string_equal(err.msg, "--fault: the cluster's DNS knows no name "
				     "nobody.demo");
	faults_free(f);
	err = (struct kt_error){ 0 };
	f = faults_of("silly. refuse", NULL);
	assert_int_equal(faults_start(f, &err), -EAGAIN);
	faults_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_queries),
		cmocka_unit_test(refuses_nonsense),
		cmocka_unit_test(dials_names),
		cmocka_unit_test(datagrams_to_names),
		cmocka_unit_test(tells_what_it_sees),
		cmocka_unit_test(tells_who_listens),
		cmocka_unit_test(tells_when_dns_is_silent),
		cmocka_unit_test(faults_follow_names),
		cmocka_unit_test(faults_of_nobody),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
