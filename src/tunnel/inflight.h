/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_INFLIGHT_H
#define KT_TUNNEL_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: How much may be under way
 *
 * Round trip and delivered rate are measured from acknowledgements, one sample
 * at a time: a sample begins with a byte sent and ends when that byte is
 * acknowledged. The window is what the path delivers in two of its smallest
 * round trips, so that it doubles until the path is full, and FLIGHT_QUEUE:
 *
 *     window = rate * (2 * rtt_min + FLIGHT_QUEUE), FLIGHT_MIN to the cap
 *
 * A port-forward is a chain of programs that run dry if little is under way,
 * and a chain of buffers without flow control of its own, in which all that is
 * under way waits. So there is a queue, bounded in time: it costs what comes
 * after it that much, on a slow path as on a fast one. (BBR's twice the
 * bandwidth-delay product, draft-ietf-ccwg-bbr, is too little for the chain:
 * half the throughput.) What must not wait goes beside it, see
 * tunnel/scheduler.h.
 *
 *   rate     the largest sample of the last RATE_AGE to twice that. A sender
 *            with little to say makes it small; with FLIGHT_MIN it is found
 *            again within a few round trips.
 *   rtt_min  the smallest of the last MIN_AGE to twice that, of samples that
 *            did not wait in a queue of our own: began with at most FLIGHT_MIN
 *            under way, or are smaller than what is known.
 *
 * Pure: the session tells what happened and when, in ns of CLOCK_MONOTONIC.
 */

#define INFLIGHT_MIN ((size_t)512 * 1024) /* bytes */

struct inflight {
	size_t cap;	     /* bytes */
	bool sampling;	     /* one sample is under way */
	bool queued;	     /* it began behind more than FLIGHT_MIN */
	uint64_t mark;	     /* ends when this position is acknowledged */
	uint64_t mark_acked; /* acknowledged when it began */
	int64_t mark_time;

	int64_t rtt;	 /* smoothed, ns; 0: unknown */
	int64_t rtt_min; /* 0: unknown */
	int64_t min_cur, min_prev;
	int64_t min_since;
	uint64_t rate;	    /* bytes/s of the last sample */
	uint64_t rate_mean; /* of the samples, the later ones count more */
	uint64_t rate_cur, rate_prev;
	int64_t rate_since;
};

/** inflight_init() - @cap: the most that may be in flight, bytes */
void inflight_init(struct inflight *f, size_t cap);
/** inflight_sent() - the stream is sent up to @end; @acked of it acknowledged
 */
void inflight_sent(struct inflight *f, uint64_t end, uint64_t acked,
		   int64_t now);
/** inflight_acked() - everything before @ack was delivered */
void inflight_acked(struct inflight *f, uint64_t ack, int64_t now);
/** inflight_rtt() - one round trip of @ns was seen without a queue (a PONG) */
void inflight_rtt(struct inflight *f, int64_t ns, int64_t now);
/** inflight_reset() - another carrier: what was measured is void */
void inflight_reset(struct inflight *f);
/** inflight_window() - bytes that may be in flight, INFLIGHT_MIN or more */
size_t inflight_window(const struct inflight *f);
/** inflight_window_of() - likewise for one of @n that share a path, which may
 *  be slow: all of them together have as much as one at least */
size_t inflight_window_of(const struct inflight *f, size_t n);

#endif
