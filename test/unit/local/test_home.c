/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "local/home.h"
#include "local/owner.h"
#include "local/pidfile.h"
#include "local/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A home directory of its own for every test */
static int set_up(void **state)
{
	char *dir = xstrdup("/tmp/ktctl-home-XXXXXX");

	if (!mkdtemp(dir))
		return -1;
	setenv("HOME", dir, 1);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "/.kt/config", "/.kt/pid",
					     "/.kt/owner", "/.kt/profile",
					     "/.kt" };
	auto_free char *dir = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *path = xasprintf("%s%s", dir, files[i]);

		remove(path);
	}
	return remove(dir);
}

static void write_and_read(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *path = NULL, *text = NULL;
	struct home h;
	struct stat st;
	size_t len;

	(void)state;
	home_init(&h);
	assert_null(home_read(&h, "", "config", 100, &len, &err));
	assert_int_equal(err.code, ENOENT);
	assert_int_equal(home_write(&h, "", "config", "abc", 3, 0644, &err), 0);
	assert_int_equal(home_write(&h, "", "config", "abcd", 4, 0644, &err),
			 0);
	text = home_read(&h, "", "config", 100, &len, &err);
	assert_string_equal(text, "abcd");
	assert_int_equal(len, 4);
	assert_null(home_read(&h, "", "config", 3, &len, &err));
	assert_int_equal(err.code, EFBIG);
	path = home_path(&h, "config");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	home_fini(&h);
}

/* Under sudo everything belongs to the caller, links are not followed */
static void sudo(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *pid = NULL;
	struct home h;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "12346", 1);
	home_init(&h);
	assert_int_equal(home_write(&h, "", "config", "a", 1, 0644, &err), 0);
	assert_int_equal(stat(h.dir, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 12346);
	pid = home_path(&h, "pid");
	assert_int_equal(symlink("/etc", pid), 0);
	assert_int_equal(home_write(&h, "pid", "x", "a", 1, 0644, &err) < 0, 1);
	assert_int_equal(access("/etc/x", F_OK), -1);
	home_fini(&h);
}

/* The first hint is about the kind of failure, whatever came to pass */
static void hints_by_kind(void **state)
{
	static const struct {
		int code;
		const char *want;
	} kind[] = { { EMFILE, "ulimit -n" },
		     { ENFILE, "file-max" },
		     { ENOSPC, "full" },
		     { EDQUOT, "full" },
		     { EROFS, "read-only" } };
	auto_free char *dir = xstrdup(getenv("HOME"));
	struct kt_error err = { 0 };
	struct rlimit old, low;
	struct home h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
		err = (struct kt_error){ 0 };
		kt_fail(&err, kind[i].code, "x");
		kt_hint_errno(&err);
		assert_non_null(strstr(err.hint, kind[i].want));
	}
	err = (struct kt_error){ 0 };
	home_init(&h);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(home_write(&h, "", "config", "a", 1, 0644, &err),
			 -EMFILE);
	kt_hint(&err, "is /proc mounted?");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_non_null(strstr(err.hint, "ulimit -n"));
	setenv("HOME", "/proc", 1); /* takes nothing */
	home_fini(&h);
	home_init(&h);
	err = (struct kt_error){ 0 };
	assert_true(home_write(&h, "", "config", "a", 1, 0644, &err) < 0);
	assert_non_null(strstr(err.hint, "/proc"));
	home_fini(&h);
	setenv("HOME", dir, 1);
}

static void no_home(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *dir = xstrdup(getenv("HOME"));
	struct home h;

	(void)state;
	setenv("HOME", "/nonexistent/there", 1);
	home_init(&h);
	assert_int_equal(home_write(&h, "", "config", "a", 1, 0644, &err),
			 -ENOENT);
	assert_non_null(strstr(err.hint, "HOME must name a directory"));
	assert_non_null(strstr(err.hint, "/nonexistent/there"));
	assert_null(pidfile_try(NULL, &h, "connect", NULL)); /* warns */
	home_fini(&h);
	setenv("HOME", dir, 1);
}

/* --- pid files * ---------------------------------------------------------- */

/* A process that sleeps under the name @name */
static pid_t sleeper(const char *name)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void put_pid(const struct home *h, pid_t pid)
{
	auto_free char *name = xasprintf("connect-%d.pid", (int)pid);
	struct kt_error err = { 0 };

	assert_int_equal(home_write(h, "pid", name, "1", 1, 0644, &err), 0);
}

static void stale(void **state)
{
	struct kt_error err = { 0 };
	struct home h;
	pid_t pid = sleeper("other");

	(void)state;
	home_init(&h);
	assert_int_equal(pidfile_alive(&h, "connect"), 0);
	put_pid(&h, 2147483647); /* nobody */
	put_pid(&h, pid);	 /* alive, but no ktctl */
	assert_int_equal(
		home_write(&h, "pid", "mesh-2147483646.pid", "", 0, 0644, &err),
		0);
	assert_int_equal(pidfile_sweep(&h, 1), 3);
	assert_int_equal(pidfile_alive(&h, "connect"), 0);
	assert_int_equal(pidfile_sweep(&h, 0), 1);
	assert_int_equal(pidfile_sweep(&h, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	home_fini(&h);
}

static void removal_leaves(void **state)
{
	struct kt_error err = { 0 };
	struct loop *l = loop_new();
	struct signals *s = signals_new(l, &err);
	auto_free char *path = NULL, *text = NULL;
	auto_free char *pid = xasprintf("%d", (int)getpid());
	struct pidfile *p;
	struct home h;

	(void)state;
	home_init(&h);
	p = pidfile_new(l, &h, "connect", s, &err);
	assert_non_null(p);
	path = xasprintf("%s/pid/connect-%s.pid", h.dir, pid);
	text = file_read(path, 100, NULL);
	assert_string_equal(text, pid);
	assert_int_equal(pidfile_alive(&h, "connect"), 0); /* we ourselves */
	assert_int_equal(chmod(path, 0600), 0);		   /* harmless */
	assert_int_equal(loop_sleep(l, 30 * NS_MS), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(loop_sleep(l, 1000 * NS_MS), -EINTR);
	assert_int_equal(signals_seen(s), SIGTERM);
	pidfile_free(p);
	signals_free(s);
	loop_free(l);
	home_fini(&h);
}

static void freed_with_file(void **state)
{
	struct kt_error err = { 0 };
	struct loop *l = loop_new();
	struct signals *s = signals_new(l, &err);
	struct pidfile *p;
	auto_free char *path = NULL, *other = NULL;
	struct home h;

	(void)state;
	home_init(&h);
	p = pidfile_new(l, &h, "connect", s, &err);
	path = xasprintf("%s/pid/connect-%d.pid", h.dir, (int)getpid());
	pidfile_free(p);
	assert_int_equal(access(path, F_OK), -1);

	p = pidfile_new(l, &h, "connect", s, &err);
	other = xasprintf("%s/pid/renamed", h.dir);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(loop_sleep(l, 1000 * NS_MS), -EINTR);
	pidfile_free(p);
	assert_int_equal(unlink(other), 0);
	signals_free(s);
	loop_free(l);
	home_fini(&h);
}

/* who is killed is known to be dead, who lives or is unknown is not */
static void owners(void **state)
{
	struct kt_error err = { 0 };
	char token[64] = "", *dead = NULL;
	struct owner *o;
	struct home h;
	int fd[2], status;
	pid_t pid;

	(void)state;
	home_init(&h);
	assert_false(owner_is_dead(&h, NULL));
	assert_false(owner_is_dead(&h, "00112233445566778899aabbccddeeff"));
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		o = owner_new(&h, &err);
		if (o && write(fd[1], owner_token(o), 33) == 33)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fd[0], token, sizeof(token)), 33);
	assert_int_equal(strlen(token), 32);
	assert_false(owner_is_dead(&h, token));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(owner_is_dead(&h, token));
	/* what is no token is none, wherever it leads to */
	assert_false(owner_is_dead(&h, "../owner"));
	dead = xasprintf("../owner/%s", token);
	assert_false(owner_is_dead(&h, dead));
	free(dead);
	dead = xasprintf("%s/owner/%s", h.dir, token);
	assert_int_equal(unlink(dead), 0);
	free(dead);
	/* one that ends well */
	o = owner_new(&h, &err);
	assert_non_null(o);
	assert_string_not_equal(owner_token(o), token);
	snprintf(token, sizeof(token), "%s", owner_token(o));
	owner_free(o);
	assert_false(owner_is_dead(&h, token));
	close(fd[0]);
	close(fd[1]);
	home_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_and_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sudo, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hints_by_kind, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stale, set_up, tear_down),
		cmocka_unit_test_setup_teardown(owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removal_leaves, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(freed_with_file, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
