/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODFS_LINK_H
#define KT_RUN_PODFS_LINK_H

#include "base/list.h"
#include "base/loop.h"
#include "wire/fsmsg.h"

struct tunnel;

/**
 * DOC: The way to the Pod's files
 *
 * One stream of the tunnel, opened when the first request is there, or the next
 * one after it was lost. It waits with the tunnel while that is away; when the
 * tunnel's session is over, what was asked fails with EIO, and so does what is
 * asked with a handle of before.
 *
 *   none -> opening -> open -> none      what is asked waits while it opens
 *     ^        |
 *     +--------+ refused: what was asked fails; no session: tried again
 */

#define PODFS_LINK_OUT ((size_t)64 << 10) /* more waits at who asks */

struct podfs_link;

/** struct podfs_call - what was asked; the memory is its owner's */
struct podfs_call {
	struct list node;
	uint32_t id;
};

struct podfs_link_ops {
	/** answer() - to @c, which is not the link's any more; @a->body is
	 *  borrowed */
	void (*answer)(void *user, struct podfs_call *c,
		       const struct fsmsg_answer *a);
	/** room() - podfs_link_full() has ended */
	void (*room)(void *user);
	/** refused() - the Pod's files cannot be had: -errno */
	void (*refused)(void *user, int error);
};

/** podfs_link_new() - by @t, with the secret @secret; all borrowed */
struct podfs_link *podfs_link_new(struct loop *l, struct tunnel *t,
				  const char *secret,
				  const struct podfs_link_ops *ops, void *user);
/** podfs_link_ask() - @q, whose id is the link's to choose; answer() comes,
 *  later. 0, or -errno */
KT_CHECK int podfs_link_ask(struct podfs_link *k, struct podfs_call *c,
			    struct fsmsg_request *q);
/** podfs_link_close() - a handle that came by this stream, if it is still it */
void podfs_link_close(struct podfs_link *k, unsigned int stream,
		      uint32_t handle);
/** podfs_link_stream() - which one it is: handles are good for one only */
unsigned int podfs_link_stream(const struct podfs_link *k);
/** podfs_link_full() - enough was asked for now */
bool podfs_link_full(const struct podfs_link *k);
/** podfs_link_free() - nothing is answered any more */
void podfs_link_free(struct podfs_link *k);

#endif
