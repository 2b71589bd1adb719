/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ws.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

/* How long the head is, as far as its first two bytes tell. */
static size_t head_size(const struct ws_rx *rx)
{
	if (rx->have < 2)
		return 2;
	switch (rx->head[1] & 0x7f) {
	case 126:
		return 4;
	case 127:
		return 10;
	default:
		return 2;
	}
}

static int check_data_frame(struct ws_rx *rx)
{
	if (rx->op == WS_CONT) {
		if (!rx->message)
			return -EPROTO;
	} else {
		if (rx->message)
			return -EPROTO;
		rx->msg_op = rx->op;
	}
	return 0;
}

static int check_frame(struct ws_rx *rx)
{
	switch (rx->op) {
	case WS_CONT:
	case WS_TEXT:
	case WS_BINARY:
		return check_data_frame(rx);
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return rx->fin && rx->left <= WS_MAX_CONTROL ? 0 : -EPROTO;
	default:
		return -EPROTO;
	}
}

/* RFC 6455 section 5.2 */
static int ws_parse_head(struct ws_rx *rx)
{
	struct rd r = rd_make(rx->head, rx->have);
	uint8_t b0, b1;
	uint16_t v16;

	if (!rd_u8(&r, &b0) || !rd_u8(&r, &b1) || (b0 & 0x70) || (b1 & 0x80))
		return -EPROTO;
	rx->fin = b0 & 0x80;
	rx->op = b0 & 0x0f;
	rx->left = b1 & 0x7f;
	if (rx->left == 126) {
		if (!rd_u16(&r, &v16) || v16 < 126)
			return -EPROTO;
		rx->left = v16;
	} else if (rx->left == 127) {
		if (!rd_u64(&r, &rx->left) || rx->left >> 63 ||
		    rx->left <= UINT16_MAX)
			return -EPROTO;
	}
	rx->in_payload = true;
	rx->fresh = true;
	return check_frame(rx);
}

/* True when the head is complete. */
static bool ws_take_head(struct ws_rx *rx, struct rd *r)
{
	uint8_t b;

	while (rx->have < head_size(rx) && rd_u8(r, &b))
		rx->head[rx->have++] = b;
	return rx->have >= 2 && rx->have == head_size(rx);
}

static void ws_do_slice(struct ws_rx *rx, struct rd *r, struct ws_slice *out)
{
	bool control = rx->op >= WS_CLOSE, end;
	size_t n = rd_left(r) < rx->left ? rd_left(r) : (size_t)rx->left;

	rx->left -= n;
	end = !rx->left;
	*out = (struct ws_slice){
		.op = control ? rx->op : rx->msg_op,
		.first = rx->fresh && (control || !rx->message),
		.last = end && rx->fin,
		.data = rd_bytes(r, n),
		.len = n,
	};
	rx->fresh = false;
	if (!end)
		return;
	if (!control)
		rx->message = !rx->fin;
	rx->in_payload = false;
	rx->have = 0;
}

ssize_t ws_rx_next(struct ws_rx *rx, const uint8_t *data, size_t len,
		   struct ws_slice *out, bool *found)
{
	struct rd r = rd_make(data, len);

	*found = false;
	if (!rx->in_payload && ws_take_head(rx, &r) && ws_parse_head(rx) < 0)
		return -EPROTO;
	if (rx->in_payload && (rd_left(&r) || !rx->left)) {
		ws_do_slice(rx, &r, out);
		*found = true;
	}
	return (ssize_t)(len - rd_left(&r));
}

size_t ws_put_head(uint8_t dst[WS_MAX_HEAD], enum ws_op op, uint64_t len,
		   const uint8_t key[4])
{
	struct wr w = wr_make(dst, WS_MAX_HEAD);

	wr_u8(&w, (uint8_t)(0x80 | op));
	if (len < 126) {
		wr_u8(&w, (uint8_t)(0x80 | len));
	} else if (len <= UINT16_MAX) {
		wr_u8(&w, 0x80 | 126);
		wr_u16(&w, (uint16_t)len);
	} else {
		wr_u8(&w, 0x80 | 127);
		wr_u64(&w, len);
	}
	wr_bytes(&w, key, 4);
	return wr_len(&w);
}

void ws_mask_copy(uint8_t *dst, const uint8_t *src, size_t n,
		  const uint8_t key[4], size_t at)
{
	uint8_t k[8];
	uint64_t k64, v;
	size_t i = 0;

	for (size_t j = 0; j < 8; j++)
		k[j] = key[(at + j) & 3];
	memcpy(&k64, k, 8);
	for (; i + 8 <= n; i += 8) {
		memcpy(&v, src + i, 8);
		v ^= k64;
		memcpy(dst + i, &v, 8);
	}
	for (; i < n; i++)
		dst[i] = src[i] ^ k[i & 7];
}
