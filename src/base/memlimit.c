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

static uint64_t memlimit_least(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* What the group @path below @root may have: those above it have limits, too */
static uint64_t memlimit_group(const char *root, char *path, const char *file)
{
	char name[700];
	uint64_t n = 0;
	char *slash;

	while ((slash = strrchr(path, '/'))) {
		snprintf(name, sizeof(name), "%s%s/%s", root,
			 path[1] ? path : "", file);
		n = memlimit_least(n, memlimit_read(name));
		*slash = 0;
	}
	return n;
}

/* The own group: "0::/path" of the one hierarchy, else "N:memory:/path" */
static uint64_t memlimit_own(void)
{
	static const char one[] = "0::", memory[] = ":memory:";
	char line[512];
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *v1 = strstr(line, memory);

		line[strcspn(line, "\n")] = 0;
		if (v1)
			n = memlimit_least(
				n, memlimit_group("/sys/fs/cgroup/memory",
						  v1 + strlen(memory),
						  "memory.limit_in_bytes"));
		else if (strncmp(line, one, strlen(one)) == 0)
			n = memlimit_least(n, memlimit_group("/sys/fs/cgroup",
							     line + strlen(one),
							     "memory.max"));
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
