/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_PROGRESS_H
#define KT_CLI_PROGRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

/**
 * DOC: Progress
 *
 * Numbered steps with their times, on stderr. On a terminal the running step
 * is a line with a spinner that is redrawn by a loop timer and becomes a
 * finished line; elsewhere (a pipe, TERM=dumb) each step is one plain line
 * when it is done, so that a log file reads well:
 *
 *	✔ [2/7] Shadow Pod kt-connect-shadow-abcde runs (1.2 s)
 *
 * Log lines and notes clear the spinner first. NO_COLOR is honoured; where the
 * locale is not UTF-8, "ok" and "failed" stand for the marks.
 */

struct loop;
struct progress;

/** progress_new() - @out is borrowed; the log's hook is set until _free() */
struct progress *progress_new(struct loop *l, FILE *out);
void progress_free(struct progress *p);

/** progress_plain() - it is no terminal (any more) */
void progress_plain(struct progress *p);
/** progress_brief() - what is done leaves no line, only what failed: on a
 *  terminal the running step is seen meanwhile, elsewhere nothing */
void progress_brief(struct progress *p);
/** progress_begin() - @total steps will follow; numbering starts at 1 */
void progress_begin(struct progress *p, int total);
/** progress_step() - the next step runs; ends a running one as done, with the
 *  text it had */
void progress_step(struct progress *p, const char *fmt, ...) KT_PRINTF(2, 3);
/** progress_detail() - what the running step waits for ("image is pulled");
 *  shown behind its text, on a terminal only */
void progress_detail(struct progress *p, const char *fmt, ...) KT_PRINTF(2, 3);
/** progress_done() - the running step is done; @fmt NULL keeps its text */
void progress_done(struct progress *p, const char *fmt, ...) KT_PRINTF(2, 3);
/** progress_fail() - the running step, if any, failed; the error line that
 *  follows says why */
void progress_fail(struct progress *p);
/** progress_note() - a line of its own, the spinner stays below it */
void progress_note(struct progress *p, const char *fmt, ...) KT_PRINTF(2, 3);

#endif
