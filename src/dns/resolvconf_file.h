/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_RESOLVCONF_FILE_H
#define KT_DNS_RESOLVCONF_FILE_H

#include "wire/resolvconf.h"

#define RESOLVCONF_PATH "/etc/resolv.conf"
#define RESOLVCONF_REAL "/run/systemd/resolve/resolv.conf"

/**
 * resolvconf_load() - read the file; it is never written
 * @path: NULL for RESOLVCONF_PATH
 * Behind the stub of systemd-resolved (127.0.0.53) the servers are those of
 * RESOLVCONF_REAL. A missing file means the server 127.0.0.1 (resolv.conf(5)).
 * Return: 0, or -errno with @err.
 */
KT_CHECK int resolvconf_load(struct resolvconf *rc, const char *path,
			     struct kt_error *err);

/** resolvconf_is_kt() - has KT Connect's resolver been put into the file? */
bool resolvconf_is_kt(const char *path);

#endif
