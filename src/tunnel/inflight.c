/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/inflight.h"

#include "base/loop.h"
#include "base/mem.h"

#define INFLIGHT_QUEUE (150 * NS_MS)
#define MIN_AGE (10 * NS_SEC)
#define RATE_AGE (2 * NS_SEC)
#define RATE_MAX 1e18

void inflight_init(struct inflight *f, size_t cap)
{
	*f = (struct inflight){ .cap = cap };
}

void inflight_reset(struct inflight *f)
{
	inflight_init(f, f->cap);
}

void inflight_sent(struct inflight *f, uint64_t end, uint64_t acked,
		   int64_t now)
{
	if (f->sampling)
		return;
	f->sampling = true;
	f->queued = end - acked > INFLIGHT_MIN;
	f->mark = end;
	f->mark_acked = acked;
	f->mark_time = now;
}

static void saw_rtt(struct inflight *f, int64_t ns, bool queued, int64_t now)
{
	f->rtt = f->rtt ? f->rtt + (ns - f->rtt) / 8 : ns;
	if (queued && f->rtt_min && ns >= f->rtt_min)
		return;
	if (now - f->min_since > MIN_AGE) {
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

static void saw_rate(struct inflight *f, uint64_t rate, int64_t now)
{
	f->rate = rate;
	f->rate_mean = f->rate_mean ? f->rate_mean / 4 * 3 + rate / 4 : rate;
	if (now - f->rate_since > RATE_AGE) {
		f->rate_prev = f->rate_cur;
		f->rate_cur = 0;
		f->rate_since = now;
	}
	f->rate_cur = MAX(f->rate_cur, rate);
}

void inflight_rtt(struct inflight *f, int64_t ns, int64_t now)
{
	saw_rtt(f, MAX(ns, 1), false, now);
}

void inflight_acked(struct inflight *f, uint64_t ack, int64_t now)
{
	int64_t ns = MAX(now - f->mark_time, 1);
	double rate;

	if (!f->sampling || ack < f->mark)
		return;
	f->sampling = false;
	saw_rtt(f, ns, f->queued, now);
	rate = (double)(ack - f->mark_acked) * (double)NS_SEC / (double)ns;
	saw_rate(f, (uint64_t)MIN(rate, RATE_MAX), now);
}

size_t inflight_window(const struct inflight *f)
{
	return inflight_window_of(f, 1);
}

size_t inflight_window_of(const struct inflight *f, size_t n)
{
	double rate = (double)MAX(f->rate_cur, f->rate_prev);
	double time =
		(double)(2 * f->rtt_min + INFLIGHT_QUEUE) / (double)NS_SEC;

	size_t least = INFLIGHT_MIN / MAX(n, (size_t)1);

	return (size_t)MIN(MAX(rate * time, (double)least), (double)f->cap);
}
