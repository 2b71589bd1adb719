/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/capstream.h"
#include "tunnel/internal.h"
#include "tunnel/streams.h"
#include "tunnel/target.h"

#include <errno.h>

#define UDP_MAX 65507

/* connect-udp (RFC 9298) */
struct tunnel_udp {
	struct loop *loop;
	struct mux_stream *stream;
	const struct tunnel_udp_ops *ops;
	void *user;
	struct capstream cs;
	bool closed;
	bool resolving; /* nothing is sent before the answer */
};

static void udp_udp_free(struct tunnel_udp *u)
{
	u->closed = true;
	capstream_fini(&u->cs);
	loop_defer_free(u->loop, u);
}

static void udp_over(struct tunnel_udp *u, int error)
{
	udp_udp_free(u);
	u->ops->close(u->user, error);
}

static ssize_t udp_udp_read(void *user, uint8_t *buf, size_t len)
{
	struct tunnel_udp *u = user;

	return u->resolving ? -EAGAIN : capstream_read(&u->cs, buf, len);
}

static void udp_udp_head(void *user, const struct mux_head *h)
{
	struct tunnel_udp *u = user;

	if (h->error || !u->resolving)
		return; /* close() follows */
	u->resolving = false;
	mux_stream_resume(u->stream);
	if (u->ops->open)
		u->ops->open(u->user);
}

static bool udp_on_capsule(void *user, const struct capsule *c)
{
	struct tunnel_udp *u = user;

	if (c->type == CAPSULE_ERROR) {
		mux_stream_reset(u->stream, ECANCELED);
		udp_over(u, -capstream_error(c));
		return false;
	}
	if (c->type == CAPSULE_DATAGRAM && c->len >= 1 && c->value[0] == 0)
		u->ops->datagram(u->user, c->value + 1, c->len - 1);
	return !u->closed;
}

static void udp_udp_data(void *user, const uint8_t *p, size_t n)
{
	struct tunnel_udp *u = user;
	int rc = capstream_feed(&u->cs, p, n, udp_on_capsule, u);

	if (u->closed)
		return;
	mux_stream_consume(u->stream, n);
	if (rc < 0) {
		mux_stream_reset(u->stream, ENOMEM);
		udp_over(u, rc);
	}
}

static void udp_udp_end(void *user)
{
	struct tunnel_udp *u = user;

	mux_stream_reset(u->stream, ECANCELED);
	udp_over(u, -ECONNRESET);
}

static void udp_udp_close(void *user, int error)
{
	udp_over(user, error);
}

static const struct mux_stream_ops ops = {
	.read = udp_udp_read,
	.head = udp_udp_head,
	.data = udp_udp_data,
	.end = udp_udp_end,
	.close = udp_udp_close,
};

struct tunnel_udp *tunnel_udp_request(struct loop *loop, struct mux *m,
				      const struct mux_request *req,
				      const struct tunnel_udp_ops *uops,
				      void *user)
{
	struct tunnel_udp *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->loop = loop;
	u->ops = uops;
	u->user = user;
	capstream_init(&u->cs);
	u->stream = mux_open(m, req, &ops, u);
	if (u->stream)
		return u;
	capstream_fini(&u->cs);
	free(u);
	return NULL;
}

struct tunnel_udp *tunnel_udp_open(struct tunnel *t, const struct ipport *dst,
				   const struct tunnel_udp_ops *uops,
				   void *user)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "connect-udp",
					 .path = path };
	struct mux *m = tunnel_mux(t);

	target_udp_path(path, dst);
	return m ? tunnel_udp_request(tunnel_loop(t), m, &req, uops, user)
		 : NULL;
}

struct tunnel_udp *tunnel_udp_open_name(struct tunnel *t, const char *host,
					uint16_t port,
					const struct tunnel_udp_ops *uops,
					void *user)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "connect-udp",
					 .path = path };
	struct mux *m = tunnel_mux(t);
	struct tunnel_udp *u;

	if (target_udp_name_path(path, host, port) < 0) {
		errno = EINVAL;
		return NULL;
	}
	u = m ? tunnel_udp_request(tunnel_loop(t), m, &req, uops, user) : NULL;
	if (u)
		u->resolving = true;
	return u;
}

int tunnel_udp_send(struct tunnel_udp *u, const uint8_t *data, size_t len)
{
	static const uint8_t context = 0;
	int rc;

	if (len > UDP_MAX)
		return -EMSGSIZE;
	rc = capstream_put(&u->cs, CAPSULE_DATAGRAM, &context, 1, data, len);
	if (rc == 0)
		mux_stream_resume(u->stream);
	return rc;
}

void tunnel_udp_close(struct tunnel_udp *u)
{
	if (!u || u->closed)
		return;
	mux_stream_reset(u->stream, ECANCELED);
	udp_udp_free(u);
}
