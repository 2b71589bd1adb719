/* SPDX-License-Identifier: Apache-2.0 */
/* Whose words are taken: this program once more, as if apply had started it */
#include "home.h"

#include "apply/sessions.h"
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
	assert_true(apply_session_is_trusted(0));
	assert_true(apply_session_is_trusted(geteuid()));
	assert_false(apply_session_is_trusted((uid_t)-1));
	assert_false(apply_session_is_trusted(geteuid() + 1));
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
		cmocka_unit_test(what_cannot_be_used_is_down),
		cmocka_unit_test(is_started_once_more_as_it_was),
	};
	const char *session = getenv("TEST_SESSION");
	long uid;

	if (session)
		return str_to_long(session, &uid) < 0 ? 3
						      : run_session((uid_t)uid);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
