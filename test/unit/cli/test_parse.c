/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "cli/command.h"

#include <string.h>

static void expect_namespace(const char *line, const char *namespace)
{
	struct cli c;

	cli_run(&c, line);
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.inv.command->name, "connect");
	assert_string_equal(c.o.global.namespace, namespace);
	cli_fini(&c);
}

static void expect_error(const char *line, const char *msg, const char *hint)
{
	struct cli c;

	cli_run(&c, line);
	assert_true(c.rc < 0);
	assert_string_equal(c.err.msg, msg);
	assert_true(!hint || strstr(c.err.hint, hint));
	cli_fini(&c);
}

static void forms(void **state)
{
	(void)state;
	expect_namespace("ktctl connect --namespace t", "t");
	expect_namespace("ktctl connect --namespace=t", "t");
	expect_namespace("ktctl connect -n t", "t");
	expect_namespace("ktctl connect -nt", "t");
	expect_namespace("ktctl connect -n=t", "t");
	expect_namespace("ktctl connect -dfn t", "t");
	expect_namespace("ktctl connect -dfnt", "t");
	expect_namespace("ktctl connect -n a -n t", "t");
}

/* "--debug" is the value here, which no namespace can be */
static void value_like_a_flag(void **state)
{
	struct cli c;

	(void)state;
	expect_error("ktctl connect -n --debug",
		     "--namespace: '--debug' is no name: lower-case letters, "
		     "digits, '-' and '.'",
		     NULL);
	cli_run(&c, "ktctl connect --context --debug");
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.o.global.context, "--debug");
	cli_fini(&c);
}

static void places(void **state)
{
	struct cli c;

	(void)state;
	expect_namespace("ktctl -n t connect", "t");
	expect_namespace("ktctl --namespace connect connect", "connect");
	expect_namespace("ktctl --mode sshuttle -n t connect", "t");
	expect_namespace("ktctl -d connect -n t", "t");

	cli_run(&c, "ktctl config -n t set -d connect.mode --debug=false x");
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.inv.command->name, "config set");
	assert_int_equal(c.inv.nargs, 2);
	assert_string_equal(c.inv.args[0], "connect.mode");
	assert_string_equal(c.inv.args[1], "x");
	assert_false(c.o.global.debug);
	cli_fini(&c);

	cli_run(&c, "ktctl config set -- connect.mode --debug");
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.inv.args[1], "--debug");
	cli_fini(&c);

	/* what stands behind "--" is told from what stands before it */
	cli_run(&c, "ktctl run -n t --noOutside -- prog -n x -- --y");
	assert_int_equal(c.rc, 0);
	assert_true(c.o.ended);
	assert_int_equal(c.o.nbefore, 0);
	assert_int_equal(c.o.nargs, 5);
	assert_string_equal(c.o.args[0], "prog");
	assert_string_equal(c.o.args[3], "--");
	assert_null(c.o.args[5]);
	assert_string_equal(c.o.global.namespace, "t");
	cli_fini(&c);

	cli_run(&c, "ktctl run web -- prog");
	assert_true(c.o.ended);
	assert_int_equal(c.o.nbefore, 1);
	cli_fini(&c);

	cli_run(&c, "ktctl run prog");
	assert_false(c.o.ended);
	cli_fini(&c);

	cli_run(&c, "ktctl config get -");
	assert_int_equal(c.rc, 0);
	assert_string_equal(c.inv.args[0], "-");
	cli_fini(&c);
}

static void help_and_version(void **state)
{
	static const char *const help[] = { "ktctl --help", "ktctl connect -h",
					    "ktctl -h connect",
					    "ktctl config get --help",
					    "ktctl connect -dh" };
	struct cli c;

	(void)state;
	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		auto_strv struct strv w = strv_split(help[i], ' ');
		struct invocation inv;

		assert_int_equal(parse_argv(&inv, (int)w.n, w.v, NULL), 0);
		assert_true(inv.help);
		invocation_fini(&inv);
	}
	cli_run(&c, "ktctl -v");
	assert_true(c.inv.version);
	cli_fini(&c);
	cli_run(&c, "ktctl");
	assert_int_equal(c.rc, 0);
	assert_null(c.inv.command);
	cli_fini(&c);
	cli_run(&c, "ktctl config");
	assert_int_equal(c.rc, 0);
	assert_null(c.inv.command->run);
	cli_fini(&c);
}

static void errors(void **state)
{
	(void)state;
	expect_error("ktctl --foo", "unknown flag: --foo", "ktctl --help");
	expect_error("ktctl connect --dnsmode x", "unknown flag: --dnsmode",
		     "did you mean --dnsMode?");
	expect_error("ktctl connect -x", "unknown flag: -x", "connect --help");
	expect_error("ktctl connect -dx", "unknown flag: -x", NULL);
	expect_error("ktctl connect -v", "unknown flag: -v", NULL);
	expect_error("ktctl connect --=x", "unknown flag: --", NULL);
	expect_error("ktctl connect --mode", "flag needs a value: --mode MODE",
		     NULL);
	expect_error("ktctl connect -n", "flag needs a value: -n NAME", NULL);
	expect_error("ktctl conect", "unknown command: conect",
		     "did you mean connect?");
	expect_error("ktctl helpp", "unknown command: helpp",
		     "did you mean help?");
	expect_error("ktctl help config set x", "help: too many arguments: x",
		     "usage: ktctl help [<command>] [flags]");
	expect_error("ktctl config shw", "unknown command: config shw",
		     "did you mean show?");
	expect_error("ktctl connect a", "connect takes no arguments: a",
		     "usage: ktctl connect [flags]");
	expect_error("ktctl config get", "config get: an argument is missing",
		     "usage: ktctl config get <item>... [flags]");
	expect_error("ktctl config set a b c d",
		     "config set: too many arguments: d", NULL);
	expect_error("ktctl connect ''", "connect takes no arguments: ", NULL);
	/* a bool takes no word as its value */
	expect_error("ktctl connect --debug false",
		     "connect takes no arguments: false", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),  cmocka_unit_test(value_like_a_flag),
		cmocka_unit_test(places), cmocka_unit_test(help_and_version),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
