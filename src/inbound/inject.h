/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_INJECT_H
#define KT_INBOUND_INJECT_H

#include "inbound/job.h"

/**
 * DOC: Inject: a shadow in each Pod of a Service
 *
 * For exchange --mode ephemeral: every Pod behind the Service, those that come
 * later too, gets a shadow as an ephemeral container (cluster/ephemeral.h) and
 * a tunnel of its own. No object of the user's is changed otherwise. Such a
 * container that runs already, of a ktctl that is gone, is used again.
 *
 *     Pod seen -> container added -> it runs -> tunnel up, rules in force
 *              <- it ended (a few times)     -> Pod gone
 *
 * Sequential code: the functions wait in the loop.
 */

struct injector;

/** injector_new() - @in (borrowed): job_find() and job_map() are done */
struct injector *injector_new(struct job *job);
/** injector_start() - every Pod that runs now leads here */
KT_CHECK int injector_start(struct injector *x, struct kt_error *err);
/** injector_arrival() - does a caller of each of them arrive here? */
void injector_arrival(struct injector *x);
/** injector_watch_service() - it ends with an error when the Service leads to
 *  other Pods */
void injector_watch_service(struct injector *x);
/** injector_serve() - until a signal (-EINTR) or a fatal error */
KT_CHECK int injector_serve(struct injector *x, struct kt_error *err);
/** injector_leave() - callers reach the Pods again, requests under way end, the
 *  containers end */
void injector_leave(struct injector *x);
/** injector_pods() - how many Pods lead here */
size_t injector_pods(const struct injector *x);
/** injector_probe(), injector_report() - of all their tunnels; NULL is allowed
 */
void injector_probe(const struct injector *x);
void injector_report(const struct injector *x, struct control_report *r);
/** injector_free() - NULL is allowed */
void injector_free(struct injector *x);

#endif
