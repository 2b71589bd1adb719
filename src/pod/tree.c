/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/tree.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TREE_DATA "..data"
#define TREE_DATA_NEW "..data_tmp"

/* --- in memory ------------------------------------------------------------ */

bool tree_is_below(const char *path)
{
	auto_strv struct strv parts = strv_split(path, '/');

	for (size_t i = 0; i < parts.n; i++)
		if (strcmp(parts.v[i], "..") == 0 || strlen(parts.v[i]) > 255)
			return false;
	return *path != '/';
}

static bool tree_is_path(const char *path)
{
	return *path && !str_starts(path, "..") && tree_is_below(path);
}

int tree_add(struct tree *t, const char *path, char *data, size_t len,
	     unsigned int mode)
{
	size_t i = 0;

	if (!tree_is_path(path)) {
		free(data);
		return -EINVAL;
	}
	while (i < t->n && strcmp(t->v[i].path, path) != 0)
		i++;
	if (i < t->n) {
		free(t->v[i].data);
	} else {
		t->v = xrealloc(t->v, (t->n + 1) * sizeof(*t->v));
		t->v[t->n++].path = xstrdup(path);
	}
	t->v[i].data = data;
	t->v[i].len = len;
	t->v[i].mode = mode;
	return 0;
}

bool tree_equal(const struct tree *a, const struct tree *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct tree_file *x = &a->v[i], *y = &b->v[i];

		if (strcmp(x->path, y->path) != 0 || x->len != y->len ||
		    x->mode != y->mode || memcmp(x->data, y->data, x->len) != 0)
			return false;
	}
	return true;
}

void tree_fini(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].path);
		free(t->v[i].data);
	}
	free(t->v);
	*t = (struct tree){ 0 };
}

/* --- removing ------------------------------------------------------------- */

/* @name and what is in it */
static void tree_remove(int dir, const char *name)
{
	auto_close int fd = openat(
		dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d)
		(void)steal_fd(&fd);
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			tree_remove(dirfd(d), e->d_name);
	}
	if (d)
		closedir(d);
	unlinkat(dir, name, AT_REMOVEDIR);
}

/* --- writing -------------------------------------------------------------- */

static int tree_make_parents(int dir, char *path, unsigned int dir_mode)
{
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		int rc;

		*p = '\0';
		rc = mkdirat(dir, path, 0700);
		if (rc == 0)
			rc = fchmodat(dir, path, dir_mode, 0);
		else if (errno == EEXIST)
			rc = 0;
		*p = '/';
		if (rc < 0)
			return -errno;
	}
	return 0;
}

static int tree_write_file(int dir, const struct tree_file *f,
			   unsigned int dir_mode)
{
	auto_free char *path = xstrdup(f->path);
	int rc = tree_make_parents(dir, path, dir_mode);
	auto_close int fd =
		rc < 0 ? -1
		       : openat(dir, f->path,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (rc < 0)
		return rc;
	if (fd < 0)
		return -errno;
	for (size_t n = 0; n < f->len;) {
		ssize_t k = write(fd, f->data + n, f->len - n);

		if (k < 0 && errno != EINTR)
			return -errno;
		n += k > 0 ? (size_t)k : 0;
	}
	/* the caller's umask is for the caller's files */
	return fchmod(fd, f->mode) < 0 ? -errno : 0;
}

static int tree_fill(int dir, const char *name, const struct tree *t,
		     unsigned int dir_mode)
{
	auto_close int fd = -1;

	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, dir_mode) < 0)
		return -errno;
	for (size_t i = 0; i < t->n; i++) {
		int rc = tree_write_file(fd, &t->v[i], dir_mode);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static char *tree_link_text(int dir, const char *name)
{
	char text[256];
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);

	return n > 0 ? xstrndup(text, (size_t)n) : NULL;
}

/* "a -> ..data/a" for each that is at the top */
static int tree_link(int dir, const struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		auto_free char *name =
			xstrndup(t->v[i].path, strcspn(t->v[i].path, "/"));
		auto_free char *to = xasprintf(TREE_DATA "/%s", name);

		if (symlinkat(to, dir, name) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static bool tree_has_top(const struct tree *t, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < t->n; i++)
		if (strncmp(t->v[i].path, name, n) == 0 &&
		    (t->v[i].path[n] == '/' || !t->v[i].path[n]))
			return true;
	return false;
}

/* Links of files that are not there any more */
static void tree_unlink(int dir, const struct tree *t)
{
	auto_close int fd =
		openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d)
		return;
	(void)steal_fd(&fd);
	while ((e = readdir(d))) {
		auto_free char *to = tree_link_text(dir, e->d_name);

		if (to && str_starts(to, TREE_DATA "/") &&
		    !tree_has_top(t, e->d_name))
			unlinkat(dir, e->d_name, 0);
	}
	closedir(d);
}

static char *tree_stamp(void)
{
	struct timespec now;
	struct tm tm;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "..%Y_%m_%d_%H_%M_%S", &tm);
	return xasprintf("%s.%09ld", text, now.tv_nsec);
}

/* One of ours, and nothing that a program which may write here has linked to */
static bool tree_is_stamp(const char *name)
{
	return str_starts(name, "..2") && !strchr(name, '/');
}

int tree_write(int dir, const struct tree *t, unsigned int dir_mode,
	       struct kt_error *err)
{
	auto_free char *old = tree_link_text(dir, TREE_DATA);
	auto_free char *name = tree_stamp();
	int rc = tree_fill(dir, name, t, dir_mode);

	unlinkat(dir, TREE_DATA_NEW, 0);
	if (rc == 0 && (symlinkat(name, dir, TREE_DATA_NEW) < 0 ||
			renameat(dir, TREE_DATA_NEW, dir, TREE_DATA) < 0))
		rc = -errno;
	if (rc < 0) {
		tree_remove(dir, name);
		return kt_fail(err, -rc, "write a volume's files: %s",
			       strerror(-rc));
	}
	rc = tree_link(dir, t);
	tree_unlink(dir, t);
	if (old && strcmp(old, name) != 0 && tree_is_stamp(old))
		tree_remove(dir, old);
	return rc < 0 ? kt_fail(err, -rc, "link a volume's files: %s",
				strerror(-rc))
		      : 0;
}
