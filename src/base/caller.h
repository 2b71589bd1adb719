/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_CALLER_H
#define KT_BASE_CALLER_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/** struct caller - the user who called us by sudo */
struct caller {
	uid_t uid;
	gid_t gid;
	char *name;  /* of the account, or the number */
	char *home;  /* HOME, when sudo left it to him, else the account's */
	char *shell; /* of the account, or NULL */
	gid_t *groups;
	size_t ngroups;
};

/** caller_get() - true when we are root and somebody else called sudo;
 *  caller_fini() is due then. Looks into the user database (may block). */
KT_CHECK bool caller_get(struct caller *c);
void caller_fini(struct caller *c);
/** caller_become() - this process is @c's from now on, for good; -errno */
KT_CHECK int caller_become(const struct caller *c);
/** caller_enter() - likewise, with the variables that name the user */
KT_CHECK int caller_enter(const struct caller *c);

#endif
