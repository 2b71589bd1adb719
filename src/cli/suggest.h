/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_SUGGEST_H
#define KT_CLI_SUGGEST_H

#include <stddef.h>

/** struct suggest - the known word nearest to a wrong one */
struct suggest {
	const char *word; /* what the user wrote, borrowed */
	size_t len;
	const char *best; /* borrowed, NULL while nothing is near */
	size_t distance;
};

/** suggest_init() - @len bytes of @word */
void suggest_init(struct suggest *s, const char *word, size_t len);
/** suggest_offer() - @candidate is kept when it is nearer than the best */
void suggest_offer(struct suggest *s, const char *candidate);

#endif
