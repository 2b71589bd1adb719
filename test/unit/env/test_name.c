/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "env/name.h"

#include <string.h>

static void whole(const char *name, const char *parent, const char *want)
{
	struct kt_error err = { 0 };
	auto_free char *got = env_name_make(name, parent, &err);

	if (!want) {
		assert_null(got);
		assert_true(err.msg[0]);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_whole_name(void **state)
{
	(void)state;
	whole("pr-42", NULL, "pr-42");
	whole("pr-42", "", "pr-42");
	whole("pr-42", "dev", "dev.pr-42");
	whole("me", "dev.pr-42", "dev.pr-42.me");
	/* it has been said already */
	whole("dev.pr-42", "dev", "dev.pr-42");
	/* no parent, only the same beginning */
	whole("devel", "dev", "dev.devel");
	whole("a234567890123456789012345678901234567890", NULL,
	      "a234567890123456789012345678901234567890");
}

static void test_wrong_name(void **state)
{
	(void)state;
	whole("", NULL, NULL);
	whole("PR-42", NULL, NULL);
	whole("pr_42", NULL, NULL);
	whole("-pr", NULL, NULL);
	whole("pr.", NULL, NULL);
	whole("a..b", NULL, NULL);
	whole("pr 42", NULL, NULL);
	whole("pr\n", NULL, NULL);
	whole("pr-42", "Dev", NULL);
	whole("", "dev", NULL);
	whole("dev", "dev", NULL);
	whole("a2345678901234567890123456789012345678901", NULL, NULL);
	whole("a2345678901234567890", "b2345678901234567890", NULL);
}

static void test_tail(void **state)
{
	(void)state;
	assert_true(env_name_is_tail("dev.pr-42", "dev.pr-42"));
	assert_true(env_name_is_tail("dev.pr-42", "pr-42"));
	assert_true(env_name_is_tail("a.b.c", "b.c"));
	assert_false(env_name_is_tail("dev.pr-42", "42"));
	assert_false(env_name_is_tail("dev.pr-42", "r-42"));
	assert_false(env_name_is_tail("dev.pr-42", ""));
	assert_false(env_name_is_tail("dev.pr-42", ".pr-42"));
	assert_false(env_name_is_tail("dev", "x.dev"));
}

static void test_service_name(void **state)
{
	static const char *const longest =
		"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t";
	char a[ENV_SERVICE_MAX], b[ENV_SERVICE_MAX];

	(void)state;
	assert_string_equal(env_name_service("dev.pr-42", a),
			    "kt-env-dev--pr-42");
	/* those would be the same */
	assert_string_not_equal(env_name_service("dev--pr", a),
				env_name_service("dev.pr", b));
	assert_true(strncmp(a, "kt-env-dev--pr-", 15) == 0);
	env_name_service(longest, a);
	assert_int_equal(strlen(a), 63);
	env_name_service("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.u", b);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_name),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_service_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
