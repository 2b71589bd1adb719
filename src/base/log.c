/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* The logger is the one piece of global mutable state (docs/design.md). */
static struct {
	enum log_level level;
	void (*hook)(void *user);
	void *user;
} logger = { .level = LOG_INFO };

void log_set_level(enum log_level level)
{
	logger.level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= logger.level;
}

void log_set_hook(void (*fn)(void *user), void *user)
{
	logger.hook = fn;
	logger.user = user;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const name[] = { "error", "warning", "info", "debug",
					    "trace" };
	int saved = errno;
	struct timespec ts;
	struct tm tm;
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);

	if (logger.hook)
		logger.hook(logger.user);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	fprintf(stderr, "%02d:%02d:%02d.%03ld %s: %s\n", tm.tm_hour, tm.tm_min,
		tm.tm_sec, ts.tv_nsec / 1000000, name[level], line);
	errno = saved;
}
