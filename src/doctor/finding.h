/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_FINDING_H
#define KT_DOCTOR_FINDING_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: What was looked at, and what was found
 *
 * In the order in which things fail. A remedy says what the user can do; it may
 * have several lines. Texts may hold what others wrote: they are filtered.
 */

enum finding_state {
	FINDING_OK,
	FINDING_WARN, /* works, but perhaps not as the user thinks */
	FINDING_FAIL, /* the command will not work */
	FINDING_SKIP, /* could not be looked at; why is said */
};

struct findings {
	json_t *list; /* {"check", "state", "text", "remedy"?, "role"?} */
	bool print;   /* each one on stdout, as soon as it is known */
};

void findings_init(struct findings *f, bool print);
void findings_fini(struct findings *f);

/** finding_add() - @check is a short word, "clock"; @remedy may be NULL */
void finding_add(struct findings *f, const char *check,
		 enum finding_state state, const char *remedy, const char *fmt,
		 ...) KT_PRINTF(5, 6);
/** finding_error() - @err, and its hint as the remedy */
void finding_error(struct findings *f, const char *check,
		   enum finding_state state, const struct kt_error *err);
/** finding_set_role() - the one added last is mended by a published Role:
 *  @role, a file of deploy/rbac without ".yaml" */
void finding_set_role(struct findings *f, const char *role);

/** findings_count() - how many are in @state */
size_t findings_count(const struct findings *f, enum finding_state state);

#endif
