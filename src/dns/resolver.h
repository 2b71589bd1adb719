/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_RESOLVER_H
#define KT_DNS_RESOLVER_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "dns/client.h"
#include "dns/lookup.h"
#include "dns/names.h"
#include "dns/order.h"

/**
 * DOC: The split resolver
 *
 * One query in, one reply out. dns_names_plan() says whose name it is; from
 * that and from the order list a task gets its steps, best first:
 *
 *   cluster's name       one step to the cluster, passed on whatever it says
 *   short name           a step per candidate, then the other servers
 *   any other name       the other servers; one of them: passed on untouched
 *
 * Candidates are asked together. The other servers wait until these said no
 * when the name's place in the cluster is sure to exist, else they are asked
 * side by side and the cluster's yes still wins; a yes of theirs then waits for
 * the cluster a few round trips only, and not at all while the tunnel is down.
 * A reply with records ends the task; so does NODATA of a cluster's name.
 *
 * A name that the laptop's library may have completed ("web.corp.test" from
 * "web") may also be meant as it is. So the server is asked at once as well,
 * and if it knows the name its word counts, whatever the cluster says; unless
 * it knows every name (dns/wildcard.h). A silent one is not waited for long.
 *
 * Where a server is does not matter, but for the way to it. One whose address
 * is in a captured range may be a Pod or Service, or a server of this machine's
 * own network (of a VPN, of dnsmasq) that has such an address: it is asked both
 * ways, and who answers first is it. The cluster's own name servers are known.
 *
 * step: IDLE -> RUNNING -> DONE (with a reply or without)
 */

/* the cluster answers its own names from memory: later means it is gone */
#define DNS_CLUSTER_LIMIT (900 * NS_MS)
/* while it is suspected to be gone: long enough for a quick reconnect */
#define DNS_SUSPECT_LIMIT (400 * NS_MS)

struct dns_resolver;

struct dns_resolver_config {
	const struct dns_view *view; /* borrowed; may change between events */
	struct dns_order order;
	bool all_cluster;   /* podDNS: every name is the cluster's */
	uint32_t cache_ttl; /* seconds; upper bound of TTLs; 0: no cache */
	struct dns_client_config upstream; /* mark and past(), for questions
					      to other servers */
	struct ipport fallback; /* for queries without a known destination */
	/** looped() - a question to @to came back to us: something on this
	 *  machine redirects port 53. NULL: nobody wants to know */
	void (*looped)(void *user, const struct ipport *to);
	/** clash() - @name, known to this machine's own server, is also how a
	 *  program would find @service, known to the cluster; the former was
	 *  taken. NULL: nobody wants to know */
	void (*clash)(void *user, const struct dns_name *name,
		      const struct dns_name *service);
	void *user;
};

/** struct dns_from - who asks; copied, given back with the reply */
struct dns_from {
	void *owner; /* for dns_resolver_cancel() */
	struct ipport peer;
	struct ipport self; /* ours, which the answer comes from */
	struct ipport orig; /* where it was sent to; family 0: unknown */
	bool tcp;
	bool more; /* in replies: another one follows (zone transfer) */
};

/** dns_reply_fn - @len 0: there is no answer to be given (junk), or no more */
typedef void (*dns_reply_fn)(const struct dns_from *from, const uint8_t *msg,
			     size_t len);

struct dns_resolver *dns_resolver_new(struct loop *l,
				      const struct dns_resolver_config *cfg,
				      const struct dns_cluster_ops *ops,
				      void *ops_user);
/** dns_resolver_free() - tasks are dropped without a reply */
void dns_resolver_free(struct dns_resolver *r);

/**
 * dns_resolver_ask() - answer one message
 * @msg: borrowed
 * @fn: called exactly once without from->more, perhaps before this returns,
 *      unless cancelled; the reply is cut to what the client takes when it came
 *      over UDP
 */
void dns_resolver_ask(struct dns_resolver *r, const struct dns_from *from,
		      const uint8_t *msg, size_t len, dns_reply_fn fn);
/** dns_resolver_cancel() - no reply will be given for tasks of @owner */
void dns_resolver_cancel(struct dns_resolver *r, const void *owner);

/** dns_resolver_set_ingress() - --ingressIp: @hosts ("*.x.y" too, copied) have
 *  the address @ip; NULL hosts: none */
void dns_resolver_set_ingress(struct dns_resolver *r, const struct ipaddr *ip,
			      const struct strv *hosts);
/** dns_resolver_set_fallback() - from now on, in place of the former one */
void dns_resolver_set_fallback(struct dns_resolver *r,
			       const struct ipport *server);
/** dns_resolver_flush() - forget cached replies (Services changed) */
void dns_resolver_flush(struct dns_resolver *r);

#endif
