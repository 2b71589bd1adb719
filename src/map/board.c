/* SPDX-License-Identifier: Apache-2.0 */
#include "map/board.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define BOARD_STATE_MAX ((size_t)64 << 20)

static const char *const board_names[BOARD_NPARTS_] = {
	"map", "birdseye", "status", "traffic", "beat",
};

void board_text_put(struct board_text *t)
{
	if (t && --t->refs == 0)
		free(t);
}

void board_fini(struct board *f)
{
	for (size_t i = 0; i < BOARD_NPARTS_; i++)
		board_text_put(f->part[i]);
	*f = (struct board){ 0 };
}

/* JSON of jansson has no line end but those that it is asked for */
static struct board_text *board_text_new(const char *name, const char *json)
{
	int head = snprintf(NULL, 0, "event: %s\ndata: ", name);
	size_t n = strlen(json), len = (size_t)head + n + 2;
	struct board_text *t = xmalloc(sizeof(*t) + len + 1);

	*t = (struct board_text){ 1, len, (size_t)head, n };
	snprintf(t->text, len + 1, "event: %s\ndata: %s\n\n", name, json);
	return t;
}

static bool board_is_same(const struct board_text *a,
			  const struct board_text *b)
{
	return a && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

bool board_set(struct board *f, enum board_part part, json_t *value)
{
	char *json = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)
			   : NULL;
	struct board_text *t =
		board_text_new(board_names[part], json ? json : "null");
	bool same = board_is_same(f->part[part], t);

	if (!json && !same)
		log_err("map: %s cannot be told", board_names[part]);
	free(json);
	json_decref(value);
	if (same) {
		board_text_put(t);
		return false;
	}
	board_text_put(f->part[part]);
	f->part[part] = t;
	f->turn[part] = ++f->turns;
	return true;
}

struct board_text *board_next(const struct board *f, struct board_seen *seen)
{
	size_t best = BOARD_NPARTS_;

	for (size_t i = 0; i < BOARD_NPARTS_; i++)
		if (f->turn[i] > seen->turn[i] &&
		    (best == BOARD_NPARTS_ || f->turn[i] < f->turn[best]))
			best = i;
	if (best == BOARD_NPARTS_)
		return NULL;
	seen->turn[best] = f->turn[best];
	f->part[best]->refs++;
	return f->part[best];
}

char *board_state(const struct board *f, size_t *len)
{
	struct buf b;
	int rc;

	buf_init(&b, BOARD_STATE_MAX);
	rc = buf_printf(&b, "{\"version\":1");
	for (size_t i = 0; rc == 0 && i < BOARD_NPARTS_; i++) {
		const struct board_text *t = f->part[i];

		rc = buf_printf(&b, ",\"%s\":", board_names[i]);
		if (rc == 0)
			rc = t ? buf_put(&b, t->text + t->json, t->json_len)
			       : buf_printf(&b, "null");
	}
	if (rc == 0)
		rc = buf_printf(&b, "}\n");
	if (rc < 0) {
		buf_fini(&b);
		return NULL;
	}
	*len = b.len; /* nothing was taken from its front */
	return (char *)b.mem;
}
