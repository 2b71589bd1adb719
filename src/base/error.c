/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int kt_fail(struct kt_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	/* whatever the caller thinks that this failure means, it is not that */
	if (code == EMFILE || code == ENFILE)
		kt_hint_errno(err);
	return -code;
}

void kt_hint_errno(struct kt_error *err)
{
	if (!err)
		return;
	switch (err->code) {
	case EMFILE:
		kt_hint(err, "this process may not open more files: raise the "
			     "limit (ulimit -n, LimitNOFILE=)");
		break;
	case ENFILE:
		kt_hint(err, "this machine has no more open files: raise "
			     "/proc/sys/fs/file-max");
		break;
	case ENOSPC:
	case EDQUOT:
		kt_hint(err, "the disk, or your quota of it, is full");
		break;
	case EROFS:
		kt_hint(err, "the file system is mounted read-only");
		break;
	default:
		break;
	}
}

int kt_wrap(struct kt_error *err, int rc, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	int n;

	if (!err)
		return rc;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s",
			 old);
	return rc;
}

void kt_hint(struct kt_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}
