/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_RUN_H
#define KT_APPLY_RUN_H

#include "apply/show.h"
#include "base/error.h"

struct app;

/**
 * DOC: All come up, or all is as before
 *
 * What ends and what changes is ended first, because a port or a Service may
 * be wanted by what begins; then the jobs are started, in the file's order, one
 * after the other: each is the program itself with --background, which returns
 * when the job is up and proven. When one fails, or somebody is impatient, what
 * was begun is ended, and what was ended is started as it was. Who wants that
 * all ends (@remove) gets nothing back: what does not end is told.
 */

struct apply_run {
	struct app *app;
	struct apply_view view;
	const char *dir; /* where the command runs: the file's */
	int lock;	 /* held by a job as well until it is up; or -1 */
	bool tie;	 /* jobs end with this process */
	bool remove;	 /* all ends: there is nothing to put back */
	bool interrupted;
	bool failed; /* something could not be put back, or ended */
	int status;  /* of the job that failed */
};

/** apply_run_steps() - do it; 0, or -errno with @err, and @r->status is the
 *  exit status, when all is as before (or, with @remove, has not ended) */
KT_CHECK int apply_run_steps(struct apply_run *r, struct kt_error *err);

/** apply_run_command() - the file's command, until it ends; its exit status, or
 *  -errno with @err */
KT_CHECK int apply_run_command(struct apply_run *r, struct kt_error *err);

/** apply_run_end() - end every job of the file; 0 or -errno with @err */
KT_CHECK int apply_run_end(struct apply_run *r, struct kt_error *err);

#endif
