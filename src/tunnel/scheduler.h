/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_SCHEDULER_H
#define KT_TUNNEL_SCHEDULER_H

#include "base/carrier.h"
#include "tunnel/link.h"

/**
 * DOC: Scheduling streams over several sessions
 *
 * The laptop's end of a tunnel has a link for everything (the quick one) and,
 * while there is bulk, others for that (tunnel/bulk.h), each with a session and
 * a carrier of its own: a port-forward is a chain of buffers without flow
 * control, and who fills it makes everybody in it wait. Streams begin in the
 * quick link; one that carries much without a pause is moved
 * (tunnel/tunnel_stream.h). Nothing depends on it: when no other can be had,
 * all stays where it is.
 *
 * How many: one, where the other end is near, because what bounds bulk there
 * are the processors. Far away it is TCP, by its windows, and by how it takes
 * a loss; so there are up to SESSION_LANES carriers. The first three streams of
 * bulk share one session, which has as many carriers as the path rewards
 * (tunnel/bulk.h) and nobody else needs; each stream beyond that gets a session
 * with a carrier of its own, in which it waits for no loss but its own, as long
 * as there are fewer than SESSION_PARTS, later ones the one that has the
 * fewest. One that has nothing left to do and carried the other direction
 * before is opened afresh: its TCP connection would begin slowly. While the
 * last bytes of that are on the way it is left to them, and one more is opened.
 */

struct scheduler;

/** scheduler_open_fn - another carrier to the other end of the quick link
 *  (returned, may be opening), or NULL: not now */
typedef struct carrier *(*scheduler_open_fn)(void *user);

/**
 * scheduler_new() - for the streams of @quick
 * @cfg: of the quick session, copied
 * @quick: borrowed; must die (link_free(), or of itself) before
 * scheduler_free() Return: NULL when memory is out.
 */
struct scheduler *scheduler_new(struct loop *loop,
				const struct session_config *cfg,
				struct link *quick, scheduler_open_fn open,
				void *user);
/** scheduler_free() - end the bulk sessions; what is on them is reset */
void scheduler_free(struct scheduler *ls);

/** scheduler_retry() - the quick link has resumed: the others follow at once;
 *  NULL is allowed */
void scheduler_retry(struct scheduler *ls);
/** scheduler_suspect() - see session_suspect(); NULL is allowed */
void scheduler_suspect(struct scheduler *ls);
/** scheduler_bulk() - the bulk sessions' figures together; zeroes when there
 *  is none */
void scheduler_bulk(const struct scheduler *ls, struct session_stats *st);

#endif
