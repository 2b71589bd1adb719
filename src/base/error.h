/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_ERROR_H
#define KT_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

/**
 * DOC: Errors
 *
 * Leaf and data-path functions return >= 0 or -errno and print nothing.
 * Control-path functions do the same and also fill a caller-owned
 * struct kt_error with one sentence that names the object, the failed act and
 * the reason ("create pod demo/x: forbidden: ..."), lower case, no newline.
 * Only the command files and main() print. Success leaves the error untouched.
 */

#define KT_CHECK __attribute__((warn_unused_result))
#define KT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** struct kt_error - one failure; lives on the caller's stack, starts { 0 } */
struct kt_error {
	int code;	 /* positive errno-like value */
	int http_status; /* of the API server's answer, 0 when there was none */
	char reason[48]; /* Kubernetes Status.reason, verbatim, or "" */
	char msg[1024];
	char hint[512]; /* what the user can do about it, or "" */
};

/** kt_fail() - set @err (may be NULL) to @code and a sentence; returns -@code
 */
int kt_fail(struct kt_error *err, int code, const char *fmt, ...)
	KT_PRINTF(3, 4);

/** kt_wrap() - put "context: " in front of the sentence; returns @rc */
int kt_wrap(struct kt_error *err, int rc, const char *fmt, ...) KT_PRINTF(3, 4);

/** kt_hint_errno() - say what to do about @err->code, where that is the same
 *  whatever failed: no descriptors left, a disk that is full or read-only. The
 *  first kind kt_fail() adds by itself. */
void kt_hint_errno(struct kt_error *err);

/** kt_hint() - say what to do about it; keeps the first hint given */
void kt_hint(struct kt_error *err, const char *fmt, ...) KT_PRINTF(2, 3);

#endif
