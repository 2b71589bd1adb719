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
/** share_ingresses() - likewise the Ingresses, of networking.k8s.io/v1 */
KT_CHECK int share_ingresses(struct kube *k, const char *ns, json_t **out,
			     struct kt_error *err);
/** share_host_taken() - one of @ingresses that is not called @own and has the
 *  host name; NULL: none; borrowed. Pure. */
const char *share_host_taken(const json_t *ingresses, const char *host,
			     const char *own);
/** share_find() - the host names of environments of @ns: [{"environment": s,
 *  "host": s, "service": s, "user": s}] (returned, caller decrefs). A cluster
 *  that knows no kind of them has none. -errno with @err: they may not be
 *  listed */
KT_CHECK int share_find(struct kube *k, const char *ns, json_t **out,
			struct kt_error *err);
/** share_hosts() - likewise, of @routes and @ingresses (NULL: none). Pure. */
json_t *share_hosts(const json_t *routes, const json_t *ingresses);

#endif
