/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_CLEAN_LOCAL_H
#define KT_KTCTL_CLEAN_LOCAL_H

#include "base/error.h"

#include <stdbool.h>

struct app;
struct buf;

/**
 * clean_local() - what a killed ktctl, or KT Connect, left on this machine:
 * pid files, the block in /etc/hosts, KT's lines in /etc/resolv.conf, KT's
 * keys. System files only as root, and while no connect is alive. Says on
 * stdout what it did, or with @dry_run what it would do.
 */
KT_CHECK int clean_local(struct app *app, bool dry_run, struct kt_error *err);

/**
 * resolvconf_restore() - @old without what KT Connect did to it: its commented
 * lines back, its added lines gone
 * Return: 1 when @out (an initialised buffer) differs from @old, 0 when there
 * was nothing of it, -ENOBUFS or -ENOMEM.
 */
KT_CHECK int resolvconf_restore(struct buf *out, const char *old, size_t len);

#endif
