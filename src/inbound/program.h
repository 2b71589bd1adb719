/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_PROGRAM_H
#define KT_INBOUND_PROGRAM_H

#include "base/error.h"

#include <stdbool.h>

struct inbound_spec;
struct job;
struct inbound_program;

/**
 * DOC: The local program is one that "ktctl run" has started
 *
 * It says on which ports the program listens, and makes the connections to it
 * (local/program_link.h). So the job begins when there is somebody who answers.
 * While the program does not listen (it was ended, or starts anew) the job's
 * rules are withdrawn, and callers come to whom they came before; those that
 * came in that moment are held until it is known which of both it is. When run
 * has closed the link the job leaves.
 */

/** program_await() - a step: until it listens on what is exposed; where nothing
 *  was named, on a port of the Service, which is exposed then. 0 also without
 *  a program */
KT_CHECK int program_await(struct job *job, struct kt_error *err);
/** program_serve() - @spec, of the job's tunnel, with the program's part */
void program_serve(struct job *job, struct inbound_spec *spec);
/** program_on_up() - the rules that the tunnel has are in force */
void program_on_up(struct job *job);
/** program_has_ended() - the job ends because of that */
bool program_has_ended(const struct job *job);
void program_free(struct job *job);

#endif
