/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_GIVEBACK_H
#define KT_ENV_GIVEBACK_H

#include "kube/client.h"

#include <stdbool.h>

struct home;

/**
 * DOC: A Service without members
 *
 * The router of a Service belongs to no environment: it stays when one ends,
 * and leads everybody to the trunk. Who comes by next, and sees that no living
 * member and no other user of it is left, gives the Service back: its own
 * selector first, then the router goes, and the Service for the origin.
 */

/** struct giveback - all borrowed */
struct giveback {
	struct kube *kube;
	const char *ns;
	const struct home *home; /* whose dead processes are known; or NULL */
	/* say() - one sentence for each thing done; may be NULL */
	void (*say)(void *user, const char *text);
	void *user;
};

/** env_leave_service() - a member of @service is gone. 1: it was the last one,
 *  and the Service is given back; 0: others use it, or it is not taken; -errno
 *  with @err. Waits in the loop, also for somebody's lock. */
KT_CHECK int env_leave_service(const struct giveback *g, const char *service,
			       struct kt_error *err);
/** env_give_back_idle() - all Services of the namespace whose router reads the
 *  table of environments and has nobody left; one that is locked is in use.
 * Also of Services that are not taken, when somebody was killed. How many, or
 * -errno with @err */
KT_CHECK int env_give_back_idle(const struct giveback *g, struct kt_error *err);

/** env_record_is_alive() - somebody is behind @record, of a member or a mesh
 *  user: its environment lives (@live: see env_table_live()), its heartbeat, if
 *  any, is young, and its process is not known to be dead */
bool env_record_is_alive(const json_t *record, const json_t *live, int64_t now,
			 const struct home *home);

#endif
