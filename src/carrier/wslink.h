/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_WSLINK_H
#define KT_CARRIER_WSLINK_H

#include "carrier/pf.h"
#include "wire/http1.h"
#include "wire/ws.h"

/** struct wslink - our end of a WebSocket; starts zeroed */
struct wslink {
	char accept[32]; /* the server's answer must have it */
	struct ws_rx rx;
	uint8_t control[WS_MAX_CONTROL];
	size_t control_len;
};

/** wslink_key() - makes the key; the "Sec-WebSocket-Key: ..." line, returned
 *  (caller frees) */
char *wslink_key(struct wslink *l);
/** wslink_accepted() - the answer is right and agrees to @protocol (RFC 6455
 *  section 4.1) */
bool wslink_accepted(const struct wslink *l, const struct http1_head *h,
		     const char *protocol, struct kt_error *err);
/** wslink_control() - a slice with op >= WS_CLOSE: answers a PING, ends @pf
 *  at a CLOSE */
void wslink_control(struct wslink *l, const struct ws_slice *s,
		    struct portforward *pf);
/** wslink_bye() - queue a CLOSE */
void wslink_bye(struct portforward *pf);

#endif
