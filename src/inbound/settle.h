/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_SETTLE_H
#define KT_INBOUND_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Does anybody come here still?
 *
 * When another Pod has taken a place, nodes learn of it one after the other. On
 * two busy processors kube-proxy had not made 3 of 10 changes after 2 s, and
 * some not after 5 s; on busier ones it takes longer. So a Pod is left not
 * before ten seconds, nor as long as new callers come to it.
 */

struct settle {
	int64_t until;
	size_t came;
};

/** settle_begin() - @came: how many callers there were so far */
void settle_begin(struct settle *s, int64_t now, size_t came);
/** settle_is_over() - asked again and again, with the present number */
bool settle_is_over(struct settle *s, int64_t now, size_t came);

#endif
