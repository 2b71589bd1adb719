/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_WAYS_H
#define KT_RUN_WAYS_H

#include "base/error.h"

/**
 * DOC: Which ways there are on this machine to capture a program's traffic
 *
 * Each is tried as run would go it, in a process of its own, and nothing of it
 * is left.
 */

/** ways_try_namespace() - user, network and mount namespace, the TUN device,
 * the rules and all else that is made in them; 0, or -errno with @err and a
 * hint that names what refuses it */
KT_CHECK int ways_try_namespace(struct kt_error *err);
/** ways_try_seccomp() - a system call of a child is told to us, its memory can
 *  be read, and it is given a descriptor (ADDFD); likewise */
KT_CHECK int ways_try_seccomp(struct kt_error *err);

#endif
