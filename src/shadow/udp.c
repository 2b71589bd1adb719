/* SPDX-License-Identifier: Apache-2.0 */
/* UDP for the clients: connect-udp (RFC 9298), one socket per stream. */
#include "shadow/udp.h"

#include "shadow/reply.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"
#include "tunnel/streams.h"
#include "tunnel/target.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

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

void udp_serve(struct shadow *sh, struct mux_stream *s, const char *path)
{
	struct ipport dst;
	int fd = target_udp_parse(path, &dst) < 0 ? -EINVAL
						  : udp_open_socket(sh, &dst);

	if (fd < 0)
		reply_refuse(s, -fd, "UDP");
	else /* on failure the stream is refused already */
		(void)!udpserve_start(sh->loop, fd, sh->scratch, s);
}
