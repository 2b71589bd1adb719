/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/process.h"

#include <errno.h>
#include <string.h>

static int run(const char *script, const char *input, size_t max,
	       int64_t timeout, struct process_result *res,
	       struct kt_error *err)
{
	char sh[] = "/bin/sh", c[] = "-c", env[] = "KT_TEST=yes";
	char *text = strdup(script);
	char *argv[] = { sh, c, text, NULL };
	char *extra[] = { env, NULL };
	struct loop *l = loop_new();
	int rc = process_run(l, argv, extra, input, max, timeout, res, err);

	loop_free(l);
	free(text);
	return rc;
}

static void collects_output_status_and_env(void **state)
{
	struct process_result res;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(run("cat; echo $KT_TEST; echo bad >&2; exit 3",
			     "in:", 1000, NS_SEC * 5, &res, &err),
			 0);
	assert_int_equal(res.status, 3);
	assert_string_equal(res.out, "in:yes\n");
	assert_string_equal(res.errout, "bad\n");
	process_result_fini(&res);
}

static void bounds_output_and_time(void **state)
{
	struct process_result res;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(run("yes", NULL, 10000, NS_SEC * 5, &res, &err),
			 -EFBIG);
	assert_int_equal(
		run("exec sleep 20", NULL, 100, NS_MS * 50, &res, &err),
		-ETIMEDOUT);
	assert_non_null(strstr(err.msg, "/bin/sh"));
}

static void names_a_missing_program(void **state)
{
	char prog[] = "kt-no-such-program";
	char *argv[] = { prog, NULL };
	struct loop *l = loop_new();
	struct process_result res;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(
		process_run(l, argv, NULL, NULL, 100, NS_SEC, &res, &err), 0);
	assert_int_equal(res.status, 127);
	assert_non_null(strstr(res.errout, "No such file"));
	process_result_fini(&res);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects_output_status_and_env),
		cmocka_unit_test(bounds_output_and_time),
		cmocka_unit_test(names_a_missing_program),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
