/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_TRAFFIC_H
#define KT_MAP_TRAFFIC_H

#include <jansson.h>
#include <stdint.h>

/**
 * DOC: Who calls whom, and how often
 *
 * Events of this machine's sessions (docs/schema/event.json), counted for each
 * Service and caller, by the second in which they came: the clocks of others do
 * not count. What has not been called for a minute is forgotten. Numbers are of
 * whole seconds, so that they can be divided by them.
 *
 * A router tells each of its sessions all that it sees. Of several sessions
 * here for one Service the first that tells counts, until it ends; only what is
 * "local" is so to the session whose program it was, and is taken from all.
 * Pure.
 */

#define TRAFFIC_WINDOW 10  /* seconds that are summed up */
#define TRAFFIC_KEEP 60	   /* an edge is shown so long after its last call */
#define TRAFFIC_EDGES 1000 /* of more the others are not told apart, */
#define TRAFFIC_REST 100   /* for so many Services */

struct traffic_log;

/** traffic_new() - @now: seconds of any clock, as in all that follow */
struct traffic_log *traffic_new(int64_t now);
void traffic_free(struct traffic_log *t); /* NULL is allowed */
/** traffic_add() - a line of "ktctl events" */
void traffic_add(struct traffic_log *t, const json_t *event, int64_t now);
/** traffic_ended() - @session tells no more: another one counts */
void traffic_ended(struct traffic_log *t, const char *session);
/** traffic_json() - as docs/schema/map.json says (returned, caller decrefs)
 *  @names: address to name of a caller, or NULL */
json_t *traffic_json(struct traffic_log *t, const json_t *names, int64_t now);

#endif
