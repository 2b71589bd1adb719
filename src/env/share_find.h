/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SHARE_FIND_H
#define KT_ENV_SHARE_FIND_H

#include "kube/client.h"

#include <jansson.h>

/** share_routes() - the HTTPRoutes of @ns, in the newest version that the
 *  cluster has: *@api, "GROUP/VERSION" (static). *@out: array (returned, caller
 *  decrefs). -ENOENT with @err: it has none. Waits in the loop, as all here. */
KT_CHECK int share_routes(struct kube *k, const char *ns, const char **api,
			  json_t **out, struct kt_error *err);
/** share_find() - the host names of environments of @ns: [{"environment": s,
 *  "host": s, "service": s, "user": s}] (returned, caller decrefs). A cluster
 *  that knows no kind of them has none. -errno with @err: they may not be
 *  listed */
KT_CHECK int share_find(struct kube *k, const char *ns, json_t **out,
			struct kt_error *err);
/** share_hosts() - likewise, of @routes. Pure. */
json_t *share_hosts(const json_t *routes);

#endif
