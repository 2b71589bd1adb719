/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_RATELIM_H
#define KT_BASE_RATELIM_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/** struct ratelim - a token bucket: @burst at once, @rate a second after that
 */
struct ratelim {
	uint64_t burst, rate;
	uint64_t left;
	int64_t at; /* ns, monotonic: what was gained until then is in @left */
};

/** ratelim_init() - a full one; @rate: 1 to 1e9 */
void ratelim_init(struct ratelim *r, uint64_t burst, uint64_t rate);
/** ratelim_take() - @n tokens at the time @now (ns, monotonic). false: there
 *  are not so many, and none was taken */
KT_CHECK bool ratelim_take(struct ratelim *r, int64_t now, uint64_t n);

#endif
