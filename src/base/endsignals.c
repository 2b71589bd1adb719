/* SPDX-License-Identifier: Apache-2.0 */
#include "base/endsignals.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void end_signals_read(struct watch *w, uint32_t events)
{
	struct end_signals *s = container_of(w, struct end_signals, watch);
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == sizeof(si))
		log_debug("signal %u", si.ssi_signo);
	s->stop = true;
}

int end_signals_start(struct end_signals *s, struct loop *loop)
{
	/* The signal is the one that the image names (STOPSIGNAL), and the
	 * image may be anybody's: nginx, httpd, PostgreSQL, uwsgi, systemd */
	const int end[] = { SIGTERM, SIGINT,  SIGQUIT, SIGWINCH,
			    SIGUSR1, SIGUSR2, SIGPWR,  SIGRTMIN + 3 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(end); i++)
		sigaddset(&set, end[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	return loop_watch_start(loop, &s->watch, fd, EPOLLIN, end_signals_read);
}
