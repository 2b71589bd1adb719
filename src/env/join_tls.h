/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_JOIN_TLS_H
#define KT_ENV_JOIN_TLS_H

#include "env/join.h"

/**
 * DOC: A router that ends TLS (--tlsSecret)
 *
 * The router is made with a gate (src/gate), or has one: then who joins has to
 * say nothing. Before the Service leads to it, and before a member is said to
 * answer, the gate is asked to shake hands with those behind it: what it does
 * not believe would be an error of each request.
 */

/** env_join_tls_look() - the Service was looked at: which of its ports' TLS its
 *  router ends, or will. 0, or -errno with @err: the router that is there is
 *  another one. */
KT_CHECK int env_join_tls_look(struct env_join *j, struct kt_error *err);
/** env_join_tls_held() - the Service is locked: it is still so */
KT_CHECK int env_join_tls_held(struct env_join *j, struct kt_error *err);
/** env_join_tls_origin() - the router is there: does the gate believe the
 *  Service's own Pods? One without a Pod that answers is told. */
KT_CHECK int env_join_tls_origin(struct env_join *j, struct kt_error *err);
/** env_join_tls_member() - and the member, whose record has the address @ip? */
KT_CHECK int env_join_tls_member(struct env_join *j, struct uplink *u,
				 const char *ip, struct kt_error *err);

#endif
