/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_SERVER_H
#define KT_DNS_SERVER_H

#include "base/ipaddr.h"
#include "base/loop.h"

struct dns_resolver;
struct dns_server;

struct dns_from;

/** dns_original_fn - where the query of @from was sent to before it was
 *  redirected to @from->self; @fd is the listener's (UDP) or the client's
 *  (TCP); 0, or -errno when unknown */
typedef int (*dns_original_fn)(void *user, int fd, const struct dns_from *from,
			       struct ipport *orig);

struct dns_server_config {
	uint16_t port;		  /* 0: ephemeral, the same for UDP and TCP */
	bool no_ipv6;		  /* do not try ::1 */
	bool any;		  /* on every address, too: see any4, any6 */
	dns_original_fn original; /* NULL: never known */
	void *user;
};

/** struct dns_server_ports - where the listeners are; 0: none (no IPv6) */
struct dns_server_ports {
	uint16_t v4, v6; /* on 127.0.0.1 and ::1; UDP and TCP alike */
	/* on every address, for what can only be redirected to one of a link;
	 * the caller sees to it that nothing else gets there */
	uint16_t any4, any6;
};

/**
 * dns_server_open() - UDP and TCP listeners on 127.0.0.1 and ::1
 * @r: borrowed; must outlive the server
 * Only local programs reach those. Over TCP several questions may be in flight,
 * replies come as they are ready (RFC 7766 section 6.2.1.1); a client that is
 * idle for 10 s is closed. A query that was sent to the listener itself, not
 * redirected, has no original destination.
 * Return: 0 with *@out set; -errno with @err (a machine without IPv6 is fine).
 */
KT_CHECK int dns_server_open(struct dns_server **out, struct loop *l,
			     struct dns_resolver *r,
			     const struct dns_server_config *cfg,
			     struct dns_server_ports *ports,
			     struct kt_error *err);
/** dns_server_new() - one without listeners, for dns_server_take() */
struct dns_server *dns_server_new(struct loop *l, struct dns_resolver *r,
				  const struct dns_server_config *cfg);
/** dns_server_take() - serve a connection that somebody else accepted
 *  @fd: taken; @orig: which server it was meant for; family 0: unknown */
void dns_server_take(struct dns_server *s, int fd, const struct ipport *peer,
		     const struct ipport *orig);
/** dns_server_close() - queries in flight are dropped */
void dns_server_close(struct dns_server *s);

#endif
