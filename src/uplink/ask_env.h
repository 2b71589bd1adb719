/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_ASK_ENV_H
#define KT_UPLINK_ASK_ENV_H

#include "base/loop.h"
#include "tunnel/client.h"

/**
 * ask_env() - can the shadow at the other end of @t, which is up, mark requests
 * (tunnel_set_env())? Waits in the loop.
 * @shadow: what it is called in a message
 * Return: 0, or -errno with @err and a hint: it cannot, or does not answer.
 */
KT_CHECK int ask_env(struct tunnel *t, struct loop *loop, const char *shadow,
		     struct kt_error *err);
/** ask_env_refuse() - what is said where one of @version cannot; -ENOTSUP */
int ask_env_refuse(const char *shadow, const char *version,
		   struct kt_error *err);

#endif
