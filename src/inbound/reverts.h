/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_REVERTS_H
#define KT_INBOUND_REVERTS_H

#include "base/error.h"
#include "base/loop.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Reverts
 *
 * What somebody changes in the user's object while we hold it is followed, and
 * ours is put back. A controller that applies what it has in Git (Argo CD,
 * Flux, an operator) would do the same for ever, and every caller would feel
 * it: so who reverts ours REVERTS_END times within REVERTS_WITHIN gets the
 * object, and the user hears whom to pause. Another change than back is no
 * revert.
 */

#define REVERTS_END 3
#define REVERTS_WITHIN (60 * NS_SEC)
#define REVERTS_KEPT 8 /* of all managers together */

struct reverts {
	struct {
		char by[129]; /* a manager has 128 characters at most */
		int64_t at;   /* CLOCK_MONOTONIC */
	} v[REVERTS_KEPT];
	size_t n; /* so far */
};

/** reverts_is_last() - another one by manager @by (NULL: nobody knows who) at
 *  @now would be one too many */
bool reverts_is_last(const struct reverts *r, const char *by, int64_t now);
/** reverts_note() - it was put right once more */
void reverts_note(struct reverts *r, const char *by, int64_t now);
/**
 * reverts_fail() - why the job ends: -ECANCELED
 * @kind, @ns, @obj: the object, as it is
 * @field: what was reverted, "/spec/selector"
 */
int reverts_fail(struct kt_error *err, const char *kind, const char *ns,
		 const json_t *obj, const char *field, const char *by);

#endif
