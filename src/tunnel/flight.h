/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_FLIGHT_H
#define KT_TUNNEL_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: What is known of the path
 *
 * Round trip and delivered rate, measured from acknowledgements, one sample at
 * a time: a sample begins with a byte sent and ends when that byte is
 * acknowledged. Pure: the session tells what happened and when.
 *
 * flight_window() decides how much may be unacknowledged. Today it is a fixed
 * cap; it is the one place to change for a window that follows the path.
 */
struct flight {
	size_t cap;	     /* bytes */
	bool sampling;	     /* one sample is under way */
	uint64_t mark;	     /* ends when this position is acknowledged */
	uint64_t mark_acked; /* acknowledged when it began */
	int64_t mark_time;   /* ns */

	int64_t rtt;	 /* smoothed, ns; 0: unknown */
	int64_t rtt_min; /* smallest of the present and the last window */
	int64_t min_cur, min_prev;
	int64_t min_since;
	uint64_t rate; /* bytes/s of the last sample */
};

void flight_init(struct flight *f, size_t cap);
/** flight_sent() - the stream is sent up to @end; @acked of it acknowledged */
void flight_sent(struct flight *f, uint64_t end, uint64_t acked, int64_t now);
/** flight_acked() - everything before @ack was delivered */
void flight_acked(struct flight *f, uint64_t ack, int64_t now);
/** flight_rtt() - one round trip of @ns was seen (a PONG) */
void flight_rtt(struct flight *f, int64_t ns, int64_t now);
/** flight_reset() - another carrier: what was measured is void */
void flight_reset(struct flight *f);
/** flight_window() - bytes that may be in flight */
size_t flight_window(const struct flight *f);

#endif
