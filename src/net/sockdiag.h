/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_SOCKDIAG_H
#define KT_NET_SOCKDIAG_H

#include "base/ipaddr.h"
#include "net/nlmsg.h"

/** sockdiag_fn - a TCP socket that listens at @at */
typedef void (*sockdiag_fn)(void *user, const struct ipport *at);

/**
 * sockdiag_listeners() - who listens (sock_diag(7))
 * @s: of NETLINK_SOCK_DIAG, in the network namespace that is asked for
 * Return: 0 or -errno, after perhaps some of them.
 */
KT_CHECK int sockdiag_listeners(struct nlsock *s, sockdiag_fn fn, void *user);

#endif
