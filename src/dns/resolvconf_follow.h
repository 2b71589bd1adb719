/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_RESOLVCONF_FOLLOW_H
#define KT_DNS_RESOLVCONF_FOLLOW_H

#include "base/loop.h"
#include "wire/resolvconf.h"

/**
 * DOC: Following resolv.conf
 *
 * The file changes while we run: a VPN comes up, the laptop goes to another
 * network. It is written in place, or replaced by a rename, and may be a link
 * to a file that changes the same ways. So inotify watches the file and the
 * folder of every link on the way to it; after an event, when all is quiet for
 * a moment, the file is read again, and the watches are made anew.
 */

struct resolvconf_follow;

/** resolvconf_follow_fn - the file says something else than before; @rc is
 *  borrowed */
typedef void (*resolvconf_follow_fn)(void *user, const struct resolvconf *rc);

/** resolvconf_follow_start() - @path: NULL for RESOLVCONF_PATH; 0 or -errno */
KT_CHECK int resolvconf_follow_start(struct resolvconf_follow **out,
				     struct loop *l, const char *path,
				     resolvconf_follow_fn fn, void *user);
/** resolvconf_follow_stop() - NULL is allowed */
void resolvconf_follow_stop(struct resolvconf_follow *f);

#endif
