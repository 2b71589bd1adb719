/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "peer.h"

#include "base/mem.h"

#include "pipe/pipe_fd.h"
#include "router/http2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* --- tests ---------------------------------------------------------------- */

static struct rig rig;
static struct peer caller, backend, other;

static int set_up(void **state)
{
	(void)state;
	peer_large = peer_can_connect = false;
	rig_init(&rig, ROUTER_AUTO);
	peer_init(&caller, &rig, rig.caller, false);
	memset(&backend, 0, sizeof(backend));
	memset(&other, 0, sizeof(other));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	peer_fini(&caller);
	if (backend.rig)
		peer_fini(&backend);
	if (other.rig)
		peer_fini(&other);
	rig_fini(&rig);
	return 0;
}

static void connect_backend(void)
{
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 1);
	peer_init(&backend, &rig, rig.open[0].fd, true);
	peer_turns(&caller, &backend, NULL);
}

static void each_stream_goes_its_own_way(void **state)
{
	int32_t one = peer_ask(&caller, "a", "one", true);
	int32_t two = peer_ask(&caller, "x", "two", true);
	int32_t three = peer_ask(&caller, "a", "three", true);

	(void)state;
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 2); /* one connection per backend */
	assert_int_equal(rig.open[0].ref.kind, BACKEND_CLIENT);
	assert_int_equal(rig.open[1].ref.kind, BACKEND_ORIGIN);
	peer_init(&backend, &rig, rig.open[0].fd, true);
	peer_init(&other, &rig, rig.open[1].fd, true);
	peer_turns(&caller, &backend, &other);
	assert_string_equal(backend.s[1].head,
			    ":method: POST\n:scheme: http\n"
			    ":authority: web.t:80\n:path: /a?b\n"
			    "te: trailers\nto: a\n"
			    "x-forwarded-for: 10.9.8.7\n");
	peer_assert_body(&backend, 1, "one");
	peer_assert_body(&backend, 3, "three");
	peer_assert_body(&other, 1, "two");
	/* the last one first */
	peer_answer(&backend, 3, "THREE", true);
	peer_turns(&caller, &backend, &other);
	peer_assert_body(&caller, three, "THREE");
	assert_int_equal(caller.s[three].code, 0);
	assert_int_equal(caller.s[one].code, -1);
	peer_answer(&other, 1, "TWO", true);
	peer_answer(&backend, 1, "ONE", true);
	peer_turns(&caller, &backend, &other);
	assert_string_equal(caller.s[two].head,
			    ":status: 200\nx-from: backend\n");
	peer_assert_body(&caller, one, "ONE");
	peer_assert_body(&caller, two, "TWO");
	assert_int_equal(rig.chosen, 3);
}

static void talks_both_ways_and_ends_with_trailers(void **state)
{
	int32_t id = peer_ask(&caller, "a", "ping", false);

	(void)state;
	connect_backend();
	peer_assert_body(&backend, 1, "ping");
	peer_answer(&backend, 1, "pong", false);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "pong");
	caller.s[id].say = "again";
	nghttp2_session_resume_data(caller.ng, id);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&backend, 1, "pingagain");
	caller.s[id].finish = true;
	caller.s[id].say_trailer = "x";
	nghttp2_session_resume_data(caller.ng, id);
	peer_turns(&caller, &backend, NULL);
	assert_true(backend.s[1].ended);
	assert_string_equal(backend.s[1].trailer, "grpc-status: x\n");
	backend.s[1].finish = true;
	backend.s[1].say_trailer = "0";
	nghttp2_session_resume_data(backend.ng, 1);
	peer_turns(&caller, &backend, NULL);
	assert_string_equal(caller.s[id].trailer, "grpc-status: 0\n");
	assert_int_equal(caller.s[id].code, 0);
	assert_int_equal(backend.s[1].code, 0);
}

static void a_slow_caller_stops_its_backend_only(void **state)
{
	int32_t slow, fast;

	(void)state;
	caller.hold = true;
	slow = peer_ask(&caller, "a", NULL, true);
	connect_backend();
	backend.s[1].left = 8 << 20;
	peer_answer(&backend, 1, NULL, true);
	peer_turns(&caller, &backend, NULL);
	/* what the caller allowed, and a window that waits */
	assert_int_equal(caller.s[slow].body.len, 65535);
	assert_in_range(backend.s[1].left, (8 << 20) - 65535 - 2 * (256 << 10),
			(8 << 20) - 65535);
	/* the caller's connection is full too: give that back */
	nghttp2_session_consume_connection(caller.ng, 65535);
	caller.hold = false;
	fast = peer_ask(&caller, "a", NULL, true);
	peer_turns(&caller, &backend, NULL);
	peer_answer(&backend, 3, "fast", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, fast, "fast");
	nghttp2_session_consume_stream(caller.ng, slow, 65535);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(caller.s[slow].body.len, 8 << 20);
	assert_int_equal(caller.s[slow].code, 0);
}

static void a_slow_backend_stops_its_caller(void **state)
{
	int32_t id = peer_ask(&caller, "a", NULL, false);

	(void)state;
	caller.s[id].left = 8 << 20;
	caller.s[id].finish = true;
	peer_turns(&caller, NULL, NULL);
	peer_init(&backend, &rig, rig.open[0].fd, true);
	backend.hold = true;
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(backend.s[1].body.len, 65535);
	assert_in_range(caller.s[id].left, (8 << 20) - 65535 - 2 * (256 << 10),
			(8 << 20) - 65535);
	backend.hold = false;
	nghttp2_session_consume(backend.ng, 1, 65535);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(backend.s[1].body.len, 8 << 20);
	assert_true(backend.s[1].ended);
}

static void resets_go_over(void **state)
{
	int32_t one = peer_ask(&caller, "a", "x", false);
	int32_t two = peer_ask(&caller, "a", "x", false);

	(void)state;
	connect_backend();
	nghttp2_submit_rst_stream(caller.ng, 0, one, NGHTTP2_CANCEL);
	nghttp2_submit_rst_stream(backend.ng, 0, 3, NGHTTP2_ENHANCE_YOUR_CALM);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(backend.s[1].code, NGHTTP2_CANCEL);
	assert_int_equal(caller.s[two].code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_false(caller.gone);
}

static void an_early_answer_cuts_the_request(void **state)
{
	int32_t id = peer_ask(&caller, "a", "part", false);

	(void)state;
	connect_backend();
	peer_answer(&backend, 1, "enough", true);
	peer_turns(&caller, &backend, NULL);
	nghttp2_submit_rst_stream(backend.ng, 0, 1, NGHTTP2_NO_ERROR);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "enough");
	assert_true(caller.s[id].ended);
	assert_int_equal(caller.s[id].code, NGHTTP2_NO_ERROR);
}

static size_t collect(struct peer *p, uint8_t mem[4096], size_t n)
{
	const uint8_t *out;
	ssize_t rc;

	while ((rc = nghttp2_session_mem_send(p->ng, &out)) > 0) {
		assert_true(n + (size_t)rc <= 4096);
		memcpy(mem + n, out, (size_t)rc);
		n += (size_t)rc;
	}
	return n;
}

/* ... with whatever code the backend says so */
static void a_whole_answer_comes_whole(void **state)
{
	int32_t id = peer_ask(&caller, "a", "part", false);
	uint8_t mem[4096];
	size_t n;

	(void)state;
	connect_backend();
	peer_answer(&backend, 1, "enough", true);
	n = collect(&backend, mem, 0);
	nghttp2_submit_rst_stream(backend.ng, 0, 1, NGHTTP2_CANCEL);
	n = collect(&backend, mem, n);
	rig_write(&rig, backend.fd, mem, n); /* in one piece */
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "enough");
	assert_true(caller.s[id].ended);
	assert_int_equal(caller.s[id].code, NGHTTP2_NO_ERROR);
}

static void nobody_there(void **state)
{
	int32_t one, two;

	(void)state;
	rig.refuse = -ECONNREFUSED;
	one = peer_ask(&caller, "a", "x", true);
	two = peer_ask(&caller, "none", "x", false);
	peer_turns(&caller, NULL, NULL);
	assert_non_null(strstr(caller.s[one].head, ":status: 502\n"));
	assert_non_null(strstr(caller.s[one].head, "text/plain"));
	assert_non_null(strstr(caller.s[two].head, ":status: 502\n"));
	assert_true(caller.s[two].ended);
	assert_int_equal(caller.s[two].code, NGHTTP2_NO_ERROR);
	assert_false(caller.gone);
}

/* the way does not open: it is another's turn, with all that was said */
static void a_way_that_never_opens(void **state)
{
	int32_t one = peer_ask(&caller, "a", "body", false);
	int32_t two = peer_ask(&caller, "a", NULL, true);

	(void)state;
	rig.refuse = -ENETRESET;
	rig.moves = true;
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 2);
	assert_int_equal(rig.open[1].ref.id, 2);
	assert_in_range(rig.chosen, 3, 4);
	peer_init(&backend, &rig, rig.open[1].fd, true);
	caller.s[one].say = " and more";
	caller.s[one].finish = true;
	nghttp2_session_resume_data(caller.ng, one);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&backend, 1, "body and more");
	assert_true(backend.s[1].ended);
	assert_true(backend.s[3].ended);
	assert_non_null(strstr(backend.s[3].head, "for: 10.9.8.7\n"));
	peer_answer(&backend, 1, "here", true);
	peer_answer(&backend, 3, "too", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "here");
	peer_assert_body(&caller, two, "too");
}

static void a_way_that_never_opens_for_one_who_left(void **state)
{
	int32_t id = peer_ask(&caller, "a", "body", false);

	(void)state;
	rig.refuse = -ENETRESET;
	rig.moves = true;
	nghttp2_submit_rst_stream(caller.ng, 0, id, NGHTTP2_CANCEL);
	peer_turns(&caller, NULL, NULL);
	assert_false(caller.gone);
}

/* until the router ends the connection; false: it does not */
static bool ends_soon(struct peer *p)
{
	for (int i = 0; i < 300 && !p->gone; i++) {
		loop_once(rig.env.loop, 10 * NS_MS);
		peer_turns(p, NULL, NULL);
	}
	return p->gone;
}

static void a_head_that_never_ends(void **state)
{
	static const char begin[] = "\0\0\3\1\0\0\0\0\1\x82\x86\x84";

	(void)state;
	rig.env.hurry = 1000;
	peer_turns(&caller, NULL, NULL);
	rig_write(&rig, rig.caller, begin, sizeof(begin) - 1);
	assert_true(ends_soon(&caller));
	assert_int_equal(caller.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void one_that_asks_nothing(void **state)
{
	(void)state;
	rig.env.hurry = 100000;
	peer_turns(&caller, NULL, NULL);
	assert_true(ends_soon(&caller));
	assert_int_equal(caller.goaway, NGHTTP2_NO_ERROR);
}

/* what was refused owes nothing any more */
static void one_that_was_refused(void **state)
{
	static const char wrong[] = "\0\0\2\1\5\0\0\0\1\x82\x86";

	(void)state;
	rig.env.hurry = 1000;
	peer_turns(&caller, NULL, NULL);
	rig_write(&rig, rig.caller, wrong, sizeof(wrong) - 1);
	for (int i = 0; i < 20; i++)
		loop_once(rig.env.loop, 10 * NS_MS);
	assert_non_null(rig.conn);
}

/* what was under way when we reset a stream is no error, also not when others
 * came meanwhile */
static void data_that_crosses_a_reset(void **state)
{
	static const char data[] = "\0\0\1\0\0\0\0\0\1x"
				   "\0\0\1\0\1\0\0\0\1x";
	int32_t one = peer_ask(&caller, "a", "part", false), two;

	(void)state;
	connect_backend();
	two = peer_ask(&caller, "a", NULL, true);
	peer_turns(&caller, &backend, NULL);
	nghttp2_submit_rst_stream(backend.ng, 0, 1, NGHTTP2_INTERNAL_ERROR);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(caller.s[one].code, NGHTTP2_INTERNAL_ERROR);
	rig_write(&rig, rig.caller, data, sizeof(data) - 1);
	peer_answer(&backend, 3, "still", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, two, "still");
	assert_int_equal(caller.goaway, -1);
}

static void a_backend_that_breaks(void **state)
{
	int32_t one = peer_ask(&caller, "a", "x", true);
	int32_t two = peer_ask(&caller, "a", "x", true);

	(void)state;
	connect_backend();
	peer_answer(&backend, 1, "half", false);
	peer_turns(&caller, &backend, NULL);
	shutdown(rig.open[0].fd, SHUT_RDWR);
	peer_turns(&caller, NULL, NULL);
	peer_assert_body(&caller, one, "half");
	assert_int_equal(caller.s[one].code, NGHTTP2_INTERNAL_ERROR);
	assert_non_null(strstr(caller.s[two].head, ":status: 502\n"));
	/* and the next one gets a new connection */
	peer_ask(&caller, "a", "x", true);
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 2);
}

static void goaway_of_a_backend(void **state)
{
	int32_t one = peer_ask(&caller, "a", "x", true), two;

	(void)state;
	connect_backend();
	nghttp2_submit_goaway(backend.ng, 0, 1, NGHTTP2_NO_ERROR, NULL, 0);
	peer_turns(&caller, &backend, NULL);
	two = peer_ask(&caller, "a", "x", true);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(rig.nopen, 2);
	peer_answer(&backend, 1, "still", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "still");
	assert_int_equal(caller.s[two].code, -1);
	assert_int_equal(caller.goaway, -1);
}

static void ping_is_answered(void **state)
{
	const uint8_t ping[] = { 0, 0, 8, 6, 0, 0, 0, 0, 0,
				 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t mem[1024];
	ssize_t n;

	(void)state;
	peer_turns(&caller, NULL, NULL);
	rig_write(&rig, rig.caller, ping, sizeof(ping));
	n = rig_read(&rig, rig.caller, mem, sizeof(mem));
	assert_int_equal(n, sizeof(ping));
	assert_int_equal(mem[3], 6);
	assert_int_equal(mem[4], 1);
	assert_memory_equal(mem + 9, ping + 9, 8);
}

/* until the second GOAWAY is there */
static void wait_for_goaway(void)
{
	for (int i = 0; i < 100 && caller.last_id == INT32_MAX; i++) {
		loop_once(rig.env.loop, 20 * NS_MS);
		peer_turns(&caller, &backend, NULL);
	}
}

static void drained(void **state)
{
	int32_t one = peer_ask(&caller, "a", "one", true);

	(void)state;
	connect_backend();
	rig.env.hurry = 10;
	router_conn_drain(rig.conn);
	peer_turns(&caller, &backend, NULL);
	/* it ends, but what is under way to us counts */
	assert_int_equal(caller.goaway, 0);
	assert_int_equal(caller.last_id, INT32_MAX);
	wait_for_goaway();
	assert_int_equal(caller.last_id, one);
	assert_false(caller.gone);
	peer_answer(&backend, 1, "ONE", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "ONE");
	assert_int_equal(caller.s[one].code, 0);
	assert_true(caller.gone);
}

static void drained_while_idle(void **state)
{
	(void)state;
	peer_turns(&caller, NULL, NULL);
	rig.env.hurry = 10;
	router_conn_drain(rig.conn);
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(caller.last_id, INT32_MAX);
	assert_false(caller.gone);
	assert_true(ends_soon(&caller));
	assert_int_equal(caller.goaway, 0);
}

/* what comes behind the end makes no reset, which could overtake an answer */
static void goodbye_of_the_caller(void **state)
{
	static const char ping[] = "\0\0\x8\x6\0\0\0\0\0h2 ping.";
	char mem[16384];
	const uint8_t *out;
	size_t at = 0;
	ssize_t n;

	(void)state;
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(nghttp2_submit_goaway(caller.ng, 0, 0, 0, NULL, 0), 0);
	while ((n = nghttp2_session_mem_send(caller.ng, &out)) > 0)
		for (memcpy(mem, out, (size_t)n), at = (size_t)n;
		     at + sizeof(ping) < sizeof(mem); at += sizeof(ping) - 1)
			memcpy(mem + at, ping, sizeof(ping) - 1);
	/* more than is read at once */
	assert_int_equal(send(rig.caller, mem, at, 0), at);
	rig_run(&rig);
	while ((n = rig_read(&rig, rig.caller, mem, sizeof(mem))) > 0)
		;
	assert_int_equal(n, -1);
	close(rig.caller);
	rig.caller = -1;
	rig_run(&rig);
	assert_null(rig.conn);
}

static void swept(void **state)
{
	int32_t one = peer_ask(&caller, "a", "one", true);

	(void)state;
	connect_backend();
	rig.gone = 1;
	router_conn_sweep(rig.conn);
	peer_turns(&caller, &backend, NULL);
	assert_false(backend.gone);
	peer_answer(&backend, 1, "ONE", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "ONE");
	assert_true(backend.gone);
	assert_false(caller.gone);
}

/* --- heads ---------------------------------------------------------------- */

/* a GET with some fields more */
static int32_t ask_more(const nghttp2_nv *more, size_t n)
{
	static nghttp2_nv nv[1200];
	int32_t id = (int32_t)nghttp2_session_get_next_stream_id(caller.ng);

	nv[0] = peer_field(":method", "GET");
	nv[1] = peer_field(":scheme", "http");
	nv[2] = peer_field(":authority", "h");
	nv[3] = peer_field(":path", "/");
	assert_true(n + 4 <= ARRAY_SIZE(nv));
	memcpy(nv + 4, more, n * sizeof(*more));
	assert_int_equal(
		nghttp2_submit_request(caller.ng, NULL, nv, n + 4, NULL, NULL),
		id);
	return id;
}

static void crumbs_are_one_cookie(void **state)
{
	nghttp2_nv nv[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nv); i++)
		nv[i] = peer_field("cookie", "some=cookie");
	ask_more(nv, ARRAY_SIZE(nv));
	connect_backend();
	assert_int_equal(rig.open[0].ref.kind, BACKEND_ORIGIN);
	assert_non_null(strstr(backend.s[1].head, "cookie: some=cookie\n"));
	/* the rules see them as one */
	nv[0] = peer_field("cookie", "x=y");
	nv[1] = peer_field("cookie", "to=a");
	ask_more(nv, 2);
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 2);
	assert_int_equal(rig.open[1].ref.id, 1);
}

/* a head of @n fields with 60,000 bytes each, beside another stream */
static int32_t ask_large(size_t n)
{
	static char value[60001];
	nghttp2_nv nv[10];

	memset(value, 'v', sizeof(value) - 1);
	for (size_t i = 0; i < n; i++)
		nv[i] = peer_field("x", value);
	return ask_more(nv, n);
}

static void large_heads(void **state)
{
	int32_t one, two, three;

	(void)state;
	nghttp2_session_del(caller.ng);
	peer_large = true;
	peer_init(&caller, &rig, rig.caller, false);
	one = peer_ask(&caller, "x", "one", true);
	peer_turns(&caller, NULL, NULL);
	peer_init(&backend, &rig, rig.open[0].fd, true);
	peer_turns(&caller, &backend, NULL);
	two = ask_large(2); /* nghttp2 takes no more frames */
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(caller.s[two].code, -1);
	assert_non_null(strstr(backend.s[3].head, ":path: /"));
	/* more than there may be: this one alone */
	three = ask_large(5);
	peer_turns(&caller, &backend, NULL);
	assert_non_null(strstr(caller.s[three].head, ":status: 431\n"));
	assert_int_equal(caller.goaway, -1);
	peer_answer(&backend, 1, "ONE", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "ONE");
}

/* --- a second way --------------------------------------------------------- */

static void lose(unsigned int i)
{
	rig.moved = true;
	pipe_fd_opened(rig.open[i].pipe, -ENETRESET);
	rig_run(&rig);
}

static void asked_again_elsewhere(void **state)
{
	nghttp2_nv to = peer_field("to", "a");
	int32_t one = ask_more(&to, 1), two;

	(void)state;
	connect_backend();
	two = peer_ask(&caller, "a", "x", true); /* POST */
	peer_turns(&caller, &backend, NULL);
	lose(0);
	peer_turns(&caller, NULL, NULL);
	assert_non_null(strstr(caller.s[two].head, ":status: 502\n"));
	assert_int_equal(rig.nopen, 2);
	assert_int_equal(rig.open[1].ref.id, 2);
	peer_init(&other, &rig, rig.open[1].fd, true);
	peer_turns(&caller, &other, NULL);
	peer_answer(&other, 1, "one", true);
	peer_turns(&caller, &other, NULL);
	peer_assert_body(&caller, one, "one");
}

/* a connection that cannot be written to any more: the answer comes
 * now, and not with the next thing that happens */
static void told_at_once(void **state)
{
	int32_t one = peer_ask(&caller, "a", "x", true);
	struct http2 *c;

	(void)state;
	connect_backend();
	c = rig.conn->part;
	container_of(c->ups.next, struct http2_side, node)->h2.error = -ENOBUFS;
	http2_run(c);
	peer_turn(&caller);
	assert_non_null(strstr(caller.s[one].head, ":status: 502\n"));
}

/* --- RFC 8441 ------------------------------------------------------------- */

static int32_t ask_extended(const char *say)
{
	const nghttp2_nv nv[] = { peer_field(":method", "CONNECT"),
				  peer_field(":protocol", "websocket"),
				  peer_field(":scheme", "http"),
				  peer_field(":path", "/chat"),
				  peer_field(":authority", "h"),
				  peer_field("to", "a") };
	int32_t id = (int32_t)nghttp2_session_get_next_stream_id(caller.ng);
	nghttp2_data_provider dp = { { .ptr = &caller.s[id] }, peer_read };

	caller.s[id].say = say;
	assert_int_equal(nghttp2_submit_request(caller.ng, NULL, nv,
						ARRAY_SIZE(nv), &dp, NULL),
			 id);
	return id;
}

static void extended_connect(void **state)
{
	int32_t id;

	(void)state;
	peer_ask(&caller, "a", "x", true);
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(
		nghttp2_session_get_remote_settings(
			caller.ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
		1);
	/* it waits for what the backend can; what is said behind it
	 * waits */
	id = ask_extended("hello");
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(caller.s[id].code, -1);
	peer_can_connect = true;
	peer_init(&backend, &rig, rig.open[0].fd, true);
	peer_turns(&caller, &backend, NULL);
	assert_non_null(strstr(backend.s[3].head, ":protocol: websocket\n"));
	peer_assert_body(&backend, 3, "hello");
	peer_answer(&backend, 3, "welcome", false);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "welcome");
	assert_int_equal(caller.s[id].code, -1);
}

static void backend_without_it(void **state)
{
	int32_t id;

	(void)state;
	peer_ask(&caller, "a", "x", true);
	peer_turns(&caller, NULL, NULL);
	id = ask_extended(NULL);
	connect_backend();
	assert_non_null(strstr(caller.s[id].head, ":status: 501\n"));
	/* known from now on */
	id = ask_extended(NULL);
	peer_turns(&caller, &backend, NULL);
	assert_non_null(strstr(caller.s[id].head, ":status: 501\n"));
}

/* --- copies --------------------------------------------------------------- */

/* the origin is "backend", who gets the copy "other" */
static void connect_copy(void)
{
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(rig.nopen, 2);
	for (unsigned int i = 0; i < 2; i++)
		peer_init(rig.open[i].ref.kind == BACKEND_ORIGIN ? &backend
								 : &other,
			  &rig, rig.open[i].fd, true);
	peer_turns(&caller, &backend, &other);
}

static void a_copy_with_body_and_trailers(void **state)
{
	int32_t id = peer_ask(&caller, "c", "ping", false);

	(void)state;
	connect_copy();
	assert_string_equal(other.s[1].head,
			    ":method: POST\n:scheme: http\n"
			    ":authority: web.t:80\n:path: /a?b\n"
			    "te: trailers\ncopy: c\n"
			    "x-forwarded-for: 10.9.8.7\nkt-copy: 1\n");
	assert_null(strstr(backend.s[1].head, "kt-copy"));
	peer_assert_body(&other, 1, "ping");
	peer_answer(&other, 1, "thrown away", true);
	peer_turns(&caller, &backend, &other);
	assert_int_equal(caller.s[id].body.len, 0);
	caller.s[id].say = "more";
	caller.s[id].finish = true;
	caller.s[id].say_trailer = "x";
	nghttp2_session_resume_data(caller.ng, id);
	peer_turns(&caller, &backend, &other);
	peer_assert_body(&backend, 1, "pingmore");
	peer_assert_body(&other, 1, "pingmore");
	assert_true(other.s[1].ended);
	assert_string_equal(other.s[1].trailer, backend.s[1].trailer);
	peer_answer(&backend, 1, "pong", true);
	peer_turns(&caller, &backend, &other);
	peer_assert_body(&caller, id, "pong");
	assert_int_equal(caller.s[id].code, 0);
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig.dropped, 0);
	assert_true(other.gone); /* a connection for each */
}

static void a_copy_without_a_body(void **state)
{
	int32_t id = peer_ask(&caller, "c", NULL, true);

	(void)state;
	connect_copy();
	assert_true(other.s[1].ended);
	assert_int_equal(rig.sent, 1);
	peer_answer(&backend, 1, "ok", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "ok");
	assert_int_equal(rig.chosen, 1);
}

/* it takes nothing beyond its window: the request is not slower by that */
static void a_copy_that_is_not_taken(void **state)
{
	int32_t id = peer_ask(&caller, "c", NULL, false);

	(void)state;
	caller.s[id].left = 8 << 20;
	caller.s[id].finish = true;
	nghttp2_session_resume_data(caller.ng, id);
	peer_turns(&caller, NULL, NULL);
	for (unsigned int i = 0; i < 2; i++)
		if (rig.open[i].ref.kind == BACKEND_ORIGIN)
			peer_init(&backend, &rig, rig.open[i].fd, true);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(backend.s[1].body.len, 8 << 20);
	assert_true(backend.s[1].ended);
	assert_int_equal(rig.dropped, 1);
	peer_answer(&backend, 1, "ok", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, id, "ok");
}

/* neither who resets the copy nor who refuses it is felt */
static void a_copy_that_is_reset(void **state)
{
	int32_t id = peer_ask(&caller, "c", "x", false), next;

	(void)state;
	connect_copy();
	nghttp2_submit_rst_stream(other.ng, 0, 1, NGHTTP2_CANCEL);
	peer_turns(&caller, &backend, &other);
	assert_int_equal(rig.dropped, 1);
	rig.refuse_copies = -ECONNREFUSED;
	next = peer_ask(&caller, "c", "y", true);
	peer_turns(&caller, &backend, NULL);
	assert_int_equal(rig.dropped, 2);
	peer_answer(&backend, 3, "second", true);
	peer_answer(&backend, 1, "first", true);
	caller.s[id].finish = true;
	nghttp2_session_resume_data(caller.ng, id);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, next, "second");
	peer_assert_body(&caller, id, "first");
}

/* the caller resets its stream: the copy ends, and counts as nothing */
static void a_copy_of_what_is_given_up(void **state)
{
	int32_t id = peer_ask(&caller, "c", "x", false);

	(void)state;
	connect_copy();
	nghttp2_submit_rst_stream(caller.ng, 0, id, NGHTTP2_CANCEL);
	peer_turns(&caller, &backend, &other);
	assert_true(other.gone);
	assert_int_equal(rig.sent + rig.dropped, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(each_stream_goes_its_own_way),
		T(talks_both_ways_and_ends_with_trailers),
		T(a_slow_caller_stops_its_backend_only),
		T(a_slow_backend_stops_its_caller),
		T(resets_go_over),
		T(an_early_answer_cuts_the_request),
		T(a_whole_answer_comes_whole),
		T(nobody_there),
		T(a_way_that_never_opens),
		T(a_way_that_never_opens_for_one_who_left),
		T(a_head_that_never_ends),
		T(one_that_asks_nothing),
		T(one_that_was_refused),
		T(data_that_crosses_a_reset),
		T(a_backend_that_breaks),
		T(goaway_of_a_backend),
		T(ping_is_answered),
		T(drained),
		T(drained_while_idle),
		T(goodbye_of_the_caller),
		T(swept),
		T(crumbs_are_one_cookie),
		T(large_heads),
		T(asked_again_elsewhere),
		T(told_at_once),
		T(extended_connect),
		T(backend_without_it),
		T(a_copy_with_body_and_trailers),
		T(a_copy_without_a_body),
		T(a_copy_that_is_not_taken),
		T(a_copy_that_is_reset),
		T(a_copy_of_what_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
