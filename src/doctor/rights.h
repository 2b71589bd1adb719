/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_RIGHTS_H
#define KT_DOCTOR_RIGHTS_H

#include "doctor/finding.h"
#include "kube/client.h"

/**
 * rights_check() - may we do in @ns all that the published Role @role (a file
 * of deploy/rbac, without ".yaml") grants? Each verb is asked for
 * (SelfSubjectAccessReview); waits in the loop.
 * @missing: what a missing right is
 * Return: 0, or -errno with @err when it cannot be asked.
 */
KT_CHECK int rights_check(struct findings *f, struct kube *k, const char *ns,
			  const char *role, enum finding_state missing,
			  struct kt_error *err);

#endif
