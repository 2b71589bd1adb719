/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/events.h"

#include "base/mem.h"
#include "base/str.h"

#include <ifaddrs.h>
#include <net/if.h>

#define EVENTS_OWN 8

struct events_kept {
	struct event event;
	uint64_t client;
};

struct events {
	char id[EVENTS_ID_LEN + 1];
	uint64_t n; /* so far: the last one has this number */
	struct events_kept *ring;
	struct ipaddr own[EVENTS_OWN];
	size_t nown;
};

static void events_find_own(struct events *e)
{
	struct ifaddrs *all;
	struct ipport at;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i && e->nown < EVENTS_OWN;
	     i = i->ifa_next)
		if (i->ifa_addr && !(i->ifa_flags & IFF_LOOPBACK) &&
		    ipport_from_sockaddr(&at, i->ifa_addr) == 0)
			e->own[e->nown++] = at.addr;
	freeifaddrs(all);
}

struct events *events_new(void)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	str_random(e->id, EVENTS_ID_LEN);
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	free(e->ring);
	free(e);
}

const char *events_id(const struct events *e)
{
	return e->id;
}

static bool events_is_own(const struct events *e, const struct ipaddr *from)
{
	for (size_t i = 0; i < e->nown; i++)
		if (ipaddr_eq(&e->own[i], from))
			return true;
	return false;
}

void events_add(struct events *e, const struct event *ev, uint64_t client)
{
	struct events_kept *k;

	if (!e->ring) {
		e->ring = calloc(EVENTS_KEPT, sizeof(*e->ring));
		if (!e->ring)
			return;
		events_find_own(e);
	}
	if (!*ev->trace && events_is_own(e, &ev->from))
		return;
	k = &e->ring[e->n++ % EVENTS_KEPT];
	k->event = *ev;
	k->event.seq = e->n;
	k->client = client;
}

size_t events_read(const struct events *e, uint64_t client, uint64_t *next,
		   struct buf *out, size_t max)
{
	size_t n = 0;

	if (e->n - *next > EVENTS_KEPT)
		*next = e->n - EVENTS_KEPT;
	while (*next < e->n && out->len < max) {
		const struct events_kept *k = &e->ring[*next % EVENTS_KEPT];
		struct event ev = k->event;

		if (ev.by == EVENT_OTHER && k->client == client)
			ev.by = EVENT_LOCAL;
		/* one that fits into no line is a number that is missing */
		n += event_put(out, &ev) == 0;
		++*next;
	}
	return n;
}
