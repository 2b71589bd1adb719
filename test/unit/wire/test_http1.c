/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/http1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ssize_t response(struct http1_head *h, const char *text)
{
	return http1_parse_response(h, text, strlen(text));
}

static ssize_t request(struct http1_head *h, const char *text)
{
	return http1_parse_request(h, text, strlen(text));
}

static void parses_a_response(void **state)
{
	static const char text[] = "HTTP/1.1 101 Switching Protocols\r\n"
				   "Upgrade: websocket\r\n"
				   "Connection: keep-alive, UPGRADE \r\n"
				   "X-Empty:\r\n"
				   "\r\nrest";
	struct http1_head h;

	(void)state;
	assert_int_equal(response(&h, text), sizeof(text) - 1 - 4);
	assert_int_equal(h.status, 101);
	assert_int_equal(h.minor, 1);
	assert_true(slice_is_nocase(h.reason, "switching protocols"));
	assert_int_equal(h.nfields, 3);
	assert_true(
		slice_is_nocase(http1_find(&h, "UPGRADE")->value, "websocket"));
	assert_true(http1_has_token(&h, "connection", "upgrade"));
	assert_true(http1_has_token(&h, "connection", "keep-alive"));
	assert_false(http1_has_token(&h, "connection", "close"));
	assert_int_equal(http1_find(&h, "x-empty")->value.n, 0);
	assert_null(http1_find(&h, "none"));
}

static void parses_a_request(void **state)
{
	static const char text[] = "\r\n\r\nGET /a%20b?c=d HTTP/1.0\r\n"
				   "Host: x\r\n\r\n";
	struct http1_head h;

	(void)state;
	assert_int_equal(request(&h, text), sizeof(text) - 1);
	assert_true(slice_is_nocase(h.method, "GET"));
	assert_true(slice_is_nocase(h.target, "/a%20b?c=d"));
	assert_int_equal(h.minor, 0);
}

/* Every prefix of a head is "not all there", never an error. */
static void waits_at_every_byte(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
	struct http1_head h;

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char *exact = malloc(n + 1);

		memcpy(exact, text, n);
		assert_int_equal(http1_parse_response(&h, exact, n), -EAGAIN);
		free(exact);
	}
}

static void refuses_what_could_be_read_in_two_ways(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n",
		"GET / HTTP/1.1\r\nHo\001st: x\r\n\r\n",
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"GET / HTTP/1.1\r\n: x\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.1 \r\n\r\n",
		"GET /\r\n\r\n",
		"G@T / HTTP/1.1\r\n\r\n",
	};
	struct http1_head h;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(request(&h, bad[i]), -EBADMSG);
	assert_int_equal(response(&h, "HTTP/1.1 20 OK\r\n\r\n"), -EBADMSG);
	assert_int_equal(response(&h, "HTTP/1.1 099 x\r\n\r\n"), -EBADMSG);
	assert_int_equal(response(&h, "ICY 200 OK\r\n\r\n"), -EBADMSG);
	assert_true(response(&h, "HTTP/1.1 200\r\n\r\n") > 0);
}

static void bounds_size_and_fields(void **state)
{
	static char big[HTTP1_MAX_HEAD + 10];
	struct http1_head h;
	size_t n;

	(void)state;
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	assert_int_equal(http1_parse_request(&h, big, sizeof(big)), -E2BIG);
	n = (size_t)snprintf(big, sizeof(big), "GET / HTTP/1.1\r\n");
	for (int i = 0; i <= HTTP1_MAX_FIELDS; i++)
		n += (size_t)snprintf(big + n, sizeof(big) - n, "a: b\r\n");
	assert_int_equal(http1_parse_request(&h, big, n), -E2BIG);
}

static int body_of(const char *fields, uint64_t *length)
{
	char text[512];
	struct http1_head h;

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n", fields);
	assert_true(response(&h, text) > 0);
	return http1_response_body(&h, false, length);
}

static void frames_bodies(void **state)
{
	struct http1_head h;
	uint64_t n;

	(void)state;
	assert_int_equal(body_of("", &n), HTTP1_UNTIL_EOF);
	assert_int_equal(body_of("Content-Length: 12\r\n", &n), HTTP1_LENGTH);
	assert_int_equal(n, 12);
	assert_int_equal(body_of("Content-Length: 0\r\n", &n), HTTP1_NO_BODY);
	assert_int_equal(body_of("Transfer-Encoding: Chunked\r\n", &n),
			 HTTP1_CHUNKED);
	assert_int_equal(body_of("Content-Length: 2\r\n"
				 "content-length: 2\r\n",
				 &n),
			 HTTP1_LENGTH);
	assert_int_equal(body_of("Content-Length: 2\r\n"
				 "content-length: 3\r\n",
				 &n),
			 -EBADMSG);
	assert_int_equal(body_of("Content-Length: 2\r\n"
				 "Transfer-Encoding: chunked\r\n",
				 &n),
			 -EBADMSG);
	assert_int_equal(body_of("Transfer-Encoding: gzip, chunked\r\n", &n),
			 -EBADMSG);
	assert_int_equal(body_of("Content-Length: +2\r\n", &n), -EBADMSG);
	assert_int_equal(body_of("Content-Length: 2, 2\r\n", &n), -EBADMSG);
	assert_int_equal(body_of("Content-Length: 9999999999999999999\r\n", &n),
			 -EBADMSG);
	assert_true(response(&h, "HTTP/1.1 304 x\r\nContent-Length: 5\r\n"
				 "\r\n") > 0);
	assert_int_equal(http1_response_body(&h, false, &n), HTTP1_NO_BODY);
	assert_true(request(&h, "GET / HTTP/1.1\r\n\r\n") > 0);
	assert_int_equal(http1_request_body(&h, &n), HTTP1_NO_BODY);
	assert_true(request(&h, "GET / HTTP/1.0\r\n"
				"Transfer-Encoding: chunked\r\n\r\n") > 0);
	assert_int_equal(http1_request_body(&h, &n), -EBADMSG);
}

/* Feeds @text in pieces of @step; the payload, or NULL when it was refused. */
static const char *dechunk(const char *text, size_t step, size_t *used)
{
	static char out[256];
	struct http1_chunks c = { 0 };
	size_t at = 0, n = 0, len = strlen(text);

	while (at < len && !c.done) {
		size_t k = len - at < step ? len - at : step;
		struct slice s;
		ssize_t rc = http1_chunks_next(&c, text + at, k, &s);

		if (rc < 0)
			return NULL;
		assert_true(rc > 0);
		memcpy(out + n, s.p, s.n);
		n += s.n;
		at += (size_t)rc;
	}
	out[n] = '\0';
	*used = c.done ? at : 0;
	return out;
}

static void decodes_chunks_cut_anywhere(void **state)
{
	static const char text[] = "5\r\nhello\r\n00A;x=\"y\"\r\n, good day\r\n"
				   "0\r\nTrailer: x\r\n\r\nnext";
	size_t used;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		assert_string_equal(dechunk(text, step, &used),
				    "hello, good day");
		assert_int_equal(used, sizeof(text) - 1 - 4);
	}
	assert_null(dechunk("5\r\nhelloX\r\n", 99, &used));
	assert_null(dechunk("\r\n", 99, &used));
	assert_null(dechunk("g\r\n", 99, &used));
	assert_null(dechunk("5\nhello", 99, &used));
	assert_null(dechunk("11111111111111111\r\n", 99, &used));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_a_response),
		cmocka_unit_test(parses_a_request),
		cmocka_unit_test(waits_at_every_byte),
		cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
		cmocka_unit_test(bounds_size_and_fields),
		cmocka_unit_test(frames_bodies),
		cmocka_unit_test(decodes_chunks_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
