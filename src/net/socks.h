/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_SOCKS_H
#define KT_NET_SOCKS_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "wire/socks.h"

/**
 * DOC: SOCKS5 proxy
 *
 * The way into the cluster that needs no privileges: programs are told to use
 * a proxy. SOCKS5 without authentication (RFC 1928: CONNECT and UDP ASSOCIATE;
 * addresses and names), and a proxy of HTTP on the same port: CONNECT, and one
 * request for each connection that is not encrypted (wire/proxyreq.h). Same
 * shape as capture.h: the owner answers, and only then the program is told that
 * it is connected.
 */

struct socks;

/** struct socks_tcp - a program's request */
struct socks_tcp {
	struct ipport src;
	struct socks_dst dst; /* a name is to be resolved in the cluster */
	/* what the far side gets before all that comes from the program;
	 * borrowed */
	const void *head;
	size_t head_len;
	void *user; /* the owner's, NULL at first */
};

/** struct socks_udp - a program's UDP association: one socket, any peers */
struct socks_udp {
	struct ipport src; /* of the TCP connection it lives with */
	void *user;	   /* the owner's, NULL at first */
};

struct socks_ops {
	/** tcp_open() - answer with socks_answer() now or later */
	void (*tcp_open)(void *user, struct socks_tcp *c);
	/** tcp_gone() - it gave up before it was connected; @c is dead then */
	void (*tcp_gone)(void *user, struct socks_tcp *c);
	/** tcp_accepted() - after the answer 0: the program's end is @fd
	 *  (taken, non-blocking); @c is dead after this */
	void (*tcp_accepted)(void *user, struct socks_tcp *c, int fd);
	/** udp() - a datagram; NULL: UDP ASSOCIATE is refused */
	void (*udp)(void *user, struct socks_udp *a,
		    const struct socks_dst *dst, const uint8_t *data,
		    size_t len);
	/** udp_gone() - the association ended; @a is dead after this */
	void (*udp_gone)(void *user, struct socks_udp *a);
};

/**
 * socks_open() - listen on @at
 * @ops: borrowed for the life of the proxy
 * Return: 0, or -errno with a hint (-EADDRINUSE, ...).
 */
KT_CHECK int socks_open(struct socks **out, struct loop *loop,
			const struct ipport *at, const struct socks_ops *ops,
			void *user, struct kt_error *err);
/** socks_close() - tcp_gone() and udp_gone() for all that is left */
void socks_close(struct socks *s);
/** socks_addr() - where it listens (the port, when 0 was asked for) */
struct ipport socks_addr(const struct socks *s);

/**
 * socks_answer() - the far side has connected, or not
 * @errnum: 0: tcp_accepted() or tcp_gone() follows, never from inside this
 * call. Otherwise @c is dead, and the program is told with the nearest code.
 */
void socks_answer(struct socks *s, struct socks_tcp *c, int errnum);

/** socks_udp_send() - a datagram from @from to the program; 0 or -errno */
KT_CHECK int socks_udp_send(struct socks_udp *a, const struct ipport *from,
			    const uint8_t *data, size_t len);

#endif
