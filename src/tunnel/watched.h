/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_WATCHED_H
#define KT_TUNNEL_WATCHED_H

#include "wire/event.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: A shadow's events as they come
 *
 * A shadow that is asked tells those again that it has kept. What was heard
 * before is known by its number and the shadow's id; a number that is missing
 * is an event that was dropped on the way, or that the shadow does not have any
 * more: also before the first, and while nobody wanted to know, as somebody may
 * want to know of that time later. The shadow's clock is another one:
 * how far off it is, is what it says less what is here when it comes.
 */

/** struct watched - starts zeroed */
struct watched {
	char id[EVENT_SHADOW_MAX];
	uint64_t last;	/* number of the one heard last; 0: none */
	int64_t offset; /* microseconds; here less there */
};

/** watched_begin() - "watching ID NOW"; false: it is malformed */
bool watched_begin(struct watched *w, const char *id, const char *now);
/** watched_take() - false: @ev was heard before. Its time is made this
 *  machine's, and it is told whose it is; @missed: how many are missing before
 * it */
bool watched_take(struct watched *w, struct event *ev, uint64_t *missed);

#endif
