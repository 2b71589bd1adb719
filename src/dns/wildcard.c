/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wildcard.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define DOMAINS_MAX 8
#define KEPT (60 * NS_SEC)

struct wildcard {
	struct dns_wildcards *all;
	struct dns_name domain; /* len 0: free */
	enum dns_wildcard state;
	int64_t until;
	struct dns_exchange *exchange;
	struct list waiters;
};

struct dns_wildcards {
	struct loop *loop;
	struct dns_client *upstream;
	struct wildcard v[DOMAINS_MAX];
};

struct dns_wildcards *dns_wildcards_new(struct loop *l, struct dns_client *u)
{
	struct dns_wildcards *ws = xcalloc(1, sizeof(*ws));

	ws->loop = l;
	ws->upstream = u;
	for (size_t i = 0; i < DOMAINS_MAX; i++) {
		ws->v[i].all = ws;
		list_init(&ws->v[i].waiters);
	}
	return ws;
}

void dns_wildcards_flush(struct dns_wildcards *ws)
{
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		ws->v[i].until = 0;
}

void dns_wildcards_free(struct dns_wildcards *ws)
{
	if (!ws)
		return;
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		dns_exchange_cancel(ws->v[i].exchange);
	loop_defer_free(ws->loop, ws);
}

static struct wildcard *wildcard_find(const struct dns_wildcards *ws,
				      const struct dns_name *domain)
{
	for (size_t i = 0; i < DOMAINS_MAX; i++)
		if (ws->v[i].domain.len &&
		    dns_name_eq(&ws->v[i].domain, domain))
			return (struct wildcard *)(uintptr_t)&ws->v[i];
	return NULL;
}

enum dns_wildcard dns_wildcard_of(const struct dns_wildcards *ws,
				  const struct dns_name *domain)
{
	const struct wildcard *w = wildcard_find(ws, domain);

	return w && !w->exchange && w->until > loop_now(ws->loop)
		       ? w->state
		       : DNS_WILDCARD_UNKNOWN;
}

static void on_wildcard(void *user, int rc, const uint8_t *msg, size_t len)
{
	struct wildcard *w = user;
	struct dns_hdr h;
	bool yes = rc == 0 && dns_hdr_read(&h, msg, len) == 0 &&
		   dns_hdr_rcode(&h) == DNS_NOERROR;

	w->exchange = NULL;
	w->state = yes ? DNS_WILDCARD_YES : DNS_WILDCARD_NO;
	w->until = loop_now(w->all->loop) + KEPT;
	while (!list_empty(&w->waiters)) {
		struct dns_wildcard_waiter *one = container_of(
			w->waiters.next, struct dns_wildcard_waiter, node);

		dns_wildcard_cancel(one);
		one->fn(one);
	}
}

/* "kt-<16 random digits>.corp.test" */
static ssize_t wildcard_question(const struct dns_name *domain, uint8_t *out,
				 size_t cap)
{
	struct dns_query q = { .flags = DNS_RD,
			       .type = DNS_A,
			       .klass = DNS_IN };
	struct dns_name label;
	uint64_t random;
	char text[32];

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(text, sizeof(text), "kt-%016llx", (unsigned long long)random);
	if (dns_name_parse(&label, text) < 0 ||
	    dns_name_join(&q.name, &label, domain) < 0)
		return -EINVAL;
	return dns_query_build(&q, out, cap);
}

static struct wildcard *wildcard_slot(struct dns_wildcards *ws,
				      const struct dns_name *domain)
{
	struct wildcard *w = wildcard_find(ws, domain);

	for (size_t i = 0; !w && i < DOMAINS_MAX; i++)
		if (!ws->v[i].exchange && ws->v[i].until <= loop_now(ws->loop))
			w = &ws->v[i];
	if (w)
		w->domain = *domain;
	return w;
}

int dns_wildcard_ask(struct dns_wildcards *ws, const struct dns_name *domain,
		     const struct ipport *server,
		     struct dns_wildcard_waiter *waiter, dns_wildcard_fn fn)
{
	struct wildcard *w = wildcard_slot(ws, domain);
	uint8_t msg[512];
	ssize_t n;
	int rc = 0;

	if (!w)
		return -EBUSY;
	if (!w->exchange) {
		n = wildcard_question(domain, msg, sizeof(msg));
		rc = n < 0 ? (int)n
			   : dns_exchange_start(ws->upstream, server,
						DNS_OVER_UDP, DNS_WAY_PAST, msg,
						(size_t)n, on_wildcard, w,
						&w->exchange);
	}
	if (rc < 0)
		return rc;
	waiter->fn = fn;
	list_add_tail(&w->waiters, &waiter->node);
	return 0;
}

void dns_wildcard_cancel(struct dns_wildcard_waiter *w)
{
	if (!w->node.next)
		return;
	list_del(&w->node);
	w->node.next = NULL;
}
