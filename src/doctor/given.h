/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_GIVEN_H
#define KT_DOCTOR_GIVEN_H

#include "cli/options.h"
#include "doctor/finding.h"
#include "kube/client.h"
#include "local/home.h"

/** struct given_check - all borrowed */
struct given_check {
	struct kube *kube;
	const char *ns;
	const char *shadow; /* NAME, pod/NAME, deployment/NAME */
	const struct global_options *global;
	const struct home *home;
	int64_t timeout_ns; /* of each try */
};

/**
 * given_check() - what `connect --shadow` needs of the cluster: the permission
 * for a port-forward into that Pod, the Pod, a way to it, and that it is a
 * shadow. Waits in the loop.
 */
void given_check(struct findings *f, const struct given_check *g);
/** given_tell_version() - of the shadow at @version beside this ktctl */
void given_tell_version(struct findings *f, const char *version);

#endif
