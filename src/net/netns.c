/* SPDX-License-Identifier: Apache-2.0 */
#include "net/netns.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SELF "/proc/thread-self/ns/net"

int netns_current(struct kt_error *err)
{
	int fd = open(SELF, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		kt_fail(err, errno, "open %s: %s", SELF, strerror(errno));
		kt_hint(err, "is /proc mounted?");
		return -err->code;
	}
	return fd;
}

/* Back to @home; there is no second way when this fails. */
static int come_back(int home, struct kt_error *err)
{
	if (setns(home, CLONE_NEWNET) == 0)
		return 0;
	return kt_fail(err, ENOTRECOVERABLE,
		       "return to the network namespace: %s", strerror(errno));
}

int netns_new(struct kt_error *err)
{
	auto_close int home = netns_current(err);
	auto_close int fd = -1;
	int rc;

	if (home < 0)
		return home;
	/* leaving is only half of it: is the way back allowed? */
	if (setns(home, CLONE_NEWNET) < 0 || unshare(CLONE_NEWNET) < 0) {
		kt_fail(err, errno, "create network namespace: %s",
			strerror(errno));
		netns_hint(err);
		return -err->code;
	}
	fd = netns_current(err);
	rc = come_back(home, err);
	if (rc < 0)
		return rc;
	return fd < 0 ? -err->code : steal_fd(&fd);
}

int netns_run(int fd, netns_fn fn, void *user, struct kt_error *err)
{
	auto_close int home = netns_current(err);
	int rc, back;

	if (home < 0)
		return home;
	if (setns(fd, CLONE_NEWNET) < 0) {
		kt_fail(err, errno, "enter network namespace: %s",
			strerror(errno));
		netns_hint(err);
		return -err->code;
	}
	rc = fn(user, err);
	back = come_back(home, err);
	return back < 0 ? back : rc;
}

int netns_sysctl_set(const char *name, const char *value, struct kt_error *err)
{
	size_t len = strlen(value);
	auto_close int fd = -1;
	char path[160];
	int rc;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, value, len) == (ssize_t)len)
		return 0;
	rc = kt_fail(err, errno, "set %s to %s: %s", path, value,
		     strerror(errno));
	if (-rc == EROFS)
		kt_hint(err, "/proc/sys is read-only, as in an unprivileged "
			     "container: run ktctl outside of it, or with "
			     "--mode sshuttle, or with --disableTunDevice as a "
			     "SOCKS5 proxy");
	netns_hint(err);
	return rc;
}

void netns_sysctl_try(const char *name, const char *value)
{
	struct kt_error err = { 0 };

	if (netns_sysctl_set(name, value, &err) < 0)
		log_debug("%s", err.msg);
}

int netns_check(bool device, struct kt_error *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const uint32_t want =
		1U << CAP_NET_ADMIN | (device ? 1U << CAP_SYS_ADMIN : 0);

	if (syscall(SYS_capget, &head, data) < 0 ||
	    (data[0].effective & want) == want)
		return 0;
	kt_fail(err, EPERM,
		"only root may change the routes and names of this machine");
	netns_hint(err);
	return -EPERM;
}

void netns_hint(struct kt_error *err)
{
	if (!err)
		return;
	if (err->code == EPERM || err->code == EACCES) {
		if (geteuid() != 0)
			kt_hint(err, "run it as root: sudo ktctl ...; or with "
				     "--disableTunDevice as a SOCKS5 proxy");
		else
			kt_hint(err,
				"root without the capabilities CAP_NET_ADMIN "
				"and CAP_SYS_ADMIN, as in a container: run "
				"ktctl outside of it, or with --mode sshuttle "
				"(needs CAP_NET_ADMIN only), or with "
				"--disableTunDevice as a SOCKS5 proxy");
	} else if (err->code == ENOSPC || err->code == EUSERS) {
		kt_hint(err, "the limit in /proc/sys/user/max_net_namespaces "
			     "is reached");
	} else if (err->code == EINVAL || err->code == ENOSYS) {
		kt_hint(err, "this kernel has no network namespaces; "
			     "--disableTunDevice works without (SOCKS5)");
	}
}
