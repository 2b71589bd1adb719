/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_SOCKCOUNT_H
#define KT_RUN_SOCKCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: Has anything been opened or closed?
 *
 * The kernel tells nobody of a new listener. To list them (sock_diag) it walks
 * a table of all namespaces; how many TCP sockets there are it says in some
 * microseconds (/proc/PID/net/sockstat). So they are listed when that number is
 * another one, and now and then, for one that came just as another went.
 */

struct sockcount {
	int fd[2];	/* IPv4, IPv6; -1: not there */
	long before[2]; /* as it was */
	int64_t listed; /* when; CLOCK_MONOTONIC */
};

/** sockcount_init() - of the network that process @pid is in; 0: our own */
void sockcount_init(struct sockcount *c, pid_t pid);
/** sockcount_due() - list them: the number has changed, or the last time was
 *  @often ns ago at @now */
bool sockcount_due(struct sockcount *c, int64_t now, int64_t often);
void sockcount_fini(struct sockcount *c);

#endif
