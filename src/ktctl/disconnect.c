/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl disconnect: end sessions of this machine, and wait until each has
 * cleaned up. */
#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "control/ask.h"

#include <errno.h>
#include <string.h>

struct disconnect {
	struct app *app;
	struct strv ids; /* to be ended */
	bool failed;
};

static int disconnect_choose(struct disconnect *d, const struct options *o,
			     struct kt_error *err)
{
	auto_strv struct strv all = { 0 };
	int rc = 0;

	ask_names(d->app->home, &all);
	for (size_t i = 0; rc == 0 && i < o->nargs; i++)
		rc = ask_choose(&all, o->args[i], &d->ids, err);
	if (rc < 0 || o->nargs)
		return rc;
	if (!o->disconnect.all && all.n > 1) {
		kt_hint(err, "name one, as ktctl status shows them, or give "
			     "--all");
		return kt_fail(err, EINVAL, "%zu sessions run on this machine",
			       all.n);
	}
	for (size_t i = 0; i < all.n; i++)
		strv_add(&d->ids, all.v[i]);
	return 0;
}

static const char *disconnect_why(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
		return "does not answer; it leaves as soon as it goes on "
		       "(when it is stopped: kill -CONT)";
	case -ECONNRESET:
		return "ended before it had cleaned up; 'ktctl clean' removes "
		       "what is left";
	}
	return strerror(-rc);
}

static void disconnect_on_end(void *user, const struct ask_end *end)
{
	struct disconnect *d = user;
	bool good = end->rc == 0 &&
		    (end->status == EXIT_OK || end->status == EXIT_INTERRUPTED);

	if (good) {
		print_line(stdout, "%s has ended", end->id);
		return;
	}
	d->failed = true;
	if (end->rc < 0)
		print_line(stderr, "ktctl: %s %s", end->id,
			   disconnect_why(end->rc));
	else
		print_line(stderr,
			   "ktctl: %s has ended with status %d: its terminal "
			   "or log file says why",
			   end->id, end->status);
}

int command_disconnect(struct app *app, const struct options *o)
{
	struct disconnect d = { .app = app };
	struct kt_error err = { 0 };
	int rc, status = EXIT_OK;

	if (o->disconnect.all && o->nargs) {
		kt_fail(&err, EINVAL, "--all, and a session is named");
		return app_usage(app, &err);
	}
	rc = disconnect_choose(&d, o, &err);
	if (rc == 0 && d.ids.n)
		rc = ask_leave(app->loop, app->home, d.ids.v, d.ids.n,
			       disconnect_on_end, &d, &err);
	else if (rc == 0)
		print_line(stdout, "No session runs on this machine");
	if (rc < 0)
		status = app_fail(app, rc, &err);
	strv_fini(&d.ids);
	return d.failed ? EXIT_FAILED : status;
}
