/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_BOARD_H
#define KT_MAP_BOARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: What a page is told
 *
 * A few documents (docs/schema/map.json), each as a whole and as new as it is:
 * a page that reads slowly misses what was in between, and nothing is kept for
 * it. One that comes gets all of them first. Messages are server-sent events
 * (WHATWG HTML, 9.2), their type is the document's name.
 */

enum board_part {
	BOARD_MAP,	/* what is shown, said once */
	BOARD_BIRDSEYE, /* docs/schema/birdseye.json */
	BOARD_STATUS,	/* docs/schema/status.json */
	BOARD_TRAFFIC,	/* rates, and who calls whom */
	BOARD_BEAT,	/* how old all that is; every second */
	BOARD_NPARTS_,
};

/** struct board_text - one message; board_text_put() it */
struct board_text {
	unsigned int refs;
	size_t len;
	size_t json, json_len; /* where the document is in it */
	char text[];
};

struct board {
	struct board_text *part[BOARD_NPARTS_]; /* NULL: nothing yet */
	uint64_t turn[BOARD_NPARTS_];		/* of its last change */
	uint64_t turns;
};

/** struct board_seen - what one page has; starts as { 0 } */
struct board_seen {
	uint64_t turn[BOARD_NPARTS_];
};

void board_fini(struct board *f);
/** board_set() - @value is taken; true: it is another one than before. NULL, or
 *  what cannot be written: null is told, and logged; nothing old stays */
bool board_set(struct board *f, enum board_part part, json_t *value);
/** board_next() - what has changed first since @seen (returned; NULL: nothing)
 */
struct board_text *board_next(const struct board *f, struct board_seen *seen);
void board_text_put(struct board_text *t);
/** board_state() - all of it in one document of @len bytes (returned, caller
 *  frees); what is not there yet is null */
char *board_state(const struct board *f, size_t *len);

#endif
