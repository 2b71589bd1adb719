/* SPDX-License-Identifier: Apache-2.0 */
/* The redirect of port 53 with a real kernel, in a namespace of its own. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "net/port53.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define MARK 0x6b74
#define PAST_MARK 0x6b75

struct world {
	struct port53 *p;
	int udp[2], tcp[2]; /* our listeners */
	struct ipport at[2][2];
	int any_udp[2], any_tcp[2]; /* on every address */
	struct ipport any_at[2][2];
};

static int peer_ns;

static int open_at(int type, const char *addr, uint16_t port, struct ipport *at)
{
	struct ipport p = { .port = port };
	struct sockaddr_storage ss;
	struct timeval tv = { .tv_sec = 3 };
	socklen_t len;
	int fd;

	assert_int_equal(ipaddr_parse(&p.addr, addr), 0);
	len = ipport_to_sockaddr(&p, &ss);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	if (p.addr.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 },
			   sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(ipport_from_sockaddr(at, (struct sockaddr *)&ss), 0);
	return fd;
}

static struct port53_config config(const struct world *w)
{
	return (struct port53_config){
		.mark = MARK,
		.udp4_port = w->at[0][0].port,
		.tcp4_port = w->at[1][0].port,
		.udp6_port = w->at[0][1].port,
		.tcp6_port = w->at[1][1].port,
		.any4_port = w->any_at[0][0].port,
		.any6_port = w->any_at[0][1].port,
	};
}

static int setup(void **state)
{
	static const char *const loopback[2] = { "127.0.0.1", "::1" };
	static const char *const any[2] = { "0.0.0.0", "::" };
	struct world *w = xcalloc(1, sizeof(*w));
	struct port53_config cfg;
	struct kt_error err = { 0 };

	for (int f = 0; f < 2; f++) {
		w->udp[f] = open_at(SOCK_DGRAM, loopback[f], 0, &w->at[0][f]);
		w->tcp[f] = open_at(SOCK_STREAM, loopback[f], 0, &w->at[1][f]);
		w->any_udp[f] =
			open_at(SOCK_DGRAM, any[f], 0, &w->any_at[0][f]);
		w->any_tcp[f] = open_at(SOCK_STREAM, any[f],
					w->any_at[0][f].port, &w->any_at[1][f]);
	}
	cfg = config(w);
	if (port53_open(&w->p, &cfg, &err) < 0)
		fail_msg("%s", err.msg);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	port53_close(w->p);
	for (int f = 0; f < 2; f++) {
		close(w->udp[f]);
		close(w->tcp[f]);
		close(w->any_udp[f]);
		close(w->any_tcp[f]);
	}
	free(w);
	assert_int_equal(netns_test_shell("nft list tables | grep ktctl"), 1);
	return 0;
}

static int ask(int type, const char *server, uint32_t mark)
{
	struct ipport p = { .port = 53 };
	struct timeval tv = { .tv_sec = 3 };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	assert_int_equal(ipaddr_parse(&p.addr, server), 0);
	len = ipport_to_sockaddr(&p, &ss);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (mark)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark,
					    sizeof(mark)),
				 0);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(send(fd, "q", 1, MSG_NOSIGNAL), 1);
	return fd;
}

static bool arrives(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 300) == 1;
}

static void answer_udp(struct world *w, int f, const char *server)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport client, orig;
	char text[IPPORT_STRLEN], want[IPPORT_STRLEN];
	char c;

	assert_int_equal(
		recvfrom(w->udp[f], &c, 1, 0, (struct sockaddr *)&ss, &len), 1);
	assert_int_equal(ipport_from_sockaddr(&client, (struct sockaddr *)&ss),
			 0);
	assert_int_equal(
		port53_original_udp(w->p, &client, &w->at[0][f], &orig), 0);
	snprintf(want, sizeof(want), f ? "[%s]:53" : "%s:53", server);
	assert_string_equal(ipport_str(&orig, text), want);
	assert_int_equal(
		sendto(w->udp[f], "a", 1, 0, (struct sockaddr *)&ss, len), 1);
}

static void test_udp(void **state)
{
	static const char *const servers[2] = { "192.0.2.53", "fd01::53" };
	struct world *w = *state;

	for (int f = 0; f < 2; f++) {
		int fd = ask(SOCK_DGRAM, servers[f], 0);
		char c = 0;

		answer_udp(w, f, servers[f]);
		/* the socket is connected: the answer has the right sender */
		assert_int_equal(recv(fd, &c, 1, 0), 1);
		assert_int_equal(c, 'a');
		close(fd);
	}
}

/* musl asks all its servers from one socket at the same time */
static void test_udp_one_port(void **state)
{
	static const char *const servers[2] = { "192.0.2.53", "192.0.2.54" };
	struct world *w = *state;
	struct ipport any, to = { .port = 53 };
	int fd = open_at(SOCK_DGRAM, "192.0.2.1", 0, &any);

	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage ss;
		socklen_t len;

		assert_int_equal(ipaddr_parse(&to.addr, servers[i]), 0);
		len = ipport_to_sockaddr(&to, &ss);
		assert_int_equal(
			sendto(fd, "q", 1, 0, (struct sockaddr *)&ss, len), 1);
	}
	for (int i = 0; i < 2; i++)
		answer_udp(w, 0, servers[i]);
	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct ipport from;
		char text[IPADDR_STRLEN];
		char c;

		assert_int_equal(
			recvfrom(fd, &c, 1, 0, (struct sockaddr *)&ss, &len),
			1);
		assert_int_equal(
			ipport_from_sockaddr(&from, (struct sockaddr *)&ss), 0);
		assert_string_equal(ipaddr_str(&from.addr, text), servers[i]);
	}
	close(fd);
}

static void test_tcp(void **state)
{
	static const char *const servers[2] = { "192.0.2.53", "fd01::53" };
	struct world *w = *state;

	for (int f = 0; f < 2; f++) {
		int fd = ask(SOCK_STREAM, servers[f], 0);
		char text[IPADDR_STRLEN];
		struct ipport orig;
		int in;

		assert_true(fd >= 0);
		in = accept(w->tcp[f], NULL, NULL);
		assert_true(in >= 0);
		assert_int_equal(port53_original_tcp(in, &orig), 0);
		assert_string_equal(ipaddr_str(&orig.addr, text), servers[f]);
		assert_int_equal(orig.port, 53);
		close(in);
		close(fd);
	}
}

static void test_mark(void **state)
{
	struct world *w = *state;
	int fd = ask(SOCK_DGRAM, "192.0.2.53", MARK);

	assert_false(arrives(w->udp[0]));
	close(fd);
}

/* a question from the source port that another asker has just used */
static void send_from(uint16_t port, uint32_t mark)
{
	struct ipport at, to = { .port = 53 };
	struct sockaddr_storage ss;
	int fd = open_at(SOCK_DGRAM, "192.0.2.1", port, &at);
	socklen_t len;

	if (mark)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark,
					    sizeof(mark)),
				 0);
	assert_int_equal(ipaddr_parse(&to.addr, "192.0.2.53"), 0);
	len = ipport_to_sockaddr(&to, &ss);
	assert_int_equal(sendto(fd, "q", 1, 0, (struct sockaddr *)&ss, len), 1);
	close(fd);
}

static void test_ports_used_again(void **state)
{
	struct world *w = *state;

	/* ours, then a program's: that one is redirected all the same */
	send_from(40001, MARK);
	assert_false(arrives(w->udp[0]));
	send_from(40001, 0);
	answer_udp(w, 0, "192.0.2.53");
	/* a program's, then ours: which does not come back to us */
	send_from(40002, 0);
	answer_udp(w, 0, "192.0.2.53");
	send_from(40002, MARK);
	assert_false(arrives(w->udp[0]));
}

static void passes(int from, int to)
{
	char c = 0;

	assert_int_equal(send(from, "x", 1, MSG_NOSIGNAL), 1);
	if (recv(to, &c, 1, 0) != 1 || c != 'x')
		fail_msg("the connection is lost");
}

/* The way to the API server has the mark that some of our questions have, and
 * is open before the redirect is */
static void test_connection_before(void **state)
{
	struct world *w = *state;
	struct port53_config cfg = config(w);
	uint32_t mark = PAST_MARK;
	struct kt_error err = { 0 };
	struct timeval tv = { .tv_sec = 3 };
	struct sockaddr_storage ss;
	struct ipport at;
	int server = open_at(SOCK_STREAM, "192.0.2.1", 0, &at), fd, in;
	socklen_t len = ipport_to_sockaddr(&at, &ss);

	port53_close(w->p);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	in = accept(server, NULL, NULL);
	assert_true(in >= 0);
	setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	passes(fd, in);
	cfg.past_mark = PAST_MARK;
	if (port53_open(&w->p, &cfg, &err) < 0)
		fail_msg("%s", err.msg);
	for (int i = 0; i < 3; i++) {
		passes(fd, in);
		passes(in, fd);
	}
	close(in);
	close(fd);
	close(server);
}

static int in_peer(const char *cmd)
{
	return netns_test_shell("nsenter --net=/proc/%d/fd/%d %s",
				(int)getpid(), peer_ns, cmd);
}

/* A link with a router behind it, as at home. */
static uint32_t make_link(const char *name)
{
	struct netlink_veth v = { .name = name,
				  .peer = "r0",
				  .mtu = 1500,
				  .mac = { 2, 0, 0, 0, 0, 9 } };
	struct kt_error err = { 0 };
	struct netlink *nl;

	assert_int_equal(netlink_open(&nl, &err), 0);
	peer_ns = netns_new(&err);
	assert_true(peer_ns >= 0);
	v.peer_netns = peer_ns;
	assert_int_equal(netlink_veth_add(nl, &v, &err), 0);
	netlink_close(nl);
	/* no address of its own making */
	assert_int_equal(
		netns_test_shell("ip link set %s addrgenmode none up", name),
		0);
	assert_int_equal(in_peer("ip link set r0 up"), 0);
	return if_nametoindex(name);
}

static void remove_link(const char *name)
{
	assert_int_equal(netns_test_shell("ip link del %s", name), 0);
	close(peer_ns);
}

static int ask_link(int type, uint32_t scope)
{
	struct ipport to = { .port = 53, .scope = scope };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	assert_int_equal(ipaddr_parse(&to.addr, "fe80::1"), 0);
	len = ipport_to_sockaddr(&to, &ss);
	fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	/* as a resolver library does */
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	if (type == SOCK_DGRAM)
		assert_int_equal(send(fd, "q", 1, MSG_NOSIGNAL), 1);
	return fd;
}

/* nameserver fe80::1%v0 */
static void test_server_of_a_link(void **state)
{
	struct world *w = *state;
	struct port53_link link;
	struct kt_error err = { 0 };
	struct sockaddr_storage ss;
	struct ipport client, orig, self = w->any_at[0][1];
	socklen_t len = sizeof(ss);
	char text[IPADDR_STRLEN], c;
	uint32_t scope = make_link("v0");
	int fd, in;

	assert_int_equal(port53_find_link(scope, &link), -ENOENT);
	assert_int_equal(netns_test_shell("ip addr add fe80::2/64 dev v0 "
					  "nodad"),
			 0);
	/* what cannot be carried stays as it is */
	fd = ask_link(SOCK_DGRAM, scope);
	assert_false(arrives(w->udp[1]));
	assert_false(arrives(w->any_udp[1]));
	close(fd);
	assert_int_equal(port53_find_link(scope, &link), 0);
	assert_string_equal(link.ifname, "v0");
	assert_int_equal(port53_set_links(w->p, &link, 1, &err), 0);
	fd = ask_link(SOCK_DGRAM, scope);
	assert_true(arrives(w->any_udp[1]));
	assert_int_equal(
		recvfrom(w->any_udp[1], &c, 1, 0, (struct sockaddr *)&ss, &len),
		1);
	assert_int_equal(ipport_from_sockaddr(&client, (struct sockaddr *)&ss),
			 0);
	assert_int_equal(client.scope, scope);
	self.addr = link.addr;
	assert_int_equal(port53_original_udp(w->p, &client, &self, &orig), 0);
	assert_string_equal(ipaddr_str(&orig.addr, text), "fe80::1");
	assert_int_equal(
		sendto(w->any_udp[1], "a", 1, 0, (struct sockaddr *)&ss, len),
		1);
	assert_true(arrives(fd)); /* connected: from the right sender */
	close(fd);
	fd = ask_link(SOCK_STREAM, scope);
	assert_true(arrives(w->any_tcp[1]));
	in = accept(w->any_tcp[1], NULL, NULL);
	assert_true(in >= 0);
	assert_int_equal(port53_original_tcp(in, &orig), 0);
	assert_string_equal(ipaddr_str(&orig.addr, text), "fe80::1");
	close(in);
	close(fd);
	remove_link("v0");
}

/* Containers behind a bridge, as those of Docker. */
static void test_forwarded(void **state)
{
	static const char ask4[] =
		"sh -c 'echo q | timeout 1 nc -u -w1 192.0.2.53 53'";
	struct world *w = *state;
	struct sockaddr_storage ss;
	struct ipport client, orig, self = w->any_at[0][0];
	socklen_t len = sizeof(ss);
	char text[IPADDR_STRLEN], c[8];

	make_link("v0");
	assert_int_equal(
		netns_test_shell("ip link add br0 type bridge && "
				 "ip link set v0 master br0 && "
				 "ip addr add 172.30.0.1/24 dev br0 && "
				 "ip link set br0 up"),
		0);
	assert_int_equal(in_peer("ip addr add 172.30.0.2/24 dev r0"), 0);
	assert_int_equal(in_peer("ip route add default via 172.30.0.1"), 0);
	in_peer(ask4);
	assert_true(arrives(w->any_udp[0]));
	assert_true(recvfrom(w->any_udp[0], c, sizeof(c), 0,
			     (struct sockaddr *)&ss, &len) >= 1);
	assert_int_equal(ipport_from_sockaddr(&client, (struct sockaddr *)&ss),
			 0);
	assert_string_equal(ipaddr_str(&client.addr, text), "172.30.0.2");
	assert_int_equal(ipaddr_parse(&self.addr, "172.30.0.1"), 0);
	assert_int_equal(port53_original_udp(w->p, &client, &self, &orig), 0);
	assert_string_equal(ipaddr_str(&orig.addr, text), "192.0.2.53");
	/* a server of the bridge itself keeps its clients */
	in_peer("sh -c 'echo q | timeout 1 nc -u -w1 172.30.0.1 53'");
	assert_false(arrives(w->any_udp[0]));
	/* and nobody gets to our listener but by the redirect */
	netns_test_shell("nsenter --net=/proc/%d/fd/%d sh -c 'echo q | timeout "
			 "1 nc -u -w1 172.30.0.1 %u'",
			 (int)getpid(), peer_ns, w->any_at[0][0].port);
	assert_false(arrives(w->any_udp[0]));
	assert_int_equal(netns_test_shell("ip link del br0"), 0);
	remove_link("v0");
}

static void test_not_redirected(void **state)
{
	struct world *w = *state;
	struct ipport client, orig;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&w->at[0][0], &ss);
	int fd = open_at(SOCK_DGRAM, "127.0.0.1", 0, &client);
	char c;

	/* straight to the listener */
	assert_int_equal(sendto(fd, "q", 1, 0, (struct sockaddr *)&ss, len), 1);
	assert_int_equal(recv(w->udp[0], &c, 1, 0), 1);
	assert_int_equal(
		port53_original_udp(w->p, &client, &w->at[0][0], &orig),
		-ENOENT);
	close(fd);
	/* another port of the same server */
	assert_int_equal(ipport_parse(&orig, "192.0.2.53:54"), 0);
	len = ipport_to_sockaddr(&orig, &ss);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(fd, "q", 1, 0, (struct sockaddr *)&ss, len), 1);
	assert_false(arrives(w->udp[0]));
	close(fd);
}

static void test_second(void **state)
{
	struct world *w = *state;
	struct port53_config cfg = config(w);
	struct kt_error err = { 0 };
	struct port53 *second;

	assert_true(port53_open(&second, &cfg, &err) < 0);
	assert_non_null(strstr(err.hint, "hosts"));
}

static void test_others_untouched(void **state)
{
	static const char list[] = "nft list table inet foreign";

	(void)state;
	assert_int_equal(
		netns_test_shell("%s > /tmp/.kt53.%d", list, (int)getpid()), 0);
	setup(state);
	teardown(state);
	assert_int_equal(netns_test_shell("%s | cmp - /tmp/.kt53.%d", list,
					  (int)getpid()),
			 0);
	netns_test_shell("rm /tmp/.kt53.%d", (int)getpid());
}

static void test_killed(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		void *inner;

		setup(&inner);
		if (netns_test_shell("nft list table inet ktctl") == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (int i = 0; i < 100; i++)
		if (netns_test_shell("nft list table inet ktctl"))
			break;
	assert_int_not_equal(netns_test_shell("nft list table inet ktctl"), 0);
	assert_int_equal(netns_test_shell("nft list table inet foreign"), 0);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_udp),
		WORLD(test_udp_one_port),
		WORLD(test_tcp),
		WORLD(test_mark),
		WORLD(test_ports_used_again),
		WORLD(test_connection_before),
		WORLD(test_server_of_a_link),
		WORLD(test_forwarded),
		WORLD(test_not_redirected),
		WORLD(test_second),
		cmocka_unit_test(test_others_untouched),
		cmocka_unit_test(test_killed),
	};

	netns_test_enter();
	netns_test_shell("ip addr add 192.0.2.1/32 dev lo;"
			 "ip route add 192.0.2.0/24 dev lo;"
			 "ip addr add fd01::1/64 dev lo nodad;"
			 "nft 'add table inet foreign; add chain inet foreign "
			 "c { type nat hook output priority -100; }; add rule "
			 "inet foreign c tcp dport 9 counter redirect to :10'");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
