/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memtrim.h"

#include "base/mem.h"
#include "base/str.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static bool memtrim_is_traced(void)
{
	static const char key[] = "\nTracerPid:\t";
	auto_free char *text = file_read("/proc/self/status", 65536, NULL);
	const char *at = text ? strstr(text, key) : NULL;

	return !at || at[sizeof(key) - 1] != '0';
}

/* What the linker writes to is in segments of its own */
static int memtrim_object(struct dl_phdr_info *info, size_t size, void *user)
{
	const uintptr_t page = *(const uintptr_t *)user;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;
		uintptr_t to = (from + p->p_filesz) & ~(page - 1);

		from &= ~(page - 1);
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && from < to)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void memtrim_code(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	if (!memtrim_is_traced())
		dl_iterate_phdr(memtrim_object, &page);
}
