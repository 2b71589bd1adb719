/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port53.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conntrack.h"
#include "net/netlink.h"
#include "net/nft.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT (256 * 1024)
#define TABLE "ktctl"
#define OWN_ZONE 0x6b74 /* of conntrack: "kt" */
#define LINK_LOCAL "fe80::/10"
#define HINT "--dnsMode hosts works without a redirect"

struct port53 {
	struct nft *nft;
	struct nft_last *last;
	uint16_t any6_port;
	struct conntrack *conntrack; /* NULL: cannot be asked */
};

/* "meta nfproto ipv4 udp dport 53 redirect to :1053" */
static int put_redirect(struct buf *b, const char *family, const char *proto,
			uint16_t port)
{
	if (!port)
		return 0;
	return buf_printf(b, "meta nfproto %s %s dport 53 redirect to :%u\n",
			  family, proto, port);
}

static int put_marks(struct buf *b, const struct port53_config *cfg)
{
	return buf_printf(b, "meta mark { %u, %u } ", cfg->mark,
			  cfg->past_mark ? cfg->past_mark : cfg->mark);
}

/*
 * Our own questions leave from ports that a program may use next, or used just
 * before, towards the same server: for conntrack one connection, and NAT is
 * decided once for each. So ours are of a zone of their own; only in their own
 * direction, for replies come without a mark. The other mark is that of the way
 * to the API server as well: a connection that is open already must stay in the
 * zone that it is in, or NAT gives it another port, and it is lost.
 */
static int put_zone(struct buf *b, const struct port53_config *cfg)
{
	int rc = buf_printf(b,
			    "chain own {\n"
			    "type filter hook output priority raw; "
			    "policy accept;\n"
			    "meta mark %u ct original zone set %u\n",
			    cfg->mark, OWN_ZONE);

	if (rc >= 0 && cfg->past_mark)
		rc = buf_printf(b,
				"meta mark %u meta l4proto udp "
				"ct original zone set %u\n"
				"meta mark %u tcp dport 53 "
				"ct original zone set %u\n",
				cfg->past_mark, OWN_ZONE, cfg->past_mark,
				OWN_ZONE);
	return rc < 0 ? rc : buf_printf(b, "}\n");
}

/* What bridges bring in for others, before a port that Docker publishes */
static int put_forwarded(struct buf *b, const struct port53_config *cfg)
{
	int rc;

	if (!cfg->any4_port)
		return 0;
	rc = buf_printf(b,
			"chain forwarded {\n"
			"type nat hook prerouting priority -110; "
			"policy accept;\n"
			"meta l4proto != { tcp, udp } accept\n"
			"th dport != 53 accept\n"
			"meta iifkind != \"bridge\" accept\n"
			"fib daddr type != unicast accept\n"
			"meta nfproto ipv4 meta l4proto { tcp, udp } "
			"redirect to :%u\n",
			cfg->any4_port);
	if (rc >= 0 && cfg->any6_port)
		rc = buf_printf(b,
				"meta nfproto ipv6 meta l4proto { tcp, udp } "
				"redirect to :%u\n",
				cfg->any6_port);
	return rc < 0 ? rc : buf_printf(b, "}\n");
}

/* Only what was redirected gets to the listeners on every address */
static int put_guard(struct buf *b, const struct port53_config *cfg)
{
	/* [::] takes IPv4 connections, too */
	const struct {
		int version;
		const char *proto;
		uint16_t port;
	} v[] = { { 4, "tcp, udp", cfg->any4_port },
		  { 6, "tcp, udp", cfg->any6_port },
		  { 4, "tcp", cfg->any6_port } };
	int rc = buf_printf(b, "chain guard {\n"
			       "type filter hook input priority -10; "
			       "policy accept;\n");

	for (size_t i = 0; i < ARRAY_SIZE(v) && rc >= 0; i++)
		if (v[i].port)
			rc = buf_printf(b,
					"meta nfproto ipv%d meta l4proto "
					"{ %s } th dport %u "
					"ct status & dnat == 0 drop\n",
					v[i].version, v[i].proto, v[i].port);
	return rc < 0 ? rc : buf_printf(b, "}\n");
}

static int put_output(struct buf *b, const struct port53_config *cfg)
{
	int rc;

	rc = buf_printf(b, "chain links { }\n"
			   "chain output {\n"
			   "type nat hook output priority -110; "
			   "policy accept;\n"
			   "meta l4proto != { tcp, udp } accept\n"
			   "th dport != 53 accept\n");
	if (rc >= 0)
		rc = put_marks(b, cfg);
	if (rc >= 0)
		rc = buf_printf(b, "accept\n"
				   "ip6 daddr " LINK_LOCAL " jump links\n"
				   "ip6 daddr " LINK_LOCAL " accept\n");
	if (rc < 0 ||
	    (rc = put_redirect(b, "ipv4", "udp", cfg->udp4_port)) < 0 ||
	    (rc = put_redirect(b, "ipv4", "tcp", cfg->tcp4_port)) < 0 ||
	    (rc = put_redirect(b, "ipv6", "udp", cfg->udp6_port)) < 0 ||
	    (rc = put_redirect(b, "ipv6", "tcp", cfg->tcp6_port)) < 0)
		return rc;
	return buf_printf(b, "}\n");
}

/** struct port53_extra - what not every kernel has */
struct port53_extra {
	bool zone, forwarded;
};

/* "create" fails when the table exists, where "add" would share it. */
static int put_table(struct buf *b, const struct port53_config *cfg,
		     const struct port53_extra *x)
{
	int rc;

	rc = buf_printf(b, "create table inet " TABLE " { flags owner; }\n"
			   "table inet " TABLE " {\nflags owner\n");
	if (rc >= 0)
		rc = put_output(b, cfg);
	if (rc >= 0)
		rc = put_guard(b, cfg);
	if (rc >= 0 && x->forwarded)
		rc = put_forwarded(b, cfg);
	if (rc >= 0 && x->zone)
		rc = put_zone(b, cfg);
	if (rc >= 0)
		rc = buf_printf(b, "}\n");
	return rc < 0 ? rc : buf_put(b, "", 1);
}

static int run_table(struct port53 *p, const struct port53_config *cfg,
		     const struct port53_extra *x, struct kt_error *err)
{
	struct buf text;
	int rc;

	buf_init(&text, MAX_TEXT);
	rc = put_table(&text, cfg, x);
	if (rc < 0) {
		buf_fini(&text);
		return kt_fail(err, -rc, "redirect port 53: %s", strerror(-rc));
	}
	rc = nft_run(p->nft, (const char *)buf_data(&text), "redirect port 53",
		     err);
	buf_fini(&text);
	return rc;
}

static int port53_load_table(struct port53 *p, const struct port53_config *cfg,
			     struct kt_error *err)
{
	static const struct port53_extra tries[] = {
		{ .zone = true, .forwarded = true },
		{ .zone = true },
		{ .forwarded = true },
		{ 0 },
	};
	struct kt_error first = { 0 };
	int rc = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct kt_error e = { 0 };

		rc = run_table(p, cfg, &tries[i], &e);
		if (i == 0)
			first = e;
		if (rc != -EOPNOTSUPP && rc != -ENOENT && rc != -EINVAL)
			break;
		log_debug("%s: once more with less", e.msg);
	}
	if (rc < 0)
		*err = first;
	if (rc == -EEXIST || rc == -EBUSY)
		kt_hint(err, "another ktctl connect redirects port 53 here "
			     "already; " HINT);
	else if ((rc == -EPERM || rc == -EACCES) && geteuid() == 0)
		kt_hint(err, "another process has table inet ktctl (is it a "
			     "ktctl connect?), or CAP_NET_ADMIN is "
			     "missing; " HINT);
	else if (rc == -EPERM || rc == -EACCES)
		kt_hint(err, "run it as root; " HINT);
	else if (rc < 0)
		kt_hint(err, "the kernel needs nf_tables with tables that have "
			     "an owner (Linux 5.12); " HINT);
	return rc;
}

int port53_open(struct port53 **out, const struct port53_config *cfg,
		struct kt_error *err)
{
	struct port53 *p;
	int rc;

	if (!cfg->mark)
		return kt_fail(err, EINVAL, "redirect port 53: no mark");
	*out = p = xcalloc(1, sizeof(*p));
	p->any6_port = cfg->any6_port;
	rc = conntrack_open(&p->conntrack);
	if (rc < 0)
		log_debug("port 53: conntrack: %s", strerror(-rc));
	rc = nft_begin(&p->nft, cfg->loop, err);
	if (rc == 0)
		rc = nft_give(p->nft, "", err);
	if (rc == 0)
		rc = nft_await(p->nft, "open nftables", err);
	if (rc == 0 && cfg->loop && nft_follow(p->nft, cfg->loop) < 0)
		rc = kt_fail(err, ENOMEM, "redirect port 53: no memory");
	if (rc == 0)
		rc = port53_load_table(p, cfg, err);
	if (rc < 0) {
		port53_close(p);
		*out = NULL;
		return rc;
	}
	nft_serve_none(p->nft);
	p->last = cfg->last; /* the table is ours */
	return 0;
}

void port53_close(struct port53 *p)
{
	if (!p)
		return;
	conntrack_close(p->conntrack);
	nft_free_last(p->nft, TABLE, p->last);
	free(p);
}

struct port53_search {
	uint32_t ifindex;
	struct port53_link *link;
};

static void port53_take_addr(void *user, const struct netlink_net *n)
{
	struct port53_search *s = user;

	if (n->ifindex == (int)s->ifindex && ipaddr_is_link_local(&n->addr))
		s->link->addr = n->addr;
}

int port53_find_link(uint32_t ifindex, struct port53_link *out)
{
	struct port53_search s = { ifindex, out };
	struct netlink *nl;
	int rc;

	*out = (struct port53_link){ 0 };
	/* the name stands in a rule; the kernel allows nearly every byte */
	if (!if_indextoname(ifindex, out->ifname) || strchr(out->ifname, '"'))
		return -ENOENT;
	rc = netlink_open(&nl, NULL);
	if (rc < 0)
		return rc;
	rc = netlink_addr_each(nl, port53_take_addr, &s);
	netlink_close(nl);
	return rc < 0 ? rc : out->addr.family ? 0 : -ENOENT;
}

int port53_set_links(struct port53 *p, const struct port53_link *list, size_t n,
		     struct kt_error *err)
{
	static const char what[] = "redirect port 53 of links";
	char addr[IPADDR_STRLEN];
	struct buf text;
	int rc;

	buf_init(&text, MAX_TEXT);
	rc = buf_printf(&text, "flush chain inet " TABLE " links\n");
	for (size_t i = 0; i < n && rc >= 0 && p->any6_port; i++)
		rc = buf_printf(&text,
				"add rule inet " TABLE " links oifname \"%s\" "
				"meta l4proto { tcp, udp } "
				"dnat ip6 to [%s]:%u\n",
				list[i].ifname, ipaddr_str(&list[i].addr, addr),
				p->any6_port);
	if (rc >= 0)
		rc = buf_put(&text, "", 1);
	if (rc < 0)
		kt_fail(err, -rc, "%s: %s", what, strerror(-rc));
	else
		rc = nft_run(p->nft, (const char *)buf_data(&text), what, err);
	buf_fini(&text);
	return rc;
}

int port53_original_udp(struct port53 *p, const struct ipport *client,
			const struct ipport *listener, struct ipport *orig)
{
	int rc;

	if (!p->conntrack)
		return -ENOENT;
	rc = conntrack_original_udp(p->conntrack, client, listener, orig);
	if (rc < 0)
		return rc;
	/* a query sent to the listener itself was not redirected */
	return ipport_eq(orig, listener) ? -ENOENT : 0;
}

int port53_original_tcp(int fd, struct ipport *orig)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct ipport local;
	int rc;

	rc = conntrack_original_tcp(fd, orig);
	if (rc < 0)
		return rc;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(&local, (struct sockaddr *)&ss);
	if (rc < 0)
		return rc;
	return ipport_eq(orig, &local) ? -ENOENT : 0;
}
