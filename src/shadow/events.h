/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_EVENTS_H
#define KT_SHADOW_EVENTS_H

#include "base/buf.h"
#include "base/ipaddr.h"
#include "wire/event.h"

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The last events of a shadow
 *
 * A ring, which is the only buffer: each laptop that watches has its own place
 * in it, and who is slower than the requests come misses some (event_put()
 * writes numbers, so it knows how many). Nothing waits for a reader. The memory
 * is there from the first request on.
 *
 * The Pod's own addresses, but the loopback's, are no callers: that is the
 * probe of a ktctl that looks whether requests arrive (inbound/probe.h). One
 * with a probe's trace is told all the same: it asks for that.
 */

#define EVENTS_KEPT 512
#define EVENTS_ID_LEN 16

struct events;

struct events *events_new(void); /* NULL: memory */
void events_free(struct events *e);
/** events_id() - of this ring */
const char *events_id(const struct events *e);
/** events_add() - @client has answered; 0: none has */
void events_add(struct events *e, const struct event *ev, uint64_t client);
/** events_read() - append those from *@next on to @out, as @client sees them,
 *  while it has less than @max bytes. Returns how many */
size_t events_read(const struct events *e, uint64_t client, uint64_t *next,
		   struct buf *out, size_t max);

#endif
