/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/dnscheck.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>

#define PATIENCE (4 * NS_SEC)
/* every cluster has it; that it does not exist would be an answer, too */
#define ASKED "kubernetes.default.svc.cluster.local"

static void dnscheck_warn(struct dnscheck *c)
{
	c->silent = true;
	log_warn("%s gets no answer from the cluster's DNS%s%s: does a "
		 "NetworkPolicy keep it from port 53? --withLabel gives it a "
		 "label that yours allow",
		 c->who, *c->server ? " at " : "", c->server);
}

static void dnscheck_on_timer(struct timer *t)
{
	struct dnscheck *c = container_of(t, struct dnscheck, timer);

	dnscheck_stop(c);
	dnscheck_warn(c);
}

/* That the tunnel was lost is another matter */
static bool dnscheck_is_silence(int error)
{
	return error == -ETIMEDOUT || error == -EHOSTUNREACH ||
	       error == -ENETUNREACH || error == -ECONNREFUSED;
}

static void dnscheck_on_answer(void *user, int error, const uint8_t *reply,
			       size_t len)
{
	struct dnscheck *c = user;

	(void)reply;
	(void)len;
	c->query = NULL;
	loop_timer_stop(&c->timer);
	if (dnscheck_is_silence(error))
		dnscheck_warn(c);
	else
		log_debug("the cluster's DNS: %s", strerror(-error));
}

void dnscheck_start(struct dnscheck *c, struct loop *loop, struct tunnel *t,
		    const char *who, const char *server)
{
	struct dns_query q = { .flags = 0x0100, /* RD */
			       .type = DNS_A,
			       .klass = 1 };
	uint8_t msg[DNS_UDP_PLAIN];
	ssize_t n;

	*c = (struct dnscheck){ .loop = loop, .who = who };
	snprintf(c->server, sizeof(c->server), "%s", server ? server : "");
	if (dns_name_parse(&q.name, ASKED) < 0)
		return;
	n = dns_query_build(&q, msg, sizeof(msg));
	if (n > 0)
		c->query = tunnel_dns_query(t, msg, (size_t)n, false,
					    dnscheck_on_answer, c);
	if (c->query)
		loop_timer_start(loop, &c->timer, PATIENCE, dnscheck_on_timer);
}

void dnscheck_stop(struct dnscheck *c)
{
	loop_timer_stop(&c->timer);
	if (c->query)
		tunnel_dns_cancel(c->query);
	c->query = NULL;
}
