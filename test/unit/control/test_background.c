/* SPDX-License-Identifier: Apache-2.0 */
/* Into the background: who is told what, and what stays open. */
#include "home.h"

#include "base/mem.h"
#include "base/str.h"
#include "control/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct home home;

/* What the command does in its own process; never returns */
typedef void job_fn(struct background *b);

static pid_t launch(job_fn *job)
{
	pid_t pid = fork();
	struct kt_error err = { 0 };
	struct background *b = NULL;
	int status = 99;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (background_start(&b, &home, "connect", &status, &err) == 0)
		job(b);
	_exit(status);
}

/* The exit status of the process that was called */
static int call(job_fn *job)
{
	int status;
	pid_t pid = launch(job);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void fails(struct background *b)
{
	(void)b;
	_exit(3);
}

static void is_killed(struct background *b)
{
	(void)b;
	raise(SIGKILL);
}

static void ended_before_it_was_up(void **state)
{
	(void)state;
	assert_int_equal(call(fails), 3);
	assert_int_equal(call(is_killed), 128 + SIGKILL);
}

/* --- up ------------------------------------------------------------------- */

static int inherited[2]; /* a pipe of the caller's */
static char *fifo;

struct said {
	bool own_session, closed, held;
	char log[256];
};

/* Tells the test, by a fifo, what it is like after all is up */
static void goes_on(struct background *b)
{
	struct said said = { 0 };
	int fd;

	said.closed = fcntl(inherited[0], F_GETFD) < 0;
	background_detach(b);
	said.own_session = getsid(0) == getpid();
	snprintf(said.log, sizeof(said.log), "%s", background_log(b));
	fd = open(said.log, O_RDONLY);
	said.held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	fprintf(stderr, "a warning\n");
	fflush(stderr);
	fd = open(fifo, O_WRONLY);
	if (write(fd, &said, sizeof(said)) != sizeof(said))
		_exit(1);
	background_free(b);
	_exit(0);
}

static void goes_on_when_up(void **state)
{
	struct said said = { 0 };
	auto_free char *text = NULL;
	auto_close int fd = -1;

	(void)state;
	fifo = xasprintf("%s/fifo", home.user);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(pipe(inherited), 0);
	inherited[0] = fcntl(inherited[0], F_DUPFD, 20);
	assert_int_equal(call(goes_on), 0);
	fd = open(fifo, O_RDONLY);
	assert_int_equal(read(fd, &said, sizeof(said)), sizeof(said));
	assert_true(said.own_session);
	assert_true(said.closed);
	assert_true(said.held);
	text = file_read(said.log, 4096, NULL);
	assert_non_null(text);
	assert_string_equal(text, "a warning\n");
	unlink(said.log);
	unlink(fifo);
	free(fifo);
}

/* --- the caller is killed ------------------------------------------------- */

static void tells_of_a_signal(struct background *b)
{
	sigset_t set;
	int signo = 0, fd;

	(void)b;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = open(fifo, O_WRONLY);
	if (write(fd, &signo, sizeof(signo)) != sizeof(signo))
		_exit(1);
	sigwait(&set, &signo);
	if (write(fd, &signo, sizeof(signo)) != sizeof(signo))
		_exit(1);
	_exit(0);
}

static void leaves_with_its_caller(void **state)
{
	auto_close int fd = -1;
	int signo = -1;
	pid_t pid;

	(void)state;
	fifo = xasprintf("%s/fifo", home.user);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	pid = launch(tells_of_a_signal);
	fd = open(fifo, O_RDONLY);
	assert_int_equal(read(fd, &signo, sizeof(signo)), sizeof(signo));
	kill(pid, SIGKILL);
	assert_int_equal(read(fd, &signo, sizeof(signo)), sizeof(signo));
	assert_int_equal(signo, SIGTERM);
	waitpid(pid, NULL, 0);
	unlink(fifo);
	free(fifo);
}

/* Cleans up when it is told to leave, and has a status of its own */
static void leaves_with_seven(struct background *b)
{
	sigset_t set;
	int signo = 0, fd;

	(void)b;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = open(fifo, O_WRONLY);
	if (write(fd, &signo, sizeof(signo)) != sizeof(signo))
		_exit(1);
	sigwait(&set, &signo);
	usleep(100000);
	_exit(signo == SIGTERM || signo == SIGHUP ? 7 : 1);
}

static void caller_waits_for_the_clean_up(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		auto_close int fd = -1;
		int word = -1, status;
		pid_t pid;

		fifo = xasprintf("%s/fifo", home.user);
		assert_int_equal(mkfifo(fifo, 0600), 0);
		pid = launch(leaves_with_seven);
		fd = open(fifo, O_RDONLY);
		assert_int_equal(read(fd, &word, sizeof(word)), sizeof(word));
		kill(pid, signals[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 7);
		unlink(fifo);
		free(fifo);
	}
}

/* a log of long ago; its descriptor */
static int old_log(char **path, const char *name)
{
	static const struct timespec old[2] = { { .tv_sec = 1000000000 },
						{ .tv_sec = 1000000000 } };
	int fd;

	*path = xasprintf("%s/.kt/log/%s", home.user, name);
	fd = open(*path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, old), 0);
	return fd;
}

static void log_in_use_is_kept(void **state)
{
	auto_free char *used = NULL, *unused = NULL;
	auto_close int one = -1, two = -1;

	(void)state;
	assert_int_equal(call(fails), 3); /* makes the directory */
	one = old_log(&used, "connect-1.log");
	two = old_log(&unused, "connect-2.log");
	assert_int_equal(flock(one, LOCK_SH), 0);
	assert_int_equal(call(fails), 3);
	assert_int_equal(access(used, F_OK), 0);
	assert_int_equal(access(unused, F_OK), -1);
	close(one);
	one = -1;
	assert_int_equal(call(fails), 3);
	assert_int_equal(access(used, F_OK), -1);
}

static void needs_a_home(void **state)
{
	struct home nowhere = home;
	struct kt_error err = { 0 };
	struct background *b = NULL;
	static char missing[] = "/nonexistent";
	int status = -1, rc;

	(void)state;
	nowhere.user = missing;
	rc = background_start(&b, &nowhere, "connect", &status, &err);
	if (rc < 0) /* the child */
		_exit(strstr(err.msg, "/nonexistent") ? 4 : 5);
	assert_int_equal(rc, 1);
	assert_int_equal(status, 4);
}

/* --- a home of its own ---------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	return own_home(&home, "background");
}

static int tear_down(void **state)
{
	auto_free char *text =
		xasprintf("rm -rf -- '%s'", home.user); /* a log a job */
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, text, NULL };
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		execv("/bin/sh", argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	home_fini(&home);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_before_it_was_up),
		cmocka_unit_test(goes_on_when_up),
		cmocka_unit_test(leaves_with_its_caller),
		cmocka_unit_test(caller_waits_for_the_clean_up),
		cmocka_unit_test(log_in_use_is_kept),
		cmocka_unit_test(needs_a_home),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
