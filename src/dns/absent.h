/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_ABSENT_H
#define KT_DNS_ABSENT_H

#include "base/loop.h"
#include "wire/dns_name.h"

#include <stdbool.h>

/**
 * DOC: Places in the cluster that are known to be absent
 *
 * Where namespaces cannot be listed, "google.com" might be a Service "google"
 * in a namespace "com". If "com.svc.cluster.local" does not exist, nothing
 * below it does (RFC 8020), so one question for it spares every later name that
 * ends in ".com" the way through the tunnel. What was learned is forgotten
 * after DNS_ABSENT_LIFE: namespaces and Services come and go.
 */

#define DNS_ABSENT_LIFE (15 * NS_SEC)

struct dns_absent;
struct dns_lookup;

/** dns_absent_new() - @lu is borrowed, and must be freed after this */
struct dns_absent *dns_absent_new(struct loop *l, struct dns_lookup *lu);
void dns_absent_free(struct dns_absent *a);
/** dns_absent_flush() - forget everything */
void dns_absent_flush(struct dns_absent *a);
/** dns_absent_has() - the cluster said a short time ago that it is not there */
bool dns_absent_has(const struct dns_absent *a, const struct dns_name *name);
/** dns_absent_probe() - ask the cluster about it, unless it is known already;
 *  the answer comes later, nobody waits for it */
void dns_absent_probe(struct dns_absent *a, const struct dns_name *name);

#endif
