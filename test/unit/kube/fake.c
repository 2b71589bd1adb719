/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

void fake_close(struct fake_conn *c)
{
	int fd = c->watch.fd;

	list_del(&c->node);
	loop_watch_stop(&c->watch);
	close(fd);
	buf_fini(&c->in);
	loop_defer_free(c->fake->loop, c);
}

void fake_write(struct fake_conn *c, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = send(c->watch.fd, p, len, MSG_NOSIGNAL);
		struct pollfd pfd = { .fd = c->watch.fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN) {
			poll(&pfd, 1, 1000);
			continue;
		}
		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

void fake_reply(struct fake_conn *c, int status, const char *fields,
		const char *body)
{
	auto_free char *text = xasprintf("HTTP/1.1 %d x\r\n%s"
					 "Content-Length: %zu\r\n\r\n%s",
					 status, fields, strlen(body), body);

	fake_write(c, text, strlen(text));
}

/* Length of the request at the start of @in, or 0 when it is not all there. */
static size_t request_len(const struct buf *in)
{
	const char *text = (const char *)buf_data(in);
	const char *end = text ? memmem(text, in->len, "\r\n\r\n", 4) : NULL;
	const char *cl;
	size_t body = 0;

	if (!end)
		return 0;
	cl = strcasestr(text, "\r\ncontent-length:");
	if (cl && cl < end)
		body = strtoul(cl + 17, NULL, 10);
	body += (size_t)(end + 4 - text);
	return in->len >= body ? body : 0;
}

static void serve(struct fake_conn *c)
{
	size_t n;

	while (!c->raw && c->in.len && (n = request_len(&c->in))) {
		auto_free char *text =
			xstrndup((const char *)buf_data(&c->in), n);

		buf_take(&c->in, n);
		c->number = ++c->fake->requests;
		c->fake->answer(c, text);
		if (!c->watch.loop)
			return;
	}
	if (c->raw && c->in.len) {
		struct buf in = c->in;

		buf_init(&c->in, 1 << 20);
		c->fake->raw(c, buf_data(&in), in.len);
		buf_fini(&in);
	}
}

static void on_conn(struct watch *w, uint32_t events)
{
	struct fake_conn *c = container_of(w, struct fake_conn, watch);
	uint8_t *p = buf_reserve(&c->in, 65537);
	ssize_t n = p ? recv(w->fd, p, 65536, 0) : 0;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fake_close(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	*buf_reserve(&c->in, 1) = '\0'; /* for strcasestr() */
	serve(c);
}

static void on_listen(struct watch *w, uint32_t events)
{
	struct fake *f = container_of(w, struct fake, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct fake_conn *c;

	(void)events;
	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->fake = f;
	buf_init(&c->in, 1 << 20);
	list_add_tail(&f->conns, &c->node);
	assert_int_equal(
		loop_watch_start(f->loop, &c->watch, fd, EPOLLIN, on_conn), 0);
}

void fake_start(struct fake *f, struct loop *loop,
		void (*answer)(struct fake_conn *c, const char *request))
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*f = (struct fake){ .loop = loop, .answer = answer };
	list_init(&f->conns);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	f->port = ntohs(sin.sin_port);
	assert_int_equal(
		loop_watch_start(loop, &f->watch, fd, EPOLLIN, on_listen), 0);
}

void fake_stop(struct fake *f)
{
	int fd = f->watch.fd;

	while (!list_empty(&f->conns))
		fake_close(container_of(f->conns.next, struct fake_conn, node));
	loop_watch_stop(&f->watch);
	close(fd);
}

void world_init(struct world *w,
		void (*answer)(struct fake_conn *c, const char *request))
{
	*w = (struct world){ .loop = loop_new() };
	fake_start(&w->fake, w->loop, answer);
	snprintf(w->server, sizeof(w->server), "http://127.0.0.1:%u/base",
		 w->fake.port);
	w->cfg.server = w->server;
	world_client(w);
}

void world_client(struct world *w)
{
	struct kt_error err = { 0 };

	kube_free(w->kube);
	assert_int_equal(kube_new(&w->kube, w->loop, &w->cfg, &err), 0);
}

void world_fini(struct world *w)
{
	kube_free(w->kube);
	fake_stop(&w->fake);
	loop_free(w->loop);
}
