/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_RESOLVCONF_H
#define KT_DNS_RESOLVCONF_H

#include "base/ipaddr.h"
#include "base/str.h"

#include <stdbool.h>

#define RESOLVCONF_PATH "/etc/resolv.conf"
#define RESOLVCONF_REAL "/run/systemd/resolve/resolv.conf"
#define RESOLVCONF_SERVERS 8
#define RESOLVCONF_MAX 65536 /* bytes */

/** struct resolvconf - what the machine's resolver library is told */
struct resolvconf {
	struct ipport servers[RESOLVCONF_SERVERS];
	size_t nservers;
	struct strv search; /* "search" or "domain", the last one counts */
	unsigned int ndots; /* 1 unless "options ndots:n"; at most 15 */
	bool stub;	    /* systemd-resolved listens as the name server */
};

/** resolvconf_parse() - read text as resolv.conf(5) says; lines that make no
 *  sense are passed over, as the library does; free with resolvconf_fini() */
void resolvconf_parse(struct resolvconf *rc, const char *text);
void resolvconf_fini(struct resolvconf *rc);

/**
 * resolvconf_load() - read the file; it is never written
 * @path: NULL for RESOLVCONF_PATH
 * Behind the stub of systemd-resolved (127.0.0.53) the servers are those of
 * RESOLVCONF_REAL. A missing file means the server 127.0.0.1 (resolv.conf(5)).
 * Return: 0, or -errno with @err.
 */
KT_CHECK int resolvconf_load(struct resolvconf *rc, const char *path,
			     struct kt_error *err);

#endif
