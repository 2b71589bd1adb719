/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not for the cluster, with a real kernel: a program in the namespaces
 * of run calls an address of this network namespace, which is the test's own.
 */
#include "test.h"

#include "base/mem.h"
#include "cli/options.h"
#include "connect/names.h"
#include "net/capture.h"
#include "net/netlink.h"
#include "netns_test.h"
#include "run/etc.h"
#include "run/keeper.h"
#include "run/outside.h"
#include "tunnel/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADDRESS "192.0.2.1"
#define ECHO_PORT 7
#define LIMIT (60 * NS_SEC)
#define PYTHON "/usr/bin/python3"

struct world {
	struct loop *loop;
	struct keeper *keeper;
	struct keeper_made made;
	struct capture *cap;
	struct outside *outside;
	struct names *names;
	struct tunnel *tunnel; /* leads nowhere */
	struct connect_options opt;
	struct prefixset ranges; /* of the cluster: none */
	struct strv none;
	struct connect_pod pod;
	int status;
	bool ended;
};

/* --- this machine: somebody who says what was said ------------------------ */

static int bound(int type)
{
	struct ipport at = { .port = ECHO_PORT };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	assert_int_equal(ipaddr_parse(&at.addr, ADDRESS), 0);
	len = ipport_to_sockaddr(&at, &ss);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void answer_udp(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char text[2048];
	ssize_t n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&ss,
			     &len);

	if (n >= 0)
		(void)!sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&ss,
			      len);
}

static void answer_tcp(int fd)
{
	char text[2048];
	int c = accept(fd, NULL, NULL);
	ssize_t n = read(c, text, sizeof(text));

	if (n > 0)
		(void)!write(c, text, (size_t)n);
	close(c);
}

static pid_t serve(void)
{
	struct pollfd p[2] = { { .fd = bound(SOCK_DGRAM), .events = POLLIN },
			       { .fd = bound(SOCK_STREAM), .events = POLLIN } };
	pid_t pid;

	assert_int_equal(listen(p[1].fd, 8), 0);
	pid = fork();
	assert_true(pid >= 0);
	while (pid == 0 && poll(p, 2, -1) > 0) {
		if (p[0].revents)
			answer_udp(p[0].fd);
		if (p[1].revents)
			answer_tcp(p[1].fd);
	}
	if (pid == 0)
		_exit(1);
	close(p[0].fd);
	close(p[1].fd);
	return pid;
}

/* --- the program ---------------------------------------------------------- */

static void on_started(void *user, int errnum, const struct kt_error *why)
{
	(void)user;
	assert_null(why);
	assert_int_equal(errnum, 0);
}

static void on_exited(void *user, int status)
{
	struct world *w = user;

	w->status = status;
}

static void on_sockets(void *user, int family, const int *fds, size_t n)
{
	(void)user;
	(void)family;
	while (n)
		close(fds[--n]);
}

static void on_ended(void *user)
{
	struct world *w = user;

	w->ended = true;
}

static void world_names(struct world *w)
{
	static char domain[] = "cluster.local", shadow[] = "given";
	struct names_config cfg = { .loop = w->loop,
				    .opt = &w->opt,
				    .ns = "t" };
	struct names_start start = { .ranges = &w->ranges, .questions = true };
	struct kt_error err = { 0 };

	w->opt.cluster_domain = domain;
	w->opt.shadow = shadow; /* nothing is asked of the cluster */
	w->opt.dns_mode.kind = DNS_MODE_POD;
	w->tunnel = tunnel_front(w->loop);
	assert_non_null(w->tunnel);
	start.tunnel = w->tunnel;
	if (names_new(&w->names, &cfg, &err) < 0 ||
	    names_start(w->names, &start, &err) < 0)
		fail_msg("%s", err.msg);
}

static void world_capture(struct world *w)
{
	struct capture_config cfg = { .ipv6 = true, .link = &w->made.capture };
	struct kt_error err = { 0 };
	struct ipprefix all;

	if (capture_open(&w->cap, w->loop, &cfg, &outside_ops.ops, w->outside,
			 &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(ipprefix_parse(&all, "0.0.0.0/0"), 0);
	if (capture_route_add(w->cap, &all, &err) < 0)
		fail_msg("%s", err.msg);
	w->pod = (struct connect_pod){ .capture = w->cap,
				       .names = w->names,
				       .ranges = &w->ranges,
				       .nameservers = &w->none,
				       .search = &w->none };
}

static void world_end(struct world *w)
{
	keeper_free(w->keeper);
	outside_stop(w->outside);
	names_free(w->names);
	capture_close(w->cap);
	outside_free(w->outside);
	tunnel_free(w->tunnel);
	loopback_link_close(&w->made.loopback);
	close(w->made.diag);
	close(w->made.ends);
	close(w->made.room);
	assert_int_equal(loop_sleep(w->loop, 0), 0);
	loop_free(w->loop);
}

/* The wait status of @script, which Python runs; @forbidden: --noOutside */
static int status_of(const char *script, bool forbidden)
{
	static const struct keeper_ops ops = { .started = on_started,
					       .exited = on_exited,
					       .sockets = on_sockets,
					       .ended = on_ended };
	static char python[] = PYTHON, c[] = "-c";
	char *argv[] = { python, c, (char *)(uintptr_t)script, NULL };
	struct keeper_config config = { .argv = argv };
	struct etc_files files = { 0 };
	struct world w = { .status = -1 };
	struct kt_error err = { 0 };

	w.loop = loop_new();
	assert_non_null(w.loop);
	w.outside = outside_new(w.loop, forbidden);
	if (keeper_start(&w.keeper, &config, &w.made, &err) < 0)
		fail_msg("%s; %s", err.msg, err.hint);
	world_names(&w);
	world_capture(&w);
	outside_start(w.outside, &w.pod);
	if (keeper_run(w.keeper, w.loop, &files, &ops, &w, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(loop_run_until(w.loop, &w.ended, LIMIT), 0);
	world_end(&w);
	return w.status;
}

/* --- tests ---------------------------------------------------------------- */

/* try_*() give what was answered, or the errno; IP_RECVERR: that no network
 * leads there is an error of UDP only for who asks */
#define TRY                                                                    \
	"import socket, sys\n"                                                 \
	"from errno import ECONNREFUSED, ENETUNREACH\n"                        \
	"here = '" ADDRESS "'\n"                                               \
	"def trying(s, port, data):\n"                                         \
	" try:\n"                                                              \
	"  s.settimeout(20)\n"                                                 \
	"  s.setsockopt(socket.IPPROTO_IP, 11, 1)\n"                           \
	"  s.connect((here, port)); s.send(data); return s.recv(2000)\n"       \
	" except OSError as e: return e.errno\n"                               \
	"def tcp(port):\n"                                                     \
	" return trying(socket.socket(), port, b'one')\n"                      \
	"def udp(port):\n"                                                     \
	" s = socket.socket(type=socket.SOCK_DGRAM)\n"                         \
	" return trying(s, port, b'two')\n"                                    \
	"def ping():\n"                                                        \
	" s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)\n"           \
	" got = trying(s, 0, bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b'three')\n"    \
	" return got if type(got) is int else (got[0], got[7], got[8:])\n"     \
	"def same(got, wanted):\n"                                             \
	" if got != wanted: sys.exit('%r, not %r' % (got, wanted))\n"

static void what_is_outside_answers(void **state)
{
	(void)state;
	assert_int_equal(status_of(TRY "same(tcp(7), b'one')\n"
				       "same(tcp(9), ECONNREFUSED)\n"
				       "same(udp(7), b'two')\n"
				       "same(udp(9), ECONNREFUSED)\n",
				   false),
			 0);
}

static void so_does_its_kernel(void **state)
{
	auto_close int fd = open("/proc/sys/net/ipv4/ping_group_range",
				 O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0 || write(fd, "0 0", 3) != 3)
		skip();
	assert_int_equal(
		status_of(TRY "same(ping(), (0, 1, b'three'))\n", false), 0);
}

static void without_it_nothing_is_there(void **state)
{
	(void)state;
	assert_int_equal(status_of(TRY "same(tcp(7), ENETUNREACH)\n"
				       "same(udp(7), ENETUNREACH)\n"
				       "same(ping(), ENETUNREACH)\n",
				   true),
			 0);
}

static void add_address(void)
{
	struct kt_error err = { 0 };
	struct netlink *nl = NULL;
	struct ipaddr a;

	if (ipaddr_parse(&a, ADDRESS) < 0 || netlink_open(&nl, &err) < 0 ||
	    netlink_addr_add(nl, 1, &a, 32, &err) < 0) {
		printf("1..0 # SKIP %s\n", err.msg);
		exit(0);
	}
	netlink_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_outside_answers),
		cmocka_unit_test(so_does_its_kernel),
		cmocka_unit_test(without_it_nothing_is_there),
	};
	pid_t server;
	int failed;

	if (access(PYTHON, X_OK) < 0 ||
	    access("/dev/net/tun", R_OK | W_OK) < 0) {
		printf("1..0 # SKIP no " PYTHON ", or no /dev/net/tun\n");
		return 0;
	}
	netns_test_enter();
	add_address();
	server = serve();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return failed;
}
