/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_FILTER_H
#define KT_RUN_FILTER_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: The filter of a supervised program (seccomp(2))
 *
 * The system calls by which a program opens a connection or names an address
 * are told to a supervisor, which answers them (supervisor.h). What has no
 * address (read, write, send on a connected socket) is the kernel's alone.
 * io_uring, which the filter would not see, is ENOSYS.
 */

/**
 * filter_install() - for this process and all that it starts, for ever
 * @free_fd: sendmsg() on this descriptor is not told: the caller passes the
 * listener on by it, before anybody answers
 * Return: the listener's descriptor, or -errno: EBUSY: there is one already.
 */
KT_CHECK int filter_install(int free_fd);
/** filter_listen_install() - likewise, and only listen() is told, which goes
 * on. Needs CAP_SYS_ADMIN over the user namespace, and sets no no_new_privs. */
KT_CHECK int filter_listen_install(void);
#define FILTER_BUSY                                                            \
	"somebody supervises this shell already: ktctl run within ktctl run, " \
	"or a container's agent"
/** filter_check() - does this kernel do all of that? 0, or -errno with @err */
KT_CHECK int filter_check(struct kt_error *err);

#endif
