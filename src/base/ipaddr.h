/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_IPADDR_H
#define KT_BASE_IPADDR_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/** struct ipaddr - one IPv4 or IPv6 address; bytes in network order */
struct ipaddr {
	uint8_t family; /* AF_INET, AF_INET6, or 0 for none */
	uint8_t b[16];	/* IPv4 uses b[0..3], the rest is zero */
};

/** struct ipprefix - CIDR; host bits are zero */
struct ipprefix {
	struct ipaddr addr;
	uint8_t len; /* bits */
};

/** struct ipport - a transport address; @port in host order */
struct ipport {
	struct ipaddr addr;
	uint16_t port;
	uint32_t scope; /* link-local IPv6 (RFC 4007): interface index, or 0 */
};

#define IPADDR_STRLEN 46
#define IPPREFIX_STRLEN 50
#define IPPORT_STRLEN 68 /* "[addr%scope]:port" */

/** ipaddr_parse() - dotted quad or RFC 4291 text, no zone; 0 or -EINVAL */
KT_CHECK int ipaddr_parse(struct ipaddr *a, const char *s);
struct ipaddr ipaddr_v4(const void *four_bytes);
struct ipaddr ipaddr_v6(const void *sixteen_bytes);
const char *ipaddr_str(const struct ipaddr *a, char buf[IPADDR_STRLEN]);
bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b);
int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b);
static inline unsigned int ipaddr_bits(const struct ipaddr *a)
{
	return a->family == AF_INET ? 32 : 128;
}
static inline size_t ipaddr_size(const struct ipaddr *a)
{
	return a->family == AF_INET ? 4 : 16;
}
/** ipaddr_is_link_local() - fe80::/10: means nothing without its link */
static inline bool ipaddr_is_link_local(const struct ipaddr *a)
{
	return a->family == AF_INET6 && a->b[0] == 0xfe &&
	       (a->b[1] & 0xc0) == 0x80;
}

/** ipprefix_parse() - "10.0.0.0/8"; a bare address is a host prefix; host bits
 *  are cleared; 0 or -EINVAL */
KT_CHECK int ipprefix_parse(struct ipprefix *p, const char *s);
const char *ipprefix_str(const struct ipprefix *p, char buf[IPPREFIX_STRLEN]);
struct ipprefix ipprefix_make(const struct ipaddr *a, unsigned int len);
bool ipprefix_has(const struct ipprefix *p, const struct ipaddr *a);
/** ipprefix_covers() - every address of @inner is in @outer */
bool ipprefix_covers(const struct ipprefix *outer,
		     const struct ipprefix *inner);
/**
 * ipprefix_subtract() - @from without @hole as a list of prefixes
 * Return: how many were written to @out (at most 128); 0 when nothing is left.
 */
size_t ipprefix_subtract(const struct ipprefix *from,
			 const struct ipprefix *hole, struct ipprefix out[128]);

/** ipport_parse() - "1.2.3.4:80" or "[::1]:80"; 0 or -EINVAL */
KT_CHECK int ipport_parse(struct ipport *p, const char *s);
const char *ipport_str(const struct ipport *p, char buf[IPPORT_STRLEN]);
/** ipport_eq() - a scope that one of them does not know makes no difference */
bool ipport_eq(const struct ipport *a, const struct ipport *b);
/** ipport_hash() - of one or (@b not NULL) a pair, for tables (base/hash.h) */
uint64_t ipport_hash(const struct ipport *a, const struct ipport *b);
/** ipport_to_sockaddr() - returns the length of the address */
socklen_t ipport_to_sockaddr(const struct ipport *p,
			     struct sockaddr_storage *ss);
/** ipport_from_sockaddr() - v4-mapped IPv6 becomes IPv4; 0 or -EAFNOSUPPORT */
KT_CHECK int ipport_from_sockaddr(struct ipport *p, const struct sockaddr *sa);

#endif
