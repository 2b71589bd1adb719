/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of an environment at a Service whose router is declared: there is
 * nothing to take, to lock or to give back. Its record, its line in the table
 * and its rules are all.
 */
#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/declared.h"
#include "inbound/handover.h"
#include "inbound/mesh.h"
#include "inbound/probe.h"
#include "kube/rest.h"

#include <errno.h>

int mesh_declared_look(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	json_t *own = m->env ? declared_selector(job->service) : NULL;

	if (!own)
		return 0;
	m->declared = true;
	json_decref(job->original);
	job->original = own;
	if (json_object_size(json_at(job->service, "spec", "selector", NULL)) ==
	    1)
		return 0;
	kt_hint(err,
		"'kubectl apply' keeps labels that it has not put there: "
		"'kubectl -n %s set selector service %s " KT_LABEL_DECLARED
		"=%s' drops them",
		job->ns, job->name, job->name);
	return kt_fail(err, EINVAL,
		       "Service %s/%s is declared, but asks for more labels "
		       "than its router's Pods have: nobody answers there",
		       job->ns, job->name);
}

int mesh_declared_hold(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *router = declared_router_name(job->name);
	int rc;

	job->config_text = xasprintf("service=%s", job->name);
	m->router = xasprintf("deployment/%s", router);
	job->given = m->router;
	mesh_warn_unmarked(job);
	rc = mesh_record_make(m, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress,
		      "Service %s/%s, whose router is declared: it is not "
		      "changed",
		      job->ns, job->name);
	return 0;
}

static int mesh_declared_keep(void *user, struct kt_error *err)
{
	return keep_objects(user, err);
}

static int mesh_declared_renew(void *user, struct kt_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

void mesh_declared_switch(struct mesh *m)
{
	struct job *job = &m->job;

	progress_step(job->app->progress, "Wait until a caller arrives");
	mesh_record_keep(m);
	job->on_change = mesh_declared_keep;
	job->renew = mesh_declared_renew;
	job->change_user = job;
	keep_start(job);
	probe_marked(job, &m->match);
	progress_done(job->app->progress, "The router leads here");
}

void mesh_declared_undo(struct mesh *m)
{
	struct job *job = &m->job;

	if (!m->recorded) /* nothing was made */
		return;
	keep_stop(job);
	job->on_change = job->renew = NULL;
	job_withdraw(job);
	job_disconnect(job);
	handover_leave(job, false);
	mesh_record_remove(m);
}
