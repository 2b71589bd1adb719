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

/** resolvconf_zone_fn - the interface index of a zone ("eth0", "2"); 0: none
 *  of that name */
typedef uint32_t (*resolvconf_zone_fn)(const char *zone);

/** resolvconf_parse() - read text as resolv.conf(5) says; lines that make no
 *  sense are passed over, as the library does; free with resolvconf_fini()
 *  @zone: for servers of a link ("fe80::1%eth0"), which are left out where
 *  their link is not known; NULL: all of them */
void resolvconf_parse(struct resolvconf *rc, const char *text,
		      resolvconf_zone_fn zone);
void resolvconf_fini(struct resolvconf *rc);

#endif
