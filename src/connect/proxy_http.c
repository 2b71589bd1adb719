/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/proxy_http.h"

#include "base/loop.h"
#include "base/mem.h"
#include "pipe/join.h"
#include "tunnel/dialer.h"

#include <sys/socket.h>
#include <unistd.h>

struct proxy_http_request {
	struct list node;
	struct loop *loop;
	struct join *join; /* NULL: it is over */
	bool relays;
};

static void proxy_http_over(struct proxy_http_request *r)
{
	if (r->join || r->relays)
		return;
	list_del(&r->node);
	loop_defer_free(r->loop, r);
}

static void proxy_http_on_joined(void *user)
{
	struct proxy_http_request *r = user;

	r->join = NULL;
	proxy_http_over(r);
}

/* The pair of sockets tells of no reset */
static void proxy_http_on_relayed(void *user, int error)
{
	struct proxy_http_request *r = user;

	r->relays = false;
	if (error)
		join_reset(steal_ptr(&r->join));
	proxy_http_over(r);
}

void proxy_http_init(struct proxy_http *p, struct loop *l)
{
	p->loop = l;
	list_init(&p->requests);
	relay_group_init(&p->relays);
	p->hooks = (struct relay_hooks){
		.group = &p->relays,
		.done = proxy_http_on_relayed,
	};
}

void proxy_http_start(struct proxy_http *p, struct attempt *a, int fd,
		      const void *head, size_t n)
{
	struct proxy_http_request *r = xcalloc(1, sizeof(*r));
	int pair[2];

	r->loop = p->loop;
	list_add_tail(&p->requests, &r->node);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       pair) < 0) {
		fd_close_reset(fd);
		dialer_cancel(a);
		proxy_http_over(r);
		return;
	}
	/* a fresh one has room for it */
	if (send(pair[0], head, n, MSG_NOSIGNAL) == (ssize_t)n) {
		r->join = join_sockets(p->loop, fd, pair[0],
				       proxy_http_on_joined, r);
	} else {
		fd_close_reset(fd);
		close(pair[0]);
	}
	if (!r->join) {
		close(pair[1]);
		dialer_cancel(a);
		proxy_http_over(r);
		return;
	}
	r->relays = true;
	dialer_relay(a, pair[1], &p->hooks, r);
}

void proxy_http_fini(struct proxy_http *p)
{
	relay_group_fini(&p->relays);
	while (!list_empty(&p->requests)) {
		struct proxy_http_request *r = container_of(
			p->requests.next, struct proxy_http_request, node);

		join_reset(steal_ptr(&r->join));
		r->relays = false;
		proxy_http_over(r);
	}
}
