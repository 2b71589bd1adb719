/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "run/keeper_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static size_t keeper_env_count(const char *block, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !block[i];
	return count;
}

char **keeper_take_list(int fd)
{
	struct stat st;
	char *block, **list;
	size_t n, count, at = 0;

	if (fstat(fd, &st) < 0)
		return NULL;
	n = (size_t)st.st_size;
	block = xmalloc(n + 1);
	if (pread(fd, block, n, 0) != (ssize_t)n) {
		free(block);
		errno = EIO;
		return NULL;
	}
	block[n] = '\0';
	count = keeper_env_count(block, n);
	list = xcalloc(count + 1, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		list[i] = block + at;
		at += strlen(block + at) + 1;
	}
	return list;
}

int keeper_take_env(int fd)
{
	char **list = keeper_take_list(fd);

	if (!list)
		return -errno;
	environ = list;
	return 0;
}
