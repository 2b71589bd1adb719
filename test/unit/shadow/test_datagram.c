/* SPDX-License-Identifier: Apache-2.0 */
/* UDP and ICMP echo through the real shadow, in a network namespace. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct rig rig;

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok ? 0 : -1;
}

static int own_namespace(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	char map[32];
	int fd, rc;

	snprintf(map, sizeof(map), "0 %d 1", (int)geteuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
	    write_file("/proc/self/uid_map", map) < 0)
		return -1;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %d 1", (int)getegid());
	write_file("/proc/self/gid_map", "0 0 1");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	rc = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return rc;
}

static int start(void **state)
{
	(void)state;
	if (own_namespace() < 0) {
		print_message("# no namespace of our own: skipped\n");
		exit(77);
	}
	rig_start(&rig, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

/* --- UDP ------------------------------------------------------------------ */

struct got {
	size_t n, len;
	bool closed;
	int error;
	uint8_t data[65536];
};

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
	struct got *g = user;

	g->n++;
	g->len = len;
	memcpy(g->data, data, len);
}

static void on_close(void *user, int error)
{
	struct got *g = user;

	g->closed = true;
	g->error = error;
}

static const struct tunnel_udp_ops udp_ops = { on_datagram, on_close };

static int udp_server(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

static int serve_one(int fd, size_t *len)
{
	static uint8_t buf[65536];
	struct sockaddr_in from;
	socklen_t flen = sizeof(from);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from,
			     &flen);

	if (n < 0)
		return -1;
	*len = (size_t)n;
	assert_int_equal(
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, flen),
		n);
	return 0;
}

static void echo_of_size(struct tunnel_udp *u, struct got *g, int fd,
			 size_t size)
{
	static uint8_t data[65536];
	size_t len = 0, before = g->n;

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + size);
	assert_int_equal(tunnel_udp_send(u, data, size), 0);
	for (int i = 0; i < 500 && g->n == before; i++) {
		loop_once(rig.loop, 10 * NS_MS);
		serve_one(fd, &len);
	}
	assert_int_equal(len, size);
	assert_int_equal(g->n, before + 1);
	assert_int_equal(g->len, size);
	assert_memory_equal(g->data, data, size);
}

static void carries_datagrams(void **state)
{
	static struct got g;
	struct ipport at;
	int fd = udp_server(&at);
	struct tunnel_udp *u = tunnel_udp_open(rig.tunnel, &at, &udp_ops, &g);

	(void)state;
	assert_non_null(u);
	echo_of_size(u, &g, fd, 5);
	echo_of_size(u, &g, fd, 0);
	echo_of_size(u, &g, fd, 1472);
	echo_of_size(u, &g, fd, 60000);
	echo_of_size(u, &g, fd, 65507);
	assert_int_equal(tunnel_udp_send(u, g.data, 65508), -EMSGSIZE);
	tunnel_udp_close(u);
	close(fd);
}

static void tells_unreachable_ports(void **state)
{
	static struct got g;
	struct ipport at = local_port(free_port());
	struct tunnel_udp *u = tunnel_udp_open(rig.tunnel, &at, &udp_ops, &g);

	(void)state;
	assert_int_equal(tunnel_udp_send(u, (const uint8_t *)"x", 1), 0);
	rig_wait(&rig, &g.closed);
	assert_int_equal(g.error, -ECONNREFUSED);

	memset(&g, 0, sizeof(g));
	assert_int_equal(ipport_parse(&at, "10.9.9.9:53"), 0);
	u = tunnel_udp_open(rig.tunnel, &at, &udp_ops, &g);
	assert_non_null(u);
	rig_wait(&rig, &g.closed);
	assert_int_equal(g.error, -ENETUNREACH);
}

static void bounds_its_queue(void **state)
{
	static struct got g;
	struct ipport at;
	int fd = udp_server(&at), rc = 0, sent = 0;
	struct tunnel_udp *u = tunnel_udp_open(rig.tunnel, &at, &udp_ops, &g);

	(void)state;
	while (sent < 100 && rc == 0) {
		rc = tunnel_udp_send(u, g.data, 60000);
		sent++;
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_in_range(sent, 4, 20);
	tunnel_udp_close(u);
	close(fd);
}

/* --- ICMP ----------------------------------------------------------------- */

struct pinged {
	bool answered, closed;
	int error;
	uint16_t id, seq;
	uint8_t type, code;
	size_t len;
	uint8_t data[2048];
};

static void on_answer(void *user, const struct tunnel_echo *e)
{
	struct pinged *p = user;

	p->answered = true;
	p->id = e->id;
	p->seq = e->seq;
	p->type = e->type;
	p->code = e->code;
	p->len = e->len;
	memcpy(p->data, e->payload, e->len);
}

static void on_ping_close(void *user, int error)
{
	struct pinged *p = user;

	p->closed = true;
	p->error = error;
}

static const struct tunnel_ping_ops ping_ops = { on_answer, on_ping_close };

static void says_it_may_not_ping(void **state)
{
	struct pinged p = { 0 };
	struct ipaddr lo = local_port(1).addr;

	(void)state;
	write_file("/proc/sys/net/ipv4/ping_group_range", "1 0");
	assert_non_null(tunnel_ping_open(rig.tunnel, &lo, &ping_ops, &p));
	rig_wait(&rig, &p.closed);
	assert_int_equal(p.error, -EACCES);
}

static void ping_one(const char *dst, uint8_t type)
{
	static const uint8_t payload[] = "0123456789abcdef";
	struct tunnel_echo e = { .id = 0xabcd,
				 .seq = 7,
				 .payload = payload,
				 .len = sizeof(payload) };
	struct pinged p = { 0 };
	struct tunnel_ping *t;
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(&a, dst), 0);
	t = tunnel_ping_open(rig.tunnel, &a, &ping_ops, &p);
	assert_non_null(t);
	assert_int_equal(tunnel_ping_send(t, &e), 0);
	rig_wait(&rig, &p.answered);
	assert_int_equal(p.id, 0xabcd);
	assert_int_equal(p.seq, 7);
	assert_int_equal(p.type, type);
	assert_int_equal(p.len, sizeof(payload));
	assert_memory_equal(p.data, payload, sizeof(payload));
	p.answered = false;
	e.seq = 8;
	e.ttl = 3;
	assert_int_equal(tunnel_ping_send(t, &e), 0);
	rig_wait(&rig, &p.answered);
	assert_int_equal(p.seq, 8);
	tunnel_ping_close(t);
}

static void pings(void **state)
{
	(void)state;
	if (write_file("/proc/sys/net/ipv4/ping_group_range", "0 0") < 0) {
		print_message("# ping_group_range cannot be set\n");
		skip();
	}
	ping_one("127.0.0.1", 0);
	ping_one("::1", 129);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_datagrams),
		cmocka_unit_test(tells_unreachable_ports),
		cmocka_unit_test(bounds_its_queue),
		cmocka_unit_test(says_it_may_not_ping),
		cmocka_unit_test(pings),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
