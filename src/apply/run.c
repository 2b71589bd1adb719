/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/run.h"

#include "apply/child.h"
#include "apply/jobs.h"
#include "base/caller.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"
#include "control/ask.h"
#include "local/home.h"
#include "local/signals.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* --- ending --------------------------------------------------------------- */

static void apply_run_on_end(void *user, const struct ask_end *end)
{
	struct apply_run *r = user;

	/* one that was not there any more has ended as well */
	if (end->rc == 0 || end->rc == -ECONNRESET || end->rc == -ESRCH)
		return;
	r->failed = true;
	print_line(stderr, "ktctl: %s does not end: %s", end->id,
		   end->rc == -ETIMEDOUT ? "it does not answer"
					 : strerror(-end->rc));
}

static int apply_run_leave(struct apply_run *r, const struct strv *ids,
			   struct kt_error *err)
{
	int rc;

	if (!ids->n)
		return 0;
	r->failed = false;
	rc = ask_leave(r->app->loop, r->app->home, ids->v, ids->n,
		       apply_run_on_end, r, err);
	if (rc < 0)
		return rc;
	return r->failed ? kt_fail(err, EBUSY, "a job could not be ended") : 0;
}

/* --- starting ------------------------------------------------------------- */

/* The program itself. By its path, as its process is known by that name; by the
 * kernel's own link when another file is there by now (an upgrade). */
static const char *apply_run_program(char path[PATH_MAX])
{
	static const char *const self = "/proc/self/exe";
	ssize_t n = readlink(self, path, PATH_MAX - 1);
	struct stat a, b;

	if (n <= 0)
		return self;
	path[n] = '\0';
	if (stat(path, &a) < 0 || stat(self, &b) < 0 || a.st_ino != b.st_ino ||
	    a.st_dev != b.st_dev)
		return self;
	return path;
}

/* @as: whose job it is, or NULL: ours */
static int apply_run_job(struct apply_run *r, const struct strv *argv,
			 const struct caller *as, struct kt_error *err)
{
	char path[PATH_MAX];
	const struct apply_child child = {
		.program = apply_run_program(path),
		.argv = argv->v,
		.as = as,
		.keep = r->lock,
		.tied = true,
	};
	int signo, status = apply_child_run(&child, &signo, err);

	if (status < 0)
		return status;
	if (signo || status == EXIT_INTERRUPTED)
		r->interrupted = true;
	return status;
}

static int apply_run_start(struct apply_run *r, const struct apply_item *item,
			   struct kt_error *err)
{
	auto_strv struct strv argv = { 0 };
	int status;

	apply_session_argv(&argv, item->command->name, item->digest,
			   r->view.identity, r->tie ? getpid() : 0,
			   r->app->options->global.debug, &item->flags,
			   &item->args);
	status = apply_run_job(r, &argv, NULL, err);
	r->status = EXIT_FAILED;
	if (status == 0 && !r->interrupted)
		return 0;
	if (status < 0)
		return status;
	if (r->interrupted)
		return kt_fail(err, EINTR, "interrupted");
	if (status == EXIT_USAGE)
		r->status = EXIT_USAGE;
	return kt_fail(err, ECHILD, "%s did not come up, for the reason above",
		       item->label);
}

/* --- putting back --------------------------------------------------------- */

static bool apply_run_ends(const struct apply_step *s)
{
	return s->act == APPLY_CHANGE || s->act == APPLY_END;
}

static bool apply_run_has(const struct apply_sessions *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].id, id) == 0)
			return true;
	return false;
}

static bool apply_run_stays(const struct apply_run *r, const char *id)
{
	const struct apply_plan *plan = r->view.plan;

	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i].act == APPLY_KEEP &&
		    plan->v[i].have != APPLY_NONE &&
		    strcmp(r->view.sessions->v[plan->v[i].have].id, id) == 0)
			return true;
	return false;
}

/* What has been begun; the one that failed has ended itself. What was told to
 * end, and was not waited for, is waited for now. */
static int apply_run_undo(struct apply_run *r, struct kt_error *err)
{
	auto_strv struct strv ids = { 0 };
	struct apply_sessions now;
	int rc = apply_sessions_find(&now, r->app->loop, r->app->home,
				     r->view.identity, err);

	for (size_t i = now.n; i--;) {
		if (!now.v[i].digest || apply_run_stays(r, now.v[i].id))
			continue;
		strv_add(&ids, now.v[i].id);
		if (!apply_run_has(r->view.sessions, now.v[i].id))
			print_line(stdout, "- %s", now.v[i].label);
	}
	fflush(stdout);
	apply_sessions_fini(&now);
	return rc < 0 ? rc : apply_run_leave(r, &ids, err);
}

/* By its own words, and so as nobody but who has said them; its exit status, or
 * -errno with @err */
static int apply_run_again(struct apply_run *r, const struct apply_session *s,
			   struct kt_error *err)
{
	auto_strv struct strv argv = { 0 };
	struct caller caller;
	int status;

	/* it was tied to another process, or to none */
	apply_session_argv(&argv, s->command, s->digest, r->view.identity,
			   s->with, r->app->options->global.debug, &s->flags,
			   &s->args);
	if (s->uid == geteuid())
		return apply_run_job(r, &argv, NULL, err);
	if (!caller_get(&caller))
		return kt_fail(err, EPERM, "%s is another user's", s->label);
	status =
		caller.uid == s->uid
			? apply_run_job(r, &argv, &caller, err)
			: kt_fail(err, EPERM, "%s is another user's", s->label);
	caller_fini(&caller);
	return status;
}

/* What has ended, as it was; one that would not end is there still */
static int apply_run_restore(struct apply_run *r, struct kt_error *err)
{
	const struct apply_plan *plan = r->view.plan;
	struct apply_sessions now;
	int rc = apply_sessions_find(&now, r->app->loop, r->app->home,
				     r->view.identity, err);

	for (size_t i = 0; i < plan->n && rc != -EINTR; i++) {
		const struct apply_session *s;

		if (!apply_run_ends(&plan->v[i]))
			continue;
		s = &r->view.sessions->v[plan->v[i].have];
		if (s->unsettled || apply_run_has(&now, s->id))
			continue;
		print_line(stdout, "+ %s (as before)", s->label);
		if (apply_run_again(r, s, err) != 0)
			rc = kt_fail(err, ECHILD, "%s could not be put back",
				     s->label);
	}
	apply_sessions_fini(&now);
	return rc;
}

/* @err is why; what else goes wrong is told behind it */
static void apply_run_roll_back(struct apply_run *r, struct kt_error *err)
{
	struct kt_error why = { 0 };
	char first[sizeof(err->msg)];
	int rc, restored;

	signals_clean_up(r->app->signals);
	rc = apply_run_undo(r, &why);
	restored = apply_run_restore(r, rc < 0 ? NULL : &why);
	if (rc == 0)
		rc = restored;
	memcpy(first, err->msg, sizeof(first));
	snprintf(err->msg, sizeof(err->msg), "%.500s: %s%.400s", first,
		 rc < 0 ? "" : "all is as before", rc < 0 ? why.msg : "");
	if (rc < 0)
		kt_hint(err, "ktctl apply --dry-run says what there is now, "
			     "ktctl apply --delete ends it");
}

/* --- forward -------------------------------------------------------------- */

static int apply_run_ending(struct apply_run *r, struct kt_error *err)
{
	const struct apply_plan *plan = r->view.plan;
	auto_strv struct strv ids = { 0 };

	for (size_t i = plan->n; i--;) {
		const struct apply_step *s = &plan->v[i];

		if (!apply_run_ends(s))
			continue;
		strv_add(&ids, r->view.sessions->v[s->have].id);
		print_line(stdout, "- %s", r->view.sessions->v[s->have].label);
	}
	fflush(stdout);
	return apply_run_leave(r, &ids, err);
}

static int apply_run_starting(struct apply_run *r, struct kt_error *err)
{
	const struct apply_plan *plan = r->view.plan;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		const struct apply_step *s = &plan->v[i];

		if (s->act != APPLY_START && s->act != APPLY_CHANGE)
			continue;
		print_line(stdout, "+ %s", apply_show_label(&r->view, s));
		rc = apply_run_start(r, &r->view.file->item[s->want], err);
	}
	return rc;
}

int apply_run_steps(struct apply_run *r, struct kt_error *err)
{
	int rc;

	r->status = EXIT_FAILED;
	rc = apply_run_ending(r, err);
	if (rc == -EINTR)
		r->interrupted = true;
	if (r->remove) {
		if (r->interrupted)
			r->status = EXIT_INTERRUPTED;
		return rc;
	}
	if (rc == 0)
		rc = apply_run_starting(r, err);
	if (rc < 0) {
		bool interrupted = r->interrupted;

		apply_run_roll_back(r, err);
		if (interrupted)
			r->status = EXIT_INTERRUPTED;
	}
	return rc;
}

int apply_run_end(struct apply_run *r, struct kt_error *err)
{
	auto_strv struct strv ids = { 0 };
	struct apply_sessions now;
	int rc = apply_sessions_find(&now, r->app->loop, r->app->home,
				     r->view.identity, err);

	for (size_t i = now.n; i--;)
		if (now.v[i].digest)
			strv_add(&ids, now.v[i].id);
	apply_sessions_fini(&now);
	return rc < 0 ? rc : apply_run_leave(r, &ids, err);
}

/* What was started, or was there; another's connect that will do is not ours */
static void apply_run_watch(struct apply_run *r, struct apply_jobs *jobs)
{
	const struct apply_plan *plan = r->view.plan;
	auto_strv struct strv labels = { 0 };
	struct apply_sessions now;

	for (size_t i = 0; i < plan->n; i++)
		if (plan->v[i].act == APPLY_START ||
		    plan->v[i].act == APPLY_CHANGE)
			strv_add(&labels,
				 apply_show_label(&r->view, &plan->v[i]));
	/* a signal comes to the command as well */
	if (apply_sessions_find(&now, r->app->loop, r->app->home,
				r->view.identity, NULL) < 0)
		strv_fini(&labels);
	apply_jobs_init(jobs, r->app->home, &now, &labels);
	apply_sessions_fini(&now);
}

int apply_run_command(struct apply_run *r, struct kt_error *err)
{
	struct caller caller;
	bool sudo = caller_get(&caller);
	struct apply_jobs jobs;
	const struct apply_child child = {
		.argv = r->view.file->run.v,
		.dir = r->dir,
		.as = sudo ? &caller : NULL,
		.keep = -1,
		.jobs = &jobs,
	};
	int signo, status;

	apply_run_watch(r, &jobs);
	status = apply_child_run(&child, &signo, err);
	apply_jobs_fini(&jobs);
	if (sudo)
		caller_fini(&caller);
	return status;
}
