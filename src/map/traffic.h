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
 * not count. What has not been called for a minute is forgotten. Pure.
 */

#define TRAFFIC_WINDOW 10  /* seconds that are summed up */
#define TRAFFIC_KEEP 60	   /* an edge is shown so long after its last call */
#define TRAFFIC_EDGES 1000 /* of more the others are not told apart */

struct traffic_log;

/** traffic_new() - @now: seconds of any clock, as in all that follow */
struct traffic_log *traffic_new(int64_t now);
void traffic_free(struct traffic_log *t); /* NULL is allowed */
/** traffic_add() - a line of "ktctl events" */
void traffic_add(struct traffic_log *t, const json_t *event, int64_t now);
/** traffic_json() - as docs/schema/map.json says (returned, caller decrefs)
 *  @names: address to name of a caller, or NULL */
json_t *traffic_json(struct traffic_log *t, const json_t *names, int64_t now);

#endif
