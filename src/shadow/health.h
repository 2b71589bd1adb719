/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_HEALTH_H
#define KT_SHADOW_HEALTH_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

#include <stdbool.h>

struct health;

/** health_new() - answer the kubelet's probe on @at: 200 to GET /healthz, or
 *  503 as long as @ready(@user) says no; NULL with @err */
struct health *health_new(struct loop *loop, const struct ipport *at,
			  bool (*ready)(void *user), void *user,
			  struct kt_error *err);
void health_free(struct health *h);

#endif
