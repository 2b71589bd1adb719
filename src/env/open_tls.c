/* SPDX-License-Identifier: Apache-2.0 */
#include "env/open_tls.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/declared.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "env/advice.h"
#include "env/name.h"
#include "env/router_secret.h"
#include "env/table.h"
#include "wire/dns.h"

#include <errno.h>

/* Name servers keep for 5 s that there is no such name; and once more */
#define OPEN_KNOWN (15 * NS_SEC)
#define OPEN_ASK (4 * NS_SEC)
#define OPEN_AGAIN NS_SEC

/* --- who ends it ---------------------------------------------------------- */

static bool open_is_declared(const json_t *service)
{
	return object_annotation(service, KT_ANNOTATION_DECLARED);
}

bool env_open_has_router(const json_t *service)
{
	return open_is_declared(service) ||
	       str_eq(service_role(service), KT_ROLE_ROUTER);
}

/* 1: its router ends TLS of @p */
static int open_is_ended(struct kube *k, const char *ns, const json_t *service,
			 const struct service_port *p, struct kt_error *err)
{
	struct service_ports ports = { 0 };
	auto_free char *secret = NULL;
	bool ended = false;
	int rc;

	if (!env_open_has_router(service))
		return 0;
	rc = env_router_secret(k, ns, object_name(service),
			       open_is_declared(service), &secret, err);
	if (rc < 0 || !secret)
		return MIN(rc, 0);
	rc = service_ports_make(&ports, service, NULL, err);
	if (rc == 0)
		service_ports_end_tls(&ports);
	for (size_t i = 0; i < ports.n; i++)
		ended = ended ||
			(ports.v[i].port == p->port && ports.v[i].ended);
	service_ports_fini(&ports);
	return rc < 0 ? rc : ended;
}

static int open_refuse(const char *ns, const json_t *service, uint16_t port,
		       struct kt_error *err)
{
	kt_hint(err,
		"a router before it can end TLS: 'ktctl env join' and 'env "
		"init' with --tlsSecret; 'ktctl forward' leads there without a "
		"mark");
	return kt_fail(err, EOPNOTSUPP,
		       "Service %s/%s, port %u: TLS ends in its Pods, so no "
		       "request gets the mark",
		       ns, object_name(service), port);
}

int env_open_look(struct kube *k, const char *ns, const json_t *service,
		  const struct service_port *p, const struct envmark *mark,
		  bool *tls, struct kt_error *err)
{
	int rc = open_is_ended(k, ns, service, p, err);

	*tls = rc > 0;
	if (rc < 0)
		return rc;
	if (*tls) /* also where it has no member itself, but one above */
		return env_table_put_env(k, ns, mark->name, err);
	return p->tls && advice_says_tls(service, p)
		       ? open_refuse(ns, service, p->port, err)
		       : 0;
}

/* --- whose Pod it is ------------------------------------------------------ */

/* POD.SERVICE.NAMESPACE.svc... */
bool env_open_is_behind(const uint8_t *reply, size_t len, const char *service)
{
	struct dns_walk w;
	struct dns_rr rr;

	if (dns_walk_start(&w, reply, len) < 0)
		return false;
	while (dns_walk_next(&w, &rr) == 1) {
		size_t at = rr.rdata;
		struct dns_name name;

		if (rr.section == DNS_ANSWER && rr.type == DNS_PTR &&
		    dns_name_read(reply, len, &at, &name) == 0 &&
		    dns_name_label_is(&name, 1, service))
			return true;
	}
	return false;
}

struct open_question {
	const char *service;
	bool done, behind;
};

static void open_on_reply(void *user, int error, const uint8_t *reply,
			  size_t len)
{
	struct open_question *q = user;

	q->done = true;
	q->behind = error == 0 && env_open_is_behind(reply, len, q->service);
}

/* 1: yes; 0: no, or no answer; -EINTR */
static int open_ask(struct loop *loop, struct tunnel *t,
		    const struct ipaddr *addr, const char *service)
{
	struct dns_query ask = { .flags = DNS_RD,
				 .type = DNS_PTR,
				 .klass = DNS_IN };
	struct open_question q = { .service = service };
	struct tunnel_dns *query = NULL;
	uint8_t msg[DNS_UDP_PLAIN];
	ssize_t n;
	int rc;

	dns_name_reverse(&ask.name, addr);
	n = dns_query_build(&ask, msg, sizeof(msg));
	if (n > 0)
		query = tunnel_dns_query(t, msg, (size_t)n, false,
					 open_on_reply, &q);
	if (!query)
		return 0;
	rc = loop_run_until(loop, &q.done, OPEN_ASK);
	if (!q.done)
		tunnel_dns_cancel(query);
	return rc == -EINTR ? rc : q.behind;
}

int env_open_known(struct loop *loop, struct tunnel *t, const char *ip,
		   const struct envmark *mark)
{
	char service[ENV_SERVICE_MAX];
	int64_t end = clock_ns() + OPEN_KNOWN;
	struct ipaddr addr;
	int rc = 0;

	if (ipaddr_parse(&addr, ip) < 0)
		return 0;
	env_name_service(mark->name, service);
	while (clock_ns() < end) {
		rc = open_ask(loop, t, &addr, service);
		if (rc)
			return MIN(rc, 0);
		rc = loop_sleep(loop, OPEN_AGAIN);
		if (rc < 0)
			return rc;
	}
	log_warn("the cluster's DNS does not say that %s is behind Service %s: "
		 "the router may not know that requests from there are of "
		 "environment %s",
		 ip, service, mark->name);
	return 0;
}
