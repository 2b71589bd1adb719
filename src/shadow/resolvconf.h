/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_RESOLVCONF_H
#define KT_SHADOW_RESOLVCONF_H

#include "base/ipaddr.h"

#include <stddef.h>

#define RESOLVCONF_SERVERS 3
#define RESOLVCONF_SEARCH 32 /* what Kubernetes allows */

/** struct resolvconf - what resolv.conf(5) says */
struct resolvconf {
	struct ipport server[RESOLVCONF_SERVERS];
	size_t nservers;
	char search[RESOLVCONF_SEARCH][256];
	size_t nsearch;
	unsigned int ndots;
};

/** resolvconf_parse() - whatever is not understood is passed over */
void resolvconf_parse(struct resolvconf *rc, const char *text);
/** resolvconf_read() - from a file; a missing one is an empty one */
void resolvconf_read(struct resolvconf *rc, const char *path);

#endif
