/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env run: "run --env NAME" with the environment in its place, as env's
 * other commands have it. It is here, and not in env/, because run is above
 * connect, and connect above env.
 */
#include "cli/app.h"
#include "cli/options.h"
#include "wire/envmark.h"

#include <errno.h>

int command_env_run(struct app *app, const struct options *o)
{
	struct options run = *o;
	struct kt_error err = { 0 };

	if (o->run.vscode && !o->ended)
		run.nbefore = o->nargs;
	else if (!o->ended)
		run.nbefore = 0;
	if (run.nbefore < 1 || run.nbefore > 2) {
		kt_hint(&err, "usage: ktctl env run NAME [WORKLOAD] [flags] "
			      "-- PROGRAM [ARGUMENT...]");
		kt_fail(&err, EINVAL,
			"the environment, and perhaps a workload, stands "
			"before \"--\", the program behind it");
		return app_usage(app, &err);
	}
	if (!envmark_is_name(slice_of(o->args[0]))) {
		kt_fail(&err, EINVAL, "'%.80s' is no environment's name",
			o->args[0]);
		return app_usage(app, &err);
	}
	run.connect.env = o->args[0];
	run.args++;
	run.nargs--;
	run.nbefore--;
	return command_run(app, &run);
}
