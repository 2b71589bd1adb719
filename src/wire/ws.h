/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_WS_H
#define KT_WIRE_WS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: WebSocket frames, the client's side (RFC 6455 section 5)
 *
 * Reading: bytes of the server go through ws_rx_next(), which finds frame heads
 * and hands out payload as slices of the caller's bytes, as they arrive: a
 * message is never collected, so its size needs no bound. Writing: a head, and
 * the payload masked while it is copied. No extension, so no RSV bit; a masked
 * frame from a server is an error.
 */

enum ws_op {
	WS_CONT = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

#define WS_MAX_HEAD 14
#define WS_MAX_CONTROL 125

/** struct ws_rx - reader; starts zeroed */
struct ws_rx {
	uint8_t head[WS_MAX_HEAD];
	uint8_t have;	    /* bytes of @head */
	bool in_payload;    /* the head is complete */
	bool fin, fresh;    /* of the frame; nothing of it handed out yet */
	bool message;	    /* a message is open (its last frame had no FIN) */
	uint8_t op, msg_op; /* of the frame; of the open message */
	uint64_t left;	    /* payload of the frame still to come */
};

/** struct ws_slice - a piece of one message or control frame */
struct ws_slice {
	enum ws_op op; /* of the message; never WS_CONT */
	bool first;    /* the message (or control frame) begins here */
	bool last;     /* and ends here */
	const uint8_t *data;
	size_t len; /* 0 for an empty frame */
};

/**
 * ws_rx_next() - read on
 * @out: filled when a piece was found
 * @found: whether it was; false means all of @data was a part of a head
 * Return: bytes used, or -EPROTO.
 */
KT_CHECK ssize_t ws_rx_next(struct ws_rx *rx, const uint8_t *data, size_t len,
			    struct ws_slice *out, bool *found);

/** ws_put_head() - head of one unfragmented, masked frame; returns its length
 */
size_t ws_put_head(uint8_t dst[WS_MAX_HEAD], enum ws_op op, uint64_t len,
		   const uint8_t key[4]);
/** ws_mask_copy() - copy @n bytes, masked; @at is their place in the payload */
void ws_mask_copy(uint8_t *dst, const uint8_t *src, size_t n,
		  const uint8_t key[4], size_t at);

#endif
