/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of requests: what a laptop gets, and that nobody waits for it. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "router/copy.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define XFF "X-Forwarded-For: 10.9.8.7\r\n"
#define CLOSE "Connection: close\r\nkt-copy: 1\r\n\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig r;

static int begin(void **state)
{
	(void)state;
	rig_init(&r, ROUTER_HTTP);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

/* exactly this comes, and for the moment nothing more */
static void hear(int fd, const char *text)
{
	char got[8192];

	rig_hear(&r, fd, strlen(text), got, sizeof(got));
	assert_string_equal(got, text);
}

static void ask(const char *text)
{
	rig_say(&r, r.caller, text);
}

/* the connection to @id that was opened as the @nth; -1: there is none */
static int to(enum backend_kind kind, uint64_t id, unsigned int nth)
{
	for (unsigned int i = 0; i < r.nopen; i++)
		if (r.open[i].ref.kind == kind && r.open[i].ref.id == id &&
		    !nth--)
			return r.open[i].fd;
	return -1;
}

static int origin(void)
{
	return to(BACKEND_ORIGIN, 0, 0);
}

static size_t take_all(int fd)
{
	static char mem[65536];
	size_t n = 0;
	ssize_t rc;

	while ((rc = rig_read(&r, fd, mem, sizeof(mem))) > 0)
		n += (size_t)rc;
	return n;
}

/* --- what it looks like --------------------------------------------------- */

static void is_the_request_and_its_answer_is_nobodys(void **state)
{
	int a, b;

	(void)state;
	ask("POST /1?q HTTP/1.1\r\nHost: h\r\ncopy: c\r\n"
	    "Content-Length: 3\r\n\r\nabc");
	hear(origin(), "POST /1?q HTTP/1.1\r\nHost: h\r\ncopy: c\r\n"
		       "Content-Length: 3\r\n" XFF "\r\nabc");
	a = to(BACKEND_CLIENT, 3, 0);
	hear(a, "POST /1?q HTTP/1.1\r\nHost: h\r\ncopy: c\r\n"
		"Content-Length: 3\r\n" XFF CLOSE "abc");
	assert_int_equal(r.sent, 1);
	rig_say(&r, a, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
	hear(r.caller, "");
	rig_say(&r, origin(), OK2);
	hear(r.caller, OK2);
	/* the caller's connection is kept; a copy has one of its own */
	ask("GET /2 HTTP/1.1\r\nConnection: keep-alive, x\r\ncopy: c\r\n\r\n");
	hear(origin(), "GET /2 HTTP/1.1\r\nConnection: keep-alive, x\r\n"
		       "copy: c\r\n" XFF "\r\n");
	b = to(BACKEND_CLIENT, 3, 1);
	hear(b, "GET /2 HTTP/1.1\r\ncopy: c\r\n" XFF
		"Connection: close, x\r\nkt-copy: 1\r\n\r\n");
	/* it answers first, and closes */
	rig_say(&r, b, OK2);
	shutdown(b, SHUT_RDWR);
	rig_say(&r, origin(), "HTTP/1.1 204 No\r\n\r\n");
	hear(r.caller, "HTTP/1.1 204 No\r\n\r\n");
	assert_int_equal(r.sent, 2);
	assert_int_equal(r.dropped, 0);
}

static void several_want_it(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\ncopy: cd\r\n\r\n");
	hear(to(BACKEND_CLIENT, 3, 0),
	     "GET / HTTP/1.1\r\ncopy: cd\r\n" XFF CLOSE);
	hear(to(BACKEND_CLIENT, 4, 0),
	     "GET / HTTP/1.1\r\ncopy: cd\r\n" XFF CLOSE);
	rig_say(&r, origin(), OK2);
	hear(r.caller, OK2);
	assert_int_equal(r.sent, 2);
}

static void in_chunks_and_after_100(void **state)
{
	(void)state;
	ask("PUT / HTTP/1.1\r\ncopy: c\r\nExpect: 100-continue\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	take_all(origin());
	rig_say(&r, origin(), "HTTP/1.1 100 Continue\r\n\r\n");
	hear(r.caller, "HTTP/1.1 100 Continue\r\n\r\n");
	hear(to(BACKEND_CLIENT, 3, 0),
	     "PUT / HTTP/1.1\r\ncopy: c\r\nExpect: 100-continue\r\n"
	     "Transfer-Encoding: chunked\r\n" XFF CLOSE);
	ask("3;x=y\r\nabc\r\n");
	ask("0\r\nT: 1\r\n\r\n");
	hear(origin(), "3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n");
	hear(to(BACKEND_CLIENT, 3, 0), "3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n");
	assert_int_equal(r.sent, 1);
	rig_say(&r, origin(), OK2);
	hear(r.caller, OK2);
}

/* somebody else's requests, copies, and what only one can answer in */
static void not_of_these(void **state)
{
	static const char *const heads[] = {
		"to: a\r\n",
		"Kt-Copy: 1\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		char text[200];

		snprintf(text, sizeof(text),
			 "GET / HTTP/1.1\r\ncopy: c\r\n%s\r\n", heads[i]);
		ask(text);
		assert_int_equal(to(BACKEND_CLIENT, 3, 0), -1);
		rig_say(&r, r.open[r.nopen - 1].fd, OK2);
		hear(r.caller, OK2);
	}
	assert_int_equal(r.sent + r.dropped, 0);
	/* an offer of h2c is left out of the request: it is one like others */
	ask("GET / HTTP/1.1\r\ncopy: c\r\nConnection: Upgrade, HTTP2-Settings"
	    "\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
	assert_true(take_all(to(BACKEND_CLIENT, 3, 0)) > 0);
	assert_int_equal(r.sent, 1);
}

/* --- what it costs: nothing ----------------------------------------------- */

/* the caller has its answer, and the next one, whatever became of the copy */
static void answered(const char *what)
{
	take_all(origin());
	rig_say(&r, origin(), OK2);
	hear(r.caller, OK2);
	ask("GET /next HTTP/1.1\r\n\r\n");
	hear(origin(), "GET /next HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, origin(), OK2);
	hear(r.caller, OK2);
	if (!r.conn)
		fail_msg("%s", what);
}

static void laptop_refuses(void **state)
{
	(void)state;
	r.refuse_copies = -ECONNREFUSED;
	ask("POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: 3\r\n\r\nabc");
	answered("refused");
	assert_int_equal(r.dropped, 1);
}

static void laptop_has_no_connection(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\ncopy: z\r\n\r\n");
	answered("lost");
	assert_int_equal(r.dropped, 1);
	assert_int_equal(r.nopen, 1);
}

static void laptop_resets(void **state)
{
	const struct linger now = { 1, 0 };
	int fd;

	(void)state;
	ask("POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: 6\r\n\r\nabc");
	fd = to(BACKEND_CLIENT, 3, 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	shutdown(fd, SHUT_RDWR);
	rig_run(&r);
	assert_int_equal(r.dropped, 1);
	ask("def");
	answered("reset");
	assert_int_equal(r.sent, 0);
}

/* it never opens: the copy waits, the caller does not */
static void laptop_is_dead(void **state)
{
	(void)state;
	r.hold_copies = true;
	r.env.hurry = 3000; /* the stall's time is 10 ms */
	ask("POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: 3\r\n\r\nabc");
	answered("dead");
	for (int i = 0; i < 2000 && !r.dropped; i++)
		loop_once(r.env.loop, 1);
	assert_int_equal(r.dropped, 1);
}

/* @n bytes of a body in pieces, taken by the origin as they come */
static void send_body(size_t n)
{
	static char piece[32768];

	while (n) {
		size_t some = MIN(n, sizeof(piece));

		rig_write(&r, r.caller, piece, some);
		n -= some;
		assert_true(take_all(origin()) > 0);
	}
}

/* it takes nothing: what is more than may wait ends the copy */
static void laptop_never_reads(void **state)
{
	size_t n = 2 * COPY_BYTES;
	char text[120];

	(void)state;
	snprintf(text, sizeof(text),
		 "POST / HTTP/1.1\r\ncopy: cd\r\nContent-Length: %zu\r\n\r\n",
		 n);
	ask(text);
	take_all(origin());
	for (size_t i = 0; i < n / 65536; i++) {
		send_body(65536);
		take_all(to(BACKEND_CLIENT, 4, 0)); /* the other one reads */
	}
	assert_int_equal(r.dropped, 1);
	assert_int_equal(r.sent, 1);
	answered("slow");
}

/* large and taken: nothing is dropped, and all of it comes */
static void large_body(void **state)
{
	size_t n = 2 * COPY_BYTES, got = 0;
	char text[120];

	(void)state;
	snprintf(text, sizeof(text),
		 "POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: %zu\r\n\r\n",
		 n);
	ask(text);
	take_all(origin());
	take_all(to(BACKEND_CLIENT, 3, 0));
	for (size_t i = 0; i < n / 65536; i++) {
		send_body(65536);
		got += take_all(to(BACKEND_CLIENT, 3, 0));
	}
	got += take_all(to(BACKEND_CLIENT, 3, 0));
	assert_int_equal(got, n);
	assert_int_equal(r.sent, 1);
	assert_int_equal(r.dropped, 0);
	answered("large");
}

/* so many that hang, and no more, for one client */
static void no_more_than_so_many(void **state)
{
	(void)state;
	r.hold_copies = true;
	for (int i = 0; i < 50; i++) {
		ask("GET / HTTP/1.1\r\ncopy: cc\r\n\r\n");
		take_all(origin());
		rig_say(&r, origin(), OK2);
		hear(r.caller, OK2);
	}
	assert_int_equal(r.dropped, 100 - COPY_CLIENT_N);
	assert_int_equal(r.sent, 0);
}

/* an answer without an end */
static void laptop_answers_without_end(void **state)
{
	static char mem[65536];
	ssize_t rc = 0;
	int fd;

	(void)state;
	ask("GET / HTTP/1.1\r\ncopy: c\r\n\r\n");
	fd = to(BACKEND_CLIENT, 3, 0);
	take_all(fd);
	assert_int_equal(r.sent, 1);
	for (int i = 0; i < 1000 && rc >= 0; i++) {
		rc = send(fd, mem, sizeof(mem), MSG_NOSIGNAL);
		if (rc < 0 && errno == EAGAIN)
			rc = 0;
		rig_run(&r);
	}
	assert_true(rc < 0); /* it was reset */
	answered("endless");
	assert_int_equal(r.dropped, 0);
}

/* the caller leaves in the middle: its copy, too, and that is nobody's fault */
static void caller_gives_up(void **state)
{
	char c;
	int fd;

	(void)state;
	ask("POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: 6\r\n\r\nabc");
	fd = to(BACKEND_CLIENT, 3, 0);
	take_all(fd);
	shutdown(r.caller, SHUT_RDWR);
	rig_run(&r);
	assert_null(r.conn);
	assert_true(rig_read(&r, fd, &c, 1) < 0);
	assert_int_equal(r.sent + r.dropped, 0);
}

/* the origin wants no more of the request: nobody gets half of it as a whole */
static void origin_answers_early(void **state)
{
	char c;
	int fd;

	(void)state;
	ask("POST / HTTP/1.1\r\ncopy: c\r\nContent-Length: 6\r\n\r\nabc");
	take_all(origin());
	fd = to(BACKEND_CLIENT, 3, 0);
	take_all(fd);
	rig_say(&r, origin(),
		"HTTP/1.1 413 No\r\nConnection: close\r\n"
		"Content-Length: 0\r\n\r\n");
	assert_true(take_all(r.caller) > 0);
	assert_true(rig_read(&r, fd, &c, 1) < 0);
	assert_int_equal(r.sent, 0);
}

/* the caller is gone when all was said: the copy goes on */
static void outlives_its_caller(void **state)
{
	int fd;

	(void)state;
	ask("GET / HTTP/1.1\r\ncopy: c\r\nConnection: close\r\n\r\n");
	rig_say(&r, origin(), OK2);
	shutdown(r.caller, SHUT_RDWR);
	rig_run(&r);
	fd = to(BACKEND_CLIENT, 3, 0);
	assert_true(take_all(fd) > 0);
	assert_int_equal(send(fd, OK2, strlen(OK2), MSG_NOSIGNAL), strlen(OK2));
	rig_run(&r);
	assert_int_equal(r.sent, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(is_the_request_and_its_answer_is_nobodys),
		TEST(several_want_it),
		TEST(in_chunks_and_after_100),
		TEST(not_of_these),
		TEST(laptop_refuses),
		TEST(laptop_has_no_connection),
		TEST(laptop_resets),
		TEST(laptop_is_dead),
		TEST(laptop_never_reads),
		TEST(large_body),
		TEST(no_more_than_so_many),
		TEST(laptop_answers_without_end),
		TEST(caller_gives_up),
		TEST(origin_answers_early),
		TEST(outlives_its_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
