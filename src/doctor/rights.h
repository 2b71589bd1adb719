/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_RIGHTS_H
#define KT_DOCTOR_RIGHTS_H

#include "doctor/finding.h"
#include "kube/client.h"

/** struct rights - what we may do in one namespace; each is asked once */
struct rights {
	struct kube *kube; /* borrowed, as @ns is */
	const char *ns;
	json_t *known; /* "create pods/portforward": true */
};

void rights_init(struct rights *r, struct kube *k, const char *ns);
void rights_fini(struct rights *r);

/**
 * rights_check() - may we do all that the published Role @role (a file of
 * deploy/rbac, without ".yaml") grants? Each verb is asked for
 * (SelfSubjectAccessReview); waits in the loop.
 * @with: the flag without which nobody needs it, "--mode scale"; or NULL
 * @missing: what a missing right is
 * Return: 0, or -errno with @err when it cannot be asked.
 */
KT_CHECK int rights_check(struct rights *r, struct findings *f,
			  const char *role, const char *with,
			  enum finding_state missing, struct kt_error *err);

#endif
