/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_INBOUND_H
#define KT_TUNNEL_INBOUND_H

#include "base/carrier.h"
#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"
#include "tunnel/session.h"
#include "wire/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The laptop's end of the inbound way
 *
 * A session with the roles swapped: the shadow opens the streams, one for each
 * caller, and the laptop connects each to a local port. As with the outbound
 * tunnel the owner opens the carriers and hands each to inbound_attach(); when
 * one dies, lost() asks for the next and the streams survive. When the session
 * is dead, the next inbound_attach() begins a fresh one, which brings the rules
 * again.
 *
 * The rules are in force from accepted() on, never before. While the carrier
 * is away they stay so for the grace time, are then suspended, and are in force
 * again when the session is resumed.
 */

struct event;
struct inbound;

/** struct inbound_port - callers of @remote (of the shadow) get @local. Nobody
 *  listens at 127.0.0.1: ::1 is tried too */
struct inbound_port {
	uint16_t remote;
	bool udp;
	struct ipport local;
};

/** struct inbound_dialer - who connects callers to local TCP ports, where that
 *  is not the kernel: a program in another namespace. One that refuses is a
 *  program that does not listen just now: its callers are held. */
struct inbound_dialer {
	/** dial() - to @port; done() comes later, with a connected socket
	 *  (taken) or -errno; returns what cancel() wants */
	void *(*dial)(void *user, uint16_t port,
		      void (*done)(void *call, int fd), void *call);
	/** cancel() - done() does not come */
	void (*cancel)(void *user, void *dial);
};

struct inbound_spec {
	const char *user; /* whom a refusal of the same rule names */
	/* who this program is to its successors (local/owner.h), or NULL; and
	 * whether another owner, whose rule is in our way, is known to be dead:
	 * his is taken over. Or NULL */
	const char *owner;
	bool (*owner_is_dead)(void *user, const char *owner);
	void *owner_user;
	unsigned int grace_s;
	const struct rule *rules;
	size_t nrules;
	const struct inbound_port *ports;
	size_t nports;
	bool watch;   /* what inbound_watch() would say */
	bool observe; /* HTTP is looked for in what callers say: the shadow
			 does not look into it */
	const struct inbound_dialer *dialer; /* or NULL */
	void *dialer_user;
};

#define INBOUND_RULES_MAX SHADOW_PORTS_MAX

/** how long a shadow that was told to end serves laptops that make another */
#define SHADOW_ENDING_S 55
/** ... and one that serves no ports those who have connections open in it */
#define SHADOW_OPEN_S 295
/* ... and one that nobody uses any more ends by itself after so long */
#define SHADOW_IDLE_S 600

struct inbound_caller {
	struct ipport from; /* addr.family 0: not known */
	uint16_t remote;
	bool udp;
	bool held; /* it waits, see inbound_hold(); told again when it goes on
		    */
	int error; /* 0: it was connected; -errno: refused with that */
};

/** struct inbound_events - any may be NULL. No event comes from inside a call
 *  of this interface. inbound_free() is allowed in all of them but event(). */
struct inbound_events {
	/** up() - a fresh session runs; accepted() or refused() follows */
	void (*up)(void *user);
	/** resumed() - the session goes on over another carrier */
	void (*resumed)(void *user);
	/** lost() - the carrier is gone: open another, inbound_attach() it */
	void (*lost)(void *user, const struct kt_error *why);
	/** dead() - the callers' connections are gone; EPROTONOSUPPORT: the
	 *  shadow is of another version, do not try again */
	void (*dead)(void *user, const struct kt_error *why);
	/** accepted() - all rules are in force */
	void (*accepted)(void *user);
	/** refused() - none is: @holder ("": nobody) has the same one, or @text
	 *  says what is wrong. Also later, when somebody took it while we were
	 *  away for longer than the grace time. */
	void (*refused)(void *user, const char *holder, const char *text);
	/** copies() - so many more copies have gone to us, and so many more
	 *  were dropped */
	void (*copies)(void *user, uint64_t sent, uint64_t dropped);
	/** ending() - the shadow was told to end; it serves for some seconds
	 *  more. Another is needed: inbound_wait() when one is being made */
	void (*ending)(void *user);
	/** caller() - somebody was connected, or could not be, or is held */
	void (*caller)(void *user, const struct inbound_caller *c);
	/** watching() - the shadow tells its events from now on */
	void (*watching)(void *user);
	/** event() - of the shadow (inbound_watch()), or of here (observe);
	 *  its time is that of this machine. @missed: how many of the shadow's
	 *  did not come before it */
	void (*event)(void *user, const struct event *ev, uint64_t missed);
	/** bulk() - see struct tunnel_events */
	struct carrier *(*bulk)(void *user);
};

/** inbound_new() - @cfg (may be NULL: defaults) and @spec are copied, @ev is
 *  borrowed; NULL with errno: E2BIG (more than INBOUND_RULES_MAX rules) */
struct inbound *inbound_new(struct loop *loop, const struct session_config *cfg,
			    const struct inbound_spec *spec,
			    const struct inbound_events *ev, void *user);
/** inbound_set_rules() - other rules (copied) from now on; none: callers go
 *  elsewhere, connections that are open stay. accepted() or refused() follows,
 *  now or with the next session. 0 or -E2BIG */
KT_CHECK int inbound_set_rules(struct inbound *in, const struct rule *rules,
			       size_t n);
/** inbound_watch() - have the shadow tell its last events and those that come,
 *  or no longer. An older one does not; watching() tells */
void inbound_watch(struct inbound *in, bool on);
/** inbound_drain() - tell the shadow that the Service leads elsewhere now:
 *  callers' HTTP connections are to end */
void inbound_drain(struct inbound *in);
/** inbound_wait() - in answer to ending(): the shadow is to serve until
 *  inbound_free(), as long as it may */
void inbound_wait(struct inbound *in);
/** inbound_end_quiet() - finish the connections on which the local program has
 *  spoken last, and that for @quiet_ns. What is in the middle of a request
 * stays (mostly: a program may pause in an answer). */
void inbound_end_quiet(struct inbound *in, int64_t quiet_ns);
/** inbound_hold() - TCP callers that come from now on are told and not
 * connected to the local program; false: those that are still there are */
void inbound_hold(struct inbound *in, bool hold);
/** inbound_pass() - those that are held are somebody else's: with other rules
 * in force the shadow finds out whose */
void inbound_pass(struct inbound *in);
/** inbound_held() - how many are held and still there */
size_t inbound_held(const struct inbound *in);
/** inbound_held_ever() - how many were held so far */
size_t inbound_held_ever(const struct inbound *in);
/** inbound_attach() - use @c (taken; may be opening still) from now on */
void inbound_attach(struct inbound *in, struct carrier *c);
/** inbound_free() - say goodbye: the rules are gone at once, the callers'
 *  connections are reset. No event follows. */
void inbound_free(struct inbound *in);
/** inbound_leave() - likewise, with session_leave() */
void inbound_leave(struct inbound *in, struct farewell *f);
/** inbound_stats() - of the present session; zeroes when there is none */
void inbound_stats(const struct inbound *in, struct session_stats *st);
/** inbound_probe() - see session_probe(); the answer is in inbound_stats() */
void inbound_probe(struct inbound *in);
/** inbound_suspect() - see session_suspect() */
void inbound_suspect(struct inbound *in);
/** inbound_callers() - connections of callers that are open now */
size_t inbound_callers(const struct inbound *in);
/** inbound_ever() - how many there were so far; UDP's flows, too */
size_t inbound_ever(const struct inbound *in);

#endif
