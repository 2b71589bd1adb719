/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_VSCODE_H
#define KT_RUN_VSCODE_H

#include "base/error.h"

#include <jansson.h>

/**
 * DOC: A launch.json
 *
 * What Visual Studio Code reads in .vscode/launch.json, so that a program is
 * started, or attached to, under "ktctl run" with the flags of this call. Three
 * debuggers start their program by a command line that may be ours (node,
 * Python, gdb), so F5 is enough. Two cannot (Go, Java), and Python need not:
 * for these something is started first, in a terminal, which vscode_first()
 * names; the debugger reaches its port, as every one of the program, on
 * 127.0.0.1.
 *
 * The words are those of the call: "run", the workload, each flag that was
 * given but what is only for this call. Pure.
 */

struct options;
struct strv;

/** vscode_launch() - the file (returned, caller frees) */
json_t *vscode_launch(const struct options *o);
/** vscode_first() - lines "what: command", for those that need it, into @out,
 *  which is empty */
void vscode_first(const struct options *o, struct strv *out);
/** vscode_check() - nothing is run: no program may be there, and what is given
 *  can be in the file; 0, or -EINVAL */
KT_CHECK int vscode_check(const struct options *o, struct kt_error *err);
/** vscode_print() - after vscode_check(): the file on stdout, what is started
 * first on stderr; returns the exit status */
int vscode_print(const struct options *o);

#endif
