/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_STREAMS_H
#define KT_TUNNEL_STREAMS_H

#include "base/loop.h"
#include "tunnel/client.h"

struct mux;
struct mux_request;
struct mux_stream;

/**
 * DOC: TCP and UDP streams on a mux of one's own
 *
 * What tunnel/client.h does for a tunnel: for the shadow's end of an inbound
 * session, where there is none. Cancel, relay, send and close are those of
 * tunnel/client.h.
 */

/** tunnel_tcp_open() - @req: a CONNECT; see tunnel_tcp_dial() */
struct tunnel_tcp *tunnel_tcp_open(struct loop *loop, struct mux *m,
				   const struct mux_request *req,
				   void (*done)(void *user, int error),
				   void *user);
/** tunnel_udp_request() - @req: a connect-udp; see tunnel_udp_open() */
struct tunnel_udp *tunnel_udp_request(struct loop *loop, struct mux *m,
				      const struct mux_request *req,
				      const struct tunnel_udp_ops *ops,
				      void *user);

#define UDPSERVE_SCRATCH 65536

/**
 * udpserve_start() - answer the connect-udp stream @s (RFC 9298) with what the
 * connected datagram socket @fd (taken) sends and receives
 * @scratch: UDPSERVE_SCRATCH bytes, borrowed as long as the mux lives
 * Return: 0; -errno: the stream is reset or refused.
 */
KT_CHECK int udpserve_start(struct loop *loop, int fd, uint8_t *scratch,
			    struct mux_stream *s);

#endif
