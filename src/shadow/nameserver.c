/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/nameserver.h"

#include "base/list.h"
#include "base/mem.h"
#include "dns/client.h"

#include <errno.h>
#include <string.h>

#define TRY_NS (2 * NS_SEC)
#define ROUNDS 2
#define MAX_QUERIES 4096

struct nameserver {
	struct loop *loop;
	struct dns_client *client;
	struct ipport server[NAMESERVER_MAX];
	size_t nservers;
	struct list queries;
};

/* A row of tries: server 0, server 1, ..., again server 0, ... */
struct nameserver_query {
	struct nameserver *ns;
	struct list node;
	struct dns_exchange *exchange;
	struct timer next; /* a try that failed at once is followed from it */
	nameserver_fn fn;
	void *user;
	unsigned int tries;
	int last_error;
	bool tcp;
	size_t len;
	uint8_t msg[];
};

static void nameserver_try(struct nameserver_query *q);

void nameserver_cancel(struct nameserver_query *q)
{
	dns_exchange_cancel(q->exchange);
	loop_timer_stop(&q->next);
	list_del(&q->node);
	loop_defer_free(q->ns->loop, q);
}

/* The query is off the list before, so the callback may free the nameserver. */
static void nameserver_give(struct nameserver_query *q, int err,
			    const uint8_t *reply, size_t len)
{
	nameserver_fn fn = q->fn;
	void *user = q->user;

	nameserver_cancel(q);
	fn(user, err, reply, len);
}

static void nameserver_on_end(void *user, int rc, const uint8_t *msg,
			      size_t len)
{
	struct nameserver_query *q = user;

	q->exchange = NULL;
	if (rc == 0) {
		nameserver_give(q, 0, msg, len);
		return;
	}
	q->last_error = rc;
	nameserver_try(q);
}

static void nameserver_on_next(struct timer *t)
{
	nameserver_try(container_of(t, struct nameserver_query, next));
}

static void nameserver_try(struct nameserver_query *q)
{
	struct nameserver *ns = q->ns;
	unsigned int i = q->tries++;
	int rc;

	if (i >= ns->nservers * ROUNDS) {
		nameserver_give(q, q->last_error, NULL, 0);
		return;
	}
	rc = dns_exchange_start(ns->client, &ns->server[i % ns->nservers],
				q->tcp ? DNS_OVER_TCP : DNS_OVER_ANY,
				DNS_WAY_PAST, q->msg, q->len, nameserver_on_end,
				q, &q->exchange);
	if (rc == 0)
		return;
	q->last_error = rc;
	loop_timer_start(ns->loop, &q->next, 0, nameserver_on_next);
}

struct nameserver_query *nameserver_ask(struct nameserver *ns,
					const uint8_t *msg, size_t len,
					bool tcp, nameserver_fn fn, void *user)
{
	struct nameserver_query *q;

	if (len < DNS_HDR_LEN || len > DNS_MSG_MAX) {
		errno = EBADMSG;
		return NULL;
	}
	if (!ns->nservers) {
		errno = ENOENT;
		return NULL;
	}
	q = calloc(1, sizeof(*q) + len);
	if (!q)
		return NULL;
	q->ns = ns;
	q->fn = fn;
	q->user = user;
	q->tcp = tcp;
	q->last_error = -ETIMEDOUT;
	q->len = len;
	memcpy(q->msg, msg, len);
	list_add_tail(&ns->queries, &q->node);
	nameserver_try(q);
	return q;
}

struct nameserver *nameserver_new(struct loop *loop,
				  const struct ipport *servers, size_t n)
{
	const struct dns_client_config cfg = { .limit_ns = TRY_NS,
					       .max = MAX_QUERIES };
	struct nameserver *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return NULL;
	ns->loop = loop;
	ns->client = dns_client_new(loop, &cfg);
	ns->nservers = MIN(n, NAMESERVER_MAX);
	memcpy(ns->server, servers, ns->nservers * sizeof(*servers));
	list_init(&ns->queries);
	return ns;
}

void nameserver_free(struct nameserver *ns)
{
	if (!ns)
		return;
	while (!list_empty(&ns->queries))
		nameserver_cancel(container_of(ns->queries.next,
					       struct nameserver_query, node));
	dns_client_free(ns->client);
	free(ns);
}
