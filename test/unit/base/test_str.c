/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

static void numbers_are_whole(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "1x", "0x1", "-", "+1", "99999999999999999999"
	};
	long v;

	(void)state;
	assert_int_equal(str_to_long("-42", &v), 0);
	assert_int_equal(v, -42);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_long(bad[i], &v), -EINVAL);
}

static void ports(void **state)
{
	static const char *const bad[] = { "",	  "0",	 "-1",	 "65536",
					   "80 ", "80x", "http", "4294967376" };
	uint16_t port = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_port(bad[i], &port), -EINVAL);
	assert_int_equal(port, 7);
	assert_int_equal(str_to_port("1", &port), 0);
	assert_int_equal(port, 1);
	assert_int_equal(str_to_port("65535", &port), 0);
	assert_int_equal(port, 65535);
}

static void splits_and_trims(void **state)
{
	auto_strv struct strv s = strv_split(" a, b ,,c,", ',');

	(void)state;
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0], "a");
	assert_string_equal(s.v[1], "b");
	assert_string_equal(s.v[2], "c");
	assert_null(s.v[3]);
	assert_true(strv_has(&s, "b"));
	assert_false(strv_has(&s, ""));
}

static void prefixes_and_suffixes(void **state)
{
	(void)state;
	assert_true(str_starts("kube-dns", "kube"));
	assert_false(str_starts("ku", "kube"));
	assert_true(str_ends("a.svc", ".svc"));
	assert_false(str_ends("svc", ".svc"));
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("a", NULL));
}

static void random_text_is_letters(void **state)
{
	char s[21];

	(void)state;
	str_random(s, 20);
	assert_int_equal(strspn(s, "abcdefghijklmnopqrstuvwxyz"), 20);
}

static void files_are_bounded(void **state)
{
	char path[] = "/tmp/kt-str-XXXXXX";
	int fd = mkstemp(path);
	auto_free char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	text = file_read(path, 100, &n);
	assert_string_equal(text, "hello");
	assert_int_equal(n, 5);
	unlink(path);
	assert_null(file_read(path, 100, &n));
	assert_int_equal(errno, ENOENT);
	assert_null(file_read("/dev/zero", 100000, &n));
	assert_int_equal(errno, EFBIG);
}

static void cuts_and_leaves_as_it_is(void **state)
{
	auto_strv struct strv s = words_cut(" a;;b ", ';');
	auto_strv struct strv none = words_cut("", ';');

	(void)state;
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0], " a");
	assert_string_equal(s.v[1], "");
	assert_string_equal(s.v[2], "b ");
	assert_int_equal(none.n, 1);
	assert_string_equal(none.v[0], "");
}

static void a_shell_takes_it(void **state)
{
	static const char *const rows[][2] = {
		{ "--set=A=b,c", "--set=A=b,c" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "o-{{env}}", "'o-{{env}}'" },
		{ "it's;", "'it'\\''s;'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *text = words_quote(rows[i][0]);

		assert_string_equal(text, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole),
		cmocka_unit_test(ports),
		cmocka_unit_test(splits_and_trims),
		cmocka_unit_test(prefixes_and_suffixes),
		cmocka_unit_test(random_text_is_letters),
		cmocka_unit_test(files_are_bounded),
		cmocka_unit_test(cuts_and_leaves_as_it_is),
		cmocka_unit_test(a_shell_takes_it),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
