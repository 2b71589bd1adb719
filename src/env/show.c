/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "env/command.h"
#include "env/find.h"
#include "env/share_find.h"
#include "env/view.h"
#include "kube/rest.h"

#include <string.h>

/* Who may not list them sees the rest */
static json_t *show_shares(struct env_command *c)
{
	struct kt_error err = { 0 };
	json_t *shares = NULL;

	if (share_find(c->kube, c->ns, &shares, &err) < 0)
		log_debug("host names: %s", err.msg);
	return shares;
}

static int show_print(struct env_command *c, const json_t *jobs,
		      const struct env_info *info, struct kt_error *err)
{
	auto_json json_t *records = NULL, *pods = NULL, *view = NULL;
	auto_json json_t *shares = NULL, *copies = NULL;
	struct env_look look = { .ns = c->ns,
				 .jobs = jobs,
				 .home = c->app->home };
	int rc = env_records(c->kube, c->ns, info->name, &records, err);

	if (rc < 0)
		return rc;
	if (json_array_size(records)) {
		pods = env_command_items(c, "v1", "pods", NULL);
		copies = env_command_copies(c);
	}
	look.copies = copies;
	shares = show_shares(c);
	look.shares = shares;
	look.records = records;
	look.pods = pods;
	look.now = env_command_now(c);
	view = env_view_show(&look, info);
	if (c->o->env.output == OUTPUT_TEXT) {
		env_view_print_show(view, look.now);
	} else {
		auto_free char *text = json_dumps(view, JSON_INDENT(2));

		print_text(stdout, text, strlen(text));
	}
	return 0;
}

static int show_run(struct env_command *c, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	struct env_info info = { 0 };
	int rc = env_jobs(c->kube, c->ns, &jobs, err);

	if (rc == 0)
		rc = env_pick(jobs, c->ns, c->o->args[0], env_command_now(c),
			      &info, err);
	if (rc == 0)
		rc = show_print(c, jobs, &info, err);
	env_info_fini(&info);
	return rc;
}

int command_env_show(struct app *app, const struct options *o)
{
	return env_command_run(app, o, show_run);
}
