/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>

/* RFC 9113 sections 6.3 to 6.9: frames that are whole before they are looked
 * at, and small */

/* nobody says more at once, and each may mean a change of every stream
 * (CVE-2020-11080) */
#define SETTINGS_MAX 32

/* less than this, where we had none left, is a way to have every byte sent in
 * a frame of its own (CVE-2019-9511) */
#define SMALL_CREDIT 256

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

bool h2_is_idle(const struct h2 *h, int32_t id)
{
	if (h->server)
		return !(id & 1) || id > h->newest;
	return !(id & 1) || id >= h->next_id;
}

/* --- PRIORITY, RST_STREAM ------------------------------------------------- */

/* we have no tree of streams: it means nothing (section 5.3.2) */
static int on_priority(struct h2 *h, const uint8_t *p, size_t n)
{
	(void)n;
	if ((int32_t)(u32(p) & INT32_MAX) == h->id)
		return h2_fail(h, H2_PROTOCOL_ERROR);
	return h2_glitch(h, H2_GLITCH_ODD);
}

static int on_rst_stream(struct h2 *h, const uint8_t *p, size_t n)
{
	struct h2_stream *st = h2_find(h, h->id);

	(void)n;
	if (st)
		h2_stream_close(h, st, u32(p));
	/* a server can end no more streams than we open */
	return st && !h->server ? 0 : h2_glitch(h, H2_GLITCH_ODD);
}

/* --- SETTINGS ------------------------------------------------------------- */

/* all streams get what new ones have now more, or less (section 6.9.2) */
static int change_window(struct h2 *h, int32_t window)
{
	int64_t more = (int64_t)window - h->peer_window;
	struct list *n;

	h->peer_window = window;
	list_for_each (n, &h->streams) {
		struct h2_stream *st = container_of(n, struct h2_stream, node);
		int64_t v = st->send_window + more;

		if (v > INT32_MAX)
			return h2_fail(h, H2_FLOW_CONTROL_ERROR);
		st->send_window = (int32_t)v;
	}
	h2_unblock(h);
	return 0;
}

static int on_setting(struct h2 *h, uint16_t id, uint32_t v)
{
	switch (id) {
	case H2_ENABLE_PUSH:
		return v > (h->server ? 1u : 0u) ? h2_fail(h, H2_PROTOCOL_ERROR)
						 : 0;
	case H2_MAX_CONCURRENT_STREAMS:
		h->peer_streams = v;
		return 0;
	case H2_INITIAL_WINDOW_SIZE:
		return v > INT32_MAX ? h2_fail(h, H2_FLOW_CONTROL_ERROR)
				     : change_window(h, (int32_t)v);
	case H2_MAX_FRAME_SIZE: /* ours are the smallest there are */
		return v < H2_FRAME_MAX || v > (1u << 24) - 1
			       ? h2_fail(h, H2_PROTOCOL_ERROR)
			       : 0;
	case H2_ENABLE_CONNECT_PROTOCOL:
		if (v > 1 || (h->peer_connect && !v))
			return h2_fail(h, H2_PROTOCOL_ERROR);
		h->peer_connect = v;
		return 0;
	default: /* of tables we need none; what we do not know means nothing */
		return 0;
	}
}

static int on_settings(struct h2 *h, const uint8_t *p, size_t n)
{
	int rc = h2_glitch(h, H2_GLITCH_ODD);

	if (rc == 0 && (h->flags & H2_ACK) && n)
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	if (rc == 0 && n > SETTINGS_MAX * 6)
		return h2_fail(h, H2_ENHANCE_YOUR_CALM);
	if (rc == 0 && (h->flags & H2_ACK)) {
		if (!h->server)
			hpack_decoder_limit(&h->decoder, 0);
		return 0;
	}
	h->settled = true;
	for (size_t i = 0; i < n && rc == 0; i += 6)
		rc = on_setting(h, (uint16_t)(p[i] << 8 | p[i + 1]),
				u32(p + i + 2));
	if (rc == 0)
		h2_control(h, H2_SETTINGS, H2_ACK, 0, NULL, 0);
	return rc;
}

/* --- PING, GOAWAY --------------------------------------------------------- */

/* an answer costs us what the question costs the peer, and those that it does
 * not fetch fill the buffer */
static int on_ping(struct h2 *h, const uint8_t *p, size_t n)
{
	if (h->flags & H2_ACK) /* we have not asked */
		return h2_glitch(h, H2_GLITCH_ODD);
	h2_control(h, H2_PING, H2_ACK, 0, p, n);
	return 0;
}

static int h2_control_on_goaway(struct h2 *h, const uint8_t *p, size_t n)
{
	int32_t last = (int32_t)(u32(p) & INT32_MAX);
	struct list *l, *tmp;

	(void)n;
	h->going = true;
	/* what it did not take may be asked for again, elsewhere */
	list_for_each_safe (l, tmp, &h->streams) {
		struct h2_stream *st = container_of(l, struct h2_stream, node);

		if (!h->server && st->id > last)
			h2_stream_close(h, st, H2_REFUSED_STREAM);
	}
	return h2_glitch(h, H2_GLITCH_ODD);
}

/* --- WINDOW_UPDATE -------------------------------------------------------- */

static int stream_window(struct h2 *h, struct h2_stream *st, uint32_t more)
{
	bool blocked = st->send_window <= 0;

	if (!more)
		return h2_refuse(h, st, H2_PROTOCOL_ERROR, H2_GLITCH_WRONG);
	if ((int64_t)st->send_window + more > INT32_MAX)
		return h2_refuse(h, st, H2_FLOW_CONTROL_ERROR, H2_GLITCH_WRONG);
	st->send_window += (int32_t)more;
	h2_resume(h, st);
	return blocked && more < SMALL_CREDIT ? h2_glitch(h, H2_GLITCH_ODD) : 0;
}

static int connection_window(struct h2 *h, uint32_t more)
{
	bool blocked = h->send_window <= 0;

	if (!more)
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if ((int64_t)h->send_window + more > INT32_MAX)
		return h2_fail(h, H2_FLOW_CONTROL_ERROR);
	h->send_window += (int32_t)more;
	if (!blocked)
		return 0;
	h2_unblock(h);
	return more < SMALL_CREDIT ? h2_glitch(h, H2_GLITCH_ODD) : 0;
}

static int on_window_update(struct h2 *h, const uint8_t *p, size_t n)
{
	uint32_t more = u32(p) & INT32_MAX;
	struct h2_stream *st;

	(void)n;
	if (!h->id)
		return connection_window(h, more);
	st = h2_find(h, h->id);
	return st ? stream_window(h, st, more) : 0;
}

/* --- all of them ---------------------------------------------------------- */

#define ON_CONNECTION 1
#define ON_STREAM 2
#define ON_IDLE 4 /* also on one that nobody has opened */

/* what is right for each, by its head alone; without "on": never */
static const struct control {
	uint8_t on;
	uint8_t least, unit; /* bytes; unit: a multiple of it, 0: anything */
	uint16_t most;
	int (*fn)(struct h2 *h, const uint8_t *p, size_t n);
} controls[] = {
	[H2_PRIORITY] = { ON_STREAM | ON_IDLE, 5, 0, 5, on_priority },
	[H2_RST_STREAM] = { ON_STREAM, 4, 0, 4, on_rst_stream },
	[H2_SETTINGS] = { ON_CONNECTION, 0, 6, H2_FRAME_MAX, on_settings },
	/* we have said no, and clients may not */
	[H2_PUSH_PROMISE] = { 0 },
	[H2_PING] = { ON_CONNECTION, 8, 0, 8, on_ping },
	[H2_GOAWAY] = { ON_CONNECTION, 8, 0, H2_FRAME_MAX,
			h2_control_on_goaway },
	[H2_WINDOW_UPDATE] = { ON_CONNECTION | ON_STREAM, 4, 0, 4,
			       on_window_update },
	/* whose block it belongs to is known already */
	[H2_CONTINUATION] = { ON_STREAM | ON_IDLE, 0, 0, H2_FRAME_MAX, NULL },
};

int h2_control_begin(struct h2 *h)
{
	const struct control *c;

	h->at = H2_AT_REST;
	if (h->type >= ARRAY_SIZE(controls))
		return 0; /* of an extension (section 5.5) */
	c = &controls[h->type];
	if (!(c->on & (h->id ? ON_STREAM : ON_CONNECTION)))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if (h->type == H2_CONTINUATION && !h->block_id)
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if (h->left < c->least || h->left > c->most ||
	    (c->unit && h->left % c->unit))
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	if (h->id && !(c->on & ON_IDLE) && h2_is_idle(h, h->id))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	h->at = H2_AT_PAYLOAD;
	return 0;
}

int h2_control_frame(struct h2 *h, const uint8_t *p, size_t n)
{
	return controls[h->type].fn(h, p, n);
}
