/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_CHECK_ROUTERS_H
#define KT_ENV_CHECK_ROUTERS_H

#include "env/command.h"

#include <jansson.h>

/**
 * DOC: Routers for the time of a check
 *
 * Services without a router get one, each as one that has a member has it, but
 * without a member. An environment of their own, "check-abcde", owns what makes
 * them stay. It lives for CHECK_ROUTERS_TTL, and longer only while the command
 * says so: when that is killed it ends by itself, and who comes by next (clean,
 * any env command) gives the Services back.
 */

#define CHECK_ROUTERS_TTL 180 /* seconds */

struct check_routers {
	struct env_command *c;
	struct env_info info; /* of theirs; no uid: there is none */
};

/** check_routers_put() - before those of @services (array of names, of
 *  Services: array of objects) where a mark can be seen. What fails is told and
 *  left out. -EINTR, or -errno with @err: there can be none at all.
 *  check_routers_remove() in any case */
KT_CHECK int check_routers_put(struct check_routers *r, const json_t *names,
			       const json_t *services, struct kt_error *err);
/** check_routers_hold() - they are needed still */
void check_routers_hold(struct check_routers *r);
/** check_routers_remove() - and the Services are as before, also after an
 *  interrupt */
void check_routers_remove(struct check_routers *r);

#endif
