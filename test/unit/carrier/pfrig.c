/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "pfrig.h"

#include "base/mem.h"
#include "kube/encode.h"

#include <openssl/sha.h>
#include <string.h>

static void on_opened(void *user)
{
	struct owner *o = user;

	o->opened++;
	if (!o->want)
		o->done = true;
}

static void on_data(void *user, const uint8_t *data, size_t len)
{
	struct owner *o = user;

	assert_int_equal(buf_put(&o->got, data, len), 0);
	if (o->want && o->got.len >= o->want)
		o->done = true;
}

static void on_writable(void *user)
{
	struct owner *o = user;

	o->writable++;
}

static void on_closed(void *user, const struct kt_error *why)
{
	struct owner *o = user;

	o->closed++;
	o->why = *why;
	o->done = true;
}

static const struct carrier_handler handler = { on_opened, on_data, on_writable,
						on_closed };

void owner_open(struct owner *o, struct world *w, enum pf_form form,
		int64_t timeout)
{
	struct kt_error err = { 0 };

	o->loop = w->loop;
	buf_init(&o->got, 64 << 20);
	assert_int_equal(portforward_open(&o->c, form, w->kube, "ns", "pod",
					  7000, timeout, &handler, o, &err),
			 0);
}

void owner_wait(struct owner *o)
{
	o->done = false;
	assert_int_equal(loop_run_until(o->loop, &o->done, 10 * NS_SEC), 0);
}

ssize_t owner_send(struct owner *o, const char *text)
{
	const struct iovec v = { (void *)(uintptr_t)text, strlen(text) };

	return carrier_send(o->c, &v, 1);
}

void owner_fini(struct owner *o)
{
	carrier_close(o->c);
	buf_fini(&o->got);
}

void world_pf(struct world *w,
	      void (*answer)(struct fake_conn *c, const char *request))
{
	static char token[] = "tok";

	world_init(w, answer);
	w->cfg.token = token;
}

struct fake_conn *server_end(struct world *w)
{
	return container_of(w->fake.conns.next, struct fake_conn, node);
}

char *ws_accept_line(const char *request)
{
	const char *key = strstr(request, "Sec-WebSocket-Key: ");
	auto_free char *joined = NULL, *b64 = NULL;
	uint8_t digest[20];

	assert_non_null(key);
	joined = xasprintf("%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
			   key + 19);
	SHA1((uint8_t *)joined, strlen(joined), digest);
	b64 = base64_encode(digest, 20);
	return xasprintf("Sec-WebSocket-Accept: %s", b64);
}

int ws_take(struct buf *b, struct buf *out)
{
	const uint8_t *p = buf_data(b), *key, *data;
	size_t head = 2, n;
	uint8_t *dst;
	int op;

	if (b->len < 2)
		return -1;
	assert_int_equal(p[0] & 0x70, 0);
	assert_true(p[0] & 0x80); /* never fragmented */
	assert_true(p[1] & 0x80); /* masked */
	n = p[1] & 0x7f;
	if (b->len < (n == 126 ? 4 : n == 127 ? 10 : 2))
		return -1;
	if (n == 126) {
		n = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (n == 127) {
		n = 0;
		for (size_t i = 2; i < 10; i++)
			n = n << 8 | p[i];
		head = 10;
	}
	if (b->len < head + 4 + n)
		return -1;
	key = p + head;
	data = key + 4;
	op = p[0] & 0xf;
	dst = buf_reserve(out, n);
	assert_true(dst || !n);
	for (size_t i = 0; i < n; i++)
		dst[i] = data[i] ^ key[i & 3];
	buf_commit(out, n);
	buf_take(b, head + 4 + n);
	return op;
}
