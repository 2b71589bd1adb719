/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_PROCESS_H
#define KT_BASE_PROCESS_H

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>

struct caller;

/** struct process_result - what a finished child left behind */
struct process_result {
	int status; /* exit status, or 128 + signal */
	char *out;  /* stdout, NUL-terminated; caller frees */
	size_t out_len;
	char *errout; /* the last 4 KiB of stderr, NUL-terminated; caller frees
		       */
};

/** struct process_spec - what to run; all borrowed during the call */
struct process_spec {
	char *const *argv;  /* found by PATH, no shell; NULL-terminated */
	char *const *env;   /* extra "NAME=value" entries, or NULL; "NAME" alone
			       takes that variable away */
	const char *input;  /* bytes for its stdin, or NULL for /dev/null */
	size_t max_out;	    /* the most stdout that is accepted, bytes */
	int64_t timeout_ns; /* < 0: none */
	bool terminal;	    /* it gets our stdin and our stderr */
	const struct caller *as; /* it runs as this user, or NULL: as we do */
	/** errout() - what it says on stderr, as it comes; or NULL */
	void (*errout)(void *user, const char *data, size_t len);
};

struct process;

/**
 * process_fn - the child is gone
 * @rc: 0, -ETIMEDOUT or -EFBIG (the child was killed)
 * @res: borrowed during the call
 */
typedef void (*process_fn)(void *user, int rc,
			   const struct process_result *res);

/** process_start() - run a child in the background; @fn is called once, from
 *  the loop, unless process_cancel() comes first; 0 or -errno */
KT_CHECK int process_start(struct process **out, struct loop *l,
			   const struct process_spec *spec, process_fn fn,
			   void *user);
/** process_cancel() - SIGKILL it and forget it; not after @fn was called */
void process_cancel(struct process *p);

/**
 * process_run() - run @argv (found by PATH, no shell) and wait in the loop
 * @env: extra "NAME=value" entries, NULL-terminated, or NULL
 * @input: bytes for its stdin, or NULL for /dev/null
 * @max_out: the most stdout that is accepted, bytes
 * Return: 0 with @res filled (free with process_result_fini()), or -errno with
 * @err. -ETIMEDOUT and -EINTR end the child with SIGKILL.
 */
KT_CHECK int process_run(struct loop *l, char *const argv[], char *const env[],
			 const char *input, size_t max_out, int64_t timeout_ns,
			 struct process_result *res, struct kt_error *err);
void process_result_fini(struct process_result *res);

#endif
