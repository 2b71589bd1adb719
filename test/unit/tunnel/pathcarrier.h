/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_PATHCARRIER_H
#define KT_TEST_PATHCARRIER_H

#include "base/carrier.h"
#include "base/loop.h"

/** struct path - what a pair of carriers leads over; may be changed at any time
 *  and stays until both are closed */
struct path {
	int64_t delay_ns; /* one way */
	int64_t open_ns;  /* until out[0] is open */
	uint64_t rate;	  /* bytes/s, each way */
	size_t queue;	  /* bytes that wait or are under way, each way */
	size_t loss;	  /* after so many bytes two more ways are waited;
			     0: never */
	bool stuck;	  /* nothing arrives, and nobody is told */
	bool one_way;	  /* that is so at out[0] only */
	bool dead;	  /* both ends are told */
};

/** pathcarrier_pair() - two carriers that lead to each other over @p; for
 *  simulated time (simtime.h) */
void pathcarrier_pair(struct loop *loop, struct path *p,
		      struct carrier *out[2]);

#endif
