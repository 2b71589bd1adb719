/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_WORKLOAD_H
#define KT_ENV_WORKLOAD_H

#include "kube/client.h"

/**
 * DOC: The workload behind a Service
 *
 * From the Service's selector to its Pods, and from a Pod to whoever makes it.
 * A Deployment, a StatefulSet and a DaemonSet are read, for their template is
 * what was meant. Of every other owner (an Argo Rollout, a bare ReplicaSet, a
 * Pod that nobody owns, a Deployment that may not be read) the template is the
 * Pod's own, without what the cluster has put in: see workload_pod_template().
 *
 * A Deployment is known by the name of its ReplicaSet and the hash that its
 * Pods have as a label, so ReplicaSets need not be readable. What it takes is
 * "list pods"; "get" of deployments, statefulsets, daemonsets where it may be,
 * and "list" of the first two only for a Service without Pods.
 */

struct workload {
	char *kind; /* "Deployment", "Rollout", ..., "Pod": nobody owns it */
	char *name;
	json_t *template; /* metadata (labels, annotations) and spec */
	json_t *selector; /* matchLabels of the workload, or NULL */
	json_t *claims; /* array: a StatefulSet's volumeClaimTemplates, of which
			 * the names count; or NULL */
	json_t *pods;	/* array: all Pods behind the Service but ours */
	bool from_pod;	/* the template is that of a Pod */
	char *others;	/* "Deployment b, Rollout c": workloads behind the same
			 * Service that were not taken; or NULL */
};

/**
 * workload_find() - of the Pods that @selector ({"k": "v"}, see
 * service_original()) finds in @ns
 * @service: its name, for messages
 *
 * Of several workloads the one with the most Pods that are ready is taken, of
 * those the one with the newest Pod. Pods of ours (a shadow, a member of an
 * environment) are no workload. Waits in the loop.
 * Return: 0; -ENOENT: nothing is behind the Service; or -errno with @err
 */
KT_CHECK int workload_find(struct kube *k, const char *ns, const char *service,
			   const json_t *selector, struct workload *w,
			   struct kt_error *err);
void workload_fini(struct workload *w);

/** workload_text() - "Deployment orders" (returned, caller frees) */
char *workload_text(const struct workload *w);

/* --- pure, for the tests -------------------------------------------------- */

/** struct workload_ref - who makes a Pod */
struct workload_ref {
	char *kind, *name;
};

void workload_ref_fini(struct workload_ref *r);
/** workload_ref_of() - of @pod; itself when nobody owns it */
void workload_ref_of(struct workload_ref *r, const json_t *pod);
/**
 * workload_pick() - the Pod whose workload is taken, of @pods (array)
 * @others: as in struct workload (returned, caller frees)
 * Return: borrowed; NULL: there is none
 */
const json_t *workload_pick(const json_t *pods, char **others);
/**
 * workload_pod_template() - what @pod was made of (returned, caller decrefs):
 * without what API server, admission (service account's token, default
 * tolerations, priority, containers that a service mesh or the like has put in
 * and will put in again), scheduler and controllers added to it
 */
json_t *workload_pod_template(const json_t *pod);

#endif
