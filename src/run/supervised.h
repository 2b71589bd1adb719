/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_SUPERVISED_H
#define KT_RUN_SUPERVISED_H

#include "base/error.h"

#include <stdbool.h>

struct app;
struct capture;
struct connect_pod;
struct options;

/**
 * DOC: run without namespaces (--capture seccomp)
 *
 * What is in the cluster's ranges, and every question to port 53, is the
 * capture's (supervisor.h). All else the program does by itself, in this
 * machine's network: its ports are this machine's, 127.0.0.1 is the one of
 * everybody.
 */

struct supervised_run;

/** supervised_run_fits() - can what was asked for be had without namespaces?
 *  @err: why there are none, or empty; stays where it can */
KT_CHECK int supervised_run_fits(const struct options *o, struct kt_error *err);
/** supervised_run_check() - can it be done? @err: why there are no namespaces,
 * or empty, and then why this is not either; says when it is taken */
KT_CHECK int supervised_run_check(struct app *app, struct kt_error *err);
struct supervised_run *supervised_run_new(struct app *app,
					  const struct options *o);
KT_CHECK int supervised_run_capture(struct supervised_run *r,
				    struct capture **out,
				    const struct capture *base,
				    struct kt_error *err);
/** supervised_run_pod() - what is the cluster's (borrowed), or NULL: nothing
 *  any more; @r may be NULL, also below */
void supervised_run_pod(struct supervised_run *r,
			const struct connect_pod *pod);
/** supervised_run_start() - @listener (taken) of the program's filter */
void supervised_run_start(struct supervised_run *r, int listener);
void supervised_run_free(struct supervised_run *r);

#endif
