/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_NAMECHECK_H
#define KT_FORWARD_NAMECHECK_H

#include "base/loop.h"
#include "tunnel/client.h"

/**
 * namecheck() - does the cluster know the name @host? Asked of the shadow, as a
 * connection would be, without one. Waits in the loop, a few seconds at most.
 * Return: 0: yes, or it is not known; -ENOENT: no; -ETIME: it has no answer;
 * -EINTR.
 */
KT_CHECK int namecheck(struct loop *loop, struct tunnel *t, const char *host);

#endif
