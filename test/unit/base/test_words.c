/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/words.h"

#include <errno.h>

static void expect(const char *text, const char *joined)
{
	struct strv words;
	char *got;

	assert_int_equal(words_split(text, &words), 0);
	got = words.n ? strv_join(&words, "|") : xstrdup("");
	assert_string_equal(got, joined);
	free(got);
	strv_fini(&words);
}

static void splits_as_a_shell_does(void **state)
{
	(void)state;
	expect("", "");
	expect(" \t ", "");
	expect("a", "a");
	expect("  a  b\tc\n", "a|b|c");
	expect("/bin/sh -c 'echo $A; b \"c\"'", "/bin/sh|-c|echo $A; b \"c\"");
	expect("a'b c'd", "ab cd");
	expect("'' \"\"", "|");
	expect("\"a \\\" b\" c\\ d '\\'", "a \" b|c d|\\");
}

static void refuses_what_is_not_closed(void **state)
{
	static const char *const wrong[] = { "'a", "a \"b", "a\\", "\"a\\\"" };
	struct strv words;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(words_split(wrong[i], &words), -EINVAL);
}

/* What is quoted for a shell is one word again */
static void takes_what_was_quoted(void **state)
{
	static const char *const all[] = { "",	 "a",	 "a b", "it's",
					   "\\", "$(x)", "\"",	"a\tb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char *quoted = words_quote(all[i]);

		expect(quoted, all[i]);
		free(quoted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_as_a_shell_does),
		cmocka_unit_test(refuses_what_is_not_closed),
		cmocka_unit_test(takes_what_was_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
