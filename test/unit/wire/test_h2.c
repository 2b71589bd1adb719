/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of wire/h2 with each other, and one with frames made by hand. What
 * it is like beside nghttp2 and h2spec: test/unit/router/test_http2.c and
 * test/e2e/router.bats. */
#include "test.h"

#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENOUGH ((size_t)16 << 10)
#define BODY_MAX ((size_t)8 << 20)

/* --- an end that writes down what it hears -------------------------------- */

struct end {
	struct h2 h2;
	struct buf out;
	char log[4096]; /* a word for each event */
	size_t nfields; /* bytes of all fields */
	size_t body;	/* bytes of all bodies */
	size_t to_say;	/* zeroes, on the stream it answers or asks on */
	bool trailers;	/* behind them */
	bool silent;	/* does not answer */
	bool hold;	/* gives no credit back */
	bool waits;	/* has nothing to say for now */
};

static void note(struct end *e, int32_t id, const char *what)
{
	size_t n = strlen(e->log);

	snprintf(e->log + n, sizeof(e->log) - n, "%s%d:%s", n ? " " : "", id,
		 what);
}

#define TEXT(s) (const uint8_t *)(s), (sizeof(s) - 1)

static struct hpack_field field(const char *name, const char *value)
{
	return (struct hpack_field){ (const uint8_t *)name,
				     (const uint8_t *)value, strlen(name),
				     strlen(value), false };
}

static int on_begin(void *user, struct h2_stream *st)
{
	(void)user;
	(void)st;
	return 0;
}

static int on_field(void *user, struct h2_stream *st,
		    const struct hpack_field *f)
{
	struct end *e = user;

	e->nfields += f->nname + f->nvalue;
	if (f->nname == 7 && memcmp(f->name, ":status", 7) == 0)
		note(e, st->id, f->value[0] == '1' ? "interim" : "answer");
	return f->nname == 8 && memcmp(f->name, "too-much", 8) == 0 ? -E2BIG
								    : 0;
}

static void on_head(void *user, struct h2_stream *st, bool last)
{
	const struct hpack_field ok = field(":status", "200");
	struct end *e = user;

	note(e, st->id, last ? "last-head" : "head");
	if (e->h2.server && !st->user && !e->silent)
		assert_int_equal(
			h2_head(&e->h2, st, &ok, 1, !e->to_say, e->to_say > 0),
			0);
	st->user = e;
}

static void on_data(void *user, struct h2_stream *st, const uint8_t *p,
		    size_t n)
{
	struct end *e = user;

	assert_non_null(p);
	e->body += n;
	if (e->hold)
		return;
	h2_consume(&e->h2, st, n);
	h2_consume_connection(&e->h2, n);
}

static void on_end(void *user, struct h2_stream *st)
{
	note(user, st->id, "end");
}

static void on_piece(void *user, struct h2_stream *st, size_t max,
		     struct h2_piece *out)
{
	static const uint8_t zeroes[H2_FRAME_MAX];
	const struct hpack_field trailer = field("grpc-status", "0");
	struct end *e = user;

	assert_in_range(max, 0, sizeof(zeroes));
	if (e->waits)
		return;
	out->p = zeroes;
	out->n = MIN(max, e->to_say);
	if (out->n < e->to_say)
		return;
	if (!e->trailers)
		out->last = true;
	else if (!out->n)
		assert_int_equal(h2_head(&e->h2, st, &trailer, 1, true, false),
				 0);
}

static void on_sent(void *user, struct h2_stream *st, size_t n)
{
	struct end *e = user;

	(void)st;
	e->to_say -= n;
}

static void on_finished(void *user, struct h2_stream *st)
{
	assert_true(st->local_done);
	note(user, st->id, "said");
}

static void on_closed(void *user, struct h2_stream *st)
{
	char text[32];

	snprintf(text, sizeof(text), "closed(%u)", st->code);
	note(user, st->id, text);
}

static const struct h2_handler handler = { on_begin, on_field,	  on_head,
					   on_data,  on_end,	  on_piece,
					   on_sent,  on_finished, on_closed };

static const struct h2_limits limits = { .stream_window = 100000,
					 .connection_window = 150000,
					 .streams_max = 3,
					 .head_max = 65536 };

static struct end server, client;

static void start(struct end *e, bool is_server)
{
	memset(e, 0, sizeof(*e));
	buf_init(&e->out, (size_t)1 << 20);
	assert_int_equal(
		h2_init(&e->h2, is_server, &limits, &handler, e, &e->out), 0);
}

static int set_up(void **state)
{
	(void)state;
	start(&server, true);
	start(&client, false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	h2_fini(&server.h2);
	h2_fini(&client.h2);
	buf_fini(&server.out);
	buf_fini(&client.out);
	return 0;
}

/* what @from has to say, to @to, @step bytes at once */
static bool carry(struct end *from, struct end *to, size_t step)
{
	int some = h2_send(&from->h2, ENOUGH);

	assert_true(some >= 0);
	while (from->out.len) {
		size_t n = MIN(step, from->out.len);

		(void)!h2_receive(&to->h2, 0, buf_data(&from->out), n);
		buf_take(&from->out, n);
		some = 1;
	}
	return some;
}

static void talk(size_t step)
{
	bool some = true;

	while (some) {
		some = carry(&client, &server, step);
		some |= carry(&server, &client, step);
	}
}

static struct h2_stream *ask(bool last)
{
	const struct hpack_field f[] = { field(":method", "POST"),
					 field(":scheme", "http"),
					 field(":authority", "a"),
					 field(":path", "/") };
	struct h2_stream *st =
		h2_request(&client.h2, f, ARRAY_SIZE(f), last, &client);

	if (st && !last)
		h2_resume(&client.h2, st);
	return st;
}

/* --- a server that hears frames made by hand ------------------------------ */

#define PREFACE H2_MAGIC "\0\0\0\4\0\0\0\0\0"
/* POST http://a/ */
#define POST "\x83\x86\x84\1\1a"

#define HEAR(bytes) h2_receive(&server.h2, 0, TEXT(bytes))

/* the codes of the RST_STREAM and GOAWAY that the server has said */
static const char *refusals(void)
{
	static char text[256];
	const uint8_t *p = buf_data(&server.out);
	size_t at = 0, n = 0;

	text[0] = '\0';
	while (at < server.out.len) {
		size_t len = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 |
			     p[at + 2];
		const uint8_t *load = p + at + H2_FRAME_HEAD;

		if (p[at + 3] == H2_RST_STREAM)
			n += (size_t)snprintf(text + n, 16, "rst(%d)", load[3]);
		if (p[at + 3] == H2_GOAWAY)
			n += (size_t)snprintf(text + n, 16, "goaway(%d)",
					      load[7]);
		at += H2_FRAME_HEAD + len;
	}
	assert_int_equal(at, server.out.len);
	return text;
}

/* --- messages ------------------------------------------------------------- */

static void a_request_and_its_answer(void **state)
{
	const size_t steps[] = { 1, 7, 1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		tear_down(state);
		set_up(state);
		client.to_say = 300000;
		client.trailers = server.trailers = true;
		server.to_say = 400000;
		assert_non_null(ask(false));
		talk(steps[i]);
		assert_int_equal(server.body, 300000);
		assert_int_equal(client.body, 400000);
		assert_string_equal(
			server.log,
			"1:head 1:last-head 1:end 1:said 1:closed(0)");
		assert_string_equal(client.log,
				    "1:answer 1:head 1:said 1:last-head "
				    "1:end 1:closed(0)");
		assert_int_equal(client.h2.nstreams, 0);
	}
}

static void a_head_longer_than_a_frame(void **state)
{
	static char value[40000 + 1];
	struct hpack_field f[] = { field(":method", "GET"),
				   field(":scheme", "http"),
				   field(":authority", "a"),
				   field(":path", "/"),
				   { 0 } };

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	f[4] = field("cookie", value);
	assert_non_null(h2_request(&client.h2, f, 5, true, NULL));
	talk(1000);
	assert_int_equal(server.nfields, 7 + 3 + 7 + 4 + 10 + 1 + 5 + 1 + 6 +
						 sizeof(value) - 1);
	assert_string_equal(client.log,
			    "1:said 1:answer 1:last-head 1:end 1:closed(0)");
}

static void a_head_for_which_there_is_no_room(void **state)
{
	static char value[60000 + 1];
	const struct hpack_field f = { (const uint8_t *)"a",
				       (const uint8_t *)value, 1,
				       sizeof(value) - 1, false };
	size_t len = 0, asked = 0;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	client.h2.peer_streams = 1000;
	while (h2_request(&client.h2, &f, 1, true, NULL)) {
		len = client.out.len;
		asked++;
	}
	assert_in_range(asked, 10, 17);
	assert_int_equal(client.out.len, len); /* and nothing of it */
	assert_int_equal(client.h2.nstreams, asked);
	assert_int_equal(client.h2.error, 0);
}

static void lengths_that_mean_nothing(void **state)
{
	const struct hpack_field f[] = { field(":method", "HEAD"),
					 field(":scheme", "http"),
					 field(":authority", "a"),
					 field(":path", "/") };

	(void)state;
	assert_non_null(h2_request(&client.h2, f, 4, true, NULL));
	ask(true);
	/* SETTINGS; 200 and 5 bytes to HEAD, then to POST */
	assert_int_equal(h2_receive(&client.h2, 0,
				    TEXT("\0\0\0\4\0\0\0\0\0"
					 "\0\0\5\1\5\0\0\0\1\x88\x0f\x0d\1"
					 "5"
					 "\0\0\5\1\5\0\0\0\3\x88\x0f\x0d\1"
					 "5")),
			 0);
	(void)!h2_send(&client.h2, 0);
	assert_string_equal(client.log,
			    "1:said 3:said 1:answer 1:last-head 1:end "
			    "1:closed(0) 3:answer 3:closed(1)");
}

static void interim_answers(void **state)
{
	const struct hpack_field early = field(":status", "103");
	struct h2_stream *st;

	(void)state;
	server.silent = true;
	ask(true);
	talk(1);
	st = h2_find(&server.h2, 1);
	assert_int_equal(h2_head(&server.h2, st, &early, 1, false, false), 0);
	assert_int_equal(h2_head(&server.h2, st, &early, 1, false, false), 0);
	server.silent = false;
	server.to_say = 5;
	st->user = NULL;
	on_head(&server, st, false);
	talk(1);
	assert_string_equal(client.log,
			    "1:said 1:interim 1:head 1:interim 1:head 1:answer "
			    "1:head 1:end 1:closed(0)");
	assert_int_equal(client.body, 5);
}

/* --- credit --------------------------------------------------------------- */

static void who_holds_credit_stops_the_other(void **state)
{
	(void)state;
	server.hold = true;
	client.to_say = BODY_MAX;
	ask(false);
	ask(false);
	talk(1 << 20);
	assert_int_equal(server.body, 150000); /* both of them together */
	h2_consume_connection(&server.h2, 150000);
	talk(1 << 20);
	assert_int_equal(server.body, 200000); /* each as much as it may */
	h2_consume(&server.h2, h2_find(&server.h2, 3), 100000);
	server.hold = false;
	h2_consume_connection(&server.h2, 50000);
	talk(1 << 20);
	assert_int_equal(client.to_say, 0);
	assert_int_equal(server.body, BODY_MAX);
}

static void windows_that_change(void **state)
{
	(void)state;
	server.to_say = 100;
	/* INITIAL_WINDOW_SIZE 10 */
	assert_int_equal(HEAR(H2_MAGIC "\0\0\6\4\0\0\0\0\0\0\4\0\0\0\12"
				       "\0\0\6\1\5\0\0\0\1" POST),
			 0);
	assert_int_equal(h2_send(&server.h2, ENOUGH), 1);
	assert_int_equal(server.to_say, 90);
	assert_int_equal(HEAR("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\24"), 0); /* 20 */
	assert_int_equal(h2_send(&server.h2, ENOUGH), 1);
	assert_int_equal(server.to_say, 80);
	/* 0: twenty were sent, so five more are not yet any */
	assert_int_equal(HEAR("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0"
			      "\0\0\4\x8\0\0\0\0\1\0\0\0\5"),
			 0);
	assert_int_equal(h2_send(&server.h2, ENOUGH), 0);
	assert_int_equal(HEAR("\0\0\4\x8\0\0\0\0\1\0\0\0\x11"), 0);
	assert_int_equal(h2_send(&server.h2, ENOUGH), 1);
	assert_int_equal(server.to_say, 78);
	/* a stream's window that overflows, then the connection's */
	assert_int_equal(HEAR("\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff"
			      "\0\0\4\x8\0\0\0\0\1\0\0\0\1"),
			 0);
	assert_int_equal(HEAR("\0\0\4\x8\0\0\0\0\0\x7f\xff\xff\xff"), -EPROTO);
	assert_string_equal(refusals(), "rst(3)goaway(3)");
}

static void more_than_was_allowed(void **state)
{
	static const uint8_t zeroes[16384];

	(void)state;
	server.hold = true;
	assert_int_equal(HEAR(PREFACE "\0\0\6\1\4\0\0\0\1" POST), 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(HEAR("\0\x40\0\0\0\0\0\0\1"), 0);
		assert_int_equal(
			h2_receive(&server.h2, 0, zeroes, sizeof(zeroes)), 0);
	}
	assert_string_equal(refusals(), "");
	assert_int_equal(HEAR("\0\x40\0\0\0\0\0\0\1"), 0);
	assert_string_equal(refusals(), "rst(3)");
	assert_int_equal(server.body, 6 * 16384);
}

/* padding is nobody's: its credit comes back by itself */
static void padding(void **state)
{
	static uint8_t frame[H2_FRAME_HEAD + 256] = "\0\1\0\0\x8\0\0\0\1\xff";

	(void)state;
	assert_int_equal(
		HEAR(PREFACE "\0\0\xc\1\x2c\0\0\0\1\1\0\0\0\0\1" POST "\0"),
		-EPROTO); /* the frame is a byte short of it */
	tear_down(state);
	set_up(state);
	server.hold = true;
	assert_int_equal(
		HEAR(PREFACE "\0\0\xd\1\x2c\0\0\0\1\1\0\0\0\0\1" POST "\0"), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(
			h2_receive(&server.h2, 0, frame, sizeof(frame)), 0);
	assert_string_equal(server.log, "1:head 1:said");
	assert_string_equal(refusals(), "");
	assert_int_equal(server.body, 0);
	assert_int_equal(HEAR("\0\0\2\0\x8\0\0\0\1\2x"), -EPROTO);
	assert_string_equal(refusals(), "goaway(1)");
}

/* straight on, as long as nobody waits */
static void bytes_that_need_not_wait(void **state)
{
	static const uint8_t zeroes[100000];
	struct h2_stream *st;

	(void)state;
	client.waits = true;
	ask(false);
	st = ask(false);
	assert_int_equal(h2_write(&client.h2, st, zeroes, 10, ENOUGH), 0);
	talk(1 << 20);
	assert_int_equal(h2_write(&client.h2, st, zeroes, 40000, 30000), 32768);
	assert_int_equal(h2_write(&client.h2, st, zeroes, 40000, 30000), 0);
	server.hold = true;
	for (int i = 0; i < 4; i++) {
		carry(&client, &server, 1 << 20);
		(void)!h2_write(&client.h2, st, zeroes, 40000, 1 << 20);
	}
	/* as much as the stream may */
	assert_int_equal(server.body, 100000);
	h2_reset(&client.h2, st, H2_CANCEL);
	assert_int_equal(h2_write(&client.h2, st, zeroes, 1, 1 << 20), 0);
}

/* --- streams -------------------------------------------------------------- */

static void no_more_than_are_allowed(void **state)
{
	(void)state;
	server.silent = true;
	for (int i = 0; i < 4; i++)
		assert_non_null(ask(true));
	talk(1 << 20); /* it hears of the limit only now */
	assert_string_equal(client.log,
			    "1:said 3:said 5:said 7:said 7:closed(7)");
	assert_false(h2_may_request(&client.h2));
	assert_null(ask(true));
	h2_reset(&client.h2, h2_find(&client.h2, 3), H2_CANCEL);
	assert_true(h2_may_request(&client.h2));
	assert_non_null(ask(true));
	talk(1 << 20);
	assert_non_null(strstr(server.log, "3:closed(8)"));
	assert_non_null(strstr(server.log, "9:last-head"));
}

static void a_head_that_is_too_much(void **state)
{
	struct hpack_field f[] = { field(":method", "GET"),
				   field(":scheme", "http"),
				   field(":authority", "a"),
				   field(":path", "/"), field("too-much", "") };

	(void)state;
	assert_non_null(h2_request(&client.h2, f, 5, false, NULL));
	talk(1);
	assert_string_equal(client.log, "1:closed(2)");
	assert_string_equal(server.log, "1:closed(2)");
}

static void who_leaves_serves_what_is_there(void **state)
{
	(void)state;
	server.silent = true;
	ask(true);
	talk(1);
	h2_goaway(&server.h2, H2_ID_MAX, H2_NO_ERROR);
	assert_int_equal(HEAR("\0\0\6\1\4\0\0\0\3" POST),
			 0); /* not heard yet */
	h2_goaway(&server.h2, server.h2.taken, H2_NO_ERROR);
	assert_false(h2_is_over(&server.h2));
	/* what crosses it is nothing, and no error */
	assert_int_equal(HEAR("\0\0\6\1\4\0\0\0\5" POST "\0\0\1\0\0\0\0\0\5x"
			      "\0\0\4\3\0\0\0\0\5\0\0\0\x8"),
			 0);
	assert_string_equal(server.log, "1:last-head 1:end 3:head");
	h2_reset(&server.h2, h2_find(&server.h2, 3), H2_CANCEL);
	h2_reset(&server.h2, h2_find(&server.h2, 1), H2_CANCEL);
	assert_false(h2_is_over(&server.h2)); /* who asks is to be told yet */
	(void)!h2_send(&server.h2, ENOUGH);
	assert_true(h2_is_over(&server.h2));
}

static void goaway_gives_back_what_was_not_taken(void **state)
{
	(void)state;
	ask(true);
	ask(true);
	assert_int_equal(
		h2_receive(&client.h2, 0,
			   TEXT("\0\0\0\4\0\0\0\0\0"
				"\0\0\x8\7\0\0\0\0\0\0\0\0\1\0\0\0\0")),
		0);
	(void)!h2_send(&client.h2, 0);
	assert_string_equal(client.log, "1:said 3:said 3:closed(7)");
	assert_false(h2_may_request(&client.h2));
	assert_false(h2_is_over(&client.h2));
	assert_int_equal(
		h2_receive(&client.h2, 0, TEXT("\0\0\1\1\5\0\0\0\1\x88")), 0);
	(void)!h2_send(&client.h2, 0);
	assert_true(h2_is_over(&client.h2));
}

/* --- floods --------------------------------------------------------------- */

static void pings_that_nobody_reads(void **state)
{
	int rc, n = 0;

	(void)state;
	assert_int_equal(HEAR(PREFACE), 0);
	do {
		rc = HEAR("\0\0\x8\6\0\0\0\0\0"
			  "12345678");
		/* one whose answers are taken may go on */
		if (n == 50000)
			buf_reset(&server.out);
	} while (rc == 0 && n++ < 200000);
	assert_int_equal(rc, -ENOBUFS);
	assert_in_range(n, 50000 + (1 << 20) / 18, 50001 + (1 << 20) / 17);
	assert_int_equal(h2_send(&server.h2, ENOUGH), -ENOBUFS);
}

/* a stream that is asked for and given up costs nothing afterwards */
static void streams_that_are_given_up(void **state)
{
	static const uint8_t reset[] = {
		0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 8
	};
	uint8_t both[H2_FRAME_HEAD + 6 + sizeof(reset)] =
		"\0\0\6\1\4\0\0\0\0" POST;
	size_t left;

	(void)state;
	server.silent = true;
	memcpy(both + H2_FRAME_HEAD + 6, reset, sizeof(reset));
	assert_int_equal(HEAR(PREFACE), 0);
	left = server.h2.glitches.left;
	for (int id = 1; id < 2000; id += 2) {
		both[7] = both[H2_FRAME_HEAD + 6 + 7] = (uint8_t)(id >> 8);
		both[8] = both[H2_FRAME_HEAD + 6 + 8] = (uint8_t)id;
		server.log[0] = '\0';
		assert_int_equal(h2_receive(&server.h2, 0, both, sizeof(both)),
				 0);
		assert_non_null(strstr(server.log, "closed(8)"));
		assert_true(list_empty(&server.h2.closed));
	}
	assert_int_equal(server.h2.glitches.left, left - 1000);
}

static void a_head_that_never_ends(void **state)
{
	int rc, n = 0;

	(void)state;
	assert_int_equal(HEAR(PREFACE "\0\0\6\1\0\0\0\0\1" POST), 0);
	do
		rc = HEAR("\0\0\0\x9\0\0\0\0\1");
	while (rc == 0 && n++ < 1000);
	assert_in_range(n, 10, 100);
	assert_string_equal(refusals(), "goaway(11)");
}

static void a_head_without_bounds(void **state)
{
	static uint8_t frame[H2_FRAME_HEAD + H2_FRAME_MAX] =
		"\0\x40\0\x9\0\0\0\0\1";
	int rc, n = 0;

	(void)state;
	assert_int_equal(HEAR(PREFACE "\0\0\6\1\0\0\0\0\1" POST), 0);
	do
		rc = h2_receive(&server.h2, 0, frame, sizeof(frame));
	while (rc == 0 && n++ < 1000);
	assert_in_range(n, 3, 5);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_request_and_its_answer),
		TEST(a_head_longer_than_a_frame),
		TEST(a_head_for_which_there_is_no_room),
		TEST(lengths_that_mean_nothing),
		TEST(interim_answers),
		TEST(who_holds_credit_stops_the_other),
		TEST(windows_that_change),
		TEST(more_than_was_allowed),
		TEST(padding),
		TEST(bytes_that_need_not_wait),
		TEST(no_more_than_are_allowed),
		TEST(a_head_that_is_too_much),
		TEST(who_leaves_serves_what_is_there),
		TEST(goaway_gives_back_what_was_not_taken),
		TEST(pings_that_nobody_reads),
		TEST(streams_that_are_given_up),
		TEST(a_head_that_never_ends),
		TEST(a_head_without_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
