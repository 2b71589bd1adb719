/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP in connections that go by, in pieces of every size. */
#include "test.h"

#include "base/mem.h"
#include "wire/observe.h"

#include <string.h>

#define MS 1000000

static char told[4096];
static struct event last;

static void on_event(void *user, const struct event *ev)
{
	size_t n = strlen(told);

	(void)user;
	last = *ev;
	snprintf(told + n, sizeof(told) - n, "%s %s %s %s %s %u;",
		 event_kinds[ev->kind], event_protos[ev->proto],
		 event_bys[ev->by], ev->method, ev->path, ev->status);
}

/* Lines of a conversation: '>' the caller, '<' the local program; both as they
 * stand, in pieces of @size */
static void converse(const char *const *lines, size_t size)
{
	struct observer *o = observer_new(on_event, NULL, 0);
	int64_t now = 0;

	assert_non_null(o);
	told[0] = 0;
	for (; *lines; lines++) {
		const char *p = *lines + 1;
		size_t n = strlen(p);

		now += 5 * MS;
		while (n) {
			size_t k = MIN(n, size);

			if (**lines == '>')
				observer_ask(o, (const uint8_t *)p, k, now);
			else
				observer_answer(o, (const uint8_t *)p, k, now);
			p += k;
			n -= k;
		}
	}
	observer_free(o);
}

static void assert_tells(const char *const *lines, const char *want)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 16, 100000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		converse(lines, sizes[i]);
		if (strcmp(told, want) != 0)
			fail_msg("in pieces of %zu: '%s', not '%s'", sizes[i],
				 told, want);
	}
}

static void tells_of_requests(void **state)
{
	static const char *const lines[] = {
		">GET /a?secret HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nGET /",
		">POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
		">GET / HTT",
		"<HTTP/1.1 100 Continue\r\n\r\n",
		"<HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n",
		"<3\r\nabc\r\n0\r\n\r\n",
		">HEAD /c HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
		">GET /d HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 304 Not Modified\r\n\r\n",
		NULL,
	};

	(void)state;
	assert_tells(lines, "request http/1 local GET /a 200;"
			    "request http/1 local POST /b 500;"
			    "request http/1 local HEAD /c 200;"
			    "request http/1 local GET /d 304;");
	/* from the request's head to the answer's */
	assert_int_equal(last.latency, 5000);
	assert_int_equal(last.when, 50 * MS);
}

static void tells_of_pipelined_requests_in_order(void **state)
{
	static const char *const lines[] = {
		">GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
		"HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /c HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
		"HTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\n"
		"HTTP/1.1 202 OK\r\nContent-Length: 1\r\n\r\nx",
		NULL,
	};

	(void)state;
	assert_tells(lines, "request http/1 local GET /a 200;"
			    "request http/1 local HEAD /b 201;"
			    "request http/1 local GET /c 202;");
}

static void tells_of_requests_without_an_answer(void **state)
{
	static const char *const lines[] = {
		">GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 O",
		NULL,
	};
	static const char *const broken[] = {
		">GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"<nonsense\r\n\r\n",
		">GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		NULL,
	};

	(void)state;
	assert_tells(lines, "request http/1 nobody GET /a 0;");
	assert_int_equal(last.latency, -1);
	/* and of what follows, that it is not followed */
	assert_tells(broken, "request http/1 local GET /a 0;"
			     "connection tcp local   0;");
}

static void stops_where_another_protocol_begins(void **state)
{
	static const char *const upgrade[] = {
		">GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
		"Connection: upgrade\r\n\r\n",
		"<HTTP/1.1 101 Switching Protocols\r\n\r\n",
		">GET /no HTTP/1.1\r\nHost: x\r\n\r\n",
		"<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		NULL,
	};
	static const char *const until_eof[] = {
		">GET /a HTTP/1.0\r\n\r\n",
		"<HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		NULL,
	};

	(void)state;
	assert_tells(upgrade, "request http/1 local GET /ws 101;");
	assert_tells(until_eof, "request http/1 local GET /a 200;");
}

static void tells_of_connections_once(void **state)
{
	static const char *const others[][4] = {
		{ NULL },
		{ ">\x16\x03\x01 hello", NULL },
		{ ">*1\r\n$4\r\nPING\r\n", "<+PONG\r\n", NULL },
		{ "<220 mail ESMTP\r\n", ">EHLO x\r\n", NULL },
		{ ">EHLO x\r\nMAIL x\r\n", NULL },
		{ ">GET /half", NULL },
		{ ">GET / RTSP/1.0\r\n\r\n", "<RTSP/1.0 200 OK\r\n\r\n", NULL },
	};
	static const char *const http2[] = {
		">PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "<abc", ">def", NULL
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_tells(others[i], "connection tcp local   0;");
	assert_tells(http2, "connection http/2 local   0;");
}

/* A head without an end, or too many requests: given up, not kept */
static void is_bounded(void **state)
{
	struct observer *o = observer_new(on_event, NULL, 0);
	static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
	uint8_t junk[1000];

	(void)state;
	told[0] = 0;
	memset(junk, 'x', sizeof(junk));
	observer_ask(o, (const uint8_t *)"GET /", 5, 0);
	for (int i = 0; i < 100; i++)
		observer_ask(o, junk, sizeof(junk), 0);
	assert_string_equal(told, "connection tcp local   0;");
	observer_free(o);
	o = observer_new(on_event, NULL, 0);
	told[0] = 0;
	for (int i = 0; i <= OBSERVE_PENDING; i++)
		observer_ask(o, (const uint8_t *)request, strlen(request), 0);
	observer_free(o);
	assert_int_equal(strlen(told),
			 OBSERVE_PENDING * strlen("request http/1 local GET /a "
						  "0;") +
				 strlen("connection tcp local   0;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_requests),
		cmocka_unit_test(tells_of_pipelined_requests_in_order),
		cmocka_unit_test(tells_of_requests_without_an_answer),
		cmocka_unit_test(stops_where_another_protocol_begins),
		cmocka_unit_test(tells_of_connections_once),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
