/* SPDX-License-Identifier: Apache-2.0 */
#include "netns_test.h"

#include "base/mem.h"
#include "net/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

static void skip_all(const char *why)
{
	printf("1..0 # SKIP %s: %s\n", why, strerror(errno));
	exit(0);
}

static void put(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip_all(path);
}

void netns_test_enter(void)
{
	struct kt_error err = { 0 };
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct netlink *nl;
	char map[64];

	if (uid == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			skip_all("unshare");
	} else {
		if (access("/dev/net/tun", R_OK | W_OK) < 0)
			skip_all("/dev/net/tun");
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			skip_all("unshare");
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
		put("/proc/self/gid_map", map);
	}
	if (netlink_open(&nl, &err) < 0 ||
	    netlink_link_up(nl, 1, 0, 0, &err) < 0)
		skip_all(err.msg);
	netlink_close(nl);
}

struct client {
	long (*fn)(void *arg);
	void *arg;
	long result;
	int event;
	bool done;
	struct watch watch;
};

static void *run_client(void *p)
{
	struct client *c = p;

	c->result = c->fn(c->arg);
	eventfd_write(c->event, 1);
	return NULL;
}

static void on_done(struct watch *w, uint32_t events)
{
	struct client *c = container_of(w, struct client, watch);

	(void)events;
	c->done = true;
	loop_watch_stop(w);
}

long netns_test_client(struct loop *l, long (*fn)(void *arg), void *arg)
{
	struct client c = { .fn = fn, .arg = arg };
	pthread_t thread;

	c.event = eventfd(0, EFD_CLOEXEC);
	assert_true(c.event >= 0);
	assert_int_equal(
		loop_watch_start(l, &c.watch, c.event, EPOLLIN, on_done), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_client, &c), 0);
	assert_int_equal(loop_run_until(l, &c.done, 120 * NS_SEC), 0);
	pthread_join(thread, NULL);
	close(c.event);
	return c.result;
}

int netns_test_shell(const char *fmt, ...)
{
	char cmd[512];
	int status;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
