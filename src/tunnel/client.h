/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_CLIENT_H
#define KT_TUNNEL_CLIENT_H

#include "base/carrier.h"
#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"
#include "base/str.h"
#include "tunnel/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The laptop's end of the tunnel
 *
 * A tunnel is a session with HTTP/2 on it. It opens no carriers itself: the
 * owner does, and hands each to tunnel_attach(); when one dies, lost() asks
 * for the next. Streams survive that. When the session cannot be resumed
 * (away for too long, the shadow is gone), every stream is closed and dead()
 * is called; the next tunnel_attach() then begins a fresh session.
 *
 * Errors in callbacks are 0 or -errno, as a program in the Pod would have met
 * them: -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, ...; -ENETRESET means that
 * the tunnel itself died. No callback is called from inside the function that
 * begins an operation, and none after its cancel or close function.
 */

struct envmark;
struct tunnel;

enum tunnel_state {
	TUNNEL_DOWN, /* not attached yet, or the session is dead */
	TUNNEL_CONNECTING,
	TUNNEL_UP,
	TUNNEL_LOST, /* was up; waits for a carrier, streams are kept */
};

struct tunnel_events {
	/** up() - a fresh session runs */
	void (*up)(void *user);
	/** resumed() - the session goes on over another carrier */
	void (*resumed)(void *user);
	/** lost() - the carrier is gone: open another, tunnel_attach() it */
	void (*lost)(void *user, const struct kt_error *why);
	/** dead() - the streams are gone; @why->code EPROTONOSUPPORT: the
	 *  shadow is of another version, do not try again */
	void (*dead)(void *user, const struct kt_error *why);
	/** bulk() - a carrier more, beside the attached one, for streams that
	 *  carry much (tunnel/scheduler.h); NULL: not now. May be NULL: never
	 */
	struct carrier *(*bulk)(void *user);
};

/** tunnel_new() - @cfg (copied) may be NULL: defaults; @ev borrowed */
struct tunnel *tunnel_new(struct loop *loop, const struct session_config *cfg,
			  const struct tunnel_events *ev, void *user);
/** tunnel_free() - say goodbye (CLOSE), close everything; no event follows,
 *  but every open stream's callback gets -ECANCELED */
void tunnel_free(struct tunnel *t);
/** tunnel_leave() - likewise, with session_leave() */
void tunnel_leave(struct tunnel *t, struct farewell *f);
/**
 * tunnel_front() - a tunnel without a session of its own, for those who begin
 * operations: they begin in the one that it leads to, and stay there when it
 * leads to another later. It is not attached, and has an environment of its
 * own (tunnel_set_env()).
 */
struct tunnel *tunnel_front(struct loop *loop);
/** tunnel_lead() - new operations on @front are @to's (borrowed; NULL:
 *  nobody's, as while a tunnel is down) */
void tunnel_lead(struct tunnel *front, struct tunnel *to);
/** tunnel_led() - where @front leads to; NULL: to nobody */
struct tunnel *tunnel_led(const struct tunnel *front);
/** tunnel_set_env() - HTTP requests on TCP streams that are dialled from now on
 *  get @mark (borrowed; NULL: none), where they
 *  have none. A shadow that is not able_env does nothing for it. */
void tunnel_set_env(struct tunnel *t, const struct envmark *mark);
/** tunnel_attach() - use @c (taken; may be opening still) from now on */
void tunnel_attach(struct tunnel *t, struct carrier *c);
enum tunnel_state tunnel_state(const struct tunnel *t);
/** tunnel_stats() - of the present session; zeroes when there is none */
void tunnel_stats(const struct tunnel *t, struct session_stats *st);
/** tunnel_bulk_stats() - of the session for bulk; zeroes when there is none */
void tunnel_bulk_stats(const struct tunnel *t, struct session_stats *st);
/** tunnel_probe() - see session_probe(); the answer is in tunnel_stats() */
void tunnel_probe(struct tunnel *t);
/** tunnel_suspect() - see session_suspect() */
void tunnel_suspect(struct tunnel *t);
size_t tunnel_streams(const struct tunnel *t);

/* --- TCP ------------------------------------------------------------------ */

struct tunnel_tcp;

/**
 * tunnel_tcp_dial() - have the shadow connect to @dst
 * @done: once, with 0 (the far side has connected: call tunnel_tcp_relay() or
 * tunnel_tcp_cancel()) or -errno (the handle is gone)
 * Return: the handle, or NULL with errno (ENOTCONN: the tunnel is down).
 */
struct tunnel_tcp *tunnel_tcp_dial(struct tunnel *t, const struct ipport *dst,
				   void (*done)(void *user, int error),
				   void *user);
/** tunnel_tcp_dial_name() - the same by name, which the shadow resolves as a
 *  program in the Pod would */
struct tunnel_tcp *tunnel_tcp_dial_name(struct tunnel *t, const char *host,
					uint16_t port,
					void (*done)(void *user, int error),
					void *user);
/** tunnel_tcp_cancel() - give up; frees the handle */
void tunnel_tcp_cancel(struct tunnel_tcp *tcp);
struct pace;
/** tunnel_tcp_pace() - after done(0): the relay is slowed down by @pace (taken)
 */
void tunnel_tcp_pace(struct tunnel_tcp *tcp, struct pace *pace);
struct relay_hooks;
/**
 * tunnel_tcp_relay() - after done(0): couple @fd (taken) with it; frees the
 * handle
 * @hooks: see tunnel/relay.h (finish(), done()); borrowed; may be NULL
 * Return: 0 or -errno; the far side sees a reset then, @fd is closed.
 */
KT_CHECK int tunnel_tcp_relay(struct tunnel_tcp *tcp, int fd,
			      const struct relay_hooks *hooks, void *user);

/** tunnel_files_open() - a stream to the Pod's volumes (wire/fsmsg.h), for
 *  which @secret has to be known; else as tunnel_tcp_dial() */
struct tunnel_tcp *tunnel_files_open(struct tunnel *t, const char *secret,
				     void (*done)(void *user, int error),
				     void *user);

/* --- DNS ------------------------------------------------------------------ */

struct tunnel_dns;

/**
 * tunnel_dns_query() - ask the Pod's name server (RFC 8484)
 * @msg: a DNS query, sent on unchanged but for the id, which the reply has
 * @tcp: ask over TCP; without it a truncated reply is asked again over TCP
 * @done: once: 0 with the reply (borrowed), or -errno
 * Return: the handle, gone after done(); NULL with errno.
 */
struct tunnel_dns *tunnel_dns_query(
	struct tunnel *t, const uint8_t *msg, size_t len, bool tcp,
	void (*done)(void *user, int error, const uint8_t *reply, size_t len),
	void *user);
void tunnel_dns_cancel(struct tunnel_dns *q);

/* --- what the shadow sees ------------------------------------------------- */

/** struct tunnel_info - what the Pod looks like from inside */
struct tunnel_info {
	char version[32]; /* of the shadow */
	char hostname[256];
	char service_host[64]; /* KUBERNETES_SERVICE_HOST, or "" */
	unsigned int ndots;
	int64_t accepted; /* TCP callers of its ports so far; -1: not told */
	bool able_env;	  /* it knows tunnel_set_env() */
	struct strv pod_ips;
	struct strv prefixes; /* of its interfaces, "10.244.0.0/24" */
	struct strv routes;   /* "10.244.0.0/16" */
	/* the cluster's, as its manifest says, or empty */
	struct strv service_ranges, pod_ranges;
	/* of each member that a router has in its table */
	struct strv env_members;
	struct strv nameservers;
	struct strv search;
	/* TCP ports that a program listens on, for callers of 127.0.0.1; in no
	 * order, some of them twice */
	struct strv listening;
};

/**
 * tunnel_info_get() - fetch it
 * @done: once: 0 with @info (borrowed), or -errno
 * Return: 0 or -errno.
 */
KT_CHECK int tunnel_info_get(struct tunnel *t,
			     void (*done)(void *user, int error,
					  const struct tunnel_info *info),
			     void *user);

/* --- UDP ------------------------------------------------------------------ */

struct tunnel_udp;

struct tunnel_udp_ops {
	/** datagram() - one came back; borrowed */
	void (*datagram)(void *user, const uint8_t *data, size_t len);
	/** close() - over: -ECONNREFUSED (port unreachable), ...; the handle
	 *  is gone */
	void (*close)(void *user, int error);
	/** open() - by name: there is such a name; may be NULL */
	void (*open)(void *user);
};

/** tunnel_udp_open() - datagrams to and from @dst (RFC 9298), by one socket of
 *  the shadow's; NULL with errno */
struct tunnel_udp *tunnel_udp_open(struct tunnel *t, const struct ipport *dst,
				   const struct tunnel_udp_ops *ops,
				   void *user);
/** tunnel_udp_open_name() - the same by name, which the shadow resolves as a
 *  program in the Pod would */
struct tunnel_udp *tunnel_udp_open_name(struct tunnel *t, const char *host,
					uint16_t port,
					const struct tunnel_udp_ops *ops,
					void *user);
/** tunnel_udp_send() - 0; -ENOBUFS: the queue is full, it is dropped;
 *  -EMSGSIZE: more than 65507 bytes */
int tunnel_udp_send(struct tunnel_udp *u, const uint8_t *data, size_t len);
/** tunnel_udp_close() - no callback follows; frees the handle */
void tunnel_udp_close(struct tunnel_udp *u);

/* --- ICMP echo ------------------------------------------------------------ */

struct tunnel_ping;

/** struct tunnel_echo - an echo request, or what came of it */
struct tunnel_echo {
	uint16_t id, seq;
	uint8_t ttl;	    /* request: hop limit, 0 for the default */
	uint8_t type, code; /* answer: ICMP type and code, of dst's family */
	struct ipaddr from; /* answer: who sent it */
	const uint8_t *payload; /* borrowed; of an error: empty */
	size_t len;
};

struct tunnel_ping_ops {
	/** answer() - a reply, or an error (unreachable, time exceeded) */
	void (*answer)(void *user, const struct tunnel_echo *e);
	/** close() - over; -EACCES: the Pod may not ping; the handle is gone */
	void (*close)(void *user, int error);
};

/** tunnel_ping_open() - echo requests to @dst; NULL with errno */
struct tunnel_ping *tunnel_ping_open(struct tunnel *t, const struct ipaddr *dst,
				     const struct tunnel_ping_ops *ops,
				     void *user);
/** tunnel_ping_send() - id, seq, ttl, payload of @e; 0, -ENOBUFS, -EMSGSIZE */
int tunnel_ping_send(struct tunnel_ping *p, const struct tunnel_echo *e);
void tunnel_ping_close(struct tunnel_ping *p);

#endif
