/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sockdiag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

struct sockdiag_dump {
	sockdiag_fn fn;
	void *user;
};

/* A socket of IPv6 that is bound to an IPv4 address, as Java makes them, is one
 * of that */
static struct ipaddr sockdiag_addr(const struct inet_diag_msg *m)
{
	struct in6_addr six;

	memcpy(&six, m->id.idiag_src, sizeof(six));
	if (m->idiag_family != AF_INET6)
		return ipaddr_v4(&six);
	return IN6_IS_ADDR_V4MAPPED(&six) ? ipaddr_v4(six.s6_addr + 12)
					  : ipaddr_v6(&six);
}

static void sockdiag_take(void *user, const struct nlmsghdr *h)
{
	const struct sockdiag_dump *d = user;
	struct inet_diag_msg m;
	struct ipport at;

	if (h->nlmsg_type != TCPDIAG_GETSOCK ||
	    h->nlmsg_len < NLMSG_HDRLEN + sizeof(m))
		return;
	memcpy(&m, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(m));
	if (m.idiag_state != TCP_LISTEN)
		return;
	at = (struct ipport){ .port = ntohs(m.id.idiag_sport) };
	at.addr = sockdiag_addr(&m);
	d->fn(d->user, &at);
}

/* The older form of the request: the kernel walks its table of listeners, which
 * is that of all namespaces, once for both families */
int sockdiag_listeners(struct nlsock *s, sockdiag_fn fn, void *user)
{
	struct sockdiag_dump d = { fn, user };
	struct inet_diag_req *req;
	struct nlmsg m;

	req = nlmsg_init(&m, TCPDIAG_GETSOCK, NLM_F_DUMP, sizeof(*req));
	req->idiag_family = AF_INET;
	req->idiag_states = 1U << TCP_LISTEN;
	return nlsock_call(s, &m, sockdiag_take, &d);
}
