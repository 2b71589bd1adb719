/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/proxyreq.h"

#include <errno.h>
#include <string.h>

/* What a server gets of @text, as a string (returned, caller frees); NULL: rc
 */
static char *forwarded(const char *text, struct socks_dst *dst, int *rc)
{
	struct buf head;
	char *out = NULL;

	buf_init(&head, PROXYREQ_HEAD_MAX);
	*rc = proxyreq_parse((const uint8_t *)text, strlen(text), dst, &head);
	if (*rc > 0)
		out = xstrndup((const char *)buf_data(&head), head.len);
	buf_fini(&head);
	return out;
}

static void becomes(const char *text, const char *wanted, const char *host,
		    uint16_t port)
{
	struct socks_dst d;
	char addr[IPADDR_STRLEN];
	int rc;
	auto_free char *got = forwarded(text, &d, &rc);

	assert_non_null(got);
	assert_string_equal(got, wanted);
	assert_string_equal(d.host[0] ? d.host : ipaddr_str(&d.addr, addr),
			    host);
	assert_int_equal(d.port, port);
}

static void fails(const char *text, int wanted)
{
	struct socks_dst d;
	int rc;
	auto_free char *got = forwarded(text, &d, &rc);

	assert_null(got);
	assert_int_equal(rc, wanted);
}

static void a_request_is_the_servers(void **state)
{
	(void)state;
	becomes("GET http://web/a?b=c HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n",
		"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX: y\r\n"
		"Connection: close\r\n\r\n",
		"web", 80);
	becomes("GET HTTP://web:8080 HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: web:8080\r\nConnection: close\r\n\r\n",
		"web", 8080);
	becomes("GET http://[fd96::1]?q HTTP/1.1\r\n\r\n",
		"GET /?q HTTP/1.1\r\nHost: [fd96::1]\r\n"
		"Connection: close\r\n\r\n",
		"fd96::1", 80);
	becomes("GET http://[fd96::1]:81/ HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [fd96::1]:81\r\n"
		"Connection: close\r\n\r\n",
		"fd96::1", 81);
	becomes("OPTIONS http://10.96.0.1 HTTP/1.1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: 10.96.0.1\r\n"
		"Connection: close\r\n\r\n",
		"10.96.0.1", 80);
}

static void what_is_the_proxys_stays_here(void **state)
{
	(void)state;
	becomes("POST http://web/ HTTP/1.1\r\nConnection: X-Own,Content-Length "
		","
		"upgrade\r\nx-own: 1\r\nx-owner: 2\r\ncontent-length: 3\r\n"
		"Upgrade: h2c\r\nProxy-Connection: keep-alive\r\n"
		"Proxy-Authorization: Basic x\r\nTE: trailers\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: web\r\nx-owner: 2\r\n"
		"content-length: 3\r\nTransfer-Encoding: chunked\r\n"
		"Connection: close\r\n\r\n",
		"web", 80);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"GET http:///x HTTP/1.1\r\n\r\n",
		"GET http://me@web/ HTTP/1.1\r\n\r\n",
		"GET http://web:0/ HTTP/1.1\r\n\r\n",
		"GET http://web:x/ HTTP/1.1\r\n\r\n",
		"GET http://a:b:80/ HTTP/1.1\r\n\r\n",
		"GET http://web/\r\n\r\n",
		"GET http://web/ HTTP/2.0\r\n\r\n",
		"GET http://web/ HTTP/1.10\r\n\r\n",
		"GET http://web/ x HTTP/1.1\r\n\r\n",
		"GET http://web/\n HTTP/1.1\r\n\r\n",
		"GET http://web/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET http://web/ HTTP/1.1\r\nA b\r\n\r\n",
		"GET http://web/ HTTP/1.1\r\nHost : b\r\n\r\n",
		"GET http://web/ HTTP/1.1\r\n: b\r\n\r\n",
		"GET http://web/ HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		fails(bad[i], -EPROTO);
	fails("GET / HTTP/1.1\r\n\r\n", -EOPNOTSUPP);
	fails("GET https://web/ HTTP/1.1\r\n\r\n", -EOPNOTSUPP);
	fails("GET http://web/ HTTP/1.1\r\nA: b\r\n", 0);
}

/* Every byte that may be of a request, in the longest one */
static void the_longest_one(void **state)
{
	static const char start[] = "GET http://w/ HTTP/1.1\r\nA:";
	uint8_t b[SOCKS_HTTP_MAX];
	struct socks_dst d;
	struct buf head;

	(void)state;
	memset(b, 'x', sizeof(b));
	memcpy(b, start, sizeof(start) - 1);
	buf_init(&head, PROXYREQ_HEAD_MAX);
	assert_int_equal(proxyreq_parse(b, sizeof(b) - 1, &d, &head), 0);
	assert_int_equal(proxyreq_parse(b, sizeof(b), &d, &head), -EPROTO);
	memcpy(b + sizeof(b) - 4, "\r\n\r\n", 4);
	assert_int_equal(proxyreq_parse(b, sizeof(b), &d, &head), sizeof(b));
	buf_fini(&head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_the_servers),
		cmocka_unit_test(what_is_the_proxys_stays_here),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(the_longest_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
