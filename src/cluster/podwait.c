/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/podwait.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/podstate.h"
#include "kube/rest.h"
#include "kube/status.h"
#include "kube/watch.h"

#include <errno.h>
#include <string.h>

#define UNSCHEDULABLE_GRACE (4 * NS_SEC)
#define POLL (1 * NS_SEC)
#define CHECK_DEPLOYMENT (2 * NS_SEC)
/* a proxy that buffers gives a watch's events only when it ends: what is silent
 * for so long is asked */
#define SILENCE (2 * NS_SEC)
#define STOP (200 * NS_MS)
#define SLOW (3 * NS_SEC)

struct wait {
	struct kube *kube;
	const struct pod_wait *what;
	char *path, *query;
	struct kube_watch *watch;
	struct kube_op *polled;	  /* a poll */
	struct kube_op *looked;	  /* a look at the Deployment */
	struct timer poll, grace; /* @grace: the Pod is unschedulable */
	struct timer look;	  /* at the Deployment: why is there no Pod? */
	struct timer silence;	  /* nothing came from the watch */
	struct kube_op *ask;	  /* then: a look at the Pod */
	struct timer slow;
	json_t *last;	/* of the Pod, as it was seen */
	bool seen;	/* there is a Pod */
	char text[160]; /* told last */
	json_t *pod;
	struct kt_error why;
	bool failed, done;
};

static void end_failed(struct wait *w, const struct kt_error *why)
{
	w->why = *why;
	w->failed = w->done = true;
}

static void on_grace(struct timer *t)
{
	struct wait *w = container_of(t, struct wait, grace);

	w->failed = w->done = true; /* @why was set when it began */
}

static void podwait_tell(struct wait *w, const char *text)
{
	if (!*text || strcmp(text, w->text) == 0)
		return;
	snprintf(w->text, sizeof(w->text), "%s", text);
	if (w->what->progress)
		w->what->progress(w->what->user, text);
}

/* Not ours only: an injected one keeps the Pod from being Ready, too */
static void podwait_tell_unready(struct wait *w, const json_t *pod)
{
	const json_t *list = json_at(pod, "status", "containerStatuses", NULL);
	const json_t *status;
	char text[160];
	size_t i;

	json_array_foreach (list, i, status) {
		const char *name = json_str(status, "name", NULL);

		if (!name || json_is_true(json_object_get(status, "ready")))
			continue;
		snprintf(text, sizeof(text), "container %s is not ready yet",
			 name);
		podwait_tell(w, text);
		return;
	}
	podwait_tell(w, "it runs, but is not ready yet");
}

static void judge(struct wait *w, json_t *pod)
{
	struct pod_report r;

	if (w->done)
		return;
	pod_report_make(&r, pod);
	/* a Deployment's old Pod may go while the new one comes */
	if (!w->what->pod &&
	    (json_at(pod, "metadata", "deletionTimestamp", NULL) ||
	     str_eq(object_name(pod), w->what->but)))
		return;
	w->seen = true;
	json_decref(w->last);
	w->last = json_incref(pod);
	loop_timer_stop(&w->look);
	podwait_tell(w, r.text);
	if (r.state != POD_UNSCHEDULABLE)
		loop_timer_stop(&w->grace);
	switch (r.state) {
	case POD_RUNNING:
		if (w->what->ready && !object_pod_is_ready(pod)) {
			podwait_tell_unready(w, pod);
			break;
		}
		w->pod = json_incref(pod);
		w->done = true;
		break;
	case POD_FAILED:
		end_failed(w, &r.why);
		break;
	case POD_UNSCHEDULABLE:
		w->why = r.why;
		if (!loop_timer_active(&w->grace))
			loop_timer_start(kube_loop(w->kube), &w->grace,
					 UNSCHEDULABLE_GRACE, on_grace);
		break;
	default:
		break;
	}
}

static void look_again(struct timer *t);

/* Is it worth asking the Deployment why there is no Pod? */
static void look_later(struct wait *w)
{
	if (!w->done && !w->seen && w->what->deployment && !w->what->pod)
		loop_timer_start(kube_loop(w->kube), &w->look, CHECK_DEPLOYMENT,
				 look_again);
}

static void gone(struct wait *w)
{
	struct kt_error err = { 0 };

	if (w->done)
		return;
	if (!w->what->pod) {
		w->seen = false;
		if (!w->looked)
			look_later(w);
		return;
	}
	kt_fail(&err, ENOENT, "pod %s/%s was deleted", w->what->ns,
		w->what->pod);
	end_failed(w, &err);
}

/* --- watching ------------------------------------------------------------- */

static void ask_once(struct timer *t);

static void watch_spoke(struct wait *w)
{
	loop_timer_start(kube_loop(w->kube), &w->silence, SILENCE, ask_once);
}

static void podwait_on_event(void *user, enum kube_event type, json_t *object)
{
	struct wait *w = user;

	watch_spoke(w);
	if (type == KUBE_DELETED)
		gone(w);
	else if (type != KUBE_SYNCED)
		judge(w, object);
}

/* --- asking every second -------------------------------------------------- */

static void poll_now(struct timer *t);

static void judge_reply(struct wait *w, const struct kube_reply *reply)
{
	json_t *items = json_object_get(reply->json, "items"), *pod;
	size_t i;

	if (reply->err)
		return;
	if (w->what->pod)
		judge(w, reply->json);
	else
		json_array_foreach (items, i, pod)
			judge(w, pod);
}

static void on_polled(void *user, const struct kube_reply *reply)
{
	struct wait *w = user;

	w->polled = NULL;
	if (reply->status == 403 || reply->status == 404) {
		end_failed(w, reply->err);
		return;
	}
	judge_reply(w, reply);
	if (!w->done)
		loop_timer_start(kube_loop(w->kube), &w->poll, POLL, poll_now);
}

static struct kube_op *ask_pod(struct wait *w, kube_reply_fn fn)
{
	auto_free char *one = w->what->pod
				      ? kube_path("v1", "pods", w->what->ns,
						  w->what->pod, NULL)
				      : NULL;
	const struct kube_request req = {
		.method = "GET",
		.path = one ? one : w->path,
		.query = one ? NULL : w->query,
	};

	return kube_request_start(w->kube, &req, fn, w);
}

static void poll_now(struct timer *t)
{
	struct wait *w = container_of(t, struct wait, poll);

	w->polled = ask_pod(w, on_polled);
}

/* The watch goes on meanwhile, and a refusal is its own matter. */
static void on_asked(void *user, const struct kube_reply *reply)
{
	struct wait *w = user;

	w->ask = NULL;
	judge_reply(w, reply);
	if (!w->done)
		watch_spoke(w);
}

static void ask_once(struct timer *t)
{
	struct wait *w = container_of(t, struct wait, silence);

	if (!w->done && !w->ask)
		w->ask = ask_pod(w, on_asked);
}

static void on_watch_failed(void *user, const struct kt_error *why)
{
	struct wait *w = user;

	loop_timer_stop(&w->silence);
	log_debug("cannot watch the pod, ask instead: %s", why->msg);
	loop_timer_start(kube_loop(w->kube), &w->poll, 0, poll_now);
}

static const struct kube_watch_handler watch_handler = {
	.event = podwait_on_event,
	.failed = on_watch_failed,
};

/* --- a Deployment without Pods -------------------------------------------- */

/* Quota and admission refuse the ReplicaSet's Pods: a condition says so. */
static void on_looked(void *user, const struct kube_reply *reply)
{
	struct wait *w = user;
	const json_t *conds =
		json_at(reply->json, "status", "conditions", NULL);
	struct kt_error err = { 0 };
	json_t *c;
	size_t i;

	w->looked = NULL;
	json_array_foreach (conds, i, c) {
		const char *reason = json_str(c, "reason", NULL);
		const char *message = json_str(c, "message", NULL);

		if (w->done || w->seen ||
		    !str_eq(json_str(c, "type", NULL), "ReplicaFailure") ||
		    !str_eq(json_str(c, "status", NULL), "True"))
			continue;
		kt_fail(&err, EPERM, "deployment %s/%s: no pod is made: %s: %s",
			w->what->ns, w->what->deployment, reason ? reason : "",
			message ? message : "");
		status_hint_forbidden(&err);
		end_failed(w, &err);
	}
	look_later(w);
}

static void look_again(struct timer *t)
{
	struct wait *w = container_of(t, struct wait, look);
	auto_free char *path = kube_path("apps/v1", "deployments", w->what->ns,
					 w->what->deployment, NULL);
	const struct kube_request req = { .method = "GET", .path = path };

	w->looked = kube_request_start(w->kube, &req, on_looked, w);
}

static void podwait_on_slow(struct timer *t)
{
	struct wait *w = container_of(t, struct wait, slow);

	if (w->done)
		return;
	if (w->last)
		w->what->slow(w->what->user, w->last);
	loop_timer_start(kube_loop(w->kube), t, SLOW, podwait_on_slow);
}

/* --- all of it ------------------------------------------------------------ */

static void podwait_start(struct wait *w)
{
	const struct pod_wait *what = w->what;
	auto_free char *field =
		xasprintf("metadata.name=%s", what->pod ? what->pod : "");

	w->path = kube_path("v1", "pods", what->ns, NULL, NULL);
	w->query = what->pod
			   ? kube_query(NULL, "fieldSelector", field)
			   : kube_query(NULL, "labelSelector", what->selector);
	w->watch =
		kube_watch_start(w->kube, w->path, w->query, &watch_handler, w);
	watch_spoke(w);
	look_later(w);
	if (what->slow)
		loop_timer_start(kube_loop(w->kube), &w->slow, SLOW,
				 podwait_on_slow);
}

static void stop(struct wait *w)
{
	kube_watch_stop(w->watch);
	kube_request_cancel(w->polled);
	kube_request_cancel(w->looked);
	kube_request_cancel(w->ask);
	loop_timer_stop(&w->silence);
	loop_timer_stop(&w->poll);
	loop_timer_stop(&w->grace);
	loop_timer_stop(&w->look);
	loop_timer_stop(&w->slow);
	json_decref(w->last);
	free(w->path);
	free(w->query);
}

static int not_in_time(const struct wait *w, int rc, struct kt_error *err)
{
	const struct pod_wait *what = w->what;
	const char *name = what->pod ? what->pod : what->deployment;

	if (rc != -ETIMEDOUT)
		return kt_fail(err, -rc, "wait for pod %s/%s: %s", what->ns,
			       name,
			       rc == -EINTR ? "interrupted" : strerror(-rc));
	kt_fail(err, ETIMEDOUT, "pod %s/%s does not run after %lld s%s%s",
		what->ns, name, (long long)(what->timeout_ns / NS_SEC),
		*w->text ? ": " : "", w->text);
	kt_hint(err,
		"allow more with --podCreationTimeout, or look at "
		"'kubectl -n %s describe pod %s'",
		what->ns, name);
	return -ETIMEDOUT;
}

static int podwait_run(struct wait *w)
{
	const struct pod_wait *what = w->what;
	int64_t left = what->timeout_ns;
	int rc = -ETIMEDOUT;

	if (!what->stop)
		return loop_run_until(kube_loop(w->kube), &w->done, left);
	for (; rc == -ETIMEDOUT && left > 0; left -= STOP) {
		if (what->stop(what->user))
			return -ECANCELED;
		rc = loop_run_until(kube_loop(w->kube), &w->done,
				    MIN(left, STOP));
	}
	return rc;
}

int pod_wait_running(struct kube *k, const struct pod_wait *what, json_t **pod,
		     struct kt_error *err)
{
	struct wait w = { .kube = k, .what = what };
	int rc;

	podwait_start(&w);
	rc = podwait_run(&w);
	stop(&w);
	if (!w.done)
		return not_in_time(&w, rc, err);
	if (w.failed) {
		if (err)
			*err = w.why;
		return -w.why.code;
	}
	*pod = w.pod;
	return 0;
}

char *pod_selector(const json_t *deployment)
{
	json_t *labels =
		json_at(deployment, "spec", "selector", "matchLabels", NULL);
	char *out = xstrdup("");
	const char *key;
	json_t *v;

	json_object_foreach (labels, key, v) {
		char *more = xasprintf("%s%s%s=%s", out, *out ? "," : "", key,
				       json_string_value(v));

		free(out);
		out = more;
	}
	return out;
}
