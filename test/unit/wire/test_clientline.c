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
	char *rest, *line, who[CLIENTLINE_WHO_MAX];

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(rule_parse(&rule, "80 header:x=1", NULL), 0);
	assert_int_equal(clientline_put_shadow(&b, "0.4.0"), 0);
	assert_int_equal(clientline_put_client(&b, CLIENTLINE_HERE, NULL), 0);
	assert_int_equal(clientline_put_client(&b, 12, "Ann B 100%"), 0);
	assert_int_equal(clientline_put_rule(&b, &rule), 0);
	assert_int_equal(clientline_put_who(&b, clientline_who(who, "forward",
							       "Ann B", "")),
			 0);
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
	line = strsep(&rest, "\n");
	assert_string_equal(line, "who forward Ann%20B -");
	assert_int_equal(clientline_parse(&l, line, NULL), 0);
	assert_int_equal(l.kind, CLIENTLINE_WHO);
	assert_string_equal(l.command, "forward");
	assert_string_equal(l.word, "Ann B");
	assert_string_equal(l.machine, "-");
	buf_fini(&b);
}

/* What a client says of itself is a line like that, or is not passed on */
static void who_is_one_line(void **state)
{
	static const char *const bad[] = { "",	     "a",
					   "a b",    "a b c d",
					   "a b c%", "a%0a b c",
					   " a b c", "a b c\nrule 80 all" };
	char who[CLIENTLINE_WHO_MAX], huge[CLIENTLINE_WORD_MAX + 1];
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(clientline_put_who(&b, bad[i]), -EINVAL);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	memset(huge, '\xc3', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_string_equal(clientline_who(who, "connect", huge, "m"), "");
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
		"who a b",
		"who a b c d",
		"who a  c",
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
		cmocka_unit_test(who_is_one_line),
		cmocka_unit_test(strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
