/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_HOOK_H
#define KT_ENV_HOOK_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Hooks
 *
 * What a member needs beside its Pods (a branch of a database, a topic) is made
 * by a Job that runs before them (--onJoin), and taken away by one that runs
 * when they have gone (--onDelete).
 *
 * Its Pod is that of the member's copy, with one container: "IMAGE [ARG...]",
 * or "/PROGRAM [ARG...]" of the copy's own image, which has its volumes, too.
 * It has the copy's variables, account, limits and the labels by which
 * NetworkPolicies know it, so it may do what the member may. No Service leads
 * to it. What it writes into the file $KT_OUTPUT, lines K=V, becomes variables
 * of the copy: that is the container's termination message, which the kubelet
 * brings into the Pod's status.
 *
 * Pure: objects in, objects out. hook_run.h has the rest.
 */

#define HOOK_OUTPUT_MAX 4096 /* what a kubelet takes; more it cuts off */
#define HOOK_VARIABLES 64
#define HOOK_SECONDS 600 /* how long it may run */

/** struct hook_spec - all borrowed */
struct hook_spec {
	const char *what;      /* "onJoin", "onDelete" */
	const char *command;   /* as on the command line */
	const json_t *copy;    /* Deployment of the member */
	const char *container; /* its container with the member's image */
	const json_t *owner;   /* of ownerReferences; NULL: none owns it */
	const char *uid;       /* of the environment's Job */
	bool waits;	       /* it is not to run yet: hook_fresh() does */
	bool again;	       /* beside one of the same, by another name */
};

/** hook_job() - (returned, caller decrefs); NULL with @err */
json_t *hook_job(const struct hook_spec *s, struct kt_error *err);
/** hook_fresh() - one that runs now, of @waiting, that waits (returned, caller
 *  decrefs) */
json_t *hook_fresh(const json_t *waiting);
/** hook_run_patch() - a merge patch by which @waiting runs itself, nobody waits
 *  for it, and the cluster removes it an hour after (where it removes Jobs);
 *  returned, caller decrefs */
json_t *hook_run_patch(const json_t *waiting, int64_t now);

/** hook_output() - {K: V} of a termination message (returned, caller decrefs);
 *  NULL with @err: it is no list of variables, or one that no hook may set */
json_t *hook_output(const char *text, struct kt_error *err);
/** hook_set_output() - @vars are variables of the container, as they are: a '$'
 *  in them means nothing */
void hook_set_output(json_t *copy, const char *container, const json_t *vars);

/** struct hook_report - how it is with the Pod of a hook; borrowed from it */
struct hook_report {
	bool ended, good;
	const char *message; /* never NULL */
	int status;	     /* exit status, when it ended */
};

/** hook_report_make() - @pods: array */
void hook_report_make(struct hook_report *r, const json_t *pods);

#endif
