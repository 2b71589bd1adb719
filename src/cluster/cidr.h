/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_CIDR_H
#define KT_CLUSTER_CIDR_H

#include "base/prefixset.h"
#include "base/str.h"
#include "kube/client.h"

/**
 * DOC: Address ranges of a cluster
 *
 * Services: (a) the ServiceCIDR API; (b) the API server's own complaint about
 * an impossible ClusterIP in a dry run; (c) a guess from the Services seen.
 * Pods: (a) the Nodes' podCIDRs; (b) a guess from the Pods seen, those with
 * hostNetwork left out: their addresses are the nodes' network.
 * What is not permitted is skipped; a guess leaves a warning.
 */

/** struct cidr_hints - what the shadow sees from inside */
struct cidr_hints {
	struct ipaddr
		services[8]; /* its name servers, KUBERNETES_SERVICE_HOST */
	size_t nservices;
	struct ipaddr
		kubernetes;    /* the Service kubernetes; family 0: unknown */
	struct ipaddr pods[8]; /* its own addresses */
	size_t npods;
	struct prefixset routes; /* its own */
	/* what its administrator says of them; may be empty */
	struct prefixset service_ranges, pod_ranges;
};

void cidr_hints_fini(struct cidr_hints *h);

struct cidr_result {
	struct prefixset services, pods;
	const char *services_from, *pods_from; /* for the log */
	const char *services_api; /* of the ServiceCIDR objects that told; NULL:
				     others did */
	bool pods_of_nodes;	  /* Node specs told the Pods' */
	struct strv namespaces;	  /* empty when not permitted */
	bool know_namespaces;
	char warning[512]; /* one sentence, or "" */
};

/**
 * cidr_discover() - ask the API server, in the loop (top-level code)
 * @ns: the namespace in which we may most
 * @want_pods: false: leave the Pods out (--disablePodIp)
 * Return: 0, or -errno with @err when the server cannot be asked at all; that
 * something is not permitted is no error. @out: free with cidr_fini().
 */
KT_CHECK int cidr_discover(struct kube *k, const char *ns,
			   const struct cidr_hints *hints, bool want_pods,
			   struct cidr_result *out, struct kt_error *err);
/** cidr_ask_ahead() - have the lists asked for that cidr_discover() will want
 *  next, while something else is waited for */
void cidr_ask_ahead(struct kube *k, bool want_pods);
/** cidr_from_shadow() - the same without the API server: what the shadow was
 *  told, else a guess from what it sees. Pure; free with cidr_fini(). */
void cidr_from_shadow(const struct cidr_hints *hints, bool want_pods,
		      struct cidr_result *out);
void cidr_fini(struct cidr_result *r);

/* --- pure parts, for cidr_discover() and the tests ------------------------ */

/** cidr_parse_valid_range() - "The range of valid IPs is X" in a message of
 *  the API server (X may be a list); how many were added to @out */
size_t cidr_parse_valid_range(const char *message, struct prefixset *out);
/**
 * cidr_guess_services() - ranges that hold the ClusterIPs @seen
 * @first: ClusterIP of the Service kubernetes, which is the first of its range
 * (family 0: unknown). At least /16 or /112, where alignment allows.
 */
void cidr_guess_services(const struct ipaddr *seen, size_t n,
			 const struct ipaddr *first, struct prefixset *out);
/** cidr_guess_pods() - a /24 (/64) each; several in one /16 (/48) become that
 */
void cidr_guess_pods(const struct ipaddr *seen, size_t n,
		     struct prefixset *out);

#endif
