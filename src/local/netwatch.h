/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_NETWATCH_H
#define KT_LOCAL_NETWATCH_H

#include "base/loop.h"

#include <stdbool.h>

/**
 * DOC: What happens to this machine's network
 *
 * A link comes up or goes down, an address or a route changes (rtnetlink's
 * groups), the machine was suspended (CLOCK_BOOTTIME went on, CLOCK_MONOTONIC
 * did not). What else is said of links does not count, nor do our own ones, nor
 * what the kernel makes for each link by itself. Only that something has
 * changed is told, not what: what works now is found out by trying. It is told
 * at once, and again NETWATCH_PAUSE later if more has come: an address is
 * usable a moment after its link is.
 */

#define NETWATCH_PAUSE (300 * NS_MS)

struct netwatch;

/** netwatch_new() - of the present network namespace; where the kernel does not
 *  tell of its links, only suspension is noticed */
struct netwatch *netwatch_new(struct loop *loop, void (*changed)(void *user),
			      void *user);
/** netwatch_free() - NULL is allowed */
void netwatch_free(struct netwatch *n);

/** netwatch_slept() - @boottime and @monotonic are the two clocks' present
 *  times, *@apart how far they were apart before: true when the machine was
 *  suspended meanwhile */
bool netwatch_slept(int64_t *apart, int64_t boottime, int64_t monotonic);

#endif
