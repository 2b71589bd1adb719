/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_DNS_REWRITE_H
#define KT_WIRE_DNS_REWRITE_H

#include "wire/dns.h"

/**
 * dns_rewrite() - a reply for one question, said again for another
 * @q: what the client asked: id, RD, CD, question and its spelling
 * @from: owner names equal to this become @q->name; others stay
 * @in: the reply
 *
 * The cluster answers "web.demo.svc.cluster.local"; the client asked "web" and
 * its resolver library drops records of any other owner. Every name is
 * decompressed and written anew, also inside the data of the types that may
 * hold compressed names (RFC 3597 section 4); other data is opaque. EDNS of the
 * reply is kept when the client used EDNS, else left out.
 *
 * Return: the length, -EBADMSG, or -EMSGSIZE.
 */
KT_CHECK ssize_t dns_rewrite(const struct dns_query *q,
			     const struct dns_name *from, const uint8_t *in,
			     size_t len, uint8_t *out, size_t cap);

#endif
