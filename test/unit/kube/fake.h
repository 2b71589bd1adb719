/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_KUBE_FAKE_H
#define KT_UNIT_KUBE_FAKE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/loop.h"
#include "kube/client.h"

/**
 * DOC: A fake API server
 *
 * Plain HTTP on loopback, in the test's own loop, for the faults that the real
 * server will not make. Every complete request is given to @answer, which
 * replies as it likes: whole, in pieces, wrongly or not at all.
 */

struct fake;

struct fake_conn {
	struct list node;
	struct fake *fake;
	struct watch watch;
	struct buf in;
	bool raw;   /* after an upgrade: bytes go to fake.raw */
	int number; /* of the request, counted over all connections */
};

struct fake {
	struct loop *loop;
	struct watch watch;
	uint16_t port;
	struct list conns;
	int requests;
	/* @request: head and body, NUL-ended */
	void (*answer)(struct fake_conn *c, const char *request);
	void (*raw)(struct fake_conn *c, const uint8_t *data, size_t len);
	void *user;
};

void fake_start(struct fake *f, struct loop *loop,
		void (*answer)(struct fake_conn *c, const char *request));
void fake_stop(struct fake *f);
/** fake_write() - bytes as they are */
void fake_write(struct fake_conn *c, const void *data, size_t len);
/** fake_reply() - a whole reply with Content-Length; @fields: more header
 *  lines, each with CR LF, or "" */
void fake_reply(struct fake_conn *c, int status, const char *fields,
		const char *body);
void fake_close(struct fake_conn *c);

/** struct world - loop, fake server and a client of it */
struct world {
	struct loop *loop;
	struct fake fake;
	struct kube_config cfg;
	struct kube *kube;
	char server[64];
};

void world_init(struct world *w,
		void (*answer)(struct fake_conn *c, const char *request));
/** world_client() - (again) a client for w->cfg */
void world_client(struct world *w);
void world_fini(struct world *w);

#endif
