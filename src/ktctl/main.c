/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdlimit.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/resolve.h"
#include "control/background.h"
#include "ktctl/session.h"
#include "local/home.h"
#include "local/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int run_in_loop(struct app *app)
{
	const struct command *c = app->options->command;
	struct kt_error err = { 0 };
	int status;

	app->loop = loop_new();
	if (!app->loop) {
		kt_fail(&err, errno, "make an event loop: %s", strerror(errno));
		return app_fail(app, -err.code, &err);
	}
	app->signals = signals_new(app->loop, &err);
	if (app->signals) {
		app->progress = progress_new(app->loop, stderr);
		status = c->session ? session_run(app, c)
				    : c->run(app, app->options);
	} else {
		status = app_fail(app, -err.code, &err);
	}
	progress_free(steal_ptr(&app->progress));
	signals_free(steal_ptr(&app->signals));
	loop_free(steal_ptr(&app->loop));
	return status;
}

static int ktctl_main_run(struct app *app, const struct invocation *inv,
			  const struct config *cfg)
{
	struct kt_error err = { 0 };
	struct options o;
	int status;

	if (options_resolve(&o, inv, cfg, &err) < 0) {
		kt_hint(&err, "ktctl %s --help lists the flags",
			inv->command->name);
		status = app_usage(app, &err);
	} else {
		if (o.global.debug)
			log_set_level(LOG_DEBUG);
		app->options = &o;
		if (session_start(app, &status))
			;
		else if (inv->command->loop)
			status = run_in_loop(app);
		else
			status = inv->command->run(app, &o);
		background_free(app->background);
	}
	app->options = NULL;
	options_fini(&o);
	return status;
}

/* A damaged file is a warning only: it must not keep anybody from working,
 * and the config commands report it themselves. */
static void ktctl_main_load_config(struct config *cfg, const struct home *h,
				   const struct command *c)
{
	struct kt_error err = { 0 };

	if (config_load(cfg, h, "", "config", &err) < 0 &&
	    !(c && strncmp(c->name, "config", 6) == 0))
		log_warn("%s: ignored", err.msg);
}

static int ktctl_main_serve(struct app *app, const struct invocation *inv)
{
	struct config cfg;
	int status = EXIT_OK;

	if (inv->version && !inv->help) {
		print_line(stdout, "ktctl version %s", KT_VERSION);
		return EXIT_OK;
	}
	ktctl_main_load_config(&cfg, app->home, inv->command);
	if (inv->help || !inv->command || !inv->command->run)
		help_print(stdout, inv->command, &cfg);
	else
		status = ktctl_main_run(app, inv, &cfg);
	config_fini(&cfg);
	return status;
}

/* A static C library must not load the modules of the machine's, which may be
 * another one: hosts, users and groups are those of the files and of DNS. */
static void ktctl_main_pin_lookups(void)
{
#ifdef KT_STATIC
	__nss_configure_lookup("hosts", "files dns");
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("group", "files");
	__nss_configure_lookup("services", "files");
#endif
}

/* kubectl (1.26) completes "kubectl kt ..." by a program of this name, which is
 * given the words behind "kt" and answers as "ktctl __complete" does. *@argv:
 * with that word in it (returned, caller frees); NULL: it is no such call */
static char **ktctl_main_plugin_words(int *argc, char **argv)
{
	const char *slash = *argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : *argc ? argv[0] : "";
	char **words;

	if (strcmp(name, "kubectl_complete-kt") != 0)
		return NULL;
	words = xcalloc((size_t)*argc + 2, sizeof(*words));
	words[0] = argv[0];
	words[1] = (char *)(uintptr_t) "__complete";
	memcpy(&words[2], &argv[1], ((size_t)*argc - 1) * sizeof(*words));
	(*argc)++;
	return words;
}

/* A file or socket of ours that becomes 0, 1 or 2 would be read as stdin, or
 * written to as stdout: where the caller has closed them, it is /dev/null. */
static unsigned int ktctl_main_open_standard(void)
{
	unsigned int closed = 0;
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			closed |= 1U << fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return closed;
}

/* Who has called us is to see that it was a signal; whoever dumped a core, it
 * was not us */
static void ktctl_main_die(int signo)
{
	const struct rlimit none = { 0 };
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
}

/* What was not written is a failure, also when that was noticed before: then
 * errno is another one's */
static int ktctl_main_flush(const struct app *app, int status)
{
	struct kt_error err = { 0 };
	int rc = fflush(stdout) != 0 ? errno : ferror(stdout) ? EIO : 0;

	if (!rc || status != EXIT_OK)
		return status;
	kt_fail(&err, rc, "write to stdout: %s",
		rc == EIO ? "not all of it was taken" : strerror(rc));
	return app_fail(app, -rc, &err);
}

int main(int argc, char **argv)
{
	auto_free char **words = ktctl_main_plugin_words(&argc, argv);
	struct kt_error err = { 0 };
	struct invocation inv;
	struct app app = { 0 };
	struct home home;
	int status;

	/* ignored by who has called us, no child's end would be known */
	signal(SIGCHLD, SIG_DFL);
	app.closed = ktctl_main_open_standard();
	ktctl_main_pin_lookups();
	fdlimit_raise();
	home_init(&home);
	app.home = &home;
	if (parse_argv(&inv, argc, words ? words : argv, &err) < 0)
		status = app_usage(&app, &err);
	else
		status = ktctl_main_serve(&app, &inv);
	status = ktctl_main_flush(&app, status);
	invocation_fini(&inv);
	home_fini(&home);
	if (app.die_of)
		ktctl_main_die(app.die_of);
	return status;
}
