/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_FDLIMIT_H
#define KT_BASE_FDLIMIT_H

#include "base/error.h"

/**
 * DOC: How many descriptors the process may have (RLIMIT_NOFILE)
 *
 * Each connection takes one. The soft limit is low for the sake of programs
 * that use select(); ours do not. A few are kept back from connections, so that
 * carriers, name servers and files can still be opened.
 */

#define FDLIMIT_KEPT 32

/** fdlimit_raise() - the soft limit becomes the hard one */
void fdlimit_raise(void);
/** fdlimit_restore() - as it was before: for a child, between fork and exec */
void fdlimit_restore(void);
/** fdlimit_usable() - descriptors below this number are for connections */
int fdlimit_usable(void);
/** fdlimit_reserve() - a descriptor (a copy of @fd) that is only to be closed
 *  when a real one takes its place; -EMFILE when it is one of those kept back
 */
KT_CHECK int fdlimit_reserve(int fd);
/** fdlimit_take() - what socket() has returned, for a connection; -errno, and
 *  it is closed when it is one of those kept back */
KT_CHECK int fdlimit_take(int fd);

#endif
