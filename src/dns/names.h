/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_NAMES_H
#define KT_DNS_NAMES_H

#include "base/ipaddr.h"
#include "base/str.h"
#include "wire/dns_name.h"

/**
 * DOC: Whose name is it?
 *
 * A query carries no search list: the laptop's resolver library has already
 * applied its own. So from the name alone it must be told whether a Pod of the
 * namespace would have found it in the cluster:
 *
 *   under the cluster domain        the cluster's, whatever it says
 *   under --includeDomains          the same
 *   reverse name of a captured IP   the cluster's
 *   web                             web.NS.svc.DOMAIN, then the laptop's
 *   web.corp.test                   the laptop's if its server knows the name,
 *                                   else as "web", when corp.test is in the
 *                                   laptop's search list and its library tries
 *                                   it first
 *   web.other  p-0.db  web.ns.svc   through the Pod's search list
 *   anything else                   the laptop's
 *
 * Below an expansion the last label tells what must exist: "x.y" can only be
 * found if y is a namespace, or a Service of the own one. Known sets of these
 * keep every other name ("google.com") away from the cluster; where a set is
 * not known (no right to list), cluster and upstream are asked side by side.
 */

#define DNS_SEARCH_MAX 32 /* what Kubernetes allows */
#define DNS_CAND_MAX 12
#define DNS_LABELS_MAX 6 /* _http._tcp.a-1.db.demo.svc */

struct dns_search {
	struct dns_name v[DNS_SEARCH_MAX];
	size_t n;
	unsigned int ndots;
};

/** struct dns_view - what the Pod and the laptop know; all pointers owned */
struct dns_view {
	struct dns_name domain;	  /* cluster.local */
	struct dns_name svc;	  /* svc.cluster.local */
	struct dns_name own;	  /* NS.svc.cluster.local */
	struct dns_search pod;	  /* of a Pod of the namespace */
	struct dns_search laptop; /* of resolv.conf */
	struct dns_search more;	  /* --includeDomains: the cluster's, too */
	struct ipprefix *ranges;  /* captured addresses */
	size_t nranges;
	struct ipaddr servers[8]; /* the cluster's own name servers */
	size_t nservers;
	bool know_namespaces, know_services;
	struct strv namespaces; /* of the cluster */
	struct strv services;	/* of the own namespace */
};

/** dns_view_init() - a Pod's list of @ns: NS.svc.D svc.D D, ndots 5; 0 or
 *  -EINVAL with @err (a part is no name) */
KT_CHECK int dns_view_init(struct dns_view *v, const char *domain,
			   const char *ns, struct kt_error *err);
void dns_view_fini(struct dns_view *v);

/** dns_search_set() - replace the list; entries that are no names are left
 *  out, as are those past the maximum */
void dns_search_set(struct dns_search *s, const struct strv *names,
		    unsigned int ndots);
/** dns_view_set_ranges() - the captured ranges (copied) */
void dns_view_set_ranges(struct dns_view *v, const struct ipprefix *p,
			 size_t n);
/** dns_view_set_servers() - those of the cluster (copied) */
void dns_view_set_servers(struct dns_view *v, const struct ipaddr *servers,
			  size_t n);
/** dns_view_set_namespaces() - those of the cluster (copied), NULL: unknown.
 *  Keep it up to date, or leave it unknown. */
void dns_view_set_namespaces(struct dns_view *v, const struct strv *names);
/** dns_view_set_services() - those of the own namespace; as above */
void dns_view_set_services(struct dns_view *v, const struct strv *names);

enum dns_route {
	DNS_ROUTE_UPSTREAM, /* not the cluster's */
	DNS_ROUTE_CLUSTER,  /* only the cluster's, as it is */
	DNS_ROUTE_EXPAND,   /* the candidates in order, then as upstream's */
};

/** struct dns_cand - a full name that a Pod would try */
struct dns_cand {
	struct dns_name name;
	bool weak; /* only a positive answer counts (not the cluster's zone) */
	struct dns_name gate;	/* what must exist for it; empty: nothing known
				   about that */
	struct dns_name suffix; /* of the laptop's search list, which was taken
				   off; empty: none */
};

struct dns_plan {
	enum dns_route route;
	struct dns_cand cand[DNS_CAND_MAX];
	size_t n;
	bool sure; /* the name's place in the cluster exists: ask it first.
		      Otherwise ask cluster and upstream side by side. */
};

/** dns_names_plan() - decide for one name of class IN */
void dns_names_plan(const struct dns_view *v, const struct dns_name *name,
		    struct dns_plan *plan);

/**
 * dns_names_reverse() - the addresses that a reverse name stands for
 * (RFC 1035 3.5, RFC 3596 2.5); fewer labels make a shorter prefix
 * Return: 0, or -ENOENT when @name is no reverse name of addresses.
 */
KT_CHECK int dns_names_reverse(const struct dns_name *name, struct ipprefix *p);

#endif
