/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_HANDOVER_H
#define KT_INBOUND_HANDOVER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

/**
 * DOC: Another shadow takes over
 *
 * A shadow that is told to end (its Pod is deleted, evicted, its node drained)
 * says so and serves on for a while. Meanwhile
 *
 *     another Pod is made -> it runs -> tunnel up, rules in force there
 *         -> it is Ready: new callers come to it -> both tunnels serve
 *         -> the old one is left when nothing is open in it, or when its time
 *            is over
 *
 * so that no caller finds nobody. If that fails it is tried again while the old
 * one lives; after that its loss is healed as any other (uplink_heal()).
 *
 * The same for one that does not answer though its Pod runs (uplink_is_ill()).
 * Is it there again before the other one has taken its place, that is given up:
 * it may have been this machine's network, and the rules of other users are in
 * force there.
 */

/** handover_make() - when uplink_needs_another(); waits in the loop. 0 also
 * when it did not work now; -EINTR, or what ends the command, with @err */
KT_CHECK int handover_make(struct job *job, struct kt_error *err);
/** handover_sweep() - remove what has ended; waits in the loop */
void handover_sweep(struct job *job);
/** handover_callers() - connections that are open in former shadows */
size_t handover_callers(const struct job *job);
/** handover_end_quiet() - see inbound_end_quiet() */
void handover_end_quiet(const struct job *job, int64_t quiet_ns);
/** handover_watch() - inbound_watch() of those whose places were taken */
void handover_watch(const struct job *job, bool on);
/** handover_disconnect() - end their tunnels */
void handover_disconnect(struct job *job);
/** handover_leave() - remove their objects, and the one that was being made;
 *  @last: nobody else uses that one (see shadow_leave()) */
void handover_leave(struct job *job, bool last);
/** handover_free() - forget them */
void handover_free(struct job *job);

#endif
