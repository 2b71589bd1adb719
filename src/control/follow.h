/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_FOLLOW_H
#define KT_CONTROL_FOLLOW_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Following the events of this machine's sessions
 *
 * Of those that run, and of those that begin later: their sockets are looked
 * for every second. Events of one session come in their order, those of several
 * as they come.
 */

struct follow;
struct home;
struct loop;

struct follow_config {
	struct loop *loop;
	const struct home *home;
	char *const *ids; /* those alone (borrowed), or NULL: all */
	size_t nids;
	int64_t since; /* seconds: so old ones come too, as far as they are
			  kept */
	/** event() - a line of docs/schema/event.json; borrowed */
	void (*event)(void *user, json_t *event);
	/** ended() - session @id tells no more: it has ended (@why NULL), or
	 *  does not tell, and why */
	void (*ended)(void *user, const char *id, const char *why);
	void *user;
};

/** follow_start() - @cfg is copied; events come from the loop */
struct follow *follow_start(const struct follow_config *cfg);
/** follow_count() - how many sessions tell, or have not answered yet */
size_t follow_count(const struct follow *f);
/** follow_unheard() - how many sessions have not said that they tell: they were
 *  asked, or cannot be reached */
size_t follow_unheard(const struct follow *f);
/** follow_stop() - NULL is allowed; not from inside event() or ended() */
void follow_stop(struct follow *f);

#endif
