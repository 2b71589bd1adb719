/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forwarding.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "forward/target.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- a connection --------------------------------------------------------- */

struct forwarding_conn {
	struct forwarding *owner;
	struct list node;
	struct watch watch; /* owns the fd */
	struct attempt *attempt;
	struct ipaddr to; /* family 0: a name */
};

/* What became of names is told by error numbers of their own */
static const char *forwarding_why(int error)
{
	switch (error) {
	case ENOENT:
		return "the cluster's DNS knows no such name";
	case ETIME:
		return "the cluster's DNS does not answer";
	default:
		return strerror(error);
	}
}

void forwarding_tell(struct forwarding *f, int error)
{
	auto_free char *text = forwarding_text(f);

	repeat_warn(&f->told, "%s: %s: %s", text,
		    f->choice.udp ? "datagrams are lost"
				  : "a connection was reset",
		    forwarding_why(error));
}

/* Who is killed must not look as if all had been sent (a killed process's
 * sockets are closed): so a close resets, until both ends are over in peace */
static void forwarding_linger(int fd, bool reset)
{
	const struct linger l = { .l_onoff = reset, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void forwarding_on_finish(void *user, int fd)
{
	(void)user;
	forwarding_linger(fd, false);
	close(fd);
}

/* The descriptor, which is not the connection's any more */
static int forwarding_forget(struct forwarding_conn *c)
{
	int fd = c->watch.fd;

	loop_watch_stop(&c->watch);
	list_del(&c->node);
	loop_defer_free(c->owner->loop, c);
	return fd;
}

static void forwarding_refuse(struct forwarding_conn *c, int error)
{
	forwarding_tell(c->owner, error);
	fd_close_reset(forwarding_forget(c));
}

static void forwarding_on_dialled(void *user, void *conn, int error)
{
	static const struct relay_hooks hooks = {
		.finish = forwarding_on_finish
	};
	struct forwarding_conn *c = conn;
	struct attempt *a = c->attempt;

	(void)user;
	if (error) {
		forwarding_refuse(c, error);
		return;
	}
	repeat_over(&c->owner->told);
	dialer_relay(a, forwarding_forget(c), &hooks, NULL);
}

/* The program has ended its half, which is passed on later, or all of it. */
static void forwarding_on_hangup(struct watch *w, uint32_t events)
{
	struct forwarding_conn *c =
		container_of(w, struct forwarding_conn, watch);

	if (!(events & (EPOLLHUP | EPOLLERR))) {
		loop_watch_mod(w, 0);
		return;
	}
	dialer_cancel(c->attempt);
	fd_close_reset(forwarding_forget(c));
}

static int forwarding_dial(struct forwarding_conn *c)
{
	struct forwarding *f = c->owner;
	const char *host = NULL;
	struct ipport to;
	int rc = target_reach(f->target, &f->choice, &to, &host);

	if (rc < 0)
		return rc;
	c->to = host ? (struct ipaddr){ 0 } : to.addr;
	c->attempt = dialer_dial(f->dialer, host, &to.addr, to.port,
				 forwarding_on_dialled, f, c);
	return c->attempt ? 0 : -ENOBUFS;
}

static void forwarding_on_accepted(void *user, int fd,
				   const struct ipport *peer)
{
	struct forwarding *f = user;
	struct forwarding_conn *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	(void)peer;
	if (!c) {
		fd_close_reset(fd);
		return;
	}
	forwarding_linger(fd, true);
	c->owner = f;
	c->watch.fd = fd;
	list_add_tail(&f->dialling, &c->node);
	rc = loop_watch_start(f->loop, &c->watch, fd, EPOLLRDHUP,
			      forwarding_on_hangup);
	if (rc == 0)
		rc = forwarding_dial(c);
	if (rc < 0)
		forwarding_refuse(c, -rc);
}

/* An attempt may wait for long, while the tunnel is away or nobody answers: who
 * was to be reached may have been replaced meanwhile */
static void forwarding_redial(struct forwarding *f)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &f->dialling) {
		struct forwarding_conn *c =
			container_of(n, struct forwarding_conn, node);
		int rc;

		if (!c->to.family || target_has(f->target, &c->to))
			continue;
		dialer_cancel(c->attempt);
		rc = forwarding_dial(c);
		if (rc < 0)
			forwarding_refuse(c, -rc);
	}
}

/* --- the forwarding ------------------------------------------------------- */

void forwarding_start(struct forwarding *f, struct loop *loop,
		      struct dialer *dialer)
{
	static const struct localport_ops ops = {
		.accepted = forwarding_on_accepted,
		.readable = forwarding_udp_readable,
	};

	f->loop = loop;
	f->dialer = dialer;
	list_init(&f->dialling);
	localport_start(&f->port, loop, &ops, f);
	if (f->choice.udp)
		f->udp = forwarding_udp_start(f);
}

int forwarding_follow(struct forwarding *f, struct kt_error *err)
{
	bool open = target_is_open(f->target);
	auto_free char *text = NULL;
	bool was = f->port.open;
	int rc = localport_set(&f->port, open, err);

	if (rc < 0)
		return rc;
	if (f->udp)
		forwarding_udp_follow(f->udp);
	forwarding_redial(f);
	if (was == open)
		return 0;
	text = forwarding_text(f);
	log_debug("%s: %s", text, open ? "open" : "shut");
	return 0;
}

void forwarding_stop(struct forwarding *f)
{
	if (!f->loop)
		return;
	localport_stop(&f->port);
	forwarding_udp_stop(f->udp);
	while (!list_empty(&f->dialling)) {
		struct forwarding_conn *c = container_of(
			f->dialling.next, struct forwarding_conn, node);

		dialer_cancel(c->attempt);
		fd_close_reset(forwarding_forget(c));
	}
}

char *forwarding_text(const struct forwarding *f)
{
	const struct forward_choice *c = &f->choice;
	const struct ipport *at = &f->port.place[0].at;
	auto_free char *remote =
		c->number ? xasprintf("%u", c->number) : xstrdup(c->name);
	const char *target = f->target->asked->text;
	const char *mark = strchr(target, ':') ? "[" : "";
	char text[IPPORT_STRLEN];

	return xasprintf("%s -> %s%s%s:%s%s", ipport_str(at, text), mark,
			 target, *mark ? "]" : "", remote,
			 c->udp ? "/udp" : "");
}
