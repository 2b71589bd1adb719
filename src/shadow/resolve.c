/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/resolve.h"

#include "base/mem.h"
#include "shadow/nameserver.h"
#include "shadow/shadow.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>

/*
 * Candidates in turn, as getaddrinfo() does: the name with each search domain
 * (a name with at least ndots dots first as it is, else last), both types of
 * each candidate at once; the first candidate with an address wins.
 */
struct resolve {
	struct shadow *sh;
	void (*done)(void *user, int error, const struct ipaddr *addr,
		     size_t n);
	void *user;
	struct nameserver_query *query[2]; /* A, AAAA */
	struct timer begin;
	size_t step;
	int error; /* the worst that happened: no answer beats no name */
	struct ipaddr addr[2][RESOLVE_MAX];
	size_t n[2];
	char host[256];
};

static const uint16_t types[2] = { DNS_A, DNS_AAAA };

static unsigned int dots(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += *s == '.';
	return n;
}

/* candidate number @step, or false at the end */
static bool candidate(const struct resolve *r, size_t step, char out[512])
{
	const struct resolvconf *rc = &r->sh->resolv;
	size_t len = strlen(r->host);
	bool absolute = len && r->host[len - 1] == '.';
	bool first = absolute || dots(r->host) >= rc->ndots;
	size_t n = absolute ? 1 : rc->search.n + 1;

	if (step >= n)
		return false;
	if (step == (first ? 0 : n - 1))
		snprintf(out, 512, "%s", r->host);
	else
		snprintf(out, 512, "%s.%s", r->host,
			 rc->search.v[first ? step - 1 : step]);
	return true;
}

void resolve_cancel(struct resolve *r)
{
	loop_timer_stop(&r->begin);
	for (int i = 0; i < 2; i++)
		if (r->query[i])
			nameserver_cancel(r->query[i]);
	loop_defer_free(r->sh->loop, r);
}

static void resolve_take_reply(struct resolve *r, int i, const uint8_t *reply,
			       size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;
	struct dns_hdr h;

	if (dns_hdr_read(&h, reply, len) < 0 ||
	    (dns_hdr_rcode(&h) != DNS_NOERROR &&
	     dns_hdr_rcode(&h) != DNS_NXDOMAIN)) {
		r->error = -ETIME;
		return;
	}
	if (dns_walk_start(&w, reply, len) < 0)
		return;
	while (dns_walk_next(&w, &rr) == 1 && r->n[i] < RESOLVE_MAX) {
		const uint8_t *p = reply + rr.rdata;

		if (rr.section != DNS_ANSWER || rr.type != types[i] ||
		    rr.rdlen != (i ? 16 : 4))
			continue;
		r->addr[i][r->n[i]++] = i ? ipaddr_v6(p) : ipaddr_v4(p);
	}
}

static void resolve_step(struct resolve *r);

static void resolve_finish(struct resolve *r)
{
	struct ipaddr all[RESOLVE_MAX];
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < r->n[i] && n < RESOLVE_MAX; k++)
			all[n++] = r->addr[i][k];
	r->done(r->user, n ? 0 : r->error, all, n);
	loop_defer_free(r->sh->loop, r);
}

static void resolve_on_reply(struct resolve *r, int i, int err,
			     const uint8_t *reply, size_t len)
{
	r->query[i] = NULL;
	if (err)
		r->error = -ETIME;
	else
		resolve_take_reply(r, i, reply, len);
	if (r->query[0] || r->query[1])
		return;
	if (r->n[0] || r->n[1])
		resolve_finish(r);
	else
		resolve_step(r);
}

static void on_a(void *user, int err, const uint8_t *reply, size_t len)
{
	resolve_on_reply(user, 0, err, reply, len);
}

static void on_aaaa(void *user, int err, const uint8_t *reply, size_t len)
{
	resolve_on_reply(user, 1, err, reply, len);
}

static struct nameserver_query *resolve_ask(struct resolve *r, int i,
					    const struct dns_name *name)
{
	struct dns_query q = { .flags = DNS_RD,
			       .name = *name,
			       .type = types[i],
			       .klass = DNS_IN };
	uint8_t msg[512];
	ssize_t n = dns_query_build(&q, msg, sizeof(msg));

	if (n < 0)
		return NULL;
	return nameserver_ask(r->sh->names, msg, (size_t)n, false,
			      i ? on_aaaa : on_a, r);
}

static void resolve_step(struct resolve *r)
{
	struct dns_name name;
	char text[512];

	while (candidate(r, r->step++, text)) {
		if (dns_name_parse(&name, text) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			r->query[i] = resolve_ask(r, i, &name);
		if (r->query[0] || r->query[1])
			return;
		r->error = -ETIME;
	}
	resolve_finish(r);
}

/* done() must not come from inside resolve_start(): a name that fails at once
 * would call it there */
static void resolve_on_begin(struct timer *t)
{
	resolve_step(container_of(t, struct resolve, begin));
}

struct resolve *resolve_start(struct shadow *sh, const char *host,
			      void (*done)(void *user, int error,
					   const struct ipaddr *addr, size_t n),
			      void *user)
{
	struct resolve *r;

	if (strlen(host) >= sizeof(r->host)) {
		errno = EINVAL;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->sh = sh;
	r->done = done;
	r->user = user;
	r->error = -ENOENT;
	snprintf(r->host, sizeof(r->host), "%s", host);
	loop_timer_start(sh->loop, &r->begin, 0, resolve_on_begin);
	return r;
}
