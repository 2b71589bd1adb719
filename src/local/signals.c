/* SPDX-License-Identifier: Apache-2.0 */
#include "local/signals.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

struct signals {
	struct loop *loop;
	struct watch watch;
	int fd;	       /* closed by signals_free() */
	int seen;      /* the first signal, or 0 */
	bool cleaning; /* signals_clean_up() was called */
	bool forced;
};

/* HUP during the clean-up is the closing terminal, not impatience */
static bool is_impatient(int signo)
{
	return signo != SIGHUP;
}

static void signals_take(struct signals *s, int signo)
{
	if (!s->seen) {
		log_debug("signal %s", signals_name(signo));
		s->seen = signo;
		/* the clean-up after a failure goes on */
		if (!s->cleaning)
			loop_interrupt(s->loop);
	} else if (s->cleaning && is_impatient(signo)) {
		log_debug("signal %s again", signals_name(signo));
		s->forced = true;
		loop_interrupt(s->loop);
	}
}

static void signals_on_signal(struct watch *w, uint32_t events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == sizeof(si))
		signals_take(s, (int)si.ssi_signo);
}

struct signals *signals_new(struct loop *l, struct kt_error *err)
{
	struct signals *s = xcalloc(1, sizeof(*s));
	sigset_t set;
	int rc;

	s->loop = l;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = s->fd < 0 ? -errno
		       : loop_watch_start(l, &s->watch, s->fd, EPOLLIN,
					  signals_on_signal);
	if (rc < 0) {
		signals_free(s);
		kt_fail(err, -rc, "take signals: %s", strerror(-rc));
		return NULL;
	}
	return s;
}

void signals_free(struct signals *s)
{
	if (!s)
		return;
	loop_watch_stop(&s->watch);
	if (s->fd >= 0)
		close(s->fd);
	/* The signals stay blocked: one that is pending now would kill the
	 * process between here and its exit, with a status of its own. */
	free(s);
}

int signals_seen(const struct signals *s)
{
	return s->seen;
}

const char *signals_name(int signo)
{
	switch (signo) {
	case SIGINT:
		return "SIGINT";
	case SIGTERM:
		return "SIGTERM";
	case SIGHUP:
		return "SIGHUP";
	case SIGQUIT:
		return "SIGQUIT";
	}
	return "signal";
}

void signals_clean_up(struct signals *s)
{
	s->cleaning = true;
	loop_resume(s->loop);
}

bool signals_forced(const struct signals *s)
{
	return s->forced;
}

void signals_leave(struct signals *s, int signo)
{
	signals_take(s, signo);
}
