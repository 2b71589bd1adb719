/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_ROUTER_SECRET_H
#define KT_ENV_ROUTER_SECRET_H

#include "base/error.h"

#include <stdbool.h>

struct kube;

/** env_router_secret() - does the router of @service end TLS? @declared: it was
 *  written down for it (cluster/declared.h). Waits in the loop.
 *  Return: 1: there is a router, *@secret: that its gate has (returned, caller
 *  frees), NULL: it has no gate; 0: there is none; -errno with @err */
KT_CHECK int env_router_secret(struct kube *k, const char *ns,
			       const char *service, bool declared,
			       char **secret, struct kt_error *err);

#endif
