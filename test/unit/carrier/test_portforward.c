/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "pfrig.h"

#include "base/mem.h"
#include "wire/ws.h"

#include <errno.h>
#include <string.h>

/* What came out of the client's frames, unmasked, and what is left of them */
static struct buf client_bytes, wire_bytes;
static size_t client_frames, biggest;

static void finish(struct world *w, struct owner *o)
{
	owner_fini(o);
	buf_fini(&client_bytes);
	buf_fini(&wire_bytes);
	world_fini(w);
}

/* --- the server's side ---------------------------------------------------- */

static void accept_upgrade(struct fake_conn *c, const char *request,
			   const char *spoil)
{
	auto_free char *accept = ws_accept_line(request), *text = NULL;

	text = xasprintf("HTTP/1.1 101 Switching Protocols\r\n"
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			 "%s%s\r\n"
			 "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
			 /* the port on both channels, in the same segment */
			 "\x82\x03",
			 accept, spoil);
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

static bool take_frame(struct buf *b)
{
	struct buf one;
	int op;

	buf_init(&one, 1 << 20);
	op = ws_take(b, &one);
	if (op == WS_BINARY) {
		assert_int_equal(buf_data(&one)[0], 0); /* channel 0 */
		assert_int_equal(
			buf_put(&client_bytes, buf_data(&one) + 1, one.len - 1),
			0);
		client_frames++;
		biggest = MAX(biggest, one.len);
	}
	buf_fini(&one);
	return op >= 0;
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
	world_pf(w, answer);
	w->fake.raw = raw_collect;
	buf_init(&client_bytes, 64 << 20);
	buf_init(&wire_bytes, 64 << 20);
	client_frames = biggest = 0;
}

/* --- tests ---------------------------------------------------------------- */

static void receives_channel_zero_only(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
	assert_int_equal(o.opened, 1);
	frame(server_end(&w), 0, "hello ", 6);
	frame(server_end(&w), 5, "other", 5);
	fake_write(server_end(&w), "\x89\x01x", 3);	 /* PING */
	fake_write(server_end(&w), "\x82\0\x82\1\0", 5); /* empty messages */
	frame(server_end(&w), 0, "world", 5);
	o.want = 11;
	owner_wait(&o);
	assert_memory_equal(buf_data(&o.got), "hello world", 11);
	assert_int_equal(o.closed, 0);
	finish(&w, &o);
}

static void receives_much(void **state)
{
	static uint8_t block[30000];
	struct owner o = { 0 };
	struct world w;

	(void)state;
	setup(&w, answer_upgrade);
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
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
		owner_wait(&o);
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
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	assert_int_equal(carrier_send(o.c, &(struct iovec){ data, 1 }, 1),
			 -EAGAIN); /* not open yet */
	owner_wait(&o);
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
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
	for (int i = 0; i < 100; i++)
		assert_int_equal(owner_send(&o, "abc"), 3);
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
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
	frame(server_end(&w), 1, "connection refused in pod", 25);
	owner_wait(&o);
	assert_int_equal(o.closed, 1);
	assert_int_equal(o.why.code, ECONNREFUSED);
	assert_string_equal(o.why.msg, "port-forward to pod ns/pod port 7000: "
				       "connection refused in pod");
	assert_int_equal(owner_send(&o, "x"), -EPIPE);
	finish(&w, &o);
}

/* @bytes end the open carrier; what closed() says. */
static void ended_by(const char *bytes, size_t n, int code, const char *text)
{
	struct owner o = { 0 };
	struct world w;

	setup(&w, answer_upgrade);
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
	if (n)
		fake_write(server_end(&w), bytes, n);
	else
		fake_close(server_end(&w));
	owner_wait(&o);
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
	owner_open(&o, &w, PF_WEBSOCKET, 200 * NS_MS);
	owner_wait(&o);
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
	owner_open(&o, &w, PF_WEBSOCKET, 0);
	owner_wait(&o);
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
		owner_open(&o, &w, PF_WEBSOCKET, 0);
		for (int i = 0; i < turns; i++)
			assert_int_equal(loop_once(w.loop, NS_MS), 0);
		if (o.opened)
			assert_true(owner_send(&o, "x") == 1);
		finish(&w, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receives_channel_zero_only),
		cmocka_unit_test(receives_much),
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
