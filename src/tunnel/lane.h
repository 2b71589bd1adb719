/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_LANE_H
#define KT_TUNNEL_LANE_H

#include "base/buf.h"
#include "base/carrier.h"
#include "base/loop.h"
#include "tunnel/extents.h"
#include "tunnel/inflight.h"
#include "tunnel/replay.h"
#include "wire/frame.h"

/**
 * DOC: A lane
 *
 * One carrier of a session (tunnel/session.h), and what is under way on it: the
 * frame that is being sent, control frames, which ranges of the stream it was
 * given and how much of that has arrived, and how fast it is. What to send is
 * the session's to say.
 *
 * @sent, @heard and @got count payload of DATA on this carrier, in the order in
 * which it was put there, whatever its place in the stream.
 */

struct session;

struct lane {
	struct session *session;
	struct loop *loop;
	struct carrier *carrier; /* NULL: closed */
	bool opened;		 /* it takes bytes */
	bool up;		 /* its HELLO was answered */
	bool joins;		 /* others that are there already */
	bool blocked;		 /* waits for writable() */
	struct frame_parser parser;
	int64_t silence; /* since the last byte */
	bool pinged;
	int64_t answer, answer_rtt; /* of the last PONG */

	struct buf ctl; /* control frames to send, before any new DATA */
	struct {
		uint8_t header[FRAME_HEADER_LEN];
		size_t header_left;
		uint64_t at; /* position of the next payload byte */
		size_t left; /* payload bytes still to hand over */
		bool active, begun;
	} cur; /* the DATA frame under way */
	struct extents under_way;
	uint64_t sent, heard; /* given to it; acknowledged */
	uint64_t ramp;	      /* the most under way until more is known; 0:
				 that is up to @inflight */
	int64_t heard_at;     /* when, or when it had nothing under way */
	struct inflight inflight;
	size_t of; /* how many the session has */

	uint64_t got, got_said; /* come; acknowledged */
	bool ack_due;
	struct timer ack_timer;
};

/** lane_new() - of @c (taken, also on failure); @inflight_max as in
 *  session_config; NULL: no memory */
struct lane *lane_new(struct session *s, struct loop *loop, struct carrier *c,
		      const struct carrier_handler *handler,
		      size_t inflight_max);
/** lane_close() - close the carrier; freed after the batch of events */
void lane_close(struct lane *l);

/** lane_ramp() - it is new, and there are others: it gets little at first, and
 *  twice as much with each round trip, as TCP does, so that nobody waits long
 *  for what it has */
void lane_ramp(struct lane *l);
/** lane_room() - bytes that may be put under way on it now */
size_t lane_room(const struct lane *l);
/** lane_wait() - how long what is under way on it still takes, ns, by the rate
 *  that it had, and by how long nothing of it has arrived */
int64_t lane_wait(const struct lane *l, int64_t now);
/** lane_begin() - the next DATA frame is @len bytes from @at; 0 or -errno */
KT_CHECK int lane_begin(struct lane *l, struct frame_hdr h, uint64_t at,
			size_t len);
/** lane_has() - there is something to hand over */
bool lane_has(const struct lane *l);
/** lane_flush() - hand that to the carrier; 1: all of it is gone, 0: blocked,
 *  or -errno */
int lane_flush(struct lane *l, const struct replay *replay);
/** lane_gather() - what lane_flush() would send next, as far as it was begun; 0
 *  or -errno; buf_fini(@rest) either way */
KT_CHECK int lane_gather(struct lane *l, const struct replay *replay,
			 struct buf *rest);
/** lane_heard() - the peer has @n bytes of what was put on it; 0, -EPROTO */
KT_CHECK int lane_heard(struct lane *l, uint64_t n, int64_t now);
/** lane_said() - all that came is acknowledged now */
void lane_said(struct lane *l);

#endif
