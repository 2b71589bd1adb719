/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_LOG_H
#define KT_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: Logging
 *
 * Messages for people go to stderr; results go to stdout by printf() in the
 * commands. The level is tested before anything is formatted. errno survives a
 * log call. Never log tokens, keys, certificates or bodies. What others wrote
 * may be in a line: it is filtered (print.h).
 */

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/** log_set_level() - the most talkative level that is printed (LOG_INFO) */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/** log_set_hook() - @fn(user) runs before a line is printed (clears a
 * spinner)*/
void log_set_hook(void (*fn)(void *user), void *user);
/** log_pass() - what another program says, at once and as it comes; control
 *  characters that could drive the terminal are shown as '?' */
void log_pass(const char *data, size_t len);
/** log_hold() - another program has the terminal itself until log_pass_end() */
void log_hold(void);
/** log_pass_end() - it says no more: what follows begins a line */
void log_pass_end(void);
/** log_line_open() - the screen's last line is somebody's who is not done with
 *  it: nothing may be drawn over it */
bool log_line_open(void);
/** log_fresh_line() - end an unfinished line of somebody's, if there is one */
void log_fresh_line(void);
void log_write(enum log_level level, const char *fmt, ...) KT_PRINTF(2, 3);

#define log_at(level, ...)                                                     \
	do {                                                                   \
		if (log_enabled(level))                                        \
			log_write(level, __VA_ARGS__);                         \
	} while (0)
#define log_err(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

#endif
