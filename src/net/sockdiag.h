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

/**
 * sockdiag_ends_open() - a socket that has something to read when a TCP socket
 * of the present network namespace is gone that was connected to nobody: one
 * that has listened is. What it is does not matter: sockdiag_ends_read().
 * Return: the descriptor, or -errno (no CONFIG_INET_DIAG).
 */
KT_CHECK int sockdiag_ends_open(void);
/** sockdiag_ends_read() - take what there is; false: nothing came */
bool sockdiag_ends_read(int fd);

#endif
