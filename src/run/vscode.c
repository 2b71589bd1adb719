/* SPDX-License-Identifier: Apache-2.0 */
#include "run/vscode.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "base/words.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define VSCODE_NODE "127.0.0.1:9229"
#define VSCODE_PYTHON "127.0.0.1:5678"
#define VSCODE_GO "127.0.0.1:2345"
#define VSCODE_JAVA "127.0.0.1:5005"

/* --- the words ------------------------------------------------------------ */

/* It is of this call, and not of the program's run */
static bool vscode_leaves_out(const struct option *opt)
{
	static const char *const names[] = { "vscode", "background", "with" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(opt->name, names[i]) == 0)
			return true;
	return opt->hidden;
}

static void vscode_flag(struct strv *words, const struct given *g)
{
	bool on = g->opt->type == VALUE_BOOL && strcmp(g->text, "true") == 0;

	if (on)
		strv_take(words, xasprintf("--%s", g->opt->name));
	else
		strv_take(words, xasprintf("--%s=%s", g->opt->name, g->text));
}

/* Up to and with "--" */
static void vscode_words(const struct options *o, struct strv *words)
{
	bool env = false;

	strv_add(words, "run");
	if (o->nargs)
		strv_add(words, o->args[0]);
	for (size_t i = 0; i < o->ngiven; i++) {
		if (vscode_leaves_out(o->given[i].opt))
			continue;
		env |= strcmp(o->given[i].opt->name, "env") == 0;
		vscode_flag(words, &o->given[i]);
	}
	/* of "env run" */
	if (o->connect.env && !env)
		strv_take(words, xasprintf("--env=%s", o->connect.env));
	strv_add(words, "--");
}

static json_t *vscode_args(const struct options *o, const char *a,
			   const char *b)
{
	auto_strv struct strv words = { 0 };
	json_t *all = json_array();

	vscode_words(o, &words);
	for (size_t i = 0; i < words.n; i++)
		json_array_append_new(all, json_string(words.v[i]));
	json_array_append_new(all, json_string(a));
	if (b)
		json_array_append_new(all, json_string(b));
	return all;
}

/* --- of each language ----------------------------------------------------- */

/* Its own way to look for the program's children puts variables into the
 * environment, which is the Pod's: it attaches to the port */
static json_t *vscode_node(const struct options *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s, s:s, s:s, s:[s]}",
			 "name", "ktctl run: Node.js", "type", "node",
			 "request", "launch", "runtimeExecutable", "ktctl",
			 "runtimeArgs",
			 vscode_args(o, "node", "--inspect-brk=" VSCODE_NODE),
			 "attachSimplePort", 9229, "program", "${file}", "cwd",
			 "${workspaceFolder}", "console", "integratedTerminal",
			 "skipFiles", "<node_internals>/**");
}

/* The extension takes no list for "python", but one for "pythonArgs" */
static json_t *vscode_python(const struct options *o)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "name",
		"ktctl run: Python", "type", "debugpy", "request", "launch",
		"python", "ktctl", "pythonArgs",
		vscode_args(o, "${command:python.interpreterPath}", NULL),
		"program", "${file}", "cwd", "${workspaceFolder}", "console",
		"integratedTerminal");
}

static json_t *vscode_python_attach(void)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:i}}", "name",
			 "ktctl run: Python, attach", "type", "debugpy",
			 "request", "attach", "connect", "host", "127.0.0.1",
			 "port", 5678);
}

/* The debugger's command line is one word, which a shell takes apart */
static json_t *vscode_gdb(const struct options *o)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:[], s:s, s:s, s:{s:s, s:o, s:s, s:s}}",
		"name", "ktctl run: C, C++, Rust (gdb)", "type", "cppdbg",
		"request", "launch", "program", "${workspaceFolder}/a.out",
		"args", "cwd", "${workspaceFolder}", "MIMode", "gdb",
		"pipeTransport", "pipeProgram", "ktctl", "pipeArgs",
		vscode_args(o, "sh", "-c"), "debuggerPath", "/usr/bin/gdb",
		"pipeCwd", "${workspaceFolder}");
}

static json_t *vscode_go(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "name",
			 "ktctl run: Go", "type", "go", "request", "launch",
			 "mode", "debug", "debugAdapter", "dlv-dap", "program",
			 "${workspaceFolder}", "host", "127.0.0.1", "port",
			 2345);
}

static json_t *vscode_java(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", "ktctl run: Java",
			 "type", "java", "request", "attach", "hostName",
			 "127.0.0.1", "port", 5005);
}

/* --- all ------------------------------------------------------------------ */

json_t *vscode_launch(const struct options *o)
{
	return json_pack("{s:s, s:[o, o, o, o, o, o]}", "version", "0.2.0",
			 "configurations", vscode_node(o), vscode_python(o),
			 vscode_gdb(o), vscode_python_attach(), vscode_go(),
			 vscode_java());
}

void vscode_first(const struct options *o, struct strv *out)
{
	static const char *const first[][2] = {
		{ "Python, attach", "python3 -m debugpy --listen " VSCODE_PYTHON
				    " --wait-for-client FILE" },
		{ "Go", "dlv dap --listen=" VSCODE_GO },
		{ "Java",
		  "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=y,"
		  "address=" VSCODE_JAVA " -jar FILE" },
	};
	auto_strv struct strv words = { 0 };
	auto_free char *line = xstrdup("ktctl");

	vscode_words(o, &words);
	for (size_t i = 0; i < words.n; i++) {
		auto_free char *word = words_quote(words.v[i]);
		char *longer = xasprintf("%s %s", line, word);

		free(line);
		line = longer;
	}
	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		strv_take(out, xasprintf("%s: %s %s", first[i][0], line,
					 first[i][1]));
}

/* A file of JSON has no others */
static int vscode_check_words(const struct options *o, struct kt_error *err)
{
	auto_strv struct strv words = { 0 };

	vscode_words(o, &words);
	for (size_t i = 0; i < words.n; i++) {
		auto_json json_t *text = json_string(words.v[i]);

		if (!text)
			return kt_fail(err, EINVAL,
				       "--vscode: what was given is not UTF-8");
	}
	return 0;
}

int vscode_check(const struct options *o, struct kt_error *err)
{
	if (o->run.engine != RUN_ENGINE_NONE)
		return kt_fail(err, EINVAL,
			       "--vscode: not with --engine: the debugger has "
			       "the program's command line");
	if (o->nargs <= (o->ended ? o->nbefore : 1))
		return vscode_check_words(o, err);
	kt_hint(err, "usage: ktctl run [WORKLOAD] [flags] --vscode");
	return kt_fail(err, EINVAL,
		       "--vscode: no program is run, the debugger has it: it "
		       "stands in the file");
}

int vscode_print(const struct options *o)
{
	auto_strv struct strv first = { 0 };
	json_t *launch = vscode_launch(o);
	auto_free char *text = json_dumps(launch, JSON_INDENT(2));

	json_decref(launch);
	print_text(stdout, text, strlen(text));
	vscode_first(o, &first);
	print_line(stderr, "Before F5, in a terminal, for:");
	for (size_t i = 0; i < first.n; i++)
		print_line(stderr, "  %s", first.v[i]);
	return EXIT_OK;
}
