/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect_rate - how many connections a second: connect, one byte there and
 * back, close
 *
 * usage: connect_rate ADDRESS:PORT PARALLEL SECONDS
 * An echo listens there. Prints the number. It ends after MOST connections,
 * too: the kernel keeps the port of each for a minute, and has 28,000 of them
 * for one place; this is called twice for it. One thread and a system call or
 * two for each step, so that it costs little beside what it measures: 32
 * threads of Python reach no more than 900, whatever is between them and the
 * echo.
 */
#include "base/ipaddr.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 10000

struct call {
	struct watch watch;
	bool asked;
};

static struct loop *loop;
static struct sockaddr_storage to;
static socklen_t to_len;
static unsigned long done;
static bool over;

static _Noreturn void fail(const char *act)
{
	fprintf(stderr, "connect_rate: %s: %s\n", act, strerror(errno));
	exit(1);
}

static void on_event(struct watch *w, uint32_t events);

static void start(struct call *c)
{
	int fd = socket(to.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 &&
	    errno != EINPROGRESS)
		fail("connect");
	c->asked = false;
	if (loop_watch_start(loop, &c->watch, fd, EPOLLOUT, on_event) < 0)
		fail("epoll");
}

static void on_event(struct watch *w, uint32_t events)
{
	struct call *c = container_of(w, struct call, watch);
	char byte = 'x';

	(void)events;
	if (!c->asked) {
		if (send(w->fd, &byte, 1, MSG_NOSIGNAL) != 1)
			fail("send"); /* it says why connect() has failed */
		c->asked = true;
		loop_watch_mod(w, EPOLLIN);
		return;
	}
	if (recv(w->fd, &byte, 1, 0) != 1)
		fail("recv");
	loop_watch_stop(w);
	close(w->fd);
	over = ++done >= MOST;
	if (!over)
		start(c);
}

int main(int argc, char **argv)
{
	unsigned long parallel = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
	struct call *calls;
	struct ipport at;
	int64_t begun;

	if (!parallel || parallel > 10000 || seconds <= 0 ||
	    ipport_parse(&at, argv[1]) < 0) {
		fprintf(stderr, "usage: connect_rate ADDRESS:PORT PARALLEL "
				"SECONDS\n");
		return 2;
	}
	to_len = ipport_to_sockaddr(&at, &to);
	loop = loop_new();
	if (!loop)
		fail("epoll");
	calls = xcalloc(parallel, sizeof(*calls));
	begun = clock_ns();
	for (unsigned long i = 0; i < parallel; i++)
		start(&calls[i]);
	(void)!loop_run_until(loop, &over, (int64_t)(seconds * (double)NS_SEC));
	printf("%.1f\n",
	       (double)done * (double)NS_SEC / (double)(clock_ns() - begun));
	return 0;
}
