/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_INGRESS_H
#define KT_CONNECT_INGRESS_H

#include "base/ipaddr.h"
#include "kube/client.h"

struct dns_resolver;

/**
 * ingress_load() - --ingressIp: names in Ingress rules of @ns have address @ip
 *
 * Reads them once, in the loop, and tells @r; a refusal is a warning: all else
 * works without.
 */
void ingress_load(struct kube *k, const char *ns, const struct ipaddr *ip,
		  struct dns_resolver *r);

/** ingress_hosts() - append the host names in the rules of an IngressList */
void ingress_hosts(const json_t *list, struct strv *out);

#endif
