/* SPDX-License-Identifier: Apache-2.0 */
/* A session in a process of its own, and who asks it. */
#include "home.h"
#include "json.h"
#include "schema.h"

#include "base/loop.h"
#include "control/ask.h"
#include "control/control.h"
#include "control/message.h"
#include "control/place.h"
#include "local/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct home home;
static struct loop *loop;
static pid_t child;
static char *id;

/* --- the session ---------------------------------------------------------- */

/* What its tunnels are like: the last byte that the test wrote into a pipe */
struct fake {
	struct watch watch;
	int fd;
	char how;	  /* 'u'p, 's'ilent, 'l'ost, 'p'artial */
	int64_t answered; /* to the last ping */
};

static void fake_probe(void *user)
{
	struct fake *f = user;

	if (f->how == 'u' || f->how == 'p')
		f->answered = clock_ns();
}

static void fake_report(void *user, struct control_report *r)
{
	const struct fake *f = user;

	r->tunnels = 2;
	r->up = f->how == 'l' ? 0 : f->how == 'p' ? 1 : 2;
	r->answered = f->answered;
	r->latency = 1500000;
	r->streams = 3;
	r->bytes_in = (uint64_t)1 << 40;
	r->bytes_out = 7;
	r->reconnects = 1;
	r->why = "no answer\033[2J\xff";
	r->when_lost = 1700000000;
}

static void fake_on_byte(struct watch *w, uint32_t events)
{
	struct fake *f = container_of(w, struct fake, watch);
	char how;

	(void)events;
	if (read(f->fd, &how, 1) != 1)
		_exit(9); /* the test is over */
	f->how = how;
}

static int run_session(int fd, int status)
{
	static const struct control_source src = { fake_probe, fake_report };
	struct kt_error err = { 0 };
	struct fake f = { .fd = fd, .how = '0' };
	struct control_config cfg = { .home = &home,
				      .command = "connect",
				      .target = "web\033" };
	struct control *c;

	cfg.loop = loop_new();
	cfg.signals = signals_new(cfg.loop, &err);
	c = control_new(&cfg);
	if (loop_watch_start(cfg.loop, &f.watch, fd, EPOLLIN, fake_on_byte) < 0)
		return 8;
	if (control_open(c, "ctx", "shop", &err) < 0)
		return 8;
	while (loop_once(cfg.loop, -1) >= 0 && !signals_seen(cfg.signals))
		if (f.how != '0') {
			control_serve(c, &src, &f);
			control_ready(c, "/x/y.log");
		}
	control_free(c, status);
	return status;
}

/* The write end of its pipe */
static int start(int status)
{
	int pair[2];

	assert_int_equal(pipe(pair), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[1]);
		_exit(run_session(pair[0], status));
	}
	close(pair[0]);
	free(id);
	id = xasprintf("connect-%d", (int)child);
	return pair[1];
}

static int end(int fd)
{
	int status;

	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- who asks ------------------------------------------------------------- */

/* Ours of all that run on this machine, or NULL (returned) */
static json_t *ours(void)
{
	struct kt_error err = { 0 };
	json_t *all, *s, *found = NULL;
	size_t i;

	assert_int_equal(ask_sessions(loop, &home, &all, &err), 0);
	json_array_foreach (all, i, s)
		if (str_eq(json_string_value(json_object_get(s, "id")), id))
			found = json_incref(s);
	json_decref(all);
	return found;
}

static const char *member(const json_t *s, const char *name)
{
	return json_string_value(json_object_get(s, name));
}

/* Its state is @state soon: the other process has to be there, and to read */
static json_t *becomes(const char *state)
{
	int64_t limit = clock_ns() + 20 * NS_SEC;
	json_t *s = NULL;

	do {
		json_decref(s);
		s = ours();
		if (s && str_eq(member(s, "state"), state))
			return s;
		usleep(10000);
	} while (clock_ns() < limit);
	fail_msg("is %s, not %s", s ? member(s, "state") : "nothing", state);
	return NULL;
}

static void becomes_soon(const char *state)
{
	json_decref(becomes(state));
}

static void fits_schema(const json_t *session)
{
	auto_free char *path =
		xasprintf("%s/status.json", getenv("KT_SCHEMA_DIR"));
	json_t *all =
		json_pack("{s:i,s:[O]}", "version", 1, "sessions", session);
	struct schema schema;
	const char *name;
	json_t *v, *copy;

	schema_load(&schema, path);
	if (!schema_fits(&schema, all, schema.root))
		fail_msg("%s", schema.why);
	json_object_foreach ((json_t *)(uintptr_t)session, name, v) {
		copy = json_deep_copy(all);
		json_object_del(
			json_array_get(json_object_get(copy, "sessions"), 0),
			name);
		assert_false(schema_fits(&schema, copy, schema.root));
		json_decref(copy);
	}
	json_decref(all);
	json_decref(schema.root);
}

/* --- tests ---------------------------------------------------------------- */

static void says_how_it_is(void **state)
{
	int fd = start(0);
	json_t *s = becomes("starting"), *loss;

	(void)state;
	fits_schema(s);
	json_decref(s);
	assert_int_equal(write(fd, "u", 1), 1);
	s = becomes("up");
	fits_schema(s);
	assert_string_equal(member(s, "command"), "connect");
	assert_string_equal(member(s, "target"), "web\\x1b");
	assert_string_equal(member(s, "context"), "ctx");
	assert_string_equal(member(s, "namespace"), "shop");
	assert_string_equal(member(s, "log"), "/x/y.log");
	assert_int_equal(json_integer_value(json_object_get(s, "pid")), child);
	assert_int_equal(json_integer_value(json_object_get(s, "bytes_in")),
			 (json_int_t)1 << 40);
	loss = json_object_get(s, "last_loss");
	assert_string_equal(member(loss, "at"), "2023-11-14T22:13:20Z");
	assert_string_equal(member(loss, "reason"), "no answer\\x1b[2J\\xff");
	json_decref(s);
	assert_int_equal(write(fd, "p", 1), 1);
	becomes_soon("partial");
	assert_int_equal(write(fd, "l", 1), 1);
	becomes_soon("lost");
	assert_int_equal(end(fd), 9);
}

/* It was up a moment ago; that is no reason to say so now */
static void is_silent_within_five_seconds(void **state)
{
	int fd = start(0);
	int64_t begin;

	(void)state;
	assert_int_equal(write(fd, "u", 1), 1);
	becomes_soon("up");
	assert_int_equal(write(fd, "s", 1), 1);
	begin = clock_ns();
	becomes_soon("silent");
	assert_true(clock_ns() - begin < 5 * NS_SEC);
	end(fd);
}

static void is_stopped(void **state)
{
	int fd = start(0);
	json_t *s;

	(void)state;
	becomes_soon("starting");
	kill(child, SIGSTOP);
	s = becomes("stopped");
	fits_schema(s);
	json_decref(s);
	kill(child, SIGCONT);
	becomes_soon("starting");
	end(fd);
}

static bool is_named(void)
{
	auto_strv struct strv names = { 0 };

	ask_names(&home, &names);
	return strv_has(&names, id);
}

/* Its socket is there still: the next who looks takes it away */
static void is_gone(int i)
{
	int fd = start(0), dir;
	char name[PLACE_NAME_MAX];
	struct stat st;

	becomes_soon("starting");
	place_name(name, "connect", child);
	dir = place_open(&home, false, NULL);
	assert_true(dir >= 0);
	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(is_named());
	kill(child, SIGKILL);
	end(fd);
	if (i)
		assert_null(ours());
	else
		assert_false(is_named());
	assert_int_equal(fstatat(dir, name, &st, 0), -1);
	close(dir);
}

static void is_gone_after_a_kill(void **state)
{
	(void)state;
	is_gone(0);
	is_gone(1);
}

static struct ask_end told;
static size_t ntold;

static void on_end(void *user, const struct ask_end *e)
{
	(void)user;
	told = *e;
	ntold++;
}

static void leave_it(void)
{
	char *ids[] = { id };
	struct kt_error err = { 0 };

	ntold = 0;
	assert_int_equal(ask_leave(loop, &home, ids, 1, on_end, NULL, &err), 0);
	assert_int_equal(ntold, 1);
}

/* The exit status is known, and the process is gone by then */
static void leaves_when_asked(void **state)
{
	static const int statuses[] = { 0, 1, 130 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		int fd = start(statuses[i]), status;

		becomes_soon("starting");
		leave_it();
		assert_int_equal(told.rc, 0);
		assert_int_equal(told.status, statuses[i]);
		assert_int_equal(waitpid(child, &status, WNOHANG), child);
		assert_int_equal(WEXITSTATUS(status), statuses[i]);
		close(fd);
		assert_null(ours());
	}
}

static void tells_of_a_death_in_between(void **state)
{
	int fd = start(0);
	pid_t killer;

	(void)state;
	becomes_soon("starting");
	kill(child, SIGSTOP); /* it takes the question, and nothing follows */
	killer = fork();
	if (killer == 0) {
		usleep(200000);
		kill(child, SIGKILL);
		_exit(0);
	}
	leave_it();
	assert_int_equal(told.rc, -ECONNRESET);
	waitpid(killer, NULL, 0);
	end(fd);
}

/* A session whose loop does not run any more: who comes now is in the queue */
static int start_late(int status)
{
	int pair[2];

	assert_int_equal(pipe(pair), 0);
	child = fork();
	if (child == 0) {
		struct control_config cfg = { .home = &home,
					      .command = "connect" };
		struct kt_error err = { 0 };
		struct control *c;
		char go;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[1]);
		cfg.loop = loop_new();
		cfg.signals = signals_new(cfg.loop, &err);
		c = control_new(&cfg);
		if (control_open(c, NULL, NULL, &err) < 0 ||
		    read(pair[0], &go, 1) < 0)
			_exit(8);
		control_free(c, status);
		_exit(status);
	}
	close(pair[0]);
	free(id);
	id = xasprintf("connect-%d", (int)child);
	return pair[1];
}

/* It has cleaned up, and who asked in the last moment is told how it ended */
static void tells_who_comes_late(void **state)
{
	int64_t limit = clock_ns() + 20 * NS_SEC;
	int fd = start_late(7), status;
	pid_t trigger;

	(void)state;
	while (!is_named() && clock_ns() < limit)
		usleep(10000);
	trigger = fork();
	if (trigger == 0) {
		usleep(200000);
		_exit(write(fd, "e", 1) != 1);
	}
	leave_it();
	assert_int_equal(told.rc, 0);
	assert_int_equal(told.status, 7);
	assert_int_equal(waitpid(trigger, &status, 0), trigger);
	assert_int_equal(end(fd), 7);
}

/* Nor does who asks how it is see one that is not there any more */
static void late_is_no_session(void **state)
{
	int64_t limit = clock_ns() + 20 * NS_SEC;
	int fd = start_late(0);
	pid_t trigger;

	(void)state;
	while (!is_named() && clock_ns() < limit)
		usleep(10000);
	trigger = fork();
	if (trigger == 0) {
		usleep(200000);
		_exit(write(fd, "e", 1) != 1);
	}
	assert_null(ours());
	waitpid(trigger, NULL, 0);
	end(fd);
}

/* A process whose socket is in its place, and whose only answer is the line
 * that
 * @answer makes of its pid */
static int run_liar(const char *answer, char how)
{
	auto_free char *line = NULL;
	char name[PLACE_NAME_MAX], question[MESSAGE_REQUEST_MAX];
	int dir = place_open(&home, false, NULL), fd, c;
	json_t *s = message_session(how == 'c' ? "forward" : "connect",
				    how == 'p' ? getppid() : getpid(), "up");

	if (how == 'i')
		json_object_set_new(s, "id", json_string("connect-1"));
	line = answer ? xstrdup(answer) : message_line("session", s);
	place_name(name, "connect", getpid());
	fd = place_listen(dir, name, geteuid());
	fcntl(fd, F_SETFL, 0);
	for (;;) {
		c = accept(fd, NULL, NULL);
		if (c < 0)
			_exit(3);
		/* who looks only whether it is there asks nothing */
		if (recv(c, question, sizeof(question), 0) > 0)
			(void)!send(c, line, strlen(line), MSG_NOSIGNAL);
		close(c);
	}
}

static void start_liar(const char *answer, char how)
{
	int64_t limit = clock_ns() + 20 * NS_SEC;

	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_liar(answer, how));
	}
	free(id);
	id = xasprintf("connect-%d", (int)child);
	while (!is_named() && clock_ns() < limit)
		usleep(10000);
}

static void end_liar(void)
{
	char name[PLACE_NAME_MAX];
	int dir = place_open(&home, false, NULL);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	place_name(name, "connect", child);
	unlinkat(dir, name, 0);
	close(dir);
}

/* Nobody is taken for another session */
static void speaks_for_itself_alone(void **state)
{
	json_t *s, *all;
	uid_t *uids;
	struct kt_error err = { 0 };
	size_t i;

	(void)state;
	start_liar(NULL, 't'); /* the truth */
	becomes_soon("up");
	assert_int_equal(ask_sessions_of(loop, &home, &all, &uids, &err), 0);
	json_array_foreach (all, i, s)
		if (str_eq(member(s, "id"), id))
			assert_int_equal(uids[i], geteuid());
	json_decref(all);
	free(uids);
	end_liar();
	for (const char *how = "ipc"; *how; how++) {
		start_liar(NULL, *how);
		s = ours();
		assert_non_null(s);
		assert_string_equal(member(s, "state"), "hung");
		assert_string_equal(member(s, "command"), "connect");
		assert_int_equal(json_integer_value(json_object_get(s, "pid")),
				 child);
		json_decref(s);
		end_liar();
	}
}

/* What answers another question is no answer: it does not end the waiting
 * without one either */
static void answers_what_was_asked(void **state)
{
	static const char *const to_status[] = {
		"{\"version\": 1, \"leaving\": true}\n",
		"{\"version\": 1, \"following\": true}\n",
	};
	int64_t begin = clock_ns();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(to_status); i++) {
		start_liar(to_status[i], 0);
		becomes_soon("hung");
		end_liar();
	}
	for (int i = 0; i < 2; i++) {
		start_liar(i ? to_status[1] : NULL, 't');
		leave_it();
		assert_int_equal(told.rc, -EPROTO);
		end_liar();
	}
	assert_true(clock_ns() - begin < 20 * NS_SEC);
}

/* No descriptor is left: the loop does not spin, and it goes on when there is
 * one again. The exit status says what was wrong. */
static int without_descriptors(void)
{
	static const char ask[] = "{\"version\": 1, \"ask\": \"status\"}\n";
	struct control_config cfg = { .home = &home, .command = "connect" };
	struct kt_error err = { 0 };
	struct rlimit was, none;
	char name[PLACE_NAME_MAX], answer[MESSAGE_ANSWER_MAX];
	struct control *c;
	int64_t limit;
	int dir, s, rounds = 0;

	cfg.loop = loop_new();
	cfg.signals = signals_new(cfg.loop, &err);
	c = control_new(&cfg);
	if (control_open(c, NULL, NULL, &err) < 0)
		return 2;
	dir = place_open(&home, false, &err);
	place_name(name, "connect", getpid());
	s = place_connect(dir, name);
	if (s < 0 || send(s, ask, sizeof(ask) - 1, 0) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &was) < 0)
		return 3;
	none = was;
	none.rlim_cur = (rlim_t)s + 1; /* the lowest that was free */
	if (setrlimit(RLIMIT_NOFILE, &none) < 0)
		return 4;
	for (limit = clock_ns() + NS_SEC; clock_ns() < limit; rounds++)
		loop_once(cfg.loop, limit - clock_ns());
	if (rounds > 100)
		return 5;
	if (setrlimit(RLIMIT_NOFILE, &was) < 0)
		return 6;
	for (limit = clock_ns() + 20 * NS_SEC; clock_ns() < limit;) {
		loop_once(cfg.loop, NS_SEC / 10);
		if (recv(s, answer, sizeof(answer), MSG_DONTWAIT) > 0)
			break;
	}
	control_free(c, 0);
	return clock_ns() < limit ? 0 : 7;
}

static void does_not_spin(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(without_descriptors());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Whatever is sent to it: an answer that says so, and it lives */
static void answers_nonsense(void **state)
{
	static const char *const bad[] = {
		"\n",
		"{}\n",
		"GET / HTTP/1.1\r\n",
		"{\"version\": 1, \"ask\": \"status\"}\n{\"version\": 1}\n",
	};
	char name[PLACE_NAME_MAX], answer[512], huge[4096];
	int fd = start(0), dir = place_open(&home, false, NULL);

	(void)state;
	becomes_soon("starting");
	memset(huge, 'x', sizeof(huge));
	place_name(name, "connect", child);
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		bool big = i == ARRAY_SIZE(bad);
		int s = place_connect(dir, name);
		ssize_t n;

		assert_true(s >= 0);
		fcntl(s, F_SETFL, 0);
		assert_true(send(s, big ? huge : bad[i],
				 big ? sizeof(huge) : strlen(bad[i]),
				 MSG_NOSIGNAL) > 0);
		n = recv(s, answer, sizeof(answer) - 1, 0);
		if (n > 0) { /* a reset, where more came than was read */
			answer[n] = '\0';
			assert_non_null(strstr(answer, "\"error\""));
		}
		close(s);
	}
	becomes_soon("starting");
	close(dir);
	end(fd);
}

/* Nobody else's: by the file's mode, where we are root */
static void is_ours_alone(void **state)
{
	int fd = start(0), status;
	char name[PLACE_NAME_MAX];
	pid_t other;

	(void)state;
	becomes_soon("starting");
	if (geteuid() == 0) {
		place_name(name, "connect", child);
		other = fork();
		if (other == 0) {
			int dir = place_open(&home, false, NULL);

			if (setgid(65534) < 0 || setuid(65534) < 0)
				_exit(2);
			_exit(place_connect(dir, name) == -EACCES ? 0 : 1);
		}
		assert_int_equal(waitpid(other, &status, 0), other);
		assert_int_equal(status, 0);
	}
	end(fd);
}

/* Where it lies that is to outlast the login; run as a user */
static int place_of_a_user(bool lasting, const char *wanted)
{
	char self[64], path[256];
	struct home user;
	ssize_t n;
	int dir;

	if (geteuid() == 0 && (chown(getenv("HOME"), 65534, 65534) < 0 ||
			       setgid(65534) < 0 || setuid(65534) < 0))
		return 2;
	home_init(&user);
	dir = place_open(&user, lasting, NULL);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", dir);
	n = readlink(self, path, sizeof(path) - 1);
	path[MAX(n, 0)] = '\0';
	return str_ends(path, wanted) ? 0 : 3;
}

static void outlasts_the_login(void **state)
{
	static const char *const wanted[] = { "/ktctl", "/.kt/run" };
	auto_free char *kt = xasprintf("%s/.kt", home.user);
	auto_free char *run = xasprintf("%s/run", kt);
	int status;

	(void)state;
	for (int lasting = 0; lasting < 2; lasting++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(place_of_a_user(lasting, wanted[lasting]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	rmdir(run);
	rmdir(kt);
}

/* --- a home of its own ---------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return own_home_of_sessions(&home, "control");
}

static int tear_down(void **state)
{
	(void)state;
	own_home_remove(&home);
	loop_free(loop);
	free(id);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_how_it_is),
		cmocka_unit_test(is_silent_within_five_seconds),
		cmocka_unit_test(is_stopped),
		cmocka_unit_test(is_gone_after_a_kill),
		cmocka_unit_test(leaves_when_asked),
		cmocka_unit_test(tells_of_a_death_in_between),
		cmocka_unit_test(tells_who_comes_late),
		cmocka_unit_test(late_is_no_session),
		cmocka_unit_test(speaks_for_itself_alone),
		cmocka_unit_test(answers_what_was_asked),
		cmocka_unit_test(does_not_spin),
		cmocka_unit_test(answers_nonsense),
		cmocka_unit_test(is_ours_alone),
		cmocka_unit_test(outlasts_the_login),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
