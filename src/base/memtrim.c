/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memtrim.h"

#define QUIET ((uint64_t)64 << 10) /* in a tick: it may be called a rest */
#define MUCH ((uint64_t)1 << 20)   /* so much leaves something in the heap */

bool memtrim_due(struct memtrim *m, uint64_t bytes)
{
	uint64_t moved = bytes - m->seen;

	m->seen = bytes;
	m->since += moved;
	if (!m->since || moved > QUIET || (moved && m->since < MUCH))
		return false;
	m->since = 0;
	return true;
}
