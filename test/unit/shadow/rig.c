/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/relay.h"
#include "tunnel/sockcarrier.h"
#include "wire/envmark.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct ipport local_port(uint16_t port)
{
	static const uint8_t lo[4] = { 127, 0, 0, 1 };

	return (struct ipport){ ipaddr_v4(lo), port };
}

int local_listen(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 4096), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

/* Below the range that connect() takes from: other tests do that by the
 * thousand, and the port has to be free still when the shadow binds it. */
uint16_t free_port(void)
{
	static unsigned int next;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };

	if (!next)
		next = (unsigned int)getpid() * 101;
	for (int i = 0; i < 1000; i++) {
		uint16_t port = (uint16_t)(10000 + next++ % 22000);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int rc;

		sin.sin_port = htons(port);
		rc = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
		close(fd);
		if (rc == 0)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

/* --- the shadow ----------------------------------------------------------- */

/* from here on as on a node that was booted with ipv6.disable=1 */
static void refuse_ipv6(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { ARRAY_SIZE(f), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0) {
		perror("seccomp");
		_exit(127);
	}
}

static void run_shadow(const struct rig *r, char *const *args)
{
	char port[16];
	char *argv[32] = { (char *)(uintptr_t) "shadow",
			   (char *)(uintptr_t) "--listen", port };
	const char *path = getenv("SHADOW");
	int n = 3;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(port, sizeof(port), "%u", r->port);
	while (args && *args && n < 31)
		argv[n++] = *args++;
	if (r->no_ipv6)
		refuse_ipv6();
	execv(path ? path : "src/shadow/shadow", argv);
	perror("exec shadow (set SHADOW)");
	_exit(127);
}

static int connect_shadow(const struct rig *r)
{
	struct sockaddr_storage ss;
	struct ipport at = local_port(r->port);
	socklen_t len = ipport_to_sockaddr(&at, &ss);

	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&ss, len) == 0)
			return fd;
		close(fd);
		usleep(10000);
	}
	fail_msg("the shadow does not listen");
	return -1;
}

/* its other end stays open, and silent */
static int silent_socket(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd),
			 0);
	return fd[0];
}

static void on_up(void *user)
{
	struct rig *r = user;

	r->up = true;
}

static void on_resumed(void *user)
{
	struct rig *r = user;

	r->resumed++;
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct rig *r = user;

	r->lost = true;
	snprintf(r->why, sizeof(r->why), "%.200s", why->msg);
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct rig *r = user;

	r->dead = true;
	r->dead_code = why->code;
	snprintf(r->why, sizeof(r->why), "%.200s", why->msg);
}

static struct carrier *on_bulk(void *user)
{
	struct rig *r = user;
	const int small = 4096;
	struct stat st;

	if (r->bulk_most && r->bulk_had == r->bulk_most)
		return NULL;
	r->bulk_had++;
	if (!r->bulk)
		return NULL;
	r->bulk_fd = r->bulk_hangs ? silent_socket() : connect_shadow(r);
	if (r->bulk_small)
		setsockopt(r->bulk_fd, SOL_SOCKET, SO_SNDBUF, &small,
			   sizeof(small));
	if (r->bulk_had <= RIG_BULK_MAX && fstat(r->bulk_fd, &st) == 0) {
		r->bulk_all[r->bulk_had - 1].fd = r->bulk_fd;
		r->bulk_all[r->bulk_had - 1].ino = st.st_ino;
	}
	return sockcarrier_new(r->loop, r->bulk_fd);
}

void rig_cut_bulk(struct rig *r, unsigned int n)
{
	int open[RIG_BULK_MAX], had = MIN(r->bulk_had, RIG_BULK_MAX);
	struct session_stats stats;
	unsigned int nopen = 0;
	struct stat st;

	tunnel_bulk_stats(r->tunnel, &stats);
	if (stats.joining)
		return;
	for (int i = 0; i < had; i++)
		if (fstat(r->bulk_all[i].fd, &st) == 0 &&
		    st.st_ino == r->bulk_all[i].ino)
			open[nopen++] = r->bulk_all[i].fd;
	if (nopen)
		shutdown(open[n % nopen], SHUT_RDWR);
}

static const struct tunnel_events events = {
	.up = on_up,
	.resumed = on_resumed,
	.lost = on_lost,
	.dead = on_dead,
	.bulk = on_bulk,
};

void rig_connect(struct rig *r)
{
	struct carrier *c = sockcarrier_new(r->loop, connect_shadow(r));

	assert_non_null(c);
	tunnel_attach(r->tunnel, c);
}

void rig_wait(struct rig *r, const bool *done)
{
	assert_int_equal(loop_run_until(r->loop, done, 60 * NS_SEC), 0);
}

void rig_readable(struct rig *r, int fd)
{
	for (int i = 0; i < 6000; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 0) > 0)
			return;
		loop_once(r->loop, 10 * NS_MS);
	}
	fail_msg("nothing arrives");
}

int64_t rig_far_ns;

static void open_tunnel(struct rig *r)
{
	static struct envmark mark;
	struct session_config cfg = session_config_default();
	const char *name = getenv("TUNNEL_ENV");

	if (rig_far_ns)
		cfg.far_ns = rig_far_ns;
	r->loop = loop_new();
	r->tunnel = tunnel_new(r->loop, &cfg, &events, r);
	if (name) {
		snprintf(mark.name, sizeof(mark.name), "%s", name);
		tunnel_set_env(r->tunnel, &mark);
	}
	rig_connect(r);
	rig_wait(r, &r->up);
}

struct tunnel *rig_second(struct rig *r)
{
	struct tunnel *first = r->tunnel;

	r->up = false;
	r->tunnel = tunnel_new(r->loop, NULL, &events, r);
	rig_connect(r);
	rig_wait(r, &r->up);
	return first;
}

static void rig_run(struct rig *r, char *const *args)
{
	r->shadow = fork();
	if (r->shadow == 0)
		run_shadow(r, args);
	open_tunnel(r);
}

void rig_start(struct rig *r, char *const *args)
{
	*r = (struct rig){ .port = free_port() };
	rig_run(r, args);
}

void rig_start_without_ipv6(struct rig *r, char *const *args)
{
	*r = (struct rig){ .port = free_port(), .no_ipv6 = true };
	rig_run(r, args);
}

void rig_join(struct rig *r, const struct rig *of)
{
	*r = (struct rig){ .port = of->port };
	open_tunnel(r);
}

void rig_leave(struct rig *r)
{
	tunnel_free(r->tunnel);
	loop_free(r->loop);
}

int dead_socket(void)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	close(sv[1]);
	return sv[0];
}

void rig_stop(struct rig *r)
{
	int status;

	tunnel_free(r->tunnel);
	loop_free(r->loop);
	kill(r->shadow, SIGTERM);
	while (waitpid(r->shadow, &status, WNOHANG) == 0) {
		usleep(20000);
		kill(r->shadow, SIGTERM); /* no callers are waited for */
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- connections ---------------------------------------------------------- */

struct dialing {
	bool done;
	int error;
};

static void on_dialed(void *user, int error)
{
	struct dialing *d = user;

	d->done = true;
	d->error = error;
}

int rig_dial(struct rig *r, const struct ipport *dst, struct tunnel_tcp **tcp)
{
	struct dialing d = { 0 };

	*tcp = tunnel_tcp_dial(r->tunnel, dst, on_dialed, &d);
	assert_non_null(*tcp);
	rig_wait(r, &d.done);
	return d.error;
}

int rig_pair(struct rig *r, const struct ipport *dst)
{
	struct tunnel_tcp *tcp;
	struct ipport at;
	int l = local_listen(&at);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(rig_dial(r, dst, &tcp), 0);
	assert_int_equal(connect(near, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(
		tunnel_tcp_relay(tcp, accept(l, NULL, NULL), NULL, NULL), 0);
	close(l);
	return near;
}

/* --- what it costs -------------------------------------------------------- */

long rig_rss(const struct rig *r)
{
	char path[64];
	auto_free char *text = NULL;
	const char *p;
	long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)r->shadow);
	text = file_read(path, 65536, NULL);
	p = text ? strstr(text, "VmRSS:") : NULL;
	if (p)
		sscanf(p, "VmRSS: %ld", &kib);
	return kib;
}

int rig_fds(const struct rig *r)
{
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->shadow);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}
