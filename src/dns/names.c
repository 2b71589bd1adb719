/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/names.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int join_text(struct dns_name *out, const char *head,
		     const struct dns_name *tail)
{
	struct dns_name h;
	int rc = dns_name_parse(&h, head);

	return rc < 0 ? rc : dns_name_join(out, &h, tail);
}

int dns_view_init(struct dns_view *v, const char *domain, const char *ns,
		  struct kt_error *err)
{
	*v = (struct dns_view){ 0 };
	if (dns_name_parse(&v->domain, domain) < 0 ||
	    dns_name_labels(&v->domain) == 0)
		return kt_fail(err, EINVAL, "cluster domain '%s' is no name",
			       domain);
	if (join_text(&v->svc, "svc", &v->domain) < 0 ||
	    join_text(&v->own, ns, &v->svc) < 0)
		return kt_fail(err, EINVAL,
			       "'%s' cannot be a namespace under '%s'", ns,
			       domain);
	v->pod = (struct dns_search){ .v = { v->own, v->svc, v->domain },
				      .n = 3,
				      .ndots = 5 };
	v->laptop.ndots = 1;
	return 0;
}

void dns_view_fini(struct dns_view *v)
{
	free(v->ranges);
	v->ranges = NULL;
	v->nranges = 0;
	strv_fini(&v->namespaces);
	strv_fini(&v->services);
}

void dns_search_set(struct dns_search *s, const struct strv *names,
		    unsigned int ndots)
{
	s->n = 0;
	s->ndots = ndots;
	for (size_t i = 0; i < names->n && s->n < DNS_SEARCH_MAX; i++) {
		struct dns_name *n = &s->v[s->n];

		if (dns_name_parse(n, names->v[i]) == 0 && dns_name_labels(n))
			s->n++;
	}
}

void dns_view_set_ranges(struct dns_view *v, const struct ipprefix *p, size_t n)
{
	free(v->ranges);
	v->ranges = n ? xcalloc(n, sizeof(*p)) : NULL;
	v->nranges = n;
	if (n)
		memcpy(v->ranges, p, n * sizeof(*p));
}

static bool replace_set(struct strv *set, const struct strv *names)
{
	strv_fini(set);
	*set = (struct strv){ 0 };
	for (size_t i = 0; names && i < names->n; i++)
		strv_add(set, names->v[i]);
	return names;
}

void dns_view_set_servers(struct dns_view *v, const struct ipaddr *servers,
			  size_t n)
{
	v->nservers = MIN(n, ARRAY_SIZE(v->servers));
	memcpy(v->servers, servers, v->nservers * sizeof(*servers));
}

void dns_view_set_namespaces(struct dns_view *v, const struct strv *names)
{
	v->know_namespaces = replace_set(&v->namespaces, names);
}

void dns_view_set_services(struct dns_view *v, const struct strv *names)
{
	v->know_services = replace_set(&v->services, names);
}

static int names_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* a label as the number of one octet, as RFC 1035 3.5 writes it */
static int octet_value(const uint8_t *p, size_t len)
{
	int v = 0;

	if (len > 3 || (len > 1 && p[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + p[i] - '0';
	}
	return v <= 255 ? v : -1;
}

int dns_names_reverse(const struct dns_name *name, struct ipprefix *p)
{
	unsigned int n = dns_name_labels(name);
	bool v4 = n >= 2 && dns_name_label_is(name, n - 2, "in-addr");
	bool v6 = n >= 2 && dns_name_label_is(name, n - 2, "ip6");
	unsigned int parts = n - 2, max = v4 ? 4 : 32;
	struct ipaddr a = { .family = v4 ? AF_INET : AF_INET6 };

	if ((!v4 && !v6) || !dns_name_label_is(name, n - 1, "arpa") ||
	    parts == 0)
		return -ENOENT;
	if (parts > max)
		return -ENOENT;
	for (unsigned int i = 0; i < parts; i++) {
		size_t len;
		const uint8_t *l = dns_name_label(name, parts - 1 - i, &len);
		int value = v4	       ? octet_value(l, len)
			    : len == 1 ? names_hex_value(l[0])
				       : -1;

		if (value < 0)
			return -ENOENT;
		if (v4)
			a.b[i] = (uint8_t)value;
		else
			a.b[i / 2] |= (uint8_t)(value << (i % 2 ? 0 : 4));
	}
	*p = ipprefix_make(&a, parts * (v4 ? 8 : 4));
	return 0;
}

static bool is_captured_reverse(const struct dns_view *v,
				const struct dns_name *name)
{
	struct ipprefix p;

	if (dns_names_reverse(name, &p) < 0)
		return false;
	for (size_t i = 0; i < v->nranges; i++) {
		if (ipprefix_covers(&v->ranges[i], &p))
			return true;
	}
	return false;
}

enum known { KNOWN_NO, KNOWN_MAYBE, KNOWN_YES };

/* is label @i of @n one of the set? */
static enum known label_known(const struct dns_name *n, unsigned int i,
			      bool know, const struct strv *set)
{
	for (size_t k = 0; know && k < set->n; k++) {
		if (dns_name_label_is(n, i, set->v[k]))
			return KNOWN_YES;
	}
	return know ? KNOWN_NO : KNOWN_MAYBE;
}

static enum known namespace_known(const struct dns_view *v,
				  const struct dns_name *n, unsigned int i)
{
	size_t len, own_len;
	const uint8_t *l = dns_name_label(n, i, &len);
	const uint8_t *own = dns_name_label(&v->own, 0, &own_len);

	/* the own namespace exists also where they cannot be listed */
	if (l && len == own_len &&
	    strncasecmp((const char *)l, (const char *)own, len) == 0)
		return KNOWN_YES;
	return label_known(n, i, v->know_namespaces, &v->namespaces);
}

/*
 * Can @typed, followed by the search entry @s, be a name of the cluster? What
 * must exist is read from the labels that stand before @s.
 */
static enum known cand_known(const struct dns_view *v,
			     const struct dns_name *typed,
			     const struct dns_name *s)
{
	unsigned int n = dns_name_labels(typed);

	if (dns_name_eq(s, &v->own)) /* [pod.]service, [_port._proto.]service */
		return n == 1 ? KNOWN_YES
			      : label_known(typed, n - 1, v->know_services,
					    &v->services);
	if (dns_name_eq(s, &v->svc)) /* service.namespace */
		return n >= 2 ? namespace_known(v, typed, n - 1) : KNOWN_NO;
	if (dns_name_eq(s, &v->domain)) { /* service.namespace.svc */
		if (n < 3 || !(dns_name_label_is(typed, n - 1, "svc") ||
			       dns_name_label_is(typed, n - 1, "pod")))
			return KNOWN_NO;
		return namespace_known(v, typed, n - 2);
	}
	if (dns_name_under(s, &v->domain)) /* of a dnsConfig */
		return KNOWN_MAYBE;
	/* the node's own domain: only what a laptop would not find itself */
	for (size_t i = 0; i < v->laptop.n; i++) {
		if (dns_name_eq(s, &v->laptop.v[i]))
			return KNOWN_NO;
	}
	return n == 1 ? KNOWN_MAYBE : KNOWN_NO;
}

/* the namespace or Service that a candidate which may exist hangs on */
static void set_gate(const struct dns_view *v, const struct dns_name *typed,
		     const struct dns_name *s, struct dns_name *gate)
{
	unsigned int n = dns_name_labels(typed);
	unsigned int keep = dns_name_eq(s, &v->domain) ? 2 : 1;

	gate->len = 0;
	if (n <= keep || !dns_name_under(s, &v->domain))
		return;
	dns_name_tail(gate, typed, n - keep);
	if (dns_name_join(gate, gate, s) < 0)
		gate->len = 0;
}

/* @typed: what the user wrote; @suffix: what the laptop's library may have
 * added to it, or NULL */
static void add_candidates(const struct dns_view *v,
			   const struct dns_name *typed,
			   const struct dns_name *suffix, struct dns_plan *plan)
{
	unsigned int n = dns_name_labels(typed);
	bool stripped = suffix != NULL;

	for (size_t i = 0; i < v->pod.n && plan->n < DNS_CAND_MAX; i++) {
		const struct dns_name *s = &v->pod.v[i];
		enum known k = cand_known(v, typed, s);
		struct dns_cand *c = &plan->cand[plan->n];

		/* a host of the laptop's domain is likely to be meant */
		if (stripped && n == 1 && k == KNOWN_YES)
			k = label_known(typed, 0, v->know_services,
					&v->services);
		c->weak = !dns_name_under(s, &v->domain);
		if (k == KNOWN_NO || (stripped && c->weak) ||
		    dns_name_join(&c->name, typed, s) < 0)
			continue;
		plan->n++;
		c->gate.len = 0;
		c->suffix.len = 0;
		if (suffix)
			c->suffix = *suffix;
		if (k == KNOWN_YES)
			plan->sure = true;
		else
			set_gate(v, typed, s, &c->gate);
	}
}

static void add_stripped(const struct dns_view *v, const struct dns_name *name,
			 unsigned int labels, struct dns_plan *plan)
{
	for (size_t i = 0; i < v->laptop.n; i++) {
		const struct dns_name *s = &v->laptop.v[i];
		unsigned int tail = dns_name_labels(s);
		struct dns_name typed;

		if (labels <= tail || labels - tail > DNS_LABELS_MAX ||
		    !dns_name_under(name, s))
			continue;
		/* with as many dots the library asks without suffix first */
		if (labels - tail - 1 >= v->laptop.ndots && labels - tail > 1)
			continue;
		dns_name_head(&typed, name, labels - tail);
		add_candidates(v, &typed, s, plan);
	}
}

static bool is_included(const struct dns_view *v, const struct dns_name *name)
{
	for (size_t i = 0; i < v->more.n; i++)
		if (dns_name_under(name, &v->more.v[i]))
			return true;
	return false;
}

void dns_names_plan(const struct dns_view *v, const struct dns_name *name,
		    struct dns_plan *plan)
{
	unsigned int labels = dns_name_labels(name);

	plan->route = DNS_ROUTE_CLUSTER;
	plan->n = 0;
	plan->sure = true;
	if (dns_name_under(name, &v->domain) || is_included(v, name) ||
	    is_captured_reverse(v, name))
		return;
	plan->sure = false;
	plan->route = DNS_ROUTE_UPSTREAM;
	if (labels == 0 || dns_name_label_is(name, labels - 1, "arpa") ||
	    dns_name_label_is(name, labels - 1, "localhost"))
		return;
	if (labels <= DNS_LABELS_MAX)
		add_candidates(v, name, NULL, plan);
	add_stripped(v, name, labels, plan);
	if (plan->n)
		plan->route = DNS_ROUTE_EXPAND;
}
