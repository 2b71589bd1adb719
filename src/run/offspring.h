/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_OFFSPRING_H
#define KT_RUN_OFFSPRING_H

#include <sys/types.h>

/** offspring_signal() - @signo to every process that descends from @root, not
 * to itself, parents before their children: a shell that dies of it does not
 *  begin what stands behind the command that it waits for */
void offspring_signal(pid_t root, int signo);

#endif
