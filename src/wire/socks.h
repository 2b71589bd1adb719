/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_SOCKS_H
#define KT_WIRE_SOCKS_H

#include "base/ipaddr.h"

/**
 * DOC: SOCKS 5 and HTTP CONNECT
 *
 * The server's side of RFC 1928 without authentication, and of the CONNECT
 * method (RFC 9110, 9.3.6). The parsers look at all bytes of a message received
 * so far and return how many of them are the message, 0 when more are needed,
 * or -errno when it never becomes one.
 */

#define SOCKS_MESSAGE_MAX 262 /* bytes of a SOCKS request */
#define SOCKS_HTTP_MAX 8192   /* bytes of an HTTP head */
#define SOCKS_HEAD_MAX 22     /* bytes of a reply or of a UDP header */

/** struct socks_dst - where to; either @host or @addr */
struct socks_dst {
	char host[256]; /* a name, or "" */
	struct ipaddr addr;
	uint16_t port;
};

enum socks_command { SOCKS_CONNECT = 1, SOCKS_BIND, SOCKS_UDP_ASSOCIATE };

struct socks_request {
	uint8_t command; /* may be none of enum socks_command */
	struct socks_dst dst;
};

/** socks_parse_greeting() - @no_auth: the client can do without
 *  authentication; bytes, 0, -EPROTO */
KT_CHECK int socks_parse_greeting(const uint8_t *data, size_t len,
				  bool *no_auth);
/** socks_parse_request() - bytes, 0, -EPROTO, -EAFNOSUPPORT (address type) */
KT_CHECK int socks_parse_request(const uint8_t *data, size_t len,
				 struct socks_request *r);
/** socks_parse_udp() - header of a datagram; its bytes, or -EPROTO (also when
 *  it is a fragment, which is optional and which we do not do) */
KT_CHECK int socks_parse_udp(const uint8_t *data, size_t len,
			     struct socks_dst *dst);
/** socks_parse_http() - "CONNECT host:port HTTP/1.1" and the fields after it;
 *  bytes, 0, -EPROTO, -EOPNOTSUPP (another method) */
KT_CHECK int socks_parse_http(const uint8_t *data, size_t len,
			      struct socks_dst *dst);

/** socks_parse_authority() - "host:port", "1.2.3.4:80", "[::1]:80"; 0, -EPROTO
 */
KT_CHECK int socks_parse_authority(const char *s, size_t len,
				   struct socks_dst *dst);

/** socks_build_reply() - @errnum 0: granted; returns its bytes */
size_t socks_build_reply(int errnum, const struct ipport *bound,
			 uint8_t out[SOCKS_HEAD_MAX]);
/** socks_build_udp() - the header in front of a datagram; returns its bytes */
size_t socks_build_udp(const struct ipport *from, uint8_t out[SOCKS_HEAD_MAX]);
/** socks_http_reply() - the whole answer to a CONNECT, a string */
const char *socks_http_reply(int errnum);

#endif
