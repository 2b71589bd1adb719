/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/portforward.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/conn.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "wire/ws.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

/**
 * DOC: Port-forward in WebSocket, v4.channel.k8s.io
 *
 * Binary messages; the first byte of each is a channel: 0 is data, 1 is error
 * text. The first message of each channel is the port number, which says
 * nothing new. A text on channel 1 ends the carrier with that text.
 *
 * Sending: bytes given by one or several sends of the same batch of events
 * gather, masked, in one message ("frame"), which is sealed when it is full or
 * when the batch is over. While the socket is full the next frame fills up, so
 * messages are small when there is little to send and large when there is
 * much, as the far side likes it (its cost is per message and per byte).
 * A message is never fragmented: the kubelet loses continuation frames.
 * The memory of a frame never moves: TLS wants the same bytes again.
 */

#define FRAME_MAX ((size_t)256 << 10) /* payload of one message */
#define QUEUE_MAX ((size_t)1 << 20)   /* bytes held for sending */
#define MAX_REASON 1024
#define DEFAULT_TIMEOUT (10 * NS_SEC)

enum channel { CH_DATA, CH_ERROR, CH_NONE = -1 };

/* One message on its way out. */
struct out_frame {
	struct list node;
	uint8_t key[4];
	size_t len;	   /* payload so far */
	size_t start, end; /* of mem[], when sealed: what is still to send */
	uint8_t mem[WS_MAX_HEAD + FRAME_MAX];
};

struct portforward {
	struct carrier carrier;
	struct loop *loop;
	struct kube_conn *conn;
	char *name; /* "pod ns/name port N" */
	char accept[32];
	bool open, closed, closing;

	struct ws_rx rx;
	int channel;	     /* of the present message */
	bool paused_in_data; /* stop in the middle of the bytes at hand */
	bool got_port[2];    /* per channel: the first message is over */
	struct buf reason;   /* text of the error channel */
	uint8_t control[WS_MAX_CONTROL];
	size_t control_len;

	struct list frames;	   /* sealed, in order */
	struct out_frame *filling; /* or NULL */
	struct out_frame *spare;   /* or NULL */
	size_t queued;
	bool flushing; /* a flush is deferred */
	bool blocked;  /* a send was refused or cut: writable() is owed */
};

/* --- the end ------------------------------------------------------------- */

static void pf_closed(struct portforward *pf, const struct kt_error *why)
{
	if (pf->closed || pf->closing)
		return;
	pf->closed = true;
	kube_conn_close(pf->conn);
	pf->conn = NULL;
	pf->carrier.handler->closed(pf->carrier.user, why);
}

/* The text of the error channel says more than any code. */
static void pf_end(struct portforward *pf, int code, const char *text)
{
	struct kt_error err = { 0 };

	if (pf->reason.len)
		kt_fail(&err, ECONNREFUSED, "port-forward to %s: %.*s",
			pf->name, (int)pf->reason.len,
			(char *)buf_data(&pf->reason));
	else
		kt_fail(&err, code, "port-forward to %s: %s", pf->name, text);
	pf_closed(pf, &err);
}

/* --- sending ------------------------------------------------------------- */

static struct out_frame *frame_new(struct portforward *pf)
{
	struct out_frame *f = steal_ptr(&pf->spare);

	if (!f)
		f = malloc(sizeof(*f));
	if (!f)
		return NULL;
	list_init(&f->node);
	f->len = 0;
	if (getrandom(f->key, sizeof(f->key), 0) != sizeof(f->key))
		memset(f->key, 0x5a, sizeof(f->key));
	return f;
}

static void frame_free(struct portforward *pf, struct out_frame *f)
{
	if (pf->spare)
		free(f);
	else
		pf->spare = f;
}

static void frame_put(struct out_frame *f, const void *data, size_t n)
{
	ws_mask_copy(f->mem + WS_MAX_HEAD + f->len, data, n, f->key, f->len);
	f->len += n;
}

/* The head goes right in front of the payload. */
static void frame_seal(struct portforward *pf, struct out_frame *f,
		       enum ws_op op)
{
	uint8_t head[WS_MAX_HEAD];
	size_t n = ws_put_head(head, op, f->len, f->key);

	f->start = WS_MAX_HEAD - n;
	f->end = WS_MAX_HEAD + f->len;
	memcpy(f->mem + f->start, head, n);
	list_add_tail(&pf->frames, &f->node);
}

static void seal_filling(struct portforward *pf)
{
	if (pf->filling)
		frame_seal(pf, steal_ptr(&pf->filling), WS_BINARY);
}

/* What the socket takes; -EAGAIN, -errno, or 0 when all is gone. */
static int flush_frames(struct portforward *pf)
{
	for (;;) {
		struct out_frame *f;
		ssize_t n;

		if (list_empty(&pf->frames))
			seal_filling(pf);
		if (list_empty(&pf->frames))
			return 0;
		f = container_of(pf->frames.next, struct out_frame, node);
		n = kube_conn_send(pf->conn, f->mem + f->start,
				   f->end - f->start);
		if (n < 0)
			return (int)n;
		f->start += (size_t)n;
		if (f->start < f->end)
			continue;
		pf->queued -= f->len;
		list_del(&f->node);
		frame_free(pf, f);
	}
}

/* From the loop only: it may call the owner. */
static void pf_flush(struct portforward *pf)
{
	int rc;

	if (!pf->open || pf->closed || pf->closing)
		return;
	rc = flush_frames(pf);
	if (rc < 0 && rc != -EAGAIN) {
		pf_end(pf, ECONNRESET,
		       "the connection to the API server was lost");
		return;
	}
	if (pf->blocked && pf->queued <= QUEUE_MAX / 2) {
		pf->blocked = false;
		pf->carrier.handler->writable(pf->carrier.user);
	}
}

static void deferred_flush(void *user)
{
	struct portforward *pf = user;

	pf->flushing = false;
	pf_flush(pf);
}

static void flush_later(struct portforward *pf)
{
	if (pf->flushing)
		return;
	pf->flushing = true;
	loop_defer(pf->loop, deferred_flush, pf);
}

/* Room in the frame being filled, a new one when needed; 0: none. */
static size_t make_room(struct portforward *pf)
{
	static const uint8_t data_channel = CH_DATA;
	size_t room = QUEUE_MAX - MIN(pf->queued, QUEUE_MAX);

	if (pf->filling && pf->filling->len == FRAME_MAX)
		seal_filling(pf);
	if (!pf->filling) {
		if (room < 2)
			return 0;
		pf->filling = frame_new(pf);
		if (!pf->filling)
			return 0;
		frame_put(pf->filling, &data_channel, 1);
		pf->queued++;
		room--;
	}
	return MIN(room, FRAME_MAX - pf->filling->len);
}

static ssize_t pf_send(struct carrier *carrier, const struct iovec *iov, int n)
{
	struct portforward *pf =
		container_of(carrier, struct portforward, carrier);
	ssize_t total = 0;

	if (pf->closed)
		return -EPIPE;
	if (!pf->open)
		return -EAGAIN;
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			size_t k = MIN(make_room(pf), left);

			if (!k) {
				pf->blocked = true;
				flush_later(pf);
				return total ? total : -EAGAIN;
			}
			frame_put(pf->filling, p, k);
			pf->queued += k;
			p += k;
			left -= k;
			total += (ssize_t)k;
		}
	}
	if (total)
		flush_later(pf);
	return total;
}

static void send_control(struct portforward *pf, enum ws_op op,
			 const void *data, size_t n)
{
	struct out_frame *f;

	/* a flood of PINGs must not grow the queue without bound */
	if (pf->queued > QUEUE_MAX)
		return;
	seal_filling(pf);
	f = frame_new(pf);
	if (!f)
		return;
	frame_put(f, data, n);
	pf->queued += n;
	frame_seal(pf, f, op);
	flush_later(pf);
}

/* --- receiving ----------------------------------------------------------- */

static void on_close_frame(struct portforward *pf)
{
	char text[160];

	if (pf->control_len > 2)
		snprintf(text, sizeof(text), "closed by the API server: %.*s",
			 (int)pf->control_len - 2, (char *)pf->control + 2);
	else
		snprintf(text, sizeof(text),
			 "closed by the API server (the Pod's end is gone)");
	pf_end(pf, ECONNRESET, text);
}

static void on_control(struct portforward *pf, const struct ws_slice *s)
{
	if (s->first)
		pf->control_len = 0;
	if (s->len) /* at most WS_MAX_CONTROL in sum: the codec sees to it */
		memcpy(pf->control + pf->control_len, s->data, s->len);
	pf->control_len += s->len;
	if (!s->last)
		return;
	if (s->op == WS_PING)
		send_control(pf, WS_PONG, pf->control, pf->control_len);
	else if (s->op == WS_CLOSE)
		on_close_frame(pf);
}

static void on_error_text(struct portforward *pf, const struct ws_slice *s)
{
	size_t room = pf->reason.max - pf->reason.len;

	if (buf_put(&pf->reason, s->data, MIN(s->len, room)) < 0)
		log_debug("port-forward to %s: reason lost", pf->name);
	if (s->last && pf->reason.len)
		pf_end(pf, ECONNREFUSED, "");
}

static void on_message(struct portforward *pf, struct ws_slice s)
{
	if (s.first)
		pf->channel = CH_NONE;
	if (pf->channel == CH_NONE && s.len) {
		pf->channel = s.data[0];
		s.data++;
		s.len--;
	}
	if (pf->channel != CH_DATA && pf->channel != CH_ERROR)
		return;
	if (!pf->got_port[pf->channel]) { /* the port number, 2 bytes */
		pf->got_port[pf->channel] = s.last;
		return;
	}
	if (pf->channel == CH_ERROR)
		on_error_text(pf, &s);
	else if (s.len)
		pf->carrier.handler->data(pf->carrier.user, s.data, s.len);
}

static size_t conn_data(void *user, const uint8_t *data, size_t len)
{
	struct portforward *pf = user;
	size_t used = 0;

	pf->paused_in_data = false;
	while (used < len && pf->conn && !pf->paused_in_data) {
		struct ws_slice s;
		bool found;
		ssize_t n = ws_rx_next(&pf->rx, data + used, len - used, &s,
				       &found);

		if (n < 0) {
			pf_end(pf, EPROTO, "not a WebSocket frame");
			return len;
		}
		used += (size_t)n;
		if (found && s.op >= WS_CLOSE)
			on_control(pf, &s);
		else if (found)
			on_message(pf, s);
	}
	return used;
}

static void conn_writable(void *user)
{
	pf_flush(user);
}

static void conn_failed(void *user, const struct kt_error *why)
{
	struct portforward *pf = user;
	struct kt_error err = *why;

	if (pf->reason.len) {
		pf_end(pf, ECONNRESET, "");
		return;
	}
	kt_wrap(&err, 0, "port-forward to %s", pf->name);
	pf_closed(pf, &err);
}

/* --- opening ------------------------------------------------------------- */

/* Sec-WebSocket-Key and the answer that belongs to it (RFC 6455 section 4.2.2)
 */
static char *make_key(struct portforward *pf)
{
	uint8_t random[16], digest[SHA_DIGEST_LENGTH];
	auto_free char *joined = NULL, *b64 = NULL;
	char *key;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	key = base64_encode(random, sizeof(random));
	joined = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	SHA1((unsigned char *)joined, strlen(joined), digest);
	b64 = base64_encode(digest, sizeof(digest));
	snprintf(pf->accept, sizeof(pf->accept), "%s", b64);
	return key;
}

static bool accepted(const struct portforward *pf, const struct http1_head *h)
{
	const struct http1_field *f = http1_find(h, "sec-websocket-accept");

	return f && f->value.n == strlen(pf->accept) &&
	       memcmp(f->value.p, pf->accept, f->value.n) == 0 &&
	       http1_has_token(h, "upgrade", "websocket") &&
	       http1_has_token(h, "connection", "upgrade");
}

static bool conn_opened(void *user, const struct http1_head *h,
			struct kt_error *err)
{
	struct portforward *pf = user;

	if (!accepted(pf, h)) {
		kt_fail(err, EPROTO, "the API server's upgrade is not valid");
		return false;
	}
	if (!http1_has_token(h, "sec-websocket-protocol",
			     "v4.channel.k8s.io")) {
		kt_fail(err, EPROTO,
			"the API server does not speak "
			"v4.channel.k8s.io");
		return false;
	}
	pf->open = true;
	pf->carrier.handler->opened(pf->carrier.user);
	return true;
}

static const struct kube_conn_handler conn_handler = {
	.opened = conn_opened,
	.data = conn_data,
	.writable = conn_writable,
	.failed = conn_failed,
};

static void pf_pause(struct carrier *carrier, bool on)
{
	struct portforward *pf =
		container_of(carrier, struct portforward, carrier);

	pf->paused_in_data = on;
	if (pf->conn)
		kube_conn_pause(pf->conn, on);
}

static void free_frames(struct portforward *pf)
{
	while (!list_empty(&pf->frames)) {
		struct out_frame *f =
			container_of(pf->frames.next, struct out_frame, node);

		list_del(&f->node);
		free(f);
	}
	free(pf->filling);
	free(pf->spare);
}

static void pf_close(struct carrier *carrier)
{
	static const uint8_t going_away[2] = { 0x03, 0xe8 }; /* 1000 */
	struct portforward *pf =
		container_of(carrier, struct portforward, carrier);

	if (pf->closing)
		return;
	if (pf->open && pf->conn) { /* what the socket takes at once */
		send_control(pf, WS_CLOSE, going_away, sizeof(going_away));
		if (flush_frames(pf) < 0)
			log_debug("port-forward to %s: closed with %zu bytes "
				  "unsent",
				  pf->name, pf->queued);
	}
	pf->closing = true;
	kube_conn_close(pf->conn);
	pf->conn = NULL;
	free_frames(pf);
	buf_fini(&pf->reason);
	free(pf->name);
	loop_defer_free(pf->loop, pf);
}

static const struct carrier_ops carrier_ops = {
	.send = pf_send,
	.pause = pf_pause,
	.close = pf_close,
};

static void start(struct portforward *pf, struct kube *k, const char *ns,
		  const char *pod, uint16_t port, int64_t timeout_ns)
{
	auto_free char *base = kube_path("v1", "pods", ns, pod, "portforward");
	auto_free char *path = xasprintf("%s?ports=%u", base, port);
	auto_free char *key = make_key(pf);
	auto_free char *key_line = xasprintf("Sec-WebSocket-Key: %s", key);
	const char *const fields[] = {
		key_line,
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Protocol: v4.channel.k8s.io",
		NULL,
	};
	const struct kube_conn_request req = {
		.method = "GET",
		.path = path,
		.upgrade = "websocket",
		.fields = fields,
		.timeout_ns = timeout_ns > 0 ? timeout_ns : DEFAULT_TIMEOUT,
	};

	pf->conn = kube_conn_open(k, &req, &conn_handler, pf);
}

int portforward_open(struct carrier **out, struct kube *k, const char *ns,
		     const char *pod, uint16_t port, int64_t timeout_ns,
		     const struct carrier_handler *h, void *user,
		     struct kt_error *err)
{
	struct portforward *pf;

	if (!port || !*ns || !*pod)
		return kt_fail(err, EINVAL,
			       "port-forward needs a namespace, a "
			       "Pod and a port");
	pf = xcalloc(1, sizeof(*pf));
	pf->carrier = (struct carrier){ &carrier_ops, h, user };
	pf->loop = kube_loop(k);
	pf->name = xasprintf("pod %s/%s port %u", ns, pod, port);
	pf->channel = CH_NONE;
	list_init(&pf->frames);
	buf_init(&pf->reason, MAX_REASON);
	start(pf, k, ns, pod, port, timeout_ns);
	*out = &pf->carrier;
	return 0;
}
