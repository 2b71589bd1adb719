/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/progress.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* --- a pipe: plain lines -------------------------------------------------- */

static void no_times(char *text)
{
	/* "(0.0 s)" is as long as any short time */
	for (char *p = text; (p = strchr(p, '(')); p++)
		if (p[1] && p[2] == '.')
			p[1] = p[3] = '0';
}

static void plain(void **state)
{
	struct loop *l = loop_new();
	char *text = NULL;
	size_t len;
	FILE *f = fopen("/dev/null", "we");
	struct progress *p;
	int pipefd[2];
	char got[1024] = "";

	(void)state;
	(void)text;
	(void)len;
	fclose(f);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC | O_NONBLOCK), 0);
	f = fdopen(pipefd[1], "w");
	p = progress_new(l, f);
	progress_begin(p, 3);
	progress_step(p, "Cluster");
	progress_detail(p, "reading %s", "versions");
	progress_done(p, "Cluster %s answers", "dev");
	progress_step(p, "Pod\033[31m runs\nktctl: all is well");
	progress_note(p, "a note\033[2J\nktctl: all is well");
	progress_step(p, "Routes");
	progress_fail(p);
	progress_fail(p);
	progress_done(p, "nothing runs");
	progress_free(p);
	assert_true(read(pipefd[0], got, sizeof(got) - 1) > 0);
	no_times(got);
	assert_string_equal(got, "[1/3] Cluster dev answers (0.0 s)\n"
				 "a note\\x1b[2J ktctl: all is well\n"
				 "[2/3] Pod\\x1b[31m runs ktctl: all is well "
				 "(0.0 s)\n"
				 "[3/3] Routes: failed (0.0 s)\n");
	fclose(f);
	close(pipefd[0]);
	loop_free(l);
}

/* --- a terminal: spinner, marks, colours ---------------------------------- */

struct terminal {
	int master;
	FILE *out;
};

static void terminal_open(struct terminal *t, unsigned short columns)
{
	struct winsize ws = { .ws_row = 24, .ws_col = columns };
	int fd;

	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	fd = open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &ws), 0);
	t->out = fdopen(fd, "w");
}

static void terminal_read(struct terminal *t, char *dst, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && (r = read(t->master, dst + n, size - 1 - n)) > 0)
		n += (size_t)r;
	dst[n] = '\0';
}

static void terminal_close(struct terminal *t)
{
	fclose(t->out);
	close(t->master);
}

static void spinner(void **state)
{
	struct loop *l = loop_new();
	struct progress *p;
	struct terminal t;
	char got[8192];

	(void)state;
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("NO_COLOR");
	terminal_open(&t, 40);
	p = progress_new(l, t.out);
	progress_begin(p, 2);
	progress_step(p, "Pod");
	progress_detail(p, "%s", "waiting\nfor a very long image to arrive");
	assert_int_equal(loop_sleep(l, 250 * NS_MS), 0);
	progress_done(p, "Pod runs");
	terminal_read(&t, got, sizeof(got));
	/* cut to the width of the terminal, so that it does not wrap */
	assert_non_null(strstr(got, "⠋ [1/2] Pod: waiting for a very long im"
				    "\033[K"));
	assert_non_null(strstr(got, "\r⠹ ")); /* it turned */
	assert_non_null(strstr(got, "\r\033[K\033[32m✔ \033[0m[1/2] Pod runs "
				    "(0."));

	/* after the step nothing turns any more */
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	terminal_read(&t, got, sizeof(got));
	assert_string_equal(got, "");
	progress_free(p);
	terminal_close(&t);
	loop_free(l);
}

/* A log line finds an empty line to write on */
static void log_clears(void **state)
{
	struct loop *l = loop_new();
	struct progress *p;
	struct terminal t;
	char got[8192];

	(void)state;
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C", 1);
	setenv("NO_COLOR", "1", 1);
	terminal_open(&t, 80);
	p = progress_new(l, t.out);
	progress_step(p, "Pod");
	terminal_read(&t, got, sizeof(got));
	log_warn("a line in between");
	terminal_read(&t, got, sizeof(got));
	assert_string_equal(got, "\r\033[K");
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	progress_fail(p);
	terminal_read(&t, got, sizeof(got));
	assert_non_null(strstr(got, "\rfailed Pod (")
				?: strstr(got, "Kfailed "
					       "Pod ("));
	assert_null(strstr(got, "\033[3")); /* no colours */
	progress_free(p);
	terminal_close(&t);
	loop_free(l);
}

/* Nothing is drawn over a question of a plugin, or while it has the terminal */
static void plugin_asks(void **state)
{
	struct loop *l = loop_new();
	struct progress *p;
	struct terminal t;
	char got[8192];

	(void)state;
	setenv("TERM", "xterm", 1);
	terminal_open(&t, 80);
	p = progress_new(l, t.out);
	progress_step(p, "Pod");
	terminal_read(&t, got, sizeof(got));
	log_pass("enter: ", 7);
	terminal_read(&t, got, sizeof(got));
	assert_string_equal(got, "\r\033[K");
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	terminal_read(&t, got, sizeof(got));
	assert_string_equal(got, "");
	log_pass_end();
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	terminal_read(&t, got, sizeof(got));
	assert_non_null(strstr(got, "Pod"));
	log_hold();
	terminal_read(&t, got, sizeof(got));
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	terminal_read(&t, got, sizeof(got));
	assert_string_equal(got, "");
	log_pass_end();
	progress_free(p);
	terminal_close(&t);
	loop_free(l);
}

static void dumb(void **state)
{
	struct loop *l = loop_new();
	struct progress *p;
	struct terminal t;
	char got[1024];

	(void)state;
	setenv("TERM", "dumb", 1);
	terminal_open(&t, 80);
	p = progress_new(l, t.out);
	progress_step(p, "Pod");
	progress_done(p, NULL);
	progress_free(p);
	terminal_read(&t, got, sizeof(got));
	no_times(got);
	assert_string_equal(got, "Pod (0.0 s)\r\n");
	terminal_close(&t);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),      cmocka_unit_test(spinner),
		cmocka_unit_test(log_clears), cmocka_unit_test(plugin_asks),
		cmocka_unit_test(dumb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
