/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/order.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define DNS_PORT 53

/* "[v6]", "[v6]:port", "v6", "v4" or "v4:port" */
static int parse_address(struct ipport *a, const char *text)
{
	const char *colon = strchr(text, ':');
	char host[IPADDR_STRLEN + 3];
	size_t n;

	a->port = DNS_PORT;
	if (text[0] != '[' && (!colon || strchr(colon + 1, ':')))
		return ipaddr_parse(&a->addr, text); /* no port */
	if (text[0] != '[' || strstr(text, "]:"))
		return ipport_parse(a, text);
	n = strlen(text);
	if (n < 3 || n >= sizeof(host) || text[n - 1] != ']')
		return -EINVAL;
	memcpy(host, text + 1, n - 2);
	host[n - 2] = '\0';
	if (ipaddr_parse(&a->addr, host) < 0 || a->addr.family != AF_INET6)
		return -EINVAL;
	return 0;
}

static int parse_item(struct dns_source *s, const char *item,
		      struct kt_error *err)
{
	const char *rest = item;

	*s = (struct dns_source){ .via = DNS_VIA_CLUSTER };
	if (str_eq(item, "cluster"))
		return 0;
	if (str_starts(rest, "udp:") || str_starts(rest, "tcp:")) {
		s->proto = rest[0] == 'u' ? DNS_PROTO_UDP : DNS_PROTO_TCP;
		rest += 4;
	}
	if (str_eq(rest, "cluster"))
		return kt_fail(err, EINVAL,
			       "dnsMode: '%s': the cluster is asked through "
			       "the tunnel, it has no protocol",
			       item);
	if (str_eq(rest, "upstream")) {
		s->via = DNS_VIA_UPSTREAM;
		return 0;
	}
	if (str_starts(rest, "upstream:")) {
		s->via = DNS_VIA_UPSTREAM;
		if (str_to_port(rest + strlen("upstream:"), &s->addr.port) < 0)
			return kt_fail(err, EINVAL,
				       "dnsMode: '%s' is no port (1-65535)",
				       rest + strlen("upstream:"));
		return 0;
	}
	s->via = DNS_VIA_ADDR;
	if (parse_address(&s->addr, rest) < 0 || !s->addr.port) {
		kt_hint(err, "an item is 'cluster', 'upstream' or an address, "
			     "the last two with 'udp:' or 'tcp:' before and "
			     "':port' behind if wanted; an IPv6 address with "
			     "a port is written [addr]:port");
		return kt_fail(err, EINVAL,
			       "dnsMode: no server can be read "
			       "from '%s'",
			       item);
	}
	return 0;
}

static bool same_server(const struct dns_source *a, const struct dns_source *b)
{
	return a->via == b->via && a->proto == b->proto &&
	       ipport_eq(&a->addr, &b->addr);
}

int dns_order_parse(struct dns_order *o, const char *text, struct kt_error *err)
{
	auto_strv struct strv items = strv_split(text, ',');

	return dns_order_from(o, &items, err);
}

int dns_order_from(struct dns_order *o, const struct strv *items,
		   struct kt_error *err)
{
	o->n = 0;
	if (!items->n)
		return kt_fail(err, EINVAL, "dnsMode: no server is listed");
	for (size_t i = 0; i < items->n; i++) {
		struct dns_source s;
		int rc = parse_item(&s, items->v[i], err);

		if (rc < 0)
			return rc;
		for (size_t k = 0; k < o->n; k++) {
			if (same_server(&o->v[k], &s))
				return kt_fail(err, EINVAL,
					       "dnsMode: '%s' is listed twice",
					       items->v[i]);
		}
		if (o->n == DNS_ORDER_MAX)
			return kt_fail(err, EINVAL,
				       "dnsMode: more than %d servers",
				       DNS_ORDER_MAX);
		o->v[o->n++] = s;
	}
	return 0;
}
