/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_PACE_H
#define KT_TUNNEL_PACE_H

#include "base/loop.h"
#include "wire/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Pace
 *
 * When the bytes of one connection may pass, for a fault with latency and rate.
 * It holds no bytes: what waits stays with the relay, whose window bounds it,
 * and what may not be sent yet is not read. Down is from the cluster: there the
 * latency is. The order is kept, whatever the jitter.
 */

struct pace;

/** pace_delay() - the latency of @f, with its jitter; @random: any number */
int64_t pace_delay(const struct fault *f, uint64_t random);

/** pace_new() - @seed: of the jitter; NULL: no memory */
struct pace *pace_new(struct loop *loop, const struct fault *f, uint64_t seed);
/** pace_start() - @wake: something may pass that had to wait; from the loop */
void pace_start(struct pace *p, void (*wake)(void *user), void *user);
/** pace_free() - NULL is allowed */
void pace_free(struct pace *p);

/** pace_cuts() - the connection is reset with its first bytes */
bool pace_cuts(const struct pace *p);

/** pace_up() - how many of @n bytes may be read now to be sent; 0: wake()
 *  follows. pace_up_took() - so many were */
size_t pace_up(struct pace *p, size_t n);
void pace_up_took(struct pace *p, size_t n);

/** pace_down_came() - @n bytes; 0: the end */
void pace_down_came(struct pace *p, size_t n);
/** pace_down() - how many of the bytes that came may pass now. To be followed
 *  by pace_down_took(): so many did; wake() follows when there are others and
 *  @more could be taken */
size_t pace_down(struct pace *p);
void pace_down_took(struct pace *p, size_t n, bool more);
/** pace_holds() - bytes, or the end, have to wait */
bool pace_holds(const struct pace *p);

#endif
