/* SPDX-License-Identifier: Apache-2.0 */
/* The Pod's answers, in the kernel's form; see podfs.h */
#include "run/podfs_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PODFS_VALID 1 /* seconds */

void podfs_reply(const struct podfs *p, uint64_t unique, int error,
		 const void *data, size_t len)
{
	struct fuse_out_header head = { .unique = unique, .error = -error };
	struct iovec iov[2] = { { &head, sizeof(head) },
				{ (void *)(uintptr_t)data, error ? 0 : len } };

	head.len = (uint32_t)(sizeof(head) + iov[1].iov_len);
	/* ENOENT: nobody waits for it any more */
	(void)!writev(p->fd, iov, 2);
}

/* --- attributes ----------------------------------------------------------- */

static struct fuse_attr podfs_attr(const struct podfs *p,
				   const struct podfs_node *n,
				   const struct fsmsg_attr *a)
{
	return (struct fuse_attr){
		.ino = podfs_node_ino(n, a),
		.size = a->size,
		.blocks = a->blocks,
		.atime = (uint64_t)a->atime.s,
		.mtime = (uint64_t)a->mtime.s,
		.ctime = (uint64_t)a->ctime.s,
		.atimensec = a->atime.ns,
		.mtimensec = a->mtime.ns,
		.ctimensec = a->ctime.ns,
		.mode = a->mode,
		.nlink = a->nlink,
		.uid = p->uid,
		.gid = p->gid,
		.rdev = a->rdev,
		.blksize = a->blksize,
	};
}

static struct fuse_entry_out podfs_entry(const struct podfs *p,
					 const struct podfs_node *n,
					 const struct fsmsg_attr *a)
{
	return (struct fuse_entry_out){ .nodeid = n->id,
					.entry_valid = PODFS_VALID,
					.attr_valid = PODFS_VALID,
					.attr = podfs_attr(p, n, a) };
}

/* @a is what the node @n was made of, not another file of its name */
static bool podfs_is_same(const struct podfs_node *n,
			  const struct fsmsg_attr *a)
{
	return !n->parent || (n->ino == a->ino && n->dev == a->dev);
}

static int podfs_looked(struct podfs *p, const struct podfs_ask *q,
			struct podfs_node *dir, const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fuse_entry_out out;
	struct podfs_node *n;
	struct fsmsg_attr attr;

	if (!fsmsg_get_attr(&r, &attr))
		return EIO;
	n = podfs_node_look(&p->nodes, dir, q->name, q->len, &attr);
	if (!n)
		return ENOMEM;
	out = podfs_entry(p, n, &attr);
	podfs_reply(p, q->unique, 0, &out, sizeof(out));
	return 0;
}

static int podfs_statted(struct podfs *p, const struct podfs_ask *q,
			 const struct podfs_node *n,
			 const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fuse_attr_out out = { .attr_valid = PODFS_VALID };
	struct fsmsg_attr attr;

	if (!fsmsg_get_attr(&r, &attr))
		return EIO;
	if (!podfs_is_same(n, &attr))
		return ESTALE;
	out.attr = podfs_attr(p, n, &attr);
	podfs_reply(p, q->unique, 0, &out, sizeof(out));
	return 0;
}

/* --- opening -------------------------------------------------------------- */

/* Its number for the kernel */
static uint64_t podfs_add_file(struct podfs *p, struct podfs_node *n,
			       uint32_t handle, unsigned int stream)
{
	struct podfs_file *f = xcalloc(1, sizeof(*f));
	size_t i = 0;

	f->of = n;
	f->handle = handle;
	f->stream = stream;
	list_add_tail(&n->files, &f->node);
	while (i < p->nfile && p->file[i])
		i++;
	if (i == p->nfile) {
		p->nfile = MAX(2 * p->nfile, (size_t)64);
		p->file = xrealloc(p->file, p->nfile * sizeof(*p->file));
		memset(p->file + i, 0, (p->nfile - i) * sizeof(*p->file));
	}
	p->file[i] = f;
	return i + 1;
}

/* What the kernel has of @n is of another size or time than @a */
static void podfs_forget_attr(const struct podfs *p, const struct podfs_node *n)
{
	struct fuse_notify_inval_inode_out out = { .ino = n->id, .off = -1 };
	struct fuse_out_header head = { .len = sizeof(head) + sizeof(out),
					.error = FUSE_NOTIFY_INVAL_INODE };
	struct iovec iov[2] = { { &head, sizeof(head) },
				{ &out, sizeof(out) } };

	(void)!writev(p->fd, iov, 2);
}

static bool podfs_has_changed(const struct podfs_node *n,
			      const struct fsmsg_attr *a)
{
	return n->size != a->size || n->mtime.s != a->mtime.s ||
	       n->mtime.ns != a->mtime.ns;
}

static int podfs_opened(struct podfs *p, const struct podfs_ask *q,
			struct podfs_node *n, const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fuse_open_out out = { 0 };
	struct fsmsg_attr attr;
	uint32_t handle;

	if (!rd_u32(&r, &handle) || !fsmsg_get_attr(&r, &attr))
		return EIO;
	if (!podfs_is_same(n, &attr)) {
		podfs_link_close(p->link, q->stream, handle);
		return ESTALE;
	}
	out.fh = podfs_add_file(p, n, handle, q->stream);
	if (q->opcode == FUSE_OPEN && !podfs_has_changed(n, &attr)) {
		out.open_flags = FOPEN_KEEP_CACHE;
	} else if (q->opcode == FUSE_OPEN) {
		n->size = attr.size;
		n->mtime = attr.mtime;
		podfs_forget_attr(p, n);
	}
	podfs_reply(p, q->unique, 0, &out, sizeof(out));
	return 0;
}

/* Who wanted it is gone */
static void podfs_drop_answer(struct podfs *p, const struct podfs_ask *q,
			      const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	uint32_t handle;

	if ((q->opcode == FUSE_OPEN || q->opcode == FUSE_OPENDIR) &&
	    !a->error && rd_u32(&r, &handle))
		podfs_link_close(p->link, q->stream, handle);
}

/* --- the rest ------------------------------------------------------------- */

static int podfs_read(struct podfs *p, const struct podfs_ask *q,
		      const struct fsmsg_answer *a)
{
	if (a->len > q->size)
		return EIO;
	podfs_reply(p, q->unique, 0, a->body, a->len);
	return 0;
}

static bool podfs_is_dots(const struct fsmsg_entry *e)
{
	return e->len <= 2 && memcmp(e->name, "..", e->len) == 0;
}

/* One entry at @out; how long it is there */
static size_t podfs_put_entry(struct podfs *p, const struct podfs_ask *q,
			      struct podfs_node *dir,
			      const struct fsmsg_entry *e, uint8_t *out)
{
	struct fuse_direntplus d = { 0 };
	bool plus = q->opcode == FUSE_READDIRPLUS;
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t all = FUSE_DIRENT_ALIGN(head + e->len);
	const struct podfs_node *n = NULL;

	if (plus && !podfs_is_dots(e))
		n = podfs_node_look(&p->nodes, dir, e->name, e->len, &e->attr);
	if (n)
		d.entry_out = podfs_entry(p, n, &e->attr);
	d.dirent.ino = podfs_node_ino(n ? n : dir, &e->attr);
	d.dirent.off = e->next;
	d.dirent.namelen = (uint32_t)e->len;
	d.dirent.type = (e->attr.mode & S_IFMT) >> 12;
	memset(out, 0, all);
	if (plus)
		memcpy(out, &d, FUSE_NAME_OFFSET_DIRENTPLUS);
	else
		memcpy(out, &d.dirent, FUSE_NAME_OFFSET);
	memcpy(out + head, e->name, e->len);
	return all;
}

/* All of it is entries, and not too many (fsmsg.h) */
static bool podfs_is_listing(const struct fsmsg_answer *a, size_t most)
{
	struct rd r = rd_make(a->body, a->len);
	struct fsmsg_entry e;
	size_t len = 0;

	while (fsmsg_get_entry(&r, &e)) {
		len += FSMSG_ENTRY + e.len;
		if (len > most)
			return false;
	}
	return !rd_left(&r);
}

static int podfs_listed(struct podfs *p, const struct podfs_ask *q,
			struct podfs_node *dir, const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fsmsg_entry e;
	size_t len = 0;

	/* before it: the kernel forgets no node that it was not told of */
	if (!podfs_is_listing(a, MIN(q->size, FSMSG_DATA_MAX)))
		return EIO;
	while (fsmsg_get_entry(&r, &e))
		len += podfs_put_entry(p, q, dir, &e, p->out + len);
	podfs_reply(p, q->unique, 0, p->out, len);
	return 0;
}

static int podfs_link_read(struct podfs *p, const struct podfs_ask *q,
			   const struct fsmsg_answer *a)
{
	if (!a->len || a->len > FSMSG_PATH_MAX || memchr(a->body, 0, a->len))
		return EIO;
	podfs_reply(p, q->unique, 0, a->body, a->len);
	return 0;
}

static int podfs_statfs(struct podfs *p, const struct podfs_ask *q,
			const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fuse_statfs_out out = { 0 };
	struct fsmsg_statfs s;

	if (!fsmsg_get_statfs(&r, &s))
		return EIO;
	out.st = (struct fuse_kstatfs){ .blocks = s.blocks,
					.bfree = s.bfree,
					.bavail = s.bavail,
					.files = s.files,
					.ffree = s.ffree,
					.bsize = s.bsize,
					.frsize = s.bsize,
					.namelen = s.namelen };
	podfs_reply(p, q->unique, 0, &out, sizeof(out));
	return 0;
}

/* An errno of the kernel's that a program may get */
static int podfs_error(const struct fsmsg_answer *a)
{
	return a->error > 0 && a->error < 512 ? (int)a->error : EIO;
}

void podfs_answered(struct podfs *p, struct podfs_ask *q,
		    const struct fsmsg_answer *a)
{
	struct podfs_node *n;
	int error = a->error ? podfs_error(a) : 0;

	if (q->over) {
		podfs_drop_answer(p, q, a);
		return;
	}
	n = podfs_node_find(&p->nodes, q->nodeid);
	if (!n)
		error = ESTALE;
	if (error == 0 && q->opcode == FUSE_LOOKUP)
		error = podfs_looked(p, q, n, a);
	else if (error == 0 && q->opcode == FUSE_GETATTR)
		error = podfs_statted(p, q, n, a);
	else if (error == 0 &&
		 (q->opcode == FUSE_OPEN || q->opcode == FUSE_OPENDIR))
		error = podfs_opened(p, q, n, a);
	else if (error == 0 && q->opcode == FUSE_READ)
		error = podfs_read(p, q, a);
	else if (error == 0 &&
		 (q->opcode == FUSE_READDIR || q->opcode == FUSE_READDIRPLUS))
		error = podfs_listed(p, q, n, a);
	else if (error == 0 && q->opcode == FUSE_READLINK)
		error = podfs_link_read(p, q, a);
	else if (error == 0)
		error = podfs_statfs(p, q, a);
	if (error)
		podfs_reply(p, q->unique, error, NULL, 0);
}
