/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conntrack.h"

#include "base/mem.h"
#include "net/nlmsg.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#define SO_ORIGINAL_DST_ 80 /* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST */

struct conntrack {
	struct nlsock sock;
};

int conntrack_open(struct conntrack **out)
{
	struct conntrack *ct = malloc(sizeof(*ct));
	int rc;

	if (!ct)
		return -ENOMEM;
	rc = nlsock_open(&ct->sock, NETLINK_NETFILTER);
	if (rc < 0) {
		free(ct);
		return rc;
	}
	*out = ct;
	return 0;
}

void conntrack_close(struct conntrack *ct)
{
	if (!ct)
		return;
	nlsock_close(&ct->sock);
	free(ct);
}

static void put_port(struct nlmsg *m, uint16_t attr, uint16_t port)
{
	uint16_t be = htons(port);

	nlmsg_put(m, attr, &be, sizeof(be));
}

static void put_tuple(struct nlmsg *m, uint16_t attr, const struct ipport *src,
		      const struct ipport *dst)
{
	bool v4 = src->addr.family == AF_INET;
	size_t tuple = nlmsg_nest(m, attr | NLA_F_NESTED);
	size_t part = nlmsg_nest(m, CTA_TUPLE_IP | NLA_F_NESTED);

	nlmsg_put(m, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, src->addr.b,
		  ipaddr_size(&src->addr));
	nlmsg_put(m, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, dst->addr.b,
		  ipaddr_size(&dst->addr));
	nlmsg_nest_end(m, part);
	part = nlmsg_nest(m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	nlmsg_put_u8(m, CTA_PROTO_NUM, IPPROTO_UDP);
	put_port(m, CTA_PROTO_SRC_PORT, src->port);
	put_port(m, CTA_PROTO_DST_PORT, dst->port);
	nlmsg_nest_end(m, part);
	nlmsg_nest_end(m, tuple);
}

static void take_entry(void *user, const struct nlmsghdr *h)
{
	struct nlspan attrs = nlspan_payload(h, sizeof(struct nfgenmsg));
	struct nlspan tuple = nlspan_find(attrs, CTA_TUPLE_ORIG);
	struct nlspan ip = nlspan_find(tuple, CTA_TUPLE_IP);
	struct nlspan proto = nlspan_find(tuple, CTA_TUPLE_PROTO);
	struct nlspan port = nlspan_find(proto, CTA_PROTO_DST_PORT);
	struct nlspan v4 = nlspan_find(ip, CTA_IP_V4_DST);
	struct nlspan v6 = nlspan_find(ip, CTA_IP_V6_DST);
	struct ipport *orig = user;

	if (port.len < 2)
		return;
	if (v4.len == 4)
		orig->addr = ipaddr_v4(v4.p);
	else if (v6.len == 16)
		orig->addr = ipaddr_v6(v6.p);
	orig->port = (uint16_t)(port.p[0] << 8 | port.p[1]);
}

int conntrack_original_udp(struct conntrack *ct, const struct ipport *client,
			   const struct ipport *listener, struct ipport *orig)
{
	struct nfgenmsg *nf;
	struct nlmsg m;
	int rc;

	*orig = (struct ipport){ 0 };
	nf = nlmsg_init(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0,
			sizeof(*nf));
	nf->nfgen_family = client->addr.family;
	nf->version = NFNETLINK_V0;
	/* the answer's direction: it is unique, also when two programs use
	 * one source port and the kernel had to change one of them */
	put_tuple(&m, CTA_TUPLE_REPLY, listener, client);
	rc = nlsock_call(&ct->sock, &m, take_entry, orig);
	/* EINVAL, EOPNOTSUPP: nobody answers for this part of netlink */
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		return -ENOENT;
	if (rc < 0)
		return rc;
	return orig->addr.family ? 0 : -ENOENT;
}

int conntrack_original_tcp(int fd, struct ipport *orig)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST_, &ss, &len) < 0) {
		len = sizeof(ss);
		if (getsockopt(fd, SOL_IPV6, SO_ORIGINAL_DST_, &ss, &len) < 0)
			return -errno;
	}
	return ipport_from_sockaddr(orig, (struct sockaddr *)&ss);
}
