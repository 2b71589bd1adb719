/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/retry.h"

#include "base/loop.h"
#include "base/mem.h"

#define PATIENCE_MIN (2 * NS_SEC)
#define PATIENCE_STEPS 3U /* 2, 4, 8 s, and again */

int64_t retry_pause(unsigned int failures, uint32_t chance)
{
	unsigned int steps = failures ? MIN(failures - 1, 8U) : 0;
	int64_t most = MIN((RETRY_MIN << steps) / 2 * 3, RETRY_MAX);
	int64_t least = MAX(most / 3 * 2, RETRY_MIN);

	return least + (int64_t)(chance % 1024) * (most - least) / 1023;
}

int64_t retry_patience(unsigned int failures, int64_t whole_ns)
{
	return MIN(PATIENCE_MIN << failures % PATIENCE_STEPS, whole_ns);
}
