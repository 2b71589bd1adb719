/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COPY_STATE_H
#define KT_ENV_COPY_STATE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/** struct copy_report - how it is with a copy's Pods; texts are borrowed from
 *  them */
struct copy_report {
	bool ready;
	bool failed;	     /* with @why: they will not come */
	bool unschedulable;  /* with @why: not unless something changes */
	bool none;	     /* there is no Pod */
	char text[160];	     /* for progress, "" */
	const char *pod;     /* that @why or @text is about, or NULL */
	const char *crashed; /* its container that ends again and again */
	struct kt_error why;
};

/** copy_report_make() - @pods: array; pure */
void copy_report_make(struct copy_report *r, const json_t *pods, int replicas);
/** copy_report_deployment() - no Pod is made (quota, policy): 0, or -EPERM with
 *  @err in the server's words */
int copy_report_deployment(const json_t *deployment, struct kt_error *err);
/** copy_report_event() - what the last warning of @events (array) about @pod
 *  says, borrowed; NULL: there is none. @grows: nodes are on their way for it
 */
const char *copy_report_event(const json_t *events, const char *pod,
			      bool *grows);

#endif
