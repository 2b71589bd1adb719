/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/settle.h"

#include "base/loop.h"
#include "base/mem.h"

#define SETTLE_MIN (10 * NS_SEC)
#define SETTLE_QUIET (3 * NS_SEC) /* nobody new for so long */

void settle_begin(struct settle *s, int64_t now, size_t came)
{
	*s = (struct settle){ now + SETTLE_MIN, came };
}

bool settle_is_over(struct settle *s, int64_t now, size_t came)
{
	if (came != s->came)
		s->until = MAX(s->until, now + SETTLE_QUIET);
	s->came = came;
	return now >= s->until;
}
