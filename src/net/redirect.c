/* SPDX-License-Identifier: Apache-2.0 */
#include "net/redirect.h"

#include "base/mem.h"
#include "net/nlmsg.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define TABLE "ktctl-redirect"
#define CHAIN "in"
#define DSTNAT (-100) /* the usual priority of such a chain */
#define EXEMPT_MAX 16
#define TCP_FLAGS_AT 13
#define SYN 0x02
#define FIN_SYN_RST_ACK 0x17
#define LOOPBACK 1 /* index of "lo" in every namespace */

struct redirect {
	struct nlsock sock;
	struct ipaddr exempt[EXEMPT_MAX];
	size_t nexempt;
};

/* --- messages ------------------------------------------------------------- */

static void put_be32(struct nlmsg *m, uint16_t attr, uint32_t v)
{
	nlmsg_put_u32(m, attr, htonl(v));
}

static void redirect_begin(struct nlmsg *m, uint16_t type, uint16_t flags,
			   uint8_t family)
{
	struct nfgenmsg g = { .nfgen_family = family, .version = NFNETLINK_V0 };

	memcpy(nlmsg_init(m, type, flags, sizeof(g)), &g, sizeof(g));
}

static void begin_nft(struct nlmsg *m, int type, uint16_t flags)
{
	redirect_begin(m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
		       NFPROTO_INET);
}

static void bracket(struct nlmsg *m, uint16_t type)
{
	struct nfgenmsg g = { .version = NFNETLINK_V0,
			      .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	memcpy(nlmsg_init(m, type, 0, sizeof(g)), &g, sizeof(g));
}

/* --- expressions ---------------------------------------------------------- */

struct expr {
	size_t elem, data;
};

static struct expr expr_begin(struct nlmsg *m, const char *name)
{
	struct expr e;

	e.elem = nlmsg_nest(m, NFTA_LIST_ELEM | NLA_F_NESTED);
	nlmsg_put_str(m, NFTA_EXPR_NAME, name);
	e.data = nlmsg_nest(m, NFTA_EXPR_DATA | NLA_F_NESTED);
	return e;
}

static void expr_end(struct nlmsg *m, struct expr e)
{
	nlmsg_nest_end(m, e.data);
	nlmsg_nest_end(m, e.elem);
}

static void put_value(struct nlmsg *m, uint16_t attr, const void *v, size_t n)
{
	size_t nest = nlmsg_nest(m, attr | NLA_F_NESTED);

	nlmsg_put(m, NFTA_DATA_VALUE, v, n);
	nlmsg_nest_end(m, nest);
}

static void cmp(struct nlmsg *m, uint32_t op, const void *v, size_t n)
{
	struct expr e = expr_begin(m, "cmp");

	put_be32(m, NFTA_CMP_SREG, NFT_REG_1);
	put_be32(m, NFTA_CMP_OP, op);
	put_value(m, NFTA_CMP_DATA, v, n);
	expr_end(m, e);
}

static void meta(struct nlmsg *m, uint32_t key)
{
	struct expr e = expr_begin(m, "meta");

	put_be32(m, NFTA_META_DREG, NFT_REG_1);
	put_be32(m, NFTA_META_KEY, key);
	expr_end(m, e);
}

static void redirect_payload(struct nlmsg *m, uint32_t base, uint32_t at,
			     uint32_t len)
{
	struct expr e = expr_begin(m, "payload");

	put_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_be32(m, NFTA_PAYLOAD_BASE, base);
	put_be32(m, NFTA_PAYLOAD_OFFSET, at);
	put_be32(m, NFTA_PAYLOAD_LEN, len);
	expr_end(m, e);
}

static void mask_byte(struct nlmsg *m, uint8_t mask)
{
	const uint8_t zero = 0;
	struct expr e = expr_begin(m, "bitwise");

	put_be32(m, NFTA_BITWISE_SREG, NFT_REG_1);
	put_be32(m, NFTA_BITWISE_DREG, NFT_REG_1);
	put_be32(m, NFTA_BITWISE_LEN, sizeof(mask));
	put_value(m, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	put_value(m, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(m, e);
}

static void redir_to(struct nlmsg *m, uint16_t port)
{
	uint16_t be = htons(port);
	struct expr e = expr_begin(m, "immediate");

	put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(m, NFTA_IMMEDIATE_DATA, &be, sizeof(be));
	expr_end(m, e);
	e = expr_begin(m, "redir");
	put_be32(m, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	expr_end(m, e);
}

static void accept_it(struct nlmsg *m)
{
	struct expr e = expr_begin(m, "immediate");
	size_t data, verdict;

	put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nlmsg_nest(m, NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
	verdict = nlmsg_nest(m, NFTA_DATA_VERDICT | NLA_F_NESTED);
	put_be32(m, NFTA_VERDICT_CODE, NF_ACCEPT);
	nlmsg_nest_end(m, verdict);
	nlmsg_nest_end(m, data);
	expr_end(m, e);
}

/* --- rules ---------------------------------------------------------------- */

static size_t rule_begin(struct nlmsg *m)
{
	begin_nft(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nlmsg_put_str(m, NFTA_RULE_TABLE, TABLE);
	nlmsg_put_str(m, NFTA_RULE_CHAIN, CHAIN);
	return nlmsg_nest(m, NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
}

/* meta nfproto F  ip saddr A  accept */
static void rule_exempt(struct nlmsg *m, const struct ipaddr *a)
{
	bool four = a->family == AF_INET;
	uint8_t family = four ? NFPROTO_IPV4 : NFPROTO_IPV6;
	size_t nest = rule_begin(m);

	meta(m, NFT_META_NFPROTO);
	cmp(m, NFT_CMP_EQ, &family, sizeof(family));
	redirect_payload(m, NFT_PAYLOAD_NETWORK_HEADER, four ? 12 : 8,
			 (uint32_t)ipaddr_size(a));
	cmp(m, NFT_CMP_EQ, a->b, ipaddr_size(a));
	accept_it(m);
	nlmsg_nest_end(m, nest);
}

/* meta l4proto P  iif != lo  th dport N  [tcp flags ... == syn]  redirect.
 * With conntrack new in the namespace, connections that are older are "new" to
 * it in their middle: hence the flags. */
static void rule_redirect(struct nlmsg *m, const struct redirect_port *p)
{
	const uint8_t proto = p->udp ? IPPROTO_UDP : IPPROTO_TCP, syn = SYN;
	const uint32_t lo = LOOPBACK;
	const uint16_t be = htons(p->port);
	size_t nest = rule_begin(m);

	meta(m, NFT_META_L4PROTO);
	cmp(m, NFT_CMP_EQ, &proto, sizeof(proto));
	meta(m, NFT_META_IIF);
	cmp(m, NFT_CMP_NEQ, &lo, sizeof(lo));
	redirect_payload(m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(be));
	cmp(m, NFT_CMP_EQ, &be, sizeof(be));
	if (!p->udp) {
		redirect_payload(m, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_AT,
				 1);
		mask_byte(m, FIN_SYN_RST_ACK);
		cmp(m, NFT_CMP_EQ, &syn, sizeof(syn));
	}
	redir_to(m, p->to);
	nlmsg_nest_end(m, nest);
}

/* No caller has this port. Only a rule that redirects keeps conntrack on in
 * the namespace, and without it nothing is translated any more: those who were
 * led here when the rules go would never hear of us again. */
static void rule_hold(struct nlmsg *m)
{
	rule_redirect(m, &(struct redirect_port){ .port = 0, .to = 1 });
}

static void new_table(struct nlmsg *m)
{
	begin_nft(m, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	nlmsg_put_str(m, NFTA_TABLE_NAME, TABLE);
	put_be32(m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
}

static void new_chain(struct nlmsg *m)
{
	size_t hook;

	begin_nft(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nlmsg_put_str(m, NFTA_CHAIN_TABLE, TABLE);
	nlmsg_put_str(m, NFTA_CHAIN_NAME, CHAIN);
	hook = nlmsg_nest(m, NFTA_CHAIN_HOOK | NLA_F_NESTED);
	put_be32(m, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	put_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)DSTNAT);
	nlmsg_nest_end(m, hook);
	nlmsg_put_str(m, NFTA_CHAIN_TYPE, "nat");
}

static void no_rules(struct nlmsg *m)
{
	begin_nft(m, NFT_MSG_DELRULE, 0);
	nlmsg_put_str(m, NFTA_RULE_TABLE, TABLE);
	nlmsg_put_str(m, NFTA_RULE_CHAIN, CHAIN);
}

/* --- life ----------------------------------------------------------------- */

static int redirect_run(struct redirect *r, struct nlmsg *m, size_t n,
			const char *what, struct kt_error *err)
{
	int rc;

	bracket(&m[0], NFNL_MSG_BATCH_BEGIN);
	bracket(&m[n - 1], NFNL_MSG_BATCH_END);
	rc = nlsock_batch(&r->sock, m, n);
	if (rc == 0)
		return 0;
	return kt_fail(err, -rc, "%s: nftables: %s", what,
		       r->sock.extack[0] ? r->sock.extack : strerror(-rc));
}

int redirect_new(struct redirect **out, struct kt_error *err)
{
	struct redirect *r = xcalloc(1, sizeof(*r));
	struct nlmsg *m = xcalloc(4, sizeof(*m));
	int rc = nlsock_open(&r->sock, NETLINK_NETFILTER);

	if (rc < 0) {
		kt_fail(err, -rc, "redirect ports: nftables: %s",
			strerror(-rc));
	} else {
		new_table(&m[1]);
		new_chain(&m[2]);
		rc = redirect_run(r, m, 4, "redirect ports", err);
	}
	free(m);
	if (rc < 0)
		redirect_free(r);
	else
		*out = r;
	return rc;
}

/* --- connections that somebody led ---------------------------------------- */

#define STALE_MAX 65536
#define TUPLE_MAX 128

struct tuple {
	uint8_t family;
	size_t len;
	uint8_t bytes[TUPLE_MAX];
};

struct stale {
	uint16_t port;
	uint8_t proto;
	struct tuple *v;
	size_t n, room;
};

static uint16_t port_in(struct nlspan tuple, uint16_t attr, uint8_t *proto)
{
	struct nlspan p = nlspan_find(tuple, CTA_TUPLE_PROTO);
	struct nlspan num = nlspan_find(p, CTA_PROTO_NUM);
	struct nlspan port = nlspan_find(p, attr);
	uint16_t be = 0;

	*proto = num.len ? *num.p : 0;
	if (port.len >= sizeof(be))
		memcpy(&be, port.p, sizeof(be));
	return ntohs(be);
}

static bool add_stale(struct stale *s, uint8_t family, struct nlspan tuple)
{
	struct tuple *more;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		more = realloc(s->v, s->room * sizeof(*more));
		if (!more)
			return false;
		s->v = more;
	}
	s->v[s->n] = (struct tuple){ .family = family, .len = tuple.len };
	memcpy(s->v[s->n++].bytes, tuple.p, tuple.len);
	return true;
}

static void take_connection(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct nfgenmsg));
	struct nlspan orig = nlspan_find(attrs, CTA_TUPLE_ORIG);
	struct nlspan reply = nlspan_find(attrs, CTA_TUPLE_REPLY);
	struct stale *s = user;
	struct nfgenmsg g;
	uint8_t proto, same;
	uint16_t to;

	if (!orig.p || !reply.p || orig.len > TUPLE_MAX || s->n == STALE_MAX ||
	    port_in(orig, CTA_PROTO_DST_PORT, &proto) != s->port ||
	    proto != s->proto)
		return;
	to = port_in(reply, CTA_PROTO_SRC_PORT, &same);
	if (to == s->port || to < REDIRECT_FIRST ||
	    to >= REDIRECT_FIRST + REDIRECT_PORTS)
		return;
	memcpy(&g, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(g));
	(void)!add_stale(s, g.nfgen_family, orig);
}

int redirect_forget(struct redirect *r, uint16_t port, bool udp,
		    struct kt_error *err)
{
	struct stale s = { .port = port,
			   .proto = udp ? IPPROTO_UDP : IPPROTO_TCP };
	struct nlmsg m;
	int rc;

	redirect_begin(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
		       NLM_F_DUMP, AF_UNSPEC);
	rc = nlsock_call(&r->sock, &m, take_connection, &s);
	for (size_t i = 0; rc == 0 && i < s.n; i++) {
		redirect_begin(
			&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			0, s.v[i].family);
		nlmsg_put(&m, CTA_TUPLE_ORIG | NLA_F_NESTED, s.v[i].bytes,
			  s.v[i].len);
		rc = nlsock_call(&r->sock, &m, NULL, NULL);
		if (rc == -ENOENT)
			rc = 0; /* its time was over */
	}
	free(s.v);
	return rc < 0 ? kt_fail(err, -rc, "forget connections: %s",
				strerror(-rc))
		      : 0;
}

int redirect_exempt(struct redirect *r, const struct ipaddr *addr)
{
	for (size_t i = 0; i < r->nexempt; i++)
		if (ipaddr_eq(&r->exempt[i], addr))
			return 0;
	if (r->nexempt == EXEMPT_MAX)
		return -ENOSPC;
	r->exempt[r->nexempt++] = *addr;
	return 0;
}

int redirect_set(struct redirect *r, const struct redirect_port *v, size_t n,
		 struct kt_error *err)
{
	size_t all = 4 + (n ? r->nexempt + n : 0), at = 1;
	struct nlmsg *m = xcalloc(all, sizeof(*m));
	int rc;

	no_rules(&m[at++]);
	rule_hold(&m[at++]);
	for (size_t i = 0; n && i < r->nexempt; i++)
		rule_exempt(&m[at++], &r->exempt[i]);
	for (size_t i = 0; i < n; i++)
		rule_redirect(&m[at++], &v[i]);
	rc = redirect_run(r, m, all, "redirect ports", err);
	free(m);
	return rc;
}

void redirect_free(struct redirect *r)
{
	if (!r)
		return;
	nlsock_close(&r->sock);
	free(r);
}
