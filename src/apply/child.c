/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/child.h"

#include "apply/jobs.h"
#include "base/caller.h"
#include "base/fdlimit.h"
#include "base/mem.h"
#include "base/print.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status of one whose end nobody knows: a failure */
#define CHILD_UNKNOWN 1

static void apply_child_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGCHLD);
}

static int apply_child_prepare(const struct apply_child *c, pid_t parent)
{
	sigset_t none;
	int rc;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (!c->program) /* any program: it may use select() */
		fdlimit_restore();
	if (c->keep >= 0 && fcntl(c->keep, F_SETFD, 0) < 0)
		return -errno;
	if (c->dir && chdir(c->dir) < 0)
		return -errno;
	if (c->as && (rc = caller_enter(c->as)) < 0)
		return rc;
	/* last, as who becomes somebody else is tied to nobody */
	if (c->tied &&
	    (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
		return -ECANCELED;
	return 0;
}

static void apply_child_exec(const struct apply_child *c, pid_t parent)
{
	int rc = apply_child_prepare(c, parent);

	if (rc == 0) {
		if (c->program)
			execv(c->program, c->argv);
		else
			execvp(c->argv[0], c->argv);
		rc = -errno;
	}
	print_line(stderr, "ktctl: run %s: %s", c->argv[0], strerror(-rc));
	fflush(stderr);
	_exit(rc == -ENOENT ? 127 : 126);
}

/* SIGCHLD comes for whatever child, once for several */
static bool apply_child_ended(pid_t pid, int *status)
{
	int word;
	pid_t got;

	do
		got = waitpid(pid, &word, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got < 0) /* ECHILD: somebody else has waited for it */
		*status = CHILD_UNKNOWN;
	if (got != pid)
		return got < 0;
	*status = WIFEXITED(word) ? WEXITSTATUS(word) : 128 + WTERMSIG(word);
	return true;
}

static int apply_child_await(const struct apply_child *c, pid_t pid, int *signo)
{
	sigset_t set;
	siginfo_t si;
	int status;
	auto_close int fd = -1; /* only looked at */

	apply_child_signals(&set);
	if (c->jobs)
		fd = signalfd(-1, &set, SFD_CLOEXEC);
	while (!apply_child_ended(pid, &status)) {
		int got;

		if (fd >= 0)
			apply_jobs_wait(c->jobs, fd);
		got = sigwaitinfo(&set, &si);
		if (got <= 0 || got == SIGCHLD)
			continue;
		*signo = got;
		if (si.si_code != SI_KERNEL)
			kill(pid, c->tied ? SIGTERM : got);
	}
	return status;
}

int apply_child_run(const struct apply_child *c, int *signo,
		    struct kt_error *err)
{
	const pid_t self = getpid();
	sigset_t set, before;
	pid_t pid;
	int rc;

	*signo = 0;
	apply_child_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	fflush(NULL); /* or it would be written twice */
	pid = fork();
	if (pid == 0)
		apply_child_exec(c, self);
	rc = pid < 0 ? kt_fail(err, errno, "run %s: %s", c->argv[0],
			       strerror(errno))
		     : apply_child_await(c, pid, signo);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}
