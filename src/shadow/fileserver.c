/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/fileserver.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define FILESERVER_ANSWERS (2 * (size_t)FSMSG_ANSWER_MAX)
#define FILESERVER_MODE_MAX 07777

/* --- paths ---------------------------------------------------------------- */

/* @part of the folder @at, a folder itself; or -errno */
static int fileserver_enter(int at, const char *part)
{
	int fd =
		openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The folder that has @path's last part (returned, caller closes it), and that
 * part: "" where it is the folder that is served; or -errno */
static int fileserver_walk(const struct fileserver *s, char *path,
			   const char **last)
{
	int at = fileserver_enter(s->root, "."), next;
	char *slash;

	while (at >= 0 && (slash = strchr(path, '/'))) {
		*slash = '\0';
		next = fileserver_enter(at, path);
		close(at);
		at = next;
		path = slash + 1;
	}
	*last = path;
	return at;
}

/* @q's path as text, in @text */
static int fileserver_find(const struct fileserver *s,
			   const struct fsmsg_request *q,
			   char text[FSMSG_PATH_MAX + 1], const char **last)
{
	memcpy(text, q->path, q->len);
	text[q->len] = '\0';
	return fileserver_walk(s, text, last);
}

/* --- handles -------------------------------------------------------------- */

static struct fileserver_file *fileserver_file(struct fileserver *s,
					       uint32_t handle)
{
	if (!handle || handle > s->nfile || s->file[handle - 1].fd < 0)
		return NULL;
	return &s->file[handle - 1];
}

/* A free one, or 0 */
static uint32_t fileserver_handle(struct fileserver *s)
{
	size_t i = 0;

	while (i < s->nfile && s->file[i].fd >= 0)
		i++;
	if (i == FILESERVER_HANDLES)
		return 0;
	s->nfile = MAX(s->nfile, i + 1);
	s->file[i] = (struct fileserver_file){ .fd = -1 };
	return (uint32_t)i + 1;
}

static void fileserver_close(struct fileserver *s, uint32_t handle)
{
	struct fileserver_file *f = fileserver_file(s, handle);

	if (!f)
		return;
	if (f->dir)
		closedir(f->dir);
	else
		close(f->fd);
	*f = (struct fileserver_file){ .fd = -1 };
}

/* --- answers -------------------------------------------------------------- */

static struct fsmsg_time fileserver_time(const struct timespec *t)
{
	return (struct fsmsg_time){ t->tv_sec, (uint32_t)t->tv_nsec };
}

static struct fsmsg_attr fileserver_attr(const struct stat *st)
{
	return (struct fsmsg_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = fileserver_time(&st->st_atim),
		.mtime = fileserver_time(&st->st_mtim),
		.ctime = fileserver_time(&st->st_ctim),
		.mode = st->st_mode & (S_IFMT | FILESERVER_MODE_MAX),
		.nlink = (uint32_t)st->st_nlink,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
		.dev = st->st_dev,
	};
}

static int fileserver_fail(struct fileserver *s, uint32_t id, int error)
{
	uint8_t head[FSMSG_ANSWER_HEAD];

	fsmsg_answer_head(head, id, (uint32_t)error, 0);
	return buf_put(&s->answers, head, sizeof(head)) < 0 ? -ENOMEM : 0;
}

/* Room for a body of @max bytes behind a head, or NULL */
static uint8_t *fileserver_room(struct fileserver *s, size_t max)
{
	uint8_t *p = buf_reserve(&s->answers, FSMSG_ANSWER_HEAD + max);

	return p ? p + FSMSG_ANSWER_HEAD : NULL;
}

/* That body has @len bytes */
static int fileserver_done(struct fileserver *s, uint32_t id, uint8_t *body,
			   size_t len)
{
	fsmsg_answer_head(body - FSMSG_ANSWER_HEAD, id, 0, len);
	buf_commit(&s->answers, FSMSG_ANSWER_HEAD + len);
	return 0;
}

/* --- operations ----------------------------------------------------------- */

static int fileserver_stat(struct fileserver *s, const struct fsmsg_request *q)
{
	char text[FSMSG_PATH_MAX + 1];
	const struct fileserver_file *f = fileserver_file(s, q->handle);
	const char *last = "";
	auto_close int at = f ? -1 : fileserver_find(s, q, text, &last);
	uint8_t *body = fileserver_room(s, FSMSG_ATTR_SIZE);
	struct fsmsg_attr attr;
	struct stat st;
	struct wr w;

	if (!body)
		return -ENOMEM;
	if (q->handle && !f)
		return fileserver_fail(s, q->id, EBADF);
	if (!f && at < 0)
		return fileserver_fail(s, q->id, -at);
	if (fstatat(f ? f->fd : at, last, &st,
		    AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return fileserver_fail(s, q->id, errno);
	attr = fileserver_attr(&st);
	w = wr_make(body, FSMSG_ATTR_SIZE);
	fsmsg_put_attr(&w, &attr);
	return fileserver_done(s, q->id, body, wr_len(&w));
}

/* A descriptor of what may be opened, or -errno. A device or a FIFO is not even
 * opened: that alone may do something. */
static int fileserver_open_file(const struct fileserver *s,
				const struct fsmsg_request *q, bool dir,
				struct stat *st)
{
	char text[FSMSG_PATH_MAX + 1];
	const char *last = "";
	auto_close int at = fileserver_find(s, q, text, &last);
	auto_close int fd = -1;

	if (at < 0)
		return at;
	if (fstatat(at, last, st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) &&
	    !S_ISLNK(st->st_mode))
		return -EACCES;
	fd = openat(at, *last ? last : ".",
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
			    (dir ? O_DIRECTORY : 0));
	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	if (!dir && !S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode) ? -EISDIR : -EACCES;
	return steal_fd(&fd);
}

static int fileserver_open(struct fileserver *s, const struct fsmsg_request *q)
{
	struct stat st;
	bool dir = q->op == FSMSG_OPENDIR;
	uint8_t *body = fileserver_room(s, 4 + FSMSG_ATTR_SIZE);
	auto_close int fd = -1;
	uint32_t handle = fileserver_handle(s);
	struct fileserver_file *f = &s->file[handle ? handle - 1 : 0];
	struct fsmsg_attr attr;
	struct wr w;

	if (!body)
		return -ENOMEM;
	if (!handle)
		return fileserver_fail(s, q->id, ENFILE);
	fd = fileserver_open_file(s, q, dir, &st);
	if (fd < 0)
		return fileserver_fail(s, q->id, -fd);
	if (dir) {
		f->dir = fdopendir(fd);
		if (!f->dir)
			return fileserver_fail(s, q->id, errno);
	}
	f->fd = steal_fd(&fd);
	attr = fileserver_attr(&st);
	w = wr_make(body, 4 + FSMSG_ATTR_SIZE);
	wr_u32(&w, handle);
	fsmsg_put_attr(&w, &attr);
	return fileserver_done(s, q->id, body, wr_len(&w));
}

static int fileserver_read(struct fileserver *s, const struct fsmsg_request *q)
{
	const struct fileserver_file *f = fileserver_file(s, q->handle);
	size_t want = MIN(q->size, FSMSG_DATA_MAX), got = 0;
	uint8_t *body = fileserver_room(s, want);

	if (!body)
		return -ENOMEM;
	if (!f || f->dir)
		return fileserver_fail(s, q->id, EBADF);
	while (got < want) {
		ssize_t n = pread(f->fd, body + got, want - got,
				  (off_t)(q->offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !got)
			return fileserver_fail(s, q->id, errno);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return fileserver_done(s, q->id, body, got);
}

/* What is gone since its name was read is left out */
static bool fileserver_put_entry(const struct fileserver_file *f,
				 const struct dirent *e, struct wr *w)
{
	struct fsmsg_entry entry = { .next = (uint64_t)e->d_off,
				     .name = e->d_name,
				     .len = strlen(e->d_name) };
	struct stat st;

	if (entry.len > FSMSG_NAME_MAX ||
	    fstatat(f->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	entry.attr = fileserver_attr(&st);
	fsmsg_put_entry(w, &entry);
	return true;
}

static int fileserver_readdir(struct fileserver *s,
			      const struct fsmsg_request *q)
{
	struct fileserver_file *f = fileserver_file(s, q->handle);
	size_t left = MIN(q->size, FSMSG_DATA_MAX);
	uint8_t *body = fileserver_room(s, left);
	const struct dirent *e;
	struct wr w;

	if (!body)
		return -ENOMEM;
	if (!f || !f->dir)
		return fileserver_fail(s, q->id, EBADF);
	if (q->offset == 0)
		rewinddir(f->dir);
	else if (q->offset != f->at)
		seekdir(f->dir, (long)q->offset);
	f->at = q->offset;
	w = wr_make(body, left);
	while (left >= FSMSG_ENTRY + FSMSG_NAME_MAX) {
		errno = 0;
		e = readdir(f->dir);
		/* an error is not the end; what was read before it is told */
		if (!e && errno && !wr_len(&w))
			return fileserver_fail(s, q->id, errno);
		if (!e)
			break;
		f->at = (uint64_t)e->d_off;
		if (fileserver_put_entry(f, e, &w))
			left -= FSMSG_ENTRY + strlen(e->d_name);
	}
	return fileserver_done(s, q->id, body, wr_len(&w));
}

static int fileserver_readlink(struct fileserver *s,
			       const struct fsmsg_request *q)
{
	char text[FSMSG_PATH_MAX + 1];
	const char *last = "";
	auto_close int at = fileserver_find(s, q, text, &last);
	uint8_t *body = fileserver_room(s, FSMSG_PATH_MAX);
	ssize_t n;

	if (!body)
		return -ENOMEM;
	if (at < 0)
		return fileserver_fail(s, q->id, -at);
	n = readlinkat(at, *last ? last : ".", (char *)body, FSMSG_PATH_MAX);
	return n < 0 ? fileserver_fail(s, q->id, errno)
		     : fileserver_done(s, q->id, body, (size_t)n);
}

static int fileserver_statfs(struct fileserver *s,
			     const struct fsmsg_request *q)
{
	char text[FSMSG_PATH_MAX + 1];
	const char *last = "";
	auto_close int at = fileserver_find(s, q, text, &last), fd = -1;
	uint8_t *body = fileserver_room(s, 64);
	struct fsmsg_statfs out;
	struct statfs st;
	struct wr w;

	if (!body)
		return -ENOMEM;
	if (at < 0)
		return fileserver_fail(s, q->id, -at);
	fd = openat(at, *last ? last : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &st) < 0)
		return fileserver_fail(s, q->id, errno);
	out = (struct fsmsg_statfs){ .blocks = st.f_blocks,
				     .bfree = st.f_bfree,
				     .bavail = st.f_bavail,
				     .files = st.f_files,
				     .ffree = st.f_ffree,
				     .bsize = (uint32_t)st.f_bsize,
				     .namelen = (uint32_t)st.f_namelen };
	w = wr_make(body, 64);
	fsmsg_put_statfs(&w, &out);
	return fileserver_done(s, q->id, body, wr_len(&w));
}

int fileserver_answer(struct fileserver *s, const struct fsmsg_request *q)
{
	switch (q->op) {
	case FSMSG_STAT:
		return fileserver_stat(s, q);
	case FSMSG_OPEN:
	case FSMSG_OPENDIR:
		return fileserver_open(s, q);
	case FSMSG_READ:
		return fileserver_read(s, q);
	case FSMSG_READDIR:
		return fileserver_readdir(s, q);
	case FSMSG_READLINK:
		return fileserver_readlink(s, q);
	case FSMSG_STATFS:
		return fileserver_statfs(s, q);
	case FSMSG_CLOSE:
		fileserver_close(s, q->handle);
		return 0;
	default:
		return fileserver_fail(s, q->id, ENOSYS);
	}
}

/* --- life ----------------------------------------------------------------- */

void fileserver_init(struct fileserver *s, int root)
{
	*s = (struct fileserver){ .root = root };
	buf_init(&s->answers, FILESERVER_ANSWERS);
}

void fileserver_fini(struct fileserver *s)
{
	for (size_t i = 0; i < s->nfile; i++)
		fileserver_close(s, (uint32_t)i + 1);
	buf_fini(&s->answers);
	close(s->root);
}

static bool fileserver_send(struct fileserver *s, int fd)
{
	while (s->answers.len) {
		ssize_t n = send(fd, buf_data(&s->answers), s->answers.len,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		buf_take(&s->answers, n > 0 ? (size_t)n : 0);
	}
	return true;
}

/* All that is there; false: it is over */
static bool fileserver_take(struct fileserver *s, struct buf *in, int fd)
{
	struct fsmsg_request q;
	ssize_t n;

	while ((n = fsmsg_get_request(buf_data(in), in->len, &q)) > 0) {
		if (fileserver_answer(s, &q) < 0 || !fileserver_send(s, fd))
			return false;
		buf_take(in, (size_t)n);
	}
	return n == 0;
}

void fileserver_run(int root, int fd)
{
	struct fileserver *s = calloc(1, sizeof(*s));
	struct buf in;
	uint8_t *p;
	ssize_t n;

	if (!s)
		return;
	fileserver_init(s, root);
	buf_init(&in, (size_t)4 * FSMSG_REQUEST_MAX);
	do {
		p = buf_reserve(&in, FSMSG_REQUEST_MAX);
		do
			n = p ? recv(fd, p, FSMSG_REQUEST_MAX, 0) : 0;
		while (n < 0 && errno == EINTR);
		if (n > 0)
			buf_commit(&in, (size_t)n);
	} while (n > 0 && fileserver_take(s, &in, fd));
	buf_fini(&in);
	fileserver_fini(s);
	free(s);
}
