/* SPDX-License-Identifier: Apache-2.0 */
/* A session with two carriers gets any bytes on either, in any pieces: it
 * delivers no byte that was not sent and keeps no more than was agreed. */
#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct session *session;
static bool closed[2];
static struct carrier carriers[2];

static ssize_t lanes_send(struct carrier *c, const struct iovec *iov, int n)
{
	ssize_t all = 0;

	(void)c;
	for (int i = 0; i < n; i++)
		all += (ssize_t)iov[i].iov_len;
	return all;
}

static void lanes_close(struct carrier *c)
{
	closed[c - carriers] = true;
}

static const struct carrier_ops carrier_ops = { lanes_send, lanes_close };

static int lanes_produce(void *user, size_t room)
{
	static int calls;
	size_t got;
	uint8_t *p = calls++ % 3 ? NULL : session_reserve(session, 100, &got);

	(void)user;
	(void)room;
	if (p) {
		memset(p, 1, 100);
		session_commit(session, 100);
	}
	return 0;
}

static int lanes_data(void *user, const uint8_t *p, size_t n)
{
	volatile uint8_t sum = 0;

	(void)user;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	return 0;
}

static void lanes_up(void *user, bool resumed)
{
	(void)user;
	(void)resumed;
}

static void lanes_over(void *user, const struct kt_error *why)
{
	(void)user;
	(void)why;
}

static const struct session_ops ops = { lanes_produce, lanes_data, lanes_up,
					lanes_over, lanes_over };

static void lanes_begin(void)
{
	struct session_config cfg = session_config_default();
	struct frame_hello hello = { .version_min = 1,
				     .version_max = 1,
				     .flags = FRAME_FLAG_LANES,
				     .window = 1 << 20 };
	struct kt_error err;

	cfg.replay_max = 1 << 20;
	cfg.lanes = 2;
	session = session_new(loop, &cfg, hello.id, FRAME_ROLE_SERVER, &ops,
			      NULL);
	for (int i = 0; i < 2; i++) {
		closed[i] = false;
		carriers[i] = (struct carrier){ .ops = &carrier_ops };
		if (session_adopt(session, &carriers[i], &hello, 0, &err) < 0)
			abort();
		hello.flags |= FRAME_FLAG_JOIN;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_make(data, size);
	uint8_t which, len;

	if (!loop)
		loop = loop_new();
	lanes_begin();
	while (rd_u8(&in, &which) && rd_u8(&in, &len)) {
		size_t n = MIN((size_t)len, rd_left(&in));
		const uint8_t *p = rd_bytes(&in, n);
		uint8_t *copy = xmalloc(n + 1);
		struct carrier *c = &carriers[which & 1];

		if (n)
			memcpy(copy, p, n);
		if (!closed[which & 1])
			c->handler->data(c->user, copy, n);
		free(copy);
		if (which & 2)
			loop_once(loop, 0);
		if (which & 4 && !closed[which & 1])
			c->handler->writable(c->user);
	}
	session_free(session);
	loop_once(loop, 0);
	return 0;
}
