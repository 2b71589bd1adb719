/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_NETPOLICY_H
#define KT_CLUSTER_NETPOLICY_H

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: NetworkPolicies between callers and a shadow
 *
 * A Pod that a policy for ingress selects takes only the callers that this
 * policy, or another that selects it, allows. What allows callers to the
 * Service's own Pods by their labels does not allow them to the shadow's, which
 * has other ones. Pure.
 */

/** netpolicy_matches() - @selector (matchLabels, matchExpressions; an empty one
 *  is for all Pods) is for Pods with these labels */
bool netpolicy_matches(const json_t *selector, const json_t *labels);
/** netpolicy_selects() - @policy is for what comes to Pods with these labels */
bool netpolicy_selects(const json_t *policy, const json_t *labels);
/**
 * netpolicy_keeps_out() - are there callers that @policies (array) allow to the
 * Pods with the labels @own, and not to the one with @shadow?
 * @own: NULL: there are none, callers are allowed everywhere or nowhere
 * Return: the name of a policy that would have to select the shadow, too, or
 * that lets nobody in; NULL: none is seen; borrowed
 */
const char *netpolicy_keeps_out(const json_t *policies, const json_t *shadow,
				const json_t *own);

#endif
