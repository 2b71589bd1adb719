/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_UPSTREAM_H
#define KT_DNS_UPSTREAM_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "wire/dns.h"

/**
 * DOC: Questions to other name servers
 *
 * The client's message goes out unchanged but for its id, which is random, as
 * is the port: each exchange has a connected socket of its own, so that only
 * the server's datagrams reach it and its ICMP errors end it at once. The mark
 * keeps the packets out of our own redirect of port 53. Over UDP the question
 * is repeated twice; a cut reply (TC) is a reply, the client repeats by TCP.
 */

#define DNS_EXCHANGE_LIMIT (5 * NS_SEC)

struct dns_upstream;
struct dns_exchange;

/**
 * dns_exchange_fn - the end of an exchange
 * @rc: 0 with the reply (borrowed; its id is the client's again), or -errno
 * The exchange is gone afterwards; but a stream's lives on after @rc 0 and ends
 * with a -errno (-ECONNRESET: the server closed, as it should at the end).
 */
typedef void (*dns_exchange_fn)(void *user, int rc, const uint8_t *msg,
				size_t len);

/** dns_upstream_new() - @mark: SO_MARK of every socket, 0: none */
struct dns_upstream *dns_upstream_new(struct loop *l, uint32_t mark);
/** dns_upstream_free() - every exchange must be over or cancelled */
void dns_upstream_free(struct dns_upstream *u);

enum dns_transport {
	DNS_OVER_UDP,
	DNS_OVER_TCP,	 /* RFC 7766 */
	DNS_OVER_STREAM, /* TCP, any number of replies: zone transfers */
};

/**
 * dns_exchange_start() - ask @to
 * @msg: the client's message (copied), at least a header
 * Return: 0, and @fn will be called from the loop; or -errno.
 */
KT_CHECK int dns_exchange_start(struct dns_upstream *u, const struct ipport *to,
				enum dns_transport transport,
				const uint8_t *msg, size_t len,
				dns_exchange_fn fn, void *user,
				struct dns_exchange **out);
void dns_exchange_cancel(struct dns_exchange *x);

#endif
