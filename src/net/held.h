/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_HELD_H
#define KT_NET_HELD_H

#include "base/list.h"
#include "net/capture.h"

#include <stdint.h>

/**
 * DOC: Held connection attempts
 *
 * A SYN of a local program is kept here while the far side is dialled. No I/O
 * and no clock: packets and time come from the caller, so it can be tested
 * without a kernel.
 *
 *   DIALLING --answer(0)--> INJECTED --accepted--> DONE
 *       |  '--answer(0)--> WAITING --'
 *       |                       '--nobody there--> gone
 *       |--answer(refused, unreachable)----------> DONE
 *       |--answer(timed out)--> SILENT --quiet---> gone
 *       '--quiet-------------------------------- > gone
 *
 * DIALLING  the owner of the capture dials; repeated SYNs are ignored
 * WAITING   the far side has connected, but no descriptor is left for it here
 * INJECTED  the SYN went back into the kernel, accept() is due
 * SILENT    the program is to run into its own time-out
 * DONE      over; kept for a moment, as a repetition of the same SYN may still
 *           be in a queue and must not become a second connection, and as the
 *           kernel may not find the new socket yet (held_settling())
 *
 * A program that gives up sends nothing. It is noticed by the SYNs that do not
 * come any more: the kernel repeats them after 1 s, 2 s more, 4 s more, ... (or
 * each second at first), so the next is due within twice the time the last one
 * took since the first, plus 3 s.
 */

enum held_state {
	HELD_DIALLING,
	HELD_WAITING,
	HELD_INJECTED,
	HELD_SILENT,
	HELD_DONE
};

/** struct held - one attempt; @pub is what the outside sees */
struct held {
	struct capture_tcp pub;
	struct list in_bucket, in_table;
	enum held_state state;
	int errnum;	     /* the answer, once given */
	uint32_t isn;	     /* initial sequence number of the SYN */
	int64_t first, last; /* time of the first SYN and of the last one, ns */
	int64_t answered;
	size_t syn_len;
	uint8_t syn[];
};

/** struct held_table - all of them */
struct held_table {
	struct list *buckets;
	struct list all;
	size_t nbuckets, n, max;
};

#define HELD_MAX_SYN 2048 /* bytes of a SYN with options and early data */

/** held_init() - @max: attempts at a time; 0 or -ENOMEM */
KT_CHECK int held_init(struct held_table *t, size_t max);
void held_fini(struct held_table *t); /* frees the attempts too */

struct held *held_find(const struct held_table *t, const struct ipport *src,
		       const struct ipport *dst);
/** held_add() - a copy of the packet in state DIALLING; NULL when full */
struct held *held_add(struct held_table *t, const struct ipport *src,
		      const struct ipport *dst, uint32_t isn, const void *syn,
		      size_t len, int64_t now);
/** held_unlink() - out of the table; the caller frees it */
void held_unlink(struct held_table *t, struct held *h);
/** held_remove() - out of the table, and freed */
void held_remove(struct held_table *t, struct held *h);
/** held_done() - no more needed: remove, or keep for repetitions */
void held_done(struct held_table *t, struct held *h, int64_t now);
/** held_settling() - the connection has been made just now: a segment that
 *  found no socket met the moment in which the kernel puts the socket in the
 *  place of its request (inet_ehash_insert()) */
bool held_settling(const struct held *h, int64_t now);
/** held_expired() - its time is over at @now */
bool held_expired(const struct held *h, int64_t now);

#endif
