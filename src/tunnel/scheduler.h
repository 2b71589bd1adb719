/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_SCHEDULER_H
#define KT_TUNNEL_SCHEDULER_H

#include "base/carrier.h"
#include "tunnel/link.h"

/**
 * DOC: Scheduling streams over two sessions
 *
 * The laptop's end of a tunnel has a link for everything (the quick one) and,
 * while there is bulk, a second one for that, with a session and a carrier of
 * its own: a port-forward is a chain of buffers without flow control, and who
 * fills it makes everybody in it wait. Streams begin in the quick link; one
 * that carries much without a pause is moved (tunnel/tunnel_stream.h). The bulk
 * link is opened at the first need and closed when nobody used it for a while.
 * Nothing depends on it: when it cannot be had, all stays where it is.
 *
 *   NONE -> OPENING -> UP <-> LOST      carriers are opened again
 *           OPENING -> NONE             not to be had: RETRY_NS later, perhaps
 *           UP, LOST -> NONE            dead, or idle
 */

struct scheduler;

/** scheduler_open_fn - another carrier to the other end of the quick link
 *  (returned, may be opening), or NULL: not now */
typedef struct carrier *(*scheduler_open_fn)(void *user);

/**
 * scheduler_new() - for the streams of @quick
 * @cfg: of the bulk session, copied
 * @quick: borrowed; must die (link_free(), or of itself) before
 * scheduler_free() Return: NULL when memory is out.
 */
struct scheduler *scheduler_new(struct loop *loop,
				const struct session_config *cfg,
				struct link *quick, scheduler_open_fn open,
				void *user);
/** scheduler_free() - end the bulk session; what is on it is reset */
void scheduler_free(struct scheduler *ls);

/** scheduler_suspect() - see session_suspect(); NULL is allowed */
void scheduler_suspect(struct scheduler *ls);
/** scheduler_bulk() - the bulk session's figures; zeroes when there is none */
void scheduler_bulk(const struct scheduler *ls, struct session_stats *st);

#endif
