/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "kube/encode.h"
#include "kube/rest.h"

#include <stdlib.h>
#include <string.h>

static void base64_round_trips(void **state)
{
	uint8_t data[70];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t n = 0; n < sizeof(data); n++) {
		char *b64 = base64_encode(data, n), *back;
		size_t len;

		back = base64_decode(b64, &len);
		assert_non_null(back);
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
		free(back);
		free(b64);
	}
}

static void base64_refuses(void **state)
{
	size_t n;
	char *s;

	(void)state;
	assert_null(base64_decode("abc", &n));
	assert_null(base64_decode("ab*=", &n));
	assert_null(base64_decode("a===", &n));
	assert_null(base64_decode("====", &n));
	s = base64_decode(" aGVs\nbG8= \n", &n);
	assert_string_equal(s, "hello");
	free(s);
}

static void check_path(char *path, const char *want)
{
	assert_string_equal(path, want);
	free(path);
}

static void builds_paths(void **state)
{
	(void)state;
	check_path(kube_path("v1", "pods", "ns", "a b", "log"),
		   "/api/v1/namespaces/ns/pods/a%20b/log");
	check_path(kube_path("apps/v1", "deployments", NULL, NULL, NULL),
		   "/apis/apps/v1/deployments");
	check_path(kube_path("v1", "pods", "../x", "?y#%", NULL),
		   "/api/v1/namespaces/..%2Fx/pods/%3Fy%23%25");
	check_path(kube_query(kube_query(NULL, "labelSelector", "a=b,c=d"),
			      "limit", "5"),
		   "labelSelector=a%3Db%2Cc%3Dd&limit=5");
}

static void reads_times(void **state)
{
	char text[RFC3339_STRLEN];

	(void)state;
	assert_int_equal(rfc3339_parse("1970-01-01T00:00:10Z"), 10);
	assert_int_equal(rfc3339_parse("2026-11-22T18:00:00.5Z"), 1795370400);
	assert_int_equal(rfc3339_parse("2026-11-22T19:00:00+01:00"),
			 1795370400);
	assert_int_equal(rfc3339_parse("2026-11-22T16:30:00-01:30"),
			 1795370400);
	assert_int_equal(rfc3339_parse("yesterday"), -1);
	assert_int_equal(rfc3339_parse("2026-11-22T18:00:00"), -1);
	assert_string_equal(rfc3339_format(1795370400, text),
			    "2026-11-22T18:00:00Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_round_trips),
		cmocka_unit_test(base64_refuses),
		cmocka_unit_test(builds_paths),
		cmocka_unit_test(reads_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
