/* SPDX-License-Identifier: Apache-2.0 */
/* The far end of connect-udp (RFC 9298), one socket per stream. */
#include "tunnel/streams.h"

#include "base/mem.h"
#include "tunnel/capstream.h"
#include "tunnel/mux.h"
#include "tunnel/status.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The socket is read only when the mux asks for bytes, so a stream that may
 * not send leaves the datagrams in the kernel, which drops what is too much.
 */
struct udp_associations {
	struct loop *loop;
	uint8_t *scratch;
	struct mux_stream *stream;
	struct watch watch; /* owns the fd; edge-triggered */
	bool readable, over;
	struct capstream cs;
};

static void udpserve_udp_free(struct udp_associations *u)
{
	u->over = true;
	loop_watch_stop(&u->watch);
	close(u->watch.fd);
	capstream_fini(&u->cs);
	loop_defer_free(u->loop, u);
}

/* the network said no: tell the client, then end */
static void udp_fail(struct udp_associations *u, int error)
{
	if (u->cs.ending)
		return;
	capstream_end(&u->cs, error, strerror(error));
	mux_stream_resume(u->stream);
}

/* one datagram into the queue; false when there is none */
static bool take_one(struct udp_associations *u)
{
	static const uint8_t context = 0;
	uint8_t *mem = u->scratch;
	ssize_t n = recv(u->watch.fd, mem, UDPSERVE_SCRATCH, MSG_DONTWAIT);

	if (n < 0) {
		if (errno == EAGAIN)
			u->readable = false;
		else if (errno != EINTR)
			udp_fail(u, errno);
		return false;
	}
	(void)capstream_put(&u->cs, CAPSULE_DATAGRAM, &context, 1, mem,
			    (size_t)n);
	return true;
}

static ssize_t udpserve_udp_read(void *user, uint8_t *buf, size_t len)
{
	struct udp_associations *u = user;

	while (u->readable && !u->cs.ending && u->cs.out.len < len)
		if (!take_one(u))
			break;
	return capstream_read(&u->cs, buf, len);
}

static bool udpserve_on_capsule(void *user, const struct capsule *c)
{
	struct udp_associations *u = user;

	if (c->type != CAPSULE_DATAGRAM || c->len < 1 || c->value[0] != 0)
		return true;
	if (send(u->watch.fd, c->value + 1, c->len - 1,
		 MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE)
		udp_fail(u, errno);
	return true;
}

static void udpserve_udp_data(void *user, const uint8_t *p, size_t n)
{
	struct udp_associations *u = user;

	mux_stream_consume(u->stream, n);
	if (capstream_feed(&u->cs, p, n, udpserve_on_capsule, u) < 0)
		udp_fail(u, ENOMEM);
}

static void udpserve_udp_end(void *user)
{
	struct udp_associations *u = user;

	u->cs.ending = true;
	mux_stream_resume(u->stream);
}

static void udpserve_udp_close(void *user, int error)
{
	(void)error;
	udpserve_udp_free(user);
}

static const struct mux_stream_ops ops = {
	.read = udpserve_udp_read,
	.data = udpserve_udp_data,
	.end = udpserve_udp_end,
	.close = udpserve_udp_close,
};

static void udpserve_on_event(struct watch *w, uint32_t events)
{
	struct udp_associations *u =
		container_of(w, struct udp_associations, watch);

	(void)events;
	u->readable = true;
	mux_stream_resume(u->stream);
}

int udpserve_start(struct loop *loop, int fd, uint8_t *scratch,
		   struct mux_stream *s)
{
	struct udp_associations *u = calloc(1, sizeof(*u));
	int rc = -ENOMEM;

	if (u)
		rc = loop_watch_start(loop, &u->watch, fd,
				      EPOLLIN | (uint32_t)EPOLLET,
				      udpserve_on_event);
	if (rc < 0) {
		mux_stream_refuse(s, status_http(-rc), -rc, "UDP");
		close(fd);
		free(u);
		return rc;
	}
	u->loop = loop;
	u->scratch = scratch;
	u->stream = s;
	capstream_init(&u->cs);
	rc = mux_stream_accept(s, NULL, &ops, u);
	if (rc < 0) {
		mux_stream_reset(s, ENOMEM);
		udpserve_udp_free(u);
	}
	return rc;
}
