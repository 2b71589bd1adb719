/* SPDX-License-Identifier: Apache-2.0 */
#include "run/namespaces.h"

#include "base/mem.h"
#include "base/str.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "run/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- why not -------------------------------------------------------------- */

/* The first digit of a switch, or -1 where there is none */
static int namespaces_switch(const char *sys, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", sys, name);
	auto_free char *text = file_read(path, 64, NULL);

	return text && *text >= '0' && *text <= '9' ? *text - '0' : -1;
}

void namespaces_hint(struct kt_error *err, const char *sys)
{
	if (namespaces_switch(sys, "kernel/unprivileged_userns_clone") == 0)
		kt_hint(err, "this machine allows user namespaces to root "
			     "only: sudo sysctl -w "
			     "kernel.unprivileged_userns_clone=1");
	else if (namespaces_switch(sys, "user/max_user_namespaces") == 0 ||
		 err->code == ENOSPC || err->code == EUSERS)
		kt_hint(err, "the limit of user namespaces is reached: sudo "
			     "sysctl -w user.max_user_namespaces=10000");
	else if (namespaces_switch(
			 sys, "kernel/apparmor_restrict_unprivileged_userns") ==
		 1)
		kt_hint(err, "AppArmor keeps user namespaces from programs "
			     "without a profile that has the rule 'userns,': "
			     "the package brings one for /usr/bin/ktctl; for "
			     "another place copy it, or sudo sysctl -w "
			     "kernel.apparmor_restrict_unprivileged_userns=0");
	else if (err->code == EPERM || err->code == EACCES)
		kt_hint(err, "a container's seccomp profile (docker run "
			     "--security-opt seccomp=unconfined), or a chroot, "
			     "does not allow user namespaces");
	else if (err->code == EINVAL || err->code == ENOSYS)
		kt_hint(err, "this kernel has no user namespaces "
			     "(CONFIG_USER_NS)");
}

/* What unshare(2) says of the limits is not what their words are of a disk */
const char *namespaces_reason(int errnum)
{
	return errnum == ENOSPC || errnum == EUSERS
		       ? "there are too many of them"
		       : strerror(errnum);
}

/* --- the user namespace --------------------------------------------------- */

static int namespaces_write(const char *path, const char *text,
			    struct kt_error *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return 0;
	return kt_fail(err, errno, "write %s: %s", path, strerror(errno));
}

/* CAP_NET_ADMIN and CAP_SYS_ADMIN are there, and root's rights over files */
static bool namespaces_is_root(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const uint32_t want = 1U << CAP_NET_ADMIN | 1U << CAP_SYS_ADMIN;

	return geteuid() == 0 && syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & want) == want;
}

static int namespaces_map(uid_t uid, gid_t gid, struct kt_error *err)
{
	char users[64], groups[64];
	int rc;

	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	rc = namespaces_write("/proc/self/setgroups", "deny", err);
	if (rc == 0)
		rc = namespaces_write("/proc/self/gid_map", groups, err);
	return rc < 0 ? rc : namespaces_write("/proc/self/uid_map", users, err);
}

static int namespaces_new(struct kt_error *err)
{
	int user = namespaces_is_root() ? 0 : CLONE_NEWUSER;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(user | CLONE_NEWNET | CLONE_NEWNS) < 0) {
		kt_fail(err, errno, "make namespaces for the program: %s",
			namespaces_reason(errno));
		if (!user && err->code == ENOSPC)
			kt_hint(err, "a limit is reached: max_net_namespaces "
				     "or max_mnt_namespaces in /proc/sys/user");
		return -err->code;
	}
	if (!user)
		return 0;
	/* who has changed ids, or had capabilities, does not own its own files
	 * in /proc; from here on there is nothing that is not the user's */
	prctl(PR_SET_DUMPABLE, 1);
	return namespaces_map(uid, gid, err);
}

/* --- what is in them ------------------------------------------------------ */

static int namespaces_set_up_lo(struct kt_error *err)
{
	struct netlink *nl = NULL;
	int rc = netlink_open(&nl, err), lo;

	if (rc < 0)
		return rc;
	lo = netlink_link_index(nl, "lo");
	rc = lo < 0 ? kt_fail(err, -lo, "find the loopback device")
		    : netlink_link_up(nl, lo, 0, 0, err);
	netlink_close(nl);
	return rc;
}

int namespaces_enter(struct kt_error *err)
{
	char group[64];
	int rc = namespaces_new(err);

	/* what is mounted here stays here, what comes outside comes here too */
	if (rc == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		rc = kt_fail(err, errno, "separate the mounts: %s",
			     strerror(errno));
		if (rc == -EINVAL)
			kt_hint(err, "/ is no mount point: this is a chroot, "
				     "where it does not work");
	}
	if (rc == 0)
		rc = namespaces_set_up_lo(err);
	if (rc < 0) {
		namespaces_hint(err, "/proc/sys");
		return rc;
	}
	/* of devices to come, too: whatever this machine has set for its own */
	netns_sysctl_try("ipv6/conf/all/disable_ipv6", "0");
	netns_sysctl_try("ipv6/conf/default/disable_ipv6", "0");
	snprintf(group, sizeof(group), "%u %u", getegid(), getegid());
	netns_sysctl_try("ipv4/ping_group_range", group);
	netns_sysctl_try("ipv4/ip_unprivileged_port_start", "0");
	return 0;
}

/* --- files ---------------------------------------------------------------- */

static const char *const namespaces_files[] = { "resolv.conf", "hosts",
						"nsswitch.conf" };

/* What is kept in @room is seen in /etc */
static int namespaces_bind(int room, const char *name)
{
	auto_free char *from = xasprintf("/proc/self/fd/%d/%s", room, name);
	auto_free char *to = xasprintf("/etc/%s", name);

	return mount(from, to, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int namespaces_put(int room, const char *name, const char *text,
			  struct kt_error *err)
{
	auto_free char *to = xasprintf("/etc/%s", name);
	auto_close int fd = -1;
	int rc;

	if (!text || access(to, F_OK) < 0)
		return 0;
	fd = openat(room, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	/* the caller's umask is for the caller's files */
	if (fd < 0 || fchmod(fd, 0644) < 0 ||
	    write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return kt_fail(err, errno, "make %s for the program: %s", to,
			       strerror(errno));
	rc = namespaces_bind(room, name);
	return rc < 0 ? kt_fail(err, -rc, "put %s in its place: %s", to,
				strerror(-rc))
		      : 0;
}

int namespaces_watch(void)
{
	const uint32_t mask = IN_MOVED_TO | IN_CREATE | IN_ONLYDIR;
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, "/etc", mask) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* where a link leads: /run/systemd/resolve */
	for (size_t i = 0; i < ARRAY_SIZE(namespaces_files); i++) {
		auto_free char *path =
			xasprintf("/etc/%s", namespaces_files[i]);
		auto_free char *real = realpath(path, NULL);
		char *slash = real ? strrchr(real, '/') : NULL;

		if (!slash || slash == real)
			continue;
		*slash = '\0';
		(void)!inotify_add_watch(fd, real, mask);
	}
	return fd;
}

void namespaces_mount_again(int room)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces_files); i++) {
		auto_free char *to = xasprintf("/etc/%s", namespaces_files[i]);
		struct stat ours, there;

		if (fstatat(room, namespaces_files[i], &ours, 0) == 0 &&
		    stat(to, &there) == 0 &&
		    (ours.st_dev != there.st_dev ||
		     ours.st_ino != there.st_ino))
			(void)!namespaces_bind(room, namespaces_files[i]);
	}
}

/* Of a daemon that looks names up outside */
static int namespaces_hide(const char *dir, int room, struct kt_error *err)
{
	auto_free char *empty = xasprintf("/proc/self/fd/%d/empty", room);

	if (access(dir, F_OK) < 0)
		return 0;
	if ((mkdirat(room, "empty", 0755) < 0 && errno != EEXIST) ||
	    mount(empty, dir, NULL, MS_BIND, NULL) < 0)
		return kt_fail(err, errno, "hide %s: %s", dir, strerror(errno));
	return 0;
}

int namespaces_mount(const struct etc_files *files, int room,
		     struct kt_error *err)
{
	const char *const text[] = { files->resolv_conf, files->hosts,
				     files->nsswitch };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(text); i++)
		rc = namespaces_put(room, namespaces_files[i], text[i], err);
	return rc < 0 ? rc : namespaces_hide("/run/nscd", room, err);
}
