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

/** struct rights_need - a published Role (a file of deploy/rbac, without
 *  ".yaml"), and what is said when it is not granted */
struct rights_need {
	const char *role;
	const char *with;    /* only for this flag, "--mode scale"; or NULL */
	const char *instead; /* what is allowed in place of it; or NULL */
	enum finding_state missing;
};

/**
 * rights_check() - may we do all that @need's Role grants? Each verb is asked
 * for (SelfSubjectAccessReview); waits in the loop. What the command works
 * without is a warning.
 * Return: 0, or -errno with @err when it cannot be asked.
 */
KT_CHECK int rights_check(struct rights *r, struct findings *f,
			  const struct rights_need *need, struct kt_error *err);
/** rights_suffice() - may we do all that the Role @role has to grant? 1, 0, or
 *  -errno with @err */
KT_CHECK int rights_suffice(struct rights *r, const char *role,
			    struct kt_error *err);

#endif
