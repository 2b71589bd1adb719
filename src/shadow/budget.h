/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_BUDGET_H
#define KT_SHADOW_BUDGET_H

#include "tunnel/session.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: What all clients may hold
 *
 * A session keeps what was received and nobody took, and what was sent and may
 * have to be sent again. Each has a limit, and here is one for all of them
 * together: a session gets what it wants, at most half of what is left, and in
 * the end BUDGET_LEAST. Its windows are made from that when it begins, since
 * what was granted in HTTP/2 cannot be taken back.
 */

#define BUDGET_LEAST ((size_t)1 << 20)

struct budget {
	size_t total, taken;
	bool told; /* that all of it is taken */
};

/** budget_init() - @total: bytes; 0: half of the memory that this process may
 *  have, 512 MiB at most */
void budget_init(struct budget *b, size_t total);
/** budget_take() - shrink @cfg of a session that gets @share quarters of its
 *  buffers to what may be had; returned: the bytes, for budget_give() */
size_t budget_take(struct budget *b, struct session_config *cfg,
		   unsigned int share);
/** budget_grants() - a session with @cfg and @share would get all it wants */
bool budget_grants(const struct budget *b, const struct session_config *cfg,
		   unsigned int share);
/** budget_is_short() - who comes now gets BUDGET_LEAST */
bool budget_is_short(const struct budget *b);
/** budget_is_short_without() - likewise, when @bytes were given back before */
bool budget_is_short_without(const struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);

#endif
