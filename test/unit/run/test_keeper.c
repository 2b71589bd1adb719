/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper with a real kernel, as a user without a capability: namespaces,
 * the capture in them, whose descriptors come out here, and the program's life.
 * With the argument "root": as root, who keeps the user namespace.
 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "net/capture.h"
#include "net/listener.h"
#include "run/etc.h"
#include "run/filter.h"
#include "run/keeper.h"
#include "run/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65533
#define LIMIT (20 * NS_SEC)
#define RESOLV_CONF "nameserver 10.96.0.10\nsearch t.svc.cluster.local\n"

struct world {
	struct loop *loop;
	struct keeper *keeper;
	struct capture *cap;
	struct keeper_made made;
	struct keeper_config config;
	struct ipport asked; /* where the program connected to */
	size_t attempts, sockets;
	struct loopback *loopback; /* or NULL */
	struct ports *ports;	   /* NULL: sockets are counted only */
	int started;		   /* errno of exec; -1: not yet */
	int status;		   /* -1: not yet */
	bool exited, ended;
	bool will_be_told; /* of each listen() */
	int told;
};

/* --- the capture: everything is refused ----------------------------------- */

static void on_tcp_open(void *user, struct capture_tcp *c)
{
	struct world *w = user;

	w->attempts++;
	w->asked = c->dst;
	capture_tcp_answer(w->cap, c, ECONNREFUSED);
}

static void on_tcp_gone(void *user, struct capture_tcp *c)
{
	(void)user;
	(void)c;
}

static void on_tcp_accepted(void *user, struct capture_tcp *c, int fd)
{
	(void)user;
	(void)c;
	close(fd);
}

static void on_udp(void *user, const struct ipport *src,
		   const struct ipport *dst, const uint8_t *data, size_t len)
{
	(void)user;
	(void)src;
	(void)dst;
	(void)data;
	(void)len;
}

static void on_echo(void *user, const struct capture_echo *e)
{
	(void)user;
	(void)e;
}

static const struct capture_ops capture_ops = {
	.tcp_open = on_tcp_open,
	.tcp_gone = on_tcp_gone,
	.tcp_accepted = on_tcp_accepted,
	.udp = on_udp,
	.icmp_echo = on_echo,
};

/* --- the keeper ----------------------------------------------------------- */

static void on_started(void *user, int errnum, const struct kt_error *why)
{
	struct world *w = user;

	assert_null(why);
	w->started = errnum;
}

static void on_exited(void *user, int status)
{
	struct world *w = user;

	w->status = status;
	w->exited = true;
}

static void on_sockets(void *user, int family, const int *fds, size_t n)
{
	struct world *w = user;

	w->sockets += n;
	if (w->ports) {
		ports_sockets(w->ports, family, fds, n);
		return;
	}
	assert_int_equal(family, AF_INET);
	while (n)
		close(fds[--n]);
}

static void on_listens(void *user, bool first)
{
	struct world *w = user;

	w->told += !first;
	w->will_be_told |= first;
	if (w->ports)
		ports_told(w->ports, first);
}

static void on_ended(void *user)
{
	struct world *w = user;

	w->ended = true;
}

/* The program begins, with the capture in place */
static void begin(struct world *w, char *const *argv, bool keep)
{
	static const struct keeper_ops ops = { .started = on_started,
					       .exited = on_exited,
					       .sockets = on_sockets,
					       .listens = on_listens,
					       .ended = on_ended };
	char resolv_conf[] = RESOLV_CONF;
	struct etc_files files = { .resolv_conf = resolv_conf };
	struct capture_config cfg = { .ipv6 = true };
	struct kt_error err = { 0 };
	struct ipprefix all;

	*w = (struct world){ .started = -1, .status = -1 };
	w->config = (struct keeper_config){ .argv = argv, .keep = keep };
	w->loop = loop_new();
	assert_non_null(w->loop);
	if (keeper_start(&w->keeper, &w->config, &w->made, &err) < 0)
		fail_msg("%s; %s", err.msg, err.hint);
	cfg.link = &w->made.capture;
	if (capture_open(&w->cap, w->loop, &cfg, &capture_ops, w, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(ipprefix_parse(&all, "0.0.0.0/0"), 0);
	if (capture_route_add(w->cap, &all, &err) < 0)
		fail_msg("%s", err.msg);
	if (keeper_run(w->keeper, w->loop, &files, &ops, w, &err) < 0)
		fail_msg("%s", err.msg);
}

static void begin_shell(struct world *w, const char *script, bool keep)
{
	static char bash[] = "bash", c[] = "-c";
	static char *argv[4];

	argv[0] = bash;
	argv[1] = c;
	argv[2] = (char *)(uintptr_t)script;
	begin(w, argv, keep);
}

static void wait_for(struct world *w, const bool *what)
{
	assert_int_equal(loop_run_until(w->loop, what, LIMIT), 0);
}

static void end(struct world *w)
{
	keeper_free(w->keeper);
	capture_close(w->cap);
	loopback_free(w->loopback);
	loopback_link_close(&w->made.loopback);
	close(w->made.diag);
	close(w->made.ends);
	close(w->made.room);
	assert_int_equal(loop_sleep(w->loop, 0), 0);
	loop_free(w->loop);
}

/* The exit status of @script, as of waitpid() */
static int status_of(const char *script)
{
	struct world w;

	begin_shell(&w, script, false);
	wait_for(&w, &w.ended);
	assert_int_equal(w.started, 0);
	assert_true(w.exited);
	end(&w);
	return w.status;
}

/* --- tests ---------------------------------------------------------------- */

static void what_it_sends_comes_here(void **state)
{
	char text[IPPORT_STRLEN];
	struct world w;

	(void)state;
	begin_shell(&w, "exec 2>/dev/null; : >/dev/tcp/10.1.2.3/80 || exit 42",
		    false);
	wait_for(&w, &w.ended);
	assert_int_equal(w.attempts, 1);
	assert_string_equal(ipport_str(&w.asked, text), "10.1.2.3:80");
	assert_true(WIFEXITED(w.status));
	assert_int_equal(WEXITSTATUS(w.status), 42);
	end(&w);
}

static void it_is_the_same_user_without_rights(void **state)
{
	(void)state;
	assert_int_equal(status_of("[ $UID = "
				   "65533"
				   " ] && [ \"$(id -g)\" = 65533 ] "
				   "&& grep -q 'CapEff:.0000000000000000' "
				   "/proc/self/status && "
				   "grep -q 'CapAmb:.0000000000000000' "
				   "/proc/self/status"),
			 0);
}

static void its_end_is_told_as_it_was(void **state)
{
	int status;

	(void)state;
	status = status_of("exit 255");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 255);
	status = status_of("kill -USR1 $$");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	/* what is blocked or ignored in ktctl is neither there */
	status = status_of("kill -PIPE $$");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	status = status_of("kill -INT $$");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void it_reads_the_pods_files(void **state)
{
	auto_free char *before = file_read("/etc/resolv.conf", 65536, NULL);
	auto_free char *after = NULL;

	(void)state;
	if (!before)
		skip();
	assert_int_equal(
		status_of("[ \"$(</etc/resolv.conf)\" = "
			  "\"nameserver 10.96.0.10\n"
			  "search t.svc.cluster.local\" ] && "
			  "[ -d /tmp ] && [ ! -e /tmp/resolv.conf ] && "
			  "[ \"$(</proc/sys/net/ipv4/"
			  "ip_unprivileged_port_start)\" = 0 ]"),
		0);
	after = file_read("/etc/resolv.conf", 65536, NULL);
	assert_string_equal(before, after);
}

static void the_last_ones_end_is_the_end(void **state)
{
	int64_t from;
	struct world w;

	(void)state;
	begin_shell(&w, "(sleep 0.5 &) ; exit 3", false);
	wait_for(&w, &w.exited);
	from = clock_ns();
	assert_false(w.ended);
	wait_for(&w, &w.ended);
	assert_true(clock_ns() - from > 100 * NS_MS);
	end(&w);
}

static void what_cannot_be_executed_is_told(void **state)
{
	char missing[] = "/nonexistent/program", dir[] = "/";
	char *one[] = { missing, NULL }, *two[] = { dir, NULL };
	struct world w;

	(void)state;
	begin(&w, one, false);
	wait_for(&w, &w.ended);
	assert_int_equal(w.started, ENOENT);
	end(&w);
	begin(&w, two, false);
	wait_for(&w, &w.ended);
	assert_int_equal(w.started, EACCES);
	end(&w);
}

/* It is not waited for, since nobody is there who could end */
static void what_cannot_be_forked_is_told(void **state)
{
	static const struct keeper_ops ops = { .started = on_started,
					       .exited = on_exited,
					       .ended = on_ended };
	static const struct etc_files files = { 0 };
	const struct rlimit none = { 0 };
	char word[] = "true";
	char *argv[] = { word, NULL };
	struct world w = { .started = -1, .status = -1 };
	struct kt_error err = { 0 };

	(void)state;
	w.config = (struct keeper_config){ .argv = argv,
					   .supervised = true,
					   .plain = true };
	w.loop = loop_new();
	assert_int_equal(keeper_start(&w.keeper, &w.config, &w.made, &err), 0);
	assert_int_equal(
		prlimit(keeper_pid(w.keeper), RLIMIT_NPROC, &none, NULL), 0);
	assert_int_equal(keeper_run(w.keeper, w.loop, &files, &ops, &w, &err),
			 0);
	wait_for(&w, &w.ended);
	assert_int_equal(w.started, EAGAIN);
	assert_false(w.exited);
	keeper_free(w.keeper);
	assert_int_equal(loop_sleep(w.loop, 0), 0);
	loop_free(w.loop);
}

/* What a program says that has TERM or not, when its keeper is left */
static void lost(bool keep, const char *expected)
{
	int pipefd[2], n;
	char text[64] = "";
	auto_free char *script = NULL;
	struct world w;

	assert_int_equal(pipe(pipefd), 0); /* inherited */
	script = xasprintf("trap 'echo term >&%d; exit' TERM; echo up >&%d; "
			   "for i in {1..10}; do sleep 0.1; done; "
			   "echo late >&%d",
			   pipefd[1], pipefd[1], pipefd[1]);
	begin_shell(&w, script, keep);
	assert_int_equal(read(pipefd[0], text, sizeof(text)), 3);
	close(pipefd[1]);
	end(&w);
	n = (int)read(pipefd[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, expected);
	assert_int_equal(read(pipefd[0], text, 1), 0); /* nobody is left */
	close(pipefd[0]);
}

static void without_ktctl_it_gets_term(void **state)
{
	(void)state;
	lost(false, "term\n");
	lost(true, "late\n");
}

/* A daemon has lost its own parent: the keeper is it */
static void so_do_those_it_left(void **state)
{
	int pipefd[2];
	char text[64] = "";
	auto_free char *script = NULL;
	struct world w;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	script = xasprintf("(trap 'echo term >&%d; exit' TERM; echo up >&%d; "
			   "for i in {1..600}; do sleep 0.1; done) & exit 0",
			   pipefd[1], pipefd[1]);
	begin_shell(&w, script, false);
	wait_for(&w, &w.exited);
	assert_int_equal(read(pipefd[0], text, sizeof(text)), 3);
	close(pipefd[1]);
	assert_false(w.ended);
	end(&w);
	memset(text, 0, sizeof(text));
	assert_int_equal(read(pipefd[0], text, sizeof(text) - 1), 5);
	assert_string_equal(text, "term\n");
	close(pipefd[0]);
}

/* One that a shell waits for: the shell alone would not end it, and must not
 * go on behind it */
static void so_does_a_child_in_the_foreground(void **state)
{
	int pipefd[2];
	char text[64] = "";
	auto_free char *script = NULL;
	struct world w;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	script = xasprintf(
		"bash -c \"trap 'echo term >&%d; exit' TERM; echo up >&%d; "
		"for i in {1..600}; do sleep 0.1; done\"; echo next >&%d",
		pipefd[1], pipefd[1], pipefd[1]);
	begin_shell(&w, script, false);
	assert_int_equal(read(pipefd[0], text, sizeof(text)), 3);
	close(pipefd[1]);
	end(&w);
	memset(text, 0, sizeof(text));
	assert_int_equal(read(pipefd[0], text, sizeof(text) - 1), 5);
	assert_string_equal(text, "term\n");
	assert_int_equal(read(pipefd[0], text, 1), 0);
	close(pipefd[0]);
}

static void signals_are_passed_on(void **state)
{
	struct world w;
	bool never = false;

	(void)state;
	begin_shell(&w,
		    "trap 'exit 9' HUP; for i in {1..100}; do sleep 0.1; "
		    "done",
		    false);
	while (!w.exited) {
		keeper_signal(w.keeper, SIGHUP); /* the trap may be late */
		if (loop_run_until(w.loop, &never, 50 * NS_MS) != -ETIMEDOUT)
			break;
		if (WIFSIGNALED(w.status))
			break;
	}
	wait_for(&w, &w.ended);
	if (w.status != 9 << 8 && WTERMSIG(w.status) != SIGHUP)
		fail_msg("ended with status %#x", (unsigned int)w.status);
	end(&w);
}

#if defined(__x86_64__)
static long call32(long nr, long a, long b)
{
	long rc;

	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(nr), "b"(a), "c"(b)
			 : "memory", "r8", "r9", "r10", "r11");
	return rc;
}

/* As a process with the filter: 0 when listen() was told, which goes on then */
static int told_of_32_bit(void)
{
	struct seccomp_notif n = { 0 };
	struct seccomp_notif_resp resp = {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE
	};
	struct pollfd p = { .events = POLLIN };
	int status;
	pid_t pid;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	p.fd = filter_listen_install();
	pid = p.fd < 0 ? -1 : fork();
	if (pid == 0)
		_exit(call32(363, socket(AF_INET, SOCK_STREAM, 0), 1) < 0);
	if (pid < 0 || poll(&p, 1, 5000) != 1 || !(p.revents & POLLIN) ||
	    ioctl(p.fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return 1;
	resp.id = n.id;
	if (n.data.nr != 363 ||
	    ioctl(p.fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 ||
	    waitpid(pid, &status, 0) != pid)
		return 1;
	return status;
}
#endif

static void code_of_32_bit_is_told_of(void **state)
{
	(void)state;
#if defined(__x86_64__)
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(call32(20, 0, 0) == getpid() ? told_of_32_bit() : 77);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) || WEXITSTATUS(status) == 77)
		skip(); /* this kernel has no such code */
	assert_int_equal(status, 0);
#endif
}

/* Of a child's as well, at once, and it does listen */
static void it_says_when_somebody_listens(void **state)
{
	static const char script[] =
		"(python3 -c 'import socket; s = socket.socket(); "
		"s.bind((\"127.0.0.1\", 0)); s.listen(); s.getsockname()')";
	struct world w;

	(void)state;
	begin_shell(&w, script, false);
	wait_for(&w, &w.ended);
	assert_int_equal(w.status, 0);
	assert_true(w.will_be_told);
	assert_int_equal(w.told, 1);
	end(&w);
}

static void it_opens_sockets_there(void **state)
{
	struct world w;

	(void)state;
	begin_shell(&w, "sleep 0.3", false);
	while (!w.sockets) {
		assert_int_equal(keeper_more_sockets(w.keeper, AF_INET), 0);
		assert_int_equal(loop_sleep(w.loop, 20 * NS_MS), 0);
	}
	wait_for(&w, &w.ended);
	end(&w);
}

/* --- ports ---------------------------------------------------------------- */

/* Says what it got, until the other end says no more */
static const char server[] =
	"exec python3 -c 'import os, socket, sys\n"
	"s = socket.socket(socket.%s)\n"
	"s.bind((\"%s\", %u)); s.listen()\n"
	"os.write(%d, b\"%%5d\" %% s.getsockname()[1])\n"
	"for i in range(2):\n"
	" c = s.accept()[0]; c.sendall(b\"hello \" + c.recv(100)); "
	"c.close()\n"
	"s.close(); os.read(%d, 1)'";

/* That nobody has on this machine: in the namespace every one is free */
static unsigned int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* What the server says to a caller of this machine's @host; "": not there */
static void call(struct world *w, const char *host, uint16_t port,
		 char answer[64])
{
	struct ipport to = { .port = port };
	struct sockaddr_storage ss;
	ssize_t n = -1;
	socklen_t len;
	int fd;

	answer[0] = '\0';
	assert_int_equal(ipaddr_parse(&to.addr, host), 0);
	len = ipport_to_sockaddr(&to, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&ss, len) == 0) {
		assert_int_equal(send(fd, "you", 3, MSG_NOSIGNAL), 3);
		for (int i = 0; i < 1000 && n < 0; i++) {
			assert_int_equal(loop_sleep(w->loop, 10 * NS_MS), 0);
			n = recv(fd, answer, 63, MSG_DONTWAIT);
		}
		answer[MAX(n, 0)] = '\0';
	}
	close(fd);
}

/* Until somebody answers there */
static void call_until(struct world *w, const char *host, uint16_t port,
		       char answer[64])
{
	int64_t end = clock_ns() + LIMIT;

	do {
		assert_int_equal(loop_sleep(w->loop, 10 * NS_MS), 0);
		call(w, host, port, answer);
	} while (!answer[0] && clock_ns() < end);
}

static void a_port_is_this_machines(const char *family, const char *host)
{
	auto_free char *script = NULL;
	int out[2], in[2];
	char text[64] = "";
	uint16_t port;
	struct world w;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	script = xasprintf(server, family, host, free_port(), out[1], in[0]);
	begin_shell(&w, script, false);
	w.ports = ports_new(w.loop, w.keeper, dup(w.made.diag),
			    dup(w.made.ends), w.made.loopback.port);
	while (w.started < 0)
		assert_int_equal(loop_sleep(w.loop, NS_MS), 0);
	assert_int_equal(read(out[0], text, sizeof(text)), 5);
	assert_int_equal(str_to_port(text + strspn(text, " "), &port), 0);
	call_until(&w, "127.0.0.1", port, text);
	assert_string_equal(text, "hello you");
	call(&w, "::1", port, text);
	assert_string_equal(text, "hello you");
	/* it listens no more */
	for (int i = 0; i < 500 && text[0]; i++) {
		assert_int_equal(loop_sleep(w.loop, 10 * NS_MS), 0);
		call(&w, "127.0.0.1", port, text);
	}
	assert_string_equal(text, "");
	ports_free(w.ports);
	w.ports = NULL;
	end(&w);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}

static void its_ports_are_this_machines(void **state)
{
	(void)state;
	if (access("/usr/bin/python3", X_OK) < 0)
		skip();
	a_port_is_this_machines("AF_INET", "127.0.0.1");
	a_port_is_this_machines("AF_INET", "0.0.0.0");
	a_port_is_this_machines("AF_INET6", "::");
	a_port_is_this_machines("AF_INET6", "::1");
	a_port_is_this_machines("AF_INET6", "::ffff:127.0.0.1");
}

/* --- this machine's loopback ---------------------------------------------- */

static bool none_is_ours(void *user, uint16_t port)
{
	(void)user;
	(void)port;
	return false;
}

static void on_local_call(void *user, int fd, const struct ipport *peer)
{
	size_t *calls = user;

	(void)peer;
	++*calls;
	assert_int_equal(send(fd, "machine\n", 8, MSG_NOSIGNAL), 8);
	close(fd);
}

/* A service of this machine, at @bound, is the program's too, at @host, until
 * it has one itself */
static void a_local_service_is_there(const char *bound, const char *host)
{
	struct ipport at = { 0 };
	struct listener here = { 0 };
	auto_free char *script = NULL;
	size_t calls = 0;
	struct world w;
	int fd;

	assert_int_equal(ipaddr_parse(&at.addr, bound), 0);
	fd = listener_bind(&at);
	assert_true(fd >= 0);
	script = xasprintf("exec python3 -c 'import socket, sys, time\n"
			   "def call(port):\n"
			   " c = socket.create_connection((\"%s\", port))\n"
			   " c.settimeout(20)\n"
			   " return c.recv(100)\n"
			   "def refused(port):\n"
			   " try: call(port)\n"
			   " except ConnectionRefusedError: return True\n"
			   "while refused(%u): time.sleep(0.01)\n"
			   "assert call(%u) == b\"machine\\n\"\n"
			   "assert refused(1)\n"
			   "s = socket.create_server((\"%s\", %u), "
			   "family=socket.AF_INET%s)\n"
			   "c = socket.create_connection((\"%s\", %u))\n"
			   "assert s.accept()[1] == c.getsockname()'",
			   host, at.port, at.port, host, at.port,
			   strchr(host, ':') ? "6" : "", host, at.port);
	begin_shell(&w, script, false);
	assert_int_equal(
		listener_start(&here, w.loop, fd, on_local_call, &calls), 0);
	w.loopback = loopback_new(w.loop, &w.made.loopback, none_is_ours, NULL,
				  NULL, true);
	assert_non_null(w.loopback);
	wait_for(&w, &w.ended);
	assert_int_equal(w.status, 0);
	assert_int_equal(calls, 2);
	listener_stop(&here);
	end(&w);
}

static void this_machines_services_are_there(void **state)
{
	(void)state;
	if (access("/usr/bin/python3", X_OK) < 0)
		skip();
	a_local_service_is_there("127.0.0.1", "127.0.0.1");
	a_local_service_is_there("::1", "::1");
	a_local_service_is_there("::ffff:127.0.0.1", "127.0.0.1");
}

/* --- root ----------------------------------------------------------------- */

/* Our mounts are shared, as those of a machine are: one that is made for the
 * program would be seen here */
static void root_is_root_and_mounts_nothing_here(void **state)
{
	auto_free char *before =
		file_read("/proc/self/mountinfo", 1u << 20, NULL);
	auto_free char *after = NULL, *script = NULL;
	char user[64] = "";

	(void)state;
	assert_non_null(before);
	assert_true(readlink("/proc/self/ns/user", user, sizeof(user) - 1) > 0);
	script = xasprintf("[ $UID = 0 ] && "
			   "[ \"$(readlink /proc/self/ns/user)\" = '%s' ] && "
			   "[ \"$(</etc/resolv.conf)\" = "
			   "\"nameserver 10.96.0.10\n"
			   "search t.svc.cluster.local\" ]",
			   user);
	assert_int_equal(status_of(script), 0);
	after = file_read("/proc/self/mountinfo", 1u << 20, NULL);
	assert_string_equal(before, after);
}

/* --- as whom -------------------------------------------------------------- */

static void skip_all(const char *why)
{
	printf("1..0 # SKIP %s: %s\n", why, strerror(errno));
	exit(0);
}

/* Not every machine has udev, which opens it to all */
static void own_tun(void)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755") < 0 ||
	    mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)) < 0 ||
	    chmod("/dev/net/tun", 0666) < 0)
		skip_all("a device for TUN");
}

static void become_nobody(void)
{
	int status = 1;
	pid_t pid;

	if (geteuid() == 0 && access("/dev/net/tun", F_OK) == 0)
		own_tun();
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0))
		skip_all("another user");
	if (geteuid() != NOBODY)
		skip_all("root only");
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip_all("/dev/net/tun");
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		skip_all("user namespaces");
}

static void share_mounts(void)
{
	if (geteuid() != 0)
		skip_all("root only");
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip_all("/dev/net/tun");
	if (access("/etc/resolv.conf", R_OK) < 0)
		skip_all("/etc/resolv.conf");
	/* private first: with nobody but us */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		skip_all("a mount namespace");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest root[] = {
		cmocka_unit_test(what_it_sends_comes_here),
		cmocka_unit_test(root_is_root_and_mounts_nothing_here),
		cmocka_unit_test(it_reads_the_pods_files),
		cmocka_unit_test(without_ktctl_it_gets_term),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_sends_comes_here),
		cmocka_unit_test(it_is_the_same_user_without_rights),
		cmocka_unit_test(its_end_is_told_as_it_was),
		cmocka_unit_test(it_reads_the_pods_files),
		cmocka_unit_test(the_last_ones_end_is_the_end),
		cmocka_unit_test(what_cannot_be_executed_is_told),
		cmocka_unit_test(what_cannot_be_forked_is_told),
		cmocka_unit_test(without_ktctl_it_gets_term),
		cmocka_unit_test(so_do_those_it_left),
		cmocka_unit_test(so_does_a_child_in_the_foreground),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(it_says_when_somebody_listens),
		cmocka_unit_test(code_of_32_bit_is_told_of),
		cmocka_unit_test(it_opens_sockets_there),
		cmocka_unit_test(its_ports_are_this_machines),
		cmocka_unit_test(this_machines_services_are_there),
	};

	/* of nohup: a shell can set no trap for it then */
	signal(SIGHUP, SIG_DFL);
	if (argc > 1 && str_eq(argv[1], "root")) {
		share_mounts();
		return cmocka_run_group_tests(root, NULL, NULL);
	}
	become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
