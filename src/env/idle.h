/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_IDLE_H
#define KT_ENV_IDLE_H

#include "env/copy.h"

#include <jansson.h>
#include <stdint.h>

struct env_join;

/**
 * DOC: A member that sleeps (join --idle)
 *
 * The member's record does not lead to the copy's Pods, but to a sleeper, a
 * Pod of the program gate (gate/sleep.h), and that to the copy's Pods:
 *
 *     router -> record -> sleeper -> Pods of the copy
 *                            |            ^
 *                            +- scale ----+ Deployment
 *
 *   Deployment      the sleeper
 *   Service         of the copy's Pods: its Endpoints tell who is ready
 *   ServiceAccount, Role, RoleBinding
 *                   get, patch of the scale of that one Deployment; get of
 *                   those Endpoints
 *
 * All five have one name, another one for each join, and are owned by the
 * copy's Deployment: whoever removes that, by whatever way, removes them. They
 * are made behind it, so there is no moment in which they are nobody's.
 */

#define KT_ROLE_ENV_SLEEP "env-sleep"

/** struct idle - of a copy; fini in any case */
struct idle {
	char *name;
	json_t *selector, *ports; /* of the member's record */
	json_t *behind;		  /* ports of the Service behind the sleeper */
	char *serve;		  /* "8080=http,20001": the sleeper's */
	uint16_t health;
};

/** idle_plan() - what @copy becomes with a sleeper before it; -E2BIG with @err:
 *  the Service has too many ports. Pure. */
KT_CHECK int idle_plan(struct idle *i, const struct env_copy *copy,
		       struct kt_error *err);
void idle_fini(struct idle *i);

/** struct idle_object - what all of its objects have; borrowed */
struct idle_object {
	const struct idle *idle;
	const char *env, *user;
	const json_t *copy;  /* the Deployment */
	const json_t *owner; /* one of ownerReferences; NULL: none yet */
};

/** idle_role() - and the others (returned, caller decrefs). Pure. */
json_t *idle_account(const struct idle_object *o);
json_t *idle_role(const struct idle_object *o);
json_t *idle_binding(const struct idle_object *o, const char *ns);
json_t *idle_service(const struct idle_object *o, const json_t *selector);
/** idle_owner() - the reference to a Deployment as the server has it (returned,
 *  caller decrefs) */
json_t *idle_owner(const json_t *deployment);

/* --- idle_make.c ---------------------------------------------------------- */

/** idle_try() - may all that be made? Nothing is. -EPERM with @err, which names
 *  what is missing */
KT_CHECK int idle_try(struct env_join *j, struct kt_error *err);
/** idle_make() - before @deployment, the copy as the server has it. What was
 *  made goes with that. */
KT_CHECK int idle_make(struct env_join *j, const json_t *deployment,
		       struct kt_error *err);
/** idle_await() - until the sleeper is ready: it may do what it is there for */
KT_CHECK int idle_await(struct env_join *j, struct kt_error *err);

#endif
