/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_ROUTER_PEER_H
#define KT_UNIT_ROUTER_PEER_H

#include "base/buf.h"
#include "rig.h"

#include <nghttp2/nghttp2.h>

/**
 * DOC: A peer that speaks HTTP/2, in the test's hands
 *
 * The caller, or a backend.
 */

#define PEER_STREAMS 64

struct peer_stream {
	char head[1024];   /* "name: value\n" of the last head */
	char trailer[256]; /* likewise, of what follows a body */
	struct buf body;
	bool ended;
	int code; /* it was closed with; -1: it is open */
	/* what we send: text, then the end, or nothing more for now */
	const char *say;
	size_t left; /* zeroes instead of text */
	bool finish;
	const char *say_trailer;
};

struct peer {
	struct rig *rig;
	int fd;
	nghttp2_session *ng;
	struct peer_stream s[PEER_STREAMS];
	bool hold; /* gives no credit back */
	int goaway;
	int32_t last_id; /* of the last GOAWAY */
	bool gone;	 /* the connection has ended */
};

/* of peers that begin now: they send large heads, they take extended CONNECT */
extern bool peer_large, peer_can_connect;

void peer_init(struct peer *p, struct rig *r, int fd, bool server);
void peer_fini(struct peer *p);
/** peer_turn() - say what there is to say, and hear; false: nothing happened */
bool peer_turn(struct peer *p);
/** peer_turns() - until nobody has anything to say; @b, @c: or NULL */
void peer_turns(struct peer *a, struct peer *b, struct peer *c);
nghttp2_nv peer_field(const char *name, const char *value);
/** peer_read() - a body of struct peer_stream */
ssize_t peer_read(nghttp2_session *ng, int32_t id, uint8_t *to, size_t len,
		  uint32_t *flags, nghttp2_data_source *src, void *user);
/** peer_ask() - POST with the field "to", or "copy" */
int32_t peer_ask(struct peer *p, const char *to, const char *say, bool finish);
/** peer_answer() - 200 */
void peer_answer(struct peer *p, int32_t id, const char *say, bool finish);
void peer_assert_body(const struct peer *p, int32_t id, const char *text);

#endif
