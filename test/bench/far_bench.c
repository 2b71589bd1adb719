/* SPDX-License-Identifier: Apache-2.0 */
/*
 * far_bench - the tunnel alone over a long link, without a cluster
 *
 * usage: far_bench serve PORT
 *        far_bench direct|one|several CARRIER SERVER down|up FLOWS SECONDS
 * CARRIER is IP:PORT of a shadow, or of what leads to one, SERVER that of
 * "far_bench serve", as the shadow reaches it. "direct": without a tunnel,
 * SERVER itself; "one": with one session for bulk, as where it is near;
 * "several": as far away. Prints MB/s of the later half of the time, and of all
 * of it; far makes the link.
 */
#include "base/loop.h"
#include "base/mem.h"
#include "tunnel/client.h"
#include "tunnel/sockcarrier.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define FLOWS_MAX 64

static struct loop *loop;
static struct tunnel *tunnel;
static struct ipport carrier_at, server_at;
static bool is_up, upload;
static unsigned int carriers;
static atomic_ullong moved;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* @flags: 0, or SOCK_NONBLOCK: it may be on the way still */
static int dial(const struct ipport *to, int flags)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(to, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* --- the server: its first byte says which way, an upload is counted ------ */

static void *serve_one(void *arg)
{
	auto_free char *buf = xcalloc(1, CHUNK);
	int fd = (int)(intptr_t)arg;
	uint64_t got = 0;
	ssize_t n;

	if (recv(fd, buf, 1, 0) == 1 && *buf == 'd') {
		while (send(fd, buf, CHUNK, MSG_NOSIGNAL) > 0)
			;
	} else {
		while ((n = recv(fd, buf, CHUNK, 0)) > 0) {
			got += (uint64_t)n;
			/* may block no upload: what does not fit is said later
			 */
			(void)!send(fd, &got, sizeof(got),
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		}
	}
	close(fd);
	return NULL;
}

static void serve(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(l, 100) < 0)
		die("listen");
	for (;;) {
		int fd = accept(l, NULL, NULL);
		pthread_t t;

		pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
}

/* --- the program ---------------------------------------------------------- */

static void *upload_all(void *arg)
{
	auto_free char *buf = xcalloc(1, CHUNK);

	while (send((int)(intptr_t)arg, buf, CHUNK, MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

/* What arrived, here or at the server, is added to @moved. */
static void *flow(void *arg)
{
	auto_free char *buf = xmalloc(CHUNK);
	int fd = (int)(intptr_t)arg;
	uint64_t before = 0, now;
	pthread_t t;
	ssize_t n;

	if (send(fd, upload ? "u" : "d", 1, 0) != 1)
		die("send");
	if (upload)
		pthread_create(&t, NULL, upload_all, arg);
	while (upload && recv(fd, &now, sizeof(now), MSG_WAITALL) ==
				 (ssize_t)sizeof(now)) {
		moved += now - before;
		before = now;
	}
	while (!upload && (n = recv(fd, buf, CHUNK, 0)) > 0)
		moved += (unsigned long long)n;
	return NULL;
}

static void start_flow(int fd)
{
	pthread_t t;

	pthread_create(&t, NULL, flow, (void *)(intptr_t)fd);
	pthread_detach(t);
}

/* --- the tunnel ----------------------------------------------------------- */

static struct carrier *on_bulk(void *user)
{
	(void)user;
	carriers++;
	return sockcarrier_new(loop, dial(&carrier_at, SOCK_NONBLOCK));
}

static void on_up(void *user)
{
	(void)user;
	is_up = true;
}

struct dialing {
	struct tunnel_tcp *tcp;
	int fd;
};

static void on_dialed(void *user, int error)
{
	struct dialing *d = user;

	if (error || tunnel_tcp_relay(d->tcp, d->fd, NULL, NULL) < 0)
		die("dial");
	free(d);
}

static void tunnel_flow(void)
{
	struct dialing *d = xcalloc(1, sizeof(*d));
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		die("socketpair");
	d->fd = sv[0];
	d->tcp = tunnel_tcp_dial(tunnel, &server_at, on_dialed, d);
	if (!d->tcp)
		die("tunnel_tcp_dial");
	start_flow(sv[1]);
}

static void open_tunnel(bool several)
{
	static const struct tunnel_events ev = { .up = on_up, .bulk = on_bulk };
	struct session_config cfg = session_config_default();

	if (!several)
		cfg.far_ns = 0;
	tunnel = tunnel_new(loop, &cfg, &ev, NULL);
	tunnel_attach(tunnel,
		      sockcarrier_new(loop, dial(&carrier_at, SOCK_NONBLOCK)));
	if (loop_run_until(loop, &is_up, 20 * NS_SEC) < 0 || !is_up)
		die("tunnel");
}

static double rest(double seconds)
{
	unsigned long long before = moved;
	int64_t start = clock_ns();

	(void)!loop_sleep(loop, (int64_t)(seconds * 1e9));
	return (double)(moved - before) / ((double)(clock_ns() - start) / 1e9) /
	       1e6;
}

int main(int argc, char **argv)
{
	double seconds, first, later;
	bool direct;
	int flows;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve((uint16_t)strtoul(argv[2], NULL, 10));
	if (argc != 7 || ipport_parse(&carrier_at, argv[2]) < 0 ||
	    ipport_parse(&server_at, argv[3]) < 0) {
		fputs("usage: see far_bench.c\n", stderr);
		return 2;
	}
	direct = strcmp(argv[1], "direct") == 0;
	upload = strcmp(argv[4], "up") == 0;
	flows = (int)strtol(argv[5], NULL, 10);
	seconds = strtod(argv[6], NULL);
	loop = loop_new();
	if (!direct)
		open_tunnel(strcmp(argv[1], "several") == 0);
	for (int i = 0; i < flows; i++) {
		if (direct)
			start_flow(dial(&server_at, 0));
		else
			tunnel_flow();
	}
	first = rest(seconds / 2);
	later = rest(seconds / 2);
	printf("%.2f %.2f %u\n", later, (first + later) / 2, carriers);
	fflush(stdout);
	_exit(0);
}
