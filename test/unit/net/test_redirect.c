/* SPDX-License-Identifier: Apache-2.0 */
/* Callers of a port get another one, with a real kernel: a server and a client
 * in namespaces of their own. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/redirect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080

static int server_ns, client_ns;

struct world {
	struct redirect *r;
	int own, other;	  /* listeners: of the port, of the one instead */
	int uown, uother; /* the same for UDP */
	struct redirect_port v[2];
};

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static struct ipport at(const char *addr, uint16_t port)
{
	struct ipport p = { .port = port };

	assert_int_equal(ipaddr_parse(&p.addr, addr), 0);
	return p;
}

static int open_socket(int type, const struct ipport *local,
		       const struct ipport *peer)
{
	struct sockaddr_storage ss;
	struct timeval tv = { .tv_sec = 3 };
	socklen_t len = ipport_to_sockaddr(local ? local : peer, &ss);
	const int one = 1;
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (local)
		assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (local && !peer && type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	if (peer) {
		len = ipport_to_sockaddr(peer, &ss);
		assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport p;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(ipport_from_sockaddr(&p, (struct sockaddr *)&ss), 0);
	return p.port;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct ipport own = at("::", PORT), any = at("::", REDIRECT_FIRST + 1);
	struct kt_error err = { 0 };

	enter(server_ns);
	w->own = open_socket(SOCK_STREAM, &own, NULL);
	w->other = open_socket(SOCK_STREAM, &any, NULL);
	w->uown = open_socket(SOCK_DGRAM, &own, NULL);
	w->uother = open_socket(SOCK_DGRAM, &any, NULL);
	w->v[0] = (struct redirect_port){ PORT, port_of(w->other), false };
	w->v[1] = (struct redirect_port){ PORT, port_of(w->uother), true };
	if (redirect_new(&w->r, &err) < 0)
		fail_msg("%s", err.msg);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	redirect_free(w->r);
	close(w->own);
	close(w->other);
	close(w->uown);
	close(w->uother);
	free(w);
	return 0;
}

static void set(struct world *w, size_t n)
{
	struct kt_error err = { 0 };

	if (redirect_set(w->r, w->v, n, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A connection, and who has it: the listener that @is */
static int call(const struct ipport *from, const char *to, int is, int *peer)
{
	struct ipport p = at(to, PORT);
	int fd = open_socket(SOCK_STREAM, from, &p);

	*peer = accept4(is, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*peer >= 0);
	return fd;
}

static void passes(int fd, int peer)
{
	char c = 0;

	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(peer, &c, 1), 1);
	assert_int_equal(write(peer, "y", 1), 1);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'y');
}

static void reaches(const struct ipport *from, const char *to, int is)
{
	int peer, fd = call(from, to, is, &peer);

	passes(fd, peer);
	close(fd);
	close(peer);
}

static void tcp(void **state)
{
	static const char *const to[] = { "10.9.0.1", "fd09::1" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		int before, before_peer, led, led_peer;

		enter(client_ns);
		before = call(NULL, to[i], w->own, &before_peer);
		passes(before, before_peer);
		set(w, 1);
		led = call(NULL, to[i], w->other, &led_peer);
		passes(led, led_peer);
		passes(before, before_peer); /* stays where it is */
		enter(server_ns);
		reaches(NULL, to[i], w->own); /* from inside: never led */
		set(w, 0);
		enter(client_ns);
		reaches(NULL, to[i], w->own);
		usleep(300000);	       /* the kernel is done with it later */
		passes(led, led_peer); /* likewise */
		close(before);
		close(before_peer);
		close(led);
		close(led_peer);
	}
}

static void exempt(void **state)
{
	struct world *w = *state;
	struct ipport probe = at("10.9.0.3", 0), six = at("fd09::3", 0);

	assert_int_equal(redirect_exempt(w->r, &probe.addr), 0);
	assert_int_equal(redirect_exempt(w->r, &six.addr), 0);
	set(w, 2);
	enter(client_ns);
	reaches(&probe, "10.9.0.1", w->own);
	reaches(&six, "fd09::1", w->own);
	reaches(NULL, "10.9.0.1", w->other);
	for (uint8_t i = 0; i < 14; i++) {
		probe.addr.b[3] = (uint8_t)(100 + i);
		assert_int_equal(redirect_exempt(w->r, &probe.addr), 0);
	}
	assert_int_equal(redirect_exempt(w->r, &probe.addr), 0); /* known */
	probe.addr.b[3]++;
	assert_int_equal(redirect_exempt(w->r, &probe.addr), -ENOSPC);
}

static void udp(void **state)
{
	struct world *w = *state;
	struct ipport to = at("10.9.0.1", PORT);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char c = 0;
	int fd;

	set(w, 2);
	enter(client_ns);
	fd = open_socket(SOCK_DGRAM, NULL, &to);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(
		recvfrom(w->uother, &c, 1, 0, (struct sockaddr *)&ss, &len), 1);
	/* the answer comes from the port that was asked */
	assert_int_equal(
		sendto(w->uother, "y", 1, 0, (struct sockaddr *)&ss, len), 1);
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	assert_int_equal(c, 'y');
	close(fd);
}

/* Who uses a port again that a redirect before had led is led anew */
static void forgets(void **state)
{
	struct world *w = *state;
	struct ipport from = at("10.9.0.2", 40001);
	struct ipport new_one = at("::", REDIRECT_FIRST + 77);
	const struct linger hard = { .l_onoff = 1 };
	struct kt_error err = { 0 };
	int fd, peer;

	set(w, 1);
	enter(client_ns);
	fd = call(&from, "10.9.0.1", w->other, &peer);
	redirect_free(steal_ptr(&w->r));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	close(peer); /* nobody follows it any more */
	enter(server_ns);
	close(w->other);
	w->other = open_socket(SOCK_STREAM, &new_one, NULL);
	w->v[0].to = new_one.port;
	assert_int_equal(redirect_new(&w->r, &err), 0);
	assert_int_equal(redirect_forget(w->r, PORT, false, &err), 0);
	set(w, 1);
	enter(client_ns);
	reaches(&from, "10.9.0.1", w->other);
}

static void nothing_stays(void **state)
{
	struct world *w = *state;

	set(w, 2);
	redirect_free(steal_ptr(&w->r));
	enter(client_ns);
	reaches(NULL, "10.9.0.1", w->own);
	enter(server_ns);
	assert_int_equal(netns_test_shell("nft list ruleset | grep -q ."), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(exempt, setup, teardown),
		cmocka_unit_test_setup_teardown(udp, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_stays, setup, teardown),
	};
	int rc;

	netns_test_enter();
	server_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0)
		abort();
	client_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	rc = netns_test_shell(
		"set -e; ip link set lo up;"
		"ip link add c0 type veth peer name s0 netns /proc/%d/fd/%d;"
		"for a in 10.9.0.2 10.9.0.3; do ip addr add $a/24 dev c0; done;"
		"for a in fd09::2 fd09::3; do"
		" ip addr add $a/64 dev c0 nodad; done;"
		"ip link set c0 up",
		(int)getpid(), server_ns);
	enter(server_ns);
	if (rc == 0)
		rc = netns_test_shell("set -e; ip addr add 10.9.0.1/24 dev s0;"
				      "ip addr add fd09::1/64 dev s0 nodad;"
				      "ip link set s0 up");
	if (rc != 0) {
		print_message("1..0 # SKIP no pair of links here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
