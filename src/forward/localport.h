/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_LOCALPORT_H
#define KT_FORWARD_LOCALPORT_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "net/listener.h"

#include <stdbool.h>

/**
 * DOC: A local port that can refuse
 *
 * The kernel accepts for a TCP socket that listens, whatever its program
 * thinks; so one that is to refuse must not listen. It keeps its port from
 * the beginning (bound, so nobody else takes it), and listens only while it is
 * open. Shut, a connection is refused, as if nobody were there: Linux brings a
 * listening socket back to "bound" by shutdown(2).
 *
 * UDP likewise: shut, its socket is connected to itself, so that what others
 * send finds no socket and gets ICMP port unreachable.
 */

#define LOCALPORT_ADDRS_MAX 8

struct localport;

/** struct localport_place - one address of it */
struct localport_place {
	struct localport *port;
	struct ipport at;
	int fd;			  /* keeps the port */
	struct listener listener; /* TCP, while it is open */
	struct watch watch;	  /* UDP, likewise */
};

struct localport_ops {
	/** accepted() - TCP; @fd is taken */
	void (*accepted)(void *user, int fd, const struct ipport *peer);
	/** readable() - UDP: a datagram waits at @p->fd */
	void (*readable)(void *user, struct localport_place *p);
};

struct localport {
	struct loop *loop;
	const struct localport_ops *ops;
	void *user;
	bool udp, open;
	uint16_t port; /* after localport_bind() */
	struct localport_place place[LOCALPORT_ADDRS_MAX];
	size_t n;
};

/**
 * localport_bind() - keep port @port (0: any) at each of @addrs; shut
 * @n: how many; 0: the loopback addresses, without ::1 where there is no IPv6
 * Return: 0, or -errno with @err and a hint; nothing is kept then.
 */
KT_CHECK int localport_bind(struct localport *l, bool udp, uint16_t port,
			    const struct ipaddr *addrs, size_t n,
			    struct kt_error *err);
/** localport_start() - who comes is told to @ops (borrowed); still shut */
void localport_start(struct localport *l, struct loop *loop,
		     const struct localport_ops *ops, void *user);
/** localport_set() - open or shut it; who waits to be accepted is reset by
 * that. 0, or -errno with @err: somebody else has the port now */
KT_CHECK int localport_set(struct localport *l, bool open,
			   struct kt_error *err);
/** localport_stop() - give the port up; safe on a zeroed one */
void localport_stop(struct localport *l);

#endif
