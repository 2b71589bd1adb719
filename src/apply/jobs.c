/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/jobs.h"

#include "base/mem.h"
#include "base/print.h"
#include "control/background.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void apply_jobs_tell(const struct apply_jobs *j,
			    const struct apply_job *job)
{
	auto_free char *log = NULL;
	auto_free char *why = background_last_error(j->home, job->id, &log);

	if (why)
		print_line(stderr, "ktctl: %s has ended: %s", job->label, why);
	else
		print_line(stderr,
			   "ktctl: %s has ended, and its log does not say "
			   "why: %s",
			   job->label, log);
	fflush(stderr);
}

static void apply_jobs_add(struct apply_jobs *j, const struct apply_session *s)
{
	struct apply_job *job = &j->v[j->n];
	/* where there are none (valgrind, some sandboxes) nothing is watched */
	int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	bool gone = fd < 0 && errno == ESRCH;

	*job = (struct apply_job){ xstrdup(s->id), xstrdup(s->label) };
	j->n++;
	j->fd[j->n] = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (gone)
		apply_jobs_tell(j, job);
}

static bool apply_jobs_has(const struct apply_jobs *j, const char *label)
{
	for (size_t i = 0; i < j->n; i++)
		if (strcmp(j->v[i].label, label) == 0)
			return true;
	return false;
}

void apply_jobs_init(struct apply_jobs *j, const struct home *h,
		     const struct apply_sessions *s, const struct strv *wanted)
{
	*j = (struct apply_jobs){ .home = h };
	j->v = xcalloc(s->n + 1, sizeof(*j->v));
	j->fd = xcalloc(s->n + 1, sizeof(*j->fd));
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].digest)
			apply_jobs_add(j, &s->v[i]);
	for (size_t i = 0; i < wanted->n; i++)
		if (!apply_jobs_has(j, wanted->v[i]))
			print_line(stderr, "ktctl: %s has ended already",
				   wanted->v[i]);
	fflush(stderr);
}

void apply_jobs_fini(struct apply_jobs *j)
{
	for (size_t i = 0; i < j->n; i++) {
		if (j->fd[i + 1].fd >= 0)
			close(j->fd[i + 1].fd);
		free(j->v[i].id);
		free(j->v[i].label);
	}
	free(j->v);
	free(j->fd);
	*j = (struct apply_jobs){ 0 };
}

void apply_jobs_wait(struct apply_jobs *j, int signals)
{
	j->fd[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
	do {
		if (poll(j->fd, j->n + 1, -1) < 0)
			return;
		for (size_t i = 1; i <= j->n; i++) {
			if (!j->fd[i].revents)
				continue;
			apply_jobs_tell(j, &j->v[i - 1]);
			close(j->fd[i].fd);
			j->fd[i] = (struct pollfd){ .fd = -1 };
		}
	} while (!j->fd[0].revents);
}
