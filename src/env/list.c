/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/nscheck.h"
#include "env/command.h"
#include "env/find.h"
#include "env/view.h"
#include "kube/rest.h"

#include <string.h>

static int list_run(struct env_command *c, struct kt_error *err)
{
	auto_json json_t *jobs = NULL, *records = NULL, *view = NULL;
	auto_json json_t *copies = NULL;
	struct env_look look = { .ns = c->ns, .home = c->app->home };
	int rc = env_jobs_all(c->kube, c->ns, &jobs, err);

	if (rc == 0)
		rc = env_records(c->kube, c->ns, NULL, &records, err);
	if (rc == 0 && !json_array_size(jobs))
		rc = nscheck(c->kube, c->ns, err);
	if (rc < 0)
		return rc;
	if (env_view_has_sleepers(records))
		copies = env_command_copies(c);
	look.copies = copies;
	look.now = env_command_now(c);
	look.jobs = jobs;
	look.records = records;
	view = env_view_list(&look);
	if (c->o->env.output == OUTPUT_TEXT) {
		env_view_print_list(view, look.now);
	} else {
		auto_free char *text = json_dumps(view, JSON_INDENT(2));

		print_text(stdout, text, strlen(text));
	}
	return 0;
}

int command_env_list(struct app *app, const struct options *o)
{
	return env_command_run(app, o, list_run);
}
