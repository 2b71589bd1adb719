/* SPDX-License-Identifier: Apache-2.0 */
#include "env/copy_state.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/podstate.h"
#include "kube/rest.h"
#include "kube/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- one Pod -------------------------------------------------------------- */

static const json_t *copy_state_condition(const json_t *obj, const char *type)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(obj, "status", "conditions", NULL), i, c)
		if (str_eq(json_str(c, "type", NULL), type))
			return c;
	return NULL;
}

static bool copy_state_is(const json_t *obj, const char *type, const char *want)
{
	return str_eq(json_str(copy_state_condition(obj, type), "status", NULL),
		      want);
}

/* The hints of podstate.h are about a shadow's image */
static void copy_state_hint(struct kt_error *why)
{
	why->hint[0] = '\0';
	if (strstr(why->reason, "Image"))
		kt_hint(why, "check --image, and that the original's "
			     "imagePullSecrets are good for it");
	else if (strstr(why->reason, "Config"))
		kt_hint(why, "check --envFrom and --set");
}

static void copy_state_fail(struct copy_report *r, const json_t *status,
			    const struct pod_report *p, bool alone)
{
	const char *name = json_str(status, "name", NULL);

	r->failed = true;
	r->why = p->why;
	copy_state_hint(&r->why);
	if (!alone && name)
		kt_wrap(&r->why, 0, "container %s", name);
	if (strstr(p->why.msg, "ends again and again"))
		r->crashed = name;
}

/* An init container that has ended well is not looked at, whatever it took */
static bool copy_state_is_over(const json_t *status)
{
	const json_t *term = json_at(status, "state", "terminated", NULL);

	return term && !json_integer_value(json_object_get(term, "exitCode"));
}

static void copy_state_containers(struct copy_report *r, const json_t *pod,
				  const char *key, bool init)
{
	const json_t *list = json_at(pod, "status", key, NULL), *status;
	bool alone = !init && json_array_size(list) == 1;
	size_t i;

	json_array_foreach (list, i, status) {
		const char *name = json_str(status, "name", NULL);
		struct pod_report p;

		if (init && copy_state_is_over(status))
			continue;
		pod_report_container(&p, pod, status);
		if (p.state == POD_FAILED) {
			copy_state_fail(r, status, &p, alone);
			return;
		}
		if (r->text[0] ||
		    json_is_true(json_object_get(status, "ready")) ||
		    (init && json_is_true(json_object_get(status, "started"))))
			continue;
		snprintf(r->text, sizeof(r->text), "%scontainer %.60s: %.80s",
			 init ? "init " : "", name ? name : "?",
			 p.state != POD_RUNNING ? p.text
			 : init			? "runs"
						: "runs, but is not ready yet");
	}
}

static void copy_state_unscheduled(struct copy_report *r, const json_t *pod)
{
	const json_t *c = copy_state_condition(pod, "PodScheduled");
	const char *reason = json_str(c, "reason", NULL);
	const char *message = json_str(c, "message", NULL);
	const char *ns = json_str(pod, "metadata", "namespace", NULL);

	if (!str_eq(json_str(c, "status", NULL), "False"))
		return;
	r->unschedulable = true;
	snprintf(r->text, sizeof(r->text), "%s", reason ? reason : "");
	kt_fail(&r->why, EAGAIN, "pod %s/%s: no node takes it: %s%s%s",
		ns ? ns : "", object_name(pod), reason ? reason : "",
		reason && message ? ": " : "", message ? message : "");
	kt_hint(&r->why, "the copy asks for what the original has: its "
			 "resources, nodeSelector, affinity, volumes");
}

static void copy_state_pod(struct copy_report *r, const json_t *pod)
{
	*r = (struct copy_report){ .pod = object_name(pod) };
	copy_state_containers(r, pod, "initContainerStatuses", true);
	if (!r->failed)
		copy_state_containers(r, pod, "containerStatuses", false);
	if (!r->failed)
		copy_state_unscheduled(r, pod);
}

/* --- all of them ---------------------------------------------------------- */

static int copy_state_weight(const struct copy_report *r)
{
	return r->failed ? 3 : r->unschedulable ? 2 : r->text[0] ? 1 : 0;
}

/* A Pod that was evicted, or that goes, is made anew */
static bool copy_state_counts(const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);

	return !object_is_ending(pod) && !str_eq(phase, "Failed") &&
	       !str_eq(phase, "Succeeded");
}

void copy_report_make(struct copy_report *r, const json_t *pods, int replicas)
{
	int ready = 0, all = 0;
	const json_t *pod;
	size_t i;

	*r = (struct copy_report){ 0 };
	json_array_foreach (pods, i, pod) {
		struct copy_report one;

		if (!copy_state_counts(pod))
			continue;
		all++;
		if (copy_state_is(pod, "Ready", "True")) {
			ready++;
			continue;
		}
		copy_state_pod(&one, pod);
		if (!r->pod || copy_state_weight(&one) > copy_state_weight(r))
			*r = one;
	}
	r->none = !all;
	r->ready = ready >= replicas;
	if (!r->ready && !r->text[0] && ready)
		snprintf(r->text, sizeof(r->text), "%d of %d Pods are ready",
			 ready, replicas);
}

int copy_report_deployment(const json_t *deployment, struct kt_error *err)
{
	const json_t *c = copy_state_condition(deployment, "ReplicaFailure");
	const char *reason = json_str(c, "reason", NULL);
	const char *message = json_str(c, "message", NULL);
	const char *ns = json_str(deployment, "metadata", "namespace", NULL);

	if (!str_eq(json_str(c, "status", NULL), "True"))
		return 0;
	kt_fail(err, EPERM, "deployment %s/%s: no pod is made: %s: %s",
		ns ? ns : "", object_name(deployment), reason ? reason : "",
		message ? message : "");
	status_hint_forbidden(err);
	return -EPERM;
}

/* --- events --------------------------------------------------------------- */

/* Of both kinds of events: RFC 3339, which sorts as text */
static const char *copy_state_event_time(const json_t *event)
{
	static const char *const keys[] = { "lastTimestamp", "eventTime" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *text = json_str(event, keys[i], NULL);

		if (text)
			return text;
	}
	return "";
}

const char *copy_report_event(const json_t *events, const char *pod,
			      bool *grows)
{
	const char *text = NULL, *time = "";
	const json_t *e;
	size_t i;

	*grows = false;
	json_array_foreach (events, i, e) {
		const char *reason = json_str(e, "reason", NULL);
		const char *message = json_str(e, "message", NULL);

		if (!str_eq(json_str(e, "involvedObject", "name", NULL), pod))
			continue;
		/* of the cluster autoscaler, of Karpenter */
		if (str_eq(reason, "TriggeredScaleUp") ||
		    str_eq(reason, "Nominated"))
			*grows = true;
		if (!str_eq(json_str(e, "type", NULL), "Warning") || !message ||
		    strcmp(copy_state_event_time(e), time) < 0)
			continue;
		text = message;
		time = copy_state_event_time(e);
	}
	return text;
}
