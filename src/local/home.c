/* SPDX-License-Identifier: Apache-2.0 */
#include "local/home.h"

#include "base/buf.h"
#include "base/caller.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

void home_init(struct home *h)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;
	struct caller caller;

	*h = (struct home){ .uid = geteuid(), .gid = getegid() };
	if (caller_get(&caller)) {
		h->uid = caller.uid;
		h->gid = caller.gid;
		h->user = steal_ptr(&caller.home);
		caller_fini(&caller);
	} else if (home && *home) {
		h->user = xstrdup(home);
	} else {
		pw = getpwuid(h->uid);
		h->user = xstrdup(pw ? pw->pw_dir : "/");
	}
	home = h->user;
	h->dir = xasprintf("%s/.kt", strcmp(home, "/") == 0 ? "" : home);
}

bool home_init_root(struct home *root, const struct home *h)
{
	const struct passwd *pw = geteuid() == 0 ? getpwuid(0) : NULL;

	if (!pw || pw->pw_dir[0] != '/' || strcmp(pw->pw_dir, h->user) == 0)
		return false;
	*root = (struct home){ .user = xstrdup(pw->pw_dir),
			       .dir = xasprintf("%s/.kt", pw->pw_dir) };
	return true;
}

void home_fini(struct home *h)
{
	free(h->user);
	free(h->dir);
	*h = (struct home){ 0 };
}

char *home_path(const struct home *h, const char *name)
{
	return xasprintf("%s/%s", h->dir, name);
}

void home_own(const struct home *h, int fd)
{
	/* best effort: a file of root's in the user's home is a nuisance,
	 * not a failure */
	if (geteuid() == 0 && h->uid != 0 && fchown(fd, h->uid, h->gid) < 0)
		return;
}

/* The directory @name below @at, made when it is missing and @create */
static int open_below(const struct home *h, int at, const char *name,
		      int create)
{
	/* as root in another user's home, his links are not to be trusted */
	const int trust = geteuid() == 0 && h->uid != 0 ? O_NOFOLLOW : 0;
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | trust;
	int fd = openat(at, name, flags);

	if (fd >= 0 || errno != ENOENT || !create)
		return fd < 0 ? -errno : fd;
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, flags);
	if (fd < 0)
		return -errno;
	home_own(h, fd);
	return fd;
}

static int home_walk(const struct home *h, const char *sub, int create,
		     struct kt_error *err)
{
	auto_close int user = -1;
	auto_close int dir = -1;
	int fd;

	user = open(h->user, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (user < 0)
		return kt_fail(err, errno, "open %s: %s", h->user,
			       strerror(errno));
	dir = open_below(h, user, ".kt", create);
	if (dir < 0)
		return kt_fail(err, -dir, "open %s: %s", h->dir,
			       strerror(-dir));
	if (!*sub)
		return steal_fd(&dir);
	fd = open_below(h, dir, sub, create);
	if (fd < 0)
		return kt_fail(err, -fd, "open %s/%s: %s", h->dir, sub,
			       strerror(-fd));
	return fd;
}

/* What to do about a home that nothing can be written to; returns @rc */
static int home_hint(const struct home *h, int rc, struct kt_error *err)
{
	kt_hint_errno(err);
	if (rc == -ENOENT || rc == -EACCES || rc == -EPERM || rc == -ENOTDIR)
		kt_hint(err,
			"HOME must name a directory that can be written; it is "
			"%s",
			h->user);
	return rc;
}

int home_open_dir(const struct home *h, const char *sub, int create,
		  struct kt_error *err)
{
	int fd = home_walk(h, sub, create, err);

	return fd < 0 && create ? home_hint(h, fd, err) : fd;
}

static int home_write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(const struct home *h, int dir, const char *name,
		     const void *data, size_t len, mode_t mode)
{
	auto_close int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		mode);
	int rc;

	if (fd < 0)
		return -errno;
	home_own(h, fd);
	rc = home_write_all(fd, data, len);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

int home_write(const struct home *h, const char *sub, const char *name,
	       const void *data, size_t len, mode_t mode, struct kt_error *err)
{
	auto_close int dir = home_open_dir(h, sub, 1, err);
	char suffix[9];
	auto_free char *temp = NULL;
	int rc;

	if (dir < 0)
		return dir;
	str_random(suffix, sizeof(suffix) - 1);
	temp = xasprintf(".%s.%s", name, suffix);
	rc = write_new(h, dir, temp, data, len, mode);
	if (rc == 0 && renameat(dir, temp, dir, name) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(dir, temp, 0);
		kt_fail(err, -rc, "write %s/%s%s%s: %s", h->dir, sub,
			*sub ? "/" : "", name, strerror(-rc));
		return home_hint(h, rc, err);
	}
	return 0;
}

/* The bytes of @fd, at most @max; NULL with errno */
static char *read_fd(int fd, size_t max, size_t *len)
{
	struct stat st;
	auto_free char *mem = NULL;
	size_t got = 0;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size > max) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	mem = xmalloc((size_t)st.st_size + 1);
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, mem + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (!n)
			break;
		got += (size_t)n;
	}
	mem[got] = '\0';
	*len = got;
	return steal_ptr(&mem);
}

char *home_read(const struct home *h, const char *sub, const char *name,
		size_t max, size_t *len, struct kt_error *err)
{
	auto_close int dir = home_open_dir(h, sub, 0, err);
	auto_close int fd = -1;
	char *mem = NULL;

	if (dir < 0)
		return NULL;
	/* a user may well link his configuration to somewhere else, so links
	 * are followed here: reading changes nothing, and who may call sudo
	 * may read anything */
	fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		mem = read_fd(fd, max, len);
	if (!mem)
		kt_fail(err, errno, "read %s/%s%s%s: %s", h->dir, sub,
			*sub ? "/" : "", name, strerror(errno));
	return mem;
}
