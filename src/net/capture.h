/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_CAPTURE_H
#define KT_NET_CAPTURE_H

#include "base/ipaddr.h"
#include "base/loop.h"

/**
 * DOC: Capture
 *
 * Takes the traffic of local programs to some address ranges and hands it to
 * the owner: TCP as accepted sockets, UDP and ICMP echo as packets. A TCP
 * connection is held until the owner has answered, so a program's connect()
 * succeeds only after the far side has connected. How it is done is private
 * (see capture_ns.c); nothing of it outlives the process.
 *
 * Works on the network namespace of the thread that calls capture_open(), and
 * needs CAP_NET_ADMIN and CAP_SYS_ADMIN over it. All callbacks come from the
 * event loop. Any function here may be called from inside a callback.
 *
 * The second way, capture_config.redirect, is for machines that do not allow
 * the first (a container with nothing but CAP_NET_ADMIN). It is less true: a
 * program's connect() succeeds before the far side has connected, and a failure
 * is a reset afterwards; UDP has no errors; ping is not captured; nor is what
 * this machine only forwards. There is no device: capture_ifname() is NULL.
 */

struct capture;
struct capture_link;

/** struct capture_tcp - a program's connection attempt */
struct capture_tcp {
	struct ipport src, dst;
	void *user;   /* the owner's, NULL at first */
	bool outside; /* the owner's, false at first */
};

/** struct capture_echo - a program's ping; @data is borrowed */
struct capture_echo {
	struct ipaddr src, dst;
	uint16_t id, seq;
	uint8_t ttl;
	const uint8_t *data;
	size_t len;
};

struct capture_ops {
	/** tcp_open() - a program connects; answer with capture_tcp_answer()
	 *  now or later */
	void (*tcp_open)(void *user, struct capture_tcp *c);
	/** tcp_gone() - it gave up before it was connected; @c is dead then */
	void (*tcp_gone)(void *user, struct capture_tcp *c);
	/** tcp_accepted() - after the answer 0: the program's end is @fd
	 *  (taken, non-blocking); @c is dead after this */
	void (*tcp_accepted)(void *user, struct capture_tcp *c, int fd);
	/** udp() - a datagram; @data is borrowed */
	void (*udp)(void *user, const struct ipport *src,
		    const struct ipport *dst, const uint8_t *data, size_t len);
	/** icmp_echo() - a ping; answer with capture_echo_reply() or
	 *  capture_echo_error(), or not at all */
	void (*icmp_echo)(void *user, const struct capture_echo *e);
};

#define CAPTURE_IFNAME "kt0"

/** struct capture_config - zero means the default */
struct capture_config {
	const char *ifname; /* of the device; NULL: CAPTURE_IFNAME */
	bool redirect;	    /* on this machine itself, without namespace, TUN
			       and privileges but CAP_NET_ADMIN; see below */
	bool ipv6;	    /* IPv6 too, where this machine has it */
	bool replace;	    /* a device of that name is a dead one's: the caller
			       knows that no other capture runs */
	int mtu;	    /* 65520 */
	size_t max_held;    /* TCP attempts at a time, 32768 */
	/* the kernel objects are there already, made in the namespaces of the
	 * programs by a process that lives there (capture_link.h); taken. NULL:
	 * they are made, in this one */
	struct capture_link *link;
	/** open() - somebody else's way to capture (capture_impl.h); NULL: one
	 *  of ours */
	int (*open)(struct capture **out, const struct capture *base,
		    void *user, struct kt_error *err);
	void *open_user;
};

/**
 * capture_open() - make the device, ready for capture_route_add()
 * @ops: borrowed for the life of the capture
 * Return: 0; -EEXIST when the device exists (another capture runs); -EPERM,
 * -ENOENT, ... with a hint when this machine does not allow it.
 */
KT_CHECK int capture_open(struct capture **out, struct loop *loop,
			  const struct capture_config *cfg,
			  const struct capture_ops *ops, void *user,
			  struct kt_error *err);

/**
 * capture_close() - remove device and routes, reset what is still open
 *
 * Calls tcp_gone() for every attempt that was not accepted. Accepted sockets
 * stay the owner's, but lead nowhere.
 */
void capture_close(struct capture *cap);

/** capture_ifname() - NULL when there is no device */
const char *capture_ifname(const struct capture *cap);
int capture_ifindex(const struct capture *cap);
/** capture_has_ipv6() - IPv6 prefixes can be added */
bool capture_has_ipv6(const struct capture *cap);
/** capture_addr() - this machine's address on the device; family 0: none */
struct ipaddr capture_addr(const struct capture *cap, int family);

/** capture_route_add() - capture @p from now on; -EEXIST: there is such a
 *  route already */
KT_CHECK int capture_route_add(struct capture *cap, const struct ipprefix *p,
			       struct kt_error *err);
KT_CHECK int capture_route_del(struct capture *cap, const struct ipprefix *p,
			       struct kt_error *err);

/**
 * capture_tcp_answer() - the far side has connected, or not
 * @errnum: 0: tcp_accepted() or tcp_gone() follows, never from inside this
 * call. Otherwise @c is dead: ECONNREFUSED, ECONNRESET: refused; EHOSTUNREACH,
 * ENETUNREACH, EACCES: that error (EACCES is EHOSTUNREACH on IPv4); ETIMEDOUT:
 * silence, until the program's own time-out; others: EHOSTUNREACH.
 */
void capture_tcp_answer(struct capture *cap, struct capture_tcp *c, int errnum);

/**
 * capture_tcp_finish() - close an accepted socket in peace
 * @fd: taken; both directions have ended: EOF was read and SHUT_WR was done
 *
 * A plain close() is an abort: what the program has not read yet is thrown
 * away and it gets a reset, as the end of this process would do. This keeps the
 * socket until the program's kernel has taken everything.
 */
void capture_tcp_finish(struct capture *cap, int fd);

/** capture_udp_send() - a datagram to a program; 0, -EMSGSIZE, -errno */
KT_CHECK int capture_udp_send(struct capture *cap, const struct ipport *from,
			      const struct ipport *to, const uint8_t *data,
			      size_t len);
/**
 * capture_udp_error() - what @src has sent to @dst was not delivered
 * @errnum: as for capture_tcp_answer(); a connected socket gets that error.
 */
void capture_udp_error(struct capture *cap, const struct ipport *src,
		       const struct ipport *dst, int errnum);

/** capture_echo_reply() - @e as it came in (members copied by the owner);
 *  0, -EMSGSIZE, -errno */
KT_CHECK int capture_echo_reply(struct capture *cap,
				const struct capture_echo *e);
/** capture_echo_error() - the ping was not delivered; @errnum as above */
void capture_echo_error(struct capture *cap, const struct capture_echo *e,
			int errnum);

/** struct capture_stats - for tests and --debug */
struct capture_stats {
	size_t held, finishing;
	uint64_t syns, repeated, refused_full, strays, udp_in, packets;
};

void capture_get_stats(const struct capture *cap, struct capture_stats *s);

#endif
