/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "kube/yamltree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The tree as compact JSON with sorted keys, or the error's sentence. */
static const char *parse(const char *text)
{
	static char out[2048];
	struct kt_error err = { 0 };
	json_t *v = yaml_parse(text, strlen(text), "f", &err);
	char *s;

	if (!v) {
		assert_int_not_equal(err.code, 0);
		snprintf(out, sizeof(out), "%s", err.msg);
		return out;
	}
	s = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	snprintf(out, sizeof(out), "%s", s);
	free(s);
	json_decref(v);
	return out;
}

static void makes_trees(void **state)
{
	(void)state;
	assert_string_equal(parse(""), "null");
	assert_string_equal(parse("a: 1\nb: [x, true, null, ~, '1', 01, 1.50]"),
			    "{\"a\":1,\"b\":[\"x\",true,null,null,\"1\","
			    "\"01\",\"1.50\"]}");
	assert_string_equal(parse("- a:\n    b: c\n-\n"),
			    "[{\"a\":{\"b\":\"c\"}},null]");
	assert_string_equal(parse("{\"k\": [1, {\"x\": \"y\\u00e9\"}]}"),
			    "{\"k\":[1,{\"x\":\"y\xc3\xa9\"}]}");
	assert_string_equal(parse("a: |\n  two\n  lines\n"),
			    "{\"a\":\"two\\nlines\\n\"}");
	assert_string_equal(parse("a: 99999999999999999999"),
			    "{\"a\":\"99999999999999999999\"}");
}

static void resolves_anchors_and_merges(void **state)
{
	(void)state;
	assert_string_equal(parse("a: &x {k: v}\nb: *x\n"),
			    "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"}}");
	assert_string_equal(parse("a: &x {k: v, l: w}\nb: {<<: *x, l: own}\n"),
			    "{\"a\":{\"k\":\"v\",\"l\":\"w\"},"
			    "\"b\":{\"k\":\"v\",\"l\":\"own\"}}");
	assert_string_equal(parse("a: *nope\n"),
			    "f:1: an alias without an anchor");
}

static void names_file_and_line(void **state)
{
	(void)state;
	assert_non_null(strstr(parse("a: b\nc: [1\nd: e\n"), "f:3: "));
	assert_non_null(strstr(parse("a:\n\t- b\n"), "f:2: "));
	assert_non_null(strstr(parse("? [x]\n: y\n"), "f:1: a key"));
	assert_non_null(strstr(parse("a: \"\\0\"\n"), "f:1: a NUL"));
	assert_non_null(strstr(parse("a: \xff\n"), "f:"));
}

static void bounds_depth_and_aliases(void **state)
{
	char deep[400], *p = deep;
	char bomb[1024];
	size_t n;

	(void)state;
	for (int i = 0; i < 150; i++)
		*p++ = '[';
	*p = '\0';
	assert_string_equal(parse(deep), "f:1: nested too deeply");

	n = (size_t)snprintf(bomb, sizeof(bomb),
			     "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 12; i++)
		n += (size_t)snprintf(bomb + n, sizeof(bomb) - n,
				      "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d]\n",
				      i, i, i - 1, i - 1, i - 1, i - 1, i - 1);
	assert_non_null(strstr(parse(bomb), "too many values"));
}

static void bounds_size(void **state)
{
	struct kt_error err = { 0 };

	(void)state;
	assert_null(yaml_parse("", YAML_MAX_SIZE + 1, "f", &err));
	assert_int_equal(err.code, EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_trees),
		cmocka_unit_test(resolves_anchors_and_merges),
		cmocka_unit_test(names_file_and_line),
		cmocka_unit_test(bounds_depth_and_aliases),
		cmocka_unit_test(bounds_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
