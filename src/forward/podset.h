/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_PODSET_H
#define KT_FORWARD_PODSET_H

#include "base/ipaddr.h"
#include "kube/client.h"

#include <stdbool.h>

/**
 * DOC: Pods that are followed
 *
 * A live copy of the Pods of a query, by a watch. A Pod takes callers when it
 * is Ready, or for PODSET_RUNNING when it runs. One that is being deleted takes
 * callers only where no other does, as with kube-proxy.
 */

struct podset;
struct forward_choice;

enum podset_rule { PODSET_READY, PODSET_RUNNING, PODSET_ADDRESS };

/** podset_start() - @query: selectors, escaped; @changed: from the loop, when
 *  something may be different */
struct podset *podset_start(struct kube *k, const char *ns, const char *query,
			    enum podset_rule rule, void (*changed)(void *user),
			    void *user);
/** podset_stop() - NULL is allowed */
void podset_stop(struct podset *p);
/** podset_known() - all were seen once. podset_lost() - they may not be
 *  watched: nothing is known of them */
bool podset_known(const struct podset *p);
bool podset_lost(const struct podset *p);
/** podset_takes_callers() - one of them does */
bool podset_takes_callers(const struct podset *p);
/** podset_has() - one that takes callers has this address */
bool podset_has(const struct podset *p, const struct ipaddr *addr);
/**
 * podset_pick() - the one whose turn it is
 * @number: of the port; 0: that which the Pod declares by @name
 * Return: 0, or -ECONNREFUSED: none takes callers at that port.
 */
KT_CHECK int podset_pick(struct podset *p, uint16_t number, const char *name,
			 bool udp, struct ipport *to);

#endif
