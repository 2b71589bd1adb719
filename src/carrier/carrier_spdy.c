/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "carrier/pf.h"
#include "carrier/wslink.h"
#include "wire/spdy.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Port-forward in SPDY/3.1, upgraded to or inside WebSocket
 *
 * After the upgrade two streams are opened at once, without waiting for the
 * replies: 1 for the server's error text (half-closed by us), 3 for the data.
 * They are the only ones of the session, which ends with the data stream.
 * Inside WebSocket the same bytes are the payload of binary messages, whose
 * borders mean nothing.
 *
 * Flow control: the servers do none, in either direction; a slow reader is
 * felt through TCP. We grant a window that is never in the way, give back
 * what the owner took, and keep to a peer's windows as soon as it shows that
 * it has any (struct spdy_limit).
 *
 * The end: text on the error stream, then its FIN: the Pod's side could not be
 * connected or broke. FIN on both without a text: the Pod's side closed.
 * GOAWAY: as the streams it still serves go on, it says only why the end comes
 * next.
 */

#define PROTOCOL "portforward.k8s.io"
#define TUNNEL_PROTOCOL "SPDY/3.1+" PROTOCOL
#define WINDOW (32u << 20)
#define LATE_TEXT (NS_SEC / 2)

enum { ERROR_STREAM = 1, DATA_STREAM = 3 };

struct spdy_carrier {
	struct portforward pf;
	struct wslink link; /* inside WebSocket only */
	struct spdy_rx *rx;
	struct spdy_credit stream, session; /* what we grant */
	struct spdy_limit limit;	    /* what the peer does */
	bool data_over, error_over;	    /* FIN came */
	struct timer late;		    /* waits for the error stream */
};

static struct spdy_carrier *spdy_of(struct portforward *pf)
{
	return container_of(pf, struct spdy_carrier, pf);
}

static void put_data_head(uint8_t *dst, size_t data_len)
{
	struct wr w = wr_make(dst, SPDY_HEAD_LEN);

	spdy_put_data_head(&w, DATA_STREAM, 0, (uint32_t)data_len);
}

static int carrier_spdy_init(struct portforward *pf, bool websocket)
{
	struct spdy_carrier *s = spdy_of(pf);

	outq_init(&pf->out, websocket, SPDY_HEAD_LEN, put_data_head);
	spdy_limit_init(&s->limit);
	s->stream.window = s->session.window = WINDOW;
	s->rx = spdy_rx_new();
	return s->rx ? 0 : -ENOMEM;
}

static int bare_init(struct portforward *pf)
{
	return carrier_spdy_init(pf, false);
}

static int carrier_spdy_ws_init(struct portforward *pf)
{
	return carrier_spdy_init(pf, true);
}

static void carrier_spdy_fini(struct portforward *pf)
{
	struct spdy_carrier *s = spdy_of(pf);

	loop_timer_stop(&s->late);
	spdy_rx_free(s->rx);
	s->rx = NULL;
}

/* --- sending -------------------------------------------------------------- */

static bool put_frames(struct portforward *pf, const struct wr *w)
{
	pf_flush_later(pf);
	return !w->full &&
	       outq_control(&pf->out, WS_BINARY, w->start, wr_len(w));
}

static int put_stream(struct spdy_tx *tx, struct wr *w, uint32_t id,
		      uint8_t flags, const char *type, uint16_t port)
{
	char number[8];
	const char *const fields[] = {
		"streamtype", type, "port", number, "requestid", "0", NULL,
	};

	snprintf(number, sizeof(number), "%u", port);
	return spdy_put_syn(tx, w, SPDY_SYN_STREAM, id, flags, fields);
}

/* The one time that we send headers, so their zlib stream may go at once. */
static int put_opening(struct portforward *pf)
{
	struct spdy_tx *tx = spdy_tx_new();
	uint8_t mem[512];
	struct wr w = wr_make(mem, sizeof(mem));
	int rc = tx ? 0 : -ENOMEM;

	spdy_put_settings(&w, WINDOW);
	spdy_put_window_update(&w, 0, WINDOW - SPDY_FIRST_WINDOW);
	if (!rc)
		rc = put_stream(tx, &w, ERROR_STREAM, SPDY_FLAG_FIN, "error",
				pf->port);
	if (!rc)
		rc = put_stream(tx, &w, DATA_STREAM, 0, "data", pf->port);
	spdy_tx_free(tx);
	if (!rc && !put_frames(pf, &w))
		rc = -ENOMEM;
	return rc;
}

static size_t carrier_spdy_room(struct portforward *pf, size_t n)
{
	return MIN(n, spdy_limit_room(&spdy_of(pf)->limit));
}

static void sent(struct portforward *pf, size_t n)
{
	spdy_limit_sent(&spdy_of(pf)->limit, n);
}

static void put_bye(struct portforward *pf)
{
	uint8_t mem[64];
	struct wr w = wr_make(mem, sizeof(mem));

	spdy_put_data_head(&w, DATA_STREAM, SPDY_FLAG_FIN, 0);
	spdy_put_goaway(&w, 0, 0);
	(void)!put_frames(pf, &w);
}

static void ws_bye(struct portforward *pf)
{
	put_bye(pf);
	wslink_bye(pf);
}

/* --- receiving ------------------------------------------------------------ */

/* Windows are given back when bytes were really taken: the owner has them. */
static void carrier_spdy_give_back(struct spdy_carrier *s, uint32_t stream,
				   struct spdy_credit *c, size_t n)
{
	uint32_t delta = spdy_credit_take(c, n);
	uint8_t mem[16];
	struct wr w = wr_make(mem, sizeof(mem));

	if (!delta)
		return;
	spdy_put_window_update(&w, stream, delta);
	if (!put_frames(&s->pf, &w))
		c->taken += delta; /* later */
}

static void carrier_spdy_over(struct spdy_carrier *s)
{
	pf_end(&s->pf, ECONNRESET, "the Pod's end is gone");
}

static void on_late(struct timer *t)
{
	carrier_spdy_over(container_of(t, struct spdy_carrier, late));
}

/* containerd closes the data stream first, then it says why. */
static void on_fin(struct spdy_carrier *s, uint32_t stream)
{
	if (stream == DATA_STREAM)
		s->data_over = true;
	else if (stream == ERROR_STREAM)
		s->error_over = true;
	if (s->error_over && (s->data_over || s->pf.reason.len))
		carrier_spdy_over(s);
	else if (s->data_over)
		loop_timer_start(s->pf.loop, &s->late, LATE_TEXT, on_late);
}

static void carrier_spdy_on_data(struct spdy_carrier *s,
				 const struct spdy_event *ev)
{
	struct portforward *pf = &s->pf;

	if (ev->stream == DATA_STREAM)
		pf_give(pf, ev->data, ev->len);
	else if (ev->stream == ERROR_STREAM)
		pf_reason(pf, ev->data, ev->len);
	if (!pf->conn)
		return;
	carrier_spdy_give_back(s, 0, &s->session, ev->len);
	if (ev->stream == DATA_STREAM)
		carrier_spdy_give_back(s, DATA_STREAM, &s->stream, ev->len);
	if (ev->fin)
		on_fin(s, ev->stream);
}

static void carrier_spdy_on_goaway(struct spdy_carrier *s,
				   const struct spdy_event *ev)
{
	log_debug("port-forward to %s: GOAWAY, status %u, last stream %u",
		  s->pf.name, ev->value, ev->stream);
	if (ev->stream < DATA_STREAM)
		pf_end(&s->pf, ECONNRESET,
		       "the API server's end goes away (GOAWAY)");
}

static void on_reset(struct spdy_carrier *s, const struct spdy_event *ev)
{
	char text[80];

	if (ev->stream != DATA_STREAM && ev->stream != ERROR_STREAM)
		return;
	snprintf(text, sizeof(text), "the %s stream was reset: %s",
		 ev->stream == DATA_STREAM ? "data" : "error",
		 spdy_rst_text(ev->value));
	pf_end(&s->pf, ECONNRESET, text);
}

static void on_window(struct spdy_carrier *s, const struct spdy_event *ev)
{
	if (spdy_limit_hear(&s->limit, ev, DATA_STREAM) < 0)
		pf_end(&s->pf, EPROTO, "a SPDY window overflowed");
	else
		pf_may_send(&s->pf);
}

static void carrier_spdy_answer(struct spdy_carrier *s,
				const struct spdy_event *ev)
{
	uint8_t mem[32];
	struct wr w = wr_make(mem, sizeof(mem));

	if (ev->type == SPDY_SYN_STREAM) /* none of the server's are wanted */
		spdy_put_rst(&w, ev->stream, SPDY_RST_REFUSED_STREAM);
	else if (ev->value % 2 == 0) /* an odd PING would answer ours */
		spdy_put_ping(&w, ev->value);
	if (wr_len(&w))
		(void)!put_frames(&s->pf, &w);
}

static void carrier_spdy_on_event(struct spdy_carrier *s,
				  const struct spdy_event *ev)
{
	switch (ev->type) {
	case SPDY_DATA:
		carrier_spdy_on_data(s, ev);
		break;
	case SPDY_SYN_STREAM:
	case SPDY_PING:
		carrier_spdy_answer(s, ev);
		break;
	case SPDY_RST_STREAM:
		on_reset(s, ev);
		break;
	case SPDY_GOAWAY:
		carrier_spdy_on_goaway(s, ev);
		break;
	case SPDY_SETTINGS:
	case SPDY_WINDOW_UPDATE:
		on_window(s, ev);
		break;
	case SPDY_SYN_REPLY:
	case SPDY_HEADERS:
		break;
	}
}

static void bare_data(struct portforward *pf, const uint8_t *data, size_t len)
{
	struct spdy_carrier *s = spdy_of(pf);
	size_t used = 0;

	while (used < len && pf->conn) {
		struct spdy_event ev;
		bool found;
		ssize_t n = spdy_rx_next(s->rx, data + used, len - used, &ev,
					 &found);

		if (n < 0) {
			pf_end(pf, EPROTO, "not a SPDY frame");
			return;
		}
		used += (size_t)n;
		if (found)
			carrier_spdy_on_event(s, &ev);
	}
}

static void carrier_spdy_ws_data(struct portforward *pf, const uint8_t *data,
				 size_t len)
{
	struct spdy_carrier *s = spdy_of(pf);
	size_t used = 0;

	while (used < len && pf->conn) {
		struct ws_slice slice;
		bool found;
		ssize_t n = ws_rx_next(&s->link.rx, data + used, len - used,
				       &slice, &found);

		if (n < 0) {
			pf_end(pf, EPROTO, "not a WebSocket frame");
			return;
		}
		used += (size_t)n;
		if (found && slice.op >= WS_CLOSE)
			wslink_control(&s->link, &slice, pf);
		else if (found)
			bare_data(pf, slice.data, slice.len);
	}
}

/* --- opening -------------------------------------------------------------- */

static void bare_fields(struct portforward *pf, struct strv *fields)
{
	(void)pf;
	strv_add(fields, "X-Stream-Protocol-Version: " PROTOCOL);
	strv_add(fields, "Content-Length: 0");
}

static void carrier_spdy_ws_fields(struct portforward *pf, struct strv *fields)
{
	strv_take(fields, wslink_key(&spdy_of(pf)->link));
	strv_add(fields, "Sec-WebSocket-Version: 13");
	strv_add(fields, "Sec-WebSocket-Protocol: " TUNNEL_PROTOCOL);
}

static bool carrier_spdy_begin(struct portforward *pf, struct kt_error *err)
{
	int rc = put_opening(pf);

	if (rc < 0)
		kt_fail(err, -rc, "SPDY: %s", strerror(-rc));
	return rc == 0;
}

static bool bare_opened(struct portforward *pf, const struct http1_head *h,
			struct kt_error *err)
{
	if (!http1_has_token(h, "upgrade", "SPDY/3.1") ||
	    !http1_has_token(h, "connection", "upgrade")) {
		kt_fail(err, EPROTO, "the API server's upgrade is not valid");
		return false;
	}
	return carrier_spdy_begin(pf, err);
}

static bool carrier_spdy_ws_opened(struct portforward *pf,
				   const struct http1_head *h,
				   struct kt_error *err)
{
	return wslink_accepted(&spdy_of(pf)->link, h, TUNNEL_PROTOCOL, err) &&
	       carrier_spdy_begin(pf, err);
}

const struct pf_ops pf_spdy_ops = {
	.size = sizeof(struct spdy_carrier),
	.method = "POST",
	.upgrade = "SPDY/3.1",
	.init = bare_init,
	.fini = carrier_spdy_fini,
	.fields = bare_fields,
	.opened = bare_opened,
	.data = bare_data,
	.room = carrier_spdy_room,
	.sent = sent,
	.bye = put_bye,
};

const struct pf_ops pf_spdy_websocket_ops = {
	.size = sizeof(struct spdy_carrier),
	.method = "GET",
	.upgrade = "websocket",
	.init = carrier_spdy_ws_init,
	.fini = carrier_spdy_fini,
	.fields = carrier_spdy_ws_fields,
	.opened = carrier_spdy_ws_opened,
	.data = carrier_spdy_ws_data,
	.room = carrier_spdy_room,
	.sent = sent,
	.bye = ws_bye,
};
