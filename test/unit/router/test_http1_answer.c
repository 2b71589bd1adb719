/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "pipe/pipe.h"
#include "pipe/pipe_fd.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define XFF "X-Forwarded-For: 10.9.8.7\r\n"
#define GET "GET / HTTP/1.1\r\n\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig r;
static char got[600000];

static int begin(void **state)
{
	(void)state;
	rig_init(&r, ROUTER_AUTO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

/* what comes, until nothing more does; true: and then the end */
static bool hear_all(int fd)
{
	size_t n = 0;
	ssize_t rc = 0;

	for (int idle = 0; idle < 8 && rc >= 0; idle++) {
		rc = rig_read(&r, fd, got + n, sizeof(got) - 1 - n);
		if (rc > 0) {
			n += (size_t)rc;
			idle = 0;
		}
	}
	got[n] = 0;
	return rc == -1;
}

static void hear(int fd, const char *text)
{
	hear_all(fd);
	assert_string_equal(got, text);
}

static int up(unsigned int i)
{
	assert_true(i < r.nopen);
	return r.open[i].fd;
}

/* --- answers that are not as they should be ------------------------------- */

struct odd {
	const char *said, *passed;
};

static const struct odd odd[] = {
	/* RFC 9112 section 2.2: lines that end in LF */
	{ "HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	/* ... and lines with a blank in front, behind the first */
	{ "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	/* section 5.1 */
	{ "HTTP/1.1 200 OK\r\nContent-Length : 2\r\nX\t: y\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok" },
	/* section 5.2 */
	{ "HTTP/1.1 200 OK\r\nX: a\r\n  b\r\n\tc\r\nContent-Length: 2\r\n\r\n"
	  "ok",
	  "HTTP/1.1 200 OK\r\nX: a b c\r\nContent-Length: 2\r\n\r\nok" },
	/* RFC 9110 section 5.5 */
	{ "HTTP/1.1 200 OK\r\nX: a\x01z\rq\r\nContent-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nX: a z q\r\nContent-Length: 2\r\n\r\nok" },
	{ "HTTP/1.1 404: Not Found\r\nContent-Length: 2\r\n\r\nok",
	  "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nok" },
	{ "HTTP/1.1  200  OK\r\nContent-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "HTTP/1.1 200 OK\r\nno field\r\nbad name: x\r\n"
	  "Content-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	/* section 6.3: the coding counts, and the length does not go on */
	{
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
		"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2\r\nok\r\n0\r\n\r\n",
	},
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n"
	  "Content-Length: 2\r\n\r\nok",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
		"2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
		"2\r\nok\r\n0\r\n\r\n",
	},
	/* chunks */
	{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2;x=y\nok\n0\nA: b\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2;x=y\nok\n0\nA: b\n\n",
	},
	/* an interim one */
	{
		"HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\n"
		"Content-Length: 2\n\nok",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	},
};

static void odd_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		rig_init(&r, ROUTER_AUTO);
		rig_say(&r, r.caller, GET);
		hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
		rig_say(&r, up(0), odd[i].said);
		hear(r.caller, odd[i].passed);
		/* where it ends is known */
		assert_non_null(r.conn);
		rig_say(&r, r.caller, GET);
		hear_all(up(r.nopen - 1));
		rig_say(&r, up(r.nopen - 1), OK2);
		hear(r.caller, OK2);
		rig_fini(&r);
	}
}

/* byte by byte: a head that is not whole is waited for */
static void odd_in_pieces(void **state)
{
	const char *text = odd[5].said;

	(void)state;
	rig_say(&r, r.caller, GET);
	hear_all(up(0));
	for (size_t i = 0; i < strlen(text); i++)
		rig_write(&r, up(0), text + i, 1);
	hear(r.caller, odd[5].passed);
}

/* to an end that nobody knows: the connection is the end */
static void ends_with_the_connection(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxy",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		rig_init(&r, ROUTER_AUTO);
		rig_say(&r, r.caller, GET);
		hear_all(up(0));
		rig_say(&r, up(0), answers[i]);
		shutdown(up(0), SHUT_WR);
		assert_true(hear_all(r.caller));
		assert_string_equal(got, answers[i]);
		rig_fini(&r);
	}
}

/* what cannot be repaired is not passed on */
static void hopeless_answers(void **state)
{
	static const char *const bad[] = {
		"hello\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
		 "Content-Length: 6\r\n\r\nhello"),
		"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_init(&r, ROUTER_AUTO);
		rig_say(&r, r.caller, GET);
		hear_all(up(0));
		rig_say(&r, up(0), bad[i]);
		assert_true(hear_all(r.caller));
		assert_memory_equal(got, "HTTP/1.1 502 ", 13);
		rig_fini(&r);
	}
}

/* an upgrade behind a repaired head: the head goes on, and what follows */
static void odd_upgrade(void **state)
{
	(void)state;
	rig_say(&r, r.caller,
		"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	hear_all(up(0));
	rig_say(&r, up(0), "HTTP/1.1 101 Go\nUpgrade: x\n\nbytes");
	hear(r.caller, "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nbytes");
	rig_say(&r, r.caller, "more");
	hear(up(0), "more");
}

/* --- limits --------------------------------------------------------------- */

/* @n bytes of a field, in @room; returns the text */
static char *head_of(const char *start, size_t total)
{
	size_t len = strlen(start);
	char *text = malloc(total + 1);

	assert_non_null(text);
	memset(text, 'v', total);
	memcpy(text, start, len);
	memcpy(text + len, "X: ", 3);
	memcpy(text + total - 4, "\r\n\r\n", 4);
	text[total] = 0;
	return text;
}

static void large_heads(void **state)
{
	auto_free char *ask = head_of("GET / HTTP/1.1\r\n", HTTP1_MAX_HEAD);
	auto_free char *answer = head_of(
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", HTTP1_MAX_HEAD);

	(void)state;
	rig_write(&r, r.caller, ask, HTTP1_MAX_HEAD);
	hear_all(up(0));
	assert_int_equal(strlen(got), HTTP1_MAX_HEAD + strlen(XFF));
	rig_write(&r, up(0), answer, HTTP1_MAX_HEAD);
	hear(r.caller, answer);
}

static void too_large_heads(void **state)
{
	auto_free char *ask = head_of("GET / HTTP/1.1\r\n", HTTP1_MAX_HEAD + 1);
	auto_free char *answer = head_of(
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", HTTP1_MAX_HEAD + 1);

	(void)state;
	rig_write(&r, r.caller, ask, HTTP1_MAX_HEAD + 1);
	assert_true(hear_all(r.caller));
	assert_memory_equal(got, "HTTP/1.1 431 ", 13);
	assert_int_equal(r.nopen, 0);
	rig_fini(&r);
	rig_init(&r, ROUTER_AUTO);
	rig_say(&r, r.caller, GET);
	hear_all(up(0));
	rig_write(&r, up(0), answer, HTTP1_MAX_HEAD + 1);
	hear_all(r.caller);
	assert_memory_equal(got, "HTTP/1.1 502 ", 13);
	assert_non_null(strstr(got, "256 KiB"));
}

static void many_fields(void **state)
{
	static char text[HTTP1_MAX_HEAD];
	size_t n = 0;

	(void)state;
	rig_say(&r, r.caller, GET);
	hear_all(up(0));
	n = (size_t)snprintf(text, sizeof(text),
			     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "Set-Cookie: c%d=v\r\n", i);
	snprintf(text + n, sizeof(text) - n, "\r\n");
	rig_say(&r, up(0), text);
	hear(r.caller, text);
	/* and more than there may be */
	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	for (size_t i = 0; i <= HTTP1_MAX_FIELDS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a: b\r\n");
	snprintf(text + n, sizeof(text) - n, "\r\n");
	rig_say(&r, r.caller, text);
	hear_all(r.caller);
	assert_memory_equal(got, "HTTP/1.1 431 ", 13);
}

/* our own field does not make a head too large for its second way */
static void largest_head_goes_another_way(void **state)
{
	auto_free char *ask =
		head_of("GET / HTTP/1.1\r\nto: a\r\n", HTTP1_MAX_HEAD);

	(void)state;
	r.refuse = -ENETRESET;
	r.moves = true;
	rig_write(&r, r.caller, ask, HTTP1_MAX_HEAD);
	assert_int_equal(r.nopen, 2);
	hear_all(up(1));
	assert_int_equal(strlen(got), HTTP1_MAX_HEAD + strlen(XFF));
}

/* --- what looks like HTTP and is not -------------------------------------- */

static void other_versions_go_untouched(void **state)
{
	static const char *const texts[] = {
		"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"SOURCE /live ICE/1.0\r\n\r\n",
		"GET /old\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(texts); i++) {
		const char *text = texts[i / 2];

		rig_init(&r, i % 2 ? ROUTER_HTTP : ROUTER_AUTO);
		for (size_t k = 0; k < strlen(text); k++)
			rig_write(&r, r.caller, text + k, 1);
		assert_int_equal(r.nopen, 1);
		hear(up(0), text);
		rig_say(&r, up(0), "its answer");
		hear(r.caller, "its answer");
		rig_fini(&r);
	}
}

/* a target longer than a pipe's window; and one that never ends */
static void long_lines(void **state)
{
	static char text[100000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	rig_say(&r, r.caller, text);
	rig_say(&r, r.caller, " HTTP/1.1\r\n\r\n");
	hear_all(up(0));
	assert_int_equal(strlen(got),
			 sizeof(text) - 1 + strlen(" HTTP/1.1\r\n" XFF "\r\n"));
	rig_fini(&r);
	rig_init(&r, ROUTER_AUTO);
	r.env.hurry = 1000;
	rig_say(&r, r.caller, text);
	for (int i = 0; i < 100 && r.conn; i++)
		loop_once(r.env.loop, 5 * NS_MS);
	assert_null(r.conn);
	assert_int_equal(r.nopen, 0);
}

/* --- backends that go ----------------------------------------------------- */

/* a laptop that does not come back */
static void lose(unsigned int i)
{
	r.moved = true;
	pipe_fd_opened(r.open[i].pipe, -ENETRESET);
	rig_run(&r);
}

static void asked_again_elsewhere(void **state)
{
	(void)state;
	rig_say(&r, r.caller, "GET / HTTP/1.1\r\nto: a\r\n\r\n");
	hear_all(up(0));
	lose(0);
	hear(up(1), "GET / HTTP/1.1\r\nto: a\r\n" XFF "\r\n");
	assert_int_equal(r.open[1].ref.id, 2);
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
}

static void not_asked_again(void **state)
{
	static const char *const asks[] = {
		"POST / HTTP/1.1\r\nto: a\r\n\r\n",
		"PUT / HTTP/1.1\r\nto: a\r\n\r\n",
		"GET / HTTP/1.1\r\nto: a\r\nContent-Length: 1\r\n\r\nx",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
		rig_init(&r, ROUTER_AUTO);
		rig_say(&r, r.caller, asks[i]);
		hear_all(up(0));
		lose(0);
		hear_all(r.caller);
		assert_memory_equal(got, "HTTP/1.1 502 ", 13);
		assert_int_equal(r.nopen, 1);
		rig_fini(&r);
	}
	/* nor when an answer has begun */
	rig_init(&r, ROUTER_AUTO);
	rig_say(&r, r.caller, "GET / HTTP/1.1\r\nto: a\r\n\r\n");
	hear_all(up(0));
	rig_say(&r, up(0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
	lose(0);
	assert_int_equal(r.nopen, 1);
	assert_null(r.conn);
	rig_fini(&r);
}

/* the backend's end is in the socket, and the loop does not know it yet */
static void ended_before_it_is_used(void **state)
{
	(void)state;
	rig_say(&r, r.caller, "POST / HTTP/1.1\r\n\r\n");
	hear_all(up(0));
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	/* the caller's bytes are read first: it is the older watch */
	assert_int_equal(send(r.caller, "POST /2 HTTP/1.1\r\n\r\n", 20, 0), 20);
	shutdown(up(0), SHUT_WR);
	rig_run(&r);
	assert_int_equal(r.nopen, 2);
	hear(up(1), "POST /2 HTTP/1.1\r\n" XFF "\r\n");
}

/* --- a caller that takes nothing ------------------------------------------ */

struct stuck {
	struct pipe pipe;
	bool closed;
};

static ssize_t stuck_send(struct pipe *p, const void *data, size_t n)
{
	(void)p;
	(void)data;
	(void)n;
	return 0;
}

static void stuck_finish(struct pipe *p)
{
	(void)p;
}

static void stuck_consume(struct pipe *p, size_t n)
{
	(void)p;
	(void)n;
}

static void stuck_close(struct pipe *p, bool reset)
{
	(void)reset;
	container_of(p, struct stuck, pipe)->closed = true;
}

static void answer_that_nobody_takes(void **state)
{
	static const struct pipe_ops ops = { .send = stuck_send,
					     .finish = stuck_finish,
					     .consume = stuck_consume,
					     .close = stuck_close };
	static const char bad[] = "GET / HTTP/1.1\r\nx y: z\r\n\r\n";
	struct stuck s = { .pipe.ops = &ops };
	int64_t until = clock_ns() + 2 * NS_SEC;

	(void)state;
	r.env.hurry = 1000;
	assert_non_null(router_http_take(&r.env, 80, ROUTER_HTTP, &s.pipe,
					 &(struct ipport){ .port = 1 }, NULL,
					 NULL));
	s.pipe.handler->data(s.pipe.user, (const uint8_t *)bad,
			     sizeof(bad) - 1);
	assert_false(s.closed);
	while (!s.closed && clock_ns() < until)
		loop_once(r.env.loop, 5 * NS_MS);
	assert_true(s.closed);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_answers),
		T(odd_in_pieces),
		cmocka_unit_test(ends_with_the_connection),
		cmocka_unit_test(hopeless_answers),
		T(odd_upgrade),
		T(large_heads),
		T(too_large_heads),
		T(many_fields),
		T(largest_head_goes_another_way),
		cmocka_unit_test(other_versions_go_untouched),
		T(long_lines),
		T(asked_again_elsewhere),
		cmocka_unit_test(not_asked_again),
		T(ended_before_it_is_used),
		T(answer_that_nobody_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
