/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel_bench - the tunnel alone, over TCP on loopback, without a cluster
 *
 * usage: tunnel_bench SHADOW [tunnel|direct|inbound|origin [ROW]]
 * ROW: bulk, idle, beside, one (connections one after the other), many;
 * without it, all. TUNNEL_BENCH_MIB: how much "bulk" moves each way (2048).
 * One loop thread relays, as ktctl does; other threads are the program and the
 * server. "direct" leaves the tunnel out: what the machine does without it;
 * "inbound" is the other way, a caller of the shadow's port whose server is the
 * laptop's; "origin" a caller that the shadow passes on.
 */
#include "base/loop.h"
#include "base/mem.h"
#include "tunnel/client.h"
#include "tunnel/inbound.h"
#include "tunnel/sockcarrier.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CHUNK (256 * 1024)

static struct loop *loop;
static struct tunnel *tunnel;
static struct ipport server;   /* where the far side listens */
static struct ipport entrance; /* where programs connect */
static struct watch accept_watch;
static bool tunnel_is_up;
static atomic_bool finished;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_local(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sin, len) < 0 || listen(fd, 4096) < 0)
		die("listen");
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*at = (struct ipport){ ipaddr_v4(&sin.sin_addr), ntohs(sin.sin_port) };
	return fd;
}

static int dial(const struct ipport *to)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(to, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < 500; i++) {
		if (connect(fd, (struct sockaddr *)&ss, len) == 0)
			return fd;
		usleep(10000);
	}
	die("connect");
	return -1;
}

/* --- the server: 'd' bytes, 'u' bytes, 'e'cho ----------------------------- */

static void source(int fd, uint64_t n)
{
	auto_free char *buf = xcalloc(1, CHUNK);

	while (n) {
		ssize_t k =
			send(fd, buf, MIN(n, (uint64_t)CHUNK), MSG_NOSIGNAL);

		if (k <= 0)
			return;
		n -= (uint64_t)k;
	}
}

static void sink(int fd, uint64_t n)
{
	auto_free char *buf = xmalloc(CHUNK);

	while (n) {
		ssize_t k = recv(fd, buf, MIN(n, (uint64_t)CHUNK), 0);

		if (k <= 0)
			return;
		n -= (uint64_t)k;
	}
}

struct order {
	char what;
	uint64_t n;
};

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct order o;
	char c;

	if (recv(fd, &o, sizeof(o), MSG_WAITALL) == sizeof(o)) {
		if (o.what == 'd')
			source(fd, o.n);
		else if (o.what == 'u')
			sink(fd, o.n);
		while (recv(fd, &c, 1, 0) == 1)
			if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
				break;
	}
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	int l = (int)(intptr_t)arg;

	for (;;) {
		int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		const int one = 1;
		pthread_t t;

		if (fd < 0)
			return NULL;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
}

/* --- the entrance: like ktctl's captured sockets * ------------------------ */

struct entering {
	struct tunnel_tcp *tcp;
	int fd;
};

static void on_dialed(void *user, int error)
{
	struct entering *e = user;

	if (error)
		close(e->fd);
	else
		(void)!tunnel_tcp_relay(e->tcp, e->fd, NULL, NULL);
	free(e);
}

static void on_accept(struct watch *w, uint32_t events)
{
	(void)events;
	for (;;) {
		int fd = accept4(w->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct entering *e;

		if (fd < 0)
			return;
		e = xcalloc(1, sizeof(*e));
		e->fd = fd;
		e->tcp = tunnel_tcp_dial(tunnel, &server, on_dialed, e);
		if (!e->tcp)
			die("tunnel_tcp_dial");
	}
}

/* --- measuring * ---------------------------------------------------------- */

static int begin(char what, uint64_t n)
{
	struct order o = { .what = what, .n = n };
	int fd = dial(&entrance);

	if (send(fd, &o, sizeof(o), 0) != sizeof(o))
		die("send");
	return fd;
}

static void ping(int fd)
{
	char c = 'x';

	if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
		die("ping");
}

static double seconds(int64_t since)
{
	return (double)(clock_ns() - since) / 1e9;
}

static void bulk(char what, uint64_t n)
{
	int64_t start = clock_ns();
	int fd = begin(what, n);

	if (what == 'd')
		sink(fd, n);
	else
		source(fd, n);
	ping(fd);
	printf("bulk %-4s %7.0f MB/s\n", what == 'd' ? "down" : "up",
	       (double)n / 1e6 / seconds(start));
	close(fd);
}

static uint64_t bulk_size(void)
{
	const char *mib = getenv("TUNNEL_BENCH_MIB");

	return (uint64_t)(mib ? strtoul(mib, NULL, 10) : 2048) << 20;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void rtt(const char *name, int n)
{
	auto_free int64_t *ns = xcalloc((size_t)n, sizeof(*ns));
	size_t mid = (size_t)n / 2, late = (size_t)n * 99 / 100;
	int fd = begin('e', 0);

	for (int i = 0; i < n; i++) {
		int64_t start = clock_ns();

		ping(fd);
		ns[i] = clock_ns() - start;
	}
	qsort(ns, (size_t)n, sizeof(*ns), by_value);
	printf("round trip %-16s median %.3f ms, p99 %.3f ms\n", name,
	       (double)ns[mid] / 1e6, (double)ns[late] / 1e6);
	close(fd);
}

static void *download(void *arg)
{
	int fd = *(int *)arg;

	sink(fd, UINT64_MAX);
	return NULL;
}

static void rtt_beside_bulk(void)
{
	int fd = begin('d', UINT64_MAX);
	pthread_t t;

	pthread_create(&t, NULL, download, &fd);
	usleep(300000);
	rtt("beside download", 500);
	shutdown(fd, SHUT_RDWR);
	pthread_join(t, NULL);
	close(fd);
}

static void *connect_many(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		int fd = begin('e', 0);

		ping(fd);
		close(fd);
	}
	return NULL;
}

static void connections(int threads, int each)
{
	int64_t start = clock_ns();
	pthread_t t[64];

	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, connect_many, &each);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("connections, %2d in parallel: %6.0f /s\n", threads,
	       threads * each / seconds(start));
}

static bool wanted(const char *row, const char *name)
{
	return !row || strcmp(row, name) == 0;
}

static void *measure(void *arg)
{
	const char *row = arg;

	if (wanted(row, "bulk"))
		bulk('d', bulk_size());
	if (wanted(row, "bulk"))
		bulk('u', bulk_size());
	if (wanted(row, "idle"))
		rtt("idle", 5000);
	if (wanted(row, "beside"))
		rtt_beside_bulk();
	if (wanted(row, "one"))
		connections(1, 3000);
	if (wanted(row, "many"))
		connections(32, 300);
	finished = true;
	return NULL;
}

/* --- set-up * ------------------------------------------------------------- */

static void on_up(void *user)
{
	(void)user;
	tunnel_is_up = true;
}

static void on_accepted(void *user)
{
	(void)user;
	tunnel_is_up = true;
}

static struct ipport shadow_at;

static struct carrier *on_bulk(void *user)
{
	(void)user;
	return sockcarrier_new(loop, dial(&shadow_at));
}

static void run_inbound(const struct ipport *at)
{
	static const struct inbound_events ev = { .accepted = on_accepted,
						  .bulk = on_bulk };
	const struct rule all = { .port = entrance.port };
	const struct inbound_port port = { .remote = entrance.port,
					   .local = server };
	const struct inbound_spec spec = { .user = "bench",
					   .rules = &all,
					   .nrules = 1,
					   .ports = &port,
					   .nports = 1 };
	struct inbound *in = inbound_new(loop, NULL, &spec, &ev, NULL);

	if (in)
		inbound_attach(in, sockcarrier_new(loop, dial(at)));
}

static pid_t start_shadow(const char *path, struct ipport *at, bool origin)
{
	char port[8], item[IPPORT_STRLEN + 16], to[IPPORT_STRLEN];
	pid_t pid;

	close(listen_local(at));
	close(listen_local(&entrance));
	snprintf(item, sizeof(item), "%u%s%s~tcp", entrance.port,
		 origin ? "=" : "", origin ? ipport_str(&server, to) : "");
	snprintf(port, sizeof(port), "%u", at->port);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(path, "shadow", "--listen", port, "--serve", item, NULL);
	die(path);
	return -1;
}

static void print_usage_of(pid_t pid)
{
	char path[64], line[256];
	unsigned long ut = 0, st = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fscanf(f,
			"%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			"%lu %lu",
			&ut, &st) == 2)
		printf("shadow: CPU %.2f s user, %.2f s system\n",
		       (double)ut / 100, (double)st / 100);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmRSS", 5) == 0 ||
		    strncmp(line, "VmHWM", 5) == 0)
			printf("shadow: %s", line);
	if (f)
		fclose(f);
}

/* Of this thread, which does what ktctl does */
static void print_usage_of_loop(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_THREAD, &ru) == 0)
		printf("loop: CPU %.2f s user, %.2f s system\n",
		       (double)ru.ru_utime.tv_sec +
			       (double)ru.ru_utime.tv_usec / 1e6,
		       (double)ru.ru_stime.tv_sec +
			       (double)ru.ru_stime.tv_usec / 1e6);
}

int main(int argc, char **argv)
{
	static const struct tunnel_events ev = { .up = on_up, .bulk = on_bulk };
	const char *mode = argc > 2 ? argv[2] : "";
	bool direct = strcmp(mode, "direct") == 0;
	bool inbound = strcmp(mode, "inbound") == 0;
	bool origin = strcmp(mode, "origin") == 0;
	struct ipport at;
	pthread_t t;
	pid_t shadow;

	if (argc < 2) {
		fputs("usage: tunnel_bench SHADOW "
		      "[tunnel|direct|inbound|origin [ROW]]\n",
		      stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&t, NULL, serve,
		       (void *)(intptr_t)listen_local(&server));
	shadow = start_shadow(argv[1], &at, origin);
	shadow_at = at;
	loop = loop_new();
	tunnel = tunnel_new(loop, NULL, &ev, NULL);
	if (inbound)
		run_inbound(&at);
	else
		tunnel_attach(tunnel, sockcarrier_new(loop, dial(&at)));
	if (loop_run_until(loop, &tunnel_is_up, 10 * NS_SEC) < 0)
		die("tunnel");
	if (!inbound && !origin) {
		if (loop_watch_start(
			    loop, &accept_watch, listen_local(&entrance),
			    EPOLLIN | (uint32_t)EPOLLET, on_accept) < 0)
			die("watch");
		fcntl(accept_watch.fd, F_SETFL, O_NONBLOCK);
	}
	if (direct)
		entrance = server;
	pthread_create(&t, NULL, measure, argc > 3 ? argv[3] : NULL);
	while (!finished)
		loop_once(loop, 50 * NS_MS);
	print_usage_of(shadow);
	print_usage_of_loop();
	tunnel_free(tunnel);
	loop_free(loop);
	kill(shadow, SIGTERM);
	waitpid(shadow, NULL, 0);
	return 0;
}
