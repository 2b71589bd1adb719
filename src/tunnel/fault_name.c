/* SPDX-License-Identifier: Apache-2.0 */
/* A target's name, asked of the cluster's DNS again and again. */
#include "tunnel/faults.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define EVERY (5 * NS_SEC) /* the TTL of a Service */
#define PATIENCE (5 * NS_SEC)

static void fault_name_ask(struct fault_name *n);

static void fault_name_on_timer(struct timer *t)
{
	struct fault_name *n = container_of(t, struct fault_name, timer);

	fault_name_ask(n);
}

/* All was asked, or DNS does not answer; then what was known stays true */
static void fault_name_over(struct fault_name *n, int error)
{
	bool had = n->n > 0;

	if (!error || error == -ENOENT) {
		memcpy(n->addr, n->fresh, n->nfresh * sizeof(*n->addr));
		n->n = n->nfresh;
		snprintf(n->full, sizeof(n->full), "%s",
			 n->nfresh ? n->asked : "");
	}
	if (n->known && had != (n->n > 0))
		log_info("fault: the cluster's DNS %s %s",
			 had ? "does not know any more" : "knows again",
			 n->name);
	n->error = error;
	n->known = true;
	n->candidate = 0;
	n->nfresh = 0;
	n->six = n->absent = n->bad = false;
	loop_timer_start(n->loop, &n->timer, EVERY, fault_name_on_timer);
	if (n->done)
		n->done(n->user);
}

static void fault_name_take(struct fault_name *n, const uint8_t *msg,
			    size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;

	if (dns_walk_start(&w, msg, len) < 0)
		return;
	while (dns_walk_next(&w, &rr) == 1) {
		if (rr.section != DNS_ANSWER)
			return;
		if (n->nfresh == FAULT_NAME_ADDRS) {
			if (!n->full_once)
				log_warn("fault: %s has more than %d "
					 "addresses; the others are not hit",
					 n->name, FAULT_NAME_ADDRS);
			n->full_once = true;
			return;
		}
		if (rr.type == DNS_A && rr.rdlen == 4)
			n->fresh[n->nfresh++] = ipaddr_v4(msg + rr.rdata);
		else if (rr.type == DNS_AAAA && rr.rdlen == 16)
			n->fresh[n->nfresh++] = ipaddr_v6(msg + rr.rdata);
	}
}

static void fault_name_on_answer(void *user, int error, const uint8_t *msg,
				 size_t len)
{
	struct fault_name *n = user;
	struct dns_hdr h = { 0 };
	bool there;

	n->query = NULL;
	loop_timer_stop(&n->timer);
	if (!error)
		error = dns_hdr_read(&h, msg, len);
	if (error) {
		n->nfresh = 0;
		fault_name_over(n, error);
		return;
	}
	there = dns_hdr_rcode(&h) == DNS_NOERROR;
	if (there)
		fault_name_take(n, msg, len);
	else if (dns_hdr_rcode(&h) != DNS_NXDOMAIN)
		n->bad = true; /* of a server beyond the cluster, perhaps */
	else
		n->absent = true;
	if (there && !n->six) {
		n->six = true;
	} else if (n->nfresh) {
		fault_name_over(n, 0);
		return;
	} else {
		n->six = false;
		n->candidate++;
	}
	fault_name_ask(n);
}

static void fault_name_on_silence(struct timer *t)
{
	struct fault_name *n = container_of(t, struct fault_name, timer);

	tunnel_dns_cancel(n->query);
	n->query = NULL;
	n->nfresh = 0;
	fault_name_over(n, -ETIME);
}

/* false: there is no such candidate */
static bool fault_name_candidate(struct fault_name *n)
{
	size_t len = strlen(n->name);
	bool whole = n->name[len - 1] == '.';
	size_t last = whole ? 0 : n->search->n;

	if (n->candidate > last)
		return false;
	if (n->candidate == last)
		snprintf(n->asked, sizeof(n->asked), "%.*s",
			 (int)(whole ? len - 1 : len), n->name);
	else
		snprintf(n->asked, sizeof(n->asked), "%s.%s", n->name,
			 n->search->v[n->candidate]);
	return true;
}

static void fault_name_ask(struct fault_name *n)
{
	struct dns_query q = { .flags = DNS_RD,
			       .type = n->six ? DNS_AAAA : DNS_A,
			       .klass = DNS_IN };
	uint8_t msg[DNS_UDP_PLAIN];
	ssize_t len = -1;

	if (!fault_name_candidate(n)) {
		/* what was found once is not lost by an error of a server */
		fault_name_over(n, n->bad && (n->n || !n->absent) ? -EAGAIN
								  : -ENOENT);
		return;
	}
	if (dns_name_parse(&q.name, n->asked) == 0)
		len = dns_query_build(&q, msg, sizeof(msg));
	if (len > 0)
		n->query = tunnel_dns_query(n->tunnel, msg, (size_t)len, false,
					    fault_name_on_answer, n);
	if (n->query) {
		loop_timer_start(n->loop, &n->timer, PATIENCE,
				 fault_name_on_silence);
		return;
	}
	n->nfresh = 0;
	fault_name_over(n, -ENOTCONN); /* the tunnel is away */
}

void fault_name_start(struct fault_name *n, struct loop *loop, struct tunnel *t,
		      const struct strv *search, const char *name,
		      void (*done)(void *user), void *user)
{
	*n = (struct fault_name){ .loop = loop,
				  .tunnel = t,
				  .search = search,
				  .name = name,
				  .done = done,
				  .user = user };
	fault_name_ask(n);
}

void fault_name_stop(struct fault_name *n)
{
	loop_timer_stop(&n->timer);
	if (n->query)
		tunnel_dns_cancel(n->query);
	n->query = NULL;
	n->done = NULL;
}

/* @host, as a program in the Pod would complete it, is @full */
static bool fault_name_completes(const struct strv *search, const char *host,
				 size_t len, const char *full)
{
	const char *rest = full + len;

	if (strncasecmp(host, full, len) != 0)
		return false;
	if (!*rest)
		return true;
	for (size_t i = 0; *rest == '.' && i < search->n; i++)
		if (strcasecmp(search->v[i], rest + 1) == 0)
			return true;
	return false;
}

bool fault_name_is(const struct fault_name *n, const char *host,
		   const struct ipaddr *addr)
{
	if (host && *host) {
		size_t len = strlen(host);

		len -= host[len - 1] == '.';
		return n->full[0] && len && strlen(n->full) >= len &&
		       fault_name_completes(n->search, host, len, n->full);
	}
	for (size_t i = 0; i < n->n; i++)
		if (ipaddr_eq(&n->addr[i], addr))
			return true;
	return false;
}
