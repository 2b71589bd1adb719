/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_UPLINK_H
#define KT_UPLINK_UPLINK_H

#include "carrier/carriers.h"
#include "control/report.h"
#include "tunnel/client.h"
#include "tunnel/inbound.h"
#include "uplink/shadow.h"

/**
 * DOC: The uplink: a tunnel that is kept up
 *
 * Either way: outbound (tunnel/client.h), or inbound with rules
 * (tunnel/inbound.h), which is up when its rules are in force. Opens a
 * port-forward into the shadow's Pod, hands it to the tunnel, and opens the
 * next one when it dies, in the form that works (carrier/carriers.h). A lost
 * carrier is tried again with a growing pause (uplink/retry.h), and at once
 * when the network has changed (local/netwatch.h); when the API server says
 * that the Pod is not there any more, or tries keep failing, uplink_wait()
 * returns so that the command can look after the Pod with uplink_heal().
 *
 *   CONNECTING -> UP -> LOST (tries go on) -> UP
 *                       LOST -> needs healing -> CONNECTING
 *                       any  -> FATAL (the shadow is of another version,
 *                               the rules are refused, the shadow is gone and
 *                               shall not be made again)
 */

struct uplink;

/** struct uplink_history - of one tunnel after the other, and of those beside
 *  each other, that do one job */
struct uplink_history {
	struct session_total bytes;
	unsigned int reconnects;
	char why[256];	   /* the connection was lost before the last one */
	int64_t when_lost; /* Unix seconds; 0: it never was */
};

struct uplink_config {
	struct loop *loop;
	struct kube *kube;
	const char *ns;
	struct shadow_pod *shadow;
	int64_t open_timeout_ns; /* --portForwardTimeout */
	size_t buffers;		 /* --bufferLimit, bytes; 0: the default */
	int64_t keep_ns;	 /* --keep; 0: what an older shadow does */
	const struct home *home; /* where it remembers which carrier works */
	int carrier;		 /* --carrier, enum carrier_option */
	const struct inbound_spec *inbound; /* or NULL: outbound */
	bool succeeds; /* outbound: uplink_needs_another() will be
			    asked */
	struct uplink_history *history; /* is kept there; borrowed; NULL:
					   nobody wants to know */
	/** up() - a fresh session runs: streams may be opened; may be NULL */
	void (*up)(void *user);
	/** caller() - of the inbound way; may be NULL */
	void (*caller)(void *user, const struct inbound_caller *c);
	/** copies() - so many more have gone to us, and were dropped; may be
	 *  NULL */
	void (*copies)(void *user, uint64_t sent, uint64_t dropped);
	/** event(), watching() - see struct inbound_events; may be NULL */
	void (*event)(void *user, const struct event *ev, uint64_t missed);
	void (*watching)(void *user);
	/** renew() - the shadow is gone: 0: make another; -errno with @err:
	 *  that ends it. Waits in the loop; may be NULL: always 0 */
	int (*renew)(void *user, struct kt_error *err);
	/** gone() - asked by uplink_connect() while it waits: there is nobody
	 *  any more who could answer; may be NULL */
	bool (*gone)(void *user);
	/** moved() - the connection of @u is lost, or there again. Asked when
	 * it is lost; true: another does its work from now on, and it stands
	 * by. May be NULL */
	bool (*moved)(void *user, struct uplink *u, bool up);
	/** woken() - there is something for uplink_check(), or uplink_wait()
	 *  returns; may be NULL */
	void (*woken)(void *user);
	void *user;
};

struct uplink *uplink_new(const struct uplink_config *cfg);
/** uplink_free() - end the tunnel; its streams are closed */
void uplink_free(struct uplink *u);
/** uplink_leave() - likewise, and farewell_wait() is due, before the kube is
 *  freed: else the shadow may not hear it, and count on us for minutes */
void uplink_leave(struct uplink *u, struct farewell *f);
/** uplink_close() - both at once. Not from inside a handler. */
void uplink_close(struct uplink *u);

/** uplink_connect() - open the tunnel and wait until it is up */
KT_CHECK int uplink_connect(struct uplink *u, struct kt_error *err);
/** uplink_wait() - until the uplink needs healing (0) or the loop is
 *  interrupted (-EINTR); other -errno with @err are fatal */
KT_CHECK int uplink_wait(struct uplink *u, struct kt_error *err);
/** uplink_check() - 0, or why it will not come up again: -errno with @err */
KT_CHECK int uplink_check(const struct uplink *u, struct kt_error *err);
/** uplink_is_up() - its tunnel is */
bool uplink_is_up(const struct uplink *u);
/** uplink_probe() - have the shadow answer a ping; NULL is allowed */
void uplink_probe(struct uplink *u);
/** uplink_report() - one tunnel more in @r; NULL is allowed */
void uplink_report(const struct uplink *u, struct control_report *r);
/** uplink_history_report() - and what has been so far */
void uplink_history_report(const struct uplink_history *h,
			   struct control_report *r);
/** uplink_wake() - make uplink_wait() return: there is other work */
void uplink_wake(struct uplink *u);
/** uplink_needs_another() - the shadow was told to end, and serves until
 *  uplink_free(), as long as it may; also while the connection is lost: what is
 *  open may go on when that is back. Or uplink_is_ill(). */
bool uplink_needs_another(const struct uplink *u);
/** uplink_set_gone() - the Pod is not there any more: nothing can be beside it,
 *  uplink_heal() has its place */
void uplink_set_gone(struct uplink *u);
/** uplink_is_ill() - nothing gets through to the shadow, though its Pod runs as
 *  far as the API server knows, which answers: its node may be lost */
bool uplink_is_ill(const struct uplink *u);
/** uplink_lost_ns() - for so long the connection has been lost; 0: it is not */
int64_t uplink_lost_ns(const struct uplink *u);
/** uplink_stand_by() - it does nobody's work: no word is said about it; @to
 *  (NULL: none) does, and says what was to be said here */
void uplink_stand_by(struct uplink *u, struct uplink *to);
/** uplink_give_way() - of the outbound way, with nothing open: leave the shadow
 *  that ends, which then is gone for uplink_heal(). uplink_tunnel() is another
 *  one after it, and nobody leads to it meanwhile. Not from inside a handler.
 */
void uplink_give_way(struct uplink *u);
/** uplink_retire() - another has taken its place: what is open is served, no
 *  word is said about it any more */
void uplink_retire(struct uplink *u);
/** uplink_open() - how many streams or callers are open in it */
size_t uplink_open(const struct uplink *u);
/** uplink_is_over() - of one that was retired: nothing is open in it any more
 *  that could be served */
bool uplink_is_over(const struct uplink *u);
/** uplink_heal() - look after the shadow: make another when it is gone. 0 also
 *  when that did not work now: uplink_wait() will say so again. */
KT_CHECK int uplink_heal(struct uplink *u, struct kt_error *err);

/** uplink_tunnel(), uplink_inbound() - NULL when it is the other way */
struct tunnel *uplink_tunnel(struct uplink *u);
struct inbound *uplink_inbound(struct uplink *u);

#endif
