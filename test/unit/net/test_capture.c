/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture with a real kernel, in a namespace of its own: the test plays the
 * far side, a thread plays the programs. The port tells what the far side does.
 */
#include "netns_test.h"

#include "base/mem.h"
#include "net/capture.h"
#include "net/netlink.h"
#include "net/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ECHO 80
#define REFUSED 81
#define HOST_UNREACHABLE 82
#define NET_UNREACHABLE 83
#define PROHIBITED 84
#define SILENT 85
#define SLOW 86 /* connects after 1.3 s: the SYN is repeated */
#define SLOW_REFUSED 87
#define STALLED 88   /* never reads */
#define LATE 89	     /* a line after the program's EOF */
#define RESETTING 90 /* connects, then resets */
#define BYE 91	     /* says x and ends, before the program does */

struct world {
	struct loop *loop;
	struct capture *cap;
	size_t opened, gone, accepted, open_now, pings;
	bool keep; /* keep accepted sockets without serving them */
	int kept[8192];
	size_t nkept;
	struct capture_tcp *last;
};

struct echo {
	struct world *world;
	struct watch watch;
	uint16_t port;
	int fd;
	size_t have, sent;
	bool eof;
	uint8_t buf[65536];
};

struct later {
	struct world *world;
	struct capture_tcp *c;
	struct timer timer;
	int errnum;
};

static void echo_end(struct echo *e, bool abort)
{
	loop_watch_stop(&e->watch);
	if (abort)
		close(e->fd);
	else
		capture_tcp_finish(e->world->cap, e->fd);
	e->world->open_now--;
	loop_defer_free(e->world->loop, e);
}

static void on_echo(struct watch *w, uint32_t events)
{
	struct echo *e = container_of(w, struct echo, watch);
	ssize_t n;

	(void)events;
	if (e->have == e->sent && !e->eof) {
		e->have = e->sent = 0;
		n = read(e->fd, e->buf, sizeof(e->buf));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			echo_end(e, true);
			return;
		}
		e->have = (size_t)n;
		e->eof = n == 0;
	}
	if (e->eof && e->port == LATE)
		assert_int_equal(write(e->fd, "late\n", 5), 5);
	if (e->eof) {
		shutdown(e->fd, SHUT_WR);
		echo_end(e, false);
		return;
	}
	n = send(e->fd, e->buf + e->sent, e->have - e->sent, MSG_NOSIGNAL);
	if (n > 0)
		e->sent += (size_t)n;
	loop_watch_mod(w, e->sent < e->have ? EPOLLOUT : EPOLLIN);
}

static void answer_later(struct timer *t)
{
	struct later *l = container_of(t, struct later, timer);

	/* the program may have gone meanwhile; none of ours does */
	capture_tcp_answer(l->world->cap, l->c, l->errnum);
	loop_defer_free(l->world->loop, l);
}

static void tcp_open(void *user, struct capture_tcp *c)
{
	struct world *w = user;
	struct later *l;

	w->opened++;
	w->last = c;
	switch (c->dst.port) {
	case REFUSED:
		capture_tcp_answer(w->cap, c, ECONNREFUSED);
		break;
	case HOST_UNREACHABLE:
		capture_tcp_answer(w->cap, c, EHOSTUNREACH);
		break;
	case NET_UNREACHABLE:
		capture_tcp_answer(w->cap, c, ENETUNREACH);
		break;
	case PROHIBITED:
		capture_tcp_answer(w->cap, c, EACCES);
		break;
	case SILENT:
		c->user = w;
		break;
	case SLOW:
	case SLOW_REFUSED:
		l = xcalloc(1, sizeof(*l));
		l->world = w;
		l->c = c;
		l->errnum = c->dst.port == SLOW ? 0 : ECONNREFUSED;
		loop_timer_start(w->loop, &l->timer, 1300 * NS_MS,
				 answer_later);
		break;
	default:
		capture_tcp_answer(w->cap, c, 0);
	}
}

static void tcp_gone(void *user, struct capture_tcp *c)
{
	struct world *w = user;

	if (c->dst.port == SILENT)
		assert_ptr_equal(c->user, w);
	w->gone++;
}

static void tcp_accepted(void *user, struct capture_tcp *c, int fd)
{
	struct world *w = user;
	struct echo *e;

	w->accepted++;
	if (c->dst.port == RESETTING) {
		close(fd);
		return;
	}
	if (c->dst.port == BYE) {
		assert_int_equal(write(fd, "x", 1), 1);
		shutdown(fd, SHUT_WR);
	}
	if (w->keep || c->dst.port == STALLED) {
		assert_true(w->nkept < ARRAY_SIZE(w->kept));
		w->kept[w->nkept++] = fd;
		return;
	}
	e = xmalloc(sizeof(*e));
	e->world = w;
	e->port = c->dst.port;
	e->fd = fd;
	e->have = e->sent = 0;
	e->eof = false;
	w->open_now++;
	assert_int_equal(
		loop_watch_start(w->loop, &e->watch, fd, EPOLLIN, on_echo), 0);
}

static void udp(void *user, const struct ipport *src, const struct ipport *dst,
		const uint8_t *data, size_t len)
{
	struct world *w = user;

	switch (dst->port) {
	case ECHO:
		assert_int_equal(capture_udp_send(w->cap, dst, src, data, len),
				 0);
		break;
	case REFUSED:
		capture_udp_error(w->cap, src, dst, ECONNREFUSED);
		break;
	case HOST_UNREACHABLE:
		capture_udp_error(w->cap, src, dst, EHOSTUNREACH);
		break;
	}
}

static void icmp_echo(void *user, const struct capture_echo *e)
{
	struct world *w = user;
	uint8_t last = e->dst.b[ipaddr_size(&e->dst) - 1];

	w->pings++;
	if (last == 1)
		assert_int_equal(capture_echo_reply(w->cap, e), 0);
	else if (last == 2)
		capture_echo_error(w->cap, e, EHOSTUNREACH);
}

static const struct capture_ops ops = {
	.tcp_open = tcp_open,
	.tcp_gone = tcp_gone,
	.tcp_accepted = tcp_accepted,
	.udp = udp,
	.icmp_echo = icmp_echo,
};

static void add_route(struct capture *cap, const char *prefix)
{
	struct kt_error err = { 0 };
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, prefix), 0);
	if (capture_route_add(cap, &p, &err) < 0)
		fail_msg("%s", err.msg);
}

static int setup_with(void **state, bool redirect)
{
	struct capture_config cfg = { .ipv6 = true, .redirect = redirect };
	struct world *w = xcalloc(1, sizeof(*w));
	struct kt_error err = { 0 };

	w->loop = loop_new();
	if (capture_open(&w->cap, w->loop, &cfg, &ops, w, &err) < 0)
		fail_msg("%s; %s", err.msg, err.hint);
	add_route(w->cap, "10.96.0.0/12");
	add_route(w->cap, "fd96::/64");
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int teardown(void **state)
{
	struct world *w = *state;

	/* the far side's half of what has just ended */
	for (int i = 0; i < 20 && w->open_now; i++)
		loop_once(w->loop, 50 * NS_MS);
	for (size_t i = 0; i < w->nkept; i++)
		close(w->kept[i]);
	capture_close(w->cap);
	loop_free(w->loop);
	free(w);
	return 0;
}

/* --- the programs' side (threads: no cmocka here) ------------------------- */

static const char *const servers[2] = { "10.96.0.1", "fd96::1" };

static socklen_t address(int f, uint16_t port, struct sockaddr_storage *ss)
{
	struct ipport p = { .port = port };

	if (ipaddr_parse(&p.addr, servers[f]) < 0)
		abort();
	return ipport_to_sockaddr(&p, ss);
}

static int open_socket(int f, int type)
{
	struct timeval tv = { .tv_sec = 20 };
	int fd = socket(f ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	return fd;
}

struct dial {
	int f;
	uint16_t port;
	long us; /* how long it took */
	size_t len;
};

static int dial(const struct dial *d, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = address(d->f, d->port, &ss);
	int fd = open_socket(d->f, type);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static long try_connect(void *arg)
{
	struct dial *d = arg;
	int64_t start = clock_ns();
	int fd = dial(d, SOCK_STREAM);

	d->us = (clock_ns() - start) / 1000;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static long read_all(int fd, uint8_t *buf, size_t size)
{
	size_t have = 0;

	for (;;) {
		ssize_t n = read(fd, buf + have, size - have);

		if (n < 0)
			return -errno;
		if (n == 0)
			return (long)have;
		have += (size_t)n;
		if (have == size)
			return (long)have;
	}
}

/* sends d->len bytes, half-closes, expects them back */
static long try_echo(void *arg)
{
	struct dial *d = arg;
	auto_close int fd = dial(d, SOCK_STREAM);
	auto_free uint8_t *out = malloc(d->len), *in = malloc(d->len + 64);
	size_t sent = 0, got = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < d->len; i++)
		out[i] = (uint8_t)(i * 7 + i / 251);
	while (sent < d->len) {
		n = write(fd, out + sent, MIN(d->len - sent, 40000));
		if (n < 0)
			return -errno;
		sent += (size_t)n;
		while (got < sent) {
			n = read(fd, in + got, sent - got);
			if (n <= 0)
				return -1000;
			got += (size_t)n;
		}
	}
	shutdown(fd, SHUT_WR);
	n = read_all(fd, in + got, 64);
	if (d->port == LATE)
		return n == 5 && !memcmp(in + got, "late\n", 5) ? 0 : -1001;
	return n == 0 && !memcmp(in, out, d->len) ? 0 : -1002;
}

static long try_udp(void *arg)
{
	struct dial *d = arg;
	auto_close int fd = dial(d, SOCK_DGRAM);
	auto_free uint8_t *out = malloc(65536), *in = malloc(65536);
	int on = 1;
	ssize_t n;

	/* all errors, not only the refusal */
	setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof(on));
	setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &on, sizeof(on));
	for (size_t i = 0; i < d->len; i++)
		out[i] = (uint8_t)(i * 13 + i / 255);
	if (send(fd, out, d->len, 0) < 0)
		return -errno;
	n = recv(fd, in, 65536, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == d->len && !memcmp(in, out, d->len) ? 0 : -1000;
}

static long try_ping(void *arg)
{
	return netns_test_shell("ping -c1 -W2 %s", (const char *)arg);
}

/* --- tests ---------------------------------------------------------------- */

static void test_refusals(void **state)
{
	static const struct {
		uint16_t port;
		int want[2];
	} cases[] = {
		{ ECHO, { 0, 0 } },
		{ REFUSED, { -ECONNREFUSED, -ECONNREFUSED } },
		{ HOST_UNREACHABLE, { -EHOSTUNREACH, -EHOSTUNREACH } },
		{ NET_UNREACHABLE, { -ENETUNREACH, -ENETUNREACH } },
		{ PROHIBITED, { -EHOSTUNREACH, -EACCES } },
		{ SLOW, { 0, 0 } },
		{ SLOW_REFUSED, { -ECONNREFUSED, -ECONNREFUSED } },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int f = 0; f < 2; f++) {
			struct dial d = { .f = f, .port = cases[i].port };
			size_t opened = w->opened;

			assert_int_equal(
				netns_test_client(w->loop, try_connect, &d),
				cases[i].want[f]);
			assert_int_equal(w->opened, opened + 1);
			if (cases[i].port < SLOW)
				assert_in_range(d.us, 0, 500000);
			else
				assert_in_range(d.us, 1300000, 2400000);
		}
	}
}

static long try_silent(void *arg)
{
	int fd = open_socket(0, SOCK_STREAM | SOCK_NONBLOCK);
	struct sockaddr_storage ss;
	socklen_t len = address(0, SILENT, &ss);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	(void)arg;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0 ||
	    errno != EINPROGRESS)
		return -1000;
	if (poll(&p, 1, 2500) != 0)
		return -1001;
	close(fd);
	return 0;
}

static void test_silence(void **state)
{
	struct world *w = *state;
	int64_t end;

	assert_int_equal(netns_test_client(w->loop, try_silent, NULL), 0);
	assert_int_equal(w->opened, 1);
	assert_int_equal(w->gone, 0);
	/* the program has closed its socket: no more SYNs */
	end = clock_ns() + 12 * NS_SEC;
	while (w->gone == 0 && clock_ns() < end)
		assert_int_equal(loop_once(w->loop, 100 * NS_MS), 0);
	assert_int_equal(w->gone, 1);
}

static void test_echo(void **state)
{
	struct world *w = *state;

	for (int f = 0; f < 2; f++) {
		struct dial d = { .f = f, .port = ECHO, .len = 10 };

		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.len = 30 << 20;
		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.port = LATE; /* answers after the half-close */
		d.len = 100;
		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
	}
	assert_int_equal(w->open_now, 0);
}

static long try_reset(void *arg)
{
	struct dial d = { .port = RESETTING };
	auto_close int fd = dial(&d, SOCK_STREAM);
	char c;

	(void)arg;
	if (fd < 0)
		return fd;
	return read(fd, &c, 1) < 0 ? -errno : 0;
}

static void test_reset(void **state)
{
	struct world *w = *state;

	assert_int_equal(netns_test_client(w->loop, try_reset, NULL),
			 -ECONNRESET);
}

static void test_udp(void **state)
{
	static const size_t sizes[] = { 1, 1472, 40000, 60000, 65507 };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int f = 0; f < 2; f++) {
			struct dial d = { f, ECHO, 0, sizes[i] };

			/* only a jumbo frame of IPv6 could carry more */
			if (f && sizes[i] > 65520 - 48)
				continue;
			if (netns_test_client(w->loop, try_udp, &d))
				fail_msg("IPv%d, %zu bytes", f ? 6 : 4,
					 sizes[i]);
		}
	}
}

static void test_udp_errors(void **state)
{
	struct world *w = *state;

	for (int f = 0; f < 2; f++) {
		struct dial d = { f, REFUSED, 0, 100 };

		assert_int_equal(netns_test_client(w->loop, try_udp, &d),
				 -ECONNREFUSED);
		d.port = HOST_UNREACHABLE;
		assert_int_equal(netns_test_client(w->loop, try_udp, &d),
				 -EHOSTUNREACH);
	}
}

static void test_ping(void **state)
{
	static char live[][16] = { "10.96.0.1", "fd96::1" };
	static char dead[][16] = { "10.96.0.2", "fd96::2", "10.96.0.3" };
	struct world *w = *state;

	if (netns_test_shell("command -v ping"))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(live); i++)
		assert_int_equal(netns_test_client(w->loop, try_ping, live[i]),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
		assert_int_equal(netns_test_client(w->loop, try_ping, dead[i]),
				 1);
	assert_int_equal(w->pings, 5);
}

#define MANY 5000

static long try_many(void *arg)
{
	auto_free struct pollfd *p = calloc(MANY, sizeof(*p));
	struct sockaddr_storage ss;
	socklen_t len = address(0, ECHO, &ss);
	long ok = 0;

	(void)arg;
	for (int i = 0; i < MANY; i++) {
		p[i].fd = open_socket(0, SOCK_STREAM | SOCK_NONBLOCK);
		p[i].events = POLLOUT;
		if (p[i].fd < 0 ||
		    (connect(p[i].fd, (struct sockaddr *)&ss, len) < 0 &&
		     errno != EINPROGRESS))
			return -errno;
	}
	for (int i = 0; i < MANY; i++) {
		int e = 0;
		socklen_t n = sizeof(e);

		if (poll(&p[i], 1, 20000) == 1 &&
		    getsockopt(p[i].fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0 &&
		    e == 0)
			ok++;
	}
	for (int i = 0; i < MANY; i++)
		close(p[i].fd);
	return ok;
}

static void test_many_at_once(void **state)
{
	struct world *w = *state;
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 2 * MANY + 100)
		skip();
	w->keep = true;
	assert_int_equal(netns_test_client(w->loop, try_many, NULL), MANY);
	assert_int_equal(w->accepted, MANY);
}

static long try_one_after_the_other(void *arg)
{
	struct dial d = { .port = ECHO };
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		int fd = dial(&d, SOCK_STREAM);
		char c = 'x';

		if (fd < 0)
			return fd;
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			return -1000;
		close(fd);
	}
	return 0;
}

static size_t count_fds(void)
{
	size_t n = 0;

	for (int i = 0; i < 20000; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void test_one_after_the_other(void **state)
{
	struct capture_stats s;
	struct world *w = *state;
	size_t fds = count_fds();
	long n = 20000;

	/* else the kernel's search for a free port takes most of the time */
	netns_sysctl_try("ipv4/ip_local_port_range", "1025 65535");
	assert_int_equal(
		netns_test_client(w->loop, try_one_after_the_other, &n), 0);
	assert_int_equal(loop_sleep(w->loop, 1100 * NS_MS), 0);
	capture_get_stats(w->cap, &s);
	assert_int_equal(s.held, 0);
	assert_int_equal(s.finishing, 0);
	assert_int_equal(w->accepted, 20000);
	assert_int_equal(w->open_now, 0);
	assert_int_equal(count_fds(), fds);
}

/* The same source port again and again; once the program ends with a reset,
 * once the far side ends first and keeps the connection in TIME_WAIT. */
static long try_same_port(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		struct sockaddr_in from = { .sin_family = AF_INET,
					    .sin_port = htons(1001) };
		auto_close int fd = open_socket(0, SOCK_STREAM);
		struct linger abort = { .l_onoff = i % 2 };
		struct sockaddr_storage ss;
		socklen_t len = address(0, i % 2 ? ECHO : BYE, &ss);
		int on = 1;
		char c = 'x';

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		    connect(fd, (struct sockaddr *)&ss, len) < 0)
			return -errno;
		if (i % 2 && write(fd, &c, 1) != 1)
			return -1000;
		if (read(fd, &c, 1) != 1)
			return -1001;
		if (i % 2 == 0 && read(fd, &c, 1) != 0)
			return -1002;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	}
	return 0;
}

static void test_same_port(void **state)
{
	struct world *w = *state;
	int64_t start = clock_ns();

	assert_int_equal(netns_test_client(w->loop, try_same_port, NULL), 0);
	assert_int_equal(w->accepted, 200);
	/* nobody had to wait for a repeated SYN */
	assert_in_range(clock_ns() - start, 0, NS_SEC);
}

static void test_exists(void **state)
{
	struct capture_config cfg = { 0 };
	struct kt_error err = { 0 };
	struct world *w = *state;
	struct capture *second;

	assert_int_equal(capture_open(&second, w->loop, &cfg, &ops, w, &err),
			 -EEXIST);
	assert_non_null(strstr(err.msg, "kt0"));
	assert_true(err.hint[0]);
	/* the first one works still */
	assert_int_equal(netns_test_client(w->loop, try_connect,
					   &(struct dial){ .port = ECHO }),
			 0);
	/* unless the caller knows better */
	cfg.replace = true;
	assert_int_equal(capture_open(&second, w->loop, &cfg, &ops, w, &err),
			 0);
	capture_close(second);
}

/* Whatever else has the name stays as it is. */
static void test_foreign(void **state)
{
	static const char *const make[] = {
		"ip tuntap add kt0 mode tun",
		"ip link add kt0 type bridge",
		"ip link add kt0 type veth peer name other0",
	};
	struct capture_config cfg = { .replace = true };
	struct world w = { .loop = loop_new() };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(make); i++) {
		struct kt_error err = { 0 };
		int64_t start = clock_ns();

		assert_int_equal(netns_test_shell("%s && ip addr add "
						  "10.99.0.1/24 dev kt0",
						  make[i]),
				 0);
		assert_int_equal(
			capture_open(&w.cap, w.loop, &cfg, &ops, &w, &err),
			-EEXIST);
		assert_non_null(strstr(err.msg, "kt0"));
		assert_non_null(strstr(err.msg, "not of ktctl"));
		assert_non_null(strstr(err.hint, "ip link"));
		assert_in_range(clock_ns() - start, 0, NS_SEC);
		assert_int_equal(netns_test_shell("ip addr show kt0 | "
						  "grep -q 10.99.0.1/24"),
				 0);
		assert_int_equal(netns_test_shell("ip link del kt0"), 0);
	}
	loop_free(w.loop);
}

static bool have_kt0(void)
{
	return netns_test_shell("{ ip link; ip route; ip -6 route; } | "
				"grep -q kt0") == 0;
}

static long open_stalled(void *arg)
{
	struct dial d = { .port = STALLED };
	uint8_t junk[65536] = { 0 };
	int fd = dial(&d, SOCK_STREAM);

	(void)arg;
	while (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* A child holds a capture with a stalled connection, and dies of @sig. */
static void die_of(int sig)
{
	int ready[2];
	int status;
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		uint8_t junk[65536] = { 0 };
		void *state = NULL;
		struct world *w;

		setup(&state);
		w = state;
		if (netns_test_client(w->loop, open_stalled, NULL) < 0)
			_exit(1);
		/* data that nobody takes, in both directions */
		while (send(w->kept[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
		if (write(ready[1], "x", 1) < 0)
			_exit(1);
		raise(sig);
		_exit(2);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (int i = 0; i < 200 && have_kt0(); i++)
		usleep(10000);
	assert_false(have_kt0());
}

static void test_killed(void **state)
{
	(void)state;
	die_of(SIGKILL);
	die_of(SIGABRT);
}

/* A program's connection at the moment the capture is killed is reset; it does
 * not hang. */
static void test_killed_connection(void **state)
{
	struct dial d = { .port = ECHO };
	int ready[2], status;
	pid_t pid;
	char c;
	int fd;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		const bool never = false;
		void *inner = NULL;

		setup(&inner);
		if (write(ready[1], "x", 1) < 0)
			_exit(1);
		_exit(-loop_run_until(((struct world *)inner)->loop, &never,
				      30 * NS_SEC));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	fd = dial(&d, SOCK_STREAM);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(read(fd, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (int i = 0; i < 200 && have_kt0(); i++)
		usleep(10000);
	assert_false(have_kt0());
}

static void test_close(void **state)
{
	void *inner = NULL;

	(void)state;
	setup(&inner);
	assert_true(have_kt0());
	teardown(&inner);
	assert_false(have_kt0());
	assert_int_equal(netns_test_shell("nft list ruleset | grep ."), 1);
	assert_int_equal(netns_test_shell("ip rule | grep -v lookup"), 1);
}

/* --- a host with rules of its own, and a container behind it -------------- */

/* Strict reverse path filter, and a firewall that lets in nothing but
 * answers: the usual hardening. */
static void test_strict_host(void **state)
{
	static const char *const off = "nft delete table inet fw";
	struct dial d = { .port = ECHO, .len = 100 };
	struct world *w = *state;

	netns_sysctl_try("ipv4/conf/all/rp_filter", "1");
	netns_sysctl_try("ipv4/conf/kt0/rp_filter", "1");
	assert_int_equal(
		netns_test_shell("nft 'add table inet fw; add chain inet fw in "
				 "{ type filter hook input priority 0; policy "
				 "drop; }; add rule inet fw in ct state "
				 "established,related accept'"),
		0);
	for (int f = 0; f < 2; f++) {
		d = (struct dial){ .f = f, .port = ECHO, .len = 100000 };
		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.len = 60000;
		assert_int_equal(netns_test_client(w->loop, try_udp, &d), 0);
		d.port = REFUSED;
		assert_int_equal(netns_test_client(w->loop, try_connect, &d),
				 -ECONNREFUSED);
		assert_int_equal(netns_test_client(w->loop, try_udp, &d),
				 -ECONNREFUSED);
		d.port = HOST_UNREACHABLE;
		assert_int_equal(netns_test_client(w->loop, try_connect, &d),
				 -EHOSTUNREACH);
	}
	assert_int_equal(netns_test_shell("%s", off), 0);
	netns_sysctl_try("ipv4/conf/all/rp_filter", "0");
}

struct inside {
	int netns;
	long (*fn)(void *arg);
	void *arg;
};

static long run_inside(void *arg)
{
	const struct inside *in = arg;

	if (setns(in->netns, CLONE_NEWNET) < 0)
		return -errno;
	return in->fn(in->arg);
}

/* A container with the usual MTU: its traffic is forwarded, its big datagrams
 * come in fragments. */
static void test_container(void **state)
{
	struct netlink_veth v = { .name = "v0",
				  .peer = "c0",
				  .mtu = 1500,
				  .mac = { 2, 0, 0, 0, 1, 1 } };
	struct kt_error err = { 0 };
	struct world *w = *state;
	struct netlink *nl;
	int rc;

	v.peer_netns = netns_new(&err);
	assert_true(v.peer_netns >= 0);
	assert_int_equal(netlink_open(&nl, &err), 0);
	assert_int_equal(netlink_veth_add(nl, &v, &err), 0);
	rc = netns_test_shell(
		"set -e; c='nsenter --net=/proc/%d/fd/%d';"
		"ip addr add 172.30.0.1/24 dev v0; ip link set v0 up;"
		"ip addr add fd30::1/64 dev v0 nodad;"
		"$c ip link set c0 up; $c ip addr add 172.30.0.2/24 dev c0;"
		"$c ip addr add fd30::2/64 dev c0 nodad;"
		"$c ip route add default via 172.30.0.1;"
		"$c ip route add default via fd30::1;"
		"echo 1 > /proc/sys/net/ipv4/ip_forward;"
		"echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; sleep 0.3",
		(int)getpid(), v.peer_netns);
	assert_int_equal(rc, 0);
	for (int f = 0; f < 2; f++) {
		struct dial d = { .f = f, .port = ECHO, .len = 1 << 20 };
		struct inside in = { v.peer_netns, try_echo, &d };

		assert_int_equal(netns_test_client(w->loop, run_inside, &in),
				 0);
		in.fn = try_udp;
		/* IPv6 routers do not fragment: the answer must fit */
		d.len = f ? 1400 : 60000;
		assert_int_equal(netns_test_client(w->loop, run_inside, &in),
				 0);
		in.fn = try_connect;
		d.port = REFUSED;
		assert_int_equal(netns_test_client(w->loop, run_inside, &in),
				 -ECONNREFUSED);
	}
	netlink_link_del(nl, "v0", &err);
	netlink_close(nl);
	close(v.peer_netns);
}

/* --- the second way: a redirect on the machine itself --------------------- */

static int setup_redirect(void **state)
{
	/* there must be some way to the addresses, as a default route */
	netns_test_shell("ip addr add 192.0.2.1/32 dev lo;"
			 "ip addr add fd01::1/128 dev lo nodad;"
			 "ip route add 10.96.0.0/12 dev lo src 192.0.2.1;"
			 "ip -6 route add fd96::/64 dev lo");
	return setup_with(state, true);
}

static int teardown_redirect(void **state)
{
	teardown(state);
	assert_int_equal(netns_test_shell("nft list ruleset | grep ."), 1);
	netns_test_shell("ip route del 10.96.0.0/12 dev lo;"
			 "ip -6 route del fd96::/64 dev lo");
	return 0;
}

/* connects at once, and learns the failure by a reset */
static long try_reset_later(void *arg)
{
	const struct dial *d = arg;
	auto_close int fd = dial(d, SOCK_STREAM);
	char c;

	if (fd < 0)
		return fd;
	return read(fd, &c, 1) < 0 ? -errno : 0;
}

static void test_redirect(void **state)
{
	static const size_t sizes[] = { 1, 1472, 60000 };
	struct world *w = *state;

	assert_null(capture_ifname(w->cap));
	assert_int_equal(capture_addr(w->cap, AF_INET).family, 0);
	for (int f = 0; f < 2; f++) {
		struct dial d = { .f = f, .port = ECHO, .len = 1 << 20 };

		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.port = LATE;
		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.port = SLOW;
		assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
		d.port = REFUSED;
		assert_int_equal(
			netns_test_client(w->loop, try_reset_later, &d),
			-ECONNRESET);
		d.port = ECHO;
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			d.len = sizes[i];
			assert_int_equal(
				netns_test_client(w->loop, try_udp, &d), 0);
		}
	}
	assert_int_equal(w->accepted, 6);
	assert_int_equal(w->gone, 0);
}

static long leave_silent(void *arg)
{
	struct dial d = { .port = SILENT };
	auto_close int fd = dial(&d, SOCK_STREAM);

	(void)arg;
	return fd < 0 ? fd : 0;
}

static void test_redirect_gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(netns_test_client(w->loop, leave_silent, NULL), 0);
	for (int i = 0; i < 40 && !w->gone; i++)
		assert_int_equal(loop_once(w->loop, 50 * NS_MS), 0);
	assert_int_equal(w->gone, 1);
}

static void test_redirect_routes(void **state)
{
	struct dial d = { .port = ECHO, .len = 10 };
	struct capture_config cfg = { .redirect = true };
	struct kt_error err = { 0 };
	struct world *w = *state;
	struct capture *second;
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, "10.96.0.0/12"), 0);
	assert_int_equal(capture_route_del(w->cap, &p, &err), 0);
	assert_int_equal(netns_test_shell("nft list table inet ktctl_capture | "
					  "grep 10.96"),
			 1);
	add_route(w->cap, "10.96.0.1/32");
	add_route(w->cap, "10.96.0.0/16");
	assert_int_equal(netns_test_client(w->loop, try_echo, &d), 0);
	assert_true(capture_open(&second, w->loop, &cfg, &ops, w, &err) < 0);
	assert_true(err.hint[0]);
}

/* as in a container that has nothing but CAP_NET_ADMIN */
static int open_with_net_admin_only(struct world *w)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };
	struct capture_config cfg = { .ipv6 = true };
	struct kt_error err = { 0 };
	struct ipprefix p;

	caps[0].effective = caps[0].permitted = 1U << CAP_NET_ADMIN;
	if (syscall(SYS_capset, &head, caps) < 0)
		return 1;
	if (netns_check(true, &err) != -EPERM || !err.hint[0])
		return 2;
	if (netns_check(false, &err) != 0)
		return 3;
	if (capture_open(&w->cap, w->loop, &cfg, &ops, w, &err) != -EPERM)
		return 4;
	cfg.redirect = true;
	if (capture_open(&w->cap, w->loop, &cfg, &ops, w, &err) != 0)
		return 5;
	if (ipprefix_parse(&p, "10.96.0.0/12") < 0 ||
	    capture_route_add(w->cap, &p, &err) != 0)
		return 6;
	capture_close(w->cap);
	return 0;
}

static void test_net_admin_only(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct world w = { .loop = loop_new() };

		_exit(open_with_net_admin_only(&w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_refusals),
		WORLD(test_silence),
		WORLD(test_echo),
		WORLD(test_reset),
		WORLD(test_udp),
		WORLD(test_udp_errors),
		WORLD(test_ping),
		WORLD(test_many_at_once),
		WORLD(test_one_after_the_other),
		WORLD(test_same_port),
		WORLD(test_exists),
		cmocka_unit_test(test_foreign),
		WORLD(test_strict_host),
		WORLD(test_container),
		cmocka_unit_test_setup_teardown(test_redirect, setup_redirect,
						teardown_redirect),
		cmocka_unit_test_setup_teardown(
			test_redirect_gone, setup_redirect, teardown_redirect),
		cmocka_unit_test_setup_teardown(test_redirect_routes,
						setup_redirect,
						teardown_redirect),
		cmocka_unit_test(test_net_admin_only),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_killed_connection),
		cmocka_unit_test(test_close),
	};

	netns_test_enter();
	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
