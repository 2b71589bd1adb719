/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

#include <string.h>

/*
 * nghttp2 remembers closed streams only at a cost of memory that grows with
 * them, and without that it lets pass what comes on them. So it is here that a
 * stream which the caller has ended itself gets nothing more (RFC 9113 section
 * 5.1), nor one below the newest that was never there (section 5.1.1). What
 * crosses a reset of ours is no error.
 *
 * Whether a stream is over is known when all frames before are taken in: so
 * nghttp2 gets its bytes in pieces that end before such a frame's head does.
 */

void http2_order_init(struct http2_order *o)
{
	*o = (struct http2_order){ .rest = NGHTTP2_CLIENT_MAGIC_LEN };
}

static bool is_over(const struct http2 *c, int32_t id)
{
	return (id & 1) && id <= c->order.newest && id > c->order.reset &&
	       !nghttp2_session_find_stream(c->down.ng, id);
}

/* the next piece: all of @p, or up to where a head ends whose stream is to be
 * looked at (*id, else 0) */
static size_t piece(struct http2_order *o, const uint8_t *p, size_t n,
		    int32_t *id)
{
	size_t at = 0;

	*id = 0;
	while (at < n && !*id) {
		bool inside = o->rest > 0;
		size_t some = MIN(n - at, inside ? o->rest
						 : sizeof(o->head) - o->nhead);

		if (inside) {
			o->rest -= some;
			at += some;
			continue;
		}
		memcpy(o->head + o->nhead, p + at, some);
		o->nhead += some;
		at += some;
		if (o->nhead < sizeof(o->head))
			break;
		o->nhead = 0;
		o->rest = (size_t)o->head[0] << 16 | (size_t)o->head[1] << 8 |
			  o->head[2];
		if (o->head[3] == NGHTTP2_DATA || o->head[3] == NGHTTP2_HEADERS)
			*id = (int32_t)((uint32_t)(o->head[5] & 0x7f) << 24 |
					(uint32_t)o->head[6] << 16 |
					(uint32_t)o->head[7] << 8 | o->head[8]);
	}
	return at;
}

ssize_t http2_receive(struct http2 *c, const uint8_t *p, size_t n)
{
	nghttp2_session *ng = c->down.ng;

	while (n) {
		int32_t id;
		size_t some = piece(&c->order, p, n, &id);
		/* the head's last byte is the first of the next piece */
		size_t now = id ? some - 1 : some;
		ssize_t rc = now ? nghttp2_session_mem_recv(ng, p, now) : 0;

		if (rc >= 0 && id && is_over(c, id)) {
			(void)!nghttp2_session_terminate_session(
				ng, NGHTTP2_STREAM_CLOSED);
			return NGHTTP2_ERR_STREAM_CLOSED;
		}
		if (rc >= 0 && id)
			rc = nghttp2_session_mem_recv(ng, p + now, 1);
		if (rc < 0)
			return rc;
		p += some;
		n -= some;
	}
	return 0;
}
