/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_EVENTJSON_H
#define KT_CONTROL_EVENTJSON_H

#include "control/expect.h"
#include "wire/event.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Events as JSON
 *
 * A line of "ktctl events" (docs/schema/event.json): a request or a connection,
 * or how many events were dropped before the next one.
 */

#define EVENTJSON_VERSION 1

/** struct event_place - where an event was; borrowed */
struct event_place {
	const char *session;	  /* "mesh-123" */
	const char *ns, *service; /* NULL: not known */
	uint16_t port;		  /* of the Service */
};

/** eventjson_fields - what can be expected of a request or a connection */
extern const struct expect_field eventjson_fields[];

/** eventjson_make() - (returned) */
json_t *eventjson_make(const struct event *ev, const struct event_place *at);
/** eventjson_dropped() - @n of a session were dropped before an event of the
 *  time @when (returned) */
json_t *eventjson_dropped(const char *session, int64_t when, uint64_t n);
/** eventjson_member() - the member of the environment @env at @at (session: its
 *  Deployment) is in another state, now (returned) */
json_t *eventjson_member(const struct event_place *at, const char *env,
			 const char *state);
/** eventjson_id() - which router has told of @obj, and its number there; false:
 *  it was seen at this end. Not of untrusted text but by eventjson_is(). */
bool eventjson_id(const json_t *obj, char router[EVENT_SHADOW_MAX],
		  uint64_t *seq);
/** eventjson_is() - has it all the members, of the right types? */
bool eventjson_is(const json_t *obj);
/** eventjson_when() - microseconds since 1970 of an event's time; 0: none */
int64_t eventjson_when(const json_t *obj);
/** eventjson_now() - this moment, in the same way */
int64_t eventjson_now(void);

#endif
