/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_FEED_H
#define KT_CONTROL_FEED_H

#include "wire/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The events of a session, and who follows them
 *
 * The last FEED_KEPT are kept, in a ring, which is all that is ever queued:
 * each follower has its place in it. One that reads slower than events come
 * misses some, and is told how many, as is one that wants older ones than are
 * kept; nothing waits for it. The time of what was dropped is that of the event
 * before which it is told.
 */

struct event_place;
struct feed;
struct loop;

#define FEED_KEPT 1024
#define FEED_FOLLOWERS 32
#define FEED_SINCE_MAX 86400 /* seconds */

/** feed_new() - @session: "mesh-123", borrowed; @watch: somebody follows, or
 *  nobody any more */
struct feed *feed_new(struct loop *loop, const char *session,
		      void (*watch)(void *user, bool on), void *user);
/** feed_free() - nobody follows any more, no watch() follows; NULL is allowed
 */
void feed_free(struct feed *f);
/** feed_add() - @at is copied; @missed: before it */
void feed_add(struct feed *f, const struct event *ev,
	      const struct event_place *at, uint64_t missed);
/** feed_follow() - all from @since seconds ago on go to @fd (taken, not
 *  blocking); false: there are too many, and it is told so */
bool feed_follow(struct feed *f, int fd, int64_t since);
/** feed_end() - nobody follows any more: their connections end */
void feed_end(struct feed *f);
/** feed_fail() - whoever follows is told @why, and follows no more */
void feed_fail(struct feed *f, const char *why);

#endif
