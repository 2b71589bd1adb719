/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/podstate.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/program.h"
#include "kube/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MANY_RESTARTS 3

/* Reasons of a waiting container that time alone does not cure. */
static const struct {
	const char *reason;
	const char *act;
	const char *hint;
} stuck[] = {
	{ "ErrImagePull", "its image cannot be pulled",
	  "check --image (or --baseImage) and --imagePullSecret" },
	{ "ImagePullBackOff", "its image cannot be pulled",
	  "check --image (or --baseImage) and --imagePullSecret" },
	{ "ErrImageNeverPull", "its image is not on the node",
	  "check --image; the node may not pull it" },
	{ "InvalidImageName", "its image has no valid name",
	  "check --image (or --baseImage)" },
	{ "ImageInspectError", "its image is damaged", "" },
	{ "RegistryUnavailable", "its registry does not answer",
	  "check --image" },
	{ "CreateContainerConfigError", "its container cannot be made", "" },
	{ "CreateContainerError", "its container cannot be made", "" },
	{ "RunContainerError", "its container cannot be started", "" },
	{ "CrashLoopBackOff", "its container ends again and again",
	  "is --image a shadow image of this version?" },
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* What the kernel, the kubelet and the runtime say where the node's
 * architecture or system is not the program's */
static bool podstate_is_foreign(const char *reason, const char *said)
{
	return str_eq(reason, "NodeAffinity") ||
	       (said && (strstr(said, "exec format error") ||
			 strstr(said, "no match for platform")));
}

/* It landed there although it asks for nodes of its own kind: somebody has
 * named the node, or the image is not what its name says */
static void podstate_hint_foreign(struct kt_error *err, const json_t *pod)
{
	const char *node = json_str(pod, "spec", "nodeName", NULL);
	const char *arch = json_str(pod, "spec", "nodeSelector",
				    "kubernetes.io/arch", NULL);

	kt_hint(err,
		"node %s cannot run it: it is made for linux%s%s. Check "
		"--nodeSelector, and that --image is for the nodes' "
		"architecture",
		node ? node : "?", arch ? "/" : "", or_empty(arch));
}

/* What runc and crun say of a program that is not there, and an older shadow of
 * the "^" in what it is to serve */
void pod_hint_gate(struct kt_error *err)
{
	static const char *const said[] = { "exec: \"/gate\": stat",
					    "executable file `/gate` not found",
					    "is not PORT[/udp][!][=" };

	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (strstr(err->msg, said[i]))
			kt_hint(err,
				"the image is of a ktctl that had no gate yet: "
				"--tlsSecret and --idle want one of this "
				"version (-i), or none");
}

static void set_failed(struct pod_report *r, const json_t *pod, int code,
		       const char *act, const char *reason, const char *message)
{
	const char *ns = json_str(pod, "metadata", "namespace", NULL);
	const char *name = json_str(pod, "metadata", "name", NULL);

	r->state = POD_FAILED;
	kt_fail(&r->why, code, "pod %s/%s: %s: %s%s%s", or_empty(ns),
		or_empty(name), act, or_empty(reason),
		reason && message ? ": " : "", or_empty(message));
	snprintf(r->why.reason, sizeof(r->why.reason), "%s", or_empty(reason));
	if (podstate_is_foreign(reason, message))
		podstate_hint_foreign(&r->why, pod);
	pod_hint_gate(&r->why);
}

/* How a container ended: "exit status 1 (Error): its last words" */
static void describe_end(char *dst, size_t size, const json_t *term)
{
	const char *said = json_str(term, "message", NULL);

	snprintf(dst, size, "exit status %d%s%.700s",
		 (int)json_integer_value(json_object_get(term, "exitCode")),
		 said && *said ? ": " : "", or_empty(said));
	for (size_t n = strlen(dst); n && dst[n - 1] == '\n';)
		dst[--n] = '\0';
}

static void judge_waiting(struct pod_report *r, const json_t *pod,
			  const json_t *status, const json_t *waiting)
{
	const char *reason = json_str(waiting, "reason", NULL);
	const char *message = json_str(waiting, "message", NULL);
	const json_t *last = json_at(status, "lastState", "terminated", NULL);
	char end[800];

	snprintf(r->text, sizeof(r->text), "%s", or_empty(reason));
	for (size_t i = 0; reason && i < ARRAY_SIZE(stuck); i++) {
		if (strcmp(stuck[i].reason, reason) != 0)
			continue;
		if (last) {
			describe_end(end, sizeof(end), last);
			message = end;
		}
		set_failed(r, pod, EIO, stuck[i].act, reason, message);
		if (*stuck[i].hint)
			kt_hint(&r->why, "%s", stuck[i].hint);
		return;
	}
}

static void judge_ended(struct pod_report *r, const json_t *pod,
			const json_t *status, const json_t *term)
{
	json_t *restarts = json_object_get(status, "restartCount");
	char end[800];

	snprintf(r->text, sizeof(r->text), "container ended, is started again");
	describe_end(end, sizeof(end), term);
	if (json_integer_value(restarts) < MANY_RESTARTS &&
	    !podstate_is_foreign(NULL, end))
		return;
	set_failed(r, pod, EIO, "its container ends again and again",
		   json_str(term, "reason", NULL), end);
}

static void judge_container(struct pod_report *r, const json_t *pod,
			    const json_t *status)
{
	const json_t *state = json_object_get(status, "state");
	const json_t *v;

	if (json_object_get(state, "running")) {
		r->state = POD_RUNNING;
		snprintf(r->text, sizeof(r->text), "running");
	} else if ((v = json_object_get(state, "waiting"))) {
		judge_waiting(r, pod, status, v);
	} else if ((v = json_object_get(state, "terminated"))) {
		judge_ended(r, pod, status, v);
	}
}

void pod_report_container(struct pod_report *r, const json_t *pod,
			  const json_t *status)
{
	*r = (struct pod_report){ .state = POD_WAITING };
	judge_container(r, pod, status);
}

/* A service mesh puts containers of its own beside ours, or before it. */
static const json_t *podstate_of(const json_t *pod, const char *container)
{
	const json_t *list = json_at(pod, "status", "containerStatuses", NULL);
	const json_t *status;
	size_t i;

	json_array_foreach (list, i, status)
		if (str_eq(json_str(status, "name", NULL), container))
			return status;
	return NULL;
}

static const json_t *our_status(const json_t *pod)
{
	return podstate_of(pod, KT_CONTAINER);
}

/* A gate that does not run beside one that does: it says why */
static void podstate_judge_gate(struct pod_report *r, const json_t *pod)
{
	const json_t *gate = podstate_of(pod, KT_CONTAINER_TLS);
	const json_t *term = json_at(gate, "lastState", "terminated", NULL);
	char end[800];

	if (!gate || json_at(gate, "state", "running", NULL))
		return;
	if (!term) { /* not yet, or once */
		r->state = POD_WAITING;
		judge_container(r, pod, gate);
		return;
	}
	describe_end(end, sizeof(end), term);
	set_failed(r, pod, EIO, "its gate for TLS ends",
		   json_str(term, "reason", NULL), end);
	kt_hint(&r->why, "see the Secret of --tlsSecret");
}

static const char *state_reason(const json_t *status)
{
	static const char *const states[] = { "waiting", "terminated" };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		const char *reason =
			json_str(status, "state", states[i], "reason", NULL);

		if (reason)
			return reason;
	}
	return "";
}

/* Ours cannot start before the init containers that somebody put in */
static void describe_init(struct pod_report *r, const json_t *pod)
{
	const json_t *list =
		json_at(pod, "status", "initContainerStatuses", NULL);
	const json_t *status;
	size_t i;

	json_array_foreach (list, i, status) {
		const char *name = json_str(status, "name", NULL);
		const char *reason = state_reason(status);

		if (json_is_true(json_object_get(status, "started")) ||
		    strcmp(reason, "Completed") == 0)
			continue;
		snprintf(r->text, sizeof(r->text), "init container %s%s%s",
			 or_empty(name), *reason ? ": " : " runs", reason);
		return;
	}
}

/* Evicted, SysctlForbidden, NodeAffinity, ...: or its container just ended. */
static void judge_over(struct pod_report *r, const json_t *pod)
{
	const json_t *term =
		json_at(our_status(pod), "state", "terminated", NULL);
	const char *reason = json_str(pod, "status", "reason", NULL);
	const char *message = json_str(pod, "status", "message", NULL);
	char end[800];

	if (!reason && term) {
		describe_end(end, sizeof(end), term);
		reason = json_str(term, "reason", NULL);
		message = end;
	}
	set_failed(r, pod, EIO, "it has ended", reason, message);
}

/* Nodes of @arch may be none of the cluster's; NULL: we have a shadow for no
 * others */
static const char *podstate_other_arch(const char *arch)
{
	const struct program *p;

	for (size_t i = 0; arch && (p = program_at(i)); i++)
		if (strcmp(p->arch, arch) != 0)
			return p->arch;
	return NULL;
}

/* @said: the scheduler's words; "node(s) didn't match Pod's node
 * affinity/selector", "... node selector" of older ones */
static void podstate_hint_nodes(struct kt_error *err, const char *arch,
				const char *said)
{
	const char *other = podstate_other_arch(arch);
	auto_free char *asks = xasprintf(" (it asks for kubernetes.io/arch=%s)",
					 or_empty(arch));
	auto_free char *more = xasprintf(
		"; this ktctl brings a shadow for nodes of another "
		"architecture, too: --nodeSelector kubernetes.io/arch=%s",
		or_empty(other));
	bool selector =
		said && (strstr(said, "selector") || strstr(said, "affinity"));

	kt_hint(err,
		"check --nodeSelector%s and --podQuota against the cluster's "
		"nodes%s",
		arch ? asks : "", selector && other ? more : "");
}

static void judge_unscheduled(struct pod_report *r, const json_t *pod)
{
	const json_t *conds = json_at(pod, "status", "conditions", NULL);
	const char *arch = json_str(pod, "spec", "nodeSelector",
				    "kubernetes.io/arch", NULL);
	json_t *c;
	size_t i;

	json_array_foreach (conds, i, c) {
		const char *reason = json_str(c, "reason", NULL);

		if (!str_eq(json_str(c, "type", NULL), "PodScheduled") ||
		    !str_eq(json_str(c, "status", NULL), "False"))
			continue;
		set_failed(r, pod, EAGAIN, "no node takes it", reason,
			   json_str(c, "message", NULL));
		podstate_hint_nodes(&r->why, arch,
				    json_str(c, "message", NULL));
		r->state = POD_UNSCHEDULABLE;
		snprintf(r->text, sizeof(r->text), "%s", or_empty(reason));
		return;
	}
}

void pod_report_make(struct pod_report *r, const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);
	const json_t *status = our_status(pod);

	*r = (struct pod_report){ .state = POD_WAITING };
	snprintf(r->text, sizeof(r->text), "%s", or_empty(phase));
	if (json_at(pod, "metadata", "deletionTimestamp", NULL))
		set_failed(r, pod, ENOENT, "it is being deleted", NULL, NULL);
	else if (str_eq(phase, "Failed") || str_eq(phase, "Succeeded"))
		judge_over(r, pod);
	else if (status)
		judge_container(r, pod, status);
	else
		judge_unscheduled(r, pod);
	if (r->state == POD_RUNNING)
		podstate_judge_gate(r, pod);
	if (r->state == POD_WAITING)
		describe_init(r, pod);
}
