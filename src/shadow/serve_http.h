/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SERVE_HTTP_H
#define KT_SHADOW_SERVE_HTTP_H

#include "router/backend.h"

struct origin;
struct shadow;

/** struct serve_env - what the router sees of the shadow: the rule table,
 *  streams to laptops, connections to origins */
struct serve_env {
	struct router_env env;
	struct shadow *sh;
	struct origin *(*origin)(void *user, uint16_t port);
	void *user;
};

/** serve_env_init() - @origin: who is behind a port; NULL: nobody.
 *  serve_env_fini(), when no caller is there any more */
void serve_env_init(struct serve_env *e, struct shadow *sh,
		    struct origin *(*origin)(void *user, uint16_t port),
		    void *user);
void serve_env_fini(struct serve_env *e);

#endif
