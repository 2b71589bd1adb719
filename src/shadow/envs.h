/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_ENVS_H
#define KT_SHADOW_ENVS_H

#include "base/slice.h"
#include "router/backend.h"

struct envs;
struct origin;
struct shadow;
struct sources;

/**
 * DOC: Environments, as a router sees them
 *
 * The table that it reads (envfile.h), and what it remembers of the members
 * that answer in the cluster: connections to each of its ports by an origin
 * (origin.h), which is there while it is used; and that a member has refused
 * just now, so that for a moment nobody waits for it.
 */

/* a member that does not take a connection in that time is down */
#define ENVS_CONNECT_NS (3 * NS_SEC)
/* a router that is new: laptops that the table knows may come for so long, and
 * callers wait for them */
#define ENVS_GATHER_NS (5 * NS_SEC)
/* one that is down is not asked again for so long, and then by one request */
#define ENVS_DOWN_NS (1 * NS_SEC)

/**
 * struct envs_config - @service: whose router it is, "SERVICE.NAMESPACE";
 * sweep() - some member is no more: connections to it are of no use
 */
struct envs_config {
	const char *file, *service;
	void (*sweep)(void *user);
	void *user;
};

/** envs_service_good() - it is "SERVICE.NAMESPACE" */
bool envs_service_good(const char *text);
/** envs_new() - NULL: memory */
struct envs *envs_new(struct shadow *sh, const struct envs_config *cfg);
void envs_free(struct envs *e); /* NULL is allowed, with all of them */

/**
 * envs_choose() - whose @req is, by the rules and the table; BACKEND_ORIGIN:
 * nobody's. @was: who was not reached, or NULL; @said: set
 */
struct backend_ref envs_choose(const struct envs *e, uint16_t port,
			       const struct rule_request *req,
			       const struct backend_ref *was,
			       struct router_said *said);
/** envs_source() - the environment whose Pods are behind Service @label; NULL:
 *  none. envs_has_sources(): there are some */
const char *envs_source(const struct envs *e, struct slice label);
bool envs_has_sources(const struct envs *e);
/** envs_header() - the field that names environments, too; NULL: none */
const char *envs_header(const struct envs *e);
/** envs_sources() - whose Pods callers are (source.h) */
struct sources *envs_sources(const struct envs *e);
/** envs_each() - tell @fn of each environment that has a member here */
void envs_each(const struct envs *e, void (*fn)(void *user, const char *env),
	       void *user);
/** envs_serves() - member @id is one still */
bool envs_serves(const struct envs *e, uint64_t id);
/** envs_gathers() - the router is new, and not all laptops that the table knows
 *  are here yet with their rules */
bool envs_gathers(const struct envs *e);
/** envs_env() - whose member @id is; NULL: nobody's any more */
const char *envs_env(const struct envs *e, uint64_t id);
/** envs_origin() - the way to its port @port, for one try; NULL: it is no
 * member any more, or there is no memory */
struct origin *envs_origin(struct envs *e, uint64_t id, uint16_t port);
/** envs_failed() - it did not take a connection; envs_worked(): it did */
void envs_failed(struct envs *e, uint64_t id);
void envs_worked(struct envs *e, uint64_t id);

#endif
