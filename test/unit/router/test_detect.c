/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "router/detect.h"

#include "wire/http1.h"

#include <string.h>

/* what each longer beginning of @text says, until it is told */
static void becomes(const char *text, enum detect want)
{
	size_t n = 0, more = 0;

	for (; detect(text, n) <= DETECT_LINE; n++) {
		assert_true(n < strlen(text));
		more += detect(text, n) == DETECT_MORE;
	}
	assert_int_equal(detect(text, n), want);
	assert_int_equal(detect(text, strlen(text)), want);
	assert_true(more < DETECT_MAX);
}

static void protocols(void **state)
{
	(void)state;
	becomes("GET / HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("PROPFIND /x HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("PRIVATE /x HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("OPTIONS * HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("GET http://h/ HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("CONNECT h:1 HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("\r\n\r\nGET / HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("GET / HTTP/1.0\n", DETECT_HTTP1);
	/* by their version they are something else */
	becomes("OPTIONS * RTSP/1.0\r\n", DETECT_OTHER);
	becomes("SOURCE /live ICE/1.0\r\n", DETECT_OTHER);
	becomes("OPTIONS * SIP/2.0\r\n", DETECT_OTHER);
	becomes("GET /old\r\n", DETECT_OTHER);
	becomes("GET /\n", DETECT_OTHER);
	becomes("GET / HTTP/0.9\r\n", DETECT_OTHER);
	becomes("GET / HTTP/1.2\r\n", DETECT_OTHER);
	becomes("GET / HTTP/2.0\r\n", DETECT_OTHER);
	becomes("CONNECT h:1 XYZ/1.0\r\n", DETECT_OTHER);
	/* ... and these are HTTP/1, as they say, and wrong */
	becomes("GET / http/1.1\r\n", DETECT_HTTP1);
	becomes("GET / HTTP/1.1 \r\n", DETECT_HTTP1);
	becomes("GET / HTTP/1.10\r\n", DETECT_HTTP1);
	becomes("GET /a b HTTP/1.1\r\n", DETECT_HTTP1);
	becomes("GET / HTTP/1.1\rx\r\n", DETECT_HTTP1);
	becomes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", DETECT_HTTP2);
	becomes("\x16\x03\x01\x02", DETECT_TLS);
	becomes("\x16\x04", DETECT_OTHER);
	becomes("EHLO me\r\n", DETECT_OTHER);
	becomes("*1\r\n$4\r\nPING\r\n", DETECT_OTHER);
	becomes("SET key v\r\n", DETECT_OTHER);
	becomes("get / HTTP/1.1\r\n", DETECT_OTHER);
	becomes("AMQP\x01", DETECT_OTHER);
	becomes("\r\rGET", DETECT_OTHER);
	becomes("ABCDEFGHIJKLMNOPQRSTUVWXYZ /", DETECT_OTHER);
	becomes("\x80zzz", DETECT_OTHER);
}

/* whatever it is, so many bytes are enough */
static void enough(void **state)
{
	char text[DETECT_MAX];

	(void)state;
	for (int c = 0; c < 256; c++) {
		memset(text, c, sizeof(text));
		assert_int_not_equal(detect(text, sizeof(text)), DETECT_MORE);
	}
}

static void long_lines(void **state)
{
	static char text[HTTP1_MAX_HEAD];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(detect(text, sizeof(text) - 1), DETECT_LINE);
	/* too long, and said so by those who know */
	assert_int_equal(detect(text, sizeof(text)), DETECT_HTTP1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(protocols),
					    cmocka_unit_test(enough),
					    cmocka_unit_test(long_lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
