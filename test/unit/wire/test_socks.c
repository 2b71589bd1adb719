/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/socks.h"

#include <errno.h>
#include <string.h>

#define BYTES(s) ((const uint8_t *)(s)), (sizeof(s) - 1)

static void test_greeting(void **state)
{
	bool no_auth;

	(void)state;
	assert_int_equal(socks_parse_greeting(BYTES("\5\1\0more"), &no_auth),
			 3);
	assert_true(no_auth);
	assert_int_equal(socks_parse_greeting(BYTES("\5\2\1\2"), &no_auth), 4);
	assert_false(no_auth);
	assert_int_equal(socks_parse_greeting(BYTES(""), &no_auth), 0);
	assert_int_equal(socks_parse_greeting(BYTES("\5"), &no_auth), 0);
	assert_int_equal(socks_parse_greeting(BYTES("\5\2\0"), &no_auth), 0);
	assert_int_equal(socks_parse_greeting(BYTES("\5\0"), &no_auth),
			 -EPROTO);
	assert_int_equal(socks_parse_greeting(BYTES("\4\1"), &no_auth),
			 -EPROTO);
}

static void check_request(const void *bytes, size_t len, const char *host,
			  const char *addr)
{
	char text[IPADDR_STRLEN];
	struct socks_request r;

	/* every shorter one needs more, none is read past its end */
	for (size_t n = 0; n < len; n++) {
		auto_free uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, bytes, n);
		assert_int_equal(socks_parse_request(copy, n, &r), 0);
	}
	assert_int_equal(socks_parse_request(bytes, len, &r), len);
	assert_int_equal(r.command, SOCKS_CONNECT);
	assert_string_equal(r.dst.host, host);
	assert_string_equal(ipaddr_str(&r.dst.addr, text), addr);
	assert_int_equal(r.dst.port, 80);
}

static void test_request(void **state)
{
	struct socks_request r;

	(void)state;
	check_request(BYTES("\5\1\0\1\12\140\0\1\0\120"), "", "10.96.0.1");
	check_request(
		BYTES("\5\1\0\4\375\226\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\120"), "",
		"fd96::1");
	check_request(BYTES("\5\1\0\3\6a.demo\0\120"), "a.demo", "(none)");
	check_request(BYTES("\5\1\0\3\0111.2.3.100\0\120"), "", "1.2.3.100");
	assert_int_equal(socks_parse_request(BYTES("\5\1\0\2\0\0"), &r),
			 -EAFNOSUPPORT);
	assert_int_equal(socks_parse_request(BYTES("\5\1\0\3\0\0\120"), &r),
			 -EPROTO);
	assert_int_equal(socks_parse_request(BYTES("\5\1\0\3\3a\0b\0\120"), &r),
			 -EPROTO);
	assert_int_equal(socks_parse_request(BYTES("\1\1"), &r), -EPROTO);
}

static void test_longest_name(void **state)
{
	uint8_t b[SOCKS_MESSAGE_MAX];
	struct socks_request r;

	(void)state;
	memcpy(b, "\5\1\0\3\377", 5);
	memset(b + 5, 'x', 255);
	memcpy(b + 260, "\1\2", 2);
	assert_int_equal(socks_parse_request(b, sizeof(b), &r), sizeof(b));
	assert_int_equal(strlen(r.dst.host), 255);
	assert_int_equal(r.dst.port, 258);
}

static void test_udp(void **state)
{
	struct socks_dst d;
	struct ipport from;
	uint8_t out[SOCKS_HEAD_MAX];

	(void)state;
	assert_int_equal(
		socks_parse_udp(BYTES("\0\0\0\1\1\2\3\4\0\65data"), &d), 10);
	assert_int_equal(d.port, 53);
	assert_int_equal(
		socks_parse_udp(BYTES("\0\0\1\1\1\2\3\4\0\65data"), &d),
		-EPROTO);
	assert_int_equal(socks_parse_udp(BYTES("\0\0\0\1\1\2"), &d), -EPROTO);
	assert_int_equal(ipport_parse(&from, "1.2.3.4:53"), 0);
	assert_int_equal(socks_build_udp(&from, out), 10);
	assert_memory_equal(out, "\0\0\0\1\1\2\3\4\0\65", 10);
	assert_int_equal(ipport_parse(&from, "[fd96::1]:53"), 0);
	assert_int_equal(socks_build_udp(&from, out), 22);
}

static void test_http(void **state)
{
	static const char *const bad[] = {
		"CONNECT a.demo HTTP/1.1\r\n\r\n",
		"CONNECT a.demo: HTTP/1.1\r\n\r\n",
		"CONNECT :80 HTTP/1.1\r\n\r\n",
		"CONNECT a.demo:65536 HTTP/1.1\r\n\r\n",
		"CONNECT a.demo:0 HTTP/1.1\r\n\r\n",
		"CONNECT a.demo:8x HTTP/1.1\r\n\r\n",
		"CONNECT fd96::1:80 HTTP/1.1\r\n\r\n",
		"CONNECT [fd96::1:80 HTTP/1.1\r\n\r\n",
		"CONNECT [a.demo]:80 HTTP/1.1\r\n\r\n",
		"CONNECT a.demo:80\r\n\r\n",
		"CONNECT \r\n\r\n",
		"CONNECT a.demo:80 FTP/1.1\r\n\r\n",
	};
	static const char good[] = "CONNECT a.demo:80 HTTP/1.1\r\n"
				   "Host: a.demo:80\r\n\r\nearly";
	char text[IPADDR_STRLEN];
	struct socks_dst d;

	(void)state;
	for (size_t n = 1; n < sizeof(good) - 6; n++)
		assert_int_equal(socks_parse_http((const uint8_t *)good, n, &d),
				 0);
	assert_int_equal(socks_parse_http(BYTES(good), &d), sizeof(good) - 6);
	assert_string_equal(d.host, "a.demo");
	assert_int_equal(d.port, 80);
	assert_true(socks_parse_http(
			    BYTES("CONNECT [fd96::1]:443 HTTP/1.0\r\n\r\n"),
			    &d) > 0);
	assert_string_equal(ipaddr_str(&d.addr, text), "fd96::1");
	assert_string_equal(d.host, "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(socks_parse_http((const uint8_t *)bad[i],
						  strlen(bad[i]), &d),
				 -EPROTO);
	assert_int_equal(socks_parse_http(BYTES("GET / HTTP/1.1\r\n\r\n"), &d),
			 -EOPNOTSUPP);
}

static void test_http_endless(void **state)
{
	uint8_t b[SOCKS_HTTP_MAX];
	struct socks_dst d;

	(void)state;
	memset(b, 'x', sizeof(b));
	memcpy(b, "CONNECT ", 8);
	assert_int_equal(socks_parse_http(b, sizeof(b) - 1, &d), 0);
	assert_int_equal(socks_parse_http(b, sizeof(b), &d), -EPROTO);
}

static void test_replies(void **state)
{
	static const struct {
		int errnum;
		uint8_t code;
	} cases[] = {
		{ 0, 0 },	    { ECONNREFUSED, 5 }, { EHOSTUNREACH, 4 },
		{ ENETUNREACH, 3 }, { ETIMEDOUT, 6 },	 { EACCES, 2 },
		{ EOPNOTSUPP, 7 },  { EAFNOSUPPORT, 8 }, { EIO, 1 },
		{ ENOENT, 4 },
	};
	uint8_t out[SOCKS_HEAD_MAX];
	struct ipport at;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(socks_build_reply(cases[i].errnum, NULL, out),
				 10);
		assert_int_equal(out[0], 5);
		assert_int_equal(out[1], cases[i].code);
		assert_memory_equal(out + 2, "\0\1\0\0\0\0\0\0", 8);
	}
	assert_int_equal(ipport_parse(&at, "127.0.0.1:1080"), 0);
	socks_build_reply(0, &at, out);
	assert_memory_equal(out, "\5\0\0\1\177\0\0\1\4\70", 10);
	assert_memory_equal(socks_http_reply(0), "HTTP/1.1 200 ", 13);
	assert_memory_equal(socks_http_reply(ETIMEDOUT), "HTTP/1.1 504 ", 13);
	assert_memory_equal(socks_http_reply(EIO), "HTTP/1.1 502 ", 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_endless),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
