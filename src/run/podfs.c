/* SPDX-License-Identifier: Apache-2.0 */
#include "run/podfs_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define PODFS_BATCH 16		 /* requests that are read at a time */
#define PODFS_LOOK (200 * NS_MS) /* whether somebody is killed */
#define PODFS_STATUS_MAX ((size_t)8 << 10) /* of /proc/PID/status */

/* --- who waits in vain ---------------------------------------------------- */

bool podfs_is_killed(uint32_t pid)
{
	auto_free char *path = xasprintf("/proc/%u/status", pid);
	auto_free char *text = file_read(path, PODFS_STATUS_MAX, NULL);
	const char *line = text ? strstr(text, "\nSigPnd:\t") : NULL;

	if (!pid)
		return false; /* of a namespace that is not ours to see */
	return !line || strtoull(line + strlen("\nSigPnd:\t"), NULL, 16) >>
					(SIGKILL - 1) &
				1;
}

static void podfs_give_up(struct podfs *p, struct podfs_ask *q)
{
	q->over = true;
	q->interrupted = false;
	podfs_reply(p, q->unique, EINTR, NULL, 0);
}

static void podfs_look_for_killed(struct timer *t)
{
	struct podfs *p = container_of(t, struct podfs, killed);
	bool more = false;
	struct list *n;

	list_for_each (n, &p->asks) {
		struct podfs_ask *q = container_of(n, struct podfs_ask, node);

		if (!q->interrupted)
			continue;
		if (podfs_is_killed(q->pid))
			podfs_give_up(p, q);
		more |= q->interrupted;
	}
	if (more)
		loop_timer_start(p->loop, t, PODFS_LOOK, podfs_look_for_killed);
}

static void podfs_interrupt(struct podfs *p, uint64_t unique)
{
	struct list *n;

	list_for_each (n, &p->asks) {
		struct podfs_ask *q = container_of(n, struct podfs_ask, node);

		if (q->unique != unique || q->over)
			continue;
		q->interrupted = true;
		loop_timer_start(p->loop, &p->killed, 0, podfs_look_for_killed);
	}
}

/* --- asking --------------------------------------------------------------- */

struct podfs_file *podfs_file(const struct podfs *p, uint64_t fh)
{
	return fh && fh <= p->nfile ? p->file[fh - 1] : NULL;
}

/* @q is asked, for @m; 0, or -errno */
static int podfs_ask(struct podfs *p, const struct fusemsg *m,
		     struct fsmsg_request *q)
{
	struct podfs_ask *ask = calloc(1, sizeof(*ask));
	int rc;

	if (!ask)
		return -ENOMEM;
	ask->unique = m->unique;
	ask->nodeid = m->nodeid;
	ask->opcode = m->opcode;
	ask->size = m->size;
	ask->pid = m->pid;
	ask->stream = podfs_link_stream(p->link);
	if (m->opcode == FUSE_LOOKUP) {
		ask->len = m->len;
		memcpy(ask->name, m->name, m->len);
	}
	list_add_tail(&p->asks, &ask->node);
	rc = podfs_link_ask(p->link, &ask->call, q);
	if (rc < 0) {
		list_del(&ask->node);
		free(ask);
	}
	return rc;
}

/* Of what @m is about by its path */
static int podfs_ask_path(struct podfs *p, const struct fusemsg *m, uint8_t op)
{
	const struct podfs_node *n = podfs_node_find(&p->nodes, m->nodeid);
	char path[FSMSG_PATH_MAX];
	struct fsmsg_request q = { .op = op, .path = path };
	ssize_t len;

	if (m->len > FSMSG_NAME_MAX)
		return -ENAMETOOLONG;
	len = n ? podfs_node_path(n, m->name, m->len, path) : -ESTALE;
	if (len < 0)
		return (int)len;
	q.len = (size_t)len;
	return podfs_ask(p, m, &q);
}

static int podfs_ask_file(struct podfs *p, const struct fusemsg *m, uint8_t op,
			  const struct podfs_file *f)
{
	struct fsmsg_request q = { .op = op,
				   .offset = m->offset,
				   .size = MIN(m->size, FSMSG_DATA_MAX) };

	if (!f)
		return -EBADF;
	if (f->stream != podfs_link_stream(p->link))
		return -EIO; /* it was open when the tunnel was lost */
	q.handle = f->handle;
	return podfs_ask(p, m, &q);
}

/* A file that is open is meant, whatever has its name by now */
static int podfs_ask_attr(struct podfs *p, const struct fusemsg *m)
{
	const struct podfs_node *n = podfs_node_find(&p->nodes, m->nodeid);
	struct list *i;

	if (!n)
		return -ESTALE;
	list_for_each (i, &n->files) {
		const struct podfs_file *f =
			container_of(i, struct podfs_file, node);

		if (f->stream == podfs_link_stream(p->link))
			return podfs_ask_file(p, m, FSMSG_STAT, f);
	}
	return podfs_ask_path(p, m, FSMSG_STAT);
}

/* --- requests that are answered here -------------------------------------- */

static void podfs_init(struct podfs *p, const struct fusemsg *m)
{
	struct fuse_init_out out;
	size_t n = fusemsg_init(&m->init, &out);

	podfs_reply(p, m->unique, n ? 0 : EPROTO, &out, n);
}

static void podfs_release(struct podfs *p, const struct fusemsg *m)
{
	struct podfs_file *f = podfs_file(p, m->fh);

	podfs_reply(p, m->unique, 0, NULL, 0);
	if (!f)
		return;
	p->file[m->fh - 1] = NULL;
	podfs_link_close(p->link, f->stream, f->handle);
	list_del(&f->node);
	podfs_node_put(&p->nodes, f->of);
	free(f);
}

static void podfs_forget(struct podfs *p, struct fusemsg *m)
{
	uint64_t id, count;

	if (m->opcode == FUSE_FORGET) {
		podfs_node_forget(&p->nodes, m->nodeid, m->count);
		return;
	}
	while (fusemsg_next_forget(m, &id, &count))
		podfs_node_forget(&p->nodes, id, count);
}

/* Of what is not done: what would change something is refused as on a disk that
 * is read-only, and the kernel does without the rest */
static int podfs_not_done(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_WRITE:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_CREATE:
	case FUSE_FALLOCATE:
		return -EROFS;
	default:
		return -ENOSYS;
	}
}

/* --- the device ----------------------------------------------------------- */

/* -errno: it is answered with that */
static int podfs_begin(struct podfs *p, const struct fusemsg *m)
{
	switch (m->opcode) {
	case FUSE_LOOKUP:
		return podfs_ask_path(p, m, FSMSG_STAT);
	case FUSE_GETATTR:
		return podfs_ask_attr(p, m);
	case FUSE_OPEN:
		return podfs_ask_path(p, m, FSMSG_OPEN);
	case FUSE_OPENDIR:
		return podfs_ask_path(p, m, FSMSG_OPENDIR);
	case FUSE_READLINK:
		return podfs_ask_path(p, m, FSMSG_READLINK);
	case FUSE_STATFS:
		return podfs_ask_path(p, m, FSMSG_STATFS);
	case FUSE_READ:
		return podfs_ask_file(p, m, FSMSG_READ, podfs_file(p, m->fh));
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return podfs_ask_file(p, m, FSMSG_READDIR,
				      podfs_file(p, m->fh));
	default:
		return podfs_not_done(m->opcode);
	}
}

static void podfs_handle(struct podfs *p, struct fusemsg *m)
{
	int rc;

	switch (m->opcode) {
	case FUSE_INIT:
		podfs_init(p, m);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		podfs_forget(p, m);
		return;
	case FUSE_INTERRUPT:
		podfs_interrupt(p, m->aim);
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		podfs_release(p, m);
		return;
	default:
		rc = podfs_begin(p, m);
	}
	if (rc < 0)
		podfs_reply(p, m->unique, -rc, NULL, 0);
}

/* false: there is nothing more to read for now */
static bool podfs_take(struct podfs *p)
{
	ssize_t n = read(p->fd, p->in, FUSEMSG_MAX);
	struct fusemsg m;

	if (n < 0 && (errno == ENOENT || errno == EINTR))
		return true; /* who asked has given up just now */
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) { /* ENODEV: it is mounted nowhere any more */
		loop_watch_stop(&p->watch);
		return false;
	}
	if (fusemsg_get(p->in, (size_t)n, &m) == 0)
		podfs_handle(p, &m);
	else if (m.unique)
		podfs_reply(p, m.unique, EINVAL, NULL, 0);
	return true;
}

static void podfs_on_device(struct watch *w, uint32_t events)
{
	struct podfs *p = container_of(w, struct podfs, watch);

	for (int i = 0; i < PODFS_BATCH; i++) {
		/* an error is told whether we listen or not: it is read */
		if (podfs_link_full(p->link) &&
		    !(events & (EPOLLERR | EPOLLHUP))) {
			loop_watch_mod(w, 0);
			return;
		}
		if (!podfs_take(p))
			return;
	}
}

/* --- the link ------------------------------------------------------------- */

static void podfs_on_answer(void *user, struct podfs_call *c,
			    const struct fsmsg_answer *a)
{
	struct podfs *p = user;
	struct podfs_ask *q = container_of(c, struct podfs_ask, call);

	podfs_answered(p, q, a);
	list_del(&q->node);
	free(q);
}

static void podfs_on_room(void *user)
{
	struct podfs *p = user;

	loop_watch_mod(&p->watch, EPOLLIN);
}

static void podfs_on_refused(void *user, int error)
{
	struct podfs *p = user;

	if (!p->told)
		log_warn("the Pod's volumes cannot be read: %s",
			 error == -ENOTSUP ? "the shadow in the Pod is of a "
					     "version that does not serve them"
					   : strerror(-error));
	p->told = true;
}

/* --- life ----------------------------------------------------------------- */

struct podfs *podfs_new(struct loop *l, struct tunnel *t, const char *secret)
{
	static const struct podfs_link_ops ops = {
		.answer = podfs_on_answer,
		.room = podfs_on_room,
		.refused = podfs_on_refused,
	};
	struct podfs *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->fd = -1;
	p->uid = geteuid();
	p->gid = getegid();
	p->in = xmalloc(FUSEMSG_MAX);
	p->out = xmalloc(PODFS_OUT_MAX);
	list_init(&p->asks);
	podfs_nodes_init(&p->nodes);
	p->link = podfs_link_new(l, t, secret, &ops, p);
	return p;
}

void podfs_serve(struct podfs *p, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	p->fd = fd;
	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	    loop_watch_start(p->loop, &p->watch, fd, EPOLLIN,
			     podfs_on_device) == 0)
		return;
	log_warn("the Pod's volumes cannot be read: %s", strerror(errno));
	close(steal_fd(&p->fd)); /* nobody shall wait for us */
}

static void podfs_free_asks(struct podfs *p)
{
	while (!list_empty(&p->asks)) {
		struct podfs_ask *q =
			container_of(p->asks.next, struct podfs_ask, node);

		list_del(&q->node);
		free(q);
	}
}

void podfs_free(struct podfs *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->killed);
	loop_watch_stop(&p->watch);
	if (p->fd >= 0)
		close(p->fd);
	podfs_link_free(p->link);
	podfs_free_asks(p);
	for (size_t i = 0; i < p->nfile; i++)
		free(p->file[i]);
	free(p->file);
	podfs_nodes_fini(&p->nodes);
	free(p->in);
	free(p->out);
	loop_defer_free(p->loop, p);
}
