/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "shadow/share.h"

#include <errno.h>
#include <string.h>

static void what_is_said_is_read(void **state)
{
	static const char *const bad[] = {
		"",	      "a",	   "a,b",     "a,b,",
		"a,b,x",      "a,b,-1",	   "A,b,1",   "a,B,1",
		"a,b,1,host", "a,b,1,x y", "a b,c,1", "a,b,99999999999999999999"
	};
	struct kt_error err = { 0 };
	struct share s;

	(void)state;
	assert_int_equal(share_parse(&s, "red.example,dev.r,5", &err), 0);
	assert_string_equal(s.host, "red.example");
	assert_string_equal(s.mark.name, "dev.r");
	assert_string_equal(s.mark.header, "");
	assert_int_equal(s.until, 5);
	assert_int_equal(share_parse(&s, "h,e,0,x-tenant", &err), 0);
	assert_string_equal(s.mark.header, "x-tenant");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(share_parse(&s, bad[i], &err), -EINVAL);
}

static bool takes(const struct share *s, const char *method, const char *host,
		  int64_t now, struct router_said *said)
{
	const struct rule_field field[] = { { slice_of("a"), slice_of("b") },
					    { slice_of("Host"),
					      slice_of(host) } };
	const struct rule_request req = { .method = slice_of(method),
					  .path = slice_of("/"),
					  .field = field,
					  .nfields = 2 };

	*said = (struct router_said){ .text = "" };
	return share_takes(s, &req, now, said);
}

static void who_is_taken(void **state)
{
	struct share s = { .host = "red.example",
			   .mark = { .name = "dev.r" },
			   .until = 100 };
	struct router_said said;

	(void)state;
	assert_true(takes(&s, "GET", "red.example", 99, &said));
	assert_true(takes(&s, "GET", "RED.example:8080", 99, &said));
	assert_false(takes(&s, "GET", "red.example", 100, &said));
	assert_true(said.absent);
	assert_string_equal(said.text, "environment dev.r has ended");
	assert_false(takes(&s, "GET", "red.example.org", 99, &said));
	assert_non_null(strstr(said.text, "no environment"));
	assert_false(takes(&s, "CONNECT", "red.example", 99, &said));
	assert_false(share_takes(&s, NULL, 99, &said));
	s.until = 0;
	assert_true(takes(&s, "GET", "red.example", 1000, &said));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_read),
		cmocka_unit_test(who_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
