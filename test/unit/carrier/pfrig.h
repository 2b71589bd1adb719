/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_KUBE_PFRIG_H
#define KT_UNIT_KUBE_PFRIG_H

#include "fake.h"

#include "carrier/portforward.h"

/** struct owner - of a carrier under test: what it saw, and how it behaves */
struct owner {
	struct carrier *c;
	struct loop *loop;
	struct buf got;
	struct kt_error why;
	int opened, closed, writable;
	bool done;
	size_t want; /* done at this many bytes */
};

/** owner_open() - a port-forward to pod ns/pod port 7000 */
void owner_open(struct owner *o, struct world *w, enum pf_form form,
		int64_t timeout);
/** owner_wait() - until it is opened, has what it wants, or is closed */
void owner_wait(struct owner *o);
ssize_t owner_send(struct owner *o, const char *text);
void owner_fini(struct owner *o);

/** world_pf() - world_init() with a token */
void world_pf(struct world *w,
	      void (*answer)(struct fake_conn *c, const char *request));
/** server_end() - of the one connection */
struct fake_conn *server_end(struct world *w);
/** ws_accept_line() - "Sec-WebSocket-Accept: ..." for a request; returned */
char *ws_accept_line(const char *request);
/** ws_take() - one whole frame of the client off the front of @b, its payload
 *  unmasked behind @out; its op, or -1 when it is not all there */
int ws_take(struct buf *b, struct buf *out);

static inline uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7);
}

#endif
