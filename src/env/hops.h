/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_HOPS_H
#define KT_ENV_HOPS_H

#include "wire/event.h"

#include <jansson.h>

/**
 * DOC: The way of a probe
 *
 * What the routers have seen while a probe was under way (ktctl env check),
 * as hops: whose call came where, and what had become of the mark.
 *
 *     arrived     the caller passed it on
 *     added       the caller did not, but is a Pod of the environment: the
 *                 router has added it
 *     lost        there was none
 *     rewritten   another environment's
 *     not http, tls   a connection that nobody can look into
 *
 * Sure is what has the probe's trace. A caller that passes on no trace either
 * makes a request like any other; so those that came at that time, with the
 * mark of the environment, or from a Pod that the probe has met, are hops as
 * well, and not sure, unless the same caller's call of the same Service is
 * there with its trace. Pure.
 */

/** struct hops_seen - an event of a router */
struct hops_seen {
	char *service; /* whose router it was */
	uint16_t port; /* of the Service */
	struct event event;
};

/** struct hops_of - what was looked at; borrowed */
struct hops_of {
	const char *env;
	const char *trace; /* of the probe */
	const char *entry; /* the Service that it was sent to */
	uint16_t port;	   /* of that; 0: none */
	bool tls;	   /* it speaks TLS, and so did the probe */
	int64_t begin;	   /* microseconds since 1970: of the probe */
	const struct hops_seen *seen;
	size_t nseen;
	const json_t *pods, *services; /* of the namespace */
};

/** hops_make() - in their order: [{"from": s, "caller": s, "service": s,
 *  "port": n, "mark": s, "environment": s, "sure": b, "answered": s, "user": s,
 *  "status": n, "method": s, "path": s}] (returned, caller decrefs) */
json_t *hops_make(const struct hops_of *of);
/** hops_broken() - the first of them where the mark is missing or wrong; NULL:
 *  none; borrowed */
const json_t *hops_broken(const json_t *hops);
/** hops_why() - a sentence about that (returned, caller frees) */
char *hops_why(const json_t *hop);
/** hops_without_router() - names of the Services (array of text: returned,
 *  caller decrefs) that have Pods and no router; @has: it has one */
json_t *hops_without_router(const json_t *services,
			    bool (*has)(const void *user, const char *service),
			    const void *user);

#endif
