/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_SESSION_H
#define KT_TUNNEL_SESSION_H

#include "base/carrier.h"
#include "base/error.h"
#include "base/loop.h"
#include "tunnel/farewell.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Session
 *
 * A byte stream, ordered and without loss, both ways, that outlives the
 * carriers it runs over, one after the other or several at once (theory and
 * states: session.c). The side that opens the carriers calls session_attach()
 * and session_join(); the other side gets its sessions from
 * tunnel/acceptor.h.
 */

struct session;

#define SESSION_PARTS 5U /* sessions with a carrier for one stream of bulk */
#define SESSION_LANES 8U /* carriers of one session at once */

enum session_state {
	SESSION_DETACHED, /* no carrier (also: not yet) */
	SESSION_HELLO,	  /* a carrier is there, its other end unproven */
	SESSION_UP,
	SESSION_DEAD, /* over; only session_free() is left */
	SESSION_NSTATES_
};

/** struct session_total - bytes of the stream of several sessions, one after
 *  the other or beside each other */
struct session_total {
	uint64_t sent, received;
};

struct session_config {
	int64_t ping_ns;     /* silence before a PING */
	int64_t dead_ns;     /* silence before the carrier is given up */
	int64_t hello_ns;    /* time for HELLO and its answer */
	int64_t detached_ns; /* time without carrier before the session dies,
				where the ends agree on no other */
	int64_t keep_ns;     /* that time: who opens wishes for it, who accepts
				grants no more; 0: neither, see detached_ns */
	int64_t ack_ns;	     /* the most an acknowledgement waits */
	size_t replay_max;   /* bytes kept for replay */
	size_t inflight_max; /* bytes in flight, <= replay_max */
	size_t frame_max;    /* payload of one DATA frame */
	size_t buffers;	     /* bytes received that nobody took yet, of this
				session and the bulk one together */
	struct session_total *total; /* counted there as well; borrowed, or
					NULL */
	int64_t far_ns; /* a round trip, from which on bulk has several sessions
			   (tunnel/scheduler.h); 0: never */
	unsigned int lanes; /* carriers that it may have at once; 0: one */
	uint8_t flags;	    /* FRAME_FLAG_* said in the HELLO, or its answer */
	const char *who;    /* said in the HELLO (wire/clientline.h); borrowed
			       until the session's end, or NULL */
};

/** session_config_default() - what both programs use if nothing else is said */
struct session_config session_config_default(void);
/** session_config_limit() - keep no more than @buffers bytes of what programs
 *  do not read, and in proportion of what is to be sent; 0: the default, a
 *  quarter of the memory that this process may have, 128 MiB at most */
void session_config_limit(struct session_config *cfg, size_t buffers);
/** session_config_bulk() - @cfg for a session of bulk streams alone */
struct session_config session_config_bulk(const struct session_config *cfg);
/* Far away (tunnel/scheduler.h) the buffers of @cfg are divided: */
/** session_config_wide() - for the session that has several carriers */
struct session_config session_config_wide(const struct session_config *cfg);
/** session_config_parts() - how many others there may be beside it; 0: they are
 *  not enough for that */
unsigned int session_config_parts(const struct session_config *cfg);
/** session_config_part() - @cfg for one of these */
struct session_config session_config_part(const struct session_config *cfg);

/** struct session_stats - what is known of the path; all of it may be 0 */
struct session_stats {
	uint64_t sent, acked, received; /* stream positions */
	uint64_t inflight;		/* bytes sent and not acknowledged */
	int64_t rtt_min_ns;		/* of the last 10 s */
	int64_t rtt_ns;			/* smoothed */
	uint64_t rate;			/* delivered bytes/s, last sample */
	unsigned int carriers;		/* how many it has had */
	unsigned int lanes;		/* how many it has, or is getting, */
	unsigned int joining;		/* and of those not yet */
	unsigned int refused;		/* of session_join(), how many failed */
	int64_t answer_ns;     /* when the other end answered a PING last,
				  CLOCK_MONOTONIC; 0: never, on this carrier */
	int64_t answer_rtt_ns; /* how long that took */
};

/** struct session_ops - the owner of the stream (tunnel/mux) */
struct session_ops {
	/** produce() - room for about @room bytes: write them with
	 *  session_reserve(), session_commit(). < 0 ends the session. */
	int (*produce)(void *user, size_t room);
	/** data() - the next bytes of the stream, borrowed. < 0 ends it. */
	int (*data)(void *user, const uint8_t *p, size_t n);
	/** up() - the first carrier, or a later one, carries the session */
	void (*up)(void *user, bool resumed);
	/** lost() - the carrier is gone: attach another */
	void (*lost)(void *user, const struct kt_error *why);
	/** dead() - over; last call */
	void (*dead)(void *user, const struct kt_error *why);
};

/**
 * session_new() - a session without carrier
 * @id: FRAME_ID_LEN bytes, or NULL for a random one (the opening side)
 * @ops, @user: borrowed
 * Return: NULL when memory is out.
 */
struct session *session_new(struct loop *loop, const struct session_config *cfg,
			    const uint8_t *id, enum frame_role role,
			    const struct session_ops *ops, void *user);
/** session_free() - close the carrier, forget everything; no callback follows.
 *  May be called from a callback. */
void session_free(struct session *s);
/** session_close() - tell the peer that it is over (CLOSE), as well as can be,
 *  and be DEAD; no callback follows */
void session_close(struct session *s, uint16_t code, const char *text);
/** session_leave() - likewise, but what was said is sent to its end, and heard:
 *  the carrier is given to *@f (farewell_wait() or farewell_drop() is due), or
 *  none when the session is not up */
void session_leave(struct session *s, uint16_t code, const char *text,
		   struct farewell *f);

/** session_attach() - run over @c (taken) from now on; the present carrier, if
 *  any, is closed. @c may still be opening. */
void session_attach(struct session *s, struct carrier *c);
/** session_join() - run over @c (taken), too, beside those that it has, or as
 *  soon as it is up. false: it has none, or the other end does not know how, or
 *  it has the most. One that does not come up changes nothing. */
bool session_join(struct session *s, struct carrier *c);
/** session_narrow() - keep the @most quickest carriers, 1 or more; what is on
 *  the others is sent again */
void session_narrow(struct session *s, unsigned int most);
/** session_limited() - since the last call either end had more to send than the
 *  carriers take */
bool session_limited(struct session *s);
/** session_adopt() - the accepting side: @c (taken) brought @hello with the
 *  resume point @ack; answers it. 0, or -errno with @err when it cannot be
 *  resumed (@c is not taken then) */
KT_CHECK int session_adopt(struct session *s, struct carrier *c,
			   const struct frame_hello *hello, uint64_t ack,
			   struct kt_error *err);

/** session_probe() - have the other end answer a PING now, if it is UP; see
 *  session_stats.answer_ns */
void session_probe(struct session *s);

/** session_suspect() - the network has changed, or this machine has slept: the
 *  carrier is given up when no byte comes soon */
void session_suspect(struct session *s);

/** session_kick() - there is something to produce; sent after this batch */
void session_kick(struct session *s);
/** session_reserve() - in produce(): contiguous room of @min..*@got bytes */
uint8_t *session_reserve(struct session *s, size_t min, size_t *got);
void session_commit(struct session *s, size_t n);

enum session_state session_state(const struct session *s);
/** session_is_flushed() - the other end has all that was produced */
bool session_is_flushed(const struct session *s);
/** session_peer_flags() - FRAME_FLAG_* of the answer to our HELLO */
uint8_t session_peer_flags(const struct session *s);
const uint8_t *session_id(const struct session *s);
void session_get_stats(const struct session *s, struct session_stats *st);
const char *session_state_name(enum session_state state);

#endif
