/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_HOOK_RUN_H
#define KT_ENV_HOOK_RUN_H

#include "env/member.h"

/** struct hook_say - progress, and what went wrong where nothing fails by it;
 *  may be NULL */
struct hook_say {
	void (*progress)(void *user, const char *text);
	void *user;
};

/**
 * hook_run() - make the Job @job, wait until it has ended, remove it; also one
 * of its name that somebody's killed ktctl has left
 *
 * It takes what deploy/rbac/env.yaml has: Jobs, and "list pods".
 * @vars: its output (returned, caller decrefs); NULL: it is not looked at
 * Return: 0, or -errno with @err, which has its last words
 */
KT_CHECK int hook_run(const struct member_place *at, const json_t *job,
		      json_t **vars, const struct hook_say *say,
		      struct kt_error *err);
/** hook_try() - what admission and quota say to it: nothing is made */
KT_CHECK int hook_try(const struct member_place *at, const json_t *job,
		      struct kt_error *err);
/** hook_keep() - make one that waits; in place of one of its name */
KT_CHECK int hook_keep(const struct member_place *at, const json_t *job,
		       struct kt_error *err);

/** hook_waiting() - the Jobs for the end of the member, or, with at->service
 *  NULL, of all of the environment (array: returned, caller decrefs) */
KT_CHECK int hook_waiting(const struct member_place *at, json_t **out,
			  struct kt_error *err);
/** enum hook_end - what becomes of Jobs that wait */
enum hook_end {
	HOOK_RUN,    /* run; that of another target than @but */
	HOOK_FORGET, /* another has taken over */
};
/**
 * hook_end() - of @waiting those of another kt-target than @but (NULL: all):
 * run each, when the member's Pods have gone, and remove it; one that fails
 * stays, so that it can be tried again
 */
KT_CHECK int hook_end(const struct member_place *at, const json_t *waiting,
		      const char *but, enum hook_end how,
		      const struct hook_say *say, struct kt_error *err);

/** enum hook_left - how it is with a Job for the end of a member whose
 *  environment is over */
enum hook_left {
	HOOK_LEFT_NOT, /* it is none, or that lives */
	HOOK_LEFT_WAITS,
	HOOK_LEFT_RUNS,
	HOOK_LEFT_DONE,
	HOOK_LEFT_FAILED,
};
/** hook_left() - of @job; @envs: those of the namespace that are there, listed
 *  with it or later. Pure, as the next. */
enum hook_left hook_left(const json_t *job, const json_t *envs, int64_t now);
/** hook_left_text() - "onDelete /drop of the member web of environment red,
 *  which is over" (returned, caller frees) */
char *hook_left_text(const json_t *job);

/** struct hook_sweep - all borrowed */
struct hook_sweep {
	struct kube *kube;
	const char *ns;
	const json_t *jobs; /* env_jobs_all() */
	int64_t now;
	/* say() - what is run; or NULL */
	void (*say)(void *user, const char *text);
	void *user;
};
/**
 * hook_sweep() - those of environments that are over: they are run, without
 * waiting for them, and removed when they are done. One that fails stays, with
 * a warning. Return: how many run now, or -errno with @err
 */
KT_CHECK int hook_sweep(const struct hook_sweep *s, struct kt_error *err);

#endif
