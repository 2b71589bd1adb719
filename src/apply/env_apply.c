/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env apply: what a file says of an environment. Looks at what there is,
 * and runs the commands that are missing, each as one that a user types: it
 * tells what it does, and undoes what fails.
 */
#include "apply/child.h"
#include "apply/env_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/words.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cluster/envobject.h"
#include "env/command.h"
#include "env/find.h"
#include "env/spec.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ENV_FILE_MAX ((size_t)64 << 10)

static int env_apply_load(struct env_file *f, const char *path,
			  struct kt_error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	auto_free char *text = NULL;
	size_t len = 0;

	*f = (struct env_file){ 0 };
	text = file_read(is_stdin ? "/dev/stdin" : path, ENV_FILE_MAX, &len);
	if (!text)
		return kt_fail(err, errno, "read %s: %s", path,
			       strerror(errno));
	return env_file_parse(f, text, len, is_stdin ? "stdin" : path, err);
}

/* --- what there is -------------------------------------------------------- */

static int env_apply_members(struct env_command *c, const char *name,
			     json_t **members, struct kt_error *err)
{
	auto_free char *path =
		kube_path("apps/v1", "deployments", c->ns, NULL, NULL);
	auto_json json_t *records = NULL, *list = NULL;
	int rc = env_records(c->kube, c->ns, name, &records, err);

	if (rc == 0 && json_array_size(records))
		rc = kube_list(c->kube, path, "labelSelector=" KT_LABEL_ENV,
			       &list, err);
	if (rc == 0)
		*members =
			env_spec_all(records, json_object_get(list, "items"));
	return rc;
}

/* By its whole name: the end of another's is another one */
static int env_apply_look(struct env_command *c, const char *name,
			  struct env_state *state, json_t **members,
			  struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	struct env_info info = { 0 };
	int rc = env_jobs(c->kube, c->ns, &jobs, err);
	bool ended;

	if (rc < 0)
		return rc;
	if (env_pick_whole(jobs, name, env_command_now(c), &ended, &info)) {
		state->exists = true;
		state->strict = info.strict;
		memcpy(state->header, info.header, sizeof(state->header));
		rc = env_apply_members(c, name, members, err);
	}
	env_info_fini(&info);
	state->members = *members;
	return rc;
}

/* --- what is done --------------------------------------------------------- */

/* The global flags of this command line are those of each */
static void env_apply_globals(struct strv *argv, const struct options *o)
{
	for (size_t i = 0; i < o->ngiven; i++) {
		const struct given *g = &o->given[i];
		const struct option *opt =
			option_find(global_option_table, g->opt->name,
				    strlen(g->opt->name));

		if (opt == g->opt)
			strv_take(argv, xasprintf("--%s=%s", opt->name,
						  g->text ? g->text : "true"));
	}
}

static int env_apply_run(struct env_command *c, const json_t *words,
			 struct kt_error *err)
{
	auto_strv struct strv argv = { 0 };
	struct apply_child child = { .program = "/proc/self/exe", .keep = -1 };
	const json_t *word;
	int signo, status;
	size_t i;

	strv_add(&argv, "ktctl");
	json_array_foreach (words, i, word)
		strv_add(&argv, json_string_value(word));
	env_apply_globals(&argv, c->o);
	child.argv = argv.v;
	status = apply_child_run(&child, &signo, err);
	if (status < 0)
		return status;
	if (signo || status == EXIT_INTERRUPTED)
		return kt_fail(err, EINTR, "interrupted");
	if (status == 0)
		return 0;
	return kt_fail(err, ECANCELED,
		       "'ktctl %s %s %s' has failed: what "
		       "comes behind it was not begun",
		       argv.v[1], argv.v[2], argv.n > 3 ? argv.v[3] : "");
}

/* What it would do, as somebody would type it */
static void env_apply_show(const struct env_command *c, const json_t *words)
{
	struct strv argv = { 0 };
	auto_free char *line = xstrdup("ktctl");
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word)
		strv_add(&argv, json_string_value(word));
	env_apply_globals(&argv, c->o);
	for (i = 0; i < argv.n; i++) {
		auto_free char *quoted = words_quote(argv.v[i]);
		char *more = xasprintf("%s %s", line, quoted);

		free(line);
		line = more;
	}
	print_line(stdout, "%s", line);
	strv_fini(&argv);
}

static void env_apply_end(const struct env_command *c, const char *name,
			  const json_t *plan)
{
	bool done = !json_array_size(plan);

	if (done || !c->o->env.dry_run)
		print_line(stdout, "Environment %s is as %s says%s", name,
			   c->o->env.file, done ? " already" : "");
}

static int env_apply_do(struct env_command *c, struct kt_error *err)
{
	struct env_state state = { .user = shadow_user(),
				   .force = c->o->env.in.force };
	auto_json json_t *members = NULL, *plan = NULL;
	auto_strv struct strv notes = { 0 };
	struct env_file f;
	const json_t *words;
	size_t i;
	int rc = env_apply_load(&f, c->o->env.file, err);

	if (rc == 0)
		rc = env_apply_look(c, f.name, &state, &members, err);
	if (rc == 0) {
		plan = env_file_plan(&f, &state, &notes, err);
		rc = plan ? 0 : -err->code;
	}
	for (i = 0; rc == 0 && i < notes.n; i++)
		log_warn("%s", notes.v[i]);
	json_array_foreach (plan, i, words)
		if (rc == 0 && c->o->env.dry_run)
			env_apply_show(c, words);
		else if (rc == 0)
			rc = env_apply_run(c, words, err);
	if (rc == 0)
		env_apply_end(c, f.name, plan);
	env_file_fini(&f);
	return rc;
}

int command_env_apply(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	if (!o->env.file) {
		kt_fail(&err, EINVAL, "-f FILE says what is wanted");
		return app_usage(app, &err);
	}
	return o->env.dry_run ? env_command_read(app, o, env_apply_do)
			      : env_command_run(app, o, env_apply_do);
}
