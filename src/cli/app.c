/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"

#include "base/print.h"

#include "cli/progress.h"
#include "control/background.h"
#include "control/control.h"
#include "local/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_error(const struct kt_error *err)
{
	fflush(stdout);
	print_line(stderr, "ktctl: %s", err->msg);
	if (err->hint[0])
		print_line(stderr, "hint: %s", err->hint);
}

int app_fail(const struct app *app, int rc, const struct kt_error *err)
{
	int signo = app->signals ? signals_seen(app->signals) : 0;

	if (app->progress)
		progress_fail(app->progress);
	if (rc == -EINTR && signo) {
		print_line(stderr, "ktctl: interrupted by %s",
			   signals_name(signo));
		return EXIT_INTERRUPTED;
	}
	print_error(err);
	return EXIT_FAILED;
}

int app_usage(const struct app *app, const struct kt_error *err)
{
	if (app && app->progress)
		progress_fail(app->progress);
	print_error(err);
	return EXIT_USAGE;
}

void app_ready(const struct app *app)
{
	const char *log = background_log(app->background);

	control_ready(app->control, log);
	if (!log)
		return;
	progress_plain(app->progress);
	background_detach(app->background);
}

const char *app_leave_how(const struct app *app, char *dst, size_t size)
{
	if (app->background && app->control)
		snprintf(dst, size, "Leave it with: ktctl disconnect %s",
			 control_id(app->control));
	else
		snprintf(dst, size, "Ctrl-C to leave.");
	return dst;
}
