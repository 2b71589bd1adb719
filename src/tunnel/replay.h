/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_REPLAY_H
#define KT_TUNNEL_REPLAY_H

#include "base/error.h"
#include "base/list.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/**
 * DOC: Replay buffer
 *
 * The bytes of a session's outgoing stream that the peer has not yet
 * acknowledged, by stream position. They lie in blocks: the producer writes
 * straight into the last block (replay_reserve(), replay_commit()), the sender
 * reads any range as an iovec, and an acknowledgement frees whole blocks. So
 * a byte is written once, and memory follows what is really in flight. The
 * owner bounds it by not reserving more (session.c, session_room()).
 */

struct replay_block;

struct replay {
	struct list blocks; /* of struct replay_block, oldest first */
	size_t block;	    /* bytes of one */
	uint64_t start;	    /* first byte kept */
	uint64_t end;	    /* next byte to be produced */
	struct replay_block *spare;
	size_t nspare;
};

/** replay_init() - in blocks of @block bytes: what is to go out in one piece,
 * as the end of a block that is too small for the next reserve is not used */
void replay_init(struct replay *r, size_t block);
void replay_fini(struct replay *r);

/**
 * replay_reserve() - contiguous room at the end
 * @min: the least that is useful, bytes
 * @got: set to the room, >= @min
 * Return: where to write, valid until the next call, or NULL (no memory).
 */
uint8_t *replay_reserve(struct replay *r, size_t min, size_t *got);
/** replay_commit() - @n bytes were written into the reserved room */
void replay_commit(struct replay *r, size_t n);

/** replay_release() - forget every byte before @upto (start <= @upto <= end)
 */
void replay_release(struct replay *r, uint64_t upto);

/**
 * replay_iov() - describe at most @max bytes from position @from
 * Return: entries filled; *@len is set to the bytes they cover.
 */
int replay_iov(const struct replay *r, uint64_t from, size_t max,
	       struct iovec *iov, int niov, size_t *len);

#endif
