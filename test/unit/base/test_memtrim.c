/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/memtrim.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct memtrim m;
static uint64_t bytes;

static bool look(uint64_t moved)
{
	bytes += moved;
	return memtrim_due(&m, bytes);
}

static void at_the_end_of_a_busy_time(void **state)
{
	(void)state;
	m = (struct memtrim){ 0 };
	bytes = 0;
	assert_false(look(0));
	assert_false(look(10 << 20));
	assert_false(look(200 << 10));
	assert_true(look(0));
	assert_true(m.code);
	assert_false(look(0));
	/* also a little one */
	assert_false(look(70000));
	assert_true(look(0));
	assert_false(m.code);
	assert_false(look(0));
}

static void code_of_the_start(void **state)
{
	(void)state;
	m = (struct memtrim){ 0 };
	bytes = 0;
	assert_false(look(70000));
	assert_true(look(0));
	assert_true(m.code);
	assert_false(look(70000));
	assert_true(look(0));
	assert_false(m.code);
	assert_false(look(10 << 20));
	assert_true(look(0));
	assert_true(m.code);
}

/* --- code ----------------------------------------------------------------- */

static char kept[] = "what was written to stays as it is";

/* KiB of libc's code that are resident; all of it is read before where @read */
static long resident_code(bool read)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from = 0, to = 0;
	bool code = false;
	char line[1000];
	long sum = 0, n;
	char mode[5];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3)
			code = strcmp(mode, "r-xp") == 0 &&
			       strstr(line, "/libc.so");
		else if (code && sscanf(line, "Rss: %ld", &n) == 1)
			sum += n;
		else
			continue;
		for (; read && code && from < to; from += 4096)
			(void)*(volatile char *)from;
	}
	fclose(f);
	return sum;
}

static void code_that_is_not_used(void **state)
{
	long all;

	(void)state;
	kept[0] = 'W';
	resident_code(true);
	all = resident_code(false);
	assert_true(all > 500);
	memtrim_code();
	assert_true(resident_code(false) < all * 2 / 3);
	assert_string_equal(kept, "What was written to stays as it is");
	assert_true(resident_code(true) > 0);
	assert_int_equal(resident_code(false), all);
}

#define PAGE 65536 /* of any machine */

static const char patched[PAGE] __attribute__((aligned(PAGE))) = "as built";

/* What a debugger or the linker has written into it stays */
static void code_that_was_written_to(void **state)
{
	void *at = (void *)(uintptr_t)patched;
	volatile const char *now = patched;

	(void)state;
	assert_int_equal(mprotect(at, PAGE, PROT_READ | PROT_WRITE), 0);
	*(volatile char *)at = 'A';
	assert_int_equal(mprotect(at, PAGE, PROT_READ), 0);
	memtrim_code();
	assert_int_equal(now[0], 'A');
	assert_int_equal(now[1], 's');
}

static void while_a_little_always_moves(void **state)
{
	(void)state;
	m = (struct memtrim){ 0 };
	bytes = 0;
	assert_false(look(50 << 20));
	assert_true(look(1000));
	/* not for that alone, until it is much */
	for (int i = 0; i < 1000; i++)
		assert_false(look(1000));
	for (int i = 0; i < 40; i++)
		assert_false(look(1000));
	assert_int_equal(m.since, 1040000);
	assert_false(look(8000));
	assert_true(look(8000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_end_of_a_busy_time),
		cmocka_unit_test(while_a_little_always_moves),
		cmocka_unit_test(code_of_the_start),
		cmocka_unit_test(code_that_is_not_used),
		cmocka_unit_test(code_that_was_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
