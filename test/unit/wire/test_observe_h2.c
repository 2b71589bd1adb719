/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 in connections that go by: what two ends of nghttp2 say to each other,
 * with its tables and its Huffman codes, in pieces of every size; and frames by
 * hand. */
#include "test.h"

#include "base/mem.h"
#include "wire/h2.h"
#include "wire/observe.h"
#include "wire/observe_h2.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

static char told[65536];
static size_t ntold;

static void on_event(void *user, const struct event *ev)
{
	size_t n = strlen(told);

	(void)user;
	ntold++;
	snprintf(told + n, sizeof(told) - n, "%s %s %s %s %s %u;",
		 event_kinds[ev->kind], event_protos[ev->proto],
		 event_bys[ev->by], ev->method, ev->path, ev->status);
}

static struct observer *begin(void)
{
	struct observer *o = observer_new(on_event, NULL, 0);

	assert_non_null(o);
	told[0] = 0;
	ntold = 0;
	return o;
}

/* --- two ends ------------------------------------------------------------- */

struct ends {
	nghttp2_session *client, *server;
	struct observer *o;
	size_t piece; /* bytes that go by at once */
	bool trailers, cancel;
	int64_t now;
};

#define FIELD(name, value, n)                                                  \
	{                                                                      \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value),   \
			strlen(name), n, NGHTTP2_NV_FLAG_NONE                  \
	}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *buf,
			 size_t len, uint32_t *flags, nghttp2_data_source *src,
			 void *user)
{
	const struct ends *e = user;
	nghttp2_nv trailer = FIELD("grpc-status", "0", 1);

	(void)src;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (e->trailers && s == e->server) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(s, id, &trailer, 1);
	}
	memset(buf, 'x', MIN(len, (size_t)5000));
	return (ssize_t)MIN(len, (size_t)5000);
}

/* Streams 3, 7, 11 ... are answered with 200, the others with 404; when that
 * is wanted, stream 5 is reset */
static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
	const struct ends *e = user;
	int32_t id = f->hd.stream_id;
	nghttp2_nv hint[] = { FIELD(":status", "103", 3),
			      FIELD("link", "</a.css>", 8) };
	nghttp2_nv answer[] = { FIELD(":status", id % 4 == 3 ? "200" : "404",
				      3),
				FIELD("server", "a long name of a server", 23),
				FIELD("date", "Mon, 30 Nov 2026", 16) };
	nghttp2_data_provider body = { .read_callback = read_body };

	if (s != e->server || f->hd.type != NGHTTP2_HEADERS ||
	    f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (e->cancel && id == 5)
		return nghttp2_submit_rst_stream(s, 0, id, NGHTTP2_CANCEL);
	nghttp2_submit_headers(s, 0, id, NULL, hint, 2, NULL);
	return nghttp2_submit_response(s, id, answer, 3, &body);
}

/* What one has to say goes by, and to the other */
static bool pass(struct ends *e, bool ask)
{
	nghttp2_session *from = ask ? e->client : e->server;
	nghttp2_session *to = ask ? e->server : e->client;
	const uint8_t *p;
	ssize_t n = nghttp2_session_mem_send(from, &p);

	assert_true(n >= 0);
	for (ssize_t at = 0; at < n; at += (ssize_t)e->piece) {
		size_t k = MIN(e->piece, (size_t)(n - at));

		e->now += 1000;
		if (ask)
			observer_ask(e->o, p + at, k, e->now);
		else
			observer_answer(e->o, p + at, k, e->now);
	}
	if (n)
		assert_int_equal(nghttp2_session_mem_recv(to, p, (size_t)n), n);
	return n > 0;
}

static void ends_begin(struct ends *e, size_t table)
{
	nghttp2_session_callbacks *cb;
	nghttp2_settings_entry s[] = {
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, (uint32_t)table },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20 },
	};

	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	assert_int_equal(nghttp2_session_client_new(&e->client, cb, e), 0);
	assert_int_equal(nghttp2_session_server_new(&e->server, cb, e), 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(e->client, 0, s, 2);
	nghttp2_submit_settings(e->server, 0, s, 2);
	e->o = begin();
}

static void ends_finish(struct ends *e)
{
	for (bool more = true; more;) {
		more = pass(e, true);
		more = pass(e, false) || more;
	}
	observer_free(e->o);
	nghttp2_session_del(e->client);
	nghttp2_session_del(e->server);
}

static void request(struct ends *e, int i, size_t cookie)
{
	static char text[20000];
	char path[64];
	nghttp2_data_provider body = { .read_callback = read_body };
	nghttp2_nv f[] = { FIELD(":method", "POST", 4),
			   FIELD(":scheme", "http", 4),
			   FIELD(":authority", "web", 3),
			   FIELD(":path", path, 0),
			   FIELD("cookie", text, cookie),
			   FIELD("baggage", "kt-env=dev", 10) };

	memset(text, 'a' + i % 26, sizeof(text));
	f[3].valuelen =
		(size_t)snprintf(path, sizeof(path), "/call/%d?secret", i);
	assert_true(nghttp2_submit_request(e->client, NULL, f, 6, &body, NULL) >
		    0);
}

static void tells_of_requests(void **state)
{
	static const size_t pieces[] = { 1, 2, 9, 100, 100000 };
	static const size_t tables[] = { 0, 100, 4096, 16384 };
	char want[8192] = "";

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(want + strlen(want), sizeof(want) - strlen(want),
			 "request http/2 local POST /call/%d %d;", i,
			 i % 2 ? 200 : 404);
	for (size_t i = 0; i < ARRAY_SIZE(pieces) * ARRAY_SIZE(tables); i++) {
		struct ends e = { .piece = pieces[i % ARRAY_SIZE(pieces)],
				  .trailers = i % 2 };

		ends_begin(&e, tables[i / ARRAY_SIZE(pieces)]);
		for (int k = 0; k < 40; k++) {
			/* that of 17000 goes into several frames */
			request(&e, k, k % 10 == 9 ? 17000 : 50);
			if (k % 3 == 0) {
				pass(&e, true);
				pass(&e, false);
			}
		}
		ends_finish(&e);
		if (strcmp(told, want) != 0)
			fail_msg("%zu: %s", i, told);
	}
}

static void a_reset_is_no_answer(void **state)
{
	struct ends e = { .piece = 7, .cancel = true };

	(void)state;
	ends_begin(&e, 4096);
	for (int i = 0; i < 4; i++)
		request(&e, i, 10);
	ends_finish(&e);
	assert_non_null(strstr(told, "request http/2 nobody POST /call/2 0;"));
	assert_int_equal(ntold, 4);
}

/* --- frames by hand ------------------------------------------------------- */

static void say_bytes(struct observer *o, bool ask, const void *p, size_t n)
{
	if (ask)
		observer_ask(o, p, n, 0);
	else
		observer_answer(o, p, n, 0);
}

/* @text: the payload, of @n bytes */
static void say(struct observer *o, bool ask, uint8_t type, uint8_t flags,
		uint8_t id, const char *text, size_t n)
{
	uint8_t head[] = {
		0, (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, 0, id
	};

	say_bytes(o, ask, head, sizeof(head));
	if (n)
		say_bytes(o, ask, text, n);
}

#define SAY(o, ask, type, flags, id, text)                                     \
	say(o, ask, type, flags, id, text, sizeof(text) - 1)
#define ASK true
#define ANSWER false

static struct observer *begin_h2(void)
{
	struct observer *o = begin();

	say_bytes(o, ASK, H2_MAGIC, H2_MAGIC_LEN);
	SAY(o, ASK, H2_SETTINGS, 0, 0, "");
	return o;
}

/* GET / http, and 200, in the fixed table's numbers */
#define GET "\x82\x84\x86"
#define OK "\x88"

static void a_server_may_speak_first(void **state)
{
	struct observer *o = begin();

	(void)state;
	SAY(o, ANSWER, H2_SETTINGS, 0, 0, "\0\x3\0\0\0\xfa");
	say_bytes(o, ASK, H2_MAGIC, 5);
	SAY(o, ANSWER, H2_WINDOW_UPDATE, 0, 0, "\0\0\1\0");
	say_bytes(o, ASK, &H2_MAGIC[5], H2_MAGIC_LEN - 5);
	SAY(o, ASK, H2_SETTINGS, 0, 0, "");
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, GET);
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 1, OK);
	observer_free(o);
	assert_string_equal(told, "request http/2 local GET / 200;");
	/* what only looks like it is another protocol */
	o = begin();
	SAY(o, ANSWER, H2_SETTINGS, 0, 0, "");
	say_bytes(o, ASK, "hello", 5);
	observer_free(o);
	assert_string_equal(told, "connection tcp local   0;");
}

static void an_upgrade_is_followed(void **state)
{
	static const char ask[] = "GET /up?x HTTP/1.1\r\nHost: x\r\n"
				  "Connection: Upgrade, HTTP2-Settings\r\n"
				  "Upgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n";
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
				     "Connection: Upgrade\r\n"
				     "Upgrade: h2c\r\n\r\n";
	struct observer *o = begin();

	(void)state;
	say_bytes(o, ASK, ask, sizeof(ask) - 1);
	say_bytes(o, ANSWER, answer, sizeof(answer) - 1);
	SAY(o, ANSWER, H2_SETTINGS, 0, 0, "");
	say_bytes(o, ASK, H2_MAGIC, H2_MAGIC_LEN);
	SAY(o, ASK, H2_SETTINGS, 0, 0, "");
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 1, OK);
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, GET);
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 3, OK);
	observer_free(o);
	assert_string_equal(told, "request http/2 local GET /up 200;"
				  "request http/2 local GET / 200;");
	/* one that is not taken */
	o = begin();
	say_bytes(o, ASK, ask, sizeof(ask) - 1);
	say_bytes(o, ANSWER, "HTTP/1.1 204 No\r\n\r\n", 19);
	observer_free(o);
	assert_string_equal(told, "request http/1 local GET /up 204;");
}

static void frames_around_it_do_not_matter(void **state)
{
	struct observer *o = begin_h2();

	(void)state;
	SAY(o, ASK, H2_PRIORITY, 0, 3, "\0\0\0\0\1");
	/* padded, with a priority, in two frames */
	SAY(o, ASK, H2_HEADERS, H2_PADDED | H2_HAS_PRIORITY, 1,
	    "\2\0\0\0\0\1\x82\0\0");
	SAY(o, ASK, H2_CONTINUATION, H2_END_HEADERS, 1, "\x84\x86");
	SAY(o, ASK, 0x77, 0, 0, "of an extension");
	/* a promise, whose field is put into the table, and its answer */
	SAY(o, ANSWER, H2_PUSH_PROMISE, 0, 1, "\0\0\0\2\x82\x84\x86\x40\1a\1b");
	SAY(o, ANSWER, H2_CONTINUATION, H2_END_HEADERS, 1, "\xbe");
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 2, OK);
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 1, OK "\xbe");
	/* trailers of both are none */
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, "\xbe");
	observer_free(o);
	assert_string_equal(told, "request http/2 local GET / 200;"
				  "connection http/2 local   0;");
	o = begin_h2();
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 1, GET);
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 3, GET);
	SAY(o, ANSWER, H2_GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0");
	assert_string_equal(told, "request http/2 nobody GET / 0;");
	SAY(o, ANSWER, H2_HEADERS, H2_END_HEADERS, 1, OK);
	observer_free(o);
	assert_int_equal(ntold, 2);
}

static void what_is_broken_is_given_up(void **state)
{
	static const struct {
		uint8_t type, flags, id;
		const char *text;
		size_t n;
	} broken[] = {
		/* an index that is in no table */
		{ H2_HEADERS, H2_END_HEADERS, 3, "\xff\x7f", 2 },
		/* a table larger than is followed */
		{ H2_HEADERS, H2_END_HEADERS, 3, "\x3f\xe1\xff\x03", 4 },
		{ H2_HEADERS, H2_END_HEADERS, 0, GET, 3 },
		{ H2_CONTINUATION, H2_END_HEADERS, 3, GET, 3 },
		{ H2_PUSH_PROMISE, H2_END_HEADERS, 1, "\0\0\0\2", 4 },
		{ H2_HEADERS, H2_PADDED | H2_END_HEADERS, 3, "\x9" GET, 4 },
		{ H2_HEADERS, H2_HAS_PRIORITY, 3, "\0\0", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct observer *o = begin_h2();

		SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 1, GET);
		say(o, ASK, broken[i].type, broken[i].flags, broken[i].id,
		    broken[i].text, broken[i].n);
		assert_string_equal(told, "request http/2 local GET / 0;"
					  "connection http/2 local   0;");
		SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 5, GET);
		observer_free(o);
		assert_int_equal(ntold, 2);
	}
}

static void one_that_asks_for_nothing_is_a_connection(void **state)
{
	struct observer *o = begin_h2();

	(void)state;
	observer_free(o);
	assert_string_equal(told, "connection http/2 local   0;");
	/* a head without a method is none, and the table is kept all the same
	 */
	o = begin_h2();
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 1, "\x40\1a\1b");
	SAY(o, ASK, H2_HEADERS, H2_END_HEADERS, 3, GET "\xbe");
	observer_free(o);
	assert_string_equal(told, "request http/2 nobody GET / 0;");
}

static void is_bounded(void **state)
{
	static char much[16000];
	struct observer *o = begin_h2();

	(void)state;
	/* requests that nobody answers */
	for (int i = 0; i <= OBSERVE_H2_PENDING; i++) {
		uint8_t head[] = { 0, 0, 3, H2_HEADERS, H2_END_HEADERS,
				   0, 0, 0, 0 };

		head[7] = (uint8_t)((2 * i + 1) >> 8);
		head[8] = (uint8_t)(2 * i + 1);
		say_bytes(o, ASK, head, sizeof(head));
		say_bytes(o, ASK, GET, 3);
	}
	observer_free(o);
	assert_int_equal(ntold, OBSERVE_H2_PENDING + 1);
	/* a head without an end */
	o = begin_h2();
	SAY(o, ASK, H2_HEADERS, 0, 1, GET);
	memset(much, 0x82, sizeof(much));
	for (int i = 0; i < 5; i++)
		say(o, ASK, H2_CONTINUATION, 0, 1, much, sizeof(much));
	assert_string_equal(told, "connection http/2 local   0;");
	observer_free(o);
	/* and one whose every byte stands for a long field */
	o = begin_h2();
	memset(much, 'x', 3000);
	memcpy(much, "\x40\1a\x7f\xb1\x16", 6); /* 127 + 2865 bytes */
	say(o, ASK, H2_HEADERS, H2_END_HEADERS, 1, much, 6 + 2992);
	memset(much, 0xbe, sizeof(much));
	say(o, ASK, H2_HEADERS, H2_END_HEADERS, 3, much, sizeof(much));
	assert_string_equal(told, "connection http/2 local   0;");
	observer_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_requests),
		cmocka_unit_test(a_reset_is_no_answer),
		cmocka_unit_test(a_server_may_speak_first),
		cmocka_unit_test(an_upgrade_is_followed),
		cmocka_unit_test(frames_around_it_do_not_matter),
		cmocka_unit_test(what_is_broken_is_given_up),
		cmocka_unit_test(one_that_asks_for_nothing_is_a_connection),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
