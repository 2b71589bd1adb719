/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_CLIENT_H
#define KT_DNS_CLIENT_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "wire/dns.h"

/**
 * DOC: Questions to name servers
 *
 * The asker's message goes out unchanged but for its id, which is random, as
 * is the port: each exchange has a connected socket of its own, so that only
 * the server's datagrams reach it and its ICMP errors end it at once. What does
 * not answer the question is passed over. One exchange is with one server:
 * whom to ask next is the owner's matter.
 *
 * Whatever else redirects port 53 on this machine may bring a question of ours
 * back to us: dns_client_returned() knows it by its port and bytes.
 */

struct dns_client;
struct dns_exchange;

struct dns_client_config {
	/* SO_MARK of every socket, 0: none; keeps the packets out of our own
	 * redirect of port 53 */
	uint32_t mark;
	int64_t limit_ns;  /* of an exchange; TCP after UDP has it anew */
	int64_t repeat_ns; /* UDP: say it again, then after twice as long, ...;
			      0: never */
	size_t max;	   /* exchanges at once */
	/** past() - lead @fd, not yet connected, past the capture of addresses;
	 *  0 or -errno. NULL: nothing is captured */
	int (*past)(void *user, int fd, const struct ipport *to);
	void *user;
};

/**
 * dns_exchange_fn - the end of an exchange
 * @rc: 0 with the reply (borrowed; its id is the client's again), or -errno
 * The exchange is gone afterwards; but a stream's lives on after @rc 0 and ends
 * with a -errno (-ECONNRESET: the server closed, as it should at the end).
 */
typedef void (*dns_exchange_fn)(void *user, int rc, const uint8_t *msg,
				size_t len);

struct dns_client *dns_client_new(struct loop *l,
				  const struct dns_client_config *cfg);
/** dns_client_free() - every exchange must be over or cancelled */
void dns_client_free(struct dns_client *c);

enum dns_transport {
	DNS_OVER_UDP,	 /* a cut reply (TC) is a reply */
	DNS_OVER_ANY,	 /* UDP, and TCP when the reply is cut */
	DNS_OVER_TCP,	 /* RFC 7766 */
	DNS_OVER_STREAM, /* TCP, any number of replies: zone transfers */
};

/** enum dns_way - to a server whose address is captured */
enum dns_way {
	DNS_WAY_PAST,	 /* as if there was no capture */
	DNS_WAY_THROUGH, /* into the cluster, as any program's traffic */
};

/**
 * dns_exchange_start() - ask @to
 * @msg: the client's message (copied), at least a header
 * Return: 0, and @fn will be called from the loop; or -errno.
 */
KT_CHECK int dns_exchange_start(struct dns_client *c, const struct ipport *to,
				enum dns_transport transport, enum dns_way way,
				const uint8_t *msg, size_t len,
				dns_exchange_fn fn, void *user,
				struct dns_exchange **out);
void dns_exchange_cancel(struct dns_exchange *x);

/**
 * dns_client_returned() - is this message a question of our own?
 * If so, its exchange ends with -ELOOP before this returns.
 */
bool dns_client_returned(struct dns_client *c, const struct ipport *from,
			 bool tcp, const uint8_t *msg, size_t len);

#endif
