/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_OBSERVE_H
#define KT_WIRE_OBSERVE_H

#include "wire/event.h"

#include <stdint.h>

/**
 * DOC: Observer: HTTP in a connection that goes by
 *
 * It is shown the bytes of both ways, as they go, and tells of each request
 * (event.h). It changes nothing, delays nothing, and holds one head of each way
 * at most; bodies are only counted. What is not HTTP, or not as HTTP should be,
 * it does not try to understand: it says so once, and looks at nothing more.
 *
 * HTTP/2, with prior knowledge or by an upgrade, is observe_h2.h's.
 *
 * Pure: no I/O, no clock.
 */

#define OBSERVE_HEAD_MAX ((size_t)32 << 10) /* larger ones are given up */
#define OBSERVE_PENDING 16 /* requests without an answer; likewise */

struct observer;

/** observe_fn - @ev has kind, proto, by, status, method, path, latency; and
 *  when: the @now at which it began */
typedef void (*observe_fn)(void *user, const struct event *ev);

/** observer_new() - a connection begins; NULL: memory */
struct observer *observer_new(observe_fn fn, void *user, int64_t now);
/** observer_free() - the connection is over: what has no answer yet gets none,
 *  which is told; NULL is allowed */
void observer_free(struct observer *o);
/** observer_ask(), observer_answer() - bytes of the caller, of the local
 *  program; @now: of a clock in ns */
void observer_ask(struct observer *o, const uint8_t *p, size_t n, int64_t now);
void observer_answer(struct observer *o, const uint8_t *p, size_t n,
		     int64_t now);
/** observer_is_quiet() - the connection is HTTP/1 between two requests, or
 * nobody has said anything yet: what was asked is answered, to its last byte.
 * Never of what is not understood, and never of HTTP/2. */
bool observer_is_quiet(const struct observer *o);

#endif
