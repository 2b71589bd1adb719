/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_RESOLVCONF_H
#define KT_WIRE_RESOLVCONF_H

#include "base/ipaddr.h"
#include "base/str.h"

#include <stdbool.h>

#define RESOLVCONF_SERVERS 8
#define RESOLVCONF_MAX 65536 /* bytes of a file that is read */

/** struct resolvconf - what a resolver library is told by resolv.conf(5) */
struct resolvconf {
	struct ipport servers[RESOLVCONF_SERVERS];
	size_t nservers;
	struct strv search; /* "search" or "domain", the last one counts */
	unsigned int ndots; /* 1 unless "options ndots:n"; at most 15 */
	bool stub;	    /* systemd-resolved listens as the name server;
			     * resolvconf_load() finds out */
};

/** resolvconf_parse() - read text as resolv.conf(5) says; lines that make no
 *  sense are passed over, as the library does; free with resolvconf_fini() */
void resolvconf_parse(struct resolvconf *rc, const char *text);
void resolvconf_fini(struct resolvconf *rc);

#endif
