/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_ROUTERS_H
#define KT_ENV_ROUTERS_H

#include "env/command.h"
#include "wire/event.h"

/**
 * DOC: The events of a namespace's routers
 *
 * Each router of environments tells its events over a tunnel of ours, which has
 * no rules, so nobody's requests go another way. The routers are looked for
 * again by env_routers_look(): a join makes one, and one that is deleted has a
 * successor. All waits in the loop.
 */

#define ENV_ROUTERS_MAX 256

struct env_routers;
struct uplink;

/** struct env_router_event - borrowed */
struct env_router_event {
	const char *pod, *service; /* whose router it is */
	uint16_t port;		   /* of the Service; 0: not known */
	const struct event *event;
	uint64_t missed; /* before it */
};

typedef void env_router_fn(void *user, const struct env_router_event *e);

/** env_routers_new() - @c is borrowed; nobody is asked yet */
struct env_routers *env_routers_new(const struct env_command *c,
				    env_router_fn *fn, void *user);
/** env_routers_free() - says goodbye to all of them; NULL is allowed */
void env_routers_free(struct env_routers *r);
/** env_routers_look() - listen to those that are there, and no longer to those
 *  that are not. 0, or -errno with @err: they cannot be listed, or it was
 *  interrupted */
KT_CHECK int env_routers_look(struct env_routers *r, struct kt_error *err);
/** env_routers_unheard() - how many do not tell (yet) */
size_t env_routers_unheard(const struct env_routers *r);
/** env_routers_hear() - until all tell, or @ns are over: -ETIMEDOUT */
KT_CHECK int env_routers_hear(struct env_routers *r, int64_t ns);
size_t env_routers_count(const struct env_routers *r);
/** env_routers_has() - Service @service has one */
bool env_routers_has(const struct env_routers *r, const char *service);
/** env_routers_tunnel() - a tunnel that is up, out of the Pod of one of them
 *  (uplink_close(), before env_routers_free()); NULL with @err */
struct uplink *env_routers_tunnel(const struct env_routers *r,
				  struct kt_error *err);

/** env_router_service() - of the Pod of a router, by its argument
 *  --env-service (returned, caller frees); NULL: it does not say. Pure. */
char *env_router_service(const json_t *pod);
/** env_router_port() - of the Service, whose callers the router of the Pod
 *  takes at @port; 0: not known. Pure. */
uint16_t env_router_port(const json_t *pod, uint16_t port);

#endif
