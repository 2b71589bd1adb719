/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl exchange: everybody's requests to a Service come to this machine. The
 * shadow stands in front (mode selector), or the Service's own Pods are scaled
 * away and the shadow has their labels (mode scale), or each Pod has a shadow
 * inside (mode ephemeral). The tables at the end name the steps of each.
 */
#include "inbound/exchange.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/ephemeral.h"
#include "cluster/takeover.h"
#include "inbound/inject.h"
#include "inbound/lease.h"
#include "inbound/probe.h"

#include <errno.h>

int exchange_look(struct job *job, struct kt_error *err)
{
	int rc = job_inspect(job, err);

	if (rc == 0)
		rc = job_rules(job, NULL, err);
	if (rc == 0)
		rc = lease_check(job, LEASE_ALL, err);
	return rc;
}

void exchange_name(struct job *job, const char *what)
{
	job->prefix = xasprintf("%s-kt-exchange-", what);
	job->face.prefix = job->prefix;
	job->face.role = KT_ROLE_EXCHANGE;
	job->face.config = job->config_text;
}

static int exchange_shadow(struct job *job, struct kt_error *err)
{
	return job_shadow(job, false, err);
}

static void exchange_ready(struct job *job)
{
	struct exchange *x = exchange_of(job);
	auto_free char *ports = job_text(job);
	char how[128];

	progress_note(job->app->progress,
		      "%s: %s %s/%s is redirected to local, %s. %s",
		      job_verdict(job), x->kind ? x->kind : "Service", job->ns,
		      x->kind ? x->workload_name : job->name, ports,
		      app_leave_how(job->app, how, sizeof(how)));
}

/* --- selector ------------------------------------------------------------- */

static int exchange_claim(struct job *job, struct kt_error *err)
{
	int rc;

	job->wants_origin = true;
	rc = exchange_look(job, err);
	if (rc == 0)
		rc = job_check_callers(job, false, err);
	if (rc == 0)
		rc = job_lock(job, err);
	if (rc == 0) /* now nobody comes between */
		rc = lease_check(job, LEASE_ALL, err);
	if (rc == 0)
		rc = job_stuntman(job, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s", job->ns, job->name);
	target_make(job->target);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_EXCHANGE,
				  KT_LABEL_TARGET, job->target);
	job->face.target = job->target;
	job->config_text = xasprintf("service=%s", job->name);
	exchange_name(job, job->name);
	return 0;
}

static int exchange_switch(struct job *job, struct kt_error *err)
{
	int rc;

	progress_step(job->app->progress, "Switch Service %s", job->name);
	rc = job_take(job, err);
	if (rc < 0)
		return rc;
	job_unlock(job);
	progress_detail(job->app->progress, "until a caller arrives");
	probe_arrival(job);
	progress_done(job->app->progress, "Service %s/%s leads to the shadow",
		      job->ns, job->name);
	return 0;
}

static void exchange_undo(struct job *job)
{
	if (job_give_back(job)) {
		job_drain(job);
		job_disconnect(job);
		job_remove_shadow(job);
		job_stuntman_remove(job);
	}
	job_unlock(job);
}

/* --- ephemeral ------------------------------------------------------------ */

static int exchange_find_pods(struct job *job, struct kt_error *err)
{
	int rc;

	/* the Pods are there: no volume with the program can be added */
	if (!job->global->pod.image) {
		kt_hint(err, "name an image of the shadow that the cluster can "
			     "pull with --image; --mode selector needs none");
		return kt_fail(err, EINVAL,
			       "--mode ephemeral needs an image: a container "
			       "that is added to a Pod cannot bring its "
			       "program along");
	}
	if (job->minor && job->minor < EPHEMERAL_SINCE) {
		kt_hint(err, "--mode selector does the same for the whole "
			     "Service");
		return kt_fail(err, EOPNOTSUPP,
			       "--mode ephemeral: ephemeral containers are "
			       "there from Kubernetes 1.%d on; this one is "
			       "1.%d",
			       EPHEMERAL_SINCE, job->minor);
	}
	rc = exchange_look(job, err);
	if (rc == 0)
		progress_done(job->app->progress, "Service %s/%s", job->ns,
			      job->name);
	return rc;
}

static int exchange_inject(struct job *job, struct kt_error *err)
{
	struct exchange *x = exchange_of(job);
	int rc;

	progress_step(job->app->progress,
		      "Add a container to each of its Pods");
	x->injector = injector_new(job);
	rc = injector_start(x->injector, err);
	if (rc < 0)
		return rc;
	progress_detail(job->app->progress, "until a caller arrives");
	injector_arrival(x->injector);
	progress_done(job->app->progress, "Pods that lead here: %zu",
		      injector_pods(x->injector));
	return 0;
}

static int exchange_serve_pods(struct job *job, struct kt_error *err)
{
	job->ready = true;
	injector_watch_service(exchange_of(job)->injector);
	return injector_serve(exchange_of(job)->injector, err);
}

static void exchange_probe_pods(void *user)
{
	injector_probe(exchange_of(user)->injector);
}

static void exchange_report_pods(void *user, struct control_report *r)
{
	injector_report(exchange_of(user)->injector, r);
}

static const struct control_source exchange_source_pods = {
	exchange_probe_pods, exchange_report_pods,
	job_watch, /* there is no router: all is seen here */
};

static void exchange_undo_pods(struct job *job)
{
	struct exchange *x = exchange_of(job);

	if (!x->injector)
		return;
	if (job->ready)
		progress_note(job->app->progress,
			      "Requests under way end (Ctrl-C ends them now)");
	injector_leave(x->injector);
	injector_free(x->injector);
	x->injector = NULL;
}

/* --- the command ---------------------------------------------------------- */

static const struct job_plan exchange_plan[] = {
	[EXCHANGE_SELECTOR] = {
		.step = { job_open, exchange_claim, exchange_shadow,
			  job_tunnel, exchange_switch },
		.ready = exchange_ready,
		.serve = job_serve,
		.undo = exchange_undo,
		.role = "exchange",
	},
	[EXCHANGE_SCALE] = {
		.step = { job_open, exchange_find_workload, exchange_shadow,
			  job_tunnel, exchange_scale_switch,
			  exchange_scale_down },
		.ready = exchange_ready,
		.serve = job_serve,
		.undo = exchange_scale_undo,
		.role = "exchange-scale",
	},
	[EXCHANGE_EPHEMERAL] = {
		.step = { job_open, exchange_find_pods, exchange_inject },
		.ready = exchange_ready,
		.serve = exchange_serve_pods,
		.undo = exchange_undo_pods,
		.source = &exchange_source_pods,
		.role = "exchange-ephemeral",
	},
};

int command_exchange(struct app *app, const struct options *o)
{
	struct exchange x = {
		.job = { .app = app,
			 .global = &o->global,
			 .opt = &o->exchange.in,
			 .asked = o->args[0],
			 .component = "exchange" },
		.opt = &o->exchange,
	};
	int rc = job_run(&x.job, &exchange_plan[o->exchange.mode]);

	json_decref(x.workload);
	json_decref(x.labels);
	free(x.workload_name);
	return rc;
}
