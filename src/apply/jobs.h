/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_JOBS_H
#define KT_APPLY_JOBS_H

#include "apply/sessions.h"

#include <poll.h>

/**
 * DOC: Jobs that end too early
 *
 * While the file's command runs, each job is watched by its pidfd. One that
 * ends is told at once on stderr, with the last error in its log: the command
 * has the terminal, and would only see that something does not answer any more.
 * It goes on all the same: what it makes of that is its own affair.
 */

struct apply_jobs {
	const struct home *home;
	struct pollfd *fd; /* of the signals first, then of each job */
	struct apply_job {
		char *id, *label;
	} * v;
	size_t n;
};

/** apply_jobs_init() - all of @s that are the file's own; what is of @wanted
 *  (labels) and not among them has ended already, and is told
 *  @h: borrowed */
void apply_jobs_init(struct apply_jobs *j, const struct home *h,
		     const struct apply_sessions *s, const struct strv *wanted);
void apply_jobs_fini(struct apply_jobs *j);

/** apply_jobs_wait() - tell of those that end, until @signals (a signalfd) can
 *  be read */
void apply_jobs_wait(struct apply_jobs *j, int signals);

#endif
