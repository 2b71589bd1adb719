/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sockdiag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

struct sockdiag_dump {
	sockdiag_fn fn;
	void *user;
};

static void sockdiag_take(void *user, const struct nlmsghdr *h)
{
	const struct sockdiag_dump *d = user;
	struct inet_diag_msg m;
	struct ipport at;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    h->nlmsg_len < NLMSG_HDRLEN + sizeof(m))
		return;
	memcpy(&m, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(m));
	if (m.idiag_state != TCP_LISTEN)
		return;
	at = (struct ipport){ .port = ntohs(m.id.idiag_sport) };
	at.addr = m.idiag_family == AF_INET6 ? ipaddr_v6(m.id.idiag_src)
					     : ipaddr_v4(m.id.idiag_src);
	d->fn(d->user, &at);
}

int sockdiag_listeners(struct nlsock *s, sockdiag_fn fn, void *user)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct sockdiag_dump d = { fn, user };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(families); i++) {
		struct inet_diag_req_v2 *req;
		struct nlmsg m;

		req = nlmsg_init(&m, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP,
				 sizeof(*req));
		req->sdiag_family = families[i];
		req->sdiag_protocol = IPPROTO_TCP;
		req->idiag_states = 1U << TCP_LISTEN;
		rc = nlsock_call(s, &m, sockdiag_take, &d);
	}
	return rc;
}
