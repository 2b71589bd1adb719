/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_OBSERVE_H2_H
#define KT_WIRE_OBSERVE_H2_H

#include "wire/observe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Observer: HTTP/2 in a connection that goes by (RFC 9113)
 *
 * Both ways are followed frame by frame. Only field blocks are looked into, all
 * of them, as their compression has a state; what a stream's first block from
 * the caller says is a request, and what its first one from the local program
 * with a final status says is the answer. All other frames are passed over, but
 * for those that end a stream.
 *
 * What an encoder may do is known from its own blocks (RFC 7541 section 4.2),
 * so SETTINGS need not be followed: a table larger than OBSERVE_H2_TABLE is
 * given up.
 *
 * Memory, at most: a table, a field block and OBSERVE_H2_PENDING requests.
 */

#define OBSERVE_H2_TABLE ((size_t)16 << 10) /* of each way, bytes */
#define OBSERVE_H2_PENDING 256		    /* requests without an answer */

struct observe_h2;

/** observe_h2_new() - both ways are at their beginning; NULL: memory */
struct observe_h2 *observe_h2_new(observe_fn fn, void *user);
/** observe_h2_free() - requests without an answer are told to have been @by;
 *  NULL is allowed */
void observe_h2_free(struct observe_h2 *h, enum event_by by);
/** observe_h2_adopt() - @ev was asked for in HTTP/1, with an upgrade: it is
 *  stream 1 (RFC 7540 section 3.2). 0 or -ENOMEM */
KT_CHECK int observe_h2_adopt(struct observe_h2 *h, const struct event *ev);
/** observe_h2_bytes() - of the caller (@ask; the preface is one's own first
 *  bytes) or of the local program; 0, or -errno: it is not understood */
KT_CHECK int observe_h2_bytes(struct observe_h2 *h, bool ask, const uint8_t *p,
			      size_t n, int64_t now);
/** observe_h2_has_seen() - there was a request */
bool observe_h2_has_seen(const struct observe_h2 *h);

#endif
