/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_JOIN_HOOK_H
#define KT_ENV_JOIN_HOOK_H

#include "env/join.h"

/** env_join_has_hook() - --onJoin or --onDelete was given */
bool env_join_has_hook(const struct env_join *j);
/** env_join_hook_try() - what admission and quota say to them */
KT_CHECK int env_join_hook_try(const struct env_join *j, struct kt_error *err);
/** env_join_hook() - a step, before the copy is made: run --onJoin; the copy
 *  that is to be made has its output then. --onDelete is kept. */
KT_CHECK int env_join_hook(struct job *job, struct kt_error *err);
/** env_join_hook_former() - this one has the place of a member: what becomes of
 *  its --onDelete */
void env_join_hook_former(struct env_join *j);
/** env_join_hook_undo() - when its Pods are removed: run --onDelete, if
 *  --onJoin was */
void env_join_hook_undo(struct env_join *j);

#endif
