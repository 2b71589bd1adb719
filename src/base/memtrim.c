/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memtrim.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define QUIET ((uint64_t)64 << 10) /* in a tick: it may be called a rest */
#define MUCH ((uint64_t)1 << 20)   /* so much leaves something in the heap */

bool memtrim_due(struct memtrim *m, uint64_t bytes)
{
	uint64_t moved = bytes - m->seen;

	m->seen = bytes;
	m->since += moved;
	if (!m->since || moved > QUIET || (moved && m->since < MUCH))
		return false;
	m->code = !m->started || m->since >= MUCH;
	m->started = true;
	m->since = 0;
	return true;
}

/* A mapping, as the kernel tells of it */
struct memtrim_map {
	uintptr_t from, to;
	bool code; /* of a file, which is not to be written to */
	bool own;  /* it has pages that differ from the file's */
};

static void memtrim_drop(const struct memtrim_map *m)
{
	if (m->code && !m->own)
		(void)madvise((void *)m->from, m->to - m->from, MADV_DONTNEED);
}

/* True: @line is the first of a mapping */
static bool memtrim_is_head(const char *line, struct memtrim_map *m)
{
	unsigned long from, to;
	char mode[5];
	int path = 0;

	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &from, &to, mode,
		   &path) < 3)
		return false;
	*m = (struct memtrim_map){
		.from = from,
		.to = to,
		.code = mode[1] == '-' && mode[3] == 'p' && path &&
			line[path] == '/',
	};
	return true;
}

/* What was written to has pages of its own: relocations, a debugger's
 * breakpoints, what another program has put into the code */
static void memtrim_read(FILE *f)
{
	struct memtrim_map m = { 0 }, next;
	auto_free char *line = NULL;
	unsigned long kb;
	size_t size = 0;

	while (getline(&line, &size, f) >= 0) {
		if (memtrim_is_head(line, &next)) {
			memtrim_drop(&m);
			m = next;
		} else if (sscanf(line, "Anonymous: %lu", &kb) == 1 ||
			   sscanf(line, "Swap: %lu", &kb) == 1) {
			m.own |= kb > 0;
		}
	}
	memtrim_drop(&m);
}

void memtrim_code(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return;
	memtrim_read(f);
	fclose(f);
}
