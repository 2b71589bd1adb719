/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_ONCE_H
#define KT_CONTROL_ONCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Each request once
 *
 * A router tells each of its sessions all that it sees, so of two sessions of
 * this machine on one router both tell of a request, each from where it stands:
 * what was answered by the program of one is "other" to the other one. They are
 * the same by "id", the router's own name and the number it gave.
 *
 *   local          told at once: it is what the request was to this machine
 *   other          waits until another session says local, ONCE_WAIT at most
 *   all the rest   is the same to all: the first that tells is told
 *
 * Were "local" later than that (its session was away, say), it is told as well:
 * two lines with one id, rather than none that says local. What has no id was
 * seen at this end, and is told as it is.
 *
 * Of each of ONCE_ROUTERS routers the last ONCE_WINDOW numbers are known;
 * ONCE_HELD wait at most. Pure.
 */

#define ONCE_WAIT 500000000LL /* ns */
#define ONCE_ROUTERS 64
#define ONCE_WINDOW 4096 /* more than a session keeps (feed.h) */
#define ONCE_HELD 1024

struct once;

/** once_new() - @tell(): an event of its own, borrowed, from within the calls
 *  below */
struct once *once_new(void (*tell)(void *user, json_t *event), void *user);
/** once_free() - what waits is forgotten; NULL is allowed */
void once_free(struct once *o);
/** once_add() - a line of docs/schema/event.json (borrowed). @alone: there is
 *  no other session that could tell of it as well; @now: ns of any clock */
void once_add(struct once *o, json_t *event, bool alone, int64_t now);
/** once_due() - when once_flush() has something to do; -1: nothing waits */
int64_t once_due(const struct once *o);
/** once_flush() - what has waited long enough is told; INT64_MAX: all */
void once_flush(struct once *o, int64_t now);

#endif
