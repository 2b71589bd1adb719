/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl run: one program in the cluster's network, without root and without a
 * change of this machine. The program is in namespaces of its own, made by a
 * process that keeps them (keeper.h); what it sends is captured there, and goes
 * to the cluster as connect's traffic does, or out from here (outside.h).
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "connect/connect.h"
#include "local/signals.h"
#include "run/borrow.h"
#include "run/engine.h"
#include "run/etc.h"
#include "run/incoming.h"
#include "run/keeper.h"
#include "run/loopback.h"
#include "run/outside.h"
#include "run/pod_ports.h"
#include "run/podvolumes.h"
#include "run/ports.h"
#include "run/proxied.h"
#include "run/supervised.h"
#include "run/vscode.h"
#include "uplink/guest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct run_command {
	struct app *app;
	const struct options *opt;
	struct keeper_config config;
	struct borrow borrow; /* of a workload's Pod */
	struct keeper *keeper;
	struct outside *outside;
	struct ports *ports; /* while the program may listen */
	struct keeper_made made;
	struct loopback *loopback;	   /* likewise */
	struct pod_ports *pod_ports;	   /* --inPod */
	struct podvolumes volumes;	   /* likewise */
	struct incoming *incoming;	   /* or NULL */
	struct supervised_run *supervised; /* without namespaces; or NULL */
	struct connect_place *place;
	int passed;  /* a signal that waits for its end */
	bool runs;   /* the program does */
	bool ended;  /* it did, or was not executed: @status counts */
	int status;  /* ktctl's own */
	int died_of; /* the signal, or 0 */
	bool fails;  /* @why it was not begun */
	struct kt_error why;
};

/* --- the program ---------------------------------------------------------- */

static const char *run_program(const struct run_command *r)
{
	return r->config.argv[0];
}

/* Of exec's errno: as a shell has it */
static int run_no_exec(const struct run_command *r, int errnum)
{
	struct kt_error err = { 0 };

	kt_fail(&err, errnum, "run %s: %s", run_program(r), strerror(errnum));
	if (errnum == ENOENT && !strchr(run_program(r), '/'))
		kt_hint(&err, "there is no such program in PATH");
	app_fail(r->app, -errnum, &err);
	return errnum == ENOENT ? 127 : 126;
}

/* What can be known before the cluster is asked for anything; 0 or an errno */
static int run_look(const char *program)
{
	const char *path = getenv("PATH");
	int error = ENOENT;
	struct strv dirs;
	struct stat st;

	if (strchr(program, '/'))
		return access(program, X_OK) < 0 ? errno : 0;
	if (!path)
		return 0; /* exec has a default of its own */
	dirs = words_cut(path, ':');
	for (size_t i = 0; error && i < dirs.n; i++) {
		/* an empty one is where we are */
		const char *dir = *dirs.v[i] ? dirs.v[i] : ".";
		auto_free char *file = xasprintf("%s/%s", dir, program);

		if (stat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		error = access(file, X_OK) < 0 ? EACCES : 0;
	}
	strv_fini(&dirs);
	return error;
}

static void run_on_started(void *user, int errnum, const struct kt_error *why)
{
	struct run_command *r = user;

	r->runs = !errnum;
	if (why) {
		r->fails = true;
		r->why = *why;
	} else if (errnum) {
		r->ended = true;
		r->status = run_no_exec(r, errnum);
	}
}

static void run_on_exited(void *user, int status)
{
	struct run_command *r = user;

	if (r->ended)
		return;
	r->runs = false;
	r->ended = true;
	r->died_of = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r->status = r->died_of ? 128 + r->died_of : WEXITSTATUS(status);
}

static void run_on_sockets(void *user, int family, const int *fds, size_t n)
{
	struct run_command *r = user;

	if (r->ports) {
		ports_sockets(r->ports, family, fds, n);
		return;
	}
	while (n)
		close(fds[--n]);
}

static void run_on_listens(void *user, bool first)
{
	const struct run_command *r = user;

	if (r->ports)
		ports_told(r->ports, first);
}

static void run_on_volumes(void *user, int fd)
{
	struct run_command *r = user;

	podvolumes_serve(&r->volumes, fd);
}

static void run_on_ended(void *user)
{
	struct run_command *r = user;

	loop_interrupt(r->app->loop);
}

/* INT and QUIT of the terminal have reached the program as well; when it is
 * gone, and only its children are left, they are ours. */
static bool run_on_signal(void *user, int signo)
{
	struct run_command *r = user;

	if (!r->runs)
		return signo == SIGUSR1 || signo == SIGUSR2;
	if (signo == SIGINT || signo == SIGQUIT) {
		incoming_hurry(r->incoming);
		return true;
	}
	/* first nobody comes any more, then the program may end */
	if (signo != SIGUSR1 && signo != SIGUSR2 && incoming_leave(r->incoming))
		r->passed = signo;
	else
		keeper_signal(r->keeper, signo);
	return true;
}

static void run_on_incoming_gone(void *user, int status, bool asked)
{
	struct run_command *r = user;

	if (r->passed) {
		keeper_signal(r->keeper, r->passed);
	} else if (!asked && r->runs) {
		log_warn("nobody comes to the program any more");
	} else if (!asked && !r->ended) { /* it has said why */
		r->ended = true;
		r->status =
			WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE
				? EXIT_USAGE
				: EXIT_NO_RUN;
		loop_interrupt(r->app->loop);
	}
}

/* --- its place ------------------------------------------------------------ */

static int run_capture(struct capture **out, const struct capture *base,
		       void *user, struct kt_error *err)
{
	const struct run_command *r = user;

	return supervised_run_capture(r->supervised, out, base, err);
}

static void run_on_listener(void *user, int fd)
{
	struct run_command *r = user;

	supervised_run_start(r->supervised, fd);
}

static int run_open_plain(struct run_command *r, const struct kt_error *why,
			  struct kt_error *err)
{
	int rc = proxied_check(r->app, r->opt, why, err);

	if (rc < 0)
		return rc;
	r->config.supervised = r->config.plain = true;
	r->place->proxy = true;
	return keeper_start(&r->keeper, &r->config, &r->made, err);
}

/* Three ways, each where the one before is refused */
static int run_open(void *user, struct capture_link *link, struct kt_error *err)
{
	struct run_command *r = user;
	int way = r->opt->run.capture;
	struct kt_error why;
	int rc = -EPERM;

	if (r->keeper)
		rc = keeper_await(&r->keeper, &r->made, err);
	if (rc == 0)
		capture_link_move(link, &r->made.capture);
	if (rc == 0 || way == RUN_NAMESPACE || engine_program(r->opt))
		return rc;
	rc = supervised_run_fits(r->opt, err);
	if (rc < 0)
		return rc;
	why = *err;
	rc = way == RUN_SOCKS ? -EPERM : supervised_run_check(r->app, err);
	if (rc < 0 && way == RUN_SECCOMP)
		return rc;
	*err = (struct kt_error){ 0 };
	if (rc < 0)
		return run_open_plain(r, &why, err);
	r->config.supervised = true;
	r->supervised = supervised_run_new(r->app, r->opt);
	r->place->capture = run_capture;
	return keeper_start(&r->keeper, &r->config, &r->made, err);
}

static bool run_is_ours(void *user, uint16_t port)
{
	const struct run_command *r = user;

	return ports_has(r->ports, port);
}

static int run_look_at(void *user, struct kube *kube, const char *ns,
		       struct kt_error *err)
{
	struct run_command *r = user;
	const struct files_far far =
		podvolumes_far(&r->volumes, r->opt, r->config.supervised);
	int rc = borrow_look(&r->borrow, kube, ns, &far, err);

	if (rc == 0 && r->opt->run.in_pod &&
	    strcmp(r->borrow.found.ns, ns) != 0) {
		kt_hint(err, "run it with -n %s", r->borrow.found.ns);
		rc = kt_fail(err, EINVAL,
			     "--inPod: Pod %s is in namespace %s, and the "
			     "command in %s",
			     r->borrow.found.name, r->borrow.found.ns, ns);
	}
	return rc;
}

/* The program's stands in the Pod, so the Pod's other containers are on it */
static int run_enter(void *user, struct kube *kube, struct shadow_pod *s,
		     struct kt_error *err)
{
	struct run_command *r = user;
	struct guest_config cfg = {
		.kube = kube,
		.ns = r->borrow.found.ns,
		.pod = r->borrow.found.pod,
		.options = &r->opt->global.pod,
		.keep_ns = r->opt->connect.keep,
	};

	podvolumes_guest(&r->volumes, &r->borrow, &cfg);
	return guest_add(&cfg, s, err);
}

static void run_serve_loopback(struct run_command *r,
			       const struct connect_pod *pod)
{
	bool outside = !r->opt->run.no_outside;
	struct loopback_far far = { 0 };

	if (r->opt->run.in_pod) {
		r->pod_ports =
			pod_ports_new(r->app->loop, pod, pod->tunnel_port);
		far = pod_ports_far(r->pod_ports);
	}
	if (outside || r->pod_ports)
		r->loopback = loopback_new(r->app->loop, &r->made.loopback,
					   run_is_ours, r, &far, outside);
}

static int run_start(void *user, const struct connect_pod *pod,
		     struct kt_error *err)
{
	static const struct keeper_ops ops = {
		.started = run_on_started,
		.exited = run_on_exited,
		.listener = run_on_listener,
		.sockets = run_on_sockets,
		.listens = run_on_listens,
		.volumes = run_on_volumes,
		.ended = run_on_ended,
	};
	struct run_command *r = user;
	auto_strv struct strv more = { 0 };
	struct etc_files files;
	int rc;

	if (pod->capture)
		outside_start(r->outside, pod);
	else
		proxied_vars(&more, &pod->proxy);
	rc = borrow_give(&r->borrow, r->keeper, r->made.room, &pod->kubernetes,
			 &more, err);
	if (rc < 0)
		return rc;
	podvolumes_start(&r->volumes, r->app->loop, pod->tunnel);
	supervised_run_pod(r->supervised, pod);
	signals_divert(r->app->signals, run_on_signal, r);
	etc_load(&files, pod->nameservers, pod->search, pod->ndots);
	rc = keeper_run(r->keeper, r->app->loop, &files, &ops, r, err);
	etc_fini(&files);
	if (rc < 0 || r->config.supervised)
		return rc;
	r->ports = ports_new(r->app->loop, r->keeper, steal_fd(&r->made.diag),
			     steal_fd(&r->made.ends), r->made.loopback.port);
	incoming_serve(r->incoming, r->ports);
	run_serve_loopback(r, pod);
	return 0;
}

static void run_stop(void *user)
{
	struct run_command *r = user;

	signals_divert(r->app->signals, NULL, NULL);
	borrow_stop(&r->borrow);
	r->runs = false;
	r->passed = 0;
	incoming_end(r->incoming);
	loopback_free(steal_ptr(&r->loopback));
	pod_ports_free(steal_ptr(&r->pod_ports));
	podvolumes_stop(&r->volumes);
	ports_free(steal_ptr(&r->ports));
	keeper_free(steal_ptr(&r->keeper));
	supervised_run_pod(r->supervised, NULL);
	outside_stop(r->outside);
}

/* --- the command ---------------------------------------------------------- */

/* Of deploy/rbac, what grants what was refused */
static const char *run_role(const struct run_command *r,
			    const struct kt_error *err)
{
	if (strstr(err->msg, "pods/ephemeralcontainers"))
		return "run-in-pod";
	return r->borrow.workload && !r->opt->connect.shadow
		       ? "run"
		       : connect_role(r->opt->connect.shadow);
}

static int run_end(struct run_command *r, int rc, struct kt_error *err)
{
	if (r->fails) {
		*err = r->why;
		rc = -r->why.code;
	} else if (r->ended) {
		r->app->die_of = r->died_of;
		return r->status;
	}
	if (rc == -EINTR && !signals_seen(r->app->signals))
		rc = kt_fail(err, ECHILD,
			     "the process that keeps the program's namespaces "
			     "was killed");
	rc = app_fail(r->app, rc, err);
	offer_role(err, run_role(r, err));
	return rc == EXIT_FAILED ? EXIT_NO_RUN : rc;
}

static int run_check_in_pod(const struct options *o, struct kt_error *err)
{
	const char *other = o->connect.share_shadow    ? "--shareShadow"
			    : o->connect.shadow	       ? "--shadow"
			    : o->connect.shadows > 1   ? "--shadows 2"
			    : o->global.pod.deployment ? "--useShadowDeployment"
						       : NULL;

	if (!o->run.in_pod)
		return 0;
	if (!o->nbefore)
		return kt_fail(err, EINVAL,
			       "--inPod: whose Pod? The workload stands before "
			       "\"--\"");
	if (other)
		return kt_fail(err, EINVAL,
			       "--inPod and %s: the shadow is in the "
			       "workload's Pod",
			       other);
	return guest_check(&o->global.pod, err);
}

static int run_check(const struct options *o, struct kt_error *err)
{
	if (o->ended && o->nbefore <= 1 && o->nargs > o->nbefore) {
		int rc = engine_check(o, err);

		if (rc == 0)
			rc = incoming_check(o, err);
		return rc < 0 ? rc : run_check_in_pod(o, err);
	}
	kt_hint(err, "usage: ktctl run [WORKLOAD] [flags] -- PROGRAM "
		     "[ARGUMENT...]");
	if (o->ended && o->nargs == o->nbefore)
		return kt_fail(err, EINVAL, "no program stands behind \"--\"");
	if (!o->ended)
		return kt_fail(err, EINVAL, "the program stands behind \"--\"");
	return kt_fail(err, EINVAL,
		       "%s: nothing but one workload and flags stands before "
		       "\"--\"",
		       o->args[1]);
}

/* The line that the file has is looked at as if it were run */
static int run_vscode(struct app *app, const struct options *o)
{
	struct options file = *o;
	struct kt_error err = { 0 };
	int rc = vscode_check(o, &err);

	file.nbefore = o->nargs;
	if (rc == 0 && o->nargs)
		rc = pod_find_check(o->args[0], &err);
	if (rc == 0)
		rc = incoming_check(&file, &err);
	return rc < 0 ? app_usage(app, &err) : vscode_print(o);
}

int command_run(struct app *app, const struct options *o)
{
	static const struct incoming_ops incoming_ops = {
		.gone = run_on_incoming_gone,
	};
	struct run_command r = { .app = app, .opt = o };
	struct connect_place place = {
		.open = run_open,
		.look = run_look_at,
		.start = run_start,
		.stop = run_stop,
		.user = &r,
		.outside = &outside_ops,
	};
	struct kt_error err = { 0 };
	/* a container's command line is known later */
	char *engine[] = { (char *)(uintptr_t)engine_program(o), NULL };
	char *const *argv = *engine ? engine : o->args + o->nbefore;
	int rc;

	if (o->run.vscode)
		return run_vscode(app, o);
	rc = run_check(o, &err);
	r.place = &place;
	if (o->run.in_pod)
		place.shadow = run_enter;
	if (rc == 0)
		rc = borrow_init(&r.borrow, o, &err);
	r.made.diag = r.made.ends = r.made.room = -1;
	for (int i = 0; i < LOOPBACK_FDS; i++)
		r.made.loopback.fds[i] = -1;
	if (rc < 0) {
		borrow_fini(&r.borrow);
		return app_usage(app, &err);
	}
	r.config = (struct keeper_config){
		.argv = argv,
		.keep = o->run.on_lost == ON_LOST_KEEP,
		.closed = app->closed,
	};
	rc = run_look(argv[0]);
	if (rc == 0 && engine_enter(o, &err) < 0) {
		borrow_fini(&r.borrow);
		return run_end(&r, -err.code, &err);
	}
	if (rc) {
		borrow_fini(&r.borrow);
		return run_no_exec(&r, rc);
	}
	if (!o->global.debug)
		progress_brief(app->progress);
	r.outside = outside_new(app->loop, o->run.no_outside);
	place.outside_user = r.outside;
	/* it is made while the cluster is asked */
	if (o->run.capture == RUN_AUTO || o->run.capture == RUN_NAMESPACE)
		rc = keeper_begin(&r.keeper, &r.config, &err);
	if (rc == 0)
		rc = incoming_start(&r.incoming, app, o, &incoming_ops, &r,
				    &err);
	if (rc == 0)
		rc = connect_at(app, o, &place, &err);
	incoming_end(r.incoming);
	incoming_free(r.incoming);
	keeper_free(r.keeper); /* where nothing was begun with it */
	outside_free(r.outside);
	supervised_run_free(r.supervised);
	podvolumes_fini(&r.volumes);
	borrow_fini(&r.borrow);
	loopback_link_close(&r.made.loopback);
	if (r.made.diag >= 0)
		close(r.made.diag);
	if (r.made.ends >= 0)
		close(r.made.ends);
	if (r.made.room >= 0)
		close(r.made.room);
	return run_end(&r, rc, &err);
}
