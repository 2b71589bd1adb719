/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_HPACK_H
#define KT_WIRE_HPACK_H

#include "base/buf.h"
#include "base/list.h"

/**
 * DOC: HPACK, fields of HTTP/2 heads (RFC 7541)
 *
 * The decoder takes all of it. The encoder makes no entries in the receiver's
 * dynamic table, so it has no state, and its texts are not Huffman coded: a few
 * bytes more on the line, none of memory for each of hundreds of connections.
 */

/** struct hpack_field - borrowed texts, not NUL-terminated */
struct hpack_field {
	const uint8_t *name, *value;
	size_t nname, nvalue;
	bool never; /* to be indexed by nobody on its way (section 7.1.3) */
};

/* the table's size before anybody says otherwise, in bytes (section 4.1) */
#define HPACK_TABLE_SIZE 4096

struct hpack_decoder {
	struct list table; /* the newest entry first */
	size_t count;
	size_t size;  /* as section 4.1 counts it */
	size_t max;   /* what the encoder has chosen */
	size_t limit; /* what it may choose */
};

void hpack_decoder_init(struct hpack_decoder *d);
void hpack_decoder_fini(struct hpack_decoder *d);
/** hpack_decoder_limit() - the encoder knows now that the table has @limit
 *  bytes at most */
void hpack_decoder_limit(struct hpack_decoder *d, size_t limit);
/**
 * hpack_decode() - a whole field block. @each gets every field, in order; the
 * texts are borrowed until it returns. It returns 0, or -errno: no more of it.
 * Return: 0; -EBADMSG: COMPRESSION_ERROR, the connection is of no use any more;
 * -ENOMEM and what @each returned likewise.
 */
KT_CHECK int hpack_decode(struct hpack_decoder *d, const uint8_t *p, size_t n,
			  int (*each)(void *user, const struct hpack_field *f),
			  void *user);

/* goes in front of the first block: the table is to be empty (section 6.3) */
#define HPACK_NO_TABLE 0x20

/** hpack_encode() - append @f; 0, -ENOBUFS or -ENOMEM (@out may have a part) */
KT_CHECK int hpack_encode(struct buf *out, const struct hpack_field *f);

/** hpack_huffman_decode() - @n bytes to @to, of @room bytes
 *  Return: how many, or -EBADMSG: no such code, or padding that is none
 *  (section 5.2), or too small a room; n * 8 / 5 suffices */
KT_CHECK ssize_t hpack_huffman_decode(const uint8_t *p, size_t n, uint8_t *to,
				      size_t room);

#endif
