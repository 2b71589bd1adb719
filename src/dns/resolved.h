/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_RESOLVED_H
#define KT_DNS_RESOLVED_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "base/str.h"

#include <stdbool.h>

/**
 * DOC: systemd-resolved
 *
 * Programs that use nss-resolve or D-Bus never send to port 53, so the redirect
 * does not see them; and resolved does not ask a DNS server for "web", unless a
 * search domain makes a longer name of it. So the link kt0 gets our listener as
 * its server, the Pod's search list as search domains, and the cluster's zones
 * as routing domains ("~cluster.local"). These settings belong to the link:
 * they are gone with it, also after a kill -9.
 */

#define RESOLVED_DIR "/run/systemd/resolve"

/** struct resolved_link - what resolved is told about a link */
struct resolved_link {
	const char *name;	   /* borrowed: "kt0" */
	struct ipport server;	   /* our listener */
	const struct strv *search; /* borrowed: completes single labels */
	const struct strv *route;  /* borrowed: zones, without the '~' */
};

/** resolved_is_running() - is there a systemd-resolved to talk to? */
bool resolved_is_running(void);

/**
 * resolved_setup() - give @link its server and domains (by resolvectl)
 * Runs the loop: not from inside a handler. The link must be up and have an
 * address, or resolved takes no notice of it.
 * Return: 0, or -errno with @err (-ENOENT: no resolvectl). Nothing is left
 * half done: what was set is reverted.
 */
KT_CHECK int resolved_setup(struct loop *l, const struct resolved_link *link,
			    struct kt_error *err);
/** resolved_revert() - take the settings of @name back; errors are of no
 *  interest: they go with the link */
void resolved_revert(struct loop *l, const char *name);

/**
 * resolved_add_reverse() - add the reverse zones that cover @p to @zones
 * A prefix that ends inside a label becomes several zones; one that would
 * become more than 16 is left out (the redirect sees such names anyway).
 */
void resolved_add_reverse(struct strv *zones, const struct ipprefix *p);

#endif
