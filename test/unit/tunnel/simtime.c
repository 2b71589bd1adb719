/* SPDX-License-Identifier: Apache-2.0 */
#include "simtime.h"

#include "base/loop.h"
#include "base/mem.h"

#include <sys/epoll.h>
#include <time.h>

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __real_epoll_wait(int fd, struct epoll_event *ev, int max, int ms);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_epoll_wait(int fd, struct epoll_event *ev, int max, int ms);

static int64_t skipped;
static struct timespec frozen; /* zero: real time passes, too */
static int patience;

int64_t simtime_skipped(void)
{
	return skipped;
}

void simtime_freeze(void)
{
	__real_clock_gettime(CLOCK_MONOTONIC, &frozen);
}

void simtime_patience(int ms)
{
	patience = ms;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);
	int64_t ns;

	if (frozen.tv_sec)
		*ts = frozen;
	ns = ts->tv_nsec + skipped % NS_SEC;
	ts->tv_sec += skipped / NS_SEC + ns / NS_SEC;
	ts->tv_nsec = ns % NS_SEC;
	return rc;
}

int __wrap_epoll_wait(int fd, struct epoll_event *ev, int max, int ms)
{
	int real = ms < 0 ? ms : MIN(ms, patience);
	int n = __real_epoll_wait(fd, ev, max, real);

	if (n == 0 && ms > 0)
		skipped += (ms - (frozen.tv_sec ? 0 : real)) * NS_MS;
	return n;
}
