/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_SESSION_H
#define KT_KTCTL_SESSION_H

#include <stdbool.h>

/**
 * DOC: A session: a command that runs until it is ended
 *
 * What connect, exchange, mesh, preview and forward have in common:
 * --background, the control socket, --with. A command takes part by `.session =
 * true` and SESSION_ROWS in its rows, control_open() and control_serve() when
 * it knows what to say, and app_ready() when all looks good.
 */

struct app;
struct command;

/** session_start() - with --background, go there; before anything else is
 *  made. True: this process is done, with *@status. */
bool session_start(struct app *app, int *status);
/** session_run() - the command, which can be asked meanwhile; its exit status
 */
int session_run(struct app *app, const struct command *c);

#endif
