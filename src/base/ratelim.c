/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ratelim.h"

#include "base/loop.h"

void ratelim_init(struct ratelim *r, uint64_t burst, uint64_t rate)
{
	*r = (struct ratelim){ .burst = burst, .rate = rate, .left = burst };
}

static void ratelim_gain(struct ratelim *r, int64_t now)
{
	int64_t each = NS_SEC / (int64_t)r->rate;
	uint64_t gained;

	if (now <= r->at)
		return;
	gained = (uint64_t)((now - r->at) / each);
	if (gained >= r->burst - r->left) {
		r->left = r->burst;
		r->at = now;
		return;
	}
	r->left += gained;
	r->at += (int64_t)gained * each; /* the rest is not lost */
}

bool ratelim_take(struct ratelim *r, int64_t now, uint64_t n)
{
	ratelim_gain(r, now);
	if (r->left < n)
		return false;
	r->left -= n;
	return true;
}
