/* SPDX-License-Identifier: Apache-2.0 */
/* The datagrams of a supervised program; see supervisor.h. */
#include "run/supervisor_impl.h"

#include "base/fdlimit.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32

/* One socket of the program's and one peer: a socket of ours, which answers
 * come from, so that it is known whose they are */
struct supervised_flow {
	struct list node;
	struct supervised *k;
	struct watch watch; /* owns the socket */
	struct ipport at;   /* of it */
	struct ipport peer; /* whom it stands for */
	struct ipport id;   /* the program's socket, for the capture's owner */
	struct ipport self; /* where the program's socket is */
};

static int supervised_flow_open(struct ipport *at)
{
	auto_close int fd = fdlimit_take(socket(
		at->addr.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);
	int rc;

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(at, (struct sockaddr *)&ss);
	return rc < 0 ? rc : steal_fd(&fd);
}

static void supervised_flow_free(struct supervised_flow *f)
{
	loop_watch_stop(&f->watch);
	if (f->watch.fd >= 0)
		close(f->watch.fd);
	list_del(&f->node);
	loop_defer_free(f->k->s->loop, f);
}

void supervisor_udp_drop(struct supervised *k)
{
	while (!list_empty(&k->flows))
		supervised_flow_free(container_of(
			k->flows.next, struct supervised_flow, node));
}

/* What the program has sent on a connected socket */
static void supervised_flow_on_data(struct watch *w, uint32_t events)
{
	struct supervised_flow *f =
		container_of(w, struct supervised_flow, watch);
	struct supervisor *s = f->k->s;

	(void)events;
	for (int i = 0; i < BATCH && w->loop; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct ipport from;
		ssize_t n =
			recvfrom(w->fd, s->datagram, SUPERVISOR_DATAGRAM,
				 MSG_DONTWAIT, (struct sockaddr *)&ss, &len);

		if (n < 0)
			return;
		if (ipport_from_sockaddr(&from, (struct sockaddr *)&ss) < 0 ||
		    from.port != f->self.port)
			continue; /* a stranger's */
		s->base.ops->udp(s->base.user, &f->id, &f->peer, s->datagram,
				 (size_t)n);
	}
}

/* Where the program's socket is reached; a port is given to it where it has
 * none, as sendto() would */
static int supervised_flow_locate(struct supervised_flow *f)
{
	static const uint8_t nothing[16] = { 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(f->k->copy, (struct sockaddr *)&ss, &len) < 0 ||
	    ipport_from_sockaddr(&f->self, (struct sockaddr *)&ss) < 0)
		return -EINVAL;
	if (!f->self.port) {
		ss = (struct sockaddr_storage){
			.ss_family = (sa_family_t)f->k->family
		};
		if (bind(f->k->copy, (struct sockaddr *)&ss, len) < 0)
			return -errno;
		if (getsockname(f->k->copy, (struct sockaddr *)&ss, &len) < 0 ||
		    ipport_from_sockaddr(&f->self, (struct sockaddr *)&ss) < 0)
			return -EINVAL;
	}
	/* one that is bound to an address is reached there only */
	if (f->self.addr.family != f->at.addr.family ||
	    memcmp(f->self.addr.b, nothing, sizeof(nothing)) == 0) {
		f->self.addr = f->at.addr;
		f->self.scope = 0;
	}
	return 0;
}

static int supervised_flow_new(struct supervised_flow **out,
			       struct supervised *k, const struct ipport *peer)
{
	struct supervisor *s = k->s;
	struct supervised_flow *f = xcalloc(1, sizeof(*f));
	uint64_t id = ++s->flow_id;
	int fd, rc;

	f->k = k;
	f->peer = *peer;
	f->at.addr.family = peer->addr.family;
	f->at.addr.b[peer->addr.family == AF_INET ? 0 : 15] =
		peer->addr.family == AF_INET ? 127 : 1;
	if (peer->addr.family == AF_INET)
		f->at.addr.b[3] = 1;
	/* an address that nobody has, and a port */
	f->id.addr.family = peer->addr.family;
	f->id.addr.b[0] = peer->addr.family == AF_INET ? 127 : 0xfd;
	f->id.addr.b[1] = (uint8_t)(id >> 24);
	f->id.addr.b[2] = (uint8_t)(id >> 16);
	f->id.addr.b[3] = 2;
	f->id.port = (uint16_t)id;
	fd = supervised_flow_open(&f->at);
	list_add_tail(&k->flows, &f->node);
	f->watch.fd = fd < 0 ? -1 : fd;
	rc = fd < 0 ? fd
		    : loop_watch_start(s->loop, &f->watch, fd, EPOLLIN,
				       supervised_flow_on_data);
	if (rc < 0) {
		supervised_flow_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void supervisor_udp_connect(struct supervisor *s,
			    const struct supervised_call *c,
			    struct supervised *k, const struct ipport *dst)
{
	struct supervised_flow *f;
	struct sockaddr_storage ss;
	socklen_t len;
	int rc;

	supervisor_udp_drop(k); /* connected anew */
	rc = supervised_flow_new(&f, k, dst);
	if (rc == 0) {
		len = supervisor_sockaddr(&f->at, k->family, &ss);
		if (connect(k->copy, (struct sockaddr *)&ss, len) < 0)
			rc = -errno;
		else
			rc = supervised_flow_locate(f);
	}
	if (rc == 0)
		k->peer = *dst;
	supervisor_answer(s, c->id, 0, -rc);
}

int supervisor_udp_take(struct supervised *k, const struct ipport *dst,
			const uint8_t *data, size_t n)
{
	struct supervisor *s = k->s;
	struct supervised_flow *f = NULL;
	struct list *pos;
	int rc = 0;

	list_for_each (pos, &k->flows) {
		f = container_of(pos, struct supervised_flow, node);
		if (ipport_eq(&f->peer, dst))
			break;
		f = NULL;
	}
	if (!f) {
		rc = supervised_flow_new(&f, k, dst);
		if (rc == 0)
			rc = supervised_flow_locate(f);
	}
	if (rc == 0)
		s->base.ops->udp(s->base.user, &f->id, dst, data, n);
	return rc;
}

/* --- back ----------------------------------------------------------------- */

static struct supervised_flow *supervised_flow_find(struct supervisor *s,
						    const struct ipport *id)
{
	struct list *pos, *inner;

	list_for_each (pos, &s->sockets) {
		struct supervised *k =
			container_of(pos, struct supervised, node);

		list_for_each (inner, &k->flows) {
			struct supervised_flow *f = container_of(
				inner, struct supervised_flow, node);

			if (ipport_eq(&f->id, id))
				return f;
		}
	}
	return NULL;
}

int supervisor_udp_send(struct capture *base, const struct ipport *from,
			const struct ipport *to, const uint8_t *data,
			size_t len)
{
	struct supervisor *s = container_of(base, struct supervisor, base);
	struct supervised_flow *f = supervised_flow_find(s, to);
	struct sockaddr_storage ss;
	socklen_t sslen;

	(void)from; /* it is the flow's peer */
	if (!f)
		return -ENOENT;
	sslen = ipport_to_sockaddr(&f->self, &ss);
	if (sendto(f->watch.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&ss, sslen) < 0)
		return -errno;
	return 0;
}

/* The kernel tells the program of a closed port when there is one: for one
 * datagram, of ours, there is */
void supervisor_udp_error(struct capture *base, const struct ipport *src,
			  const struct ipport *dst, int errnum)
{
	struct supervisor *s = container_of(base, struct supervisor, base);
	struct supervised_flow *f = supervised_flow_find(s, src);
	struct ipport at;
	int fd;

	if (!f || errnum != ECONNREFUSED || f->k->copy < 0 ||
	    !ipport_eq(&f->k->peer, dst))
		return;
	at = f->at;
	loop_watch_stop(&f->watch);
	close(steal_fd(&f->watch.fd));
	(void)!send(f->k->copy, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	fd = supervised_flow_open(&at);
	f->watch.fd = fd < 0 ? -1 : fd;
	if (fd >= 0)
		(void)!loop_watch_start(s->loop, &f->watch, fd, EPOLLIN,
					supervised_flow_on_data);
}

struct ipport supervisor_udp_origin(const struct supervised *k,
				    const struct ipport *from)
{
	struct list *pos;

	list_for_each (pos, &k->flows) {
		const struct supervised_flow *f =
			container_of(pos, struct supervised_flow, node);

		if (f->at.port == from->port &&
		    f->at.addr.family == from->addr.family)
			return f->peer;
	}
	return *from;
}
