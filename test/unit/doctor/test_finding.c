/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "doctor/finding.h"
#include "kube/rest.h"

#include <string.h>

static void counts_and_filters(void **state)
{
	struct kt_error err = { 0 };
	struct findings f;
	const json_t *one;

	(void)state;
	findings_init(&f, false);
	finding_add(&f, "clock", FINDING_OK, NULL, "%d s", 3);
	finding_add(&f, "bad", FINDING_FAIL, "do\x1b[31m this", "a\xff b\n");
	kt_hint(&err, "what to do");
	kt_fail(&err, 1, "what failed");
	finding_error(&f, "err", FINDING_FAIL, &err);
	finding_set_role(&f, "connect");
	assert_int_equal(findings_count(&f, FINDING_OK), 1);
	assert_int_equal(findings_count(&f, FINDING_FAIL), 2);
	assert_int_equal(findings_count(&f, FINDING_WARN), 0);
	one = json_array_get(f.list, 0);
	assert_string_equal(json_str(one, "text", NULL), "3 s");
	assert_null(json_str(one, "remedy", NULL));
	one = json_array_get(f.list, 1);
	assert_string_equal(json_str(one, "text", NULL), "a\\xff b");
	assert_string_equal(json_str(one, "remedy", NULL), "do\\x1b[31m this");
	one = json_array_get(f.list, 2);
	assert_string_equal(json_str(one, "state", NULL), "fail");
	assert_string_equal(json_str(one, "remedy", NULL), "what to do");
	assert_string_equal(json_str(one, "role", NULL), "connect");
	findings_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
