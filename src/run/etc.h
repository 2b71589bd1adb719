/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_ETC_H
#define KT_RUN_ETC_H

#include "base/str.h"

/**
 * DOC: What the program reads in /etc
 *
 * As in the Pod: its name servers and search list, its short hosts file, and of
 * nsswitch.conf the machine's own with "files dns" for hosts, so that no daemon
 * of this machine is asked.
 */

/** struct etc_files - contents; NULL: the machine's stays */
struct etc_files {
	char *resolv_conf, *hosts, *nsswitch;
};

/** etc_resolv_conf() - of the Pod; NULL where it has no server (returned,
 *  caller frees) */
char *etc_resolv_conf(const struct strv *servers, const struct strv *search,
		      unsigned int ndots);
/** etc_hosts() - this machine's own name (@hostname) is known in it (returned,
 *  caller frees) */
char *etc_hosts(const char *hostname);
/** etc_nsswitch() - @text with another line for hosts (returned, caller frees)
 */
char *etc_nsswitch(const char *text);
/** etc_load() - all of them; etc_fini() them */
void etc_load(struct etc_files *f, const struct strv *servers,
	      const struct strv *search, unsigned int ndots);
/** etc_set_env() - what @resolv_conf says of search lists, for the resolver of
 *  glibc where the file cannot be another one; NULL is allowed */
void etc_set_env(const char *resolv_conf);
void etc_fini(struct etc_files *f);

#endif
