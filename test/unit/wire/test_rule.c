/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/rule.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static const char *canonical(const char *text)
{
	static char out[RULE_MATCH_MAX];
	struct rule_match m;

	if (rule_match_parse(&m, text, NULL) < 0)
		return "(error)";
	return rule_match_print(&m, out);
}

static void canonical_text(void **state)
{
	(void)state;
	assert_string_equal(canonical("all"), "all");
	assert_string_equal(canonical("header:VERSION=feature-X"),
			    "header:version=feature-X");
	/* sorted, each once; blanks and percent signs are encoded */
	assert_string_equal(canonical("method:get path:/a%20b header:x=1 "
				      "header:X=1 header:a=50%25"),
			    "header:a=50%25 header:x=1 path:/a%20b method:GET");
	assert_string_equal(canonical("header:x=a=b"), "header:x=a=b");
	assert_string_equal(canonical("header:x="), "header:x=");
	assert_string_equal(canonical("header:x=%C3%A4"), "header:x=%C3%A4");
	assert_string_equal(canonical("tracestate:a@b/c=1 baggage:k=v"),
			    "baggage:k=v tracestate:a@b/c=1");
	assert_string_equal(canonical("env:dev.p-1 ENV:dev.p-1 cookie:a=1"),
			    "cookie:a=1 env:dev.p-1");
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"ALL",
		"all ",
		"all header:x=1",
		"header:x=1 all",
		"header:x=1  header:y=1",
		" header:x=1",
		"header:x=1 ",
		"header:x",
		"header:=1",
		"header:a b=1",
		"header:a%20b=1",
		"header:x=%",
		"header:x=%4",
		"header:x=%zz",
		"header:x=%0a",
		"header:x=%00",
		"header:x=%20lead",
		"header:x=trail%20",
		"path:api",
		"env:",
		"env:Dev",
		"env:dev.",
		"env:.dev",
		"env:a..b",
		"env:-a",
		"env:a-",
		"env:a_b",
		"env:a/b",
		"env:dev env:dev.p",
		"env:"
		"a2345678901234567890123456789012345678901234567890123456789"
		"01234",
		"path:",
		"method:",
		"method:G%20T",
		"crumb:a=b",
		"headers:a=b",
		"header",
	};
	char nine[RULE_MATCH_MAX] = "", big[2 * RULE_MATCH_MAX] = "path:/";
	struct rule_match m;
	struct kt_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct kt_error){ 0 };
		if (rule_match_parse(&m, bad[i], &err) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.msg[0]);
	}
	for (int i = 0; i < 9; i++)
		snprintf(nine + strlen(nine), sizeof(nine) - strlen(nine),
			 "%sheader:x%d=1", i ? " " : "", i);
	assert_int_equal(rule_match_parse(&m, nine, &err), -E2BIG);
	memset(big + 6, 'a', RULE_MATCH_MAX);
	assert_int_equal(rule_match_parse(&m, big, &err), -EMSGSIZE);
	/* short enough as it is typed, too long when it is encoded */
	m = (struct rule_match){ 0 };
	memset(big + 6, ' ', RULE_MATCH_MAX / 2);
	big[6 + RULE_MATCH_MAX / 2] = 'x';
	big[7 + RULE_MATCH_MAX / 2] = 0;
	assert_int_equal(rule_match_add(&m, big, &err), -EMSGSIZE);
	assert_int_equal(m.n, 0);
}

static bool has(const char *match, const struct rule_request *req)
{
	struct rule_match m;

	assert_int_equal(rule_match_parse(&m, match, NULL), 0);
	return rule_match_has(&m, req);
}

static void requests(void **state)
{
	const struct rule_field f[] = {
		{ slice_of("Version"), slice_of(" feature-x\t") },
		{ slice_of("X-User"), slice_of("ann") },
		{ slice_of("x-user"), slice_of("bob") },
		{ slice_of("Baggage"),
		  slice_of("a=1;p=2 , kt = feat%20ure%2Dy;q, b=2") },
		{ slice_of("baggage"), slice_of("user=%C3%A4") },
		{ slice_of("tracestate"),
		  slice_of("rojo=00f067,congo=t61rcWkgMzE") },
	};
	const struct rule_request req = { slice_of("POST"),
					  slice_of("/api/v1?x=1"), f,
					  ARRAY_SIZE(f) };
	const struct rule_request bare = { slice_of("GET"), slice_of("/"), NULL,
					   0 };

	(void)state;
	assert_true(has("all", &req));
	assert_true(has("all", NULL));
	assert_false(has("method:POST", NULL));
	assert_true(has("header:VERSION=feature-x", &req));
	assert_false(has("header:version=Feature-x", &req));
	assert_false(has("header:version=feature", &req));
	assert_false(has("header:version=feature-x", &bare));
	assert_false(has("header:versio=feature-x", &req));
	assert_true(has("header:x-user=ann", &req));
	assert_true(has("header:x-user=bob", &req));
	assert_true(has("path:/api", &req));
	assert_true(has("path:/api/v1?x", &req));
	assert_false(has("path:/api/v1?x=12", &req));
	assert_false(has("path:/API", &req));
	assert_true(has("method:post", &req));
	assert_false(has("method:PO", &req));
	assert_true(has("baggage:a=1", &req));
	assert_true(has("baggage:kt=feat%20ure-y", &req));
	assert_true(has("baggage:user=%C3%A4", &req));
	assert_false(has("baggage:p=2", &req));
	assert_false(has("baggage:kt=feat", &req));
	assert_true(has("tracestate:congo=t61rcWkgMzE", &req));
	assert_false(has("tracestate:congo=t61", &req));
	/* all terms must hold */
	assert_true(has("header:x-user=ann method:POST path:/", &req));
	assert_false(has("header:x-user=ann method:GET", &req));
}

static void cookies(void **state)
{
	const struct rule_field f[] = {
		{ slice_of("Cookie"), slice_of("a=1; user=ann;b=x=y ;c") },
		{ slice_of("X"), slice_of("user=bob") },
	};
	const struct rule_request req = { slice_of("GET"), slice_of("/"), f,
					  ARRAY_SIZE(f) };
	struct kt_error err = { 0 };
	struct rule_match m = { 0 };

	(void)state;
	assert_true(has("cookie:user=ann", &req));
	assert_true(has("cookie:a=1 cookie:b=x=y", &req));
	assert_false(has("cookie:User=ann", &req));
	assert_false(has("cookie:user=an", &req));
	assert_false(has("cookie:user=bob", &req));
	assert_false(has("cookie:c=1", &req));
	assert_true(has("header:cookie=a=1;%20user=ann;b=x=y%20;c", &req));
	assert_int_equal(rule_match_add(&m, "cookie:a=b;c", &err), -EINVAL);
	assert_string_equal(canonical("cookie:a=b baggage:k=v"),
			    "baggage:k=v cookie:a=b");
}

/* a preflight goes where the request will go that it asks for */
static void preflights(void **state)
{
	const struct rule_field f[] = {
		{ slice_of("Origin"), slice_of("http://a") },
		{ slice_of("Access-Control-Request-Method"), slice_of("POST") },
		{ slice_of("Access-Control-Request-Headers"),
		  slice_of("content-type, version,authorization,baggage") },
	};
	const struct rule_request ask = { slice_of("OPTIONS"), slice_of("/api"),
					  f, 3 };
	const struct rule_request get = { slice_of("GET"), slice_of("/api"), f,
					  3 };
	const struct rule_request other = { slice_of("OPTIONS"),
					    slice_of("/api"), f, 2 };
	const struct rule_request no_method = { slice_of("OPTIONS"),
						slice_of("/api"), f + 2, 1 };

	(void)state;
	assert_true(has("header:VERSION=m1", &ask));
	assert_true(has("header:VERSION=m1 path:/api", &ask));
	assert_false(has("header:VERSION=m1 path:/x", &ask));
	assert_false(has("header:ver=m1", &ask));
	assert_false(has("header:VERSION=m1", &get));
	assert_false(has("header:VERSION=m1", &other));
	assert_false(has("header:VERSION=m1", &no_method));
	/* what all programs send: everybody's would come along */
	assert_false(has("header:authorization=x", &ask));
	assert_false(has("header:baggage=x", &ask));
	assert_false(has("baggage:a=b", &ask));
	assert_false(has("cookie:a=b", &ask));
}

static bool overlap(const char *a, const char *b)
{
	struct rule_match x, y;

	assert_int_equal(rule_match_parse(&x, a, NULL), 0);
	assert_int_equal(rule_match_parse(&y, b, NULL), 0);
	assert_int_equal(rule_match_overlaps(&x, &y),
			 rule_match_overlaps(&y, &x));
	return rule_match_overlaps(&x, &y);
}

static void overlaps(void **state)
{
	(void)state;
	assert_true(overlap("all", "all"));
	assert_false(overlap("all", "header:v=1"));
	assert_true(overlap("header:v=1", "header:V=1"));
	assert_true(overlap("header:v=1", "header:v=1 path:/"));
	assert_true(overlap("header:v=1 method:GET", "header:v=1 path:/"));
	assert_false(
		overlap("header:v=1 method:GET", "header:v=1 method:POST"));
	assert_false(overlap("header:v=1", "header:v=2"));
	assert_false(overlap("header:v=1 path:/", "header:v=2 path:/"));
	assert_false(overlap("header:v=1", "cookie:v=1"));
	assert_true(overlap("path:/api", "path:/api/v2"));
	assert_false(overlap("path:/api", "path:/web"));
	assert_true(overlap("path:/", "header:v=1"));
	assert_false(overlap("path:/api", "header:v=1"));
	assert_true(overlap("path:/api", "header:v=1 path:/api"));
	assert_false(overlap("baggage:k=1", "baggage:k=2"));
	/* a field may be there twice */
	assert_true(overlap("header:v=1 header:v=2", "header:v=1 header:v=2"));
}

static void whole_rules(void **state)
{
	struct rule a, b;
	char out[RULE_TEXT_MAX];

	(void)state;
	assert_int_equal(rule_parse(&a, "8080 method:GET header:X=1", NULL), 0);
	assert_int_equal(a.port, 8080);
	assert_false(a.udp);
	assert_string_equal(rule_print(&a, out), "8080 header:x=1 method:GET");
	assert_int_equal(rule_parse(&b, "8080 header:x=1 method:get", NULL), 0);
	assert_true(rule_same(&a, &b));
	b.port = 81;
	assert_false(rule_same(&a, &b));
	assert_int_equal(rule_parse(&b, "8080 header:x=2 method:get", NULL), 0);
	assert_false(rule_same(&a, &b));
	assert_int_equal(rule_parse(&a, "53/udp all", NULL), 0);
	assert_true(a.udp);
	assert_string_equal(rule_print(&a, out), "53/udp all");
	assert_int_equal(rule_parse(&b, "53 all", NULL), 0);
	assert_false(rule_same(&a, &b));
	assert_int_equal(rule_parse(&a, "53/udp path:/", NULL), -EINVAL);
	assert_int_equal(rule_parse(&a, "0 all", NULL), -EINVAL);
	assert_int_equal(rule_parse(&a, "65536 all", NULL), -EINVAL);
	assert_int_equal(rule_parse(&a, "80/tcp all", NULL), -EINVAL);
	assert_int_equal(rule_parse(&a, "80", NULL), -EINVAL);
	assert_int_equal(rule_parse(&a, "", NULL), -EINVAL);
}

static void copies(void **state)
{
	static const char *const bad[] = {
		"80/copy all",	     "80/copy= all",	     "80/copy=0 all",
		"80/copy=101 all",   "80/copy=-1 all",	     "80/copy=1.5 all",
		"80/copy=5/udp all", "80/udp/copy=5 all",    "/copy=5 all",
		"80/copy=5",	     "80/copy=5/copy=5 all",
	};
	struct rule a, b;
	char out[RULE_TEXT_MAX];

	(void)state;
	assert_int_equal(rule_parse(&a, "80/copy=25 all", NULL), 0);
	assert_int_equal(a.port, 80);
	assert_int_equal(a.copy, 25);
	assert_string_equal(rule_print(&a, out), "80/copy=25 all");
	assert_int_equal(rule_parse(&b, "80 all", NULL), 0);
	assert_int_equal(b.copy, 0);
	assert_false(rule_same(&a, &b));
	assert_int_equal(rule_parse(&b, "80/copy=24 all", NULL), 0);
	assert_false(rule_same(&a, &b));
	assert_int_equal(
		rule_parse(&a, "65535/copy=100 header:X=1 path:/", NULL), 0);
	assert_string_equal(rule_print(&a, out),
			    "65535/copy=100 header:x=1 path:/");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (rule_parse(&a, bad[i], NULL) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void as_typed(void **state)
{
	struct rule_match m = { 0 };
	char out[RULE_MATCH_MAX];

	(void)state;
	assert_int_equal(rule_match_add(&m, "header:x=a b%20", NULL), 0);
	assert_string_equal(rule_match_print(&m, out), "header:x=a%20b%2520");
	assert_string_equal(canonical(out), out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_text), cmocka_unit_test(malformed),
		cmocka_unit_test(requests),	  cmocka_unit_test(cookies),
		cmocka_unit_test(preflights),	  cmocka_unit_test(overlaps),
		cmocka_unit_test(whole_rules),	  cmocka_unit_test(as_typed),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
