/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/wslink.h"

#include "base/mem.h"
#include "kube/encode.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

/* The answer that belongs to the key: RFC 6455 section 4.2.2 */
char *wslink_key(struct wslink *l)
{
	uint8_t random[16], digest[SHA_DIGEST_LENGTH];
	auto_free char *joined = NULL, *b64 = NULL, *key = NULL;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	key = base64_encode(random, sizeof(random));
	joined = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	SHA1((unsigned char *)joined, strlen(joined), digest);
	b64 = base64_encode(digest, sizeof(digest));
	snprintf(l->accept, sizeof(l->accept), "%s", b64);
	return xasprintf("Sec-WebSocket-Key: %s", key);
}

bool wslink_accepted(const struct wslink *l, const struct http1_head *h,
		     const char *protocol, struct kt_error *err)
{
	const struct http1_field *f = http1_find(h, "sec-websocket-accept");

	if (!f || f->value.n != strlen(l->accept) ||
	    memcmp(f->value.p, l->accept, f->value.n) != 0 ||
	    !http1_has_token(h, "upgrade", "websocket") ||
	    !http1_has_token(h, "connection", "upgrade")) {
		kt_fail(err, EPROTO, "the API server's upgrade is not valid");
		return false;
	}
	if (!http1_has_token(h, "sec-websocket-protocol", protocol)) {
		kt_fail(err, EPROTO, "the API server does not speak %s",
			protocol);
		return false;
	}
	return true;
}

static void wslink_on_close(struct wslink *l, struct portforward *pf)
{
	char text[64 + WS_MAX_CONTROL];

	if (l->control_len > 2) /* behind the code */
		snprintf(text, sizeof(text), "closed by the API server: %.*s",
			 (int)l->control_len - 2, (char *)l->control + 2);
	else
		snprintf(text, sizeof(text),
			 "closed by the API server (the Pod's end is gone)");
	pf_end(pf, ECONNRESET, text);
}

void wslink_control(struct wslink *l, const struct ws_slice *s,
		    struct portforward *pf)
{
	if (s->first)
		l->control_len = 0;
	if (s->len) /* at most WS_MAX_CONTROL in sum: the codec sees to it */
		memcpy(l->control + l->control_len, s->data, s->len);
	l->control_len += s->len;
	if (!s->last)
		return;
	if (s->op == WS_CLOSE) {
		wslink_on_close(l, pf);
	} else if (s->op == WS_PING) {
		(void)!outq_control(&pf->out, WS_PONG, l->control,
				    l->control_len);
		pf_flush_later(pf);
	}
}

void wslink_bye(struct portforward *pf)
{
	static const uint8_t normal[2] = { 0x03, 0xe8 }; /* 1000 */

	(void)!outq_control(&pf->out, WS_CLOSE, normal, sizeof(normal));
}
