/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_WAY_H
#define KT_GATE_WAY_H

#include "base/ipaddr.h"
#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>

struct secret;

/** struct ways - the connections of a gate; embedded */
struct ways {
	struct loop *loop;
	const struct secret *secret; /* borrowed */
	const char *name; /* of who has no other, see end_tls.c; borrowed */
	struct list list;
	size_t n, max;
	/* of these ports the origin speaks no HTTP/2, so callers are not
	 * offered it; a bit each */
	uint64_t no_http2[65536 / 64];
};

/** ways_init() - none yet; ways_fini() ends all */
void ways_init(struct ways *w, struct loop *l, const struct secret *s,
	       const char *name);
void ways_fini(struct ways *w);
/** ways_fit() - no more connections than @memory, the limit of the container,
 *  is enough for; 0: it has none */
void ways_fit(struct ways *w, uint64_t memory);
/** way_in() - a caller at @fd (taken), of @from: hands are shaken, and it is
 * led to the router's @port */
void way_in(struct ways *w, int fd, const struct ipport *from, uint16_t port);
/** way_out() - the router at the door of @port, @fd (taken), which will say
 *  where to */
void way_out(struct ways *w, int fd, uint16_t port);
/** ways_speak_http2() - callers of @port are offered it */
bool ways_speak_http2(const struct ways *w, uint16_t port);
/** way_router_is_there() - somebody listens at 127.0.0.1, port @port */
bool way_router_is_there(uint16_t port);

#endif
