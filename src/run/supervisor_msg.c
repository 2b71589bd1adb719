/* SPDX-License-Identifier: Apache-2.0 */
/* System calls with a datagram and an address; see supervisor.h. */
#include "run/supervisor_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOV_MAX_TAKEN 64

/* --- the message ---------------------------------------------------------- */

/** struct supervised_message - a system call's, in the program's memory */
struct supervised_message {
	pid_t pid;
	int nr, flags;
	uint64_t name, name_len_at; /* where, or 0 */
	uint64_t name_len;
	struct iovec iov[IOV_MAX_TAKEN];
	size_t niov;
	uint64_t header; /* struct msghdr, or 0 */
	uint64_t count;	 /* msg_len of struct mmsghdr, or 0 */
};

static struct supervised *supervisor_msg_socket(struct supervisor *s,
						const struct supervised_call *c)
{
	ino_t inode = supervisor_inode(c->pid, (int)c->args[0]);

	return inode ? supervised_find(s, inode) : NULL;
}

/* It connects as it sends */
static bool supervisor_msg_opens(const struct supervised *k,
				 const struct supervised_call *c)
{
	return c->args[c->nr == SYS_sendmsg ? 2 : 3] & MSG_FASTOPEN &&
	       !k->peer.addr.family;
}

static int supervisor_msg_header(struct supervised_message *m,
				 const struct supervised_call *c)
{
	struct msghdr h;
	bool many = c->nr == SYS_sendmmsg || c->nr == SYS_recvmmsg;
	int rc;

	m->header = c->args[1];
	m->flags = (int)c->args[many ? 3 : 2];
	if (many && !(unsigned int)c->args[2])
		return -EINVAL; /* of no message there is nothing to do */
	if (many)
		m->count = m->header + sizeof(struct msghdr);
	rc = supervisor_read(c->pid, m->header, &h, sizeof(h));
	if (rc < 0)
		return rc;
	m->name = (uintptr_t)h.msg_name;
	m->name_len = h.msg_namelen;
	m->name_len_at = m->header + offsetof(struct msghdr, msg_namelen);
	m->niov = h.msg_iovlen;
	if (m->niov > IOV_MAX_TAKEN)
		return -EMSGSIZE;
	return supervisor_read(c->pid, (uintptr_t)h.msg_iov, m->iov,
			       m->niov * sizeof(m->iov[0]));
}

static int supervisor_msg_read(struct supervised_message *m,
			       const struct supervised_call *c)
{
	*m = (struct supervised_message){ .pid = c->pid, .nr = c->nr };
	if (c->nr != SYS_sendto && c->nr != SYS_recvfrom)
		return supervisor_msg_header(m, c);
	m->iov[0].iov_base = (void *)(uintptr_t)c->args[1];
	m->iov[0].iov_len = c->args[2];
	m->niov = 1;
	m->flags = (int)c->args[3];
	m->name = c->args[4];
	m->name_len = m->name_len_at = c->args[5];
	return 0;
}

/* --- out ------------------------------------------------------------------ */

static ssize_t supervisor_msg_gather(const struct supervised_message *m,
				     uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < m->niov; i++) {
		size_t part = m->iov[i].iov_len;
		int rc;

		if (part > SUPERVISOR_DATAGRAM - n)
			return -EMSGSIZE;
		rc = supervisor_read(m->pid, (uintptr_t)m->iov[i].iov_base,
				     to + n, part);
		if (rc < 0)
			return rc;
		n += part;
	}
	return (ssize_t)n;
}

/* sendmmsg() says in each message what was sent of it, and how many were: one,
 * and the program sends the next itself */
static void supervisor_msg_sent(struct supervisor *s,
				const struct supervised_call *c,
				const struct supervised_message *m, ssize_t n)
{
	unsigned int count = (unsigned int)n;
	int rc = n < 0 ? (int)n : 0;

	if (!supervisor_is_there(s, c->id))
		return;
	if (rc == 0 && m->count)
		rc = supervisor_write(c->pid, m->count, &count, sizeof(count));
	supervisor_answer(s, c->id, m->count ? 1 : n, -rc);
}

void supervisor_on_send(struct supervisor *s, const struct supervised_call *c)
{
	struct supervised *k = supervisor_msg_socket(s, c);
	struct supervised_message m;
	struct ipport dst;
	ssize_t n;

	if (!k || (k->type == SOCK_STREAM && !supervisor_msg_opens(k, c)) ||
	    supervisor_msg_read(&m, c) < 0 || !m.name ||
	    supervisor_read_addr(c->pid, m.name, m.name_len, &dst) < 0 ||
	    !s->open || !s->ops->wants(s->user, &dst)) {
		supervisor_continue(s, c->id);
		return;
	}
	if (k->type == SOCK_STREAM || k->copy < 0) { /* as connect() has it */
		supervisor_answer(s, c->id, 0,
				  k->type == SOCK_STREAM ? EOPNOTSUPP
							 : ENETUNREACH);
		return;
	}
	n = supervisor_msg_gather(&m, s->datagram);
	if (n >= 0) {
		int rc = supervisor_udp_take(k, &dst, s->datagram, (size_t)n);

		n = rc < 0 ? rc : n;
	}
	supervisor_msg_sent(s, c, &m, n);
}

/* --- in ------------------------------------------------------------------- */

/** struct supervised_wait - the program waits for a datagram */
struct supervised_wait {
	struct list node;
	struct supervised *k;
	struct supervised_message m;
	uint64_t id;
	struct timer timer;
	int64_t end; /* SO_RCVTIMEO; 0: none */
};

static int supervisor_msg_scatter(const struct supervised_message *m,
				  const uint8_t *from, size_t n, bool *cut)
{
	for (size_t i = 0; i < m->niov && n; i++) {
		size_t part = MIN(n, m->iov[i].iov_len);
		int rc = supervisor_write(m->pid, (uintptr_t)m->iov[i].iov_base,
					  from, part);

		if (rc < 0)
			return rc;
		from += part;
		n -= part;
	}
	*cut = n;
	return 0;
}

static int supervisor_msg_finish(const struct supervised_message *m,
				 unsigned int n, bool cut)
{
	int flags = cut ? MSG_TRUNC : 0, rc = 0;
	size_t none = 0;

	if (m->header) {
		rc = supervisor_write(
			m->pid,
			m->header + offsetof(struct msghdr, msg_controllen),
			&none, sizeof(none));
		if (rc == 0)
			rc = supervisor_write(
				m->pid,
				m->header + offsetof(struct msghdr, msg_flags),
				&flags, sizeof(flags));
	}
	if (rc == 0 && m->count)
		rc = supervisor_write(m->pid, m->count, &n, sizeof(n));
	return rc;
}

/* What the call is answered with: bytes, messages or -errno; -EAGAIN: nothing
 * is there */
static int64_t supervisor_msg_receive(struct supervised *k,
				      const struct supervised_message *m)
{
	struct supervisor *s = k->s;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport from;
	bool cut = false;
	ssize_t n = recvfrom(k->copy, s->datagram, SUPERVISOR_DATAGRAM,
			     (m->flags & MSG_PEEK) | MSG_DONTWAIT,
			     (struct sockaddr *)&ss, &len);
	int rc;

	if (n < 0)
		return -errno;
	rc = supervisor_msg_scatter(m, s->datagram, (size_t)n, &cut);
	if (rc == 0 &&
	    ipport_from_sockaddr(&from, (struct sockaddr *)&ss) == 0) {
		from = supervisor_udp_origin(k, &from);
		rc = supervisor_write_addr(m->pid, m->name, m->name_len_at,
					   &from, k->family);
	}
	if (cut && !(m->flags & MSG_TRUNC)) {
		n = 0;
		for (size_t i = 0; i < m->niov; i++)
			n += (ssize_t)m->iov[i].iov_len;
	}
	if (rc == 0)
		rc = supervisor_msg_finish(m, (unsigned int)n, cut);
	if (rc < 0)
		return rc;
	return m->count ? 1 : n;
}

static void supervised_wait_end(struct supervised_wait *w, int64_t result)
{
	struct supervised *k = w->k;

	list_del(&w->node);
	loop_timer_stop(&w->timer);
	if (list_empty(&k->waiting))
		loop_watch_stop(&k->watch);
	supervisor_answer(k->s, w->id, result, result < 0 ? (int)-result : 0);
	loop_defer_free(k->s->loop, w);
}

void supervised_stop_waiting(struct supervised *k)
{
	while (!list_empty(&k->waiting))
		supervised_wait_end(container_of(k->waiting.next,
						 struct supervised_wait, node),
				    -EINTR);
}

static void supervised_on_readable(struct watch *watch, uint32_t events)
{
	struct supervised *k = container_of(watch, struct supervised, watch);

	(void)events;
	while (!list_empty(&k->waiting)) {
		struct supervised_wait *w = container_of(
			k->waiting.next, struct supervised_wait, node);
		int64_t rc = -EINTR;

		if (supervisor_is_there(k->s, w->id))
			rc = supervisor_msg_receive(k, &w->m);
		if (rc == -EAGAIN)
			return;
		supervised_wait_end(w, rc);
	}
}

static void supervised_on_tick(struct timer *t)
{
	struct supervised_wait *w =
		container_of(t, struct supervised_wait, timer);
	int64_t now = clock_ns(), next = SUPERVISOR_TICK;

	if (w->end && now >= w->end) {
		supervised_wait_end(w, -EAGAIN);
		return;
	}
	if (supervisor_is_interrupted(w->m.pid)) {
		supervised_wait_end(w, w->end ? -EINTR : -SUPERVISOR_RESTART);
		return;
	}
	if (w->end)
		next = MIN(next, w->end - now);
	loop_timer_start(w->k->s->loop, t, next, supervised_on_tick);
}

static void supervised_wait(struct supervised *k,
			    const struct supervised_call *c,
			    const struct supervised_message *m)
{
	struct supervised_wait *w = xcalloc(1, sizeof(*w));
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);

	w->k = k;
	w->m = *m;
	w->id = c->id;
	list_add_tail(&k->waiting, &w->node);
	if (getsockopt(k->copy, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0 &&
	    (tv.tv_sec || tv.tv_usec))
		w->end = clock_ns() + tv.tv_sec * NS_SEC + tv.tv_usec * 1000;
	supervised_on_tick(&w->timer);
	if (list_empty(&k->waiting)) /* it was interrupted by then */
		return;
	if (!k->watch.loop &&
	    loop_watch_start(k->s->loop, &k->watch, k->copy, EPOLLIN,
			     supervised_on_readable) < 0)
		supervised_wait_end(w, -ENOMEM);
}

void supervisor_on_receive(struct supervisor *s,
			   const struct supervised_call *c)
{
	struct supervised *k = supervisor_msg_socket(s, c);
	struct supervised_message m;
	int64_t rc;

	if (!k || k->copy < 0 || list_empty(&k->flows) ||
	    supervisor_msg_read(&m, c) < 0 || m.flags & MSG_ERRQUEUE) {
		supervisor_continue(s, c->id);
		return;
	}
	if (!supervisor_is_there(s, c->id))
		return;
	rc = supervisor_msg_receive(k, &m);
	if (rc == -EAGAIN && !(m.flags & MSG_DONTWAIT) &&
	    !supervised_is_nonblocking(k))
		supervised_wait(k, c, &m);
	else
		supervisor_answer(s, c->id, rc, rc < 0 ? (int)-rc : 0);
}
