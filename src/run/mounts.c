/* SPDX-License-Identifier: Apache-2.0 */
#include "run/mounts.h"

#include "base/mem.h"
#include "base/str.h"
#include "run/mounts_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MOUNTS_ROOM "/tmp"
/* of open_tree(2) and move_mount(2), Linux 5.2 */
#define MOUNTS_CLONE 1
#define MOUNTS_RECURSIVE 0x8000
#define MOUNTS_EMPTY_PATH 4

/* --- the room ------------------------------------------------------------- */

char *mounts_fd_path(int fd, const char *name)
{
	return name ? xasprintf("/proc/self/fd/%d/%s", fd, name)
		    : xasprintf("/proc/self/fd/%d", fd);
}

/* What is at @path, with all that is mounted below it, as a tree that is
 * mounted nowhere: a descriptor, or -errno */
int mounts_take(const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
			      MOUNTS_CLONE | MOUNTS_RECURSIVE | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Such a tree is seen at @path */
int mounts_cover(const char *path, int tree)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path,
		       MOUNTS_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

int mounts_open(struct kt_error *err)
{
	auto_close int old = mounts_take(MOUNTS_ROOM), room = -1;
	int rc = old;

	if (rc >= 0)
		rc = mount("tmpfs", MOUNTS_ROOM, "tmpfs", MS_NOSUID | MS_NODEV,
			   "mode=700") < 0
			     ? -errno
			     : 0;
	if (rc < 0)
		return kt_fail(err, -rc, "mount a tmpfs: %s", strerror(-rc));
	room = open(MOUNTS_ROOM, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = room < 0 ? -errno : mounts_cover(MOUNTS_ROOM, old);
	if (rc < 0)
		return kt_fail(err, -rc, "hide a tmpfs: %s", strerror(-rc));
	return steal_fd(&room);
}

/* --- what is ours --------------------------------------------------------- */

struct mounts *mounts_new(int room)
{
	struct mounts *m = xcalloc(1, sizeof(*m));

	m->room = room;
	return m;
}

void mounts_free(struct mounts *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nown; i++) {
		free(m->own[i].target);
		free(m->own[i].source);
	}
	free(m->own);
	free(m);
}

void mounts_add_own(struct mounts *m, const char *target, const char *source)
{
	m->own = xrealloc(m->own, (m->nown + 1) * sizeof(*m->own));
	m->own[m->nown++] =
		(struct mounts_own){ xstrdup(target), xstrdup(source) };
}

static bool mounts_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/');
}

/* Where @path is in the room, if the folder that has it is ours (returned,
 * caller frees); or NULL */
static char *mounts_in_room(const struct mounts *m, const char *path)
{
	const struct mounts_own *best = NULL;
	const char *rest;

	for (size_t i = 0; i < m->nown; i++)
		if (mounts_is_below(path, m->own[i].target) &&
		    (!best || strlen(m->own[i].target) >= strlen(best->target)))
			best = &m->own[i];
	if (!best)
		return NULL;
	rest = strcmp(best->target, "/") == 0 ? path
					      : path + strlen(best->target);
	return xasprintf("%s%s", best->source, rest);
}

/* --- a place that is not there -------------------------------------------- */

/* The deepest folder of @path that is there, as it is really called (returned,
 * caller frees), and what is missing in it, "a/b" */
static char *mounts_deepest(const char *path, const char **missing)
{
	auto_free char *text = xstrdup(path);
	char *real = NULL, *slash;

	while (!real && (slash = strrchr(text, '/'))) {
		*missing = path + (slash - text) + 1;
		*slash = '\0';
		real = realpath(*text ? text : "/", NULL);
		if (!*text)
			break;
	}
	return real;
}

/* The folders above the last part of @missing, then that */
static int mounts_make(const struct mounts *m, const char *in_room,
		       const char *missing, bool dir)
{
	auto_free char *path = xasprintf("%s/%s", in_room, missing);
	char *p = path + strlen(in_room) + 1;
	auto_close int fd = -1;

	while ((p = strchr(p, '/'))) {
		*p = '\0';
		if (mkdirat(m->room, path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p++ = '/';
	}
	if (dir)
		return mkdirat(m->room, path, 0755) < 0 && errno != EEXIST
			       ? -errno
			       : 0;
	fd = openat(m->room, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

static int mounts_make_place(struct mounts *m, const char *target, bool dir,
			     struct kt_error *err)
{
	const char *missing = "";
	auto_free char *above = mounts_deepest(target, &missing);
	auto_free char *in_room = NULL;
	int rc;

	if (!above)
		return kt_fail(err, ENOENT, "no folder of %s is there", target);
	in_room = mounts_in_room(m, above);
	/* a folder of this machine that is seen in ours is not ours */
	if (!in_room || !mounts_is_ours(m, above, in_room)) {
		rc = mounts_mimic(m, above, err);
		if (rc < 0)
			return rc;
		free(in_room);
		in_room = mounts_in_room(m, above);
	}
	rc = in_room ? mounts_make(m, in_room, missing, dir) : -ENOENT;
	return rc < 0 ? kt_fail(err, -rc, "make a place for it in %s: %s",
				above, strerror(-rc))
		      : 0;
}

/* --- placing -------------------------------------------------------------- */

static int mounts_bind(struct mounts *m, const char *source, const char *target,
		       bool read_only)
{
	auto_free char *from = mounts_fd_path(m->room, source);
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV;

	if (mount(from, target, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (!read_only ||
	    mount(NULL, target, NULL, flags | MS_RDONLY, NULL) == 0)
		return 0;
	return -errno;
}

int mounts_place(struct mounts *m, const char *source, const char *target,
		 bool dir, bool read_only, struct kt_error *err)
{
	auto_free char *real = realpath(target, NULL);
	struct stat st;
	int rc = real ? 0 : mounts_make_place(m, target, dir, err);

	if (rc < 0)
		return rc;
	if (!real)
		real = realpath(target, NULL);
	if (!real || stat(real, &st) < 0)
		return kt_fail(err, errno, "its place: %s", strerror(errno));
	if (S_ISDIR(st.st_mode) != dir)
		return kt_fail(err, dir ? ENOTDIR : EISDIR,
			       "there is a %s at this place here",
			       dir ? "file" : "folder");
	rc = mounts_bind(m, source, real, read_only);
	if (rc < 0)
		return kt_fail(err, -rc, "bind it: %s", strerror(-rc));
	if (dir)
		mounts_add_own(m, real, source);
	return 0;
}
