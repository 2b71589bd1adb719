/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong command lines, given to the program itself: each flag of each command
 * with each value that its type does not take (wrong.h). It says one line, and
 * perhaps a hint, on stderr, nothing on stdout, and ends with 2, without a
 * file of the user's or a cluster having been looked at. */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wrong.h"

#define HUGE ((size_t)100 << 10) /* an argument may have 128 KiB */
#define SAID_MAX ((size_t)4096)

struct said {
	int status;
	size_t out;		/* bytes on stdout */
	char err[SAID_MAX + 1]; /* the beginning */
};

static size_t cases;

static int temporary(void)
{
	char path[] = "/tmp/ktctl-wrong.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* An environment without anything of ours, and no kubeconfig */
static void said_by(struct said *s, const struct strv *words)
{
	static char *env[] = { (char *)(uintptr_t) "HOME=/nonexistent",
			       (char *)(uintptr_t) "KUBECONFIG=/nonexistent/k",
			       NULL };
	auto_close int out = temporary(), err = temporary();
	posix_spawn_file_actions_t act;
	ssize_t n;
	pid_t pid;
	int rc, status;

	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_addopen(&act, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&act, out, 1);
	posix_spawn_file_actions_adddup2(&act, err, 2);
	rc = posix_spawn(&pid, getenv("KTCTL"), &act, NULL, words->v, env);
	posix_spawn_file_actions_destroy(&act);
	assert_int_equal(rc, 0);
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	s->out = (size_t)lseek(out, 0, SEEK_END);
	n = pread(err, s->err, SAID_MAX, 0);
	assert_true(n >= 0);
	s->err[n] = '\0';
}

/* One line, and perhaps one with a hint */
static bool is_one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	if (!str_starts(text, "ktctl: ") || !end || end - text > 600)
		return false;
	if (!end[1])
		return true;
	if (!str_starts(end + 1, "hint: "))
		return false;
	end = strchr(end + 1, '\n');
	return end && !end[1];
}

/* @about: what the line has to name */
static void assert_usage(const struct strv *words, const char *about)
{
	struct said s;

	cases++;
	said_by(&s, words);
	if (s.status == 2 && !s.out && is_one_line(s.err) &&
	    strstr(s.err, about))
		return;
	print_message("# the command line, a word a line:\n");
	for (size_t i = 0; i < words->n; i++)
		print_message("#   %.100s\n", words->v[i]);
	fail_msg("status %d, %zu bytes on stdout, and on stderr: %s\n"
		 "wanted: status 2, nothing on stdout, one line that names %s. "
		 "A value is checked by its type (cli/value.c), what does not "
		 "go together by cli/resolve.c",
		 s.status, s.out, s.err, about);
}

/* "ktctl COMMAND" and as many arguments as it wants; what else is required */
static struct strv line_of(const struct command *c, const char *besides)
{
	struct strv words = strv_split(c->name, ' ');
	struct strv line = { 0 };

	strv_add(&line, "ktctl");
	for (size_t i = 0; i < words.n; i++)
		strv_add(&line, words.v[i]);
	for (size_t i = 0; i < c->min_args; i++)
		strv_add(&line, "web");
	if (option_find(c->options, "expose", 6) && !str_eq(besides, "expose"))
		strv_add(&line, "--expose=80");
	strv_fini(&words);
	return line;
}

static void try_value(const struct command *c, const struct option *opt,
		      const char *text)
{
	auto_free char *about = xasprintf("--%s: ", opt->name);
	auto_free char *flag = xasprintf("--%s=%s", opt->name, text);
	auto_strv struct strv line = line_of(c, opt->name);

	strv_add(&line, flag);
	assert_usage(&line, about);
}

/* As the last word, without its value */
static void try_alone(const struct command *c, const struct option *opt)
{
	auto_free char *flag = xasprintf("--%s", opt->name);
	auto_strv struct strv line = line_of(c, opt->name);

	strv_add(&line, flag);
	assert_usage(&line, flag);
}

/* A row that several commands share */
static bool was_tried(const struct command *c, const struct option *opt)
{
	const struct command *before;
	const struct option *o;

	for_each_command (before) {
		if (before == c)
			break;
		for_each_option (o, before->options)
			if (str_eq(o->name, opt->name) &&
			    str_eq(o->summary, opt->summary))
				return true;
	}
	return false;
}

static void try_flag(const struct command *c, const struct option *opt)
{
	static bool plain[VALUE_NTYPES_];
	static char huge[HUGE + 1];
	char number[32];

	try_value(c, opt, "\033[2J");
	if (was_tried(c, opt))
		return;
	if (!plain[opt->type]) { /* no flag's own matter */
		memset(huge, '1', HUGE);
		try_value(c, opt, huge);
		try_value(c, opt, "a\nktctl: b");
		plain[opt->type] = true;
	}
	for (size_t i = 0; wrong_of_type[opt->type][i]; i++)
		if (*wrong_of_type[opt->type][i])
			try_value(c, opt, wrong_of_type[opt->type][i]);
	if (opt->type != VALUE_BOOL)
		try_alone(c, opt);
	/* of --expose nothing is as missing as none */
	if (opt->not_empty ||
	    (wrong_of_type[opt->type][0] && !*wrong_of_type[opt->type][0]))
		try_value(c, opt, "");
	if (opt->is_name) {
		try_value(c, opt, "A_b");
		try_value(c, opt, "../b");
	}
	if (opt->type == VALUE_INT) {
		snprintf(number, sizeof(number), "%ld", opt->max + 1);
		try_value(c, opt, number);
		snprintf(number, sizeof(number), "%ld", opt->min - 1);
		try_value(c, opt, number);
	}
}

static void every_flag_of_every_command(void **state)
{
	const struct option *opt;
	const struct command *c;

	(void)state;
	for_each_command (c) {
		auto_free char *none = NULL;

		if (!c->run || c->raw)
			continue;
		for_each_option (opt, c->options)
			try_flag(c, opt);
		none = xasprintf("--%s", "nosuchflag");

		auto_strv struct strv line = line_of(c, NULL);

		strv_add(&line, none);
		assert_usage(&line, "unknown flag: --nosuchflag");
	}
	print_message("# %zu command lines\n", cases);
	assert_in_range(cases, 300, 10000);
}

static void every_global_flag(void **state)
{
	const struct command *connect = command_find("connect"), *c;
	const struct option *opt;

	(void)state;
	for_each_option (opt, global_option_table)
		try_flag(connect, opt);
	/* and each command has them */
	for_each_command (c)
		if (c->run && !c->raw)
			try_value(
				c,
				option_find(global_option_table, "carrier", 7),
				"nonsense");
}

/* What is right alone and wrong in its place or beside another; arguments of
 * an unknown kind */
static void what_does_not_go_together(void **state)
{
	static const struct {
		const char *line, *about;
	} wrong[] = {
		{ "connect --shadow a/b/c", "--shadow" },
		{ "connect --shadow A_b", "--shadow" },
		{ "connect --shadow ingress/b", "--shadow" },
		{ "connect --shadow a --shareShadow", "--shareShadow" },
		{ "connect --shadow a --dnsMode hosts", "--dnsMode hosts" },
		{ "connect --dnsMode podDNS", "--dnsMode podDNS" },
		{ "connect --proxyAddr 0.0.0.0", "--proxyAddr 0.0.0.0" },
		{ "connect web", "takes no arguments: web" },
		{ "exchange web", "--expose is missing" },
		{ "exchange", "an argument is missing" },
		{ "exchange a b --expose 80", "too many arguments: b" },
		{ "exchange A_b --expose 80", "'A_b'" },
		{ "exchange ingress/a --expose 80", "'ingress/a'" },
		{ "exchange a/b/c --expose 80", "'a/b/c'" },
		{ "exchange a.b -n c --expose 80", "two namespaces" },
		{ "mesh ingress/a --expose 80", "'ingress/a'" },
		{ "mesh a --expose 80 --route istio", "--route" },
		{ "mesh a --expose 80 --mode manual --match path:/a",
		  "--match" },
		{ "mesh a --expose 80 --mode manual --versionMark a/b",
		  "--versionMark" },
		{ "mesh a --expose 80 --percent 10", "without --copy" },
		{ "mesh a --expose 80 --copy --mode manual", "--copy" },
		{ "mesh a --expose 80 --copy --percent 0", "--percent" },
		{ "preview deployment/a --expose 80", "preview" },
		{ "preview a --expose 80:http", "--expose 80:http" },
		{ "preview A_b --expose 80", "'A_b'" },
		{ "forward", "an argument is missing" },
		{ "forward ingress/a 80", "'ingress/a'" },
		{ "forward a 80 80", "'80'" },
		{ "forward a 70000", "70000" },
		{ "forward a 80:x:1", "'80:x:1'" },
		{ "forward a 80/sctp", "80/sctp" },
		{ "forward a 80 --address 10.0.0.0/8", "--address" },
		{ "recover deployment/a", "deployment/a" },
		{ "recover A_b", "'A_b'" },
		{ "disconnect --all connect", "--all" },
		{ "doctor nonsense", "'nonsense'" },
		{ "doctor connect a", "doctor connect" },
		{ "image push a", "'a'" },
		{ "image push", "an argument is missing" },
		{ "config set a.b c", "a.b" },
		{ "config set connect.mode", "config set" },
		{ "config set connect.mode nonsense", "nonsense" },
		{ "config set connect.proxy-port 0", "connect.proxy-port" },
		{ "config save-profile ../a", "'../a'" },
		{ "help nonsense", "nonsense" },
		{ "nonsense", "nonsense" },
		{ "config nonsense", "config nonsense" },
		{ "--nonsense", "--nonsense" },
		{ "-Z", "-Z" },
		{ "connect -nA_b", "--namespace" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		auto_free char *text = xasprintf("ktctl %s", wrong[i].line);
		auto_strv struct strv line = strv_split(text, ' ');

		assert_usage(&line, wrong[i].about);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flag_of_every_command),
		cmocka_unit_test(every_global_flag),
		cmocka_unit_test(what_does_not_go_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
