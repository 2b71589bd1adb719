/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_CAPSTREAM_H
#define KT_TUNNEL_CAPSTREAM_H

#include "wire/capsule.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct capstream - messages over a stream of the mux, at either end
 *
 * Outgoing: a bounded queue of capsules, from which the stream's read() takes
 * bytes; what finds no room is dropped, as a network would. Incoming: bytes,
 * cut into capsules.
 */
struct capstream {
	struct buf out;
	struct capsule_parser in;
	bool ending; /* our half ends when the queue is empty */
};

/** capstream_fn - a capsule; true: go on, false: stop, the owner is gone */
typedef bool (*capstream_fn)(void *user, const struct capsule *c);

void capstream_init(struct capstream *cs);
void capstream_fini(struct capstream *cs);
/** capstream_put() - queue a capsule of two parts; 0, -ENOBUFS, -ENOMEM */
int capstream_put(struct capstream *cs, uint64_t type, const void *a,
		  size_t alen, const void *b, size_t blen);
/** capstream_end() - queue the reason (positive errno), then end */
void capstream_end(struct capstream *cs, int error, const char *detail);
/** capstream_read() - for mux_stream_ops.read */
ssize_t capstream_read(struct capstream *cs, uint8_t *buf, size_t len);
/** capstream_feed() - bytes came; @fn for each whole capsule. 0, -ENOMEM */
int capstream_feed(struct capstream *cs, const uint8_t *p, size_t n,
		   capstream_fn fn, void *user);
/** capstream_error() - the errno (positive) in a CAPSULE_ERROR */
int capstream_error(const struct capsule *c);

#endif
