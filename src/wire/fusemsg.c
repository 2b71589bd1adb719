/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/fusemsg.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define FUSEMSG_MINOR_MIN 23 /* Linux 3.15 */

/* The next structure of @size bytes; false: it is not there */
static bool fusemsg_take(struct rd *r, void *out, size_t size)
{
	const uint8_t *p = rd_bytes(r, size);

	if (p)
		memcpy(out, p, size);
	return p;
}

static bool fusemsg_take_name(struct rd *r, struct fusemsg *m)
{
	const uint8_t *p = r->p;

	m->len = strnlen((const char *)p, rd_left(r));
	m->name = (const char *)p;
	return m->len && m->len < rd_left(r);
}

/* Older kernels send less of it than the header has today */
static bool fusemsg_take_init(struct rd *r, struct fuse_init_in *in)
{
	size_t n = MIN(rd_left(r), sizeof(*in));

	return n >= offsetof(struct fuse_init_in, flags) + sizeof(in->flags) &&
	       fusemsg_take(r, in, n);
}

static bool fusemsg_take_read(struct rd *r, struct fusemsg *m)
{
	struct fuse_read_in in;

	if (!fusemsg_take(r, &in, sizeof(in)))
		return false;
	m->fh = in.fh;
	m->offset = in.offset;
	m->size = in.size;
	return true;
}

static bool fusemsg_take_release(struct rd *r, struct fusemsg *m)
{
	struct fuse_release_in in;

	if (!fusemsg_take(r, &in, sizeof(in)))
		return false;
	m->fh = in.fh;
	return true;
}

static bool fusemsg_take_forget(struct rd *r, struct fusemsg *m)
{
	struct fuse_forget_in in;

	if (!fusemsg_take(r, &in, sizeof(in)))
		return false;
	m->count = in.nlookup;
	return true;
}

static bool fusemsg_take_forgets(struct rd *r, struct fusemsg *m)
{
	struct fuse_batch_forget_in in;

	if (!fusemsg_take(r, &in, sizeof(in)))
		return false;
	m->nforget = in.count;
	m->forgets = *r;
	return true;
}

static bool fusemsg_take_interrupt(struct rd *r, struct fusemsg *m)
{
	struct fuse_interrupt_in in;

	if (!fusemsg_take(r, &in, sizeof(in)))
		return false;
	m->aim = in.unique;
	return true;
}

static bool fusemsg_take_rest(struct rd *r, struct fusemsg *m)
{
	switch (m->opcode) {
	case FUSE_INIT:
		return fusemsg_take_init(r, &m->init);
	case FUSE_LOOKUP:
		return fusemsg_take_name(r, m);
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return fusemsg_take_read(r, m);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return fusemsg_take_release(r, m);
	case FUSE_FORGET:
		return fusemsg_take_forget(r, m);
	case FUSE_BATCH_FORGET:
		return fusemsg_take_forgets(r, m);
	case FUSE_INTERRUPT:
		return fusemsg_take_interrupt(r, m);
	default:
		return true;
	}
}

int fusemsg_get(const uint8_t *p, size_t n, struct fusemsg *m)
{
	struct rd r = rd_make(p, n);
	struct fuse_in_header head;

	*m = (struct fusemsg){ 0 };
	if (!fusemsg_take(&r, &head, sizeof(head)))
		return -EPROTO;
	m->opcode = head.opcode;
	m->unique = head.unique;
	m->nodeid = head.nodeid;
	m->pid = head.pid;
	return head.len == n && fusemsg_take_rest(&r, m) ? 0 : -EPROTO;
}

bool fusemsg_next_forget(struct fusemsg *m, uint64_t *nodeid, uint64_t *count)
{
	struct fuse_forget_one one;

	if (!m->nforget || !fusemsg_take(&m->forgets, &one, sizeof(one)))
		return false;
	m->nforget--;
	*nodeid = one.nodeid;
	*count = one.nlookup;
	return true;
}

size_t fusemsg_init(const struct fuse_init_in *in, struct fuse_init_out *out)
{
	const uint32_t want = FUSE_ASYNC_READ | FUSE_AUTO_INVAL_DATA |
			      FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
			      FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES;

	*out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & want,
		.max_write = 4096, /* the least that the kernel takes */
		.time_gran = 1,
		.max_pages = FUSEMSG_PAGES,
	};
	if (in->major != FUSE_KERNEL_VERSION || in->minor < FUSEMSG_MINOR_MIN)
		return 0;
	return sizeof(*out);
}
