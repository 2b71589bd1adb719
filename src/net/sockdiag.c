/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sockdiag.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

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

/* The kernel tells of every TCP socket that goes; of those that were connected
 * it shall not wake us */
static int sockdiag_ends_filter(int fd)
{
	const uint32_t port =
		NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.idiag_dport);
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, port),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = { ARRAY_SIZE(code),
					 (void *)(uintptr_t)code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog));
}

int sockdiag_ends_open(void)
{
	const struct sockaddr_nl at = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1U << (SKNLGRP_INET_TCP_DESTROY - 1) |
			     1U << (SKNLGRP_INET6_TCP_DESTROY - 1),
	};
	auto_close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_SOCK_DIAG);

	if (fd < 0 || sockdiag_ends_filter(fd) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* ENOBUFS: more came than there is room for, so something came */
bool sockdiag_ends_read(int fd)
{
	char some[256];
	bool any = false;

	while (recv(fd, some, sizeof(some), MSG_DONTWAIT) >= 0 ||
	       errno == ENOBUFS)
		any = true;
	return any;
}
