/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memlimit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT ((uint64_t)1 << 50) /* cgroups 1 have a huge number for it */

uint64_t memlimit_parse(const char *text)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || (*end && *end != '\n') || n >= NO_LIMIT)
		return 0;
	return n;
}

static uint64_t memlimit_read(const char *path)
{
	char text[64] = "";
	FILE *f = fopen(path, "re");
	uint64_t n = 0;

	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f))
		n = memlimit_parse(text);
	fclose(f);
	return n;
}

/* The own group of the one hierarchy: a line "0::/path" */
static uint64_t memlimit_own(void)
{
	char line[512], path[640];
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t n = 0;

	while (f && !n && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max",
			 line + 3);
		n = memlimit_read(path);
	}
	if (f)
		fclose(f);
	return n;
}

uint64_t memlimit_get(void)
{
	uint64_t n = memlimit_own();

	if (!n) /* in a container: its own is the root */
		n = memlimit_read("/sys/fs/cgroup/memory.max");
	if (!n)
		n = memlimit_read(
			"/sys/fs/cgroup/memory/memory.limit_in_bytes");
	return n;
}
