/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "run/vscode.h"
#include "schema.h"

#include <errno.h>
#include <stdlib.h>

static const struct option flags[] = {
	{ .name = "exchange", .type = VALUE_BOOL },
	{ .name = "namespace", .letter = 'n', .type = VALUE_STRING },
	{ .name = "envSet", .type = VALUE_SETTINGS },
	{ .name = "vscode", .type = VALUE_BOOL },
	{ .name = "background", .type = VALUE_BOOL },
	{ .name = "noFiles", .type = VALUE_BOOL },
	{ .name = "env", .type = VALUE_STRING },
};

static char *args[] = { (char[]){ "web" }, NULL };

static const struct given given[] = {
	{ &flags[0], "true" }, { &flags[1], "shop" }, { &flags[2], "A=b c" },
	{ &flags[3], "true" }, { &flags[4], "true" }, { &flags[5], "false" },
};

static const struct options call = {
	.args = args,
	.nargs = 1,
	.given = given,
	.ngiven = ARRAY_SIZE(given),
};

/* The words at @path of the configuration called @name, joined */
static char *words_of(const json_t *launch, const char *name, const char *key,
		      const char *below)
{
	json_t *all = json_object_get(launch, "configurations"), *c, *w;
	size_t i, j;

	json_array_foreach (all, i, c) {
		json_t *list = json_object_get(c, key);
		char *line = xstrdup("");

		if (below)
			list = json_object_get(list, below);
		if (strcmp(json_string_value(json_object_get(c, "name")),
			   name) != 0 ||
		    !list) {
			free(line);
			continue;
		}
		json_array_foreach (list, j, w) {
			char *longer =
				xasprintf("%s|%s", line, json_string_value(w));

			free(line);
			line = longer;
		}
		return line;
	}
	fail_msg("there is no %s of %s", key, name);
	return NULL;
}

#define WORDS                                                                  \
	"|run|web|--exchange|--namespace=shop|--envSet=A=b "                   \
	"c|--noFiles=false|--|"

static void each_has_the_calls_flags(void **state)
{
	static const char *const want[][4] = {
		{ "ktctl run: Node.js", "runtimeArgs", NULL,
		  WORDS "node|--inspect-brk=127.0.0.1:9229" },
		{ "ktctl run: Python", "pythonArgs", NULL,
		  WORDS "${command:python.interpreterPath}" },
		{ "ktctl run: C, C++, Rust (gdb)", "pipeTransport", "pipeArgs",
		  WORDS "sh|-c" },
	};
	json_t *launch = vscode_launch(&call);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		auto_free char *line =
			words_of(launch, want[i][0], want[i][1], want[i][2]);

		assert_string_equal(line, want[i][3]);
	}
	json_decref(launch);
}

static void what_is_started_first(void **state)
{
	auto_strv struct strv first = { 0 };

	(void)state;
	vscode_first(&call, &first);
	assert_int_equal(first.n, 3);
	assert_string_equal(first.v[1],
			    "Go: ktctl run web --exchange --namespace=shop "
			    "'--envSet=A=b c' --noFiles=false -- dlv dap "
			    "--listen=127.0.0.1:2345");
}

static void an_environment_of_env_run(void **state)
{
	struct options o = call;
	const struct given twice[] = { { &flags[6], "me" } };
	char name[] = "me";
	json_t *launch;
	char *line;

	(void)state;
	o.nargs = o.ngiven = 0;
	o.connect.env = name;
	for (int i = 0; i < 2; i++) { /* given by a flag, it is there once */
		launch = vscode_launch(&o);
		line = words_of(launch, "ktctl run: Python", "pythonArgs",
				NULL);
		assert_string_equal(line, "|run|--env=me|--|"
					  "${command:python.interpreterPath}");
		free(line);
		json_decref(launch);
		o.given = twice;
		o.ngiven = 1;
	}
}

static void it_is_as_the_schema_says(void **state)
{
	auto_free char *path =
		xasprintf("%s/run-vscode.json", getenv("KT_SCHEMA_DIR"));
	json_t *launch = vscode_launch(&call);
	struct schema s;

	(void)state;
	schema_load(&s, path);
	if (!schema_fits(&s, launch, s.root))
		fail_msg("%s", s.why);
	json_decref(s.root);
	json_decref(launch);
}

static void no_program(void **state)
{
	const struct given other[] = { { &flags[6], "caf\xe9" } };
	struct options o = call;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(vscode_check(&o, &err), 0);
	o.ended = true;
	o.nbefore = 1;
	assert_int_equal(vscode_check(&o, &err), 0);
	o.nbefore = 0;
	assert_int_equal(vscode_check(&o, &err), -EINVAL);
	o.ended = false;
	o.nargs = 2;
	assert_int_equal(vscode_check(&o, &err), -EINVAL);
	o.nargs = 1;
	o.run.engine = RUN_ENGINE_PODMAN;
	assert_int_equal(vscode_check(&o, &err), -EINVAL);
	o.run.engine = RUN_ENGINE_NONE;
	o.given = other;
	o.ngiven = 1;
	assert_int_equal(vscode_check(&o, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "UTF-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_the_calls_flags),
		cmocka_unit_test(what_is_started_first),
		cmocka_unit_test(an_environment_of_env_run),
		cmocka_unit_test(it_is_as_the_schema_says),
		cmocka_unit_test(no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
