/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_PIDFILE_H
#define KT_LOCAL_PIDFILE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: Pid files
 *
 * ~/.kt/pid/<component>-<pid>.pid holds the decimal pid, as KT Connect's does,
 * and removing or renaming it makes the process leave. A pid file is alive
 * when its process runs an executable whose name contains "ktctl". Processes of
 * another network namespace do not count as a second instance: they capture
 * another machine's traffic, so to speak. Under sudo, KT Connect's lie in
 * root's home: who asks is told of both.
 */

struct home;
struct pidfile;
struct signals;
struct loop;

/** pidfile_alive() - pid of another live @component in this process's network
 *  namespace, or 0; files of dead processes are removed on the way */
pid_t pidfile_alive(const struct home *h, const char *component);

/** pidfile_same_network() - is @pid in this process's network namespace? true
 *  also where that cannot be seen */
bool pidfile_same_network(pid_t pid);

/** pidfile_any() - a live @component (NULL: any) in whatever network namespace
 */
bool pidfile_any(const struct home *h, const char *component);

/** pidfile_new() - write the file and watch it: when it goes away,
 *  signals_leave(@s, SIGTERM); NULL with @err */
struct pidfile *pidfile_new(struct loop *l, const struct home *h,
			    const char *component, struct signals *s,
			    struct kt_error *err);
/** pidfile_try() - the same, for whom it is no reason to stop that nothing can
 *  be written to the home: NULL after a warning */
struct pidfile *pidfile_try(struct loop *l, const struct home *h,
			    const char *component, struct signals *s);
/** pidfile_free() - remove the file, stop to watch it */
void pidfile_free(struct pidfile *p);

/** pidfile_sweep() - remove the files of dead processes (or, with @dry_run,
 *  only count them); how many there were */
int pidfile_sweep(const struct home *h, int dry_run);

#endif
