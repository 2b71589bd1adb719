/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_COPY_INSIDE_H
#define KT_ROUTER_COPY_INSIDE_H

#include "base/buf.h"
#include "base/list.h"
#include "router/copy.h"

struct copy_h2;
struct pipe;

/** struct copy_client - what one client's copies have together */
struct copy_client {
	struct list node;
	uint64_t id;
	size_t n, bytes;
};

/**
 * struct copy - waiting for its head -> opening -> request -> answer -> over
 *
 * Its request has it (owned) until that is whole or given up; who of them is
 * the last frees it.
 */
struct copy {
	struct list node;  /* of the copier's, until it is over */
	struct copy *next; /* of the same request */
	struct copier *copier;
	struct copy_client *client; /* NULL: over */
	struct pipe *pipe;
	struct timer timer; /* it stands still */
	struct buf out;	    /* waits for the pipe */
	struct copy_h2 *h2; /* NULL: HTTP/1 */
	size_t bytes;	    /* that were counted last */
	size_t heard;	    /* of the answer */
	bool owned, opened;
	bool whole; /* all of the request is here */
	bool sent;  /* and has gone */
};

/* --- copy_h2.c ------------------------------------------------------------ */

/** copy_h2_start() - its connection, with the request's head; 0 or -errno */
KT_CHECK int copy_h2_start(struct copy *c, const struct hpack_field *f,
			   size_t n, bool last);
void copy_h2_free(struct copy *c);
KT_CHECK int copy_h2_body(struct copy *c, const void *p, size_t n);
void copy_h2_trailer(struct copy *c, const struct hpack_field *f, size_t n);
void copy_h2_end(struct copy *c);
/** copy_h2_fill() - write into c->out what may go out; 0 or -errno */
KT_CHECK int copy_h2_fill(struct copy *c);
/** copy_h2_receive() - at the time @now (ns, monotonic); 0 or -errno */
KT_CHECK int copy_h2_receive(struct copy *c, int64_t now, const void *p,
			     size_t n);
/** copy_h2_waiting() - bytes of the body that are not in c->out */
size_t copy_h2_waiting(const struct copy *c);
/** copy_h2_said() - the request's end is in c->out, or has gone */
bool copy_h2_said(const struct copy *c);
/** copy_h2_is_over() - the answer is whole, or was broken off */
bool copy_h2_is_over(const struct copy *c);

#endif
