/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_DNS_H
#define KT_WIRE_DNS_H

#include "base/error.h"
#include "wire/dns_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: DNS messages (RFC 1035, 2181, 2308, 6891)
 *
 * Bytes in, bytes out, no allocation. A message is walked record by record; a
 * record stays where it is and is described by offsets. Replies that we make
 * ourselves come from the struct dns_query of what was asked, so that id, RD,
 * CD, the question's spelling and EDNS are always the client's.
 */

#define DNS_HDR_LEN 12
#define DNS_MSG_MAX 65535
#define DNS_UDP_PLAIN 512  /* the most a client without EDNS takes over UDP */
#define DNS_EDNS_SIZE 1232 /* what we say we take over UDP (flag day 2020) */

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_NAPTR = 35,
	DNS_DNAME = 39,
	DNS_OPT = 41,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

enum dns_class { DNS_IN = 1, DNS_CHAOS = 3 };

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* needs EDNS */
};

/* bits of the second header word */
#define DNS_QR 0x8000
#define DNS_OPCODE 0x7800
#define DNS_AA 0x0400
#define DNS_TC 0x0200
#define DNS_RD 0x0100
#define DNS_RA 0x0080
#define DNS_AD 0x0020
#define DNS_CD 0x0010
#define DNS_RCODE 0x000f

struct dns_hdr {
	uint16_t id, flags;
	uint16_t count[4]; /* questions, answers, authority, additional */
};

/** dns_hdr_read() - 0, or -EBADMSG when shorter than a header */
KT_CHECK int dns_hdr_read(struct dns_hdr *h, const uint8_t *msg, size_t len);
void dns_set_id(uint8_t *msg, uint16_t id);
uint16_t dns_get_id(const uint8_t *msg);
static inline unsigned int dns_hdr_rcode(const struct dns_hdr *h)
{
	return h->flags & DNS_RCODE;
}

enum dns_section { DNS_ANSWER = 1, DNS_AUTHORITY = 2, DNS_ADDITIONAL = 3 };

/** struct dns_rr - a record in place; offsets from the message's start */
struct dns_rr {
	struct dns_name name;
	uint16_t type, klass;
	uint32_t ttl;
	enum dns_section section;
	size_t start, ttl_at, rdata, rdlen; /* it ends at rdata + rdlen */
};

/** struct dns_walk - goes through the records of a message */
struct dns_walk {
	const uint8_t *msg;
	size_t len, pos;
	int section;
	uint16_t left[4];
};

/** dns_walk_start() - at the first record, questions skipped; 0 or -EBADMSG */
KT_CHECK int dns_walk_start(struct dns_walk *w, const uint8_t *msg, size_t len);
/** dns_walk_next() - 1 with @rr set, 0 at the end, or -EBADMSG */
KT_CHECK int dns_walk_next(struct dns_walk *w, struct dns_rr *rr);

/** struct dns_query - what a client asks */
struct dns_query {
	uint16_t id, flags;
	struct dns_name name;
	uint16_t type, klass;
	bool edns, dnssec_ok;
	uint8_t edns_version;
	uint16_t udp_size; /* what it takes over UDP, >= 512 */
};

/**
 * dns_query_parse() - read a query
 * Return: 0; -EBADMSG: not a query, or malformed; -EOPNOTSUPP: an opcode other
 * than QUERY (only id and flags are set then).
 */
KT_CHECK int dns_query_parse(struct dns_query *q, const uint8_t *msg,
			     size_t len);

/** dns_query_build() - the message for @q; its length or -EMSGSIZE */
KT_CHECK ssize_t dns_query_build(const struct dns_query *q, uint8_t *out,
				 size_t cap);

/** dns_reply_empty() - a reply to @q without records; the length or -EMSGSIZE
 */
KT_CHECK ssize_t dns_reply_empty(const struct dns_query *q, unsigned int rcode,
				 uint8_t *out, size_t cap);
/** dns_reply_addr() - one A (4 bytes) or AAAA (16 bytes) record; as above */
KT_CHECK ssize_t dns_reply_addr(const struct dns_query *q, const uint8_t *addr,
				size_t addr_len, uint32_t ttl, uint8_t *out,
				size_t cap);
/**
 * dns_reply_raw() - an error for a message that does not parse: its id, opcode
 * and RD, no sections
 * Return: 12; 0 when @msg is no query or too short to be answered at all.
 */
size_t dns_reply_raw(const uint8_t *msg, size_t len, unsigned int rcode,
		     uint8_t out[DNS_HDR_LEN]);

/** dns_reply_matches() - @reply has the id and the question of @query; an error
 *  reply may come without a question */
bool dns_reply_matches(const uint8_t *reply, size_t rlen, const uint8_t *query,
		       size_t qlen);

/**
 * dns_truncate() - cut a reply down to @max bytes, in place
 * As many answers stay in as fit, as CoreDNS does it: there are clients which
 * do not ask again over TCP (musl's before 1.2.4). Of the other sections whole
 * RRsets stay out, EDNS stays in; TC is set unless only additional records were
 * left out (RFC 2181 section 9).
 * Return: the new length, or -EBADMSG.
 */
KT_CHECK ssize_t dns_truncate(uint8_t *msg, size_t len, size_t max);

/** dns_age() - take @age seconds from every TTL and cap it at @cap, in place
 */
void dns_age(uint8_t *msg, size_t len, uint32_t age, uint32_t cap);

/**
 * dns_lifetime() - how long a reply may be cached, seconds
 * The smallest TTL of the answers; without answers, the SOA's (RFC 2308).
 * @negative: set when there is no record of the type asked (NXDOMAIN, NODATA)
 * Return: 0, or -ENODATA when it must not be cached (error, TC, no SOA).
 */
KT_CHECK int dns_lifetime(const uint8_t *msg, size_t len, uint32_t *ttl,
			  bool *negative);

/** dns_same_addresses() - both replies have the same A or AAAA records (@type)
 * as answers, in any order; false for other types, and where one is malformed
 */
bool dns_same_addresses(const uint8_t *a, size_t alen, const uint8_t *b,
			size_t blen, uint16_t type);
/** dns_has_answer() - NOERROR with at least one answer record */
bool dns_has_answer(const uint8_t *msg, size_t len);

#endif
