/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_MEMBER_H
#define KT_ENV_MEMBER_H

#include "env/copy.h"
#include "env/idle.h"
#include "env/join.h"

/** struct member - Pods that are to answer in an environment */
struct member {
	char *text;		  /* kt-env-member: "image IMAGE", ... */
	json_t *selector, *ports; /* of the record */
	struct env_copy copy;	  /* of --image; else all NULL */
	struct idle idle;	  /* of --idle; else all NULL */
};

/** member_prepare() - what --image, --selector or --service means for the
 *  Service of @j, which was looked at. Nothing is changed; what is strange is
 *  warned of. 0 or -errno with @err; member_fini() in any case */
KT_CHECK int member_prepare(struct member *m, struct env_join *j,
			    struct kt_error *err);
void member_fini(struct member *m);

/** member_ports() - ports of a record with the numbers of @service's, that lead
 *  where the ports of @other lead: by name, by number, or the only one
 *  (returned, caller decrefs); NULL with @err. Pure. */
json_t *member_ports(const json_t *service, const json_t *other,
		     struct kt_error *err);

/** member_check_pods() - can all of @pods be members? -EOPNOTSUPP with @err:
 * one has the node's network, so its calls come from the node's address, as
 *  everybody's there, and could not be told to be of an environment. Pure. */
KT_CHECK int member_check_pods(const json_t *pods, struct kt_error *err);

/** struct member_place - a member that is there; borrowed */
struct member_place {
	struct kube *kube;
	const char *ns, *env, *service;
};

/** member_remove_copies() - the Deployments of the member whose Pods have the
 *  kt-target @target, NULL: whichever there are; 0 also when they are gone. A
 *  member that takes its place has another target. */
KT_CHECK int member_remove_copies(const struct member_place *at,
				  const char *target, struct kt_error *err);
/** member_remove_copies_but() - all of them but that one's */
KT_CHECK int member_remove_copies_but(const struct member_place *at,
				      const char *target, struct kt_error *err);

#endif
