/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/capstream.h"
#include "tunnel/internal.h"
#include "tunnel/target.h"
#include "wire/echo.h"

#include <errno.h>

/* echo messages over a stream: wire/echo.h */
struct tunnel_ping {
	struct loop *loop;
	struct mux_stream *stream;
	const struct tunnel_ping_ops *ops;
	void *user;
	struct capstream cs;
	bool closed;
};

static void ping_ping_free(struct tunnel_ping *p)
{
	p->closed = true;
	capstream_fini(&p->cs);
	loop_defer_free(p->loop, p);
}

static void ping_over(struct tunnel_ping *p, int error)
{
	ping_ping_free(p);
	p->ops->close(p->user, error);
}

static ssize_t ping_ping_read(void *user, uint8_t *buf, size_t len)
{
	struct tunnel_ping *p = user;

	return capstream_read(&p->cs, buf, len);
}

static bool ping_on_capsule(void *user, const struct capsule *c)
{
	struct tunnel_ping *p = user;
	struct echo_answer a;
	struct tunnel_echo e;

	if (c->type == CAPSULE_ERROR) {
		mux_stream_reset(p->stream, ECANCELED);
		ping_over(p, -capstream_error(c));
		return false;
	}
	if (c->type != CAPSULE_DATAGRAM ||
	    echo_get_answer(c->value, c->len, &a) < 0)
		return true;
	e = (struct tunnel_echo){ .id = a.id,
				  .seq = a.seq,
				  .type = a.type,
				  .code = a.code,
				  .from = a.from,
				  .payload = c->value + ECHO_ANSWER_HEAD,
				  .len = c->len - ECHO_ANSWER_HEAD };
	p->ops->answer(p->user, &e);
	return !p->closed;
}

static void ping_ping_data(void *user, const uint8_t *data, size_t n)
{
	struct tunnel_ping *p = user;
	int rc = capstream_feed(&p->cs, data, n, ping_on_capsule, p);

	if (p->closed)
		return;
	mux_stream_consume(p->stream, n);
	if (rc < 0) {
		mux_stream_reset(p->stream, ENOMEM);
		ping_over(p, rc);
	}
}

static void ping_ping_end(void *user)
{
	struct tunnel_ping *p = user;

	mux_stream_reset(p->stream, ECANCELED);
	ping_over(p, -ECONNRESET);
}

static void ping_ping_close(void *user, int error)
{
	ping_over(user, error);
}

static const struct mux_stream_ops ops = {
	.read = ping_ping_read,
	.data = ping_ping_data,
	.end = ping_ping_end,
	.close = ping_ping_close,
};

struct tunnel_ping *tunnel_ping_open(struct tunnel *t, const struct ipaddr *dst,
				     const struct tunnel_ping_ops *pops,
				     void *user)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-echo",
					 .path = path };
	struct tunnel_ping *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	target_echo_path(path, dst);
	p->loop = tunnel_loop(t);
	p->ops = pops;
	p->user = user;
	capstream_init(&p->cs);
	p->stream = tunnel_open(t, &req, &ops, p);
	if (p->stream)
		return p;
	capstream_fini(&p->cs);
	free(p);
	return NULL;
}

int tunnel_ping_send(struct tunnel_ping *p, const struct tunnel_echo *e)
{
	const struct echo_request q = { e->id, e->seq, e->ttl };
	uint8_t head[ECHO_REQUEST_HEAD];
	int rc;

	if (e->len > ECHO_PAYLOAD_MAX)
		return -EMSGSIZE;
	echo_put_request(head, &q);
	rc = capstream_put(&p->cs, CAPSULE_DATAGRAM, head, sizeof(head),
			   e->payload, e->len);
	if (rc == 0)
		mux_stream_resume(p->stream);
	return rc;
}

void tunnel_ping_close(struct tunnel_ping *p)
{
	if (!p || p->closed)
		return;
	mux_stream_reset(p->stream, ECANCELED);
	ping_ping_free(p);
}
