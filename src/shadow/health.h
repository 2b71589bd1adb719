/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_HEALTH_H
#define KT_SHADOW_HEALTH_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

#include <stdbool.h>

struct buf;
struct health;

/** struct health_ops - what there is to tell; both are set */
struct health_ops {
	/** ready() - to GET /healthz: 200, else 503 */
	bool (*ready)(void *user);
	/** clients() - to GET CLIENTLINE_PATH, of callers from this very Pod
	 *  only: append who is here (wire/clientline.h); 0 or -errno */
	int (*clients)(void *user, struct buf *out);
};

/** health_new() - answer the kubelet's probe, and whoever asks for the clients,
 *  on @at; @ops is borrowed; NULL with @err */
struct health *health_new(struct loop *loop, const struct ipport *at,
			  const struct health_ops *ops, void *user,
			  struct kt_error *err);
void health_free(struct health *h);

#endif
