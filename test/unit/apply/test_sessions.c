/* SPDX-License-Identifier: Apache-2.0 */
/* Whose words are taken: this program once more, as if apply had started it */
#include "home.h"

#include "apply/child.h"
#include "apply/jobs.h"
#include "apply/sessions.h"
#include "base/caller.h"
#include "base/loop.h"
#include "base/mem.h"
#include "control/message.h"
#include "control/place.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define IDENTITY "/x/ktctl.yaml"
#define SOMEBODY 65534

static struct home home;
static struct loop *loop;
static pid_t child;

/* --- the session ---------------------------------------------------------- */

/* The kernel notes who calls listen(), not whose the process is */
static int run_session(uid_t uid)
{
	auto_free char *line = message_line(
		"session", message_session("forward", getpid(), "up"));
	char name[PLACE_NAME_MAX], question[MESSAGE_REQUEST_MAX];
	const uid_t self = geteuid();
	int dir, fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	home_init(&home);
	dir = place_open(&home, false, NULL);
	place_name(name, "forward", getpid());
	fd = place_listen(dir, name, uid);
	if (fd < 0 || seteuid(uid) < 0 || listen(fd, 4) < 0 ||
	    seteuid(self) < 0)
		return 3;
	fcntl(fd, F_SETFL, 0);
	if (write(1, ".", 1) != 1)
		return 3;
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			return 3;
		if (recv(c, question, sizeof(question), 0) > 0)
			(void)!send(c, line, strlen(line), MSG_NOSIGNAL);
		close(c);
	}
}

static void start(uid_t uid)
{
	auto_free char *as = xasprintf("%u", (unsigned int)uid);
	char *const argv[] = {
		(char *)(uintptr_t) "ktctl",
		(char *)(uintptr_t) "forward",
		(char *)(uintptr_t) "--background",
		(char *)(uintptr_t) "--applied=0123456789abcdef:" IDENTITY,
		(char *)(uintptr_t) "--with=77",
		(char *)(uintptr_t) "--namespace=shop",
		(char *)(uintptr_t) "--",
		(char *)(uintptr_t) "web",
		NULL,
	};
	int pair[2];
	char dot;

	assert_int_equal(pipe(pair), 0);
	child = fork();
	if (child == 0) {
		dup2(pair[1], 1);
		setenv("TEST_SESSION", as, 1);
		execv("/proc/self/exe", argv);
		_exit(9);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &dot, 1), 1);
	close(pair[0]);
}

static void end(void)
{
	char name[PLACE_NAME_MAX];
	int dir = place_open(&home, false, NULL);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	place_name(name, "forward", child);
	unlinkat(dir, name, 0);
	close(dir);
}

/* --- tests ---------------------------------------------------------------- */

static const struct apply_session *find(struct apply_sessions *all)
{
	auto_free char *id = xasprintf("forward-%d", (int)child);
	struct kt_error err = { 0 };

	assert_int_equal(apply_sessions_find(all, loop, &home, IDENTITY, &err),
			 0);
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].id, id) == 0)
			return &all->v[i];
	fail_msg("%s is not there", id);
	return NULL;
}

static void ours_is_known_by_its_words(void **state)
{
	struct apply_sessions all;
	const struct apply_session *s;

	(void)state;
	start(geteuid());
	s = find(&all);
	assert_int_equal(s->uid, geteuid());
	assert_string_equal(s->digest, "0123456789abcdef");
	assert_string_equal(s->label, "forward web");
	assert_int_equal(s->flags.n, 1);
	assert_int_equal(s->with, 77);
	assert_null(s->down);
	apply_sessions_fini(&all);
	end();
}

/* Its process is root's, its socket is not */
static void of_others_no_word_is_taken(void **state)
{
	struct apply_sessions all;
	const struct apply_session *s;

	(void)state;
	assert_true(apply_session_is_trusted(&home, 0));
	assert_true(apply_session_is_trusted(&home, geteuid()));
	assert_false(apply_session_is_trusted(&home, (uid_t)-1));
	assert_false(apply_session_is_trusted(&home, geteuid() + 1));
	if (geteuid() != 0)
		skip();
	start(SOMEBODY);
	s = find(&all);
	assert_int_equal(s->uid, SOMEBODY);
	assert_null(s->digest);
	assert_int_equal(s->flags.n + s->args.n, 0);
	apply_sessions_fini(&all);
	end();
}

/* By sudo we are root, and the home is the caller's */
static void the_callers_word_is_taken(void **state)
{
	const uid_t own = home.uid;
	struct apply_sessions all;
	const struct apply_session *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	home.uid = SOMEBODY;
	assert_true(apply_session_is_trusted(&home, 0));
	assert_false(apply_session_is_trusted(&home, SOMEBODY - 1));
	assert_false(apply_session_is_trusted(&home, (uid_t)-1));
	start(SOMEBODY);
	s = find(&all);
	assert_int_equal(s->uid, SOMEBODY);
	assert_string_equal(s->digest, "0123456789abcdef");
	assert_string_equal(s->label, "forward web");
	apply_sessions_fini(&all);
	end();
	home.uid = own;
}

/* What is put back as another user is that user's, and still leaves with us */
static void a_job_of_the_callers_is_his(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "child", NULL };
	gid_t group = SOMEBODY;
	const struct caller caller = {
		.uid = SOMEBODY,
		.gid = SOMEBODY,
		.name = (char *)(uintptr_t) "nobody",
		.home = (char *)(uintptr_t) "/",
		.groups = &group,
		.ngroups = 1,
	};
	const struct apply_child run = {
		.program = "/proc/self/exe",
		.argv = argv,
		.as = &caller,
		.keep = -1,
		.tied = true,
	};
	struct kt_error err = { 0 };
	int signo;

	(void)state;
	if (geteuid() != 0)
		skip();
	setenv("TEST_CHILD", "1", 1);
	assert_int_equal(apply_child_run(&run, &signo, &err), 42);
	unsetenv("TEST_CHILD");
}

/* The tied child of the caller's */
static int run_child(void)
{
	int signo = 0;

	prctl(PR_GET_PDEATHSIG, &signo);
	return geteuid() == SOMEBODY && getegid() == SOMEBODY &&
			       signo == SIGTERM
		       ? 42
		       : 1;
}

/* --- jobs that end while the command runs --------------------------------- */

/* The log of the session @id; @uid: whose file it is */
static void log_write_lines(const char *id, const char *text, uid_t uid)
{
	auto_free char *name = xasprintf("%s.log", id);

	assert_int_equal(
		home_write(&home, "log", name, text, strlen(text), 0600, NULL),
		0);
	if (geteuid() == 0) {
		auto_close int dir = home_open_dir(&home, "log", 0, NULL);

		assert_int_equal(fchownat(dir, name, uid, (gid_t)-1, 0), 0);
	}
}

static void log_remove(const char *id)
{
	auto_free char *path = xasprintf("%s/log/%s.log", home.dir, id);
	auto_free char *dir = home_path(&home, "log");

	unlink(path);
	rmdir(dir);
	rmdir(home.dir);
}

/* What is told on stderr when @job is killed by the command; returned */
static char *told_of(pid_t job, char *id, const struct strv *wanted)
{
	struct apply_session one = { .id = id,
				     .label = (char *)(uintptr_t) "forward web",
				     .digest = (char *)(uintptr_t) "d",
				     .pid = job };
	const struct apply_sessions all = { &one, 1 };
	auto_free char *err_path = xasprintf("%s/stderr", home.user);
	/* it waits for what is told: at the command's end all is over */
	auto_free char *script =
		xasprintf("kill -9 %d; for i in $(seq 200); do"
			  " grep -q 'forward web' %s && exit 5;"
			  " sleep 0.05; done",
			  (int)job, err_path);
	char *const argv[] = { (char *)(uintptr_t) "sh",
			       (char *)(uintptr_t) "-c", script, NULL };
	struct apply_jobs jobs;
	const struct apply_child run = { .argv = argv,
					 .keep = -1,
					 .jobs = &jobs };
	struct kt_error err = { 0 };
	int keep = dup(STDERR_FILENO), signo, status;
	int fd = open(err_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *text;
	size_t len;

	dup2(fd, STDERR_FILENO);
	apply_jobs_init(&jobs, &home, &all, wanted);
	status = apply_child_run(&run, &signo, &err);
	apply_jobs_fini(&jobs);
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(fd);
	text = file_read(err_path, 4096, &len);
	unlink(err_path);
	if (status != 5)
		fail_msg("%d, %s", status, text);
	return text;
}

static void a_job_that_dies_is_told(void **state)
{
	static const char log[] = "ktctl: an older one\n"
				  "10:00:00.000 warning: lost\n"
				  "ktctl: shadow Pod x: it is gone\n"
				  "hint: start it again\n";
	auto_strv struct strv wanted = { 0 };

	(void)state;
	strv_add(&wanted, "forward web");
	strv_add(&wanted, "mesh db");
	for (int mode = 0; mode < 3; mode++) {
		pid_t job = fork();
		auto_free char *id = NULL;
		auto_free char *text = NULL;

		if (job == 0) {
			pause();
			_exit(0);
		}
		id = xasprintf("forward-%d", (int)job);
		if (mode > 0)
			log_write_lines(id, log,
					mode == 1 ? home.uid : SOMEBODY);
		text = told_of(job, id, &wanted);
		waitpid(job, NULL, 0);
		log_remove(id);
		if (!strstr(text, "ktctl: mesh db has ended already\n"))
			fail_msg("%s", text);
		/* another user's log is not read as root */
		if (mode == 2 && geteuid() != 0)
			continue;
		if (!strstr(text, mode == 1 ? "ktctl: forward web has ended: "
					      "shadow Pod x: it is gone\n"
					    : "forward web has ended, and "
					      "its log does not say why: "))
			fail_msg("%s", text);
	}
}

/* "leaving" and "starting" are not up either, but are on their way */
static void what_cannot_be_used_is_down(void **state)
{
	static const char *const down[] = { "stopped", "hung", "lost",
					    "silent" };
	static const char *const not [] = { "up", "partial", "starting",
					    "leaving" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(down); i++)
		assert_string_equal(apply_session_down(down[i]), down[i]);
	for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
		assert_null(apply_session_down(not [i]));
	assert_null(apply_session_down(NULL));
}

/* What is read of a command line makes the same one */
static void is_started_once_more_as_it_was(void **state)
{
	static const char first[] = "ktctl\0mesh\0--background\0--applied="
				    "0123456789abcdef:" IDENTITY
				    "\0--with=12\0--expose=8080\0--\0web";
	struct apply_session s = { .command = (char *)(uintptr_t) "mesh" };
	auto_strv struct strv argv = { 0 };
	const char *at = first;

	(void)state;
	assert_true(apply_session_read(&s, first, sizeof(first), IDENTITY));
	apply_session_argv(&argv, s.command, s.digest, IDENTITY, s.with, false,
			   &s.flags, &s.args);
	for (size_t i = 0; i < argv.n; i++, at += strlen(at) + 1)
		assert_string_equal(argv.v[i], at);
	assert_ptr_equal(at, first + sizeof(first));
	free(s.digest);
	free(s.key);
	free(s.label);
	strv_fini(&s.flags);
	strv_fini(&s.args);
}

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return own_home_of_sessions(&home, "sessions");
}

static int tear_down(void **state)
{
	(void)state;
	own_home_remove(&home);
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_is_known_by_its_words),
		cmocka_unit_test(of_others_no_word_is_taken),
		cmocka_unit_test(the_callers_word_is_taken),
		cmocka_unit_test(a_job_of_the_callers_is_his),
		cmocka_unit_test(a_job_that_dies_is_told),
		cmocka_unit_test(what_cannot_be_used_is_down),
		cmocka_unit_test(is_started_once_more_as_it_was),
	};
	const char *session = getenv("TEST_SESSION");
	long uid;

	if (getenv("TEST_CHILD"))
		return run_child();
	if (session)
		return str_to_long(session, &uid) < 0 ? 3
						      : run_session((uid_t)uid);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
