/* SPDX-License-Identifier: Apache-2.0 */
#include "run/keeper.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/etc.h"
#include "run/keeper_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPTURE_TIMEOUT_MS 20000

struct keeper {
	pid_t pid;
	int sock;
	int program; /* descriptor of the process, or -1 */
	int given[KEEPER_NGIVEN_];
	bool supervised;
	struct loop *loop;
	struct watch watch;
	const struct keeper_ops *ops;
	void *user;
	struct keeper_message message; /* the one that is read */
};

/* --- messages ------------------------------------------------------------- */

union keeper_control {
	char room[CMSG_SPACE(sizeof(int) * KEEPER_FDS)];
	struct cmsghdr align;
};

int keeper_send(int sock, const struct keeper_message *m)
{
	int head[2] = { m->type, m->number };
	struct iovec iov[2] = { { head, sizeof(head) },
				{ (void *)(uintptr_t)m->data, m->len } };
	union keeper_control ctl = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (m->nfds) {
		struct cmsghdr *c = &ctl.align;

		msg.msg_control = ctl.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * m->nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * m->nfds);
		memcpy(CMSG_DATA(c), m->fds, sizeof(int) * m->nfds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void keeper_take_fds(struct keeper_message *m, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	m->nfds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int),
		      (size_t)KEEPER_FDS);
	memcpy(m->fds, CMSG_DATA(c), m->nfds * sizeof(int));
}

int keeper_receive(int sock, struct keeper_message *m)
{
	int head[2];
	struct iovec iov[2] = { { head, sizeof(head) },
				{ m->data, sizeof(m->data) } };
	union keeper_control ctl;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = ctl.room,
			      .msg_controllen = sizeof(ctl.room) };
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	m->nfds = 0;
	if (n <= 0)
		return n < 0 && errno != ECONNRESET ? -errno : 0;
	keeper_take_fds(m, &msg);
	if ((size_t)n < sizeof(head) || msg.msg_flags & MSG_TRUNC) {
		while (m->nfds)
			close(m->fds[--m->nfds]);
		return -EPROTO;
	}
	m->type = head[0];
	m->number = head[1];
	m->len = (size_t)n - sizeof(head);
	return 1;
}

/* --- the start ------------------------------------------------------------ */

static int keeper_take_made(struct keeper *k, struct keeper_made *made,
			    struct kt_error *err)
{
	struct keeper_message *m = &k->message;
	int rc;

	if (m->type == KEEPER_MADE && k->supervised)
		return 0;
	if (m->type != KEEPER_MADE || m->len != sizeof(*made) ||
	    m->nfds != KEEPER_MADE_FDS)
		return kt_fail(err, EPROTO, "make namespaces for the program");
	memcpy(made, m->data, sizeof(*made));
	/* those that are not there went as a copy of another */
	for (int i = 0; i < KEEPER_MADE_FDS; i++) {
		if (m->number & 1 << i)
			continue;
		close(m->fds[i]);
		m->fds[i] = -1;
	}
	memcpy(made->loopback.fds, m->fds + CAPTURE_LINK_FDS,
	       sizeof(made->loopback.fds));
	made->ends = m->fds[KEEPER_MADE_ENDS];
	made->diag = m->fds[KEEPER_MADE_DIAG];
	made->room = m->fds[KEEPER_MADE_ROOM];
	rc = capture_link_adopt(&made->capture, m->fds);
	if (rc == 0)
		return 0;
	loopback_link_close(&made->loopback);
	if (made->ends >= 0)
		close(steal_fd(&made->ends));
	close(steal_fd(&made->diag));
	close(steal_fd(&made->room));
	return kt_fail(err, -rc, "take the capture: %s", strerror(-rc));
}

static int keeper_wait(struct keeper *k, struct keeper_made *made,
		       struct kt_error *err)
{
	struct pollfd pfd = { .fd = k->sock, .events = POLLIN };
	struct keeper_message *m = &k->message;
	int rc = poll(&pfd, 1, CAPTURE_TIMEOUT_MS) > 0
			 ? keeper_receive(k->sock, m)
			 : -ETIMEDOUT;

	if (rc <= 0)
		return kt_fail(err, rc < 0 ? -rc : ECHILD,
			       "make namespaces for the program: %s",
			       rc < 0 ? strerror(-rc)
				      : "the process that does it has ended");
	if (m->type == KEEPER_ERROR && m->len == sizeof(*err)) {
		memcpy(err, m->data, sizeof(*err));
		return err->code > 0 ? -err->code : -EPROTO;
	}
	return keeper_take_made(k, made, err);
}

int keeper_begin(struct keeper **out, const struct keeper_config *cfg,
		 struct kt_error *err)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	int pair[2];

	k->program = k->sock = -1;
	memset(k->given, 0xff, sizeof(k->given));
	k->supervised = cfg->supervised;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(k);
		return kt_fail(err, errno, "make a socket: %s",
			       strerror(errno));
	}
	fflush(NULL);
	k->pid = fork();
	if (k->pid == 0) {
		close(pair[0]);
		keeper_main(pair[1], cfg);
	}
	k->sock = pair[0];
	close(pair[1]);
	*out = k;
	if (k->pid > 0)
		return 0;
	kt_fail(err, errno, "fork: %s", strerror(errno));
	keeper_free(steal_ptr(out));
	return -err->code;
}

int keeper_await(struct keeper **k, struct keeper_made *made,
		 struct kt_error *err)
{
	int rc = keeper_wait(*k, made, err);

	if (rc < 0)
		keeper_free(steal_ptr(k));
	return rc;
}

int keeper_start(struct keeper **out, const struct keeper_config *cfg,
		 struct keeper_made *made, struct kt_error *err)
{
	int rc = keeper_begin(out, cfg, err);

	return rc < 0 ? rc : keeper_await(out, made, err);
}

/* --- meanwhile ------------------------------------------------------------ */

static void keeper_end(struct keeper *k)
{
	loop_watch_stop(&k->watch);
	k->ops->ended(k->user);
}

static void keeper_handle(struct keeper *k)
{
	struct keeper_message *m = &k->message;
	struct kt_error why;

	switch (m->type) {
	case KEEPER_STARTED:
		if (m->nfds == 1) {
			k->program = m->fds[0];
			m->nfds = 0;
		}
		k->ops->started(k->user, 0, NULL);
		break;
	case KEEPER_NOT_STARTED:
		k->ops->started(k->user, m->number, NULL);
		break;
	case KEEPER_ERROR:
		memcpy(&why, m->data, sizeof(why));
		k->ops->started(k->user, why.code, &why);
		break;
	case KEEPER_NOTE:
		log_warn("%.*s", (int)strnlen(m->data, m->len), m->data);
		break;
	case KEEPER_EXITED:
		if (k->program >= 0)
			close(k->program);
		k->program = -1;
		k->ops->exited(k->user, m->number);
		break;
	case KEEPER_LISTENER:
		if (m->nfds == 1)
			k->ops->listener(k->user, m->fds[0]);
		m->nfds = 0;
		break;
	case KEEPER_VOLUMES:
		if (m->nfds == 1 && k->ops->volumes) {
			k->ops->volumes(k->user, m->fds[0]);
			m->nfds = 0;
		}
		break;
	case KEEPER_LISTENS:
		if (k->ops->listens)
			k->ops->listens(k->user, m->number);
		break;
	case KEEPER_SOCKETS:
		k->ops->sockets(k->user, m->number, m->fds, m->nfds);
		m->nfds = 0;
		break;
	default:
		log_debug("run: message %d", m->type);
	}
	while (m->nfds)
		close(m->fds[--m->nfds]);
}

static void keeper_on_message(struct watch *w, uint32_t events)
{
	struct keeper *k = container_of(w, struct keeper, watch);

	(void)events;
	if (keeper_receive(k->sock, &k->message) <= 0)
		keeper_end(k);
	else
		keeper_handle(k);
}

static void keeper_put_text(struct keeper_message *m, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 1;

	if (m->len + n > sizeof(m->data)) {
		text = NULL;
		n = 1;
	}
	memcpy(m->data + m->len, text ? text : "", n);
	m->len += n;
}

void keeper_give(struct keeper *k, enum keeper_given what, int fd)
{
	if (k->given[what] >= 0)
		close(k->given[what]);
	k->given[what] = fd;
}

static void keeper_put_given(struct keeper *k, struct keeper_message *m)
{
	for (int i = 0; i < KEEPER_NGIVEN_; i++) {
		if (k->given[i] < 0)
			continue;
		m->number |= 1 << i;
		m->fds[m->nfds++] = k->given[i];
	}
}

static void keeper_drop_given(struct keeper *k)
{
	for (int i = 0; i < KEEPER_NGIVEN_; i++)
		keeper_give(k, i, -1);
}

int keeper_run(struct keeper *k, struct loop *l, const struct etc_files *files,
	       const struct keeper_ops *ops, void *user, struct kt_error *err)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int rc;

	m->type = KEEPER_START;
	keeper_put_text(m, files->resolv_conf);
	keeper_put_text(m, files->hosts);
	keeper_put_text(m, files->nsswitch);
	keeper_put_given(k, m);
	k->loop = l;
	k->ops = ops;
	k->user = user;
	rc = keeper_send(k->sock, m);
	free(m);
	keeper_drop_given(k);
	if (rc == 0)
		rc = loop_watch_start(l, &k->watch, k->sock, EPOLLIN,
				      keeper_on_message);
	return rc < 0 ? kt_fail(err, -rc, "start the program: %s",
				strerror(-rc))
		      : 0;
}

pid_t keeper_pid(const struct keeper *k)
{
	return k->pid;
}

void keeper_signal(struct keeper *k, int signo)
{
	if (k->program >= 0 &&
	    syscall(SYS_pidfd_send_signal, k->program, signo, NULL, 0) < 0)
		log_debug("pass signal %d on: %s", signo, strerror(errno));
}

int keeper_more_sockets(struct keeper *k, int family)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int rc;

	m->type = KEEPER_MORE_SOCKETS;
	m->number = family;
	rc = keeper_send(k->sock, m);
	free(m);
	return rc;
}

/* Its process is waited for where it has ended by itself only: one whose
 * program goes on has another parent when we are gone */
void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	loop_watch_stop(&k->watch);
	keeper_drop_given(k);
	if (k->sock >= 0)
		close(k->sock);
	if (k->program >= 0)
		close(k->program);
	if (k->pid > 0)
		(void)waitpid(k->pid, NULL, WNOHANG);
	if (k->loop)
		loop_defer_free(k->loop, k);
	else
		free(k);
}
