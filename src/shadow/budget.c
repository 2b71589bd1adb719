/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/budget.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/memlimit.h"

#define TOTAL_MAX ((uint64_t)512 << 20)

void budget_init(struct budget *b, size_t total)
{
	uint64_t memory = total ? 0 : memlimit_get();

	if (!total)
		total = memory ? (size_t)MIN(memory / 2, TOTAL_MAX)
			       : (size_t)TOTAL_MAX;
	*b = (struct budget){ .total = total };
}

static size_t budget_cost(const struct session_config *cfg, unsigned int share)
{
	return cfg->buffers / 4 * share + cfg->replay_max;
}

static size_t scale(size_t n, size_t by, size_t of)
{
	return (size_t)((uint64_t)n * by / of);
}

static size_t budget_left(const struct budget *b)
{
	return b->taken < b->total ? b->total - b->taken : 0;
}

bool budget_is_short_without(const struct budget *b, size_t bytes)
{
	const struct budget then = { .total = b->total,
				     .taken = b->taken - MIN(bytes, b->taken) };

	return budget_left(&then) / 2 < BUDGET_LEAST;
}

bool budget_is_short(const struct budget *b)
{
	return budget_is_short_without(b, 0);
}

bool budget_grants(const struct budget *b, const struct session_config *cfg,
		   unsigned int share)
{
	return budget_cost(cfg, share) <= budget_left(b) / 2;
}

size_t budget_take(struct budget *b, struct session_config *cfg,
		   unsigned int share)
{
	size_t want = budget_cost(cfg, share);
	size_t may = MAX(budget_left(b) / 2, MIN(BUDGET_LEAST, want));

	if (may == BUDGET_LEAST && want > may && !b->told) {
		b->told = true;
		log_warn("the clients' buffers have %zu MiB of %zu: each that "
			 "comes gets %zu KiB (SHADOW_BUFFERS)",
			 b->taken >> 20, b->total >> 20, BUDGET_LEAST >> 10);
	}
	if (want > may) {
		cfg->buffers = scale(cfg->buffers, may, want);
		cfg->replay_max = scale(cfg->replay_max, may, want);
		cfg->inflight_max = MIN(cfg->inflight_max, cfg->replay_max);
		want = may;
	}
	b->taken += want;
	return want;
}

void budget_give(struct budget *b, size_t bytes)
{
	b->taken -= MIN(bytes, b->taken);
	if (b->taken < b->total / 2)
		b->told = false;
}
