/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in the program's mount namespace, with a real kernel, as a user without
 * a capability; with the argument "root" as root. Each test is a process of its
 * own, for nobody comes back from there.
 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "run/etc.h"
#include "run/keeper_impl.h"
#include "run/mounts.h"
#include "run/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65533

/* --- in there ------------------------------------------------------------- */

#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__,          \
				__LINE__, #x, strerror(errno));                \
			_exit(1);                                              \
		}                                                              \
	} while (0)

static int mounts_room(void)
{
	struct kt_error err = { 0 };
	int room;

	if (namespaces_enter(&err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(77);
	}
	room = mounts_open(&err);
	if (room < 0)
		fprintf(stderr, "%s\n", err.msg);
	CHECK(room >= 0);
	CHECK(mkdirat(room, "v0", 0755) == 0);
	return room;
}

static void put(int room, const char *path, const char *text)
{
	int fd = openat(room, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool reads(const char *path, const char *wanted)
{
	auto_free char *text = file_read(path, 4096, NULL);

	return text && strcmp(text, wanted) == 0;
}

static void place(struct mounts *m, const char *source, const char *target,
		  bool dir)
{
	struct kt_error err = { 0 };

	if (mounts_place(m, source, target, dir, true, &err) < 0) {
		fprintf(stderr, "%s: %s\n", target, err.msg);
		_exit(1);
	}
}

static void in_places_that_are_not_there(void)
{
	int room = mounts_room();
	struct mounts *m = mounts_new(room);
	struct kt_error err = { 0 };
	char cwd[4096], now[4096];
	struct stat before, after;
	bool root = geteuid() == 0;

	put(room, "v0/f", "1");
	put(room, "one", "2");
	CHECK(stat("/etc/passwd", &before) == 0);
	CHECK(getcwd(cwd, sizeof(cwd)));
	place(m, "v0", "/etc/kt-test/a", true);
	place(m, "one", "/etc/kt-test/b/file", false);
	place(m, "v0", "/kt-test/deep/er", true);
	place(m, "one", "/kt-test/file", false);
	place(m, "v0", "/usr/share/kt-test", true);
	CHECK(mkdirat(room, "v1", 0755) == 0);
	place(m, "v1", "/kt-test/v1", true);
	place(m, "v0", "/kt-test/v1/in/it", true);
	CHECK(reads("/etc/kt-test/a/f", "1"));
	CHECK(reads("/etc/kt-test/b/file", "2"));
	CHECK(reads("/kt-test/deep/er/f", "1"));
	CHECK(reads("/kt-test/file", "2"));
	CHECK(reads("/usr/share/kt-test/f", "1"));
	CHECK(reads("/kt-test/v1/in/it/f", "1"));
	/* a change in the room is seen, nothing can be changed from there */
	put(room, "v0/g", "new");
	CHECK(reads("/kt-test/deep/er/g", "new"));
	CHECK(open("/kt-test/deep/er/x", O_WRONLY | O_CREAT, 0644) < 0 &&
	      errno == EROFS);
	/* all else is as it was */
	CHECK(stat("/etc/passwd", &after) == 0);
	CHECK(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
	CHECK(getcwd(now, sizeof(now)) && strcmp(now, cwd) == 0);
	CHECK(access("/proc/self/mem", F_OK) == 0);
	CHECK(access("/tmp/one", F_OK) < 0);
	CHECK(chdir("/..") == 0 && access("kt-test/file", F_OK) == 0);
	CHECK(mounts_place(m, "one", "/etc/kt-test", false, true, &err) ==
	      -EISDIR);
	CHECK(mounts_place(m, "v0", "/etc/passwd", true, true, &err) ==
	      -ENOTDIR);
	CHECK(root || access("/etc/shadow", R_OK) < 0);
	mounts_free(m);
	_exit(0);
}

/* As the Pod's volumes are: for a place in "/" there is a new root */
static void what_is_mounted_in_the_room_stays(void)
{
	int room = mounts_room();
	struct mounts *m = mounts_new(room);
	auto_free char *at = xasprintf("/proc/self/fd/%d/v0", room);
	struct kt_error err = { 0 };

	CHECK(mount("kt-test", at, "tmpfs", 0, NULL) == 0);
	mounts_add_inner(m, "v0");
	CHECK(mkdirat(room, "v0/dir", 0755) == 0);
	put(room, "v0/dir/f", "there");
	CHECK(mounts_place_far(m, "v0/dir", "/kt-test/one", true, true, &err) ==
	      0);
	CHECK(reads("/kt-test/one/f", "there"));
	place(m, "v0", "/kt-test/two", true);
	CHECK(reads("/kt-test/two/dir/f", "there"));
	mounts_free(m);
	_exit(0);
}

/* What is in a volume somebody in the Pod has made. A place in it that is a
 * link is none of this machine's. */
static void links_of_a_volume_lead_nowhere(void)
{
	int room = mounts_room();
	struct mounts *m = mounts_new(room);
	struct kt_error err = { 0 };

	CHECK(mkdirat(room, "v1", 0755) == 0);
	CHECK(mkdirat(room, "v1/dir", 0755) == 0);
	put(room, "v1/dir/f", "of the volume");
	put(room, "v0/f", "2");
	put(room, "one", "1");
	CHECK(symlinkat("/usr/share", room, "v1/out") == 0);
	CHECK(symlinkat("/var/tmp/kt-test-made", room, "v1/nowhere") == 0);
	CHECK(symlinkat("dir", room, "v1/in") == 0);
	CHECK(symlinkat("../../usr", room, "v1/dir/up") == 0);
	place(m, "v1", "/kt-test/v1", true);
	CHECK(mounts_place(m, "v0", "/kt-test/v1/out", true, true, &err) ==
	      -ELOOP);
	CHECK(mounts_place(m, "v0", "/kt-test//v1/out/new", true, true, &err) ==
	      -ELOOP);
	CHECK(mounts_place(m, "v0", "/kt-test/v1/in/up/share", true, true,
			   &err) == -ELOOP);
	CHECK(access("/usr/share/f", F_OK) < 0);
	CHECK(mounts_place(m, "one", "/kt-test/v1/nowhere", false, true,
			   &err) == -ELOOP);
	CHECK(access("/var/tmp/kt-test-made", F_OK) < 0);
	/* one that stays in the volume is as it is in the Pod */
	place(m, "one", "/kt-test/v1/in/f", false);
	CHECK(reads("/kt-test/v1/dir/f", "1"));
	/* and what is brought is no link either */
	CHECK(mounts_place_far(m, "v1/in", "/etc/kt-test/a", true, true,
			       &err) == -ELOOP);
	CHECK(mounts_place_far(m, "v1/in/f", "/etc/kt-test/b", false, true,
			       &err) == -ENOTDIR);
	CHECK(mounts_place_far(m, "v1/dir/f", "/etc/kt-test/c", false, true,
			       &err) == 0);
	CHECK(reads("/etc/kt-test/c", "of the volume"));
	mounts_free(m);
	_exit(0);
}

/* What another process of this machine does to /etc/resolv.conf: here to a
 * folder that is covered by one of ours before */
static void again_where_it_was_replaced(void)
{
	char text[] = "nameserver 10.96.0.10\n";
	struct etc_files files = { .resolv_conf = text };
	struct kt_error err = { 0 };
	int room = mounts_room();

	CHECK(namespaces_mount(&files, room, &err) == 0);
	CHECK(reads("/etc/resolv.conf", text));
	namespaces_mount_again(room);
	CHECK(umount2("/etc/resolv.conf", MNT_DETACH) == 0); /* once is all */
	CHECK(!reads("/etc/resolv.conf", text));
	namespaces_mount_again(room);
	CHECK(reads("/etc/resolv.conf", text));
	_exit(0);
}

static void variables_are_those_that_came(void)
{
	static const char block[] = "A=1\0B=two\nlines\0";
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	CHECK(fd >= 0 && write(fd, block, sizeof(block) - 1) > 0);
	CHECK(keeper_take_env(fd) == 0);
	CHECK(strcmp(environ[0], "A=1") == 0);
	CHECK(strcmp(environ[1], "B=two\nlines") == 0);
	CHECK(!environ[2]);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(keeper_take_env(fd) == 0 && !environ[0]);
	_exit(0);
}

/* --- out here ------------------------------------------------------------- */

static void in_a_child(void (*fn)(void))
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		fn();
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_true(access("/kt-test", F_OK) < 0);
	assert_true(access("/etc/kt-test", F_OK) < 0);
}

static void places(void **state)
{
	(void)state;
	in_a_child(in_places_that_are_not_there);
}

static void mounted(void **state)
{
	(void)state;
	in_a_child(what_is_mounted_in_the_room_stays);
}

static void links(void **state)
{
	(void)state;
	in_a_child(links_of_a_volume_lead_nowhere);
}

static void again(void **state)
{
	(void)state;
	if (access("/etc/resolv.conf", R_OK) < 0)
		skip();
	in_a_child(again_where_it_was_replaced);
}

static void variables(void **state)
{
	(void)state;
	in_a_child(variables_are_those_that_came);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),    cmocka_unit_test(mounted),
		cmocka_unit_test(links),     cmocka_unit_test(again),
		cmocka_unit_test(variables),
	};

	(void)argv;
	if (argc > 1 && geteuid() != 0) {
		printf("1..0 # SKIP root only\n");
		return 0;
	}
	if (argc == 1 && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
		printf("1..0 # SKIP another user\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
