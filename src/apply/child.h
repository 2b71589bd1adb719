/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_CHILD_H
#define KT_APPLY_CHILD_H

#include "base/error.h"

#include <stdbool.h>

struct apply_jobs;
struct caller;

/** struct apply_child - a program that has the terminal until it ends */
struct apply_child {
	const char *program; /* a path, or NULL: argv[0], found by PATH */
	char *const *argv;
	const char *dir;	 /* where it runs, or NULL: here */
	const struct caller *as; /* it runs as this user, or NULL: as we do */
	int keep;		 /* a descriptor that it holds as well, or -1 */
	bool tied; /* told to leave (SIGTERM) when we are killed */
	struct apply_jobs *jobs; /* watched meanwhile, or NULL */
};

/**
 * apply_child_run() - start it and wait until it has ended
 *
 * INT, TERM, HUP and QUIT must be blocked. What the terminal sends is for the
 * whole process group, so the child has it already; every other one is passed
 * on, an INT as TERM when it is @tied: it goes to the background and ignores
 * that. *@signo: the last one that came, or 0.
 * Return: the exit status, or 128 and the signal; -errno with @err.
 */
KT_CHECK int apply_child_run(const struct apply_child *c, int *signo,
			     struct kt_error *err);

#endif
