/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_MUXLINK_H
#define KT_TEST_MUXLINK_H

#include "base/buf.h"
#include "base/loop.h"
#include "tunnel/mux.h"

#include <stdbool.h>

/** CHECK() - abort() when @x is false: for unit tests and fuzz targets */
#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#x);                                           \
			abort();                                               \
		}                                                              \
	} while (0)

/** struct muxlink - a client's and a server's mux, linked in memory */
struct muxlink {
	struct loop *loop;
	struct muxlink_side {
		struct mux *m;
		struct buf out;
		unsigned int spent; /* calls */
	} side[2];		    /* client, server */
	uint32_t window_max;
};

/** muxlink_limit - further links hold no more bytes, and know a stalled stream
 *  after so long; 0: the defaults */
extern struct muxlink_limit {
	uint32_t held_max;
	int64_t stall_ns;
} muxlink_limit;

/** muxlink_init() - for bulk; @window: first credit of a stream;
 *  0: the default */
void muxlink_init(struct muxlink *l, struct loop *loop, uint32_t window,
		  mux_request_fn on_request, void *user);
void muxlink_fini(struct muxlink *l);
/** muxlink_move() - one turn: produce and deliver about @n bytes from @side;
 *  false when there was nothing */
bool muxlink_move(struct muxlink *l, int side, size_t n);

#endif
