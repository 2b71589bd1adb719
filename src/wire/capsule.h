/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_CAPSULE_H
#define KT_WIRE_CAPSULE_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Capsules (RFC 9297, section 3.2)
 *
 * Messages in a stream: type, length (both QUIC variable-length integers, RFC
 * 9000 section 16), value. A DATAGRAM's value begins with a context id, which
 * is 0 for a UDP payload (RFC 9298, section 5). CAPSULE_ERROR is ours: a
 * Proxy-Status value (RFC 9209) that says why the stream ends.
 *
 * Pure: bytes in, capsules out. A capsule that is longer than the limit is
 * passed over.
 */

#define CAPSULE_DATAGRAM 0x00
#define CAPSULE_ERROR 0x2b54c1e5 /* private; unknown types are ignored */
#define CAPSULE_HEAD_MAX 16
#define CAPSULE_VALUE_MAX (65507 + 32)

/** capsule_put_head() - type and length; returns the bytes written */
size_t capsule_put_head(uint8_t out[CAPSULE_HEAD_MAX], uint64_t type,
			uint64_t len);
/** capsule_put() - append a capsule whose value is two parts; 0, -ENOBUFS,
 *  -ENOMEM; all or nothing */
KT_CHECK int capsule_put(struct buf *out, uint64_t type, const void *a,
			 size_t alen, const void *b, size_t blen);

struct capsule_parser {
	uint8_t head[CAPSULE_HEAD_MAX];
	size_t nhead;
	bool in_value;
	uint64_t type, left; /* of the capsule under way */
	struct buf part;     /* its value, when it comes in pieces */
	bool skip, reset;
};

struct capsule {
	uint64_t type;
	const uint8_t *value; /* borrowed until the next call */
	size_t len;
};

void capsule_parser_init(struct capsule_parser *p);
void capsule_parser_fini(struct capsule_parser *p);

/**
 * capsule_parse() - take bytes from @in until a capsule is whole
 * Return: 1 with @c filled, 0 when all bytes were taken, or -ENOMEM.
 */
KT_CHECK int capsule_parse(struct capsule_parser *p, struct rd *in,
			   struct capsule *c);

/** varint_get() - a QUIC integer; false when @r is too short */
KT_CHECK bool varint_get(struct rd *r, uint64_t *v);
void varint_put(struct wr *w, uint64_t v);

#endif
