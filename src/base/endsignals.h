/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_ENDSIGNALS_H
#define KT_BASE_ENDSIGNALS_H

#include "base/loop.h"

#include <stdbool.h>

/** struct end_signals - the signals by which a node tells a container's process
 *  1 to end. Without a handler they would be ignored there (pid_namespaces(7)),
 *  so they are read from a signalfd. */
struct end_signals {
	struct watch watch;
	bool stop; /* one has come; who reads it may set it back */
};

/** end_signals_start() - from now on; HUP and PIPE are ignored. 0 or -errno.
 *  @s is the caller's and stays where it is until loop_watch_stop(&s->watch).
 */
int end_signals_start(struct end_signals *s, struct loop *loop);

#endif
