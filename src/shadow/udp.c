/* SPDX-License-Identifier: Apache-2.0 */
/* UDP for the clients: connect-udp (RFC 9298), one socket per stream. */
#include "shadow/udp.h"

#include "base/mem.h"
#include "shadow/reply.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"
#include "tunnel/mux.h"
#include "tunnel/streams.h"
#include "tunnel/target.h"

#include <errno.h>
#include <sys/socket.h>

/* the descriptor, or -errno */
static int udp_open_socket(struct shadow *sh, const struct ipport *dst)
{
	const int big = 1 << 20;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(dst, &ss);
	int fd = socket_open(sh, dst->addr.family, SOCK_DGRAM, 0);
	int rc = 0;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	if (connect(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* @fd: or -errno */
static void udp_answer(struct shadow *sh, struct mux_stream *s, int fd)
{
	if (fd < 0)
		reply_refuse(s, -fd, "UDP");
	else /* on failure the stream is refused already */
		(void)!udpserve_start(sh->loop, fd, sh->scratch, s);
}

/* --- names ---------------------------------------------------------------- */

/* struct udp_name - a stream whose name is being resolved */
struct udp_name {
	struct shadow *sh;
	struct mux_stream *stream;
	struct resolve *resolve;
	uint16_t port;
};

static void udp_name_free(struct udp_name *n)
{
	if (n->resolve)
		resolve_cancel(n->resolve);
	loop_defer_free(n->sh->loop, n);
}

/* The first address to which there is a way */
static void udp_on_resolved(void *user, int error, const struct ipaddr *addr,
			    size_t naddr)
{
	struct udp_name *n = user;
	int fd = error;

	n->resolve = NULL;
	for (size_t i = 0; i < naddr; i++) {
		const struct ipport to = { .addr = addr[i], .port = n->port };

		fd = udp_open_socket(n->sh, &to);
		if (fd >= 0)
			break;
	}
	udp_answer(n->sh, n->stream, fd);
	udp_name_free(n);
}

static void udp_name_data(void *user, const uint8_t *p, size_t len)
{
	struct udp_name *n = user;

	(void)p;
	(void)len;
	/* our client waits for the answer; whoever does not is refused */
	mux_stream_reset(n->stream, EPROTO);
	udp_name_free(n);
}

static void udp_name_close(void *user, int error)
{
	(void)error;
	udp_name_free(user);
}

static void udp_serve_name(struct shadow *sh, struct mux_stream *s,
			   const char *host, uint16_t port)
{
	static const struct mux_stream_ops ops = {
		.data = udp_name_data,
		.close = udp_name_close,
	};
	struct udp_name *n = calloc(1, sizeof(*n));

	if (!n) {
		reply_refuse(s, ENOMEM, NULL);
		return;
	}
	n->sh = sh;
	n->stream = s;
	n->port = port;
	mux_stream_set_ops(s, &ops, n);
	n->resolve = resolve_start(sh, host, udp_on_resolved, n);
	if (n->resolve)
		return;
	reply_refuse(s, errno, "resolve");
	udp_name_free(n);
}

void udp_serve(struct shadow *sh, struct mux_stream *s, const char *path)
{
	char host[TARGET_HOST_MAX];
	struct ipport dst;
	uint16_t port;

	if (target_udp_parse(path, &dst) == 0)
		udp_answer(sh, s, udp_open_socket(sh, &dst));
	else if (target_udp_name_parse(path, host, &port) == 0)
		udp_serve_name(sh, s, host, port);
	else
		reply_refuse(s, EINVAL, "UDP");
}
