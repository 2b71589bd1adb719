/* SPDX-License-Identifier: Apache-2.0 */
#include "control/once.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "control/eventjson.h"
#include "kube/rest.h"

#include <string.h>

#define ONCE_BITS 64

/* One router: which of its last numbers were told. The bit of a number is at
 * its place modulo ONCE_WINDOW (as in RFC 6479). */
struct once_router {
	char id[EVENT_SHADOW_MAX];
	uint64_t top; /* the highest number so far */
	uint64_t used;
	uint64_t told[ONCE_WINDOW / ONCE_BITS];
};

struct once_held {
	struct list node;
	json_t *event;
	int64_t due;
};

struct once {
	void (*tell)(void *user, json_t *event);
	void *user;
	struct once_router *router[ONCE_ROUTERS];
	uint64_t uses;
	struct list held; /* the oldest first */
	size_t nheld;
};

struct once *once_new(void (*tell)(void *user, json_t *event), void *user)
{
	struct once *o = xcalloc(1, sizeof(*o));

	o->tell = tell;
	o->user = user;
	list_init(&o->held);
	return o;
}

/* --- what was told -------------------------------------------------------- */

static struct once_router *once_router_of(struct once *o, const char *id)
{
	struct once_router **at = &o->router[0], *r;

	for (size_t i = 0; i < ONCE_ROUTERS; i++) {
		r = o->router[i];
		if (r && strcmp(r->id, id) == 0) {
			r->used = ++o->uses;
			return r;
		}
		/* a free place, or that of the one used longest ago */
		if (*at && (!r || r->used < (*at)->used))
			at = &o->router[i];
	}
	free(*at);
	r = *at = xcalloc(1, sizeof(*r));
	snprintf(r->id, sizeof(r->id), "%s", id);
	r->used = ++o->uses;
	return r;
}

static uint64_t *once_word(struct once_router *r, uint64_t seq, uint64_t *bit)
{
	*bit = (uint64_t)1 << (seq % ONCE_BITS);
	return &r->told[seq % ONCE_WINDOW / ONCE_BITS];
}

/* Was @seq told before? It is, now. What is too old to be known was not. */
static bool once_mark(struct once_router *r, uint64_t seq)
{
	uint64_t bit, *word, at = r->top;
	bool told;

	if (seq > r->top + ONCE_WINDOW)
		memset(r->told, 0, sizeof(r->told));
	else
		while (at < seq) {
			word = once_word(r, ++at, &bit);
			*word &= ~bit;
		}
	if (seq + ONCE_WINDOW <= r->top)
		return false;
	r->top = MAX(r->top, seq);
	word = once_word(r, seq, &bit);
	told = *word & bit;
	*word |= bit;
	return told;
}

/* --- what waits ----------------------------------------------------------- */

static void once_drop(struct once *o, struct once_held *w)
{
	list_del(&w->node);
	o->nheld--;
	json_decref(w->event);
	free(w);
}

void once_free(struct once *o)
{
	if (!o)
		return;
	while (!list_empty(&o->held))
		once_drop(o,
			  container_of(o->held.next, struct once_held, node));
	for (size_t i = 0; i < ONCE_ROUTERS; i++)
		free(o->router[i]);
	free(o);
}

static struct once_held *once_find(const struct once *o, const char *id)
{
	struct list *n;

	list_for_each (n, &o->held) {
		struct once_held *w = container_of(n, struct once_held, node);

		if (str_eq(json_str(w->event, "id", NULL), id))
			return w;
	}
	return NULL;
}

static void once_tell_held(struct once *o, struct once_held *w)
{
	json_t *event = json_incref(w->event);

	once_drop(o, w);
	o->tell(o->user, event);
	json_decref(event);
}

static void once_hold(struct once *o, json_t *event, int64_t now)
{
	struct once_held *w = xcalloc(1, sizeof(*w));

	if (o->nheld == ONCE_HELD)
		once_tell_held(
			o, container_of(o->held.next, struct once_held, node));
	w->event = json_incref(event);
	w->due = now + ONCE_WAIT;
	list_add_tail(&o->held, &w->node);
	o->nheld++;
}

int64_t once_due(const struct once *o)
{
	return list_empty(&o->held)
		       ? -1
		       : container_of(o->held.next, struct once_held, node)
				 ->due;
}

void once_flush(struct once *o, int64_t now)
{
	while (!list_empty(&o->held) && once_due(o) <= now)
		once_tell_held(
			o, container_of(o->held.next, struct once_held, node));
}

/* --- what comes ----------------------------------------------------------- */

void once_add(struct once *o, json_t *event, bool alone, int64_t now)
{
	const char *by = json_str(event, "answered", NULL);
	char router[EVENT_SHADOW_MAX];
	struct once_held *waits;
	uint64_t seq;
	bool told;

	if (!eventjson_id(event, router, &seq)) {
		o->tell(o->user, event);
		return;
	}
	told = once_mark(once_router_of(o, router), seq);
	waits = told ? once_find(o, json_str(event, "id", NULL)) : NULL;
	if (str_eq(by, "local")) {
		if (waits)
			once_drop(o, waits);
		o->tell(o->user, event);
	} else if (!told && !alone && str_eq(by, "other")) {
		once_hold(o, event, now);
	} else if (!told) {
		o->tell(o->user, event);
	}
}
