/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/rulesample.h"

#include "base/mem.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>

#define REQUEST_MAX 8192

/* The request of @text, read as the router reads it, has the mark; @line: how
 * it begins */
static void expect_request(const char *text, const char *line)
{
	static struct http1_head h;
	struct rule_field fields[16];
	struct rule_request req = { .field = fields };
	struct rule_match m;
	struct buf b;
	uint64_t body;

	buf_init(&b, REQUEST_MAX);
	assert_int_equal(rule_match_parse(&m, text, NULL), 0);
	assert_int_equal(rulesample_put(&b, &m, "web"), 0);
	assert_int_equal(http1_parse_request(&h, buf_data(&b), b.len), b.len);
	assert_int_equal(http1_request_body(&h, &body), HTTP1_NO_BODY);
	assert_memory_equal(buf_data(&b), line, strlen(line));
	assert_true(h.nfields <= ARRAY_SIZE(fields));
	for (size_t i = 0; i < h.nfields; i++)
		fields[i] = (struct rule_field){ h.fields[i].name,
						 h.fields[i].value };
	req.nfields = h.nfields;
	req.method = h.method;
	req.path = h.target;
	assert_true(rule_match_has(&m, &req));
	buf_fini(&b);
}

static void has_the_mark(void **state)
{
	(void)state;
	expect_request("header:version=m1", "HEAD / HTTP/1.1\r\nHost: web\r\n");
	expect_request("header:version=a%20b", "HEAD / ");
	expect_request("header:version=", "HEAD / ");
	expect_request("header:host=shop.test",
		       "HEAD / HTTP/1.1\r\nhost: shop.test\r\n");
	expect_request("path:/api path:/api/v1 method:post",
		       "POST /api/v1 HTTP/1.1\r\n");
	expect_request("cookie:user=ann cookie:x=1 header:a=b", "HEAD / ");
	expect_request("baggage:user=ann tracestate:a@b/c=1", "HEAD / ");
	expect_request("env:dev.me", "HEAD / ");
	expect_request("env:dev.me baggage:user=ann header:version=x",
		       "HEAD / ");
}

static void expect_none(const char *text)
{
	struct rule_match m;
	struct buf b;

	buf_init(&b, REQUEST_MAX);
	assert_int_equal(rule_match_parse(&m, text, NULL), 0);
	assert_int_equal(rulesample_put(&b, &m, "web"), -EOPNOTSUPP);
	buf_fini(&b);
}

static void has_none(void **state)
{
	(void)state;
	expect_none("method:GET method:POST");
	expect_none("path:/a path:/b");
	expect_none("path:/a%20b");
	expect_none("method:CONNECT");
	expect_none("header:content-length=5");
	expect_none("header:transfer-encoding=chunked");
	expect_none("header:expect=100-continue");
	expect_none("header:version=%C3%A4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_mark),
		cmocka_unit_test(has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
