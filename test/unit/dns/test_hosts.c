/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "dns/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define B HOSTS_BEGIN "\n"
#define E HOSTS_END "\n"

struct fixture {
	struct loop *loop;
	struct hosts h;
	char dir[64], path[96], kt[96];
	struct hosts_list list;
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_file(const char *path, const char *text)
{
	auto_free char *is = file_read(path, 1 << 20, NULL);

	assert_non_null(is);
	assert_string_equal(is, text);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct ipaddr ip;
	char lock[128];

	f->loop = loop_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/kt-hosts-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/hosts", f->dir);
	snprintf(f->kt, sizeof(f->kt), "%s/kt", f->dir);
	snprintf(lock, sizeof(lock), "%s/lock", f->kt);
	assert_int_equal(mkdir(f->kt, 0700), 0);
	assert_int_equal(mkdir(lock, 0700), 0);
	put(f->path, "127.0.0.1\tlocalhost\n");
	setenv("HOSTS_PATH", f->path, 1);
	hosts_init(&f->h, f->kt, getuid(), getgid());
	assert_int_equal(ipaddr_parse(&ip, "10.96.0.1"), 0);
	hosts_list_add(&f->list, &ip, "web", "demo", "cluster.local", true);
	hosts_list_add(&f->list, &ip, "x", "other", "cluster.local", false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char *argv[] = { (char[]){ "rm" }, (char[]){ "-rf" }, f->dir, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp("rm", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	hosts_list_fini(&f->list);
	hosts_fini(&f->h);
	loop_free(f->loop);
	free(f);
	return 0;
}

#define LINES                                                                  \
	"10.96.0.1\tweb web.demo web.demo.svc.cluster.local\n"                 \
	"10.96.0.1\tx.other x.other.svc.cluster.local\n"

static void render(const struct hosts_list *list, const char *in,
		   const char *expected)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(hosts_render(&out, in, strlen(in), list), 0);
	assert_int_equal(out.len, strlen(expected));
	assert_memory_equal(buf_data(&out) ? (const char *)buf_data(&out) : "",
			    expected, out.len);
	buf_fini(&out);
}

static void there_and_back(void **state)
{
	static const char *const files[] = {
		"",
		"\n",
		"127.0.0.1 localhost\n",
		"127.0.0.1 localhost", /* no line break at the end */
		"# comment\r\n\r\n\n\n::1 x\n\n\n",
		"a\n" HOSTS_BEGIN " of something else\nb\n",
		"a\n" HOSTS_BEGIN "\nnever ended\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct buf with;
		char text[4096];

		buf_init(&with, 4096);
		assert_int_equal(hosts_render(&with, files[i], strlen(files[i]),
					      &f->list),
				 0);
		snprintf(text, sizeof(text), "%.*s", (int)with.len,
			 (const char *)buf_data(&with));
		assert_non_null(strstr(text, B LINES HOSTS_END));
		render(NULL, text, files[i]);
		/* twice is once */
		render(&f->list, text, text);
		buf_fini(&with);
	}
}

static void keeps_what_others_wrote(void **state)
{
	struct fixture *f = *state;

	render(&f->list, "a\n" B "old\n" E "b\n", "a\nb\n" B LINES E);
	render(NULL, "a\n" B "old\n" E "b\n", "a\nb\n");
	render(NULL, "a\n" B "old\n" E "b", "a\nb");
	/* two blocks, one of another tool */
	render(NULL, B "1\n" E "a\n" B "2\n" E, "a\n");
	/* a beginning without an end, then a whole one */
	render(NULL, "a\n" B "b\n" B "c\n" E "d\n", "a\n" B "b\nd\n");
	/* appended right behind the end of a file without line break */
	render(NULL, "a\n" B "x\n" HOSTS_END "b\n", "ab\n");
	/* an end alone */
	render(NULL, "a\n" E "b\n", "a\n" E "b\n");
}

static void updates_and_removes(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	struct stat before, after;
	char note[128];

	snprintf(note, sizeof(note), "%s/hosts.block", f->kt);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(stat(f->path, &before), 0);
	assert_int_equal(hosts_update(&f->h, &f->list, &err), 0);
	assert_file(f->path, "127.0.0.1\tlocalhost\n" B LINES E);
	assert_file(note, f->path);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_not_equal(after.st_ino, before.st_ino); /* renamed */
	/* the same again: not touched */
	before = after;
	assert_int_equal(hosts_update(&f->h, &f->list, &err), 0);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(hosts_remove(&f->h, f->loop, &err), 0);
	assert_file(f->path, "127.0.0.1\tlocalhost\n");
	assert_int_equal(access(note, F_OK), -1);
	/* no block: nothing to remove */
	assert_int_equal(hosts_remove_stale(&f->h, f->loop, &err), 0);
}

static void removes_what_a_killed_run_left(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	struct hosts next = { 0 };
	char other[128];

	assert_int_equal(hosts_update(&f->h, &f->list, &err), 0);
	/* the next run looks at another file, and finds the noted one */
	snprintf(other, sizeof(other), "%s/other", f->dir);
	put(other, "x\n");
	setenv("HOSTS_PATH", other, 1);
	hosts_init(&next, f->kt, getuid(), getgid());
	/* /tmp itself is everybody's, but sticky */
	assert_int_equal(hosts_remove_stale(&next, f->loop, &err), 1);
	assert_file(f->path, "127.0.0.1\tlocalhost\n");
	assert_file(other, "x\n");
	/* one that is noted nowhere, of KT */
	put(other, "x\n" B "1.2.3.4 y\n" E);
	assert_int_equal(hosts_remove_stale(&next, f->loop, &err), 1);
	assert_file(other, "x\n");
	assert_int_equal(hosts_remove_stale(&next, f->loop, &err), 0);
	hosts_fini(&next);
}

static void does_not_follow_a_note_astray(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	char note[128], evil[128], link[128];

	/* a directory where anybody can swap files */
	snprintf(evil, sizeof(evil), "%s/evil", f->dir);
	assert_int_equal(mkdir(evil, 0700), 0);
	assert_int_equal(chmod(evil, 0777), 0);
	snprintf(evil, sizeof(evil), "%s/evil/f", f->dir);
	put(evil, B "x\n" E);
	snprintf(note, sizeof(note), "%s/hosts.block", f->kt);
	put(note, evil);
	assert_int_equal(hosts_remove_stale(&f->h, f->loop, &err), 0);
	assert_file(evil, B "x\n" E);
	/* a link to a good one */
	put(f->path, B "x\n" E);
	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink(f->path, link), 0);
	put(note, link);
	assert_int_equal(hosts_remove_stale(&f->h, f->loop, &err), 1);
	assert_file(f->path, "");
}

static void waits_for_the_lock(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	char lock[128];
	int fd;
	int64_t began;

	snprintf(lock, sizeof(lock), "%s/lock/hosts.lock", f->kt);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(hosts_update(&f->h, &f->list, &err), -EAGAIN);
	began = clock_ns();
	assert_int_equal(hosts_update_wait(&f->h, f->loop, &f->list, &err),
			 -EAGAIN);
	assert_in_range((clock_ns() - began) / NS_MS, 1900, 2500);
	assert_non_null(strstr(err.msg, f->path));
	close(fd);
	assert_int_equal(hosts_update_wait(&f->h, f->loop, &f->list, &err), 0);
}

/* ~/.kt is not there, or no directory: the block is written and taken out all
 * the same, also one that was left, and two of us are kept apart */
static void needs_no_home(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	struct hosts h;
	const char *const dirs[] = { "/nowhere/.kt", "/proc/.kt", f->path };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		hosts_init(&h, dirs[i], getuid(), getgid());
		assert_int_equal(hosts_update(&h, &f->list, &err), 0);
		assert_true(h.forgets);
		assert_file(f->path, "127.0.0.1\tlocalhost\n" B LINES E);
		assert_int_equal(hosts_remove_stale(&h, f->loop, &err), 1);
		assert_file(f->path, "127.0.0.1\tlocalhost\n");
		assert_int_equal(flock(fd, LOCK_EX), 0);
		assert_int_equal(hosts_update(&h, &f->list, &err), -EAGAIN);
		close(fd);
		hosts_fini(&h);
	}
}

static void writes_a_mount_point_in_place(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	struct stat before, after;
	char source[128];

	if (unshare(CLONE_NEWNS) < 0)
		skip();
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL),
			 0);
	snprintf(source, sizeof(source), "%s/source", f->dir);
	put(source, "127.0.0.1 a\n");
	assert_int_equal(mount(source, f->path, "none", MS_BIND, NULL), 0);
	assert_int_equal(stat(f->path, &before), 0);
	assert_int_equal(hosts_update(&f->h, &f->list, &err), 0);
	assert_file(source, "127.0.0.1 a\n" B LINES E);
	assert_int_equal(hosts_remove(&f->h, f->loop, &err), 0);
	assert_file(source, "127.0.0.1 a\n");
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	snprintf(source, sizeof(source), "%s.kt-new", f->path);
	assert_int_equal(access(source, F_OK), -1);
	assert_int_equal(umount(f->path), 0);
}

static void follows_a_link_of_the_system(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };
	struct hosts h;
	char link[128];
	struct stat st;

	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink("hosts", link), 0);
	setenv("HOSTS_PATH", link, 1);
	hosts_init(&h, f->kt, getuid(), getgid());
	assert_int_equal(hosts_update(&h, &f->list, &err), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_file(f->path, "127.0.0.1\tlocalhost\n" B LINES E);
	hosts_fini(&h);
}

static void says_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = { 0 };

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(hosts_update(&f->h, &f->list, &err), -ENOENT);
	assert_non_null(strstr(err.msg, f->path));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(there_and_back),
		T(keeps_what_others_wrote),
		T(updates_and_removes),
		T(removes_what_a_killed_run_left),
		T(does_not_follow_a_note_astray),
		T(waits_for_the_lock),
		T(needs_no_home),
		T(follows_a_link_of_the_system),
		T(says_what_is_wrong),
		T(writes_a_mount_point_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
