/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_DNSCHECK_H
#define KT_TUNNEL_DNSCHECK_H

#include "base/loop.h"
#include "tunnel/client.h"

#include <stdbool.h>

/**
 * DOC: Does the cluster's DNS answer the shadow?
 *
 * One question at the start, which nobody waits for. A NetworkPolicy that keeps
 * the shadow from the name servers makes every cluster name hang: without an
 * answer in time there is a warning.
 */
struct dnscheck {
	struct loop *loop;
	struct timer timer;
	struct tunnel_dns *query; /* NULL: none is under way */
	const char *who;	  /* shadow_describe() */
	char server[64];	  /* the Pod's first, or "" */
	bool silent;		  /* no answer came in time */
};

/** dnscheck_start() - @who, @server (may be NULL) are for the warning; @who is
 *  borrowed, @server copied */
void dnscheck_start(struct dnscheck *c, struct loop *loop, struct tunnel *t,
		    const char *who, const char *server);
/** dnscheck_stop() - in any state, also of one that is all zeroes */
void dnscheck_stop(struct dnscheck *c);

#endif
