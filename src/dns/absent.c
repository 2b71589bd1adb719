/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/absent.h"

#include "base/mem.h"
#include "dns/lookup.h"

#define SLOTS 256 /* by the hash; a newer name drives an older one out */
#define LIMIT (900 * NS_MS)

struct absent_slot {
	struct dns_absent *owner;
	struct dns_waiter waiter;
	struct dns_name name;
	int64_t until; /* 0: nothing is known */
	bool asking, absent;
};

struct dns_absent {
	struct loop *loop;
	struct dns_lookup *lookup;
	struct absent_slot slots[SLOTS];
};

struct dns_absent *dns_absent_new(struct loop *l, struct dns_lookup *lu)
{
	struct dns_absent *a = xcalloc(1, sizeof(*a));

	a->loop = l;
	a->lookup = lu;
	for (size_t i = 0; i < SLOTS; i++)
		a->slots[i].owner = a;
	return a;
}

void dns_absent_flush(struct dns_absent *a)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct absent_slot *s = &a->slots[i];

		dns_lookup_cancel(&s->waiter);
		s->asking = false;
		s->until = 0;
	}
}

void dns_absent_free(struct dns_absent *a)
{
	if (!a)
		return;
	dns_absent_flush(a);
	loop_defer_free(a->loop, a);
}

bool dns_absent_has(const struct dns_absent *a, const struct dns_name *name)
{
	const struct absent_slot *s = &a->slots[dns_name_hash(name) % SLOTS];

	return s->absent && s->until > clock_ns() &&
	       dns_name_eq(&s->name, name);
}

static void learn(struct absent_slot *s, int rc, const uint8_t *msg, size_t len)
{
	struct dns_hdr h;

	s->asking = false;
	if (rc < 0 || dns_hdr_read(&h, msg, len) < 0)
		return;
	s->absent = dns_hdr_rcode(&h) == DNS_NXDOMAIN;
	s->until = clock_ns() + DNS_ABSENT_LIFE;
}

static void absent_on_reply(struct dns_waiter *w, int rc, const uint8_t *msg,
			    size_t len)
{
	learn(container_of(w, struct absent_slot, waiter), rc, msg, len);
}

void dns_absent_probe(struct dns_absent *a, const struct dns_name *name)
{
	struct absent_slot *s = &a->slots[dns_name_hash(name) % SLOTS];
	struct dns_query q = {
		.flags = DNS_RD, .name = *name, .type = DNS_A, .klass = DNS_IN
	};
	const uint8_t *msg;
	ssize_t n;

	if (s->asking || (s->until > clock_ns() && dns_name_eq(&s->name, name)))
		return;
	s->name = *name;
	s->until = 0;
	s->asking = true;
	n = dns_lookup_ask(a->lookup, &q, LIMIT, &s->waiter, absent_on_reply,
			   &msg);
	if (n)
		learn(s, n < 0 ? (int)n : 0, msg, n < 0 ? 0 : (size_t)n);
}
