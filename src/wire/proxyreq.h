/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_PROXYREQ_H
#define KT_WIRE_PROXYREQ_H

#include "base/buf.h"
#include "wire/socks.h"

/**
 * DOC: What a proxy of HTTP is asked to forward
 *
 * "GET http://host:port/path HTTP/1.1" (RFC 9112, 3.2.2): of what a program
 * that is told of a proxy does not encrypt. The server gets the path alone, the
 * name in Host, and none of what is between the program and the proxy
 * (RFC 9110, 7.6.1); "Connection: close", so that the connection is of this
 * request alone: the next one may be for another server.
 */

#define PROXYREQ_HEAD_MAX (SOCKS_HTTP_MAX + 64)

/** proxyreq_parse() - as socks_parse_http(); @head (its maximum at least
 *  PROXYREQ_HEAD_MAX): as the server gets it; -EOPNOTSUPP: it names no server,
 *  or one of another scheme */
KT_CHECK int proxyreq_parse(const uint8_t *data, size_t len,
			    struct socks_dst *dst, struct buf *head);

#endif
