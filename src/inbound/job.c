/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/job.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/progress.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "control/control.h"
#include "inbound/handover.h"
#include "inbound/probe.h"
#include "inbound/program.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "local/pidfile.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define STEADY (2 * NS_SEC)	/* every node knows a Service's selector then */
#define WITHDRAWN (300 * NS_MS) /* the shadow has heard of it then */
#define DRAIN_POLL (20 * NS_MS)
/* a connection so long quiet is an idle one; in the last second, one that might
 * be */
#define DRAIN_IDLE NS_SEC
#define DRAIN_LULL (10 * NS_MS)
#define REFUSALS_TOLD 3
#define HEIR_PATIENCE (15 * NS_SEC) /* longer than the usual grace time */

int64_t job_now(const struct job *job)
{
	return job->global->use_local_time ? (int64_t)time(NULL)
					   : kube_cluster_time(job->kube);
}

/* --- the lock ------------------------------------------------------------- */

static void on_lock_wait(void *user)
{
	struct job *job = user;

	progress_detail(job->app->progress, "somebody else is changing it");
	if (job->leaving)
		progress_note(job->app->progress,
			      "Somebody else is changing Service %s: waiting "
			      "for it (Ctrl-C skips it)",
			      job->name);
}

static bool job_owner_is_dead(void *user, const char *owner)
{
	const struct job *job = user;

	return owner_is_dead(job->app->home, owner);
}

int job_lock(struct job *job, struct kt_error *err)
{
	struct update_lock l = { .now = job_now(job),
				 .owner = owner_token(job->owner),
				 .dead = job_owner_is_dead,
				 .wait = on_lock_wait,
				 .user = job,
				 .since = job->locked };
	int rc = update_lock(job->kube, job->ns, job->name, &l, err);

	if (rc < 0)
		return kt_wrap(err, rc, "lock Service %s/%s", job->ns,
			       job->name);
	job->locked = l.since;
	return job_read(job, err);
}

/* One that could not be dropped is ours still: who leaves then has it */
void job_unlock(struct job *job)
{
	struct kt_error err = { 0 };
	int rc;

	if (!job->locked)
		return;
	rc = update_unlock(job->kube, job->ns, job->name, job->locked, &err);
	if (rc >= 0 || rc == -ENOENT)
		job->locked = 0;
	else if (job->leaving)
		log_warn("Service %s/%s stays locked for %d s: %s", job->ns,
			 job->name, KT_LOCK_LIFE, err.msg);
	else
		log_debug("Service %s/%s is locked still: %s", job->ns,
			  job->name, err.msg);
}

/* --- shadow and tunnel ---------------------------------------------------- */

static void job_on_progress(void *user, const char *text)
{
	struct job *job = user;

	progress_detail(job->app->progress, "%s", text);
}

int job_shadow(struct job *job, bool share, struct kt_error *err)
{
	struct shadow_config cfg = {
		.kube = job->kube,
		.ns = job->ns,
		.pod = &job->global->pod,
		.use_local_time = job->global->use_local_time,
		.face = job->given ? NULL : &job->face,
		.share = share && !job->given,
		.given = job->given,
		.owner = owner_token(job->owner),
		.base = job->original,
		.home = job->app->home,
		.progress = job_on_progress,
		.user = job,
	};
	int rc;

	/* a shadow of one user has the rule "all" only: then a refused
	 * connection is a refused one, whatever is spoken on it */
	job->serve = service_ports_serve(&job->ports, job->origin, !share);
	job->containers = service_ports_containers(&job->ports);
	job->tls_ports = service_ports_ended(&job->ports);
	job->face.serve = job->serve;
	job->face.tls_ports = job->tls_ports;
	job->face.ports = job->containers;
	job->face.low_ports = service_ports_low(&job->ports);
	progress_step(job->app->progress, "%s the %s Pod in namespace %s",
		      job->given ? "Find" : "Start",
		      share ? "router" : "shadow", job->ns);
	job->shared = share;
	job->shadow = shadow_new(&cfg);
	rc = shadow_ensure(job->shadow, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "%s Pod %s/%s is ready",
		      share ? "Router" : "Shadow", job->ns,
		      shadow_pod_name(job->shadow));
	return 0;
}

void job_tell_caller(void *user, const struct inbound_caller *c)
{
	struct job *job = user;
	char from[IPPORT_STRLEN];

	log_debug("caller %s of port %u: %s",
		  c->from.addr.family ? ipport_str(&c->from, from) : "",
		  c->remote,
		  c->error  ? strerror(-c->error)
		  : c->held ? "waits"
			    : "connected");
	job->arrivals++;
	if (!c->error || job->refusals >= REFUSALS_TOLD)
		return;
	for (size_t i = 0; i < job->nlocal; i++)
		if (job->local[i].remote == c->remote &&
		    job->local[i].udp == c->udp) {
			job->refusals++;
			log_warn("a caller could not be connected to "
				 "localhost:%u: %s%s",
				 job->local[i].local.port, strerror(-c->error),
				 job->refusals == REFUSALS_TOLD
					 ? " (further ones are not told)"
					 : "");
		}
}

static void job_count_copies(void *user, uint64_t sent, uint64_t dropped)
{
	struct job *job = user;

	job->copies_sent += sent;
	job->copies_dropped += dropped;
	if (dropped)
		repeat_warn(&job->drops,
			    "copies of requests are dropped: this machine, its "
			    "program or the way here takes less than comes. "
			    "Their callers notice nothing; 'ktctl status' "
			    "counts them");
}

static int on_renew(void *user, struct kt_error *err)
{
	struct job *job = user;

	return job->renew ? job->renew(job->change_user, err) : 0;
}

/* The tunnel is anew, to another Pod perhaps */
static void on_up(void *user)
{
	struct job *job = user;

	program_on_up(job);
	if (job->ready)
		job_changed(job);
}

/* Who was killed has its rules for its grace time still. */
static int connect_uplink(struct job *job, const struct uplink_config *cfg,
			  struct kt_error *err)
{
	int64_t end = clock_ns() + HEIR_PATIENCE;
	int rc;

	for (;;) {
		job->uplink = uplink_new(cfg);
		rc = uplink_connect(job->uplink, err);
		if (rc != -EEXIST || !job->successor || clock_ns() >= end)
			return rc;
		progress_detail(job->app->progress,
				"the rules of a killed ktctl are in force");
		uplink_free(job->uplink);
		job->uplink = NULL;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(job->app->loop, NS_SEC);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

void job_uplink_config(struct job *job, struct uplink_config *cfg)
{
	*cfg = (struct uplink_config){
		.loop = job->app->loop,
		.kube = job->kube,
		.ns = job->ns,
		.shadow = job->shadow,
		.open_timeout_ns = job->global->port_forward_timeout * NS_SEC,
		.buffers = (size_t)job->global->buffer_limit << 20,
		.home = job->app->home,
		.carrier = job->global->carrier,
		.inbound = &job->spec,
		.history = &job->history,
		.up = on_up,
		.caller = job_tell_caller,
		.copies = job_count_copies,
		.event = job_on_event,
		.watching = job_on_watching,
		.renew = on_renew,
		.user = job,
	};
}

int job_tunnel(struct job *job, struct kt_error *err)
{
	struct uplink_config cfg;
	int rc;

	job->spec = (struct inbound_spec){
		.user = shadow_user(),
		.grace_s = (unsigned int)job->opt->grace_time,
		.rules = job->rules,
		.nrules = job->nrules,
		.ports = job->local,
		.nports = job->nlocal,
		.watch = job->spec.watch,
		.observe = !job->shared,
	};
	program_serve(job, &job->spec);
	job_uplink_config(job, &cfg);
	progress_step(job->app->progress, "Open the tunnel");
	rc = connect_uplink(job, &cfg, err);
	if (rc == 0)
		rc = shadow_await_ready(job->shadow, err);
	if (rc < 0)
		return rc;
	probe_origin(job);
	if (!job->labels_later)
		probe_callers(job);
	progress_done(job->app->progress, "The tunnel is up");
	return 0;
}

int job_serve(struct job *job, struct kt_error *err)
{
	int rc = 0;

	job->ready = true;
	while (rc == 0) {
		rc = uplink_wait(job->uplink, err);
		if (rc == 0 && job->changed) {
			job->changed = false;
			if (job->on_change)
				rc = job->on_change(job->change_user, err);
		}
		if (rc == 0 && uplink_needs_another(job->uplink))
			rc = handover_make(job, err);
		else if (rc == 0)
			rc = uplink_heal(job->uplink, err);
		if (rc == 0)
			handover_sweep(job);
	}
	return rc;
}

const char *job_verdict(const struct job *job)
{
	switch (job->arrival) {
	case ARRIVAL_SEEN:
		return "All looks good";
	case ARRIVAL_UNSEEN:
		return "Nobody has arrived yet";
	case ARRIVAL_UNTRIED:
	default:
		return "All looks good, but no caller of our own was tried";
	}
}

/* --- the end -------------------------------------------------------------- */

void job_unfinished(struct job *job, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s", text);
	job->unfinished = true;
}

int job_settle(struct job *job)
{
	return job->leaving ? signals_sleep(job->app->signals, STEADY)
			    : loop_sleep(job->app->loop, STEADY);
}

void job_step_aside(struct job *job, const json_t *labels)
{
	auto_free char *path = NULL;
	auto_json json_t *patch = NULL;
	struct kt_error err = { 0 };
	json_t *none, *value;
	const char *key;

	/* a Deployment would make another Pod in its place */
	if (!job->ready || job->global->pod.deployment)
		return;
	path = kube_path("v1", "pods", job->ns, shadow_pod_name(job->shadow),
			 NULL);
	none = json_object();
	json_object_foreach ((json_t *)(uintptr_t)labels, key, value)
		json_object_set_new(none, key, json_null());
	patch = json_pack("{s:{s:o}}", "metadata", "labels", none);
	if (kube_patch(job->kube, path, patch, NULL, &err) < 0)
		log_debug("%s", err.msg);
}

int64_t job_quiet(int64_t end)
{
	return end - clock_ns() > NS_SEC ? DRAIN_IDLE : DRAIN_LULL;
}

/* @settle: until no new caller comes */
static void job_do_drain(struct job *job, int64_t settle)
{
	struct inbound *tunnel =
		job->uplink ? uplink_inbound(job->uplink) : NULL;
	int64_t end;

	if (!tunnel || !job->ready || !uplink_is_up(job->uplink))
		return;
	end = clock_ns() + job->opt->grace_time * NS_SEC;
	progress_note(job->app->progress,
		      "Requests under way end (Ctrl-C ends them now)");
	if (signals_sleep(job->app->signals, settle) < 0)
		return;
	/* for the answer to a copy nobody waits */
	while (!job->copy && uplink_is_up(job->uplink) &&
	       (inbound_callers(tunnel) || handover_callers(job)) &&
	       clock_ns() < end) {
		inbound_end_quiet(tunnel, job_quiet(end));
		handover_end_quiet(job, job_quiet(end));
		if (signals_sleep(job->app->signals, DRAIN_POLL) < 0)
			return;
	}
}

void job_drain(struct job *job)
{
	struct inbound *tunnel =
		job->uplink ? uplink_inbound(job->uplink) : NULL;

	if (tunnel && job->ready)
		inbound_drain(tunnel);
	job_do_drain(job, STEADY);
}

void job_withdraw(struct job *job)
{
	struct inbound *tunnel =
		job->uplink ? uplink_inbound(job->uplink) : NULL;

	if (tunnel && inbound_set_rules(tunnel, NULL, 0) == 0)
		job_do_drain(job, WITHDRAWN);
}

void job_disconnect(struct job *job)
{
	keep_stop(job); /* it wakes the uplink */
	handover_disconnect(job);
	uplink_close(steal_ptr(&job->uplink));
}

void job_remove_shadow(struct job *job)
{
	struct kt_error err = { 0 };

	handover_leave(job, true);
	if (job->shadow && shadow_remove(job->shadow, &err) < 0)
		job_unfinished(job, "%s was not removed: %s",
			       shadow_describe(job->shadow), err.msg);
}

/* --- the command ---------------------------------------------------------- */

static void job_close(struct job *job)
{
	loop_timer_stop(&job->watch_timer);
	keep_fini(job);
	heartbeat_stop(job->stuntman_beat);
	handover_free(job);
	uplink_free(job->uplink);
	shadow_free(job->shadow);
	program_free(job);
	service_ports_fini(&job->ports);
	json_decref(job->named);
	json_decref(job->service);
	json_decref(job->original);
	json_decref(job->selector);
	json_decref(job->containers);
	free(job->local);
	free(job->rules);
	free(job->origin);
	free(job->prefix);
	free(job->config_text);
	free(job->serve);
	free(job->tls_ports);
	pidfile_free(job->pidfile);
	if (job->unfinished)
		owner_leave(job->owner);
	owner_free(job->owner);
	kube_free(job->kube);
	kube_config_free(job->config);
}

static void job_probe(void *user)
{
	struct job *job = user;

	uplink_probe(job->uplink);
}

/* What is open in tunnels whose place was taken counts as well */
static void job_report(void *user, struct control_report *r)
{
	struct job *job = user;

	uplink_report(job->uplink, r);
	uplink_history_report(&job->history, r);
	r->streams += handover_callers(job);
	r->copying = job->copy > 0;
	r->copies_sent = job->copies_sent;
	r->copies_dropped = job->copies_dropped;
}

/* The exit status, after everything was undone; @up: it was said that all is
 * up. Before, the start was broken off. */
static int job_end(const struct job *job, int rc, bool up,
		   const struct kt_error *err, const char *role)
{
	struct app *app = job->app;

	if (rc == -EINTR && up && signals_seen(app->signals)) {
		log_info("left on %s",
			 signals_name(signals_seen(app->signals)));
		return job->unfinished ? EXIT_FAILED : EXIT_OK;
	}
	if (rc == -EINTR && program_has_ended(job))
		return EXIT_OK;
	rc = app_fail(app, rc, err);
	offer_role(err, role);
	return rc;
}

/* The API server could not be told */
static void job_say_left(const struct job *job)
{
	if (str_eq(job->component, "exchange") ||
	    str_eq(job->component, "mesh"))
		log_warn("what is left in namespace %s: 'ktctl recover %s' "
			 "undoes it, and so does the next 'ktctl %s %s'; "
			 "'ktctl clean' removes the rest",
			 job->ns, job->name, job->component, job->name);
	else
		log_warn("what is left in namespace %s: 'ktctl clean' removes "
			 "it",
			 job->ns);
}

static void job_undo(struct job *job, const struct job_plan *plan, int rc)
{
	if (rc != -EINTR)
		progress_fail(job->app->progress);
	signals_give_back(job->app->signals);
	kube_leave(job->kube, signals_hurry(job->app->signals));
	job->leaving = true;
	plan->undo(job);
	if (job->unfinished && kube_is_gone(job->kube))
		job_say_left(job);
}

int job_run(struct job *job, const struct job_plan *plan)
{
	static const struct control_source source = { job_probe, job_report,
						      job_watch };
	struct app *app = job->app;
	struct kt_error err = { 0 };
	int steps = 0, rc = 0;
	bool up, stays;

	control_serve(app->control, plan->source ? plan->source : &source, job);

	while (steps < JOB_STEPS && plan->step[steps])
		steps++;
	if (job->opt && job->opt->program) { /* which has the terminal */
		progress_plain(app->progress);
		if (!job->global->debug)
			progress_brief(app->progress);
	}
	progress_begin(app->progress, steps);
	for (int i = 0; rc == 0 && i < steps; i++)
		rc = plan->step[i](job, &err);
	up = rc == 0 && !loop_interrupted(app->loop); /* in the last step */
	if (up) {
		plan->ready(job);
		app_ready(app);
	}
	if (rc == 0 && plan->serve)
		rc = plan->serve(job, &err);
	else if (rc == 0 && !up)
		rc = kt_fail(&err, EINTR, "interrupted");
	stays = rc == 0 && !plan->serve;
	if (!stays)
		job_undo(job, plan, rc);
	control_serve(app->control, NULL, NULL);
	rc = stays ? EXIT_OK : job_end(job, rc, up, &err, plan->role);
	job_close(job);
	return rc;
}
