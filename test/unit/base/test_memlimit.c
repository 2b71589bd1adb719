/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/memlimit.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void reads_what_the_kernel_writes(void **state)
{
	(void)state;
	assert_int_equal(memlimit_parse("33554432\n"), 33554432);
	assert_int_equal(memlimit_parse("33554432"), 33554432);
	assert_int_equal(memlimit_parse("max\n"), 0);
	assert_int_equal(memlimit_parse(""), 0);
	assert_int_equal(memlimit_parse("-5\n"), 0);
	assert_int_equal(memlimit_parse("12 apples"), 0);
	assert_int_equal(memlimit_parse("99999999999999999999999\n"), 0);
	/* no limit in cgroups 1 */
	assert_int_equal(memlimit_parse("9223372036854771712\n"), 0);
}

static bool put(const char *dir, const char *file, long n)
{
	char path[160];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "we");
	ok = f && fprintf(f, "%ld", n) > 0;
	return f && fclose(f) == 0 && ok;
}

/* Where this machine lets us make a group of cgroups 1 or 2 with a limit */
static void finds_the_limit_of_its_own_group(void **state)
{
	static const char *const kinds[][2] = {
		{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
		{ "/sys/fs/cgroup", "memory.max" }
	};
	const long limit = 40 << 20;
	int tried = 0;

	(void)state;
	for (int i = 0; i < 2 && !tried; i++) {
		char dir[128];
		int status = -1;
		pid_t pid;

		snprintf(dir, sizeof(dir), "%s/kt-memlimit-%d", kinds[i][0],
			 getpid());
		if (mkdir(dir, 0755) < 0)
			continue;
		tried = put(dir, kinds[i][1], limit);
		pid = tried ? fork() : -1;
		if (pid == 0)
			_exit(!put(dir, "cgroup.procs", getpid()) ? 2
			      : memlimit_get() == (uint64_t)limit ? 0
								  : 1);
		if (pid > 0)
			waitpid(pid, &status, 0);
		rmdir(dir);
		if (tried && WIFEXITED(status) && WEXITSTATUS(status) == 2)
			tried = 0; /* not for us */
		else if (tried)
			assert_int_equal(WEXITSTATUS(status), 0);
	}
	if (!tried)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_kernel_writes),
		cmocka_unit_test(finds_the_limit_of_its_own_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
