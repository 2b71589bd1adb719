/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PROXIED_H
#define KT_RUN_PROXIED_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/str.h"

struct app;
struct options;

/**
 * DOC: run by a proxy (--capture socks)
 *
 * Where neither namespaces nor a supervisor are allowed nothing of the program
 * can be captured. It is told of a proxy on this machine's loopback, in the
 * variables that most programs with HTTP know; names go to it as they are
 * (socks5h), so the cluster resolves them. All that comes to it is dialled in
 * the cluster.
 */

/** proxied_check() - can what was asked for be had so? @why: there is no better
 *  way, or empty; says that it is taken. 0, or -errno with @err */
KT_CHECK int proxied_check(struct app *app, const struct options *o,
			   const struct kt_error *why, struct kt_error *err);
/** proxied_vars() - of a proxy @at; in NO_PROXY is what this process has there,
 *  too */
void proxied_vars(struct strv *out, const struct ipport *at);

#endif
