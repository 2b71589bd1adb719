/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/clientline.h"

#include <errno.h>
#include <string.h>

static void what_is_written_is_read(void **state)
{
	struct clientline l;
	struct rule rule;
	struct buf b;
	char *rest, *line;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(rule_parse(&rule, "80 header:x=1", NULL), 0);
	assert_int_equal(clientline_put_shadow(&b, "0.4.0"), 0);
	assert_int_equal(clientline_put_client(&b, CLIENTLINE_HERE, NULL), 0);
	assert_int_equal(clientline_put_client(&b, 12, "Ann B 100%"), 0);
	assert_int_equal(clientline_put_rule(&b, &rule), 0);
	assert_int_equal(buf_put(&b, "", 1), 0);
	rest = (char *)buf_data(&b);

	line = strsep(&rest, "\n");
	assert_string_equal(line, "shadow 0.4.0");
	assert_int_equal(clientline_parse(&l, line, NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_SHADOW);
	assert_string_equal(l.word, "0.4.0");
	line = strsep(&rest, "\n");
	assert_string_equal(line, "client out here");
	assert_int_equal(clientline_parse(&l, line, NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_CLIENT);
	assert_false(l.inbound);
	assert_int_equal(l.away, CLIENTLINE_HERE);
	assert_int_equal(clientline_parse(&l, strsep(&rest, "\n"), NULL), 0);
	assert_true(l.inbound);
	assert_int_equal(l.away, 12);
	assert_string_equal(l.word, "Ann B 100%");
	assert_int_equal(clientline_parse(&l, strsep(&rest, "\n"), NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_RULE);
	assert_true(rule_same(&l.rule, &rule));
	buf_fini(&b);
}

static void strictly(void **state)
{
	const char *const bad[] = {
		"shadow ",
		"client ",
		"client out",
		"client in here",
		"client in here ",
		"client out here x",
		"client up here",
		"client out -1",
		"client out 1x",
		"client in 3 a b",
		"client in here a%0",
		"client in here a%07",
		"rule 0 all",
		"rule",
	};
	struct clientline l;
	struct kt_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad) - 1; i++) {
		err = (struct kt_error){ 0 };
		assert_int_equal(clientline_parse(&l, bad[i], &err), -EINVAL);
		assert_true(*err.msg);
	}
	/* of a newer shadow */
	assert_int_equal(clientline_parse(&l, "weather fine", NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_OTHER);
	assert_int_equal(clientline_parse(&l, "", NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
