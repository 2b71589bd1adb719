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
	bool started;	/* memory has been given back before */
	bool code;	/* memtrim_code() is worth it, too: it is the first time
			   (of what the start needed), or much has moved */
};

/** memtrim_due() - at each look: so many bytes have moved so far; is it time to
 *  give memory back? */
bool memtrim_due(struct memtrim *m, uint64_t bytes);

/**
 * memtrim_code() - let go of the pages of the program and its libraries that
 * are as in their files: what only the start needed (OpenSSL's and libcurl's,
 * most of it) need not be resident for ever. What is used again is mapped
 * again, by a fault that reads no disk while the kernel has the page, which it
 * may drop now. A mapping of which one page has been written to, by the linker
 * or by a debugger, is left as it is; so are all where there is no /proc.
 */
void memtrim_code(void);

#endif
