/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The logger is the one piece of global mutable state (docs/design.md). */
static struct {
	enum log_level level;
	void (*hook)(void *user);
	void *user;
	bool line_open, held;
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

static void log_run_hook(void)
{
	if (logger.hook)
		logger.hook(logger.user);
}

void log_fresh_line(void)
{
	if (logger.line_open)
		putc('\n', stderr);
	logger.line_open = false;
}

void log_pass(const char *data, size_t len)
{
	if (!len)
		return;
	log_run_hook();
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];
		bool bad = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;

		if (c != '\r') /* of a line's end; no line is written anew */
			putc(bad ? '?' : c, stderr);
	}
	fflush(stderr);
	logger.line_open = data[len - 1] != '\n';
}

void log_hold(void)
{
	log_run_hook();
	logger.held = true;
}

void log_pass_end(void)
{
	log_fresh_line();
	logger.held = false;
}

bool log_line_open(void)
{
	return logger.line_open || logger.held;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const name[] = { "error", "warning", "info", "debug",
					    "trace" };
	int saved = errno;
	struct timespec ts;
	struct tm tm;
	char line[2048], clean[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);

	print_clean(clean, sizeof(clean), line, strlen(line));
	log_run_hook();
	log_fresh_line();
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	fprintf(stderr, "%02d:%02d:%02d.%03ld %s: %s\n", tm.tm_hour, tm.tm_min,
		tm.tm_sec, ts.tv_nsec / 1000000, name[level], clean);
	errno = saved;
}
