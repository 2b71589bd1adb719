/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/flight.h"

#include "base/loop.h"

#define MIN_WINDOW (10 * NS_SEC) /* how long a smallest round trip counts */

void flight_init(struct flight *f, size_t cap)
{
	*f = (struct flight){ .cap = cap };
}

void flight_reset(struct flight *f)
{
	flight_init(f, f->cap);
}

void flight_sent(struct flight *f, uint64_t end, uint64_t acked, int64_t now)
{
	if (f->sampling)
		return;
	f->sampling = true;
	f->mark = end;
	f->mark_acked = acked;
	f->mark_time = now;
}

void flight_rtt(struct flight *f, int64_t ns, int64_t now)
{
	if (ns <= 0)
		ns = 1;
	f->rtt = f->rtt ? f->rtt + (ns - f->rtt) / 8 : ns;
	if (now - f->min_since > MIN_WINDOW) {
		f->min_prev = f->min_cur;
		f->min_cur = 0;
		f->min_since = now;
	}
	if (!f->min_cur || ns < f->min_cur)
		f->min_cur = ns;
	f->rtt_min = f->min_cur;
	if (f->min_prev && f->min_prev < f->min_cur)
		f->rtt_min = f->min_prev;
}

void flight_acked(struct flight *f, uint64_t ack, int64_t now)
{
	int64_t ns = now - f->mark_time;

	if (!f->sampling || ack < f->mark)
		return;
	f->sampling = false;
	flight_rtt(f, ns, now);
	if (ns > 0)
		f->rate = (uint64_t)((double)(ack - f->mark_acked) *
				     (double)NS_SEC / (double)ns);
}

size_t flight_window(const struct flight *f)
{
	return f->cap;
}
