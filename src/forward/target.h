/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_TARGET_H
#define KT_FORWARD_TARGET_H

#include "cluster/svcports.h"
#include "forward/choose.h"
#include "forward/spec.h"
#include "kube/client.h"

#include <stdbool.h>

/**
 * DOC: A target, followed
 *
 *     Service          its own address, and the cluster balances; one without
 *                      (headless): one of its Pods after the other; another
 *                      name (ExternalName): that name
 *     workload         one of its Pods after the other, those that are Ready
 *     Pod              its address, while it runs
 *     address, name    as it is; a name is resolved by the shadow, each time
 *
 * Service and Pods are watched, so each new connection goes to what is there
 * then, and who follows is told when nothing is.
 */

struct object_watch;
struct podset;

enum target_way { TARGET_ADDRESS, TARGET_HOST, TARGET_PODS };

struct target_watch {
	const struct forward_target *asked; /* borrowed */
	struct kube *kube;
	char ns[64];	/* of the object */
	json_t *object; /* as it was read last; NULL: there is none */
	bool is_service;
	enum target_way way;
	struct ipaddr addr;
	char host[384];
	struct service_ports ports;
	json_t *selector; /* that the Pods are followed by */
	struct object_watch *watch;
	struct kube_op *reading; /* where it may not be watched; or NULL */
	struct podset *pods;
	bool gone, told;
	/** changed() - target_is_open() may say something else now; from the
	 *  loop */
	void (*changed)(void *user);
	void *user;
};

/** target_look() - what @asked is in the cluster; nothing is changed. Waits.
 *  @ns: where names without a namespace are; 0, or -errno with @err */
KT_CHECK int target_look(struct target_watch *t, struct kube *k, const char *ns,
			 const struct forward_target *asked,
			 struct kt_error *err);
void target_fini(struct target_watch *t);
/** target_choose() - which of its ports @asked (or NULL) means */
KT_CHECK int target_choose(const struct target_watch *t,
			   struct forward_choice *c,
			   const struct forward_port *asked,
			   struct kt_error *err);
/** target_follow() - from now on */
void target_follow(struct target_watch *t, void (*changed)(void *user),
		   void *user);
/** target_is_known() - it is known whether it is open */
bool target_is_known(const struct target_watch *t);
/** target_is_blind() - it is its Pods, and they may not be looked at */
bool target_is_blind(const struct target_watch *t);
/** target_is_open() - somebody is there who takes callers, or may be */
bool target_is_open(const struct target_watch *t);
/**
 * target_reach() - where a new connection to @c goes
 * Return: 0, and @host is a name (borrowed) or NULL, for @to->addr; @to->port
 * in either case. -ECONNREFUSED: nobody is there.
 */
KT_CHECK int target_reach(struct target_watch *t,
			  const struct forward_choice *c, struct ipport *to,
			  const char **host);

/** target_has() - a conversation with @addr may go on: of Pods that are
 *  followed, it is one's; else it is where new ones go */
bool target_has(const struct target_watch *t, const struct ipaddr *addr);

/** target_query() - a label selector as a query, escaped, of a workload's
 *  spec.selector (returned, caller frees); NULL: it selects nothing */
char *target_query(const json_t *selector);

#endif
