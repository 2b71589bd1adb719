/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "carrier/pf.h"
#include "carrier/wslink.h"

#include <errno.h>

/**
 * DOC: Port-forward in WebSocket, v4.channel.k8s.io
 *
 * Binary messages; the first byte of each is a channel: 0 is data, 1 is error
 * text. The first message of each channel is the port number, which says
 * nothing new. A text on channel 1 ends the carrier with that text.
 */

#define PROTOCOL "v4.channel.k8s.io"

enum channel { CH_DATA, CH_ERROR, CH_NONE = -1 };

struct ws_carrier {
	struct portforward pf;
	struct wslink link;
	int channel;	  /* of the present message */
	bool got_port[2]; /* per channel: the first message is over */
};

static struct ws_carrier *ws_of(struct portforward *pf)
{
	return container_of(pf, struct ws_carrier, pf);
}

static void put_channel(uint8_t *dst, size_t data_len)
{
	(void)data_len;
	dst[0] = CH_DATA;
}

static int carrier_ws_ws_init(struct portforward *pf)
{
	outq_init(&pf->out, true, 1, put_channel);
	ws_of(pf)->channel = CH_NONE;
	return 0;
}

static void ws_fini(struct portforward *pf)
{
	(void)pf;
}

static void carrier_ws_ws_fields(struct portforward *pf, struct strv *fields)
{
	strv_take(fields, wslink_key(&ws_of(pf)->link));
	strv_add(fields, "Sec-WebSocket-Version: 13");
	strv_add(fields, "Sec-WebSocket-Protocol: " PROTOCOL);
}

static bool carrier_ws_ws_opened(struct portforward *pf,
				 const struct http1_head *h,
				 struct kt_error *err)
{
	return wslink_accepted(&ws_of(pf)->link, h, PROTOCOL, err);
}

static void on_message(struct ws_carrier *w, struct ws_slice s)
{
	struct portforward *pf = &w->pf;

	if (s.first)
		w->channel = CH_NONE;
	if (w->channel == CH_NONE && s.len) {
		w->channel = s.data[0];
		s.data++;
		s.len--;
	}
	if (w->channel != CH_DATA && w->channel != CH_ERROR)
		return;
	if (!w->got_port[w->channel]) { /* the port number, 2 bytes */
		w->got_port[w->channel] = s.last;
	} else if (w->channel == CH_DATA) {
		pf_give(pf, s.data, s.len);
	} else {
		pf_reason(pf, s.data, s.len);
		if (s.last && pf->reason.len)
			pf_end(pf, ECONNREFUSED, "");
	}
}

static void carrier_ws_ws_data(struct portforward *pf, const uint8_t *data,
			       size_t len)
{
	struct ws_carrier *w = ws_of(pf);
	size_t used = 0;

	while (used < len && pf->conn) {
		struct ws_slice s;
		bool found;
		ssize_t n = ws_rx_next(&w->link.rx, data + used, len - used, &s,
				       &found);

		if (n < 0) {
			pf_end(pf, EPROTO, "not a WebSocket frame");
			return;
		}
		used += (size_t)n;
		if (found && s.op >= WS_CLOSE)
			wslink_control(&w->link, &s, pf);
		else if (found)
			on_message(w, s);
	}
}

const struct pf_ops pf_websocket_ops = {
	.size = sizeof(struct ws_carrier),
	.method = "GET",
	.upgrade = "websocket",
	.query = "ports=",
	.init = carrier_ws_ws_init,
	.fini = ws_fini,
	.fields = carrier_ws_ws_fields,
	.opened = carrier_ws_ws_opened,
	.data = carrier_ws_ws_data,
	.bye = wslink_bye,
};
