/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_DNS_NAME_H
#define KT_WIRE_DNS_NAME_H

#include "base/error.h"
#include "base/ipaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Domain names
 *
 * A name is kept in wire form, uncompressed: length-prefixed labels up to and
 * including the empty root label (RFC 1035 section 3.1). The spelling is kept
 * (RFC 4343, and 0x20 in the question); comparisons ignore the case of ASCII.
 */

#define DNS_NAME_MAX 255     /* bytes on the wire, root label included */
#define DNS_LABEL_MAX 63     /* bytes of one label */
#define DNS_NAME_STRLEN 1024 /* text with every byte as \DDD, and NUL */

struct dns_name {
	uint8_t len; /* bytes used of @b; 0 only before it is set */
	uint8_t b[DNS_NAME_MAX];
};

/**
 * dns_name_read() - the possibly compressed name at @*pos of a message
 * @pos: moved behind the name as it stands there
 * A pointer must point before the name that holds it, so a loop cannot be.
 * Return: 0, or -EBADMSG (cut off, reserved label type, longer than 255).
 */
KT_CHECK int dns_name_read(const uint8_t *msg, size_t len, size_t *pos,
			   struct dns_name *out);

/** dns_name_parse() - presentation form, "\." and "\DDD" understood, the last
 *  dot optional, "." is the root; 0 or -EINVAL */
KT_CHECK int dns_name_parse(struct dns_name *n, const char *text);

/** dns_name_reverse() - whose PTR records name @a: "4.3.2.1.in-addr.arpa"
 *  (RFC 1035 section 3.5), nibbles in "ip6.arpa" (RFC 3596 section 2.5) */
void dns_name_reverse(struct dns_name *n, const struct ipaddr *a);

/** dns_name_str() - presentation form without the last dot; the root is "." */
const char *dns_name_str(const struct dns_name *n, char buf[DNS_NAME_STRLEN]);

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/** dns_name_under() - @n is @zone or a name below it */
bool dns_name_under(const struct dns_name *n, const struct dns_name *zone);
/** dns_name_labels() - how many labels, the root not counted */
unsigned int dns_name_labels(const struct dns_name *n);
/** dns_name_hash() - for tables (base/hash.h); the same for names that are
 *  dns_name_eq() */
uint64_t dns_name_hash(const struct dns_name *n);
void dns_name_lower(struct dns_name *n);

/** dns_name_join() - @head followed by @tail; 0 or -ENAMETOOLONG */
KT_CHECK int dns_name_join(struct dns_name *out, const struct dns_name *head,
			   const struct dns_name *tail);
/** dns_name_head() - the first @labels labels; all when it has fewer */
void dns_name_head(struct dns_name *out, const struct dns_name *n,
		   unsigned int labels);
/** dns_name_tail() - without the first @skip labels; the root at the end */
void dns_name_tail(struct dns_name *out, const struct dns_name *n,
		   unsigned int skip);
/** dns_name_label_is() - label number @i (0 = leftmost) is @text (no escapes)
 */
bool dns_name_label_is(const struct dns_name *n, unsigned int i,
		       const char *text);
/** dns_name_label() - label @i: its bytes (in @n) and length, NULL when there
 * is none */
const uint8_t *dns_name_label(const struct dns_name *n, unsigned int i,
			      size_t *len);

/** dns_name_is_host() - what a resolver takes for a host's name: labels of up
 * to 63 letters, digits, '-' and '_', 253 bytes in all and perhaps a dot behind
 *  them; the last one has a letter, or it would be a wrong address */
bool dns_name_is_host(const char *text);

#endif
