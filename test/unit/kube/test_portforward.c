/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/encode.h"
#include "kube/portforward.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

/* What came out of the client's frames, unmasked, and what is left of them */
static struct buf client_bytes, wire_bytes;
static size_t client_frames, biggest;

/* What the carrier's owner saw. */
struct owner {
	struct carrier *c;
	struct loop *loop;
	struct buf got;
	struct kt_error why;
	int opened, closed, writable;
	bool done, paused, pause_each;
	size_t want; /* done at this many bytes */
	struct timer resume;
};

static void on_resume(struct timer *t)
{
	struct owner *o = container_of(t, struct owner, resume);

	o->paused = false;
	carrier_pause(o->c, false);
}

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

	assert_false(o->paused);
	assert_int_equal(buf_put(&o->got, data, len), 0);
	if (o->want && o->got.len >= o->want)
		o->done = true;
	if (o->pause_each) {
		o->paused = true;
		carrier_pause(o->c, true);
		loop_timer_start(o->loop, &o->resume, NS_MS / 10, on_resume);
	}
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

static void open_carrier(struct world *w, struct owner *o, int64_t timeout)
{
	struct kt_error err = { 0 };

	o->loop = w->loop;
	buf_init(&o->got, 64 << 20);
	assert_int_equal(portforward_open(&o->c, w->kube, "ns", "pod", 7000,
					  timeout, &handler, o, &err),
			 0);
}

static void wait_done(struct world *w, struct owner *o)
{
	o->done = false;
	assert_int_equal(loop_run_until(w->loop, &o->done, 10 * NS_SEC), 0);
}

static ssize_t send_text(struct owner *o, const char *text)
{
	const struct iovec v = { (void *)(uintptr_t)text, strlen(text) };

	return carrier_send(o->c, &v, 1);
}

static void finish(struct world *w, struct owner *o)
{
	carrier_close(o->c);
	loop_timer_stop(&o->resume);
	buf_fini(&o->got);
	buf_fini(&client_bytes);
	buf_fini(&wire_bytes);
	world_fini(w);
}

/* --- the server's side -----------------------------------------------------
 */

static void accept_upgrade(struct fake_conn *c, const char *request,
			   const char *spoil)
{
	const char *key = strstr(request, "Sec-WebSocket-Key: ");
	auto_free char *joined = NULL, *b64 = NULL, *text = NULL;
	uint8_t digest[20];

	assert_non_null(key);
	joined = xasprintf("%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
			   key + 19);
	SHA1((uint8_t *)joined, strlen(joined), digest);
	b64 = base64_encode(digest, 20);
	text = xasprintf("HTTP/1.1 101 Switching Protocols\r\n"
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s%s\r\n"
			 "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
			 /* the port on both channels, in the same segment */
			 "\x82\x03",
			 b64, spoil);
	fake_write(c, text, strlen(text));
	fake_write(c, "\0\x58\x1b\x82\x03\1\x58\x1b", 8);
	c->raw = true;
}

static void frame(struct fake_conn *c, uint8_t channel, const void *data,
		  size_t n)
{
	uint8_t head[5] = { 0x82, 126, (uint8_t)((n + 1) >> 8),
			    (uint8_t)(n + 1), channel };
	const uint8_t small[3] = { 0x82, (uint8_t)(n + 1), channel };

	if (n + 1 < 126)
		fake_write(c, small, sizeof(small));
	else
		fake_write(c, head, sizeof(head));
	fake_write(c, data, n);
}

static void answer_upgrade(struct fake_conn *c, const char *request)
{
	assert_non_null(strstr(request, "GET /base/api/v1/namespaces/ns/pods/"
					"pod/portforward?ports=7000 HTTP/1.1"));
	assert_non_null(strstr(request, "v4.channel.k8s.io"));
	assert_non_null(strstr(request, "Authorization: Bearer tok\r\n"));
	accept_upgrade(c, request, "");
}

/* One whole frame off the front of @b; false when it is not all there. */
static bool take_frame(struct buf *b)
{
	const uint8_t *p = buf_data(b);
	size_t head = 2, n, i;

	if (b->len < 14)
		return false;
	assert_int_equal(p[0] & 0x70, 0);
	assert_true(p[0] & 0x80); /* never fragmented */
	assert_true(p[1] & 0x80); /* masked */
	n = p[1] & 0x7f;
	if (n == 126) {
		n = (size_t)p[2] << 8 | p[3];
		head = 4;
	} else if (n == 127) {
		n = 0;
		for (i = 2; i < 10; i++)
			n = n << 8 | p[i];
		head = 10;
	}
	if (b->len < head + 4 + n)
		return false;
	if ((p[0] & 0xf) == 2) {
		const uint8_t *key = p + head, *data = key + 4;

		assert_int_equal(data[0] ^ key[0], 0); /* channel 0 */
		for (i = 1; i < n; i++) {
			uint8_t v = data[i] ^ key[i & 3];

			assert_int_equal(buf_put(&client_bytes, &v, 1), 0);
		}
		client_frames++;
		biggest = MAX(biggest, n);
	}
	buf_take(b, head + 4 + n);
	return true;
}

static void raw_collect(struct fake_conn *c, const uint8_t *data, size_t len)
{
	(void)c;
	assert_int_equal(buf_put(&wire_bytes, data, len), 0);
	while (take_frame(&wire_bytes))
		;
}

static void setup(struct world *w,
		  void (*answer)(struct fake_conn *c, const char *request))
{
	static char token[] = "tok";

	world_init(w, answer);
	w->cfg.token = token;
	w->fake.raw = raw_collect;
	buf_init(&client_bytes, 64 << 20);
	buf_init(&wire_bytes, 64 << 20);
	client_frames = biggest = 0;
}

static struct fake_conn *server_end(struct world *w)
{
	return container_of(w->fake.conns.next, struct fake_conn, node);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7);
}

/* --- tests -----------------------------------------------------------------
 */

static void receives_channel_zero_only(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	assert_int_equal(o.opened, 1);
	frame(server_end(&w), 0, "hello ", 6);
	frame(server_end(&w), 5, "other", 5);
	fake_write(server_end(&w), "\x89\x01x", 3);	 /* PING */
	fake_write(server_end(&w), "\x82\0\x82\1\0", 5); /* empty messages */
	frame(server_end(&w), 0, "world", 5);
	o.want = 11;
	wait_done(&w, &o);
	assert_memory_equal(buf_data(&o.got), "hello world", 11);
	assert_int_equal(o.closed, 0);
	finish(&w, &o);
}

static void receives_much_with_pauses(void **state)
{
	static uint8_t block[30000];
	struct owner o = { .pause_each = true };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	for (size_t i = 0; i < 20 * sizeof(block); i += sizeof(block)) {
		for (size_t j = 0; j < sizeof(block); j++)
			block[j] = pattern(i + j);
		frame(server_end(&w), 0, block, sizeof(block));
		/* no more than the sockets hold: the server is in our loop */
		do
			assert_int_equal(loop_once(w.loop, NS_MS), 0);
		while (o.got.len + 2 * sizeof(block) < i);
	}
	o.want = 20 * sizeof(block);
	if (o.got.len < o.want)
		wait_done(&w, &o);
	for (size_t i = 0; i < o.got.len; i++)
		if (buf_data(&o.got)[i] != pattern(i))
			fail();
	assert_int_equal(o.got.len, o.want);
	finish(&w, &o);
}

static void sends_until_full_and_goes_on(void **state)
{
	const size_t total = 6 << 20;
	uint8_t *data = xmalloc(total);
	struct owner o = { 0 };
	struct world w;
	size_t sent = 0;
	bool refused = false;

	(void)state;
	for (size_t i = 0; i < total; i++)
		data[i] = pattern(i);
	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	assert_int_equal(carrier_send(o.c, &(struct iovec){ data, 1 }, 1),
			 -EAGAIN); /* not open yet */
	wait_done(&w, &o);
	while (sent < total || client_bytes.len < total) {
		struct iovec v[2] = { { data + sent, (total - sent) / 2 } };
		ssize_t n;

		v[1] = (struct iovec){ data + sent + v[0].iov_len,
				       total - sent - v[0].iov_len };
		n = carrier_send(o.c, v, 2);
		refused = refused || n == -EAGAIN;
		if (n > 0)
			sent += (size_t)n;
		else if (sent < total)
			assert_int_equal(n, -EAGAIN);
		assert_int_equal(loop_once(w.loop, 10 * NS_MS), 0);
	}
	assert_memory_equal(buf_data(&client_bytes), data, total);
	assert_true(refused);
	assert_true(o.writable > 0);
	assert_true(biggest >= 128 << 10); /* large when there is much */
	free(data);
	finish(&w, &o);
}

static void gathers_small_sends(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send_text(&o, "abc"), 3);
	while (client_bytes.len < 300)
		assert_int_equal(loop_once(w.loop, NS_MS), 0);
	assert_int_equal(client_frames, 1);
	finish(&w, &o);
}

static void ends_with_the_text_of_the_error_channel(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	frame(server_end(&w), 1, "connection refused in pod", 25);
	wait_done(&w, &o);
	assert_int_equal(o.closed, 1);
	assert_int_equal(o.why.code, ECONNREFUSED);
	assert_string_equal(o.why.msg, "port-forward to pod ns/pod port 7000: "
				       "connection refused in pod");
	assert_int_equal(send_text(&o, "x"), -EPIPE);
	finish(&w, &o);
}

/* @bytes end the open carrier; what closed() says. */
static void ended_by(const char *bytes, size_t n, int code, const char *text)
{
	struct owner o = { 0 };
	struct world w;

	setup(&w, answer_upgrade);
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	if (n)
		fake_write(server_end(&w), bytes, n);
	else
		fake_close(server_end(&w));
	wait_done(&w, &o);
	assert_int_equal(o.closed, 1);
	assert_int_equal(o.why.code, code);
	assert_non_null(strstr(o.why.msg, text));
	finish(&w, &o);
}

static void tells_why_it_ended(void **state)
{
	(void)state;
	ended_by("\x88\x02\x03\xe8", 4, ECONNRESET, "closed by the API server");
	ended_by("\x88\x06\x03\xe8gone", 8, ECONNRESET, "gone");
	ended_by("\xff\x01", 2, EPROTO, "not a WebSocket frame");
	ended_by(NULL, 0, ECONNRESET, "lost");
}

static void chunk(struct fake_conn *c, const char *text)
{
	auto_free char *s = xasprintf("%zx\r\n%s\r\n", strlen(text), text);

	fake_write(c, s, strlen(s));
}

static void answer_forbidden(struct fake_conn *c, const char *request)
{
	static const char head[] = "HTTP/1.1 403 Forbidden\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";

	(void)request;
	fake_write(c, head, sizeof(head) - 1);
	chunk(c, "{\"kind\":\"Status\",\"message\":\"pods \\\"pod\\\" is "
		 "forbidden: User \\\"u\\\" cannot get resource "
		 "\\\"pods/portforward\\\" in API");
	chunk(c, " group \\\"\\\" in the namespace \\\"ns\\\"\"}");
	chunk(c, "");
}

static void answer_not_found(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 404, "",
		   "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":"
		   "\"pods \\\"pod\\\" not found\"}");
}

static void answer_wrong_key(struct fake_conn *c, const char *request)
{
	accept_upgrade(c, request, "x");
}

static void answer_garbage(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_write(c, "SSH-2.0-x\r\n", 11);
}

static void answer_closed(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_close(c);
}

static void answer_nothing(struct fake_conn *c, const char *request)
{
	(void)c;
	(void)request;
}

static struct kt_error refused_by(void (*answer)(struct fake_conn *c,
						 const char *request))
{
	struct owner o = { 0 };
	struct world w;

	setup(&w, answer);
	open_carrier(&w, &o, 200 * NS_MS);
	wait_done(&w, &o);
	assert_int_equal(o.opened, 0);
	assert_int_equal(o.closed, 1);
	finish(&w, &o);
	return o.why;
}

static void tells_why_it_did_not_open(void **state)
{
	struct kt_error e = refused_by(answer_forbidden);

	(void)state;
	assert_int_equal(e.http_status, 403);
	assert_string_equal(e.hint,
			    "a Role in namespace ns must allow 'get' on "
			    "'pods/portforward'");
	e = refused_by(answer_not_found);
	assert_int_equal(e.code, ENOENT);
	assert_string_equal(e.reason, "NotFound");
	e = refused_by(answer_wrong_key);
	assert_int_equal(e.code, EPROTO);
	e = refused_by(answer_garbage);
	assert_int_equal(e.code, EPROTO);
	e = refused_by(answer_closed);
	assert_int_equal(e.code, ECONNRESET);
	e = refused_by(answer_nothing);
	assert_int_equal(e.code, ETIMEDOUT);
	assert_non_null(strstr(e.msg, "no answer in time"));
}

static void answer_401_once(struct fake_conn *c, const char *request)
{
	if (c->number == 1)
		fake_reply(c, 401, "", "{\"kind\":\"Status\"}");
	else
		answer_upgrade(c, request);
}

/* A token file may have been renewed meanwhile. */
static void tries_again_with_a_new_token(void **state)
{
	char path[] = "/tmp/ktctl-token-XXXXXX";
	struct owner o = { 0 };
	struct world w;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "tok\n", 4), 4);
	close(fd);
	setup(&w, answer_401_once);
	w.cfg.token = NULL;
	w.cfg.token_file = path;
	open_carrier(&w, &o, 0);
	wait_done(&w, &o);
	assert_int_equal(o.opened, 1);
	assert_int_equal(o.closed, 0);
	assert_int_equal(w.fake.requests, 2);
	unlink(path);
	finish(&w, &o);
}

static void closes_at_any_time(void **state)
{
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		struct owner o = { .want = 1 };
		struct world w;

		setup(&w, answer_upgrade);
		open_carrier(&w, &o, 0);
		for (int i = 0; i < turns; i++)
			assert_int_equal(loop_once(w.loop, NS_MS), 0);
		if (o.opened)
			assert_true(send_text(&o, "x") == 1);
		finish(&w, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receives_channel_zero_only),
		cmocka_unit_test(receives_much_with_pauses),
		cmocka_unit_test(sends_until_full_and_goes_on),
		cmocka_unit_test(gathers_small_sends),
		cmocka_unit_test(ends_with_the_text_of_the_error_channel),
		cmocka_unit_test(tells_why_it_ended),
		cmocka_unit_test(tells_why_it_did_not_open),
		cmocka_unit_test(tries_again_with_a_new_token),
		cmocka_unit_test(closes_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
