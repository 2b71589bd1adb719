/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/session.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"
#include "control/background.h"
#include "control/control.h"
#include "control/place.h"
#include "local/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

/* Somebody else's process, which this one ends with */
struct session_companion {
	struct watch watch;
	struct signals *signals;
	int pid, fd;
};

/* "env-join" of "env join": part of its id and of its files' names */
static void session_name(const struct command *c, char dst[PLACE_COMMAND_MAX])
{
	snprintf(dst, PLACE_COMMAND_MAX, "%s", c->name);
	for (char *p = dst; *p; p++)
		if (*p == ' ')
			*p = '-';
}

bool session_start(struct app *app, int *status)
{
	const struct options *o = app->options;
	char name[PLACE_COMMAND_MAX];
	struct kt_error err = { 0 };
	int rc;

	if (!o->command->session || !o->session.background)
		return false;
	session_name(o->command, name);
	rc = background_start(&app->background, app->home, name, status, &err);
	if (rc < 0)
		*status = app_fail(app, rc, &err);
	return rc != 0;
}

static void session_on_gone(struct watch *w, uint32_t events)
{
	struct session_companion *p =
		container_of(w, struct session_companion, watch);

	(void)events;
	loop_watch_stop(w);
	log_info("process %d has ended", p->pid);
	if (!signals_seen(p->signals))
		signals_leave(p->signals, SIGTERM);
}

static int session_join(struct session_companion *p, const struct app *app,
			struct kt_error *err)
{
	int rc;

	p->signals = app->signals;
	p->pid = app->options->session.with;
	p->fd = -1;
	if (!p->pid)
		return 0;
	p->fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->fd < 0) {
		if (errno == ESRCH)
			kt_hint(err, "in a script, --with $$ names the shell "
				     "itself");
		return kt_fail(err, errno, "--with %d: %s", p->pid,
			       errno == ESRCH ? "there is no such process"
					      : strerror(errno));
	}
	rc = loop_watch_start(app->loop, &p->watch, p->fd, EPOLLIN,
			      session_on_gone);
	return rc < 0 ? kt_fail(err, -rc, "--with %d: %s", p->pid,
				strerror(-rc))
		      : 0;
}

/* What stands before "--", and the program, without its arguments: they are its
 * own, and a password may be among them */
static char *session_program(const struct options *o)
{
	struct strv before = { (char **)(uintptr_t)o->args, o->nbefore };
	auto_free char *words = strv_join(&before, " ");

	if (o->nargs == o->nbefore)
		return NULL; /* it will say so */
	return xasprintf("%s%s-- %s", words, o->nbefore ? " " : "",
			 o->args[o->nbefore]);
}

/* What was named, as it was typed, or NULL; returned, caller frees */
static char *session_target(const struct options *o)
{
	if (o->ended && (o->command->run == command_run ||
			 o->command->run == command_env_run))
		return session_program(o);
	if (o->command->run == command_connect)
		return o->connect.env ? xasprintf("--env %s", o->connect.env)
				      : NULL;
	if (!o->nargs)
		return NULL;
	return strv_join(
		&(struct strv){ (char **)(uintptr_t)o->args, o->nargs }, " ");
}

/* In the background there is no other way to end it but a signal: so it needs
 * the socket; in the foreground it goes without. */
static void session_listen(struct app *app)
{
	const struct options *o = app->options;
	auto_free char *target = session_target(o);
	char name[PLACE_COMMAND_MAX];
	const struct control_config cfg = {
		.loop = app->loop,
		.signals = app->signals,
		.home = app->home,
		.command = name,
		.target = target,
		.needed = app->background,
	};

	session_name(o->command, name);
	app->control = control_new(&cfg);
}

int session_run(struct app *app, const struct command *c)
{
	struct session_companion companion = { 0 };
	struct kt_error err = { 0 };
	int status, rc = session_join(&companion, app, &err);

	session_listen(app);
	status = rc < 0 ? app_fail(app, rc, &err) : c->run(app, app->options);
	loop_watch_stop(&companion.watch);
	if (companion.fd >= 0)
		close(companion.fd);
	control_free(app->control, status);
	app->control = NULL;
	return status;
}
