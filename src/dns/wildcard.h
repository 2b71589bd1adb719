/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_WILDCARD_H
#define KT_DNS_WILDCARD_H

#include "base/list.h"
#include "dns/client.h"
#include "wire/dns_name.h"

/**
 * DOC: Does a server know the name, or does it know every name?
 *
 * Some servers have an answer for every name of a domain (a wildcard record,
 * RFC 4592, or a provider's search page). For a name that nobody can have
 * registered they give themselves away. What was learnt is kept for a minute.
 */

struct dns_wildcards;
struct dns_wildcard_waiter;

enum dns_wildcard { DNS_WILDCARD_UNKNOWN, DNS_WILDCARD_NO, DNS_WILDCARD_YES };

typedef void (*dns_wildcard_fn)(struct dns_wildcard_waiter *w);

/** struct dns_wildcard_waiter - in its owner's structure, zeroed at first */
struct dns_wildcard_waiter {
	struct list node; /* next NULL: not waiting */
	dns_wildcard_fn fn;
};

/** dns_wildcards_new() - @u is borrowed */
struct dns_wildcards *dns_wildcards_new(struct loop *l, struct dns_client *u);
/** dns_wildcards_free() - nobody may wait any more */
void dns_wildcards_free(struct dns_wildcards *ws);
void dns_wildcards_flush(struct dns_wildcards *ws);

/** dns_wildcard_of() - what is known of the names below @domain */
enum dns_wildcard dns_wildcard_of(const struct dns_wildcards *ws,
				  const struct dns_name *domain);
/**
 * dns_wildcard_ask() - find it out from @server; @w is told when it is known
 * Return: 0, or -errno. A server that gives no answer has no wildcard.
 */
KT_CHECK int dns_wildcard_ask(struct dns_wildcards *ws,
			      const struct dns_name *domain,
			      const struct ipport *server,
			      struct dns_wildcard_waiter *w,
			      dns_wildcard_fn fn);
/** dns_wildcard_cancel() - safe on one that does not wait */
void dns_wildcard_cancel(struct dns_wildcard_waiter *w);

#endif
