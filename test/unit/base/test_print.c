/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"

#include <string.h>

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *in;
	size_t n;
	const char *out;
} cases[] = {
	/* what is left as it is */
	{ TEXT(""), "" },
	{ TEXT("Service demo/web"), "Service demo/web" },
	{ TEXT("a\tb"), "a\tb" },
	{ TEXT("Grüße, 世界 🦀 ✔"), "Grüße, 世界 🦀 ✔" },
	/* a zero-width joiner is part of words and of pictures */
	{ TEXT("👩‍💻"), "👩‍💻" },
	{ TEXT("\xef\xbf\xbd \xf4\x8f\xbf\xbf"),
	  "\xef\xbf\xbd \xf4\x8f\xbf\xbf" },
	/* controls */
	{ TEXT("\33[2J\33]0;title\7"), "\\x1b[2J\\x1b]0;title\\x07" },
	{ TEXT("a\0b\10\177"), "a\\x00b\\x08\\x7f" },
	{ TEXT("\302\233 31m"), "\\u009b 31m" },
	{ TEXT("\302\200\302\237\302\240"), "\\u0080\\u009f\302\240" },
	/* lines */
	{ TEXT("denied\nktctl: all is well\n"), "denied ktctl: all is well" },
	{ TEXT("denied\r\33[Kktctl: all is well\r\n\n"),
	  "denied \\x1b[Kktctl: all is well" },
	{ TEXT("a\342\200\250b\342\200\251c\302\205d"),
	  "a\\u2028b\\u2029c\\u0085d" },
	{ TEXT("a\vb\fc"), "a\\x0bb\\x0cc" },
	/* what turns text around */
	{ TEXT("\342\200\252\342\200\253\342\200\254\342\200\255\342\200\256"),
	  "\\u202a\\u202b\\u202c\\u202d\\u202e" },
	{ TEXT("\342\201\246\342\201\247\342\201\250\342\201\251"),
	  "\\u2066\\u2067\\u2068\\u2069" },
	{ TEXT("\342\200\216\342\200\217\330\234"), "\\u200e\\u200f\\u061c" },
	{ TEXT("\363\240\201\201"), "\\ue0041" },
	/* what is not UTF-8 */
	{ TEXT("\233\377"), "\\x9b\\xff" },
	{ TEXT("\xc0\x9b \xe0\x80\x9b"), "\\xc0\\x9b \\xe0\\x80\\x9b" },
	{ TEXT("\xed\xa0\x80"), "\\xed\\xa0\\x80" },
	{ TEXT("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80" },
	{ TEXT("\xe2\x82"), "\\xe2\\x82" },
	{ TEXT("\xe2\33[m"), "\\xe2\\x1b[m" },
};

static void foreign_text_has_no_power(void **state)
{
	char out[256], again[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n =
			print_clean(out, sizeof(out), cases[i].in, cases[i].n);

		assert_string_equal(out, cases[i].out);
		assert_int_equal(n, strlen(out));
		print_clean(again, sizeof(again), out, n);
		assert_string_equal(again, out);
	}
}

static void it_is_cut_between_characters(void **state)
{
	char out[6];

	(void)state;
	assert_int_equal(print_clean(out, 6, TEXT("abcde")), 5);
	assert_int_equal(print_clean(out, 6, TEXT("abcdef")), 5);
	assert_string_equal(out, "abcde");
	assert_int_equal(print_clean(out, 6, TEXT("abc世")), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(print_clean(out, 6, TEXT("ab\33")), 2);
	assert_int_equal(print_clean(out, 1, TEXT("a")), 0);
	assert_string_equal(out, "");
	assert_int_equal(print_clean(out, 0, TEXT("a")), 0);
}

/* what @say has written to the stream */
static char *said(void (*say)(FILE *f))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	say(f);
	fclose(f);
	return text;
}

static void a_line(FILE *f)
{
	print_line(f, "ktctl: %s", "no\nktctl: yes\33[1A");
}

static void a_long_line(FILE *f)
{
	static char text[10000];

	memset(text, '\1', sizeof(text) - 1);
	print_line(f, "%s", text);
}

static void a_text(FILE *f)
{
	print_text(f, TEXT("a:\n  b\33\n\nlast"));
}

static void lines(void **state)
{
	auto_free char *line = said(a_line), *longest = said(a_long_line),
		       *text = said(a_text);

	(void)state;
	assert_string_equal(line, "ktctl: no ktctl: yes\\x1b[1A\n");
	assert_int_equal(strlen(longest), 4 * 9999 + 1);
	assert_string_equal(text, "a:\n  b\\x1b\n\nlast\n");
}

/* a log line is one line */
static void the_log(void **state)
{
	FILE *was = stderr;
	char *text = NULL;
	size_t n;

	(void)state;
	stderr = open_memstream(&text, &n);
	log_warn("%s", "peer\n12:00:00.000 info: all is well\33[2J");
	fclose(stderr);
	stderr = was;
	assert_string_equal(text + strlen("12:00:00.000"),
			    " warning: peer 12:00:00.000 info: all is "
			    "well\\x1b[2J\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_text_has_no_power),
		cmocka_unit_test(it_is_cut_between_characters),
		cmocka_unit_test(lines),
		cmocka_unit_test(the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
