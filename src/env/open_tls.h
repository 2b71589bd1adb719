/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_OPEN_TLS_H
#define KT_ENV_OPEN_TLS_H

#include "cluster/svcports.h"
#include "kube/client.h"
#include "tunnel/client.h"
#include "wire/envmark.h"

/**
 * DOC: A port of this machine that leads to TLS
 *
 * Nobody on the way to the Service's router sees a request in it, so nobody can
 * add the mark: the router does, which ends TLS, since it knows the callers of
 * an environment by their Pod (docs/design.md, 2.17). Our shadow is one: it has
 * the label kt-env, so it is behind the Service kt-env-NAME, and the cluster's
 * DNS names that for its address. Programs of this machine shake hands with the
 * router's gate, by its certificate.
 */

/** env_open_look() - as struct forward_env's look() */
KT_CHECK int env_open_look(struct kube *k, const char *ns,
			   const json_t *service, const struct service_port *p,
			   const struct envmark *mark, bool *tls,
			   struct kt_error *err);
/** env_open_known() - likewise known() */
KT_CHECK int env_open_known(struct loop *loop, struct tunnel *t, const char *ip,
			    const struct envmark *mark);

/** env_open_has_router() - @service leads to a router just now: one that is
 * there and has no callers yet, or none any more, ends nothing. Pure. */
bool env_open_has_router(const json_t *service);
/** env_open_is_behind() - @reply (a DNS message) names Service @service as one
 *  that the address is behind. Pure. */
bool env_open_is_behind(const uint8_t *reply, size_t len, const char *service);

#endif
