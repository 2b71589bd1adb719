/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong values, of every flag of every command by its row: each is refused with
 * one clear line. */
#include "test.h"

#include "base/mem.h"
#include "base/print.h"
#include "cli/command.h"
#include "cli/value.h"

#include <errno.h>
#include <string.h>

#include "wrong.h"

#define HUGE ((size_t)1 << 20)

static void assert_wrong(const struct option *opt, const char *text)
{
	struct kt_error err = { 0 };
	char shown[sizeof(err.msg) * 2];

	if (value_check(opt, text, &err) != -EINVAL)
		fail_msg("--%s takes '%.40s'", opt->name, text);
	if (!err.msg[0] || strlen(err.msg) > 300)
		fail_msg("--%s, '%.40s': '%s'", opt->name, text, err.msg);
	/* it goes to the terminal as it is */
	print_clean(shown, sizeof(shown), err.msg, strlen(err.msg));
	if (strcmp(shown, err.msg) != 0)
		fail_msg("--%s: %s", opt->name, shown);
}

static void assert_row(const struct option *opt)
{
	static char huge[HUGE + 1];
	char text[32];

	memset(huge, '1', HUGE);
	assert_wrong(opt, huge);
	assert_wrong(opt, "1\n2");
	assert_wrong(opt, "a=\033[2J");
	assert_wrong(opt, "\177");
	for (size_t i = 0; wrong_of_type[opt->type][i]; i++)
		assert_wrong(opt, wrong_of_type[opt->type][i]);
	if (opt->type == VALUE_INT) {
		snprintf(text, sizeof(text), "%ld", opt->max + 1);
		assert_wrong(opt, text);
		snprintf(text, sizeof(text), "%ld", opt->min - 1);
		assert_wrong(opt, text);
	}
	if (opt->not_empty)
		assert_wrong(opt, "");
	if (opt->is_name) {
		assert_wrong(opt, "Shop");
		assert_wrong(opt, "a_b");
		assert_wrong(opt, "-a");
		assert_wrong(opt, "a/b");
	}
}

/* Nothing but a control character would be wrong: that is to be meant so */
static void assert_has_wrong(const struct option *opt)
{
	if (!wrong_of_type[opt->type][0] && !opt->is_name && !opt->not_empty &&
	    !wrong_is_free_text(opt))
		fail_msg("--%s: no wrong value is known: give it a type of its "
			 "own (cli/command.h) and its type a row in "
			 "test/unit/cli/wrong.h",
			 opt->name);
}

static void every_flag(void **state)
{
	const struct command *c;
	const struct option *opt;
	size_t rows = 0;

	(void)state;
	for_each_option (opt, global_option_table) {
		assert_row(opt);
		assert_has_wrong(opt);
		rows++;
	}
	for_each_command (c)
		for_each_option (opt, c->options) {
			assert_has_wrong(opt);
			assert_row(opt);
			rows++;
		}
	assert_in_range(rows, 70, 1000);
}

/* What is right stays right: the defaults, and names as Kubernetes has them */
static void defaults_are_right(void **state)
{
	static const char *const names[] = { "a", "shop-2", "0.a.b-c", "" };
	const struct command *c;
	const struct option *opt;

	(void)state;
	for_each_command (c)
		for_each_option (opt, c->options)
			if (!opt->not_empty || *opt->fallback)
				assert_int_equal(
					value_check(opt, opt->fallback, NULL),
					0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(value_check(option_find(global_option_table,
							 "namespace", 9),
					     names[i], NULL),
				 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flag),
		cmocka_unit_test(defaults_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
