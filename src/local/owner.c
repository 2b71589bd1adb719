/* SPDX-License-Identifier: Apache-2.0 */
#include "local/owner.h"

#include "base/mem.h"
#include "local/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIR_NAME "owner"
#define TOKEN_LEN 32
#define LONG_DEAD ((time_t)24 * 3600) /* no heartbeat is that late */

struct owner {
	int dir, fd; /* fd: locked */
	char token[TOKEN_LEN + 1];
	bool left;
};

static bool owner_is_token(const char *s)
{
	return strlen(s) == TOKEN_LEN &&
	       strspn(s, "0123456789abcdef") == TOKEN_LEN;
}

static int make_token(char token[TOKEN_LEN + 1])
{
	unsigned char r[TOKEN_LEN / 2];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -errno;
	for (size_t i = 0; i < sizeof(r); i++)
		snprintf(token + 2 * i, 3, "%02x", r[i]);
	return 0;
}

struct owner *owner_new(const struct home *h, struct kt_error *err)
{
	struct owner *o = xcalloc(1, sizeof(*o));
	int rc = make_token(o->token);

	o->fd = -1;
	o->dir = home_open_dir(h, DIR_NAME, 1, err);
	if (o->dir < 0) {
		free(o);
		return NULL;
	}
	if (rc == 0)
		o->fd = openat(o->dir, o->token,
			       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
				       O_CLOEXEC,
			       0600);
	if (rc == 0 && (o->fd < 0 || flock(o->fd, LOCK_EX | LOCK_NB) < 0))
		rc = -errno;
	if (rc < 0) {
		kt_fail(err, -rc, "make %s/" DIR_NAME "/%s: %s", h->dir,
			o->token, strerror(-rc));
		owner_free(o);
		return NULL;
	}
	home_own(h, o->fd);
	return o;
}

const char *owner_token(const struct owner *o)
{
	return o ? o->token : NULL;
}

/* 1: nobody holds it; 0: somebody does; -errno: there is none, or no answer */
static int is_free(int dir, const char *token, struct stat *st)
{
	auto_close int fd = openat(
		dir, token, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 1;
	return errno == EWOULDBLOCK ? 0 : -errno;
}

bool owner_is_dead(const struct home *h, const char *token)
{
	auto_close int dir = -1;
	struct stat st;

	if (!token || !owner_is_token(token))
		return false;
	dir = home_open_dir(h, DIR_NAME, 0, NULL);
	return dir >= 0 && is_free(dir, token, &st) == 1;
}

bool owner_any_dead(const struct home *h)
{
	int dir = home_open_dir(h, DIR_NAME, 0, NULL);
	DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	bool found = false;
	struct dirent *e;
	struct stat st;

	if (!d) {
		if (dir >= 0)
			close(dir);
		return false;
	}
	while (!found && (e = readdir(d)))
		found = owner_is_token(e->d_name) &&
			is_free(dir, e->d_name, &st) == 1;
	closedir(d);
	return found;
}

static void owner_sweep(int dir)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;
	struct stat st = { 0 };

	if (!d)
		return;
	while ((e = readdir(d)))
		if (owner_is_token(e->d_name) &&
		    is_free(dir, e->d_name, &st) == 1 &&
		    time(NULL) - st.st_mtime > LONG_DEAD)
			unlinkat(dir, e->d_name, 0);
	closedir(d);
}

void owner_leave(struct owner *o)
{
	if (o)
		o->left = true;
}

void owner_free(struct owner *o)
{
	if (!o)
		return;
	if (o->fd >= 0) {
		if (!o->left)
			unlinkat(o->dir, o->token, 0);
		close(o->fd);
	}
	owner_sweep(o->dir);
	close(o->dir);
	free(o);
}
