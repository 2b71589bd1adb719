/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_SESSION_INTERNAL_H
#define KT_TUNNEL_SESSION_INTERNAL_H

#include "tunnel/lane.h"
#include "tunnel/reorder.h"
#include "tunnel/replay.h"
#include "tunnel/session.h"

/**
 * DOC: Inside a session
 *
 * session.c has the theory and the states, session_carriers.c how carriers
 * are got, session_send.c what goes out, session_receive.c what comes in.
 * Nobody else includes this.
 */

struct session {
	struct loop *loop;
	struct session_config cfg;
	const struct session_ops *ops;
	void *user;
	enum session_state state;
	enum frame_role role;
	bool freed, kicked;
	bool established; /* was UP once */
	bool striped;	  /* several carriers at once, as both ends agreed */
	uint8_t peer_flags;
	uint8_t id[FRAME_ID_LEN];
	unsigned int carriers, refused;

	struct lane *lanes[SESSION_LANES];
	size_t nlanes;
	struct timer more;
	struct timer tick;
	int64_t tick_ns;
	int64_t down; /* since it was UP */
	int64_t keep; /* how long that may be */

	/* outgoing */
	struct replay replay;
	uint64_t acked, next, high;
	uint64_t window;      /* the most from @acked to @next */
	struct extents again; /* of carriers that died */
	uint64_t hastened;    /* sent twice so far, see session_hasten() */
	bool hungry;	      /* the owner has more than was taken */
	bool behind;	      /* more than the carriers take */
	bool limited;	      /* that was so, here or there; until asked */

	/* incoming */
	uint64_t received; /* next byte expected */
	struct reorder reorder;
};

/* session.c */
struct frame_hdr session_header(const struct session *s, enum frame_type type);
/** session_detach() - close all carriers, and forget what was on them */
void session_detach(struct session *s);
/** session_lost() - that lane is over; perhaps the last: DETACHED */
void session_lost(struct lane *l, const struct kt_error *why);
/** session_is_joining() - and what it does concerns it alone, so far */
bool session_is_joining(const struct lane *l);
/** session_broken() - protocol errors: the bytes cannot be trusted, so nothing
 *  can be resumed */
void session_broken(struct session *s, int rc, const char *what);
void session_die(struct session *s, const struct kt_error *why);
/** session_count_lanes() - there is one more, or less */
void session_count_lanes(struct session *s);
/** session_drop_lane() - @l is no longer one of them */
void session_drop_lane(struct session *s, const struct lane *l);

/* session_carriers.c */
/** session_go_up() - by its first lane */
void session_go_up(struct session *s);
/** session_resume_from() - continue from where the peer is; the bytes before
 *  that are delivered; 0 or -EPROTO */
KT_CHECK int session_resume_from(struct session *s, uint64_t ack);
/** session_agree() - the peer keeps @window for replay, and said @flags */
void session_agree(struct session *s, uint32_t window, uint8_t flags);
/** session_granted() - how long the session is kept, when the other end of ours
 *  grants @said ms, or is too old for it (0) */
int64_t session_granted(const struct session *s, uint32_t said);

/* session_send.c */
/** session_release() - what nobody needs any more is not kept */
void session_release(struct session *s);
void session_stop_sending(struct session *s);

/* session_receive.c */
void session_on_data(void *user, const uint8_t *data, size_t len);

#endif
