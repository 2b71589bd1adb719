/* SPDX-License-Identifier: Apache-2.0 */
/* A supervised program: what it sees of a network that is in this file. */
#include "test.h"

#include "base/mem.h"
#include "run/filter.h"
#include "run/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASS_FD 800
#define WANTED "198.51.100.7"

/* --- the network: port 7 echoes, 8 is late, 10 silent, 9 nobody ----------- */

static struct loop *loop;
static struct capture *capture;
static struct watch echo;
static bool echoes;
static struct timer late;
static struct capture_tcp *waits;

static bool wants(void *user, const struct ipport *dst)
{
	struct ipaddr a;

	(void)user;
	return ipaddr_parse(&a, WANTED) == 0 && ipaddr_eq(&a, &dst->addr);
}

static void on_late(struct timer *t)
{
	(void)t;
	capture_tcp_answer(capture, waits, ECONNREFUSED);
}

static void on_tcp(void *user, struct capture_tcp *c)
{
	(void)user;
	if (c->dst.port == 10)
		return;
	if (c->dst.port != 8) {
		capture_tcp_answer(capture, c,
				   c->dst.port == 7 ? 0 : ECONNREFUSED);
		return;
	}
	waits = c;
	loop_timer_start(loop, &late, 300 * NS_MS, on_late);
}

static void on_gone(void *user, struct capture_tcp *c)
{
	(void)user;
	if (c == waits)
		loop_timer_stop(&late);
}

static void on_echo(struct watch *w, uint32_t events)
{
	char text[64];
	ssize_t n = read(w->fd, text, sizeof(text));

	(void)events;
	if (n > 0) {
		assert_int_equal(write(w->fd, text, (size_t)n), n);
		return;
	}
	loop_watch_stop(w);
	capture_tcp_finish(capture, w->fd);
	echoes = false;
}

static void on_accepted(void *user, struct capture_tcp *c, int fd)
{
	(void)user;
	(void)c;
	assert_false(echoes);
	echoes = true;
	assert_int_equal(loop_watch_start(loop, &echo, fd, EPOLLIN, on_echo),
			 0);
}

static void on_udp(void *user, const struct ipport *src,
		   const struct ipport *dst, const uint8_t *data, size_t len)
{
	(void)user;
	if (dst->port == 7)
		assert_int_equal(capture_udp_send(capture, dst, src, data, len),
				 0);
	else
		capture_udp_error(capture, src, dst, ECONNREFUSED);
}

static const struct capture_ops ops = { .tcp_open = on_tcp,
					.tcp_gone = on_gone,
					.tcp_accepted = on_accepted,
					.udp = on_udp };

/* --- the program ---------------------------------------------------------- */

/* it has no cmocka: the line is its exit status */
#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what))                                                   \
			_exit(__LINE__ % 250 + 1);                             \
	} while (0)

static struct sockaddr_in at(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port) };

	inet_pton(AF_INET, WANTED, &a.sin_addr);
	return a;
}

static int dial(int type, uint16_t port)
{
	struct sockaddr_in a = at(port);
	int fd = socket(AF_INET, type, 0);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : fd;
}

static void program_tcp(void)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);
	struct pollfd pfd;
	char text[8];
	int fd = dial(SOCK_STREAM, 7);

	CHECK(fd >= 0);
	CHECK(getpeername(fd, (struct sockaddr *)&a, &len) == 0);
	CHECK(a.sin_port == htons(7) && len == sizeof(a));
	CHECK(send(fd, "hello", 5, 0) == 5);
	CHECK(recv(fd, text, sizeof(text), 0) == 5);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(read(fd, text, sizeof(text)) == 0);
	close(fd);
	CHECK(dial(SOCK_STREAM, 9) == -ECONNREFUSED);
	CHECK(dial(SOCK_STREAM | SOCK_NONBLOCK, 9) == -ECONNREFUSED);
	CHECK(dial(SOCK_STREAM, 8) == -ECONNREFUSED);
	/* one that does not wait is told later */
	fd = dial(SOCK_STREAM | SOCK_NONBLOCK, 8);
	CHECK(fd >= 0);
	pfd = (struct pollfd){ .fd = fd, .events = POLLIN };
	CHECK(poll(&pfd, 1, 5000) == 1);
	CHECK(recv(fd, text, 1, 0) < 0 && errno == ECONNRESET);
	close(fd);
}

static void program_udp(void)
{
	struct sockaddr_in a = at(7), from = { 0 };
	socklen_t len = sizeof(from);
	char text[8] = "";
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(sendto(fd, "one", 3, 0, (struct sockaddr *)&a, sizeof(a)) == 3);
	CHECK(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from,
		       &len) == 3);
	CHECK(memcmp(text, "one", 3) == 0);
	CHECK(from.sin_port == htons(7) &&
	      from.sin_addr.s_addr == a.sin_addr.s_addr);
	iov.iov_len = 2;
	msg.msg_name = &a;
	memcpy(text, "two", 3);
	CHECK(sendmsg(fd, &msg, 0) == 2);
	msg.msg_name = &from;
	memset(&from, 0, sizeof(from));
	CHECK(recvmsg(fd, &msg, 0) == 2 && from.sin_port == htons(7));
	close(fd);
	fd = dial(SOCK_DGRAM, 7);
	CHECK(fd >= 0 && send(fd, "three", 5, 0) == 5);
	CHECK(recv(fd, text, sizeof(text), 0) == 5);
	close(fd);
	fd = dial(SOCK_DGRAM, 9);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(recv(fd, text, sizeof(text), 0) < 0 && errno == ECONNREFUSED);
	close(fd);
}

static volatile int alarms;

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

static void alarm_in(int ms, int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	const struct itimerval once = { .it_value = { .tv_usec = ms * 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
}

/* What waits ends as it does without us: in time, or by a signal's handler */
static void program_waiting(void)
{
	const struct timeval soon = { .tv_usec = 300000 };
	const struct timeval long_time = { .tv_sec = 20 };
	struct sockaddr_in a = at(10), from;
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char text[8];

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 &&
	      errno == EINPROGRESS);
	close(fd);
	alarm_in(200, 0);
	CHECK(dial(SOCK_STREAM, 10) == -EINTR && alarms == 1);
	alarm_in(50, SA_RESTART);
	CHECK(dial(SOCK_STREAM, 8) == -ECONNREFUSED && alarms == 2);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	a = at(7);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1);
	CHECK(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from,
		       &len) == 1);
	alarm_in(200, 0);
	CHECK(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from,
		       &len) < 0 &&
	      errno == EINTR && alarms == 3);
	/* a call with a time-out of its socket is not begun again */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof(long_time));
	alarm_in(50, SA_RESTART);
	CHECK(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from,
		       &len) < 0 &&
	      errno == EINTR && alarms == 4);
	close(fd);
}

/* Who wants to know the sender is the supervisor's */
static int receive_byte(int fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char byte;

	return recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1
		       ? 0
		       : errno;
}

/* A socket that the network knows, so that it is waited at it */
static int known_datagrams(void)
{
	struct sockaddr_in a = at(7);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1);
	CHECK(receive_byte(fd) == 0);
	return fd;
}

static void *wait_for_byte(void *user)
{
	const int *fd = user;

	return (void *)(intptr_t)receive_byte(*fd);
}

/* The process's signal is one thread's: the other one, which is looked at
 * before that, waits on */
static void program_threads(void)
{
	const struct timespec apart = { .tv_nsec = 50000000 };
	struct sockaddr_in a = at(7);
	int fd = known_datagrams(), other = known_datagrams();
	void *error = NULL;
	pthread_t t;

	alarms = 0;
	CHECK(pthread_create(&t, NULL, wait_for_byte, &other) == 0);
	nanosleep(&apart, NULL);
	alarm_in(210, 0);
	CHECK(receive_byte(fd) == EINTR && alarms == 1);
	CHECK(sendto(other, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1);
	CHECK(pthread_join(t, &error) == 0 && !error);
	close(fd);
	close(other);
}

/* What is not wanted is the kernel's: a server and a client of this machine,
 * and its port is free again at once */
static void program_other(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), other, again;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 1) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	other = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(other, (struct sockaddr *)&a, len) == 0);
	CHECK(getpeername(other, (struct sockaddr *)&a, &len) == 0);
	close(fd);
	again = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(again, (struct sockaddr *)&a, len) == 0);
	close(again);
	again = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(again, (struct sockaddr *)&a, len) == 0);
	close(again);
	again = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(again, (struct sockaddr *)&a, len) == 0);
	close(again);
	again = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(again, (struct sockaddr *)&a, len) == 0);
	close(again);
	CHECK(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS);
}

/* A socket that has been elsewhere, and bound ones */
static void program_udp_bound(void)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_in a = { .sin_family = AF_INET }, to = at(7), now;
	socklen_t len = sizeof(a);
	char text[8];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), other;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	CHECK(bind(fd, (struct sockaddr *)&a, len) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience)) == 0);
	CHECK(sendto(fd, "one", 3, 0, (struct sockaddr *)&to, len) == 3);
	CHECK(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&now,
		       &len) == 3);
	CHECK(now.sin_port == to.sin_port);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);

	other = dial(SOCK_DGRAM, 7);
	CHECK(connect(other, (struct sockaddr *)&a, len) == 0);
	CHECK(getpeername(other, (struct sockaddr *)&now, &len) == 0);
	CHECK(now.sin_port == a.sin_port);
	close(other);
	close(fd);
	/* of a port of its own: the cluster is not reached, nor anybody else */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(fd, (struct sockaddr *)&a, len) == 0);
	CHECK(sendto(fd, "one", 3, 0, (struct sockaddr *)&to, len) < 0 &&
	      errno == ENETUNREACH);
	close(fd);
	/* what connects as it sends */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(sendto(fd, "one", 3, MSG_FASTOPEN, (struct sockaddr *)&to, len) <
		      0 &&
	      errno == EOPNOTSUPP);
	close(fd);
}

static _Noreturn void program(int to)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.room,
			      .msg_controllen = sizeof(ctl.room) };
	int fd;

	CHECK(dup2(to, PASS_FD) == PASS_FD);
	fd = filter_install(PASS_FD);
	if (fd < 0)
		_exit(255);
	ctl.align.cmsg_level = SOL_SOCKET;
	ctl.align.cmsg_type = SCM_RIGHTS;
	ctl.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&ctl.align), &fd, sizeof(int));
	CHECK(sendmsg(PASS_FD, &msg, 0) == 1);
	close(fd);
	program_tcp();
	program_udp();
	program_udp_bound();
	program_waiting();
	program_threads();
	program_other();
	_exit(0);
}

static int take_listener(int from)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.room,
			      .msg_controllen = sizeof(ctl.room) };
	int fd = -1;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) == 1)
		memcpy(&fd, CMSG_DATA(&ctl.align), sizeof(int));
	return fd;
}

static void a_program_that_is_supervised(void **state)
{
	static const struct supervisor_ops sops = { wants };
	const struct capture_config cfg = { .open = supervisor_capture,
					    .open_user = NULL };
	struct capture_config with = cfg;
	struct kt_error err = { 0 };
	struct supervisor *s;
	int pair[2], status = 0, fd;
	pid_t pid;

	(void)state;
	assert_int_equal(filter_check(&err), 0);
	loop = loop_new();
	s = supervisor_new(loop, &sops, NULL);
	with.open_user = s;
	assert_int_equal(capture_open(&capture, loop, &with, &ops, NULL, &err),
			 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		program(pair[1]);
	}
	close(pair[1]);
	fd = take_listener(pair[0]);
	close(pair[0]);
	if (fd < 0) { /* within a supervised shell, or under valgrind */
		waitpid(pid, &status, 0);
		skip();
	}
	assert_int_equal(supervisor_start(s, fd, &err), 0);
	while (waitpid(pid, &status, WNOHANG) == 0)
		assert_int_equal(loop_once(loop, 100 * NS_MS), 0);
	assert_int_equal(status, 0);
	capture_close(capture);
	supervisor_free(s);
	loop_watch_stop(&echo);
	loop_once(loop, 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_is_supervised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
