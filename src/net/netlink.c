/* SPDX-License-Identifier: Apache-2.0 */
#include "net/netlink.h"

#include "base/mem.h"
#include "net/nlmsg.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <time.h>

#define WAIT_STEP_MS 2
#define WAIT_MAX_MS 2000
#define CREATE (NLM_F_CREATE | NLM_F_EXCL)

/* <linux/if.h> has it, but not beside <net/if.h> */
enum { IF_OPER_UNKNOWN = 0, IF_OPER_UP = 6 };

struct netlink {
	struct nlsock sock;
};

int netlink_open(struct netlink **out, struct kt_error *err)
{
	struct netlink *nl = malloc(sizeof(*nl));
	int rc;

	if (!nl)
		return kt_fail(err, ENOMEM, "open netlink: out of memory");
	rc = nlsock_open(&nl->sock, NETLINK_ROUTE);
	if (rc < 0) {
		free(nl);
		return kt_fail(err, -rc, "open netlink: %s", strerror(-rc));
	}
	*out = nl;
	return 0;
}

struct netlink *netlink_adopt(int fd)
{
	struct netlink *nl = malloc(sizeof(*nl));

	if (!nl) {
		close(fd);
		return NULL;
	}
	nlsock_adopt(&nl->sock, fd);
	return nl;
}

int netlink_fd(const struct netlink *nl)
{
	return nl->sock.fd;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	nlsock_close(&nl->sock);
	free(nl);
}

/* Sends @m; a refusal becomes "@what @name: reason (the kernel's words)". */
static int netlink_act(struct netlink *nl, struct nlmsg *m,
		       struct kt_error *err, const char *what, const char *name)
{
	int rc = nlsock_call(&nl->sock, m, NULL, NULL);

	if (rc == 0)
		return 0;
	if (nl->sock.extack[0])
		return kt_fail(err, -rc, "%s %s: %s (%s)", what, name,
			       strerror(-rc), nl->sock.extack);
	return kt_fail(err, -rc, "%s %s: %s", what, name, strerror(-rc));
}

/* The name for a message; the index when the link is not in sight. */
static const char *link_name(struct netlink *nl, int ifindex,
			     char buf[IF_NAMESIZE]);

/* --- links ---------------------------------------------------------------- */

int netlink_veth_add(struct netlink *nl, const struct netlink_veth *v,
		     struct kt_error *err)
{
	struct ifinfomsg peer = { .ifi_flags = IFF_NOARP,
				  .ifi_change = IFF_NOARP };
	size_t info, data, end;
	struct ifinfomsg *ifi;
	struct nlmsg m;

	ifi = nlmsg_init(&m, RTM_NEWLINK, CREATE, sizeof(*ifi));
	ifi->ifi_flags = ifi->ifi_change = IFF_NOARP;
	nlmsg_put_str(&m, IFLA_IFNAME, v->name);
	nlmsg_put_u32(&m, IFLA_MTU, (uint32_t)v->mtu);
	nlmsg_put(&m, IFLA_ADDRESS, v->mac, NETLINK_MAC);
	info = nlmsg_nest(&m, IFLA_LINKINFO);
	nlmsg_put_str(&m, IFLA_INFO_KIND, "veth");
	data = nlmsg_nest(&m, IFLA_INFO_DATA);
	end = nlmsg_nest(&m, VETH_INFO_PEER);
	nlmsg_append(&m, &peer, sizeof(peer));
	nlmsg_put_str(&m, IFLA_IFNAME, v->peer);
	nlmsg_put_u32(&m, IFLA_MTU, (uint32_t)v->mtu);
	nlmsg_put(&m, IFLA_ADDRESS, v->mac, NETLINK_MAC);
	nlmsg_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)v->peer_netns);
	nlmsg_nest_end(&m, end);
	nlmsg_nest_end(&m, data);
	nlmsg_nest_end(&m, info);
	return netlink_act(nl, &m, err, "create network device", v->name);
}

static void take_index(void *user, const struct nlmsghdr *h)
{
	struct ifinfomsg ifi;
	int *index = user;

	if (h->nlmsg_type != RTM_NEWLINK ||
	    h->nlmsg_len < NLMSG_HDRLEN + sizeof(ifi))
		return;
	memcpy(&ifi, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(ifi));
	*index = ifi.ifi_index;
}

int netlink_link_index(struct netlink *nl, const char *name)
{
	int index = -ENODEV;
	struct nlmsg m;
	int rc;

	nlmsg_init(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	nlmsg_put_str(&m, IFLA_IFNAME, name);
	rc = nlsock_call(&nl->sock, &m, take_index, &index);
	return rc < 0 ? rc : index;
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs, kind, mac;
	struct netlink_link *l = user;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	take_index(&l->ifindex, h);
	attrs = nlspan_payload(h, sizeof(struct ifinfomsg));
	kind = nlspan_find(nlspan_find(attrs, IFLA_LINKINFO), IFLA_INFO_KIND);
	if (kind.p)
		snprintf(l->kind, sizeof(l->kind), "%.*s", (int)kind.len,
			 (const char *)kind.p);
	mac = nlspan_find(attrs, IFLA_ADDRESS);
	if (mac.len == sizeof(l->mac))
		memcpy(l->mac, mac.p, sizeof(l->mac));
}

int netlink_link_look(struct netlink *nl, const char *name,
		      struct netlink_link *out)
{
	struct nlmsg m;
	int rc;

	*out = (struct netlink_link){ .ifindex = -ENODEV };
	nlmsg_init(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	nlmsg_put_str(&m, IFLA_IFNAME, name);
	rc = nlsock_call(&nl->sock, &m, take_link, out);
	if (rc < 0)
		return rc;
	return out->ifindex < 0 ? out->ifindex : 0;
}

static void netlink_take_name(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs, name;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	attrs = nlspan_payload(h, sizeof(struct ifinfomsg));
	name = nlspan_find(attrs, IFLA_IFNAME);
	snprintf(user, IF_NAMESIZE, "%.*s", (int)name.len,
		 (const char *)name.p);
}

static const char *link_name(struct netlink *nl, int ifindex,
			     char buf[IF_NAMESIZE])
{
	struct ifinfomsg *ifi;
	struct nlmsg m;

	buf[0] = '\0';
	ifi = nlmsg_init(&m, RTM_GETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	if (nlsock_call(&nl->sock, &m, netlink_take_name, buf) < 0)
		buf[0] = '\0';
	return buf;
}

int netlink_link_up(struct netlink *nl, int ifindex, int mtu, int txqlen,
		    struct kt_error *err)
{
	char name[IF_NAMESIZE];
	struct ifinfomsg *ifi;
	struct nlmsg m;

	link_name(nl, ifindex, name);
	ifi = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (mtu)
		nlmsg_put_u32(&m, IFLA_MTU, (uint32_t)mtu);
	if (txqlen)
		nlmsg_put_u32(&m, IFLA_TXQLEN, (uint32_t)txqlen);
	return netlink_act(nl, &m, err, "bring up network device", name);
}

static void wait_step(void)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_MS * 1000000L };

	nanosleep(&step, NULL);
}

static void take_operstate(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs, state;
	uint8_t *out = user;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	attrs = nlspan_payload(h, sizeof(struct ifinfomsg));
	state = nlspan_find(attrs, IFLA_OPERSTATE);
	if (state.len)
		*out = state.p[0];
}

int netlink_link_wait(struct netlink *nl, int ifindex, struct kt_error *err)
{
	char name[IF_NAMESIZE];
	struct ifinfomsg *ifi;
	struct nlmsg m;

	for (int ms = 0; ms < WAIT_MAX_MS; ms += WAIT_STEP_MS) {
		uint8_t state = IF_OPER_UNKNOWN;
		int rc;

		ifi = nlmsg_init(&m, RTM_GETLINK, 0, sizeof(*ifi));
		ifi->ifi_index = ifindex;
		rc = nlsock_call(&nl->sock, &m, take_operstate, &state);
		if (rc < 0)
			return kt_fail(err, -rc, "wait for network device: %s",
				       strerror(-rc));
		if (state == IF_OPER_UP)
			return 0;
		wait_step();
	}
	return kt_fail(err, ETIMEDOUT, "network device %s does not come up",
		       link_name(nl, ifindex, name));
}

int netlink_link_alias(struct netlink *nl, int ifindex, const char *text,
		       struct kt_error *err)
{
	char name[IF_NAMESIZE];
	struct ifinfomsg *ifi;
	struct nlmsg m;

	link_name(nl, ifindex, name);
	ifi = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	nlmsg_put(&m, IFLA_IFALIAS, text, strlen(text));
	return netlink_act(nl, &m, err, "name network device", name);
}

int netlink_link_del(struct netlink *nl, const char *name, struct kt_error *err)
{
	struct nlmsg m;

	nlmsg_init(&m, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
	nlmsg_put_str(&m, IFLA_IFNAME, name);
	return netlink_act(nl, &m, err, "delete network device", name);
}

/* --- addresses ------------------------------------------------------------ */

int netlink_addr_add(struct netlink *nl, int ifindex, const struct ipaddr *addr,
		     unsigned int len, struct kt_error *err)
{
	struct ifaddrmsg *ifa;
	char text[IPADDR_STRLEN];
	struct nlmsg m;
	int rc;

	ifa = nlmsg_init(&m, RTM_NEWADDR, CREATE, sizeof(*ifa));
	ifa->ifa_family = addr->family;
	ifa->ifa_prefixlen = (uint8_t)len;
	ifa->ifa_index = (uint32_t)ifindex;
	if (addr->family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	nlmsg_put(&m, IFA_LOCAL, addr->b, ipaddr_size(addr));
	nlmsg_put(&m, IFA_ADDRESS, addr->b, ipaddr_size(addr));
	rc = netlink_act(nl, &m, err, "add address", ipaddr_str(addr, text));
	if (rc < 0)
		return rc;
	/* the kernel takes an IPv6 address into use in the background */
	for (int ms = 0; ms < WAIT_MAX_MS; ms += WAIT_STEP_MS) {
		struct netlink_hop hop;

		if (netlink_route_get(nl, addr, &hop) == 0 && hop.local)
			return 0;
		wait_step();
	}
	return kt_fail(err, ETIMEDOUT, "address %s does not come up", text);
}

/* --- routes and rules ----------------------------------------------------- */

static void build_route(struct nlmsg *m, uint16_t type, uint16_t flags,
			const struct netlink_route *r)
{
	size_t size = ipaddr_size(&r->dst.addr);
	struct rtmsg *rt = nlmsg_init(m, type, flags, sizeof(*rt));

	rt->rtm_family = r->dst.addr.family;
	rt->rtm_dst_len = r->dst.len;
	rt->rtm_table = RT_TABLE_UNSPEC; /* RTA_TABLE says it */
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_type = r->local ? RTN_LOCAL : RTN_UNICAST;
	if (r->local)
		rt->rtm_scope = RT_SCOPE_HOST;
	else if (!r->via.family && rt->rtm_family == AF_INET)
		rt->rtm_scope = RT_SCOPE_LINK;
	else
		rt->rtm_scope = RT_SCOPE_UNIVERSE;
	if (type == RTM_DELROUTE)
		rt->rtm_scope = RT_SCOPE_NOWHERE; /* any */
	nlmsg_put_u32(m, RTA_TABLE, r->table ? r->table : RT_TABLE_MAIN);
	if (r->dst.len)
		nlmsg_put(m, RTA_DST, r->dst.addr.b, size);
	if (r->ifindex)
		nlmsg_put_u32(m, RTA_OIF, (uint32_t)r->ifindex);
	if (r->via.family)
		nlmsg_put(m, RTA_GATEWAY, r->via.b, ipaddr_size(&r->via));
	if (r->src.family)
		nlmsg_put(m, RTA_PREFSRC, r->src.b, ipaddr_size(&r->src));
	if (r->metric)
		nlmsg_put_u32(m, RTA_PRIORITY, r->metric);
}

int netlink_route_add(struct netlink *nl, const struct netlink_route *r,
		      struct kt_error *err)
{
	char text[IPPREFIX_STRLEN];
	struct nlmsg m;

	build_route(&m, RTM_NEWROUTE, CREATE, r);
	return netlink_act(nl, &m, err, "add route to",
			   ipprefix_str(&r->dst, text));
}

int netlink_route_del(struct netlink *nl, const struct netlink_route *r,
		      struct kt_error *err)
{
	char text[IPPREFIX_STRLEN];
	struct nlmsg m;

	build_route(&m, RTM_DELROUTE, 0, r);
	return netlink_act(nl, &m, err, "delete route to",
			   ipprefix_str(&r->dst, text));
}

int netlink_rule_add(struct netlink *nl, const struct netlink_rule *r,
		     struct kt_error *err)
{
	struct fib_rule_hdr *fr;
	struct nlmsg m;

	fr = nlmsg_init(&m, RTM_NEWRULE, CREATE, sizeof(*fr));
	fr->family = (uint8_t)r->family;
	fr->action = FR_ACT_TO_TBL;
	nlmsg_put_u32(&m, FRA_TABLE, r->table);
	nlmsg_put_u32(&m, FRA_PRIORITY, r->priority);
	if (r->iif)
		nlmsg_put_str(&m, FRA_IIFNAME, r->iif);
	if (r->mark)
		nlmsg_put_u32(&m, FRA_FWMARK, r->mark);
	return netlink_act(nl, &m, err, "add routing rule for",
			   r->iif ? r->iif : "marked packets");
}

/* --- lists ---------------------------------------------------------------- */

struct each {
	netlink_net_fn fn;
	void *user;
	uint32_t table;
};

static bool span_addr(struct nlspan s, int family, struct ipaddr *a)
{
	if (family == AF_INET && s.len == 4)
		*a = ipaddr_v4(s.p);
	else if (family == AF_INET6 && s.len == 16)
		*a = ipaddr_v6(s.p);
	else
		return false;
	return true;
}

static void take_addr(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct ifaddrmsg));
	struct netlink_net n = { .direct = true };
	struct each *each = user;
	struct ifaddrmsg ifa;
	struct ipaddr net;

	if (h->nlmsg_type != RTM_NEWADDR || !attrs.p)
		return;
	memcpy(&ifa, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(ifa));
	/* ADDRESS is the peer on a point-to-point link, LOCAL is ours */
	if (!span_addr(nlspan_find(attrs, IFA_ADDRESS), ifa.ifa_family, &net))
		return;
	if (!span_addr(nlspan_find(attrs, IFA_LOCAL), ifa.ifa_family, &n.addr))
		n.addr = net;
	n.net = ipprefix_make(&net, ifa.ifa_prefixlen);
	n.ifindex = (int)ifa.ifa_index;
	each->fn(each->user, &n);
}

int netlink_addr_each(struct netlink *nl, netlink_net_fn fn, void *user)
{
	struct each each = { fn, user, 0 };
	struct nlmsg m;

	nlmsg_init(&m, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	return nlsock_call(&nl->sock, &m, take_addr, &each);
}

static int first_hop(struct nlspan multipath)
{
	struct rtnexthop hop;

	if (multipath.len < sizeof(hop))
		return 0;
	memcpy(&hop, multipath.p, sizeof(hop));
	return hop.rtnh_ifindex;
}

static void take_route(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct rtmsg));
	struct netlink_net n = { 0 };
	struct each *each = user;
	struct ipaddr dst = { 0 };
	struct rtmsg rt;

	if (h->nlmsg_type != RTM_NEWROUTE || !attrs.p)
		return;
	memcpy(&rt, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(rt));
	n.table = nlspan_u32(nlspan_find(attrs, RTA_TABLE), rt.rtm_table);
	if (rt.rtm_type != RTN_UNICAST || n.table == RT_TABLE_LOCAL ||
	    (each->table != NETLINK_ALL_TABLES && each->table != n.table))
		return;
	dst.family = rt.rtm_family; /* without RTA_DST it is the default */
	if (rt.rtm_dst_len &&
	    !span_addr(nlspan_find(attrs, RTA_DST), rt.rtm_family, &dst))
		return;
	n.net = ipprefix_make(&dst, rt.rtm_dst_len);
	n.ifindex = (int)nlspan_u32(nlspan_find(attrs, RTA_OIF), 0);
	if (!n.ifindex)
		n.ifindex = first_hop(nlspan_find(attrs, RTA_MULTIPATH));
	n.direct = n.ifindex && !nlspan_find(attrs, RTA_MULTIPATH).p &&
		   !nlspan_find(attrs, RTA_GATEWAY).p &&
		   !nlspan_find(attrs, RTA_VIA).p;
	each->fn(each->user, &n);
}

int netlink_route_each(struct netlink *nl, netlink_net_fn fn, void *user)
{
	return netlink_table_each(nl, RT_TABLE_MAIN, fn, user);
}

int netlink_table_each(struct netlink *nl, uint32_t table, netlink_net_fn fn,
		       void *user)
{
	struct each each = { fn, user, table };
	struct nlmsg m;

	nlmsg_init(&m, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg));
	return nlsock_call(&nl->sock, &m, take_route, &each);
}

struct netlink_rules {
	void (*fn)(void *user, const struct netlink_rule_seen *r);
	void *user;
};

/* By addresses, devices, ports, marks or users: for some packets only. "not"
 * turns that around: WireGuard's is for all but its own. */
static bool netlink_rule_selects(const struct fib_rule_hdr *h,
				 struct nlspan attrs)
{
	static const uint16_t by[] = { FRA_IIFNAME,	FRA_OIFNAME,
				       FRA_FWMARK,	FRA_UID_RANGE,
				       FRA_SPORT_RANGE, FRA_DPORT_RANGE,
				       FRA_IP_PROTO };
	bool some = h->src_len || h->dst_len || h->tos;

	for (size_t i = 0; i < ARRAY_SIZE(by); i++)
		some = some || nlspan_find(attrs, by[i]).p;
	return some;
}

static void netlink_take_rule(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct fib_rule_hdr));
	struct netlink_rules *all = user;
	struct netlink_rule_seen r = { 0 };
	struct fib_rule_hdr head;
	uint32_t suppress;

	if (h->nlmsg_type != RTM_NEWRULE || !attrs.p)
		return;
	memcpy(&head, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(head));
	if (head.action != FR_ACT_TO_TBL)
		return;
	r.priority = nlspan_u32(nlspan_find(attrs, FRA_PRIORITY), 0);
	r.table = nlspan_u32(nlspan_find(attrs, FRA_TABLE), head.table);
	suppress = nlspan_u32(nlspan_find(attrs, FRA_SUPPRESS_PREFIXLEN),
			      UINT32_MAX); /* -1: none */
	r.all = !netlink_rule_selects(&head, attrs) &&
		(suppress == UINT32_MAX || suppress == 0);
	all->fn(all->user, &r);
}

int netlink_rule_each(struct netlink *nl, int family,
		      void (*fn)(void *user, const struct netlink_rule_seen *r),
		      void *user)
{
	struct netlink_rules all = { fn, user };
	struct fib_rule_hdr *head;
	struct nlmsg m;

	head = nlmsg_init(&m, RTM_GETRULE, NLM_F_DUMP, sizeof(*head));
	head->family = (uint8_t)family;
	return nlsock_call(&nl->sock, &m, netlink_take_rule, &all);
}

static void take_hop(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct rtmsg));
	struct netlink_hop *hop = user;
	struct rtmsg rt;

	if (h->nlmsg_type != RTM_NEWROUTE || !attrs.p)
		return;
	memcpy(&rt, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(rt));
	hop->ifindex = (int)nlspan_u32(nlspan_find(attrs, RTA_OIF), 0);
	hop->table = nlspan_u32(nlspan_find(attrs, RTA_TABLE), rt.rtm_table);
	hop->local = rt.rtm_type == RTN_LOCAL;
	(void)span_addr(nlspan_find(attrs, RTA_GATEWAY), rt.rtm_family,
			&hop->via);
	(void)span_addr(nlspan_find(attrs, RTA_PREFSRC), rt.rtm_family,
			&hop->src);
}

int netlink_route_get(struct netlink *nl, const struct ipaddr *dst,
		      struct netlink_hop *hop)
{
	return netlink_route_by(nl, dst, 0, hop);
}

int netlink_route_by(struct netlink *nl, const struct ipaddr *dst, int ifindex,
		     struct netlink_hop *hop)
{
	struct rtmsg *rt;
	struct nlmsg m;
	int rc;

	*hop = (struct netlink_hop){ 0 };
	rt = nlmsg_init(&m, RTM_GETROUTE, 0, sizeof(*rt));
	rt->rtm_family = dst->family;
	rt->rtm_dst_len = (uint8_t)ipaddr_bits(dst);
	rt->rtm_flags = RTM_F_LOOKUP_TABLE;
	nlmsg_put(&m, RTA_DST, dst->b, ipaddr_size(dst));
	if (ifindex)
		nlmsg_put_u32(&m, RTA_OIF, (uint32_t)ifindex);
	rc = nlsock_call(&nl->sock, &m, take_hop, hop);
	if (rc < 0)
		return rc;
	if (!hop->ifindex)
		return -ENETUNREACH;
	link_name(nl, hop->ifindex, hop->ifname);
	return 0;
}
