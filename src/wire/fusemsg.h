/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_FUSEMSG_H
#define KT_WIRE_FUSEMSG_H

#include "base/buf.h"

#include <linux/fuse.h>

/**
 * DOC: What the kernel asks by /dev/fuse
 *
 * The FUSE protocol (linux/fuse.h), as far as a file system needs it that can
 * be read only. One read(2) of the device is one request, one write(2) one
 * answer. Numbers are the machine's own; no message is longer than its read.
 */

#define FUSEMSG_MAX ((size_t)64 << 10) /* the room for one read(2) */
#define FUSEMSG_PAGES 32	       /* of a READ: 128 KiB */

/** struct fusemsg - one request; what is of no use for its @opcode is 0 */
struct fusemsg {
	uint32_t opcode; /* enum fuse_opcode */
	uint64_t unique, nodeid;
	uint32_t pid;
	const char *name; /* borrowed: of LOOKUP */
	size_t len;	  /* of it */
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint64_t count;	  /* FORGET: how often */
	uint64_t aim;	  /* INTERRUPT: whose unique */
	uint32_t nforget; /* BATCH_FORGET */
	struct rd forgets;
	struct fuse_init_in init;
};

/** fusemsg_get() - the request that @n bytes are; 0, or -EPROTO: it is none,
 *  @m->unique says which where it could be read */
KT_CHECK int fusemsg_get(const uint8_t *p, size_t n, struct fusemsg *m);
/** fusemsg_next_forget() - of BATCH_FORGET; false: that was all */
KT_CHECK bool fusemsg_next_forget(struct fusemsg *m, uint64_t *nodeid,
				  uint64_t *count);
/** fusemsg_init() - the answer to INIT: what we take of what the kernel
 *  offers; how long it is; 0: the kernel's protocol is too old */
size_t fusemsg_init(const struct fuse_init_in *in, struct fuse_init_out *out);

#endif
