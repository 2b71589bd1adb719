/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_LISTENER_H
#define KT_SHADOW_LISTENER_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

/** struct listener - accepts TCP connections; out of descriptors, it drops the
 *  caller instead of spinning (a spare descriptor is kept for that) */
struct listener {
	struct watch watch; /* owns the fd */
	int spare;
	void (*accepted)(void *user, int fd); /* @fd is taken */
	void *user;
};

/** listener_start() - 0, or -errno with @err */
KT_CHECK int listener_start(struct listener *l, struct loop *loop,
			    const struct ipport *at,
			    void (*accepted)(void *user, int fd), void *user,
			    struct kt_error *err);
void listener_stop(struct listener *l);

#endif
