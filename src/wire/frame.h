/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_FRAME_H
#define KT_WIRE_FRAME_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Session frames
 *
 * What travels through a carrier. Every frame, of whatever type, begins with
 * the same 24 bytes, numbers in network order:
 *
 *     u8 type | u8 flags | u16 zero | u32 payload length | u64 seq | u64 ack
 *
 * @seq is the position, in the sender's byte stream, of the first payload byte
 * of a DATA frame (of the next byte, for the other types); @ack is the next
 * byte the sender expects from its peer, and acknowledges all before it.
 *
 *     HELLO      the first frame of whoever opened the carrier
 *     HELLO_ACK  the answer: the session runs, @ack is the resume point
 *     REFUSE     the answer: u16 code, text; the carrier ends
 *     DATA       a piece of the byte stream
 *     ACK        no payload: carries @ack only; where a session has several
 *                carriers: u64, the bytes of DATA that came on this one
 *     PING/PONG  u64 of the sender's own time; PONG returns it
 *     CLOSE      u16 code, text; the session is over, nothing is kept
 *
 * Payload of HELLO and HELLO_ACK:
 *
 *     u32 magic | u16 version min | u16 version max | session id (16) |
 *     u8 role | u8 flags | u16 zero | u32 replay window |
 *     u8 length | who it is, as a client says of itself (wire/clientline.h) |
 *     u32 how long the session is kept without a carrier, ms | (ignored)
 *
 * In HELLO that is a wish, in HELLO_ACK what is granted; 0, as of an older end,
 * says nothing.
 *
 * Bytes after the known fields are ignored, so that fields may be added. This
 * layout and the frame header are the same in every protocol version: the
 * versions are what HELLO compares.
 *
 * The codec is pure: bytes in, frames out. Payload of DATA is handed out in
 * place, in whatever pieces arrived.
 */

#define FRAME_HEADER_LEN 24
#define FRAME_MAGIC 0x4b54544eu /* "KTTN" */
#define FRAME_VERSION_MIN 1
#define FRAME_VERSION_MAX 1
#define FRAME_DATA_MAX (1024 * 1024) /* payload of DATA */
#define FRAME_CTL_MAX 512	     /* payload of every other type */
#define FRAME_TEXT_MAX 256	     /* text in REFUSE and CLOSE */
#define FRAME_ID_LEN 16
#define FRAME_WHO_MAX 255

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_HELLO_ACK,
	FRAME_REFUSE,
	FRAME_DATA,
	FRAME_ACK,
	FRAME_PING,
	FRAME_PONG,
	FRAME_CLOSE,
	FRAME_NTYPES_
};

/** enum frame_role - which end of HTTP/2 the sender of a HELLO is */
enum frame_role {
	FRAME_ROLE_CLIENT, /* opens streams (connect: the laptop) */
	FRAME_ROLE_SERVER, /* serves them (inbound: the laptop again) */
};

#define FRAME_FLAG_RESUME 0x01 /* HELLO: the session exists already */
/* HELLO: one of several sessions for the bulk of one client, each with a part
 * of its buffers; HELLO_ACK: such are taken */
#define FRAME_FLAG_PART 0x02
/* HELLO: the session may have several carriers at once; HELLO_ACK: it may */
#define FRAME_FLAG_LANES 0x04
/* HELLO: one more carrier of a session that is up, beside what it has;
 * HELLO_ACK: it is taken */
#define FRAME_FLAG_JOIN 0x08

/* DATA, in the flags of the frame: there is more than the carriers take */
#define FRAME_MORE 0x01

/** enum frame_code - why a session was refused or closed */
enum frame_code {
	FRAME_CODE_BYE,	    /* the program ends */
	FRAME_CODE_VERSION, /* no protocol version in common */
	FRAME_CODE_UNKNOWN, /* no such session here (any more) */
	FRAME_CODE_LIMIT,   /* too many sessions */
	FRAME_CODE_PROTOCOL,
	FRAME_CODE_EXPIRED, /* detached for too long */
};

struct frame_hdr {
	uint8_t type; /* enum frame_type */
	uint8_t flags;
	uint32_t len; /* payload bytes */
	uint64_t seq;
	uint64_t ack;
};

struct frame_hello {
	uint16_t version_min, version_max; /* equal in HELLO_ACK */
	uint8_t id[FRAME_ID_LEN];
	uint8_t role;	 /* enum frame_role */
	uint8_t flags;	 /* FRAME_FLAG_* */
	uint32_t window; /* bytes the sender is ready to keep for replay */
	char who[FRAME_WHO_MAX + 1]; /* printable, or "" */
	uint32_t keep_ms; /* the session outlives its carrier so long; 0: not
			     said */
};

/** frame_put_header() - write the 24 bytes; @h->len is the payload to follow */
void frame_put_header(uint8_t out[FRAME_HEADER_LEN], const struct frame_hdr *h);

/** frame_put_hello() - append a HELLO or HELLO_ACK frame; 0, -ENOBUFS,
 *  -ENOMEM */
KT_CHECK int frame_put_hello(struct buf *out, struct frame_hdr h,
			     const struct frame_hello *hello);
/** frame_put_text() - append REFUSE or CLOSE; @text is cut to FRAME_TEXT_MAX */
KT_CHECK int frame_put_text(struct buf *out, struct frame_hdr h, uint16_t code,
			    const char *text);
/** frame_put_number() - append PING or PONG with a time, or ACK with a count */
KT_CHECK int frame_put_number(struct buf *out, struct frame_hdr h,
			      uint64_t number);
/** frame_put_empty() - append a frame without payload (ACK) */
KT_CHECK int frame_put_empty(struct buf *out, struct frame_hdr h);

/** frame_get_hello() - decode the payload; 0, -EPROTO (no magic, short) */
KT_CHECK int frame_get_hello(const uint8_t *p, size_t n,
			     struct frame_hello *hello);
/** frame_get_text() - @text gets the printable part, NUL-terminated */
KT_CHECK int frame_get_text(const uint8_t *p, size_t n, uint16_t *code,
			    char text[FRAME_TEXT_MAX + 1]);
KT_CHECK int frame_get_number(const uint8_t *p, size_t n, uint64_t *number);

/** frame_version_pick() - the highest version both ends speak, or 0 */
uint16_t frame_version_pick(uint16_t a_min, uint16_t a_max, uint16_t b_min,
			    uint16_t b_max);

/** struct frame_parser - an incremental reader; zero is its start state */
struct frame_parser {
	struct frame_hdr hdr;
	uint8_t raw[FRAME_HEADER_LEN];
	uint8_t ctl[FRAME_CTL_MAX]; /* payload of the present control frame */
	uint32_t nraw, got;	    /* bytes of header, of payload */
	bool in_payload;
};

/** struct frame_event - one whole control frame, or a piece of a DATA frame */
struct frame_event {
	struct frame_hdr hdr; /* as on the wire */
	const uint8_t *data;  /* borrowed until the next call */
	size_t len;
	uint64_t seq; /* of data[0], for DATA */
};

/**
 * frame_parse() - take bytes from @in until there is something to report
 * Return: 1 with @ev filled, 0 when all bytes were taken, -EPROTO (unknown
 * type) or -EMSGSIZE (length over the type's limit). An error is final.
 */
KT_CHECK int frame_parse(struct frame_parser *p, struct rd *in,
			 struct frame_event *ev);

const char *frame_type_name(uint8_t type);

#endif
