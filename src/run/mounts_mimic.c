/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "run/mounts_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIMIC_ENTRIES_MAX 4096
#define MIMIC_ROOM "tmp" /* of a new root: the room is below it */

bool mounts_is_ours(const struct mounts *m, const char *path,
		    const char *in_room)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstatat(m->room, in_room, &b, 0) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* --- one entry ------------------------------------------------------------ */

static int mimic_link(int from, int to, const char *name)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return symlinkat(text, to, name) < 0 ? -errno : 0;
}

static int mimic_entry(int from, int to, const char *name)
{
	auto_free char *source = mounts_fd_path(from, name);
	auto_free char *target = mounts_fd_path(to, name);
	auto_close int fd = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* it has just gone */
	if (S_ISLNK(st.st_mode))
		return mimic_link(from, to, name);
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(to, name, st.st_mode & 07777) < 0)
			return -errno;
	} else {
		fd = openat(to, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
	}
	return mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno
								       : 0;
}

/* Each entry of @path but @but */
static int mimic_fill(const char *path, int to, const char *but)
{
	auto_close int from = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	DIR *d = opendir(path);
	const struct dirent *e;
	int rc = d && from >= 0 ? 0 : -errno;

	for (size_t n = 0; rc == 0 && (e = readdir(d)); n++) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || str_eq(e->d_name, but))
			continue;
		rc = n < MIMIC_ENTRIES_MAX ? mimic_entry(from, to, e->d_name)
					   : -E2BIG;
	}
	if (d)
		closedir(d);
	return rc;
}

/* --- a new root ----------------------------------------------------------- */

static int mimic_move_inner(int from, int to, const char *name)
{
	auto_free char *source = mounts_fd_path(from, name);
	auto_free char *target = mounts_fd_path(to, name);

	return mount(source, target, NULL, MS_BIND, NULL);
}

/* The room is to be below /tmp there, too, with what is mounted in it: else it
 * would go with the old root. @to: the new root */
static int mimic_move_room(struct mounts *m, int to)
{
	auto_close int old =
		open("/" MIMIC_ROOM, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *place = mounts_fd_path(to, MIMIC_ROOM);
	auto_free char *room = mounts_fd_path(m->room, NULL);
	auto_close int fd = -1;

	if (old < 0)
		return old;
	if (mkdirat(to, MIMIC_ROOM, 01777) < 0 ||
	    mount(room, place, NULL, MS_BIND, NULL) < 0)
		return -errno;
	fd = openat(to, MIMIC_ROOM, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < m->inner.n; i++)
		if (mimic_move_inner(m->room, fd, m->inner.v[i]) < 0)
			return -errno;
	if (dup3(fd, m->room, O_CLOEXEC) < 0)
		return -errno;
	return mounts_cover(place, old);
}

static int mimic_pivot(int to)
{
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)))
		snprintf(cwd, sizeof(cwd), "/");
	if (fchdir(to) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	/* it lies over the new one now */
	if (umount2(".", MNT_DETACH) < 0)
		return -errno;
	if (chdir("/") < 0 || chdir(cwd) < 0)
		return -errno;
	return 0;
}

/* --- the whole ------------------------------------------------------------ */

/* A folder of the room that is a mount of its own, so that it can be moved, as
 * it is seen through that mount */
static int mimic_begin(struct mounts *m, const char *name, mode_t mode)
{
	auto_free char *path = mounts_fd_path(m->room, name);
	int fd;

	if (mkdirat(m->room, name, 0700) < 0 ||
	    fchmodat(m->room, name, mode & 07777, 0) < 0 ||
	    mount(path, path, NULL, MS_BIND, NULL) < 0)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int mimic_place(struct mounts *m, const char *path, int to)
{
	auto_free char *from = mounts_fd_path(to, NULL);
	char cwd[PATH_MAX];
	int rc;

	if (strcmp(path, "/") == 0) {
		rc = mimic_fill(path, to, MIMIC_ROOM);
		if (rc == 0)
			rc = mimic_move_room(m, to);
		return rc < 0 ? rc : mimic_pivot(to);
	}
	rc = mimic_fill(path, to, NULL);
	if (rc < 0)
		return rc;
	if (mount(from, path, NULL, MS_MOVE, NULL) < 0)
		return -errno;
	/* where we are may be below it */
	if (getcwd(cwd, sizeof(cwd)) && chdir(cwd) < 0)
		return -errno;
	return 0;
}

int mounts_mimic(struct mounts *m, const char *path, struct kt_error *err)
{
	auto_free char *name = xasprintf("m%u", m->nmimic++);
	auto_free char *there = mounts_fd_path(m->room, name);
	auto_close int to = -1;
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return kt_fail(err, errno, "%s: %s", path, strerror(errno));
	to = mimic_begin(m, name, st.st_mode);
	rc = to < 0 ? to : mimic_place(m, path, to);
	if (rc == 0) {
		mounts_add_own(m, path, name);
		return 0;
	}
	umount2(there, MNT_DETACH);
	return kt_fail(err, -rc, "make room in %s: %s", path, strerror(-rc));
}
