/* SPDX-License-Identifier: Apache-2.0 */
#include "control/place.h"

#include "base/mem.h"
#include "base/str.h"
#include "local/home.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PLACE_SUFFIX ".sock"
#define PLACE_ROOT "/run/ktctl"
#define PLACE_USERS "/run/user"
#define PLACE_HOME "run" /* below ~/.kt */
#define PLACE_BACKLOG 16
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

/* --- names ---------------------------------------------------------------- */

void place_name(char name[PLACE_NAME_MAX], const char *command, pid_t pid)
{
	snprintf(name, PLACE_NAME_MAX, "%s-%d" PLACE_SUFFIX, command, (int)pid);
}

bool place_parse(const char *name, char command[PLACE_COMMAND_MAX], pid_t *pid)
{
	const char *dash = strrchr(name, '-');
	size_t n = dash ? (size_t)(dash - name) : 0, len = strlen(name);
	char digits[16];
	long v;

	if (!n || n >= PLACE_COMMAND_MAX || !str_ends(name, PLACE_SUFFIX))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)name[i]) &&
		    (name[i] != '-' || !i || name[i - 1] == '-'))
			return false;
	if (name[n - 1] == '-')
		return false;
	len -= n + 1 + strlen(PLACE_SUFFIX);
	if (!len || len >= sizeof(digits) || !isdigit((unsigned char)dash[1]))
		return false;
	memcpy(digits, dash + 1, len);
	digits[len] = '\0';
	if (str_to_long(digits, &v) < 0 || v <= 0 || v > INT_MAX)
		return false;
	memcpy(command, name, n);
	command[n] = '\0';
	*pid = (pid_t)v;
	return true;
}

/* --- directories ---------------------------------------------------------- */

/* @fd is a directory of ours that nobody else writes to */
static bool place_is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The runtime directory of this user; returned, caller frees */
static char *place_runtime(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return xstrdup("/run");
	if (xdg && xdg[0] == '/')
		return xstrdup(xdg);
	return xasprintf(PLACE_USERS "/%u", (unsigned int)geteuid());
}

/* ktctl in it: -errno where it is not to be had, or is not ours */
static int place_open_runtime(bool create)
{
	auto_free char *base = place_runtime();
	auto_close int up = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;

	if (up < 0)
		return -errno;
	/* /run/ktctl is looked through by users whose sudo made a socket */
	if (create && place_is_ours(up) &&
	    mkdirat(up, "ktctl", geteuid() ? 0700 : 0755) < 0 &&
	    errno != EEXIST)
		return -errno;
	fd = openat(up, "ktctl", OPEN_DIR);
	if (fd < 0)
		return -errno;
	if (!place_is_ours(fd))
		return -EPERM;
	if (create && !geteuid()) /* sudo adds the caller's umask to its own */
		(void)!fchmod(fd, 0755);
	return steal_fd(&fd);
}

int place_open(const struct home *h, bool lasting, struct kt_error *err)
{
	int fd = -1;

	/* root's /run lasts */
	if (lasting && geteuid() && h->uid == geteuid())
		fd = home_open_dir(h, PLACE_HOME, 1, NULL);
	if (fd < 0)
		fd = place_open_runtime(true);
	if (fd >= 0)
		return fd;
	/* not as root in a directory of somebody else's */
	if (h->uid != geteuid())
		return kt_fail(err, -fd, "make " PLACE_ROOT ": %s",
			       strerror(-fd));
	return home_open_dir(h, PLACE_HOME, 1, err);
}

/* --- what is there -------------------------------------------------------- */

struct place_scan {
	void (*fn)(void *user, const struct place_entry *e);
	void *user;
};

static void place_scan(const struct place_scan *s, int fd)
{
	struct place_entry e = { 0 };
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	e.dir = dirfd(d);
	while ((entry = readdir(d))) {
		e.name = entry->d_name;
		if (!place_parse(e.name, e.command, &e.pid) ||
		    fstatat(e.dir, e.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISSOCK(st.st_mode))
			continue;
		e.uid = st.st_uid;
		if (geteuid() == 0 || e.uid == geteuid())
			s->fn(s->user, &e);
	}
	closedir(d);
}

/* root may ask everybody's */
static void place_scan_users(const struct place_scan *s)
{
	DIR *d = opendir(PLACE_USERS);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		auto_free char *path = NULL;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		path = xasprintf(PLACE_USERS "/%s/ktctl", entry->d_name);
		place_scan(s, open(path, OPEN_DIR));
	}
	if (d)
		closedir(d);
}

void place_each(const struct home *h,
		void (*fn)(void *user, const struct place_entry *e), void *user)
{
	const struct place_scan s = { fn, user };

	place_scan(&s, place_open_runtime(false));
	place_scan(&s, home_open_dir(h, PLACE_HOME, 0, NULL));
	if (geteuid() == 0)
		place_scan_users(&s);
	else
		place_scan(&s, open(PLACE_ROOT, OPEN_DIR));
}

/* --- sockets -------------------------------------------------------------- */

static int place_address(struct sockaddr_un *sa, int dir, const char *name)
{
	int n;

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s",
		     dir, name);
	return n < (int)sizeof(sa->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Until it listens who connects is refused, as by a dead one: so it gets its
 * name after that */
int place_listen(int dir, const char *name, uid_t owner)
{
	auto_close int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char temp[PLACE_NAME_MAX + 2];
	struct sockaddr_un sa;
	mode_t mask;
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(temp, sizeof(temp), ".%s", name);
	rc = place_address(&sa, dir, temp);
	if (rc < 0)
		return rc;
	unlinkat(dir, temp, 0); /* a dead one's that had our pid */
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(mask);
	if (rc < 0)
		return rc;
	if ((owner != geteuid() &&
	     fchownat(dir, temp, owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0) ||
	    listen(fd, PLACE_BACKLOG) < 0 ||
	    renameat(dir, temp, dir, name) < 0) {
		rc = -errno;
		unlinkat(dir, temp, 0);
		return rc;
	}
	return steal_fd(&fd);
}

int place_connect(int dir, const char *name)
{
	auto_close int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	int rc;

	if (fd < 0)
		return -errno;
	rc = place_address(&sa, dir, name);
	if (rc < 0)
		return rc;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return steal_fd(&fd);
}

uid_t place_peer_uid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0
		       ? cred.uid
		       : (uid_t)-1;
}

bool place_is_peer(int fd, const struct place_entry *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.pid == e->pid && (cred.uid == e->uid || cred.uid == 0);
}
