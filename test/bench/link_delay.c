/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_delay - a long, lossy link between two network namespaces
 *
 * usage: link_delay NETNS-A IF-A NETNS-B IF-B ROUND-TRIP-MS LOSS-PERCENT
 * Makes a TUN in each namespace (given as files, e.g. /proc/PID/ns/net) and
 * carries packets between them: each is dropped with the given probability,
 * both ways, or delivered in order half of the round trip later. What TCP sees
 * is what it sees on a real link, its retransmissions included; netem does the
 * same where the kernel has it. The interfaces are gone when it ends.
 *
 * No limit of rate: the machine's own is enough. A queue of MAX_HELD packets.
 */
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MTU 1500
#define MAX_HELD 32768 /* 48 MB: 80 ms at more than 1 GB/s */
#define BATCH 64

struct packet {
	int64_t due;
	size_t len;
	unsigned char data[MTU];
};

struct way {
	int from, to;
	struct packet *held; /* a ring */
	size_t first, n;
};

static int64_t delay;
static double loss; /* 0 .. 1 */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int tun_in(const char *netns, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int ns = open(netns, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(netns);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		die(name);
	return fd;
}

static void take(struct way *w)
{
	for (int i = 0; i < BATCH && w->n < MAX_HELD; i++) {
		struct packet *p = &w->held[(w->first + w->n) % MAX_HELD];
		ssize_t len = read(w->from, p->data, sizeof(p->data));

		if (len <= 0)
			return;
		if (drand48() < loss)
			continue;
		p->len = (size_t)len;
		p->due = clock_ns() + delay;
		w->n++;
	}
}

static void deliver(struct way *w)
{
	while (w->n && w->held[w->first].due <= clock_ns()) {
		struct packet *p = &w->held[w->first];

		/* an interface that is down takes nothing: lost, as on a wire
		 */
		if (write(w->to, p->data, p->len) < 0 && errno == EAGAIN)
			return;
		w->first = (w->first + 1) % MAX_HELD;
		w->n--;
	}
}

static struct timespec until_due(const struct way *w)
{
	int64_t now = clock_ns(), left = NS_SEC;

	for (int i = 0; i < 2; i++)
		if (w[i].n)
			left = MIN(left, w[i].held[w[i].first].due - now);
	left = MAX(left, 0);
	return (struct timespec){ left / NS_SEC, left % NS_SEC };
}

static void carry(struct way *w)
{
	for (;;) {
		struct timespec t = until_due(w);
		struct pollfd p[2] = {
			{ w[0].from, w[0].n < MAX_HELD ? POLLIN : 0, 0 },
			{ w[1].from, w[1].n < MAX_HELD ? POLLIN : 0, 0 },
		};

		if (ppoll(p, 2, &t, NULL) < 0 && errno != EINTR)
			die("ppoll");
		for (int i = 0; i < 2; i++) {
			take(&w[i]);
			deliver(&w[i]);
		}
	}
}

int main(int argc, char **argv)
{
	struct way w[2] = { 0 };

	if (argc != 7) {
		fputs("usage: link_delay NETNS-A IF-A NETNS-B IF-B "
		      "ROUND-TRIP-MS LOSS-PERCENT\n",
		      stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_TIMERSLACK, 1UL);
	setpriority(PRIO_PROCESS, 0, -20); /* not fatal where it is refused */
	delay = (int64_t)(strtod(argv[5], NULL) * 1e6 / 2);
	loss = strtod(argv[6], NULL) / 100;
	w[0].from = w[1].to = tun_in(argv[1], argv[2]);
	w[1].from = w[0].to = tun_in(argv[3], argv[4]);
	for (int i = 0; i < 2; i++)
		w[i].held = xcalloc(MAX_HELD, sizeof(*w[i].held));
	carry(w);
}
