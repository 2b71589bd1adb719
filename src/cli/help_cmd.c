/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl help [COMMAND]: what "ktctl COMMAND --help" says */
#include "cli/app.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/parse.h"

#include "base/mem.h"

int command_help(struct app *app, const struct options *o)
{
	auto_free char **words = xcalloc(o->nargs + 3, sizeof(*words));
	char program[] = "ktctl", flag[] = "--help";
	struct kt_error err = { 0 };
	struct invocation inv;
	struct config cfg;
	int status = EXIT_OK;

	words[0] = program;
	for (size_t i = 0; i < o->nargs; i++)
		words[i + 1] = o->args[i];
	words[o->nargs + 1] = flag;
	/* a damaged file was warned of before */
	(void)!config_load(&cfg, app->home, "", "config", NULL);
	if (parse_argv(&inv, (int)o->nargs + 2, words, &err) < 0)
		status = app_usage(app, &err);
	else
		help_print(stdout, inv.command, &cfg);
	invocation_fini(&inv);
	config_fini(&cfg);
	return status;
}
