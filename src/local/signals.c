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
	bool patient; /* signals_give_back(): the second one hurries only */
	bool waiting; /* in signals_wait() */
	bool ended;   /* no more waits at all */
	struct timer hurry;
	bool (*divert)(void *user, int signo); /* or NULL */
	void *divert_user;
};

/* Somebody at the terminal. HUP during the clean-up is its closing, and TERM
 * comes from programs, several at once of a service manager that ends. */
static bool is_impatient(int signo)
{
	return signo == SIGINT || signo == SIGQUIT;
}

static void signals_end(struct signals *s)
{
	s->ended = true;
	loop_interrupt(s->loop);
}

static void signals_on_hurry(struct timer *t)
{
	struct signals *s = container_of(t, struct signals, hurry);

	log_debug("the clean-up is broken off");
	signals_end(s);
}

/* Somebody is impatient */
static void signals_press(struct signals *s)
{
	bool again = s->forced;

	s->forced = true;
	if (!s->patient || again) {
		signals_end(s);
		return;
	}
	loop_timer_start(s->loop, &s->hurry, SIGNALS_HURRY, signals_on_hurry);
	if (s->waiting)
		loop_interrupt(s->loop);
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
		signals_press(s);
	}
}

static void signals_on_signal(struct watch *w, uint32_t events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == sizeof(si)) {
		int signo = (int)si.ssi_signo;

		if (s->divert && s->divert(s->divert_user, signo))
			continue;
		if (signo != SIGUSR1 && signo != SIGUSR2)
			signals_take(s, signo);
	}
}

/* nohup: who has started us says that its terminal's end is none of ours. A
 * blocked signal comes although it is ignored, so it is left alone. */
static void signals_add_hup(sigset_t *set)
{
	struct sigaction now;

	if (sigaction(SIGHUP, NULL, &now) < 0 || now.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

/* Those two would end us; once blocked they stay so */
void signals_divert(struct signals *s, bool (*fn)(void *user, int signo),
		    void *user)
{
	static const int all[] = { SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2 };
	sigset_t set;

	s->divert = fn;
	s->divert_user = user;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		sigaddset(&set, all[i]);
	signals_add_hup(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (signalfd(s->fd, &set, SFD_CLOEXEC | SFD_NONBLOCK) < 0)
		log_debug("signals: %s", strerror(errno));
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
	signals_add_hup(&set);
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
	loop_timer_stop(&s->hurry);
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

void signals_give_back(struct signals *s)
{
	s->patient = true;
	signals_clean_up(s);
}

int signals_wait(struct signals *s, bool *done, int64_t timeout_ns)
{
	int rc;

	if (s->forced)
		return -EINTR;
	s->waiting = true;
	rc = loop_run_until(s->loop, done, timeout_ns);
	s->waiting = false;
	if (rc == -EINTR && !s->ended)
		loop_resume(s->loop); /* for what cannot be skipped */
	return rc;
}

int signals_sleep(struct signals *s, int64_t ns)
{
	bool never = false;
	int rc = signals_wait(s, &never, ns);

	return rc == -ETIMEDOUT ? 0 : rc;
}

bool signals_forced(const struct signals *s)
{
	return s->forced;
}

const bool *signals_hurry(const struct signals *s)
{
	return &s->forced;
}

void signals_leave(struct signals *s, int signo)
{
	signals_take(s, signo);
}
