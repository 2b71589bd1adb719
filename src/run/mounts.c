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
	strv_fini(&m->inner);
	free(m);
}

void mounts_add_inner(struct mounts *m, const char *name)
{
	strv_add(&m->inner, name);
}

void mounts_add_own(struct mounts *m, const char *target, const char *source)
{
	m->own = xrealloc(m->own, (m->nown + 1) * sizeof(*m->own));
	m->own[m->nown++] = (struct mounts_own){ .target = xstrdup(target),
						 .source = xstrdup(source) };
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

/* --- what others have written --------------------------------------------- */

int mounts_walk(int at, const char *path)
{
	auto_free char *text = xstrdup(path);
	char *rest = text, *part;
	struct stat st;
	int next, fd = openat(at, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (fd >= 0 && (part = strsep(&rest, "/"))) {
		if (!*part)
			continue;
		next = openat(fd, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			next = -errno;
		close(fd);
		fd = next;
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
		close(fd);
		return -ELOOP;
	}
	return fd;
}

static int mounts_walk_root(const char *path)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : mounts_walk(root, path);
}

/* The volume that has the folder @path, or NULL */
static const struct mounts_own *mounts_volume(const struct mounts *m,
					      const char *path)
{
	const struct mounts_own *best = NULL;

	for (size_t i = 0; i < m->nown; i++)
		if (m->own[i].volume &&
		    mounts_is_below(path, m->own[i].target) &&
		    (!best || strlen(m->own[i].target) >= strlen(best->target)))
			best = &m->own[i];
	return best;
}

/* As realpath(3) does. A link in a volume is what somebody in the Pod has made,
 * and may not lead out of it: it would say what of this machine is covered. */
static int mounts_resolve(const struct mounts *m, const char *target,
			  char **real)
{
	auto_free char *text = xstrdup(target);
	auto_free char *at = xstrdup("/");
	char *rest = text, *part;
	struct stat st;

	while ((part = strsep(&rest, "/"))) {
		const struct mounts_own *v = mounts_volume(m, at);
		auto_free char *next = xasprintf("%s/%s", at, part);

		free(at);
		at = realpath(next, NULL);
		if (!at && (!v || errno != ENOENT || lstat(next, &st) < 0))
			return -errno;
		if (!at || (v && !mounts_is_below(at, v->target)))
			return -ELOOP;
	}
	*real = steal_ptr(&at);
	return 0;
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

/* The folders above the last part of @missing, then that. No link is followed:
 * what is made is in the room. */
static int mounts_make(const struct mounts *m, const char *in_room,
		       const char *missing, bool dir)
{
	auto_free char *text = xstrdup(missing);
	char *part = text, *slash;
	auto_close int at =
		openat(m->room, in_room, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;

	while (at >= 0 && (slash = strchr(part, '/'))) {
		int next;

		*slash = '\0';
		if (*part && mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = openat(at, *part ? part : ".",
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close(at);
		at = next;
		part = slash + 1;
	}
	if (at < 0)
		return -errno;
	if (dir)
		return *part && mkdirat(at, part, 0755) < 0 && errno != EEXIST
			       ? -errno
			       : 0;
	fd = openat(at, part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0644);
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

/* @name in @from, or that itself, at @at, which is @target. There is no link in
 * that: who makes it one now is not followed. */
static int mounts_bind(int from, const char *name, int at, const char *target,
		       bool read_only)
{
	auto_free char *source = mounts_fd_path(from, name);
	auto_free char *place = mounts_fd_path(at, NULL);
	auto_free char *again = NULL;
	auto_close int bound = -1;
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV;

	if (mount(source, place, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (!read_only)
		return 0;
	bound = mounts_walk_root(target);
	if (bound < 0)
		return bound;
	again = mounts_fd_path(bound, NULL);
	return mount(NULL, again, NULL, flags | MS_RDONLY, NULL) < 0 ? -errno
								     : 0;
}

/* Where @target really is (returned, caller frees); it is made if it is not
 * there */
static char *mounts_find_place(struct mounts *m, const char *target, bool dir,
			       struct kt_error *err)
{
	char *real = NULL;
	int rc = mounts_resolve(m, target, &real);

	if (rc < 0 && rc != -ELOOP) {
		if (mounts_make_place(m, target, dir, err) < 0)
			return NULL;
		rc = mounts_resolve(m, target, &real);
	}
	if (rc == -ELOOP)
		kt_fail(err, ELOOP,
			"its place is a link that leads out of a volume");
	else if (rc < 0)
		kt_fail(err, -rc, "its place: %s", strerror(-rc));
	return real;
}

/* The place is made first: with a new root the room is another mount */
static int mounts_put(struct mounts *m, const char *source, bool links,
		      const char *target, bool dir, bool read_only,
		      struct kt_error *err)
{
	auto_free char *real = mounts_find_place(m, target, dir, err);
	auto_close int at = -1, from = -1;
	struct stat st;
	int rc;

	if (!real)
		return -err->code;
	at = mounts_walk_root(real);
	if (at < 0)
		return kt_fail(err, -at, "its place: %s", strerror(-at));
	if (fstat(at, &st) < 0)
		return kt_fail(err, errno, "its place: %s", strerror(errno));
	if (S_ISDIR(st.st_mode) != dir)
		return kt_fail(err, dir ? ENOTDIR : EISDIR,
			       "there is a %s at this place here",
			       dir ? "file" : "folder");
	from = mounts_walk(m->room, links ? "" : source);
	rc = from < 0 ? from
		      : mounts_bind(from, links ? source : NULL, at, real,
				    read_only);
	if (rc < 0)
		return kt_fail(err, -rc, "bind it: %s", strerror(-rc));
	if (dir) {
		mounts_add_own(m, real, source);
		m->own[m->nown - 1].volume = true;
	}
	return 0;
}

int mounts_place(struct mounts *m, const char *source, const char *target,
		 bool dir, bool read_only, struct kt_error *err)
{
	return mounts_put(m, source, true, target, dir, read_only, err);
}

int mounts_place_far(struct mounts *m, const char *source, const char *target,
		     bool dir, bool read_only, struct kt_error *err)
{
	return mounts_put(m, source, false, target, dir, read_only, err);
}
