/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdlimit.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIMIT_UNKNOWN 1024
#define LIMIT_MAX ((rlim_t)1 << 20)

static struct rlimit before;
static int raised; /* @before is known */

void fdlimit_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur >= rl.rlim_max)
		return;
	if (!raised)
		before = rl;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0)
		raised = 1;
}

void fdlimit_restore(void)
{
	if (raised)
		(void)setrlimit(RLIMIT_NOFILE, &before);
}

int fdlimit_usable(void)
{
	struct rlimit rl;
	int n = LIMIT_UNKNOWN;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
		n = (int)MIN(rl.rlim_cur, LIMIT_MAX);
	return n - MIN(FDLIMIT_KEPT, n / 4);
}

int fdlimit_reserve(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	if (copy < fdlimit_usable())
		return copy;
	close(copy);
	return -EMFILE;
}

int fdlimit_take(int fd)
{
	if (fd < 0)
		return -errno;
	if (fd < fdlimit_usable())
		return fd;
	close(fd);
	return -EMFILE;
}
