/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_MEMBER_SOURCE_H
#define KT_ENV_MEMBER_SOURCE_H

#include "base/error.h"
#include "env/member.h"

#include <jansson.h>

/**
 * DOC: Whose Pods a member has
 *
 * Routers know a caller's environment by the PTR record of its address. A name
 * server has to have one for the Pods of a headless Service alone (DNS
 * specification of Kubernetes); for those of any other Service some have
 * one, and some not. The Pods of a copy carry the environment's label, so they
 * are behind its Service kt-env-NAME. Those that somebody else has made are not
 * ours to label: a headless Service with the selector of the member's record
 * stands for them. The record owns it, so it goes with that.
 */

/** member_source_name() - of the record called @record (returned, caller frees)
 */
char *member_source_name(const char *record);
/** member_source_make() - the Service for the Pods of @record, as the server
 * has it; @env: the environment (returned, caller decrefs). Pure. */
json_t *member_source_make(const json_t *record, const char *env);

/** member_source_put() - make it, in place of one that is there; *@name: its
 *  name (returned, caller frees). 0 or -errno with @err */
KT_CHECK int member_source_put(const struct member_place *at,
			       const json_t *record, char **name,
			       struct kt_error *err);
/** member_source_remove() - the one of the record called @record, which goes to
 *  another member; 0 also when there is none */
KT_CHECK int member_source_remove(const struct member_place *at,
				  const char *record, struct kt_error *err);

#endif
