/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_NOTE_H
#define KT_ROUTER_NOTE_H

#include "router/conn.h"
#include "wire/event.h"

/**
 * DOC: Notes
 *
 * What is known of a request while it is under way, for env->report(): it is
 * told once, when the head of the answer is there, or when there will be none.
 * Nothing depends on it: without memory, or without a report(), there is no
 * note (NULL), which all of these take.
 */

struct note;

/** note_request() - a request goes to @ref (NONE: to nobody, it is refused);
 * the same one may go elsewhere afterwards. @n: NULL at first; @req: NULL when
 *  its head could not be read */
void note_request(struct note **n, struct router_conn *rc,
		  enum event_proto proto, const struct rule_request *req,
		  struct backend_ref ref);
/** note_answered() - its backend's answer begins */
void note_answered(struct note **n, unsigned int status);
/** note_refused() - the router answers itself */
void note_refused(struct note **n, unsigned int status);
/** note_dropped() - there was no answer */
void note_dropped(struct note **n);
/** note_connection() - one that nobody looks into is with @ref */
void note_connection(struct router_conn *rc, struct backend_ref ref);

#endif
