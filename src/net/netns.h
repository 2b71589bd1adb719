/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_NETNS_H
#define KT_NET_NETNS_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: Network namespaces
 *
 * A namespace made here has no name: it lives as long as a descriptor, a
 * socket or a device of the process refers to it, and goes with the process.
 * The calling thread moves into it and back; other threads are not affected.
 * Sockets, also those inside a struct netlink or struct nft, stay where they
 * were opened.
 */

/** netns_current() - a descriptor of the thread's namespace; caller closes */
KT_CHECK int netns_current(struct kt_error *err);

/** netns_new() - an empty namespace; returns its descriptor, caller closes */
KT_CHECK int netns_new(struct kt_error *err);

typedef int (*netns_fn)(void *user, struct kt_error *err);

/**
 * netns_run() - run @fn(@user) inside the namespace @fd, then come back
 * Return: what @fn returned, or -errno. -ENOTRECOVERABLE: the way back failed;
 * the thread is in the wrong namespace and the program should end.
 */
KT_CHECK int netns_run(int fd, netns_fn fn, void *user, struct kt_error *err);

/**
 * netns_sysctl_set() - write a value below /proc/sys/net of this namespace
 * @name: "ipv4/ip_forward"; the files that appear are the calling thread's
 */
KT_CHECK int netns_sysctl_set(const char *name, const char *value,
			      struct kt_error *err);

/** netns_sysctl_try() - the same where success is not essential */
void netns_sysctl_try(const char *name, const char *value);

/**
 * netns_check() - has this process got the capabilities?
 * @device: those for a namespace and a device of our own (CAP_SYS_ADMIN too),
 * else those for rules of nftables (CAP_NET_ADMIN)
 * Return: 0, or -EPERM with @err and a hint.
 */
KT_CHECK int netns_check(bool device, struct kt_error *err);

/**
 * netns_hint() - explain a refusal for want of privileges
 *
 * Adds what the user can do, when @err->code looks like it: not root, a
 * container without CAP_NET_ADMIN or CAP_SYS_ADMIN, namespaces forbidden.
 */
void netns_hint(struct kt_error *err);

#endif
