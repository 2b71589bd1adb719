/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "pod/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(struct tree *t, const char *path, const char *data,
		unsigned int mode)
{
	assert_int_equal(tree_add(t, path, xstrdup(data), strlen(data), mode),
			 0);
}

static void has(int dir, const char *path, const char *wanted)
{
	char text[256] = "";
	auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (!wanted) {
		assert_true(fd < 0);
		return;
	}
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, wanted);
}

static void links_to(int dir, const char *name, char *to, size_t size)
{
	ssize_t n = readlinkat(dir, name, to, size - 1);

	assert_true(n > 0);
	to[n] = '\0';
}

static unsigned int mode_of(int dir, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir, path, &st, 0), 0);
	return st.st_mode & 07777;
}

static void written_and_written_anew(void **state)
{
	char path[] = "/tmp/test-tree.XXXXXX", first[256], second[256];
	struct tree t = { 0 }, u = { 0 };
	struct kt_error err = { 0 };
	char rm[64];
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	umask(077);
	add(&t, "a", "1", 0644);
	add(&t, "b/c/d", "2", 0400);
	add(&t, "gone", "3", 0644);
	assert_int_equal(tree_write(dir, &t, 02755, &err), 0);
	links_to(dir, "a", first, sizeof(first));
	assert_string_equal(first, "..data/a");
	links_to(dir, "b", first, sizeof(first));
	assert_string_equal(first, "..data/b");
	links_to(dir, "..data", first, sizeof(first));
	assert_true(str_starts(first, "..20"));
	has(dir, "a", "1");
	has(dir, "b/c/d", "2");
	assert_int_equal(mode_of(dir, "a"), 0644);
	assert_int_equal(mode_of(dir, "b/c/d"), 0400);
	assert_int_equal(mode_of(dir, "b/c"), 02755);

	add(&u, "a", "new", 0600);
	add(&u, "e", "", 0644);
	assert_int_equal(tree_write(dir, &u, 0755, &err), 0);
	links_to(dir, "..data", second, sizeof(second));
	assert_string_not_equal(first, second);
	has(dir, "a", "new");
	has(dir, "e", "");
	has(dir, "gone", NULL);
	has(dir, "b/c/d", NULL);
	assert_true(faccessat(dir, first, F_OK, 0) < 0);
	assert_int_equal(readlinkat(dir, "gone", first, 8), -1);
	assert_false(tree_equal(&t, &u));
	assert_true(tree_equal(&t, &t));
	tree_fini(&t);
	tree_fini(&u);
	close(dir);
	snprintf(rm, sizeof(rm), "%s", path);
	assert_int_equal(chdir(path), 0);
	unlink("a");
	unlink("e");
	unlink("..data/a");
	unlink("..data/e");
	rmdir(second);
	unlink("..data");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(rm), 0);
}

/* Who may write in a volume may link to what is not ours */
static void what_is_not_ours_stays(void **state)
{
	char path[] = "/tmp/ktctl-tree-XXXXXX", stamp[64];
	struct tree t = { 0 };
	struct kt_error err = { 0 };
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(dir, "v0", 0700), 0);
	assert_int_equal(mkdirat(dir, "v1", 0700), 0);
	close(dir);
	assert_int_equal(chdir(path), 0);
	dir = open("v0", O_RDONLY | O_DIRECTORY);
	assert_int_equal(symlinkat("../v1", dir, "..data"), 0);
	add(&t, "a", "1", 0644);
	assert_int_equal(tree_write(dir, &t, 0755, &err), 0);
	assert_int_equal(access("v1", F_OK), 0);
	links_to(dir, "..data", stamp, sizeof(stamp));
	tree_fini(&t);
	unlinkat(dir, "a", 0);
	unlink("v0/..data/a");
	unlinkat(dir, stamp, AT_REMOVEDIR);
	unlinkat(dir, "..data", 0);
	close(dir);
	rmdir("v0");
	rmdir("v1");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(path), 0);
}

static void paths_stay_in_the_volume(void **state)
{
	static const char *const bad[] = { "",	   "/a",     "..",
					   "../a", "a/../b", "..data" };
	struct tree t = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(tree_add(&t, bad[i], xstrdup(""), 0, 0644),
				 -EINVAL);
	assert_true(tree_is_below(""));
	assert_true(tree_is_below("..data/a"));
	assert_true(tree_is_below("a/b../c"));
	assert_false(tree_is_below("/a"));
	assert_false(tree_is_below("a/../../b"));
	assert_false(tree_is_below("a/.."));
	add(&t, "a", "1", 0644);
	add(&t, "a", "2", 0600);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.v[0].data, "2");
	tree_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_and_written_anew),
		cmocka_unit_test(what_is_not_ours_stays),
		cmocka_unit_test(paths_stay_in_the_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
