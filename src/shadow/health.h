/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_HEALTH_H
#define KT_SHADOW_HEALTH_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

struct health;

/** health_new() - answer the kubelet's probe on @at: 200 to GET /healthz; NULL
 *  with @err */
struct health *health_new(struct loop *loop, const struct ipport *at,
			  struct kt_error *err);
void health_free(struct health *h);

#endif
