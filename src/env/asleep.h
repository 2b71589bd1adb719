/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_ASLEEP_H
#define KT_ENV_ASLEEP_H

#include <jansson.h>

/**
 * DOC: What members with a sleeper (env/idle.h) do, as it goes on
 *
 * By the number of Pods that their Deployments want and have: "asleep",
 * "waking", "awake". Pure.
 */

/** asleep_fn - @copy (borrowed), a member's Deployment, is in another state, or
 *  was seen for the first time */
typedef void asleep_fn(void *user, const json_t *copy, const char *state);

/** asleep_look() - of the environment @env, and those below it, among
 * @deployments (array)
 * @states: "UID": state, as they were; an empty object at first, brought up to
 * date
 */
void asleep_look(json_t *states, const json_t *deployments, const char *env,
		 asleep_fn *fn, void *user);

#endif
