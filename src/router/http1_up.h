/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_HTTP1_UP_H
#define KT_ROUTER_HTTP1_UP_H

#include "base/list.h"
#include "router/conn.h"

/**
 * DOC: Connections to backends
 *
 * One caller's connections to the backends its requests went to: at most one is
 * in use, a few others wait for the next request to the same backend. One that
 * says something or ends while it waits is closed.
 */

struct up {
	struct list node;
	struct ups *ups;
	struct pipe_end end; /* pipe NULL: it broke */
	struct backend_ref ref;
	int64_t since; /* it waits */
	int error;     /* of closed() */
	bool opened;
	bool reused;
	bool write_failed; /* takes no more bytes */
};

struct ups {
	struct router_conn *rc;
	struct list idle;
	size_t nidle;
	struct up *used; /* or NULL */
	bool ended;	 /* router_env.transparent: a waiting one has */
	/** event() - something happened to the one in use, or it has @ended */
	void (*event)(void *user);
	void *user;
};

void ups_init(struct ups *u, struct router_conn *rc, void (*event)(void *user),
	      void *user);
void ups_fini(struct ups *u); /* reset them all */
/** ups_use() - have a connection to @ref in use; @young: a waiting one only if
 *  it was used just now. 0 or -errno */
KT_CHECK int ups_use(struct ups *u, struct backend_ref ref, bool young);
/** ups_adopt() - this open one waits; taken */
void ups_adopt(struct ups *u, struct pipe_end *end, struct backend_ref ref);
/** ups_keep() - the one in use waits for the next request, if one may go there
 */
void ups_keep(struct ups *u);
/** ups_drop() - close the one in use */
void ups_drop(struct ups *u, bool reset);
/** ups_sweep() - close those that wait for a backend that serves no more */
void ups_sweep(struct ups *u);

#endif
