/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_HEALTHZ_H
#define KT_GATE_HEALTHZ_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct healthz;

/** healthz_new() - whoever asks on @port, of every address, is answered 200: a
 *  kubelet's readiness probe. NULL with @err. */
struct healthz *healthz_new(struct loop *l, uint16_t port,
			    struct kt_error *err);
/** healthz_set_ready() - 503 as long as @ready says no */
void healthz_set_ready(struct healthz *h, bool (*ready)(void *user),
		       void *user);
void healthz_free(struct healthz *h); /* NULL is allowed */

#endif
