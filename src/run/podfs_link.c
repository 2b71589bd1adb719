/* SPDX-License-Identifier: Apache-2.0 */
#include "run/podfs_link.h"

#include "base/log.h"
#include "base/mem.h"
#include "tunnel/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PODFS_AGAIN NS_SEC
#define PODFS_LINK_OUT_MAX (PODFS_LINK_OUT + ((size_t)1 << 20))
#define PODFS_LINK_IN (2 * (size_t)FSMSG_ANSWER_MAX)

struct podfs_link {
	struct loop *loop;
	struct tunnel *tunnel;
	const char *secret;
	const struct podfs_link_ops *ops;
	void *user;
	struct tunnel_tcp *opening; /* or NULL */
	struct watch watch;	    /* of the socket that leads to the stream */
	int fd;			    /* -1: none */
	unsigned int stream;
	struct timer again;
	struct list calls;
	struct buf out, in;
	uint32_t last; /* id */
	bool full;
};

static void podfs_link_open(struct podfs_link *k);

/* --- the end of a stream -------------------------------------------------- */

static void podfs_link_fail_calls(struct podfs_link *k)
{
	struct fsmsg_answer a = { .error = EIO };
	struct list gone;

	list_init(&gone);
	while (!list_empty(&k->calls)) {
		struct list *n = k->calls.next;

		list_del(n);
		list_add_tail(&gone, n);
	}
	while (!list_empty(&gone)) {
		struct podfs_call *c =
			container_of(gone.next, struct podfs_call, node);

		list_del(&c->node);
		a.id = c->id;
		k->ops->answer(k->user, c, &a);
	}
}

static void podfs_link_end(struct podfs_link *k)
{
	loop_watch_stop(&k->watch);
	if (k->fd >= 0)
		close(steal_fd(&k->fd));
	k->stream++;
	buf_fini(&k->out);
	buf_fini(&k->in);
	podfs_link_fail_calls(k);
	if (k->full) {
		k->full = false;
		k->ops->room(k->user);
	}
}

/* --- bytes ---------------------------------------------------------------- */

static void podfs_link_answer(struct podfs_link *k,
			      const struct fsmsg_answer *a)
{
	struct list *n;

	list_for_each (n, &k->calls) {
		struct podfs_call *c = container_of(n, struct podfs_call, node);

		if (c->id != a->id)
			continue;
		list_del(&c->node);
		k->ops->answer(k->user, c, a);
		return;
	}
}

/* false: these are no answers */
static bool podfs_link_take(struct podfs_link *k)
{
	struct fsmsg_answer a;
	ssize_t n;

	while ((n = fsmsg_get_answer(buf_data(&k->in), k->in.len, &a)) > 0) {
		podfs_link_answer(k, &a);
		buf_take(&k->in, (size_t)n);
	}
	return n == 0;
}

static bool podfs_link_receive(struct podfs_link *k)
{
	uint8_t *p = buf_reserve(&k->in, FSMSG_ANSWER_MAX);
	ssize_t n = p ? recv(k->fd, p, FSMSG_ANSWER_MAX, MSG_DONTWAIT) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n > 0)
		buf_commit(&k->in, (size_t)n);
	return n > 0 && podfs_link_take(k);
}

static bool podfs_link_send(struct podfs_link *k)
{
	while (k->out.len) {
		ssize_t n = send(k->fd, buf_data(&k->out), k->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			return false;
		buf_take(&k->out, n > 0 ? (size_t)n : 0);
	}
	loop_watch_mod(&k->watch, EPOLLIN | (k->out.len ? EPOLLOUT : 0));
	if (k->full && k->out.len <= PODFS_LINK_OUT / 2) {
		k->full = false;
		k->ops->room(k->user);
	}
	return true;
}

static void podfs_link_on_socket(struct watch *w, uint32_t events)
{
	struct podfs_link *k = container_of(w, struct podfs_link, watch);
	bool good = true;

	if (events & EPOLLOUT)
		good = podfs_link_send(k);
	if (good && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		good = podfs_link_receive(k);
	if (good)
		return;
	log_debug("files of the Pod: the stream has ended");
	podfs_link_end(k);
}

/* --- opening -------------------------------------------------------------- */

static int podfs_link_couple(struct podfs_link *k, struct tunnel_tcp *tcp)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		rc = -errno;
		tunnel_tcp_cancel(tcp);
		return rc;
	}
	rc = tunnel_tcp_relay(tcp, pair[1], NULL, NULL);
	if (rc < 0) {
		close(pair[0]);
		return rc;
	}
	k->fd = pair[0];
	return loop_watch_start(k->loop, &k->watch, k->fd, EPOLLIN,
				podfs_link_on_socket);
}

static void podfs_link_on_again(struct timer *t)
{
	struct podfs_link *k = container_of(t, struct podfs_link, again);

	if (k->fd < 0 && !k->opening && !list_empty(&k->calls))
		podfs_link_open(k);
}

static void podfs_link_refused(struct podfs_link *k, int error)
{
	log_debug("files of the Pod: %s", strerror(-error));
	if (error == -ENETRESET || error == -ENOTCONN) {
		loop_timer_start(k->loop, &k->again, PODFS_AGAIN,
				 podfs_link_on_again);
		return;
	}
	k->ops->refused(k->user, error);
	podfs_link_end(k);
}

static void podfs_link_on_open(void *user, int error)
{
	struct podfs_link *k = user;
	struct tunnel_tcp *tcp = steal_ptr(&k->opening);

	if (error == 0)
		error = podfs_link_couple(k, tcp);
	if (error < 0)
		podfs_link_refused(k, error);
	else if (!podfs_link_send(k))
		podfs_link_end(k);
}

static void podfs_link_open(struct podfs_link *k)
{
	k->opening =
		tunnel_files_open(k->tunnel, k->secret, podfs_link_on_open, k);
	if (!k->opening) /* it is told later that it is refused */
		loop_timer_start(k->loop, &k->again, PODFS_AGAIN,
				 podfs_link_on_again);
}

/* --- asking --------------------------------------------------------------- */

static int podfs_link_put(struct podfs_link *k, const struct fsmsg_request *q)
{
	int rc = fsmsg_put_request(&k->out, q);

	if (rc < 0)
		return rc;
	if (k->out.len > PODFS_LINK_OUT)
		k->full = true;
	if (k->fd >= 0) /* what is asked in one go goes in one go */
		loop_watch_mod(&k->watch, EPOLLIN | EPOLLOUT);
	else if (!k->opening && !loop_timer_active(&k->again))
		podfs_link_open(k);
	return 0;
}

int podfs_link_ask(struct podfs_link *k, struct podfs_call *c,
		   struct fsmsg_request *q)
{
	int rc;

	q->id = c->id = ++k->last;
	rc = podfs_link_put(k, q);
	if (rc == 0)
		list_add_tail(&k->calls, &c->node);
	return rc;
}

void podfs_link_close(struct podfs_link *k, unsigned int stream,
		      uint32_t handle)
{
	const struct fsmsg_request q = { .op = FSMSG_CLOSE, .handle = handle };

	if (k->fd >= 0 && stream == k->stream && podfs_link_put(k, &q) < 0)
		log_debug("files of the Pod: handle %u stays open", handle);
}

unsigned int podfs_link_stream(const struct podfs_link *k)
{
	return k->stream;
}

bool podfs_link_full(const struct podfs_link *k)
{
	return k->full;
}

/* --- life ----------------------------------------------------------------- */

struct podfs_link *podfs_link_new(struct loop *l, struct tunnel *t,
				  const char *secret,
				  const struct podfs_link_ops *ops, void *user)
{
	struct podfs_link *k = xcalloc(1, sizeof(*k));

	k->loop = l;
	k->tunnel = t;
	k->secret = secret;
	k->ops = ops;
	k->user = user;
	k->fd = -1;
	list_init(&k->calls);
	buf_init(&k->out, PODFS_LINK_OUT_MAX);
	buf_init(&k->in, PODFS_LINK_IN);
	return k;
}

void podfs_link_free(struct podfs_link *k)
{
	if (!k)
		return;
	loop_watch_stop(&k->watch);
	loop_timer_stop(&k->again);
	tunnel_tcp_cancel(steal_ptr(&k->opening));
	if (k->fd >= 0)
		close(k->fd);
	buf_fini(&k->out);
	buf_fini(&k->in);
	loop_defer_free(k->loop, k);
}
