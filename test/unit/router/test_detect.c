/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "router/detect.h"

#include <string.h>

/* what each longer beginning of @text says, until it is told */
static void becomes(const char *text, enum detect want)
{
	size_t n = 0;

	while (detect(text, n) == DETECT_MORE) {
		assert_true(n < strlen(text));
		n++;
	}
	assert_int_equal(detect(text, n), want);
	assert_int_equal(detect(text, strlen(text)), want);
	assert_true(n < DETECT_MAX);
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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(protocols),
					    cmocka_unit_test(enough) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
