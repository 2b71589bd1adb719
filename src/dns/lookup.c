/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/lookup.h"

#include "base/log.h"
#include "base/mem.h"
#include "dns/cache.h"

#include <errno.h>
#include <string.h>

#define IN_FLIGHT_MAX 1024
#define LATE_LIMIT (10 * NS_SEC) /* then it is given up for lost */

/* one question on its way to the cluster; lives until done() was called */
struct ask {
	struct dns_lookup *owner; /* NULL: freed; nothing to do but go */
	struct list node;
	struct list waiters;
	struct dns_key key;
	struct timer timer; /* for the waiters */
	int64_t sent;
	bool late;
};

struct dns_lookup {
	struct loop *loop;
	const struct dns_cluster_ops *ops;
	void *user;
	struct dns_cache *cache;
	struct list asks;
	size_t in_flight;
	int64_t rtt;
	bool suspect;
	uint8_t scratch[DNS_MSG_MAX];
};

struct dns_lookup *dns_lookup_new(struct loop *l,
				  const struct dns_cluster_ops *ops, void *user,
				  uint32_t cache_ttl)
{
	struct dns_lookup *lu = xcalloc(1, sizeof(*lu));

	lu->loop = l;
	lu->ops = ops;
	lu->user = user;
	lu->cache = dns_cache_new(cache_ttl);
	list_init(&lu->asks);
	return lu;
}

void dns_lookup_free(struct dns_lookup *lu)
{
	struct list *p, *tmp;

	if (!lu)
		return;
	list_for_each_safe (p, tmp, &lu->asks) {
		struct ask *a = container_of(p, struct ask, node);

		while (!list_empty(&a->waiters))
			list_del(a->waiters.next);
		loop_timer_stop(&a->timer);
		list_del(&a->node);
		a->owner = NULL; /* its done() is still to come */
	}
	dns_cache_free(lu->cache);
	loop_defer_free(lu->loop, lu);
}

void dns_lookup_flush(struct dns_lookup *lu)
{
	dns_cache_flush(lu->cache);
}

int64_t dns_lookup_rtt(const struct dns_lookup *lu)
{
	return lu->rtt;
}

bool dns_lookup_suspect(const struct dns_lookup *lu)
{
	return lu->suspect || (lu->ops->ready && !lu->ops->ready(lu->user));
}

void dns_lookup_cancel(struct dns_waiter *w)
{
	if (w->fn)
		list_del(&w->node);
	w->fn = NULL;
}

static void call_waiters(struct ask *a, int rc, const uint8_t *msg, size_t len)
{
	while (!list_empty(&a->waiters)) {
		struct dns_waiter *w =
			container_of(a->waiters.next, struct dns_waiter, node);
		dns_waiter_fn fn = w->fn;

		dns_lookup_cancel(w);
		fn(w, rc, msg, len);
	}
}

static void lookup_on_timeout(struct timer *t)
{
	struct ask *a = container_of(t, struct ask, timer);
	struct dns_lookup *lu = a->owner;

	lu->suspect = true;
	a->late = true;
	call_waiters(a, -ETIMEDOUT, NULL, 0);
}

static void measure(struct dns_lookup *lu, int64_t took)
{
	lu->rtt = lu->rtt ? (lu->rtt * 7 + took) / 8 : took;
}

/* the reply's question must be ours: the tunnel matches by stream, the name
 * server behind it by id */
static bool is_reply_for(const struct dns_key *k, const uint8_t *msg,
			 size_t len)
{
	struct dns_name n;
	struct dns_hdr h;
	size_t pos = DNS_HDR_LEN;

	if (dns_hdr_read(&h, msg, len) < 0 || !(h.flags & DNS_QR))
		return false;
	return h.count[0] == 0 || (dns_name_read(msg, len, &pos, &n) == 0 &&
				   dns_name_eq(&n, &k->name));
}

static void lookup_on_done(void *arg, int rc, const uint8_t *msg, size_t len)
{
	struct ask *a = arg;
	struct dns_lookup *lu = a->owner;

	if (!lu) {
		free(a);
		return;
	}
	loop_timer_stop(&a->timer);
	list_del(&a->node);
	lu->in_flight--;
	if (rc == 0 && !is_reply_for(&a->key, msg, len))
		rc = -EBADMSG;
	if (rc == 0) {
		int64_t now = clock_ns();

		if (!a->late)
			measure(lu, now - a->sent);
		lu->suspect = false;
		dns_cache_put(lu->cache, &a->key, msg, len, now);
	} else {
		log_debug("dns: cluster gave no answer: %s", strerror(-rc));
	}
	call_waiters(a, rc, msg, len);
	free(a);
}

/* a late question is still on its way: asking again would not be faster */
static struct ask *find_ask(struct dns_lookup *lu, const struct dns_key *k)
{
	struct list *p;

	list_for_each (p, &lu->asks) {
		struct ask *a = container_of(p, struct ask, node);

		if (dns_key_eq(&a->key, k) && clock_ns() - a->sent < LATE_LIMIT)
			return a;
	}
	return NULL;
}

static int start_ask(struct dns_lookup *lu, const struct dns_query *q,
		     struct ask **out)
{
	uint8_t msg[DNS_UDP_PLAIN];
	struct dns_query ask = *q;
	struct ask *a;
	ssize_t n;
	int rc;

	if (lu->ops->ready && !lu->ops->ready(lu->user))
		return -ENETDOWN;
	if (lu->in_flight >= IN_FLIGHT_MAX)
		return -EBUSY;
	ask.id = 0;   /* RFC 8484 section 4.1: the stream is the identity */
	if (ask.edns) /* the tunnel carries any size; the client's is ours */
		ask.udp_size = 4096;
	dns_name_lower(&ask.name);
	n = dns_query_build(&ask, msg, sizeof(msg));
	if (n < 0)
		return (int)n;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->owner = lu;
	a->key = dns_key_of(&ask);
	a->sent = clock_ns();
	list_init(&a->waiters);
	rc = lu->ops->query(lu->user, msg, (size_t)n, lookup_on_done, a);
	if (rc < 0) {
		free(a);
		return rc;
	}
	list_add_head(&lu->asks, &a->node);
	lu->in_flight++;
	*out = a;
	return 0;
}

ssize_t dns_lookup_ask(struct dns_lookup *lu, const struct dns_query *q,
		       int64_t limit_ns, struct dns_waiter *w, dns_waiter_fn fn,
		       const uint8_t **msg)
{
	struct dns_key key = dns_key_of(q);
	ssize_t n = dns_cache_get(lu->cache, &key, clock_ns(), lu->scratch);
	struct ask *a;
	int rc;

	if (n > 0) {
		*msg = lu->scratch;
		return n;
	}
	a = find_ask(lu, &key);
	if (!a) {
		rc = start_ask(lu, q, &a);
		if (rc < 0)
			return rc;
	}
	if (!loop_timer_active(&a->timer))
		loop_timer_start(lu->loop, &a->timer, limit_ns,
				 lookup_on_timeout);
	w->fn = fn;
	list_add_tail(&a->waiters, &w->node);
	return 0;
}
