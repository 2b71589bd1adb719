/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_VIEW_H
#define KT_ENV_VIEW_H

#include "env/job.h"

#include <jansson.h>

struct home;

/**
 * DOC: Environments as they are shown
 *
 * docs/schema/env-list.json and env-show.json. Pure: objects in, JSON out.
 */

/** struct env_look - what was seen; all borrowed */
struct env_look {
	const char *ns;
	int64_t now;
	const json_t *jobs;	 /* array; list: with those of hooks */
	const json_t *records;	 /* array */
	const json_t *pods;	 /* of the namespace, NULL: may not be listed */
	const json_t *copies;	 /* Deployments of members; NULL: likewise */
	const json_t *shares;	 /* share_find(); NULL: may not be listed */
	const struct home *home; /* whose dead processes are known; or NULL */
};

/** env_view_has_sleepers() - a member of @records has a sleeper before it
 *  (env/idle.h): what that does is to be seen in env_look.copies only */
bool env_view_has_sleepers(const json_t *records);
/** env_view_list() - all of them (returned, caller decrefs) */
json_t *env_view_list(const struct env_look *look);
/** env_view_show() - the one of @info, with its members (returned, caller
 *  decrefs) */
json_t *env_view_show(const struct env_look *look, const struct env_info *info);
/** env_view_print_list(), env_view_print_show() - for people, on stdout */
void env_view_print_list(const json_t *view, int64_t now);
void env_view_print_show(const json_t *view, int64_t now);

#endif
