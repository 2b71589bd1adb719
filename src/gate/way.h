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
	size_t n;
	bool no_http2; /* the origin has said so: callers are not offered it */
};

/** ways_init() - none yet; ways_fini() ends all */
void ways_init(struct ways *w, struct loop *l, const struct secret *s,
	       const char *name);
void ways_fini(struct ways *w);
/** way_in() - a caller at @fd (taken), of @from: hands are shaken, and it is
 * led to the router's @port */
void way_in(struct ways *w, int fd, const struct ipport *from, uint16_t port);
/** way_out() - the router at @fd (taken), which will say where to */
void way_out(struct ways *w, int fd);
/** way_router_is_there() - somebody listens at 127.0.0.1, port @port */
bool way_router_is_there(uint16_t port);

#endif
