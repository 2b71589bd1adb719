/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_PODSTATE_H
#define KT_CLUSTER_PODSTATE_H

#include "base/error.h"

#include <jansson.h>

enum pod_state {
	POD_WAITING,	   /* it may still come */
	POD_UNSCHEDULABLE, /* likewise, but likely not */
	POD_RUNNING,	   /* its container runs */
	POD_FAILED,	   /* it will not come */
	POD_NSTATES_,
};

/** struct pod_report - what a Pod object says about itself */
struct pod_report {
	enum pod_state state;
	char text[160];	     /* for progress, "" when nothing is known */
	struct kt_error why; /* POD_FAILED, POD_UNSCHEDULABLE: reason and
			      * message are the Pod's own, verbatim */
};

/** pod_report_container() - judge one container of @pod by its @status (NULL:
 *  there is none yet); pure */
void pod_report_container(struct pod_report *r, const json_t *pod,
			  const json_t *status);
/** pod_report_make() - judge @pod, one of ours, by our container; pure */
void pod_report_make(struct pod_report *r, const json_t *pod);

/** pod_hint_gate() - @err has what a container said last: is its image of a
 *  ktctl that had no gate yet? Then the hint says so */
void pod_hint_gate(struct kt_error *err);

#endif
