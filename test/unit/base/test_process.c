/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fdlimit.h"
#include "base/mem.h"
#include "base/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* we have as many descriptors as we may; a child as many as we got */
static void children_get_the_old_limit(void **state)
{
	struct process_result res;
	struct kt_error err = { 0 };
	struct rlimit rl;
	int fd, last;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = 200;
	rl.rlim_max = MIN(rl.rlim_max, (rlim_t)1000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	assert_int_equal(fdlimit_usable(), 200 - FDLIMIT_KEPT);
	fdlimit_raise();
	fdlimit_raise(); /* once more changes nothing */
	assert_int_equal(fdlimit_usable(), rl.rlim_max - FDLIMIT_KEPT);
	assert_int_equal(run("ulimit -Sn; ulimit -Hn", NULL, 1000, NS_SEC * 5,
			     &res, &err),
			 0);
	assert_string_equal(res.out, "200\n1000\n");
	process_result_fini(&res);
	/* some stay free for what is no connection */
	for (last = -1; (fd = fdlimit_reserve(0)) >= 0; last = fd)
		;
	assert_int_equal(fd, -EMFILE);
	assert_int_equal(last, rl.rlim_max - FDLIMIT_KEPT - 1);
	assert_int_equal(fdlimit_take(dup(0)), -EMFILE);
	close(last);
	assert_int_equal(fdlimit_take(dup(0)), last);
	for (int i = 0; i < FDLIMIT_KEPT; i++)
		assert_true(dup(0) >= 0);
	assert_int_equal(dup(0), -1);
	for (int i = 3; i < (int)rl.rlim_max; i++)
		close(i);
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

/* Where the kernel waits for children itself, nobody knows how they ended: that
 * is no success */
static void an_unknown_end_is_a_failure(void **state)
{
	struct process_result res;
	struct kt_error err = { 0 };

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run("echo x", NULL, 1000, NS_SEC * 5, &res, &err), 0);
	signal(SIGCHLD, SIG_DFL);
	assert_int_not_equal(res.status, 0);
	assert_string_equal(res.out, "x\n");
	process_result_fini(&res);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects_output_status_and_env),
		cmocka_unit_test(bounds_output_and_time),
		cmocka_unit_test(names_a_missing_program),
		cmocka_unit_test(an_unknown_end_is_a_failure),
		cmocka_unit_test(children_get_the_old_limit),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
