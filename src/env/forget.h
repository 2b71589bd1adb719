/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_FORGET_H
#define KT_ENV_FORGET_H

#include "env/command.h"

/**
 * env_forget_wait() - a member of the environment @info for @service (NULL: all
 * of its members) is no longer in the table: until the routers have read that,
 * FORGET_NS at most
 *
 * Who ends before stands for a moment as one that does not answer. Elsewhere
 * that is told in a field of an answer; where the environment is strict it is
 * an error for whoever asks. So it is waited for only there. Nothing depends on
 * it: a router that cannot be asked is not waited for. Waits in the loop.
 */
void env_forget_wait(const struct env_command *c, const struct env_info *info,
		     const char *service);

#define FORGET_NS (5 * NS_SEC)

#endif
