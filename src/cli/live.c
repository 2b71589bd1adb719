/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/process.h"
#include "cli/command.h"
#include "cli/parse.h"

#include <string.h>

#define LIVE_MAX ((size_t)4 << 20)

static bool live_says_where(const struct option *opt)
{
	static const char *const names[] = { "namespace", "kubeconfig",
					     "context" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (opt == option_find(global_option_table, names[i],
				       strlen(names[i])))
			return true;
	return false;
}

/* An unfinished line is a wrong one; its flags are known all the same */
static void live_add_flags(struct strv *argv, char *const *words, int nwords)
{
	struct kt_error ignored = { 0 };
	struct invocation inv;

	(void)!parse_argv(&inv, nwords, words, &ignored);
	for (size_t i = 0; i < inv.nflags; i++)
		if (live_says_where(inv.flags[i].opt))
			strv_take(argv,
				  xasprintf("--%s=%s", inv.flags[i].opt->name,
					    inv.flags[i].text));
	invocation_fini(&inv);
}

void live_names(const char *kind, const char *of, char *const *words,
		int nwords, struct strv *out)
{
	struct process_result res = { 0 };
	auto_strv struct strv argv = { 0 };
	struct kt_error ignored = { 0 };
	struct loop *loop = loop_new();
	struct strv lines;

	if (!loop)
		return;
	strv_add(&argv, "/proc/self/exe");
	strv_add(&argv, "__names");
	live_add_flags(&argv, words, nwords);
	strv_add(&argv, "--");
	strv_add(&argv, kind);
	if (of)
		strv_add(&argv, of);
	if (process_run(loop, argv.v, NULL, NULL, LIVE_MAX, LIVE_NS, &res,
			&ignored) == 0 &&
	    res.status == 0) {
		lines = strv_split(res.out, '\n');
		for (size_t i = 0; i < lines.n; i++)
			strv_add(out, lines.v[i]);
		strv_fini(&lines);
	}
	process_result_fini(&res);
	loop_free(loop);
}
