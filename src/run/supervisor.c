/* SPDX-License-Identifier: Apache-2.0 */
/* What the program asks for: which system call, which socket; see
 * supervisor.h. */
#include "run/supervisor_impl.h"

#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define SWEEP_FIRST 256 /* sockets, before it is looked which are left */
#define SWEEP_PAUSE (10 * NS_SEC)
#define SWEEP_PAUSE_MAX (320 * NS_SEC)

/* --- answers -------------------------------------------------------------- */

static void supervisor_respond(struct supervisor *s,
			       struct seccomp_notif_resp *resp)
{
	if (s->watch.fd >= 0 &&
	    ioctl(s->watch.fd, SECCOMP_IOCTL_NOTIF_SEND, resp) < 0 &&
	    errno != ENOENT)
		log_debug("run: answer a system call: %s", strerror(errno));
}

void supervisor_answer(struct supervisor *s, uint64_t id, int64_t value,
		       int error)
{
	struct seccomp_notif_resp resp = { .id = id,
					   .val = error ? 0 : value,
					   .error = -error };

	supervisor_respond(s, &resp);
}

void supervisor_continue(struct supervisor *s, uint64_t id)
{
	struct seccomp_notif_resp resp = {
		.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE
	};

	supervisor_respond(s, &resp);
}

bool supervisor_is_there(const struct supervisor *s, uint64_t id)
{
	return ioctl(s->watch.fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* --- sockets -------------------------------------------------------------- */

struct supervised *supervised_find(struct supervisor *s, ino_t inode)
{
	struct list *pos;

	list_for_each (pos, &s->buckets[inode % SUPERVISOR_BUCKETS]) {
		struct supervised *k =
			container_of(pos, struct supervised, bucket);

		if (k->inode == inode)
			return k;
	}
	return NULL;
}

void supervised_give_up(struct supervised *k)
{
	supervised_stop_waiting(k);
	if (k->copy >= 0)
		close(steal_fd(&k->copy));
}

bool supervised_is_nonblocking(const struct supervised *k)
{
	return fcntl(k->copy, F_GETFL) & O_NONBLOCK;
}

static void supervised_free(struct supervised *k)
{
	supervised_give_up(k);
	supervisor_udp_drop(k);
	list_del(&k->node);
	list_del(&k->bucket);
	k->s->n--;
	loop_defer_free(k->s->loop, k);
}

static void supervisor_on_seen(void *user, ino_t inode)
{
	struct supervised *k = supervised_find(user, inode);

	if (k)
		k->seen = true;
}

static void supervisor_on_sweep(struct timer *t);

/* Nobody tells that a program has closed a socket: what no process has any
 * more is forgotten, now and then */
static void supervisor_sweep(struct supervisor *s)
{
	struct list *pos, *tmp;
	size_t before = s->n;

	list_for_each (pos, &s->sockets)
		container_of(pos, struct supervised, node)->seen = false;
	supervisor_see(supervisor_on_seen, s);
	list_for_each_safe (pos, tmp, &s->sockets) {
		struct supervised *k =
			container_of(pos, struct supervised, node);

		if (!k->seen)
			supervised_free(k);
	}
	s->sweep_at = MAX(2 * s->n, (size_t)SWEEP_FIRST);
	s->pause = s->n < before ? SWEEP_PAUSE
				 : MIN(2 * s->pause, SWEEP_PAUSE_MAX);
	if (s->n)
		loop_timer_start(s->loop, &s->sweep, s->pause,
				 supervisor_on_sweep);
}

static void supervisor_on_sweep(struct timer *t)
{
	supervisor_sweep(container_of(t, struct supervisor, sweep));
}

static void supervisor_add(struct supervisor *s, int fd, ino_t inode,
			   int family, int type)
{
	struct supervised *k = supervised_find(s, inode);

	if (k) /* the number of one that is gone */
		supervised_free(k);
	k = xcalloc(1, sizeof(*k));
	k->s = s;
	k->inode = inode;
	k->family = family;
	k->type = type;
	k->copy = fd;
	list_init(&k->flows);
	list_init(&k->waiting);
	list_add_tail(&s->sockets, &k->node);
	list_add_tail(&s->buckets[inode % SUPERVISOR_BUCKETS], &k->bucket);
	if (s->n++ >= s->sweep_at)
		loop_timer_start(s->loop, &s->sweep, 0, supervisor_on_sweep);
	else if (!loop_timer_active(&s->sweep))
		loop_timer_start(s->loop, &s->sweep, s->pause = SWEEP_PAUSE,
				 supervisor_on_sweep);
}

static void supervisor_on_socket(struct supervisor *s,
				 const struct supervised_call *c)
{
	int family = (int)c->args[0], type = (int)c->args[1];
	int protocol = (int)c->args[2];
	struct seccomp_notif_addfd add = { .id = c->id,
					   .flags = SECCOMP_ADDFD_FLAG_SEND };
	struct stat st;
	int fd;

	if (!s->open || protocol == IPPROTO_ICMP ||
	    protocol == IPPROTO_ICMPV6) {
		supervisor_continue(s, c->id);
		return;
	}
	fd = fdlimit_take(socket(family, type | SOCK_CLOEXEC, protocol));
	if (fd < 0 || fstat(fd, &st) < 0) {
		supervisor_answer(s, c->id, 0, fd < 0 ? -fd : errno);
		return;
	}
	add.srcfd = (uint32_t)fd;
	add.newfd_flags = type & SOCK_CLOEXEC ? O_CLOEXEC : 0;
	if (ioctl(s->watch.fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0) {
		supervisor_add(s, fd, st.st_ino, family, type & 0xf);
		return;
	}
	if (errno != ENOENT)
		supervisor_answer(s, c->id, 0, errno);
	close(fd);
}

static struct supervised *supervisor_socket_of(struct supervisor *s,
					       const struct supervised_call *c)
{
	ino_t inode = supervisor_inode(c->pid, (int)c->args[0]);

	return inode ? supervised_find(s, inode) : NULL;
}

/* --- addresses ------------------------------------------------------------ */

/* Of daemons that look names up by themselves, and would do so outside */
static bool supervisor_is_resolver(const struct supervised_call *c)
{
	static const char *const hidden[] = { "/run/nscd/", "/var/run/nscd/",
					      "/run/systemd/resolve/" };
	struct sockaddr_un un = { 0 };
	uint64_t len = MIN(c->args[2], sizeof(un) - 1);

	if (supervisor_read(c->pid, c->args[1], &un, len) < 0 ||
	    un.sun_family != AF_UNIX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strncmp(un.sun_path, hidden[i], strlen(hidden[i])) == 0)
			return true;
	return false;
}

/* To somewhere else, or, with AF_UNSPEC, to nobody any more: that is the
 * kernel's */
static void supervisor_connect_elsewhere(struct supervised *k, int rc)
{
	if (k->type == SOCK_STREAM && rc == 0) {
		supervised_give_up(k);
	} else if (k->type == SOCK_DGRAM && k->peer.addr.family &&
		   (rc == 0 || rc == -EAFNOSUPPORT)) {
		supervisor_udp_drop(k);
		k->peer = (struct ipport){ 0 };
	}
}

static void supervisor_on_connect(struct supervisor *s,
				  const struct supervised_call *c)
{
	struct supervised *k;
	struct ipport dst;
	int rc = supervisor_read_addr(c->pid, c->args[1], c->args[2], &dst);

	if (rc == -EAFNOSUPPORT && supervisor_is_resolver(c)) {
		supervisor_answer(s, c->id, 0, ENOENT);
		return;
	}
	k = supervisor_socket_of(s, c);
	if (rc < 0 || !s->open || !s->ops->wants(s->user, &dst)) {
		if (k)
			supervisor_connect_elsewhere(k, rc);
		supervisor_continue(s, c->id);
	} else if (k && k->copy >= 0 && k->type == SOCK_DGRAM) {
		supervisor_udp_connect(s, c, k, &dst);
	} else if (k && k->copy >= 0) {
		supervisor_tcp_connect(s, c, k, &dst);
	} else if (k && k->peer.addr.family) {
		supervisor_continue(s, c->id); /* it is connected: EISCONN */
	} else { /* made before, or by somebody else */
		supervisor_answer(s, c->id, 0, ENETUNREACH);
	}
}

/* A copy of ours may be all that keeps @port from being free */
static bool supervisor_has_port(const struct supervisor *s, uint16_t port)
{
	struct list *pos;

	list_for_each (pos, &s->sockets) {
		const struct supervised *k =
			container_of(pos, struct supervised, node);
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct ipport at;

		if (k->copy >= 0 &&
		    getsockname(k->copy, (struct sockaddr *)&ss, &len) == 0 &&
		    ipport_from_sockaddr(&at, (struct sockaddr *)&ss) == 0 &&
		    at.port == port)
			return true;
	}
	return false;
}

/* A port that was asked for is to be free as soon as the program closes it */
static void supervisor_on_bind(struct supervisor *s,
			       const struct supervised_call *c)
{
	struct supervised *k = supervisor_socket_of(s, c);
	struct ipport at;

	if (supervisor_read_addr(c->pid, c->args[1], c->args[2], &at) == 0 &&
	    at.port) {
		if (k && k->type == SOCK_DGRAM)
			supervised_give_up(k);
		/* of one that it has closed already */
		if (supervisor_has_port(s, at.port))
			supervisor_sweep(s);
	}
	supervisor_continue(s, c->id);
}

static void supervisor_on_listen(struct supervisor *s,
				 const struct supervised_call *c)
{
	struct supervised *k = supervisor_socket_of(s, c);

	if (k)
		supervised_give_up(k);
	supervisor_continue(s, c->id);
}

static void supervisor_on_getpeername(struct supervisor *s,
				      const struct supervised_call *c)
{
	const struct supervised *k = supervisor_socket_of(s, c);

	if (!k || !k->peer.addr.family)
		supervisor_continue(s, c->id);
	else if (supervisor_is_there(s, c->id))
		supervisor_answer(s, c->id, 0,
				  -supervisor_write_addr(c->pid, c->args[1],
							 c->args[2], &k->peer,
							 k->family));
}

/* --- the listener --------------------------------------------------------- */

static void supervisor_dispatch(struct supervisor *s,
				const struct supervised_call *c)
{
	switch (c->nr) {
	case SYS_socket:
		supervisor_on_socket(s, c);
		break;
	case SYS_connect:
		supervisor_on_connect(s, c);
		break;
	case SYS_bind:
		supervisor_on_bind(s, c);
		break;
	case SYS_listen:
		supervisor_on_listen(s, c);
		break;
	case SYS_getpeername:
		supervisor_on_getpeername(s, c);
		break;
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
		supervisor_on_send(s, c);
		break;
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
		supervisor_on_receive(s, c);
		break;
	default:
		supervisor_continue(s, c->id);
	}
}

static void supervisor_on_call(struct watch *w, uint32_t events)
{
	struct supervisor *s = container_of(w, struct supervisor, watch);
	struct seccomp_notif req = { 0 };
	struct supervised_call c;

	if (!(events & EPOLLIN)) { /* the last process has gone */
		loop_watch_stop(w);
		return;
	}
	if (ioctl(w->fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
		return; /* it was killed meanwhile */
	c = (struct supervised_call){ .id = req.id,
				      .pid = (pid_t)req.pid,
				      .nr = req.data.nr,
				      .args = req.data.args };
	supervisor_dispatch(s, &c);
}

/* --- the capture ---------------------------------------------------------- */

static bool supervisor_has_ipv6(const struct capture *base)
{
	(void)base;
	return true;
}

static int supervisor_route(struct capture *base, const struct ipprefix *p,
			    bool add, struct kt_error *err)
{
	(void)base;
	(void)p;
	(void)add;
	(void)err;
	return 0; /* it is asked each time: wants() */
}

static void supervisor_get_stats(const struct capture *base,
				 struct capture_stats *st)
{
	const struct supervisor *s = (const void *)base; /* its first member */

	st->held = s->nattempts;
}

static void supervisor_capture_close(struct capture *base)
{
	struct supervisor *s = container_of(base, struct supervisor, base);

	s->open = false;
	supervisor_tcp_close(s);
	loop_timer_stop(&s->sweep);
	while (!list_empty(&s->sockets))
		supervised_free(
			container_of(s->sockets.next, struct supervised, node));
}

int supervisor_capture(struct capture **out, const struct capture *base,
		       void *user, struct kt_error *err)
{
	static const struct capture_impl impl = {
		.close = supervisor_capture_close,
		.has_ipv6 = supervisor_has_ipv6,
		.route = supervisor_route,
		.tcp_answer = supervisor_tcp_answer,
		.tcp_finish = supervisor_tcp_finish,
		.udp_send = supervisor_udp_send,
		.udp_error = supervisor_udp_error,
		.get_stats = supervisor_get_stats,
	};
	struct supervisor *s = user;
	int rc;

	s->base = *base;
	s->base.impl = &impl;
	rc = supervisor_tcp_open(s, err);
	if (rc < 0)
		return rc;
	s->open = true;
	*out = &s->base;
	return 0;
}

/* --- life ----------------------------------------------------------------- */

struct supervisor *supervisor_new(struct loop *l,
				  const struct supervisor_ops *ops, void *user)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->ops = ops;
	s->user = user;
	s->watch.fd = s->tcp[0] = s->tcp[1] = -1;
	s->sweep_at = SWEEP_FIRST;
	s->pause = SWEEP_PAUSE;
	s->datagram = xmalloc(SUPERVISOR_DATAGRAM);
	list_init(&s->sockets);
	for (size_t i = 0; i < SUPERVISOR_BUCKETS; i++)
		list_init(&s->buckets[i]);
	list_init(&s->attempts);
	return s;
}

int supervisor_start(struct supervisor *s, int listener, struct kt_error *err)
{
	int rc;

	s->watch.fd = listener;
	rc = loop_watch_start(s->loop, &s->watch, listener, EPOLLIN,
			      supervisor_on_call);
	return rc < 0 ? kt_fail(err, -rc, "supervise the program: %s",
				strerror(-rc))
		      : 0;
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	if (s->open)
		supervisor_capture_close(&s->base);
	loop_watch_stop(&s->watch);
	if (s->watch.fd >= 0)
		close(s->watch.fd);
	free(s->datagram);
	loop_defer_free(s->loop, s);
}
