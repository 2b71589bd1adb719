/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl forward, env open: ports of this machine lead into the cluster.
 * Top-down: forward_session() at the end runs the steps; each step is a
 * function that waits in the loop; forward_undo() takes back what was done.
 */
#include "forward/forward.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cluster/objects.h"
#include "cluster/sweep.h"
#include "control/control.h"
#include "forward/forwarding.h"
#include "forward/namecheck.h"
#include "forward/spec.h"
#include "forward/target.h"
#include "kube/rest.h"
#include "local/home.h"
#include "local/owner.h"
#include "local/pidfile.h"
#include "local/signals.h"
#include "tunnel/faults.h"
#include "uplink/ask_env.h"
#include "uplink/replace.h"

#include <errno.h>
#include <string.h>

#define STEPS 5
#define KNOWN_PATIENCE (5 * NS_SEC)

/** struct forward - one run; a member is NULL until its step is done */
struct forward {
	struct app *app;
	const struct forward_options *opt;
	const struct forward_env *env; /* NULL: none */
	struct envmark mark;	       /* the environment's; no name: none */
	const struct global_options *global;
	struct forward_spec spec;
	struct ipaddr addrs[LOCALPORT_ADDRS_MAX]; /* --address */
	size_t naddrs;

	struct kube_config *config;
	struct kube *kube;
	const char *ns;
	struct uplink_history history;
	struct pidfile *pidfile;
	struct owner *owner;	     /* NULL: nobody will know that we died */
	struct target_watch *target; /* one for each of spec */
	size_t ntargets;
	struct forwarding *forwarding;
	size_t nforwardings;
	struct replace replace; /* the shadow, and the tunnel into it */
	struct faults *faults;	/* NULL: none */
	struct dialer dialer;
	bool known;   /* of every target: whether somebody is there */
	bool serving; /* ports follow their targets */
	bool ready;   /* every step is done */
	bool tls;     /* of @env: programs speak TLS */
	int failed;   /* a port was lost meanwhile: -errno */
	struct kt_error why;
};

/* --- the command line ----------------------------------------------------- */

static int forward_addresses(struct forward *f, struct kt_error *err)
{
	const struct prefixes *p = &f->opt->address;
	char text[IPPREFIX_STRLEN];

	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].len != ipaddr_bits(&p->v[i].addr))
			return kt_fail(err, EINVAL,
				       "--address: %s is a range, not an "
				       "address",
				       ipprefix_str(&p->v[i], text));
		if (f->naddrs == LOCALPORT_ADDRS_MAX)
			return kt_fail(err, EINVAL,
				       "--address: more than %d addresses",
				       LOCALPORT_ADDRS_MAX);
		f->addrs[f->naddrs++] = p->v[i].addr;
	}
	return 0;
}

/* --- the cluster ---------------------------------------------------------- */

static void forward_on_up(void *user)
{
	struct forward *f = user;

	dialer_tunnel_up(&f->dialer);
}

static void forward_on_progress(void *user, const char *text)
{
	struct forward *f = user;

	progress_detail(f->app->progress, "%s", text);
}

static void forward_make_uplink(struct forward *f)
{
	struct shadow_config shadow = {
		.kube = f->kube,
		.ns = f->ns,
		.pod = &f->global->pod,
		.use_local_time = f->global->use_local_time,
		.command = "forward",
		.keep_ns = f->opt->keep,
		.owner = owner_token(f->owner),
		.home = f->app->home,
		.progress = forward_on_progress,
		.user = f,
	};
	struct uplink_config uplink = {
		.loop = f->app->loop,
		.kube = f->kube,
		.ns = f->ns,
		.open_timeout_ns = f->global->port_forward_timeout * NS_SEC,
		.buffers = (size_t)f->global->buffer_limit << 20,
		.keep_ns = f->opt->keep,
		.home = f->app->home,
		.carrier = f->global->carrier,
		.history = &f->history,
		.up = forward_on_up,
		.user = f,
	};

	uplink.shadow = shadow_new(&shadow);
	replace_init(&f->replace, &uplink);
	f->faults =
		faults_new(f->app->loop, f->replace.front, &f->opt->faults, 0);
	dialer_init(&f->dialer, f->replace.front);
	f->dialer.faults = f->faults;
	if (f->env)
		tunnel_set_env(f->replace.front, &f->mark);
}

static void forward_probe(void *user)
{
	struct forward *f = user;

	uplink_probe(f->replace.uplink);
}

static void forward_report(void *user, struct control_report *r)
{
	struct forward *f = user;

	uplink_report(f->replace.uplink, r);
	uplink_history_report(&f->history, r);
	r->faults = faults_list(f->faults, &r->nfaults);
}

static int forward_open(struct forward *f, struct kt_error *err)
{
	struct kube_config_source src = { .files = f->global->kubeconfig,
					  .context = f->global->context };
	struct kt_error why = { 0 };
	int rc = kube_config_load(&f->config, &src, err);

	if (rc < 0)
		return rc;
	f->ns = f->global->namespace ? f->global->namespace
				     : f->config->namespace_;
	rc = control_open(f->app->control, f->config->context, f->ns, err);
	if (rc < 0)
		return rc;
	rc = kube_new(&f->kube, f->app->loop, f->config, err);
	if (rc < 0)
		return rc;
	f->owner = owner_new(f->app->home, &why);
	if (!f->owner)
		log_debug("%s", why.msg);
	f->pidfile = pidfile_try(f->app->loop, f->app->home, "forward",
				 f->app->signals);
	return 0;
}

static int forward_step_cluster(struct forward *f, struct kt_error *err)
{
	auto_json json_t *version = NULL;
	const char *git;
	int rc;

	progress_step(f->app->progress, "Reach cluster %s at %s",
		      f->config->context, f->config->server);
	rc = kube_get(f->kube, "/version", &version, err);
	if (rc < 0)
		return rc;
	git = json_str(version, "gitVersion", NULL);
	if (!git) {
		kt_hint(err, "is the server of context %s the right one?",
			f->config->context);
		return kt_fail(err, EPROTO,
			       "%s does not answer like the API server of a "
			       "Kubernetes cluster",
			       f->config->server);
	}
	progress_done(f->app->progress, "Cluster %s at %s, Kubernetes %s",
		      f->config->context, f->config->server, git);
	return f->env ? f->env->find(f->kube, f->ns, f->env->given, &f->mark,
				     err)
		      : 0;
}

/* --- targets and local ports ---------------------------------------------- */

/* An answer has to come from the address that was asked: of a socket for all
 * addresses nobody knows which one. */
static int forward_check_udp(const struct forward *f,
			     const struct forward_choice *c,
			     struct kt_error *err)
{
	static const uint8_t zero[16] = { 0 };
	char text[IPADDR_STRLEN];

	for (size_t i = 0; c->udp && i < f->naddrs; i++)
		if (memcmp(f->addrs[i].b, zero, sizeof(zero)) == 0) {
			kt_hint(err, "name the addresses that programs will "
				     "send to");
			return kt_fail(
				err, EINVAL,
				"--address %s: UDP ports need addresses, "
				"not all of them",
				ipaddr_str(&f->addrs[i], text));
		}
	return 0;
}

/* Only requests have marks */
static int forward_check_env(const struct forward *f,
			     const struct forward_choice *c,
			     struct kt_error *err)
{
	if (f->env && c->udp)
		return kt_fail(err, EINVAL,
			       "%s: a port of UDP has no requests that could "
			       "be an environment's",
			       f->spec.v[0].text);
	return 0;
}

/* Whose Pod it is, is what the one who ends TLS goes by */
static int forward_look_env(struct forward *f, const struct target_watch *t,
			    const struct forward_choice *c,
			    struct kt_error *err)
{
	const struct service_port *p =
		t->is_service ? choose_service_port(&t->ports, c) : NULL;
	int rc = 0;

	if (f->env && p)
		rc = f->env->look(f->kube, t->ns, t->object, p, &f->mark,
				  &f->tls, err);
	if (rc == 0 && f->tls)
		shadow_set_env(f->replace.shadow, f->mark.name);
	return rc;
}

/* Of an environment's port that was not typed any other will do: the program
 * that is tried may have it */
static int forward_bind(struct forward *f, struct localport *l,
			const struct forward_choice *c,
			const struct forward_port *asked, struct kt_error *err)
{
	bool typed = asked && asked->local;
	uint16_t local = c->local;
	struct kt_error why = { 0 };

	if (!f->env || typed)
		return localport_bind(l, c->udp, local, f->addrs, f->naddrs,
				      err);
	if (!local)
		local = c->number;
	if (local >= 1024 &&
	    localport_bind(l, c->udp, local, f->addrs, f->naddrs, &why) == 0)
		return 0;
	return localport_bind(l, c->udp, 0, f->addrs, f->naddrs, err);
}

/* All ports are taken before anything is made in the cluster. */
static int forward_add(struct forward *f, struct target_watch *t,
		       const struct forward_port *asked, struct kt_error *err)
{
	struct forwarding *e = &f->forwarding[f->nforwardings];
	int rc = target_choose(t, &e->choice, asked, err);

	if (rc < 0)
		return rc;
	e->target = t;
	rc = forward_check_udp(f, &e->choice, err);
	if (rc == 0)
		rc = forward_check_env(f, &e->choice, err);
	if (rc == 0)
		rc = forward_look_env(f, t, &e->choice, err);
	if (rc == 0)
		rc = forward_bind(f, &e->port, &e->choice, asked, err);
	if (rc < 0)
		return rc;
	forwarding_start(e, f->app->loop, &f->dialer);
	f->nforwardings++;
	return 0;
}

static int forward_look(struct forward *f, const struct forward_target *asked,
			struct kt_error *err)
{
	struct target_watch *t = &f->target[f->ntargets];
	int rc = target_look(t, f->kube, f->ns, asked, err);

	f->ntargets++;
	if (rc == 0 && !asked->nport)
		return forward_add(f, t, NULL, err);
	for (size_t i = 0; rc == 0 && i < asked->nport; i++)
		rc = forward_add(f, t, &asked->port[i], err);
	return rc;
}

static int forward_step_targets(struct forward *f, struct kt_error *err)
{
	size_t ports = 0;
	int rc = 0;

	progress_step(f->app->progress, "Look at %s%s", f->spec.v[0].text,
		      f->spec.n > 1 ? " and others" : "");
	for (size_t i = 0; i < f->spec.n; i++)
		ports += f->spec.v[i].nport ? f->spec.v[i].nport : 1;
	f->target = xcalloc(f->spec.n, sizeof(*f->target));
	f->forwarding = xcalloc(ports, sizeof(*f->forwarding));
	for (size_t i = 0; rc == 0 && i < f->spec.n; i++)
		rc = forward_look(f, &f->spec.v[i], err);
	if (rc == 0)
		progress_done(f->app->progress, "Local ports are free");
	return rc;
}

/* --- shadow and tunnel ---------------------------------------------------- */

static bool forward_is_left(void *user, const json_t *obj)
{
	const struct forward *f = user;

	return owner_is_dead(f->app->home,
			     object_annotation(obj, KT_ANNOTATION_OWNER));
}

static int forward_step_shadow(struct forward *f, struct kt_error *err)
{
	int rc;

	progress_step(f->app->progress, "Start the shadow Pod in namespace %s",
		      f->ns);
	/* there may be room for one only */
	if (owner_any_dead(f->app->home))
		sweep_dead(f->kube, f->ns, forward_is_left, f);
	rc = shadow_ensure(f->replace.shadow, err);
	if (rc < 0)
		return rc;
	progress_done(f->app->progress, "Shadow Pod %s/%s runs", f->ns,
		      shadow_pod_name(f->replace.shadow));
	return 0;
}

static int forward_step_tunnel(struct forward *f, struct kt_error *err)
{
	int rc;

	progress_step(f->app->progress, "Open the tunnel");
	rc = uplink_connect(f->replace.uplink, err);
	if (rc == 0 && f->env)
		rc = ask_env(f->replace.front, f->app->loop,
			     shadow_describe(f->replace.shadow), err);
	if (rc == 0 && f->tls &&
	    f->env->known(f->app->loop, f->replace.front,
			  shadow_pod_ip(f->replace.shadow), &f->mark) < 0)
		return kt_fail(err, EINTR, "interrupted");
	if (rc == 0)
		rc = faults_start(f->faults, err);
	if (rc < 0)
		return rc;
	progress_done(f->app->progress, "The tunnel is up");
	return 0;
}

/* --- serving -------------------------------------------------------------- */

/* Somebody else has taken the port while it was shut: rare, and final. */
static void forward_follow(struct forward *f)
{
	for (size_t i = 0; i < f->nforwardings && !f->failed; i++)
		f->failed = forwarding_follow(&f->forwarding[i], &f->why);
	if (f->failed)
		uplink_wake(f->replace.uplink);
}

static void forward_on_changed(void *user)
{
	struct forward *f = user;
	bool known = true;

	for (size_t i = 0; i < f->ntargets; i++)
		known &= target_is_known(&f->target[i]);
	f->known = known;
	if (f->serving)
		forward_follow(f);
}

static int forward_check_sight(const struct forward *f, struct kt_error *err)
{
	for (size_t i = 0; i < f->ntargets; i++)
		if (target_is_blind(&f->target[i])) {
			kt_fail(err, EACCES,
				"%s: its Pods may not be listed and watched",
				f->target[i].asked->text);
			kt_hint(err, "deploy/rbac/forward.yaml has the "
				     "permissions; 'ktctl doctor forward' "
				     "looks at them");
			return -EACCES;
		}
	return 0;
}

static void forward_say_shut(const struct forward *f)
{
	for (size_t i = 0; i < f->ntargets; i++)
		if (!target_is_open(&f->target[i]))
			log_warn("%s: no Pod is ready; connections are refused "
				 "until one is",
				 f->target[i].asked->text);
}

/* A name that is mistyped is no reason to wait for */
static int forward_check_names(struct forward *f, struct kt_error *err)
{
	for (size_t i = 0; i < f->ntargets; i++) {
		const struct target_watch *t = &f->target[i];
		const char *text = t->asked->text;
		int rc = t->way != TARGET_HOST
				 ? 0
				 : namecheck(f->app->loop, f->replace.front,
					     t->host);

		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
		if (rc == -ETIME)
			log_warn("%s: the cluster's DNS has no answer for this "
				 "name now",
				 text);
		if (rc == -ENOENT)
			return kt_fail(err, ENOENT,
				       "%s: the cluster's DNS knows no such "
				       "name%s",
				       text,
				       t->asked->kind == FORWARD_MAYBE
					       ? ", and it is no Service"
					       : "");
	}
	return 0;
}

static int forward_step_listen(struct forward *f, struct kt_error *err)
{
	int rc;

	progress_step(f->app->progress, "Listen");
	rc = forward_check_names(f, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < f->ntargets; i++)
		target_follow(&f->target[i], forward_on_changed, f);
	forward_on_changed(f);
	rc = loop_run_until(f->app->loop, &f->known, KNOWN_PATIENCE);
	if (rc == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	rc = forward_check_sight(f, err);
	if (rc < 0)
		return rc;
	forward_say_shut(f);
	f->serving = true;
	forward_follow(f);
	if (f->failed) {
		*err = f->why;
		return f->failed;
	}
	progress_done(f->app->progress,
		      "%zu %s of this machine lead%s into "
		      "the cluster",
		      f->nforwardings, f->nforwardings == 1 ? "port" : "ports",
		      f->nforwardings == 1 ? "s" : "");
	return 0;
}

/* For scripts the URL, on stdout */
static void forward_say_open(struct forward *f)
{
	unsigned int port = f->forwarding[0].port.port;
	const char *scheme = f->tls ? "https" : "http";
	char how[128];

	print_line(stdout, "%s://localhost:%u", scheme, port);
	fflush(stdout);
	progress_note(f->app->progress,
		      "All looks good: %s, seen through environment %s, is at "
		      "%s://localhost:%u. %s",
		      f->spec.v[0].text, f->mark.name, scheme, port,
		      app_leave_how(f->app, how, sizeof(how)));
}

/* For scripts on stdout, one line each; the rest is for people. */
static void forward_say_ready(struct forward *f)
{
	const struct localport *first = &f->forwarding[0].port;
	char how[128], place[IPPORT_STRLEN];

	if (f->naddrs)
		ipport_str(&first->place[0].at, place);
	else
		snprintf(place, sizeof(place), "localhost:%u", first->port);
	for (size_t i = 0; i < f->nforwardings; i++) {
		auto_free char *text = forwarding_text(&f->forwarding[i]);

		print_line(stdout, "%s", text);
	}
	fflush(stdout);
	progress_note(f->app->progress, "All looks good: %s is at %s%s. %s",
		      f->spec.v[0].text, place,
		      f->nforwardings > 1 ? ", the others as listed" : "",
		      app_leave_how(f->app, how, sizeof(how)));
}

static int forward_run(struct forward *f, struct kt_error *err)
{
	static int (*const step[])(struct forward *, struct kt_error *) = {
		forward_step_cluster, forward_step_targets, forward_step_shadow,
		forward_step_tunnel,  forward_step_listen,
	};
	static const struct control_source source = { forward_probe,
						      forward_report };
	int rc = forward_open(f, err);

	if (rc == 0)
		forward_make_uplink(f);
	control_serve(f->app->control, &source, f);
	progress_begin(f->app->progress, STEPS);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(step); i++)
		rc = step[i](f, err);
	if (rc < 0)
		return rc;
	if (loop_interrupted(f->app->loop)) /* in the last step */
		return kt_fail(err, EINTR, "interrupted");
	f->ready = true;
	faults_say(f->faults);
	if (f->env)
		forward_say_open(f);
	else
		forward_say_ready(f);
	app_ready(f->app);
	if (f->opt->shadows > 1)
		replace_want_spare(&f->replace);
	if (f->app->background) /* what was said is not in its log */
		faults_say(f->faults);
	while (rc == 0) {
		rc = replace_wait(&f->replace, err);
		if (rc == 0 && f->failed) {
			*err = f->why;
			rc = f->failed;
		}
		if (rc == 0)
			rc = replace_tend(&f->replace, err);
	}
	return rc;
}

/* Take back what was done, last thing first; also after a failed step. */
static void forward_undo(struct forward *f)
{
	struct farewell farewell;

	signals_clean_up(f->app->signals);
	kube_leave(f->kube, signals_hurry(f->app->signals));
	f->serving = false;
	for (size_t i = 0; i < f->nforwardings; i++)
		forwarding_stop(&f->forwarding[i]);
	for (size_t i = 0; i < f->ntargets; i++)
		target_fini(&f->target[i]);
	faults_stop(f->faults);
	replace_leave(&f->replace, &farewell);
	if (f->ready)
		faults_say_hits(f->faults);
	if (!replace_remove(&f->replace))
		owner_leave(f->owner);
	farewell_wait(&farewell, f->app->loop,
		      kube_is_gone(f->kube) ? 0 : FAREWELL_NS);
	replace_fini(&f->replace);
	control_serve(f->app->control, NULL, NULL);
	faults_free(f->faults);
	pidfile_free(f->pidfile);
	owner_free(f->owner);
	kube_free(f->kube);
	kube_config_free(f->config);
	free(f->forwarding);
	free(f->target);
}

/* One target, and one port of it at most */
static int forward_check_words(const struct forward *f, struct kt_error *err)
{
	if (!f->env || (f->spec.n == 1 && f->spec.v[0].nport <= 1))
		return 0;
	return kt_fail(err, EINVAL, "'%s' is no port", f->spec.v[1].text);
}

int forward_session(struct app *app, const struct options *o,
		    char *const *words, size_t nwords,
		    const struct forward_env *env, const char *role)
{
	struct forward f = {
		.app = app, .opt = &o->forward, .env = env, .global = &o->global
	};
	struct kt_error err = { 0 };
	int rc = forward_spec_parse(&f.spec, words, nwords, &err);

	if (rc == 0)
		rc = forward_check_words(&f, &err);
	if (rc == 0)
		rc = forward_addresses(&f, &err);
	if (rc < 0) {
		forward_spec_fini(&f.spec);
		return app_usage(app, &err);
	}
	rc = forward_run(&f, &err);
	if (rc != -EINTR)
		progress_fail(app->progress);
	forward_undo(&f);
	forward_spec_fini(&f.spec);
	/* once all is ready, leaving is what the user does; before, the start
	 * was broken off, and scripts want to know */
	if (rc == -EINTR && f.ready && signals_seen(app->signals)) {
		log_info("left on %s",
			 signals_name(signals_seen(app->signals)));
		return EXIT_OK;
	}
	rc = app_fail(app, rc, &err);
	offer_role(&err, role);
	return rc;
}

int command_forward(struct app *app, const struct options *o)
{
	return forward_session(app, o, o->args, o->nargs, NULL, "forward");
}
