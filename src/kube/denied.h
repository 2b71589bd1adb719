/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_DENIED_H
#define KT_KUBE_DENIED_H

#include <stdbool.h>

/** struct denied - what an RBAC refusal says is missing */
struct denied {
	char user[256];
	char verb[32];
	char resource[96]; /* "pods/portforward" */
	char group[128];   /* API group, "" for the core one */
	char ns[64];	   /* "" at the cluster scope */
};

/** denied_anonymous() - @message refuses somebody who is not logged in */
bool denied_anonymous(const char *message);

/** denied_parse() - find 'User "u" cannot VERB resource "r" in API group "g"
 *  in the namespace "n"' in @message; false when it says something else, or
 *  when the user is system:anonymous: to give that one a right is no remedy */
bool denied_parse(struct denied *d, const char *message);

#endif
