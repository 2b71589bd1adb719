/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/fsmsg.h"

#include <errno.h>
#include <string.h>

#define FSMSG_LENGTH 4 /* of the length itself */

/* --- paths ---------------------------------------------------------------- */

static bool fsmsg_part_good(const char *p, size_t n)
{
	return n && n <= FSMSG_NAME_MAX && !memchr(p, '\0', n) &&
	       !(n <= 2 && memcmp(p, "..", n) == 0);
}

bool fsmsg_path_good(const char *path, size_t len)
{
	size_t at = 0;

	if (len > FSMSG_PATH_MAX)
		return false;
	while (at < len) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t n = slash ? (size_t)(slash - path) - at : len - at;

		if (!fsmsg_part_good(path + at, n))
			return false;
		at += n + 1;
		if (slash && at == len)
			return false;
	}
	return true;
}

/* --- requests ------------------------------------------------------------- */

int fsmsg_put_request(struct buf *b, const struct fsmsg_request *q)
{
	uint8_t head[FSMSG_REQUEST_HEAD];
	struct wr w = wr_make(head, sizeof(head));
	size_t all = sizeof(head) + q->len;
	uint8_t *room;

	if (q->len > FSMSG_PATH_MAX)
		return -ENAMETOOLONG;
	wr_u32(&w, (uint32_t)(all - FSMSG_LENGTH));
	wr_u32(&w, q->id);
	wr_u8(&w, q->op);
	wr_u32(&w, q->handle);
	wr_u64(&w, q->offset);
	wr_u32(&w, q->size);
	room = buf_reserve(b, all);
	if (!room)
		return -ENOBUFS;
	memcpy(room, head, sizeof(head));
	if (q->len)
		memcpy(room + sizeof(head), q->path, q->len);
	buf_commit(b, all);
	return 0;
}

/* All of a message of @min to @max bytes is there: its length; else 0, or
 * -EPROTO */
static ssize_t fsmsg_whole(const uint8_t *p, size_t n, size_t min, size_t max)
{
	struct rd r = rd_make(p, n);
	uint32_t len;

	if (!rd_u32(&r, &len))
		return 0;
	if (len < min - FSMSG_LENGTH || len > max - FSMSG_LENGTH)
		return -EPROTO;
	return n - FSMSG_LENGTH < len ? 0 : (ssize_t)(len + FSMSG_LENGTH);
}

ssize_t fsmsg_get_request(const uint8_t *p, size_t n, struct fsmsg_request *q)
{
	ssize_t len = fsmsg_whole(p, n, FSMSG_REQUEST_HEAD, FSMSG_REQUEST_MAX);
	struct rd r;
	uint32_t ignored;

	if (len <= 0)
		return len;
	r = rd_make(p, (size_t)len);
	if (!rd_u32(&r, &ignored) || !rd_u32(&r, &q->id) ||
	    !rd_u8(&r, &q->op) || !rd_u32(&r, &q->handle) ||
	    !rd_u64(&r, &q->offset) || !rd_u32(&r, &q->size))
		return -EPROTO;
	q->len = rd_left(&r);
	q->path = (const char *)rd_bytes(&r, q->len);
	return q->path && fsmsg_path_good(q->path, q->len) ? len : -EPROTO;
}

/* --- answers -------------------------------------------------------------- */

void fsmsg_answer_head(uint8_t out[FSMSG_ANSWER_HEAD], uint32_t id,
		       uint32_t error, size_t len)
{
	struct wr w = wr_make(out, FSMSG_ANSWER_HEAD);

	wr_u32(&w, (uint32_t)(FSMSG_ANSWER_HEAD - FSMSG_LENGTH + len));
	wr_u32(&w, id);
	wr_u32(&w, error);
}

ssize_t fsmsg_get_answer(const uint8_t *p, size_t n, struct fsmsg_answer *a)
{
	ssize_t len = fsmsg_whole(p, n, FSMSG_ANSWER_HEAD, FSMSG_ANSWER_MAX);
	struct rd r;
	uint32_t ignored;

	if (len <= 0)
		return len;
	r = rd_make(p, (size_t)len);
	if (!rd_u32(&r, &ignored) || !rd_u32(&r, &a->id) ||
	    !rd_u32(&r, &a->error))
		return -EPROTO;
	a->len = rd_left(&r);
	a->body = r.p;
	return len;
}

/* --- what is in them ------------------------------------------------------ */

static void fsmsg_put_time(struct wr *w, const struct fsmsg_time *t)
{
	wr_u64(w, (uint64_t)t->s);
	wr_u32(w, t->ns);
}

static bool fsmsg_get_time(struct rd *r, struct fsmsg_time *t)
{
	uint64_t s;

	if (!rd_u64(r, &s) || !rd_u32(r, &t->ns) || t->ns > 999999999)
		return false;
	t->s = (int64_t)s;
	return true;
}

void fsmsg_put_attr(struct wr *w, const struct fsmsg_attr *a)
{
	wr_u64(w, a->ino);
	wr_u64(w, a->size);
	wr_u64(w, a->blocks);
	fsmsg_put_time(w, &a->atime);
	fsmsg_put_time(w, &a->mtime);
	fsmsg_put_time(w, &a->ctime);
	wr_u32(w, a->mode);
	wr_u32(w, a->nlink);
	wr_u32(w, a->rdev);
	wr_u32(w, a->blksize);
	wr_u64(w, a->dev);
}

bool fsmsg_get_attr(struct rd *r, struct fsmsg_attr *a)
{
	return rd_u64(r, &a->ino) && rd_u64(r, &a->size) &&
	       rd_u64(r, &a->blocks) && fsmsg_get_time(r, &a->atime) &&
	       fsmsg_get_time(r, &a->mtime) && fsmsg_get_time(r, &a->ctime) &&
	       rd_u32(r, &a->mode) && rd_u32(r, &a->nlink) &&
	       rd_u32(r, &a->rdev) && rd_u32(r, &a->blksize) &&
	       rd_u64(r, &a->dev);
}

void fsmsg_put_statfs(struct wr *w, const struct fsmsg_statfs *s)
{
	wr_u64(w, s->blocks);
	wr_u64(w, s->bfree);
	wr_u64(w, s->bavail);
	wr_u64(w, s->files);
	wr_u64(w, s->ffree);
	wr_u32(w, s->bsize);
	wr_u32(w, s->namelen);
}

bool fsmsg_get_statfs(struct rd *r, struct fsmsg_statfs *s)
{
	return rd_u64(r, &s->blocks) && rd_u64(r, &s->bfree) &&
	       rd_u64(r, &s->bavail) && rd_u64(r, &s->files) &&
	       rd_u64(r, &s->ffree) && rd_u32(r, &s->bsize) &&
	       rd_u32(r, &s->namelen);
}

void fsmsg_put_entry(struct wr *w, const struct fsmsg_entry *e)
{
	fsmsg_put_attr(w, &e->attr);
	wr_u64(w, e->next);
	wr_u16(w, (uint16_t)e->len);
	wr_bytes(w, e->name, e->len);
}

bool fsmsg_get_entry(struct rd *r, struct fsmsg_entry *e)
{
	uint16_t len;

	if (!rd_left(r) || !fsmsg_get_attr(r, &e->attr) ||
	    !rd_u64(r, &e->next) || !rd_u16(r, &len) || !len ||
	    len > FSMSG_NAME_MAX)
		return false;
	e->len = len;
	e->name = (const char *)rd_bytes(r, len);
	return e->name && !memchr(e->name, '/', len) &&
	       !memchr(e->name, '\0', len);
}
