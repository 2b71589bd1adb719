/* SPDX-License-Identifier: Apache-2.0 */
#include "env/copy_wait.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/svcports.h"
#include "env/copy_state.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/* Asked, not watched: a watch of two kinds of objects at once would say the
 * same, but not where proxies hold it back */
#define COPY_POLL (NS_SEC / 2)
#define COPY_DEPLOYMENT (2 * NS_SEC) /* without a Pod: ask why */
#define COPY_EVENTS (3 * NS_SEC)
/* the cluster autoscaler looks every 10 s */
#define COPY_NOWHERE (15 * NS_SEC)
#define COPY_LOG_LINES "10"
#define COPY_LOG_MAX ((size_t)16 << 10)
#define COPY_LOG_TIMEOUT (5 * NS_SEC)

struct copy_waiting {
	struct kube *kube;
	const struct copy_wait *what;
	char *pods, *deployment, *events; /* paths */
	char *query;			  /* of the Pods */
	int64_t start, looked, unschedulable;
	int64_t asked; /* for events; -1: they may not be read */
	bool grows;    /* nodes are on their way */
	char pod[256]; /* that was not ready, or "" */
	char text[160];
	char event[400]; /* the last warning about a Pod */
};

static void copy_wait_tell(struct copy_waiting *w, const char *text)
{
	if (!*text || strcmp(text, w->text) == 0)
		return;
	snprintf(w->text, sizeof(w->text), "%s", text);
	if (w->what->progress)
		w->what->progress(w->what->user, text);
}

/* --- last words ----------------------------------------------------------- */

struct copy_log {
	struct buf text;
	bool done, failed;
};

static void copy_log_on_data(void *user, const char *data, size_t len)
{
	struct copy_log *l = user;

	/* what does not fit is not told */
	if (buf_put(&l->text, data, len) < 0)
		log_debug("the log is longer than %zu bytes", COPY_LOG_MAX);
}

static void copy_log_on_end(void *user, const struct kube_reply *reply)
{
	struct copy_log *l = user;

	l->done = true;
	l->failed = reply->err != NULL;
	if (reply->err)
		log_debug("%s", reply->err->msg);
}

/* The last line goes into @err as well: it is the reason, mostly */
static void copy_wait_tell_log(const char *pod, const char *container,
			       char *text, struct kt_error *err)
{
	struct strv lines = strv_split(text, '\n');

	for (size_t i = 0; i < lines.n; i++)
		log_warn("%s %s: %s", pod, container, lines.v[i]);
	if (lines.n) {
		size_t n = strlen(err->msg);

		snprintf(err->msg + n, sizeof(err->msg) - n,
			 "; it said last: %.300s", lines.v[lines.n - 1]);
	}
	strv_fini(&lines);
}

static void copy_wait_log(struct copy_waiting *w, const char *pod,
			  const char *container, bool previous,
			  struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", w->what->ns, pod, "log");
	auto_free char *query =
		kube_query(kube_query(NULL, "tailLines", COPY_LOG_LINES),
			   "container", container);
	struct copy_log l = { 0 };
	struct kube_request req = { .method = "GET",
				    .path = path,
				    .timeout_ns = COPY_LOG_TIMEOUT,
				    .no_retry = true,
				    .stream = copy_log_on_data };
	struct kube_op *op;

	if (previous)
		query = kube_query(query, "previous", "true");
	req.query = query;
	buf_init(&l.text, COPY_LOG_MAX);
	op = kube_request_start(w->kube, &req, copy_log_on_end, &l);
	if (loop_run_until(kube_loop(w->kube), &l.done, COPY_LOG_TIMEOUT) < 0 &&
	    !l.done)
		kube_request_cancel(op);
	if (l.done && !l.failed && l.text.len) {
		auto_free char *text =
			xstrndup((const char *)buf_data(&l.text), l.text.len);

		copy_wait_tell_log(pod, container, text, err);
	} else if (previous) { /* it is gone, or this is the first one */
		copy_wait_log(w, pod, container, false, err);
	}
	buf_fini(&l.text);
}

/* --- events, and the Deployment ------------------------------------------- */

static int copy_wait_events(struct copy_waiting *w, const struct copy_report *r)
{
	auto_free char *field = NULL, *query = NULL;
	auto_json json_t *list = NULL;
	struct kt_error err = { 0 };
	const char *text;
	int rc;

	if (!r->pod || w->asked < 0 || clock_ns() - w->asked < COPY_EVENTS)
		return 0;
	w->asked = clock_ns();
	field = xasprintf("involvedObject.name=%s", r->pod);
	query = kube_query(NULL, "fieldSelector", field);
	rc = kube_list(w->kube, w->events, query, &list, &err);
	if (rc == -EINTR)
		return rc;
	if (rc < 0) {
		log_debug("%s", err.msg);
		w->asked = rc == -EPERM ? -1 : w->asked;
		return 0;
	}
	text = copy_report_event(json_object_get(list, "items"), r->pod,
				 &w->grows);
	if (text)
		snprintf(w->event, sizeof(w->event), "%s", text);
	return 0;
}

static int copy_wait_deployment(struct copy_waiting *w, struct kt_error *err)
{
	auto_json json_t *obj = NULL;
	struct kt_error why = { 0 };
	int rc;

	if (clock_ns() - w->looked < COPY_DEPLOYMENT)
		return 0;
	w->looked = clock_ns();
	rc = kube_get(w->kube, w->deployment, &obj, &why);
	if (rc == 0)
		return copy_report_deployment(obj, err);
	if (rc == -EINTR || rc == -ENOENT) {
		*err = why;
		return rc;
	}
	log_debug("%s", why.msg); /* the Pods still tell */
	return 0;
}

/* --- one look ------------------------------------------------------------- */

/* 1: they are ready; 0: not yet */
static int copy_wait_judge(struct copy_waiting *w, const struct copy_report *r,
			   struct kt_error *err)
{
	int64_t nowhere = w->what->nowhere_ns;
	int rc;

	if (r->ready)
		return 1;
	copy_wait_tell(w, r->text);
	if (r->failed) {
		*err = r->why;
		if (r->crashed)
			copy_wait_log(w, r->pod, r->crashed, true, err);
		return -r->why.code;
	}
	if (r->none)
		return copy_wait_deployment(w, err);
	rc = copy_wait_events(w, r);
	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	if (!r->unschedulable || w->grows) {
		w->unschedulable = 0;
		return 0;
	}
	if (!w->unschedulable)
		w->unschedulable = clock_ns();
	if (clock_ns() - w->unschedulable < (nowhere ? nowhere : COPY_NOWHERE))
		return 0;
	*err = r->why;
	return -r->why.code;
}

static int copy_wait_look(struct copy_waiting *w, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	struct copy_report r;
	int rc = kube_list(w->kube, w->pods, w->query, &list, err);

	if (rc < 0)
		return rc;
	copy_report_make(&r, json_object_get(list, "items"), w->what->replicas);
	snprintf(w->pod, sizeof(w->pod), "%s", r.pod ? r.pod : "");
	return copy_wait_judge(w, &r, err);
}

static int copy_wait_too_long(struct copy_waiting *w, struct kt_error *err)
{
	const struct copy_wait *what = w->what;

	kt_hint(err,
		"allow more with --podCreationTimeout, or look at "
		"'kubectl -n %s describe pods -l kt-env'",
		what->ns);
	kt_fail(err, ETIMEDOUT,
		"deployment %s/%s is not ready after %lld s%s%s%s%s", what->ns,
		what->deployment, (long long)(what->timeout_ns / NS_SEC),
		*w->text ? ": " : "", w->text, *w->event ? ": " : "", w->event);
	if (what->silent && *w->pod)
		copy_wait_log(w, w->pod, what->silent, false, err);
	return -ETIMEDOUT;
}

static int copy_wait_go(struct copy_waiting *w, struct kt_error *err)
{
	for (;;) {
		int rc = copy_wait_look(w, err);

		if (rc)
			return rc < 0 ? rc : 0;
		if (clock_ns() - w->start >= w->what->timeout_ns)
			return copy_wait_too_long(w, err);
		rc = loop_sleep(kube_loop(w->kube), COPY_POLL);
		if (rc < 0)
			return kt_fail(err, -rc,
				       "wait for deployment %s/%s: interrupted",
				       w->what->ns, w->what->deployment);
	}
}

int copy_wait_ready(struct kube *k, const struct copy_wait *what,
		    struct kt_error *err)
{
	struct copy_waiting w = {
		.kube = k,
		.what = what,
		.pods = kube_path("v1", "pods", what->ns, NULL, NULL),
		.deployment = kube_path("apps/v1", "deployments", what->ns,
					what->deployment, NULL),
		.events = kube_path("v1", "events", what->ns, NULL, NULL),
		.query = selector_query(what->selector),
		.start = clock_ns(),
		.looked = clock_ns(),
		.asked = clock_ns(),
	};
	int rc = copy_wait_go(&w, err);

	free(w.pods);
	free(w.deployment);
	free(w.events);
	free(w.query);
	return rc;
}
