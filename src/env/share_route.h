/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SHARE_ROUTE_H
#define KT_ENV_SHARE_ROUTE_H

#include "base/error.h"
#include "env/job.h"

#include <jansson.h>

/**
 * DOC: A host name of an environment
 *
 * An HTTPRoute of Gateway API for this host name alone, which the
 * environment's Job owns. It sets the mark in place of whatever marks come from
 * outside, and "Cache-Control: no-store" in the answers: what is one
 * environment's today is another's tomorrow. Pure.
 */

#define SHARE_GROUP "gateway.networking.k8s.io"

/** struct share_spec - all borrowed */
struct share_spec {
	const struct env_info *info;
	const char *ns, *host, *service, *user;
	uint16_t port;
	const json_t *parents; /* parentRefs */
};

/** share_name() - of the route (returned, caller frees) */
char *share_name(const char *env, const char *host);
/** share_name_ended() - of the route behind it, which counts when it is gone:
 *  of two of one age the first by name does (returned, caller frees) */
char *share_name_ended(const char *env, const char *host);
/** share_route_ended() - that one, to @entry, a Service with port 80, owned by
 * @owner (returned, caller decrefs) */
json_t *share_route_ended(const struct share_spec *s, const char *api,
			  const char *entry, const json_t *owner);
/** share_filters() - what it does to each request and answer (returned, caller
 *  decrefs) */
json_t *share_filters(const struct env_info *info);
/** share_route() - @api: "GROUP/VERSION" (returned, caller decrefs) */
json_t *share_route(const struct share_spec *s, const char *api);
/** share_parents() - the Gateways by which @routes lead to @service already
 *  (array of parentRefs: returned, caller decrefs) */
json_t *share_parents(const json_t *routes, const char *service);
/** share_is_of() - a route that share_route() has made for environment @env.
 *  By its name alone it is not known: both parts have dots */
bool share_is_of(const json_t *route, const char *env);
/** share_taken() - a route that is neither called @own nor behind that, and has
 *  the host name; NULL: none; borrowed */
const char *share_taken(const json_t *routes, const char *host,
			const char *own);

#endif
