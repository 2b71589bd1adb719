/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_COPY_H
#define KT_ROUTER_COPY_H

#include "router/backend.h"
#include "wire/hpack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Copies of requests
 *
 * What goes to the origin may be wanted by laptops, too: each gets a copy, on a
 * connection of its own, and what it answers is thrown away. The request waits
 * for nothing of that: a copy takes what its laptop takes, a bounded rest waits
 * for it, and whatever is more than that ends the copy, not the request.
 *
 *   a copy     COPY_BYTES wait, a stall of COPY_STALL_NS ends it
 *   a client   COPY_CLIENT_N copies at once, COPY_CLIENT_BYTES in them
 *   a router   COPY_ALL_N, COPY_ALL_BYTES, and a part of the Pod's memory
 *   an answer  COPY_ANSWER bytes are read, then the connection is reset
 *
 * A copy has one field more, COPY_FIELD; a request that has it is not copied
 * again, so that local programs that pass it on make no circle. No copies are
 * made of CONNECT and of requests that want another protocol (WebSocket): only
 * one can answer in it.
 */

#define COPY_FIELD "kt-copy"
#define COPY_FIELD_VALUE "1"

#define COPY_BYTES ((size_t)4 << 20)
#define COPY_CLIENT_N 64
#define COPY_CLIENT_BYTES ((size_t)16 << 20)
#define COPY_ALL_N 128
#define COPY_ALL_BYTES ((size_t)32 << 20)
#define COPY_PIPE_BYTES ((size_t)128 << 10) /* of a pipe to a laptop */
#define COPY_ANSWER ((size_t)1 << 20)
#define COPY_STALL_NS (30 * NS_SEC)

struct copier;
struct copy;
struct router_conn;

/** copier_want_fn - client @id wants a copy; @here: it has a connection, else
 *  the copy is lost */
typedef void copier_want_fn(void *arg, uint64_t id, bool here);

/** struct copier_ops - all are set */
struct copier_ops {
	/** wanted() - tell @want of each who is to have a copy of this one */
	void (*wanted)(void *user, uint16_t port,
		       const struct rule_request *req, copier_want_fn *want,
		       void *arg);
	/** counted() - a copy has gone to client @id whole, or was dropped;
	 *  neither: its caller gave up */
	void (*counted)(void *user, uint64_t id, bool sent);
};

/** copier_new() - for requests of @env (borrowed, as @ops); NULL: memory */
struct copier *copier_new(struct router_env *env, const struct copier_ops *ops,
			  void *user);
/** copier_free() - no request of @env is under way any more; NULL is allowed */
void copier_free(struct copier *co);

/** struct copies - of one request that is under way; zeroes: none */
struct copies {
	struct copy *first;
};

/** copies_begin() - whoever wants a copy of @req, which goes to @ref, is to get
 *  one; false: there are none. Its head is next */
bool copies_begin(struct copies *cs, struct router_conn *rc,
		  struct backend_ref ref, const struct rule_request *req);
/** copies_head1() - the head of HTTP/1, whole, with "Connection: close" */
void copies_head1(struct copies *cs, const void *head, size_t n);
/** copies_head2() - the head of HTTP/2; @last: there is no body */
void copies_head2(struct copies *cs, const struct hpack_field *f, size_t n,
		  bool last);
/** copies_body() - more of the body, as it goes on */
void copies_body(struct copies *cs, const void *p, size_t n);
/** copies_trailer() - HTTP/2: copies_end() is next */
void copies_trailer(struct copies *cs, const struct hpack_field *f, size_t n);
/** copies_end() - the request is whole: they go on alone; @cs is empty */
void copies_end(struct copies *cs);
/** copies_abort() - it will never be whole; @cs is empty, or was */
void copies_abort(struct copies *cs);

#endif
