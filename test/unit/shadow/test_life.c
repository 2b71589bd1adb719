/* SPDX-License-Identifier: Apache-2.0 */
/* How the shadow lives and ends, and what it does when it runs short. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/sockcarrier.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ARG(s) ((char *)(uintptr_t)(s))

static struct rig rig;

static void wait_gone(int64_t limit)
{
	int64_t start = clock_ns();
	int status;

	while (waitpid(rig.shadow, &status, WNOHANG) == 0) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - start < limit);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void says_goodbye(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near;
	int64_t start;
	char c;

	(void)state;
	rig_start(&rig, NULL);
	near = rig_pair(&rig, &dst);
	start = clock_ns();
	kill(rig.shadow, SIGTERM);
	rig_wait(&rig, &rig.dead);
	assert_non_null(strstr(rig.why, "the shadow ends"));
	/* the connections are reset, not left hanging */
	assert_int_equal(recv(near, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	wait_gone(2 * NS_SEC);
	assert_true(clock_ns() - start < 2 * NS_SEC);
	tunnel_free(rig.tunnel);
	loop_free(rig.loop);
	close(near);
	close(l);
}

/* The node sends what the image names (STOPSIGNAL), and the image may be any */
static void obeys_any_images_signal(void **state)
{
	const int signals[] = { SIGTERM, SIGINT,  SIGQUIT, SIGWINCH,
				SIGUSR1, SIGUSR2, SIGPWR,  SIGRTMIN + 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		rig_start(&rig, NULL);
		kill(rig.shadow, signals[i]);
		rig_wait(&rig, &rig.dead);
		assert_non_null(strstr(rig.why, "the shadow ends"));
		wait_gone(2 * NS_SEC);
		tunnel_free(rig.tunnel);
		loop_free(rig.loop);
	}
}

static void ends_when_nobody_comes(void **state)
{
	static char *args[] = { ARG("--idle-exit"), ARG("1"), ARG("--keep"),
				ARG("1"), NULL };

	(void)state;
	rig_start(&rig, args);
	/* a client is here: it stays, though idle */
	(void)!loop_sleep(rig.loop, 2500 * NS_MS);
	assert_int_equal(waitpid(rig.shadow, NULL, WNOHANG), 0);
	tunnel_free(rig.tunnel);
	wait_gone(5 * NS_SEC);
	loop_free(rig.loop);
}

/* In somebody's Pod (run --inPod): with its user, not a minute later */
static void ends_when_its_user_has_left(void **state)
{
	static char *args[] = { ARG("--once"), ARG("--idle-exit"), ARG("600"),
				NULL };

	(void)state;
	rig_start(&rig, args);
	(void)!loop_sleep(rig.loop, 3500 * NS_MS);
	assert_int_equal(waitpid(rig.shadow, NULL, WNOHANG), 0);
	tunnel_free(rig.tunnel);
	wait_gone(10 * NS_SEC);
	loop_free(rig.loop);
}

static void forgets_who_stays_away(void **state)
{
	static char *args[] = { ARG("--keep"), ARG("1"), NULL };

	(void)state;
	rig_start(&rig, args);
	/* gone without a word: the session is kept for a second, then it is
	 * not known any more */
	tunnel_attach(rig.tunnel, sockcarrier_new(rig.loop, dead_socket()));
	(void)!loop_sleep(rig.loop, 3500 * NS_MS);
	rig_connect(&rig);
	rig_wait(&rig, &rig.dead);
	assert_non_null(strstr(rig.why, "not known"));
	/* the next one is a fresh session */
	rig.up = false;
	rig_connect(&rig);
	rig_wait(&rig, &rig.up);
	rig_stop(&rig);
}

static long cpu_ticks(void)
{
	unsigned long ut = 0, st = 0;
	auto_free char *text = NULL;
	char path[64];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)rig.shadow);
	text = file_read(path, 4096, NULL);
	p = text ? strrchr(text, ')') : NULL;
	if (p)
		sscanf(p,
		       ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
		       "%lu %lu",
		       &ut, &st);
	return (long)(ut + st);
}

static void runs_short_of_descriptors(void **state)
{
	struct rlimit few = { 40, 40 };
	struct tunnel_tcp *tcp[60];
	struct ipport dst;
	int l = local_listen(&dst), rc = 0, n = 0;
	long ticks;

	(void)state;
	rig_start(&rig, NULL);
	assert_int_equal(prlimit(rig.shadow, RLIMIT_NOFILE, &few, NULL), 0);
	for (; n < 60 && rc == 0; n++)
		rc = rig_dial(&rig, &dst, &tcp[n]);
	assert_in_range(n, 10, 45);
	assert_int_equal(rc, -EMFILE);
	/* somebody knocks now: no descriptor for him, and no spinning */
	rig.lost = false;
	rig_connect(&rig);
	ticks = cpu_ticks();
	(void)!loop_sleep(rig.loop, NS_SEC);
	assert_true(cpu_ticks() - ticks < 30);
	/* room again: all is well again */
	for (int i = 0; i < n - 1; i++)
		tunnel_tcp_cancel(tcp[i]);
	if (tunnel_state(rig.tunnel) != TUNNEL_UP)
		rig_connect(&rig);
	(void)!loop_sleep(rig.loop, 300 * NS_MS);
	assert_int_equal(rig_dial(&rig, &dst, &tcp[0]), 0);
	tunnel_tcp_cancel(tcp[0]);
	rig_stop(&rig);
	close(l);
}

static int connect_local(uint16_t port)
{
	struct ipport at = local_port(port);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static int ask_health(uint16_t port, const char *request, char *buf, size_t n)
{
	int fd = connect_local(port);
	ssize_t got;

	assert_true(send(fd, request, strlen(request), 0) > 0);
	got = recv(fd, buf, n - 1, MSG_WAITALL);
	close(fd);
	buf[got > 0 ? got : 0] = 0;
	return (int)got;
}

static void answers_the_probe(void **state)
{
	char port[8], buf[512];
	char *args[] = { ARG("--health"), port, NULL };
	uint16_t p = free_port();

	(void)state;
	snprintf(port, sizeof(port), "%u", p);
	rig_start(&rig, args);
	ask_health(p, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", buf,
		   sizeof(buf));
	assert_non_null(strstr(buf, "200 OK"));
	ask_health(p, "GET /secret HTTP/1.1\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "404"));
	rig_stop(&rig);
}

/* carriers that say nothing cannot keep a client out: the oldest goes */
static void takes_a_client_among_the_silent(void **state)
{
	struct rig other;
	int fd[100];
	char c;

	(void)state;
	rig_start(&rig, NULL);
	for (int i = 0; i < 100; i++)
		fd[i] = connect_local(rig.port);
	rig_join(&other, &rig);
	assert_false(other.lost);
	assert_true(recv(fd[0], &c, 1, 0) <= 0);
	assert_int_equal(recv(fd[99], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* and their time is short */
	(void)!loop_sleep(rig.loop, 6 * NS_SEC);
	assert_int_not_equal(recv(fd[99], &c, 1, MSG_DONTWAIT), -1);
	for (int i = 0; i < 100; i++)
		close(fd[i]);
	rig_leave(&other);
	rig_stop(&rig);
}

/* callers that say nothing cannot keep the probe out: the oldest goes */
static void answers_the_probe_among_the_silent(void **state)
{
	char port[8], buf[512] = "";
	char *args[] = { ARG("--health"), port, NULL };
	uint16_t p = free_port();
	int fd[40];
	char c;

	(void)state;
	snprintf(port, sizeof(port), "%u", p);
	rig_start(&rig, args);
	for (int i = 0; i < 40; i++)
		fd[i] = connect_local(p);
	ask_health(p, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", buf,
		   sizeof(buf));
	assert_non_null(strstr(buf, "200 OK"));
	/* the first is closed, the last still waits */
	assert_true(recv(fd[0], &c, 1, 0) <= 0);
	assert_int_equal(recv(fd[39], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < 40; i++)
		close(fd[i]);
	rig_stop(&rig);
}

/* booted with ipv6.disable=1: the ports are those of IPv4 */
static void serves_without_ipv6(void **state)
{
	char health[8], serve[64], buf[512];
	char *args[] = { ARG("--health"), health, ARG("--serve"), serve, NULL };
	uint16_t p = free_port(), tcp = free_port(), udp = free_port();
	char c;
	int fd;

	(void)state;
	snprintf(health, sizeof(health), "%u", p);
	snprintf(serve, sizeof(serve), "%u~tcp,%u/udp", tcp, udp);
	rig_start_without_ipv6(&rig, args);
	ask_health(p, "GET /healthz HTTP/1.1\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "200 OK"));
	/* it listens; nobody has a rule for it, so it is reset */
	fd = connect_local(tcp);
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	rig_stop(&rig);
}

static void serves_several_clients(void **state)
{
	struct rig other;
	struct ipport dst;
	int l = local_listen(&dst), a, b, fa, fb;
	char c;

	(void)state;
	rig_start(&rig, NULL);
	rig_join(&other, &rig);
	a = rig_pair(&rig, &dst);
	fa = accept(l, NULL, NULL);
	b = rig_pair(&other, &dst);
	fb = accept(l, NULL, NULL);
	/* one leaves: the other does not notice */
	rig_leave(&other);
	assert_int_equal(recv(b, &c, 1, 0), -1);
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	assert_int_equal(recv(fb, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(send(fa, "x", 1, 0), 1);
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	assert_int_equal(recv(a, &c, 1, MSG_DONTWAIT), 1);
	rig_stop(&rig);
	close(a);
	close(b);
	close(fa);
	close(fb);
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_goodbye),
		cmocka_unit_test(obeys_any_images_signal),
		cmocka_unit_test(ends_when_nobody_comes),
		cmocka_unit_test(ends_when_its_user_has_left),
		cmocka_unit_test(forgets_who_stays_away),
		cmocka_unit_test(runs_short_of_descriptors),
		cmocka_unit_test(answers_the_probe),
		cmocka_unit_test(answers_the_probe_among_the_silent),
		cmocka_unit_test(takes_a_client_among_the_silent),
		cmocka_unit_test(serves_without_ipv6),
		cmocka_unit_test(serves_several_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
