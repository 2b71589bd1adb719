/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_TLS_H
#define KT_GATE_TLS_H

#include "base/loop.h"
#include "pipe/pipe.h"

/**
 * DOC: TLS over a socket
 *
 * A pipe (pipe/pipe.h) whose bytes go over TLS 1.2 (RFC 5246) with forward
 * secrecy and AEAD, of either side. It is opening while hands are shaken: then
 * opened(), and all else, is as with any other pipe. The library is mbedTLS,
 * and nothing of it is seen here.
 *
 * A peer's end without close_notify is eof() like one with it: what was cut is
 * seen by whoever reads the protocol inside, and many servers end like that.
 */

struct tls_config;

enum tls_side { TLS_CLIENT, TLS_SERVER };

/** struct tls_rules - all files are PEM; borrowed, but @alpn for good */
struct tls_rules {
	/* our certificate, with those that lead to the authority's behind it,
	 * and its key; a client may have none */
	const char *cert_file, *key_file;
	/* a client believes who has a certificate by one of these authorities
	 * that is good now and has the name that was asked for ... */
	const char *ca_file;
	/* ... or whose certificate is the first one of this file; NULL, NULL:
	 * it believes nobody */
	const char *pin_file;
	/* protocols (RFC 7301), the best first, NULL at the end; NULL: none. A
	 * client that offers some, and none of these, is refused. */
	const char **alpn;
};

/** tls_config_new() - read and check the files; one reference (tls_config_put)
 *  Return: NULL with @err: a file that cannot be read, or a key that is not the
 *  certificate's. */
struct tls_config *tls_config_new(enum tls_side side, const struct tls_rules *r,
				  struct kt_error *err);
/** tls_config_put() - pipes that have it keep it; NULL is allowed */
void tls_config_put(struct tls_config *c);
/** tls_config_pin_too() - a client @c believes whom @before believed by
 *  pin_file, as well; the last eight of them are kept */
void tls_config_pin_too(struct tls_config *c, const struct tls_config *before);
/** tls_config_name() - the first DNS name of our certificate that stands for
 *  one host; "": it has none. Borrowed from @c. */
const char *tls_config_name(const struct tls_config *c);

/**
 * tls_pipe_new() - shake hands on a connected socket, 10 s at most
 * @fd: taken, also on failure
 * @name: a client's: the DNS name that the server's certificate must have, and
 * that it is told (SNI, RFC 6066 section 3). An IP address is never found in
 * one. A server's: NULL.
 * Return: the pipe, or NULL with errno. Set its handler before the loop runs.
 */
struct pipe *tls_pipe_new(struct loop *l, int fd, struct tls_config *c,
			  const char *name);
/** tls_pipe_alpn() - what was agreed on; "": nothing */
const char *tls_pipe_alpn(struct pipe *p);
/** tls_pipe_why() - from inside closed(): the reason, "": the socket's error is
 *  all there is */
const char *tls_pipe_why(struct pipe *p);

#endif
