/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_NAMESPACES_H
#define KT_RUN_NAMESPACES_H

#include "base/error.h"

struct etc_files;

/**
 * namespaces_enter() - a user, network and mount namespace for this process and
 * its children
 *
 * User and group ids are the same inside as outside. Who has the privileges
 * already (root) keeps the user namespace, and with it all files and rights.
 * The loopback device is up, "ping" and ports below 1024 are allowed to all.
 * Only for a process with one thread, which does not come back.
 * Return: 0, or -errno with @err, and a hint that names what refuses it.
 */
KT_CHECK int namespaces_enter(struct kt_error *err);

/** namespaces_hint() - what refuses a user namespace here, and what to do; of
 *  @err->code. @sys: "/proc/sys" */
void namespaces_hint(struct kt_error *err, const char *sys);

/** namespaces_reason() - unshare(2)'s @errnum in words */
const char *namespaces_reason(int errnum);

/** namespaces_mount() - put @files in the place of those in /etc, for this
 *  mount namespace; they are kept in @room (mounts.h); 0, or -errno with @err
 */
KT_CHECK int namespaces_mount(const struct etc_files *files, int room,
			      struct kt_error *err);
/** namespaces_watch() - before that: a descriptor that can be read (and be
 *  emptied) when one of them was perhaps replaced; -1: that is not seen */
int namespaces_watch(void);
/** namespaces_mount_again() - those that this machine has replaced since by
 *  other files; errors are passed over */
void namespaces_mount_again(int room);

#endif
