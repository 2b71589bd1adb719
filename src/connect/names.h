/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_NAMES_H
#define KT_CONNECT_NAMES_H

#include "base/prefixset.h"
#include "cli/options.h"
#include "dns/resolver.h"
#include "kube/client.h"
#include "local/home.h"
#include "net/bypass.h"
#include "tunnel/client.h"
#include "tunnel/faults.h"

/**
 * DOC: Names of the cluster on this machine
 *
 * Sets up what --dnsMode asks for: localDNS and podDNS (our resolver, behind a
 * redirect of port 53) or hosts (a block in the hosts file). Live copies of
 * the namespaces and Services, where they may be watched, keep foreign names
 * from the cluster, and the hosts file fresh.
 */

struct names;
struct nft_last;

/** struct names_config - borrowed for the life of struct names */
struct names_config {
	struct loop *loop;
	struct kube *kube;
	const char *ns;
	const struct connect_options *opt;
	const struct home *home;
	struct nft_last *last; /* see net/nft.h */
	/** servers_changed() - resolv.conf is another: names_servers(), too */
	void (*servers_changed)(void *user);
	void *user;
};

/** names_new() - read and check what is known before anything is made: order
 *  list, cluster domain, resolv.conf. Sets nothing up. */
KT_CHECK int names_new(struct names **out, const struct names_config *cfg,
		       struct kt_error *err);
/** names_free() - undo what names_start() did; NULL is allowed */
void names_free(struct names *n);

/** names_set_pod() - the search list of the shadow's Pod */
void names_set_pod(struct names *n, const struct strv *search,
		   unsigned int ndots);
/** names_set_cluster_servers() - the name servers of the shadow's Pod */
void names_set_cluster_servers(struct names *n, const struct ipaddr *servers,
			       size_t nservers);
/** names_set_faults() - questions to those servers meet @f (borrowed, or NULL),
 *  as datagrams to port 53 */
void names_set_faults(struct names *n, struct faults *f);
/** names_set_ranges() - what is captured, from now on */
void names_set_ranges(struct names *n, const struct prefixset *captured);
/** names_servers() - this machine's name servers, those on loopback left out;
 *  how many of @max were written to @out */
size_t names_servers(const struct names *n, struct ipaddr *out, size_t max);

/** struct names_start - what the earlier steps found */
struct names_start {
	struct tunnel *tunnel;
	const struct prefixset *ranges; /* captured */
	const struct strv *namespaces;	/* NULL: not known */
	const char *device;		/* kt0, or NULL */
	struct bypass *bypass;		/* past the capture; NULL: there is
					   none */
	bool questions; /* they come by names_ask() and names_take(): nothing of
			   this machine is redirected */
};

KT_CHECK int names_start(struct names *n, const struct names_start *start,
			 struct kt_error *err);
/** names_ask() - a datagram with a question, sent to @from->orig (family 0: to
 *  the Pod's own server); see dns_resolver_ask() */
void names_ask(struct names *n, const struct dns_from *from, const uint8_t *msg,
	       size_t len, dns_reply_fn fn);
/** names_cancel() - see dns_resolver_cancel() */
void names_cancel(struct names *n, const void *owner);
/** names_take() - a connection of @peer with questions; @fd is taken */
void names_take(struct names *n, int fd, const struct ipport *peer,
		const struct ipport *orig);
/** names_describe() - one sentence for people */
const char *names_describe(const struct names *n);

#endif
