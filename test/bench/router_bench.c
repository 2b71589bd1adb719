/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router alone: router-bench PORT ORIGINPORT CLIENTPORT [ENVIRONMENTS]
 * listens on 127.0.0.1:PORT; requests with "x-mark: 1", or for one of the
 * environments dev.e0, dev.e1 ... (by default none), go to CLIENTPORT, all
 * others to ORIGINPORT (both on 127.0.0.1).
 */
#include "base/mem.h"
#include "base/str.h"
#include "pipe/pipe.h"
#include "pipe/pipe_fd.h"
#include "router/router.h"
#include "router/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct bench {
	struct router_env env;
	struct watch listener;
	uint16_t port[2];
	struct table *table;
};

struct dial {
	struct watch watch;
	struct loop *loop;
	struct pipe *pipe;
};

static struct backend_ref choose(struct router_env *env, uint16_t port,
				 const struct rule_request *req)
{
	struct bench *b = container_of(env, struct bench, env);

	if (table_choose(b->table, port, false, req, clock_ns()))
		return (struct backend_ref){ BACKEND_CLIENT, 1 };
	return (struct backend_ref){ BACKEND_ORIGIN, 0 };
}

static bool serves(struct router_env *env, struct backend_ref ref)
{
	(void)env;
	(void)ref;
	return true;
}

static void dial_end(struct dial *d)
{
	loop_watch_stop(&d->watch);
	loop_defer_free(d->loop, d);
}

static void on_cancel(void *user)
{
	struct dial *d = user;

	dial_end(d);
	close(d->watch.fd);
}

static void on_connected(struct watch *w, uint32_t events)
{
	struct dial *d = container_of(w, struct dial, watch);
	int error = 0, fd = w->fd;
	socklen_t len = sizeof(error);

	(void)events;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	dial_end(d);
	if (error)
		close(fd);
	pipe_fd_opened(d->pipe, error ? -error : fd);
}

static struct sockaddr_in local(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr =
					     htonl(INADDR_LOOPBACK) };
}

static struct pipe *open_backend(struct router_env *env, uint16_t port,
				 struct backend_ref ref,
				 const struct ipport *from)
{
	struct bench *b = container_of(env, struct bench, env);
	struct sockaddr_in sa = local(b->port[ref.kind == BACKEND_CLIENT]);
	struct dial *d = calloc(1, sizeof(*d));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)port;
	(void)from;
	if (!d || fd < 0)
		abort();
	d->loop = env->loop;
	d->pipe = pipe_fd_opening(env->loop, on_cancel, d);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 &&
	    errno != EINPROGRESS)
		abort();
	if (loop_watch_start(env->loop, &d->watch, fd, EPOLLOUT, on_connected) <
	    0)
		abort();
	return d->pipe;
}

static void on_accept(struct watch *w, uint32_t events)
{
	struct bench *b = container_of(w, struct bench, listener);
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct ipport from;
	struct pipe *p;
	int fd;

	(void)events;
	fd = accept4(w->fd, (struct sockaddr *)&sa, &len,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 || ipport_from_sockaddr(&from, (struct sockaddr *)&sa) < 0)
		return;
	p = pipe_fd_new(b->env.loop, fd);
	if (p)
		(void)!router_http_take(&b->env, 80, ROUTER_AUTO, p, &from,
					NULL, NULL);
}

static long number(const char *text)
{
	long v = 0;

	if (str_to_long(text, &v) < 0)
		exit(2);
	return v;
}

/* A client for the mark, and one for each environment */
static void add_rules(struct table *t, long environments)
{
	for (long i = -1; i < environments; i++) {
		struct rule r = { .port = 80 };
		struct table_conflict why;
		char term[64] = "header:x-mark=1";

		if (i >= 0)
			snprintf(term, sizeof(term), "env:dev.e%ld", i);
		if (rule_match_add(&r.match, term, NULL) < 0 ||
		    table_commit(t, table_join(t), "bench", 0, &r, 1,
				 clock_ns(), &why) < 0)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .env = { .choose = choose,
				    .open = open_backend,
				    .serves = serves } };
	const int one = 1;
	bool never = false;
	struct sockaddr_in sa;
	int fd;

	if (argc < 4)
		return 2;
	b.env.loop = loop_new();
	b.port[0] = (uint16_t)number(argv[2]);
	b.port[1] = (uint16_t)number(argv[3]);
	b.table = table_new();
	add_rules(b.table, argc > 4 ? number(argv[4]) : 0);
	sa = local((uint16_t)number(argv[1]));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 1024) < 0 ||
	    loop_watch_start(b.env.loop, &b.listener, fd, EPOLLIN, on_accept) <
		    0) {
		perror("listen");
		return 1;
	}
	return loop_run_until(b.env.loop, &never, -1) < 0;
}
