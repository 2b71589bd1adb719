/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_MEMTRIM_H
#define KT_BASE_MEMTRIM_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: When a busy time is over
 *
 * The heap keeps what a busy time needed. Giving it back costs a look at all of
 * it, and pages that are wanted again cost a fault each: so not while much
 * moves, and not for the little that always does.
 */

#define MEMTRIM_TICK (2 * NS_SEC) /* between two looks */

/** struct memtrim - zero is its start state */
struct memtrim {
	uint64_t seen;	/* bytes moved, at the last look */
	uint64_t since; /* of them, since memory was given back */
};

/** memtrim_due() - at each look: so many bytes have moved so far; is it time to
 *  give memory back? */
bool memtrim_due(struct memtrim *m, uint64_t bytes);

#endif
