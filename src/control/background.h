/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_BACKGROUND_H
#define KT_CONTROL_BACKGROUND_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: A command that goes on in the background
 *
 * It is forked off before anything else is there: loop, threads, descriptors.
 * Until all is up the child has the terminal, Ctrl-C and the parent's standard
 * streams, so that what it says is seen as ever; the parent only waits, and
 * passes TERM and HUP on. Then
 * the child takes a session of its own, and its messages go to a file; the
 * parent ends with 0. When the child ends before, its exit status is the
 * parent's.
 */

struct background;
struct home;

/**
 * background_start() - fork
 * @command: names the log file, ~/.kt/log/<command>-<pid>.log
 * Return: in the child 0 with *@b; in the parent, when the child is up or has
 * ended, 1 with *@status; in the one that could not go on, -errno with @err:
 * it is to end.
 */
KT_CHECK int background_start(struct background **b, const struct home *h,
			      const char *command, int *status,
			      struct kt_error *err);
/** background_log() - path of the file; borrowed. NULL: not in the background
 */
const char *background_log(const struct background *b);
/** background_detach() - all is up; NULL is allowed */
void background_detach(struct background *b);
/** background_last_error() - the last error in the log of session @id
 *  (returned, caller frees), or NULL; *@path: the log's (likewise). A log that
 *  is not the home's user's is not read. */
char *background_last_error(const struct home *h, const char *id, char **path);
/** background_free() - the file stays; NULL is allowed */
void background_free(struct background *b);

#endif
