/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/tls.h"

#include "base/buf.h"
#include "base/mem.h"
#include "gate/tls_config.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/**
 * DOC: Theory of operation
 *
 *   socket -> @in (read ahead) -> library -> data()
 *   pipe_send() -> library -> @out (sealed) -> socket
 *
 * The library never meets the socket: what it has sealed is always taken, so a
 * record is never half written, and what is not sent yet bounds what
 * pipe_send() takes. The socket is watched edge-triggered, registered once.
 *
 *   shaking -> open -> closing (what was sent goes out) -> gone
 *
 * An idle pipe has the library's two record buffers (33 KiB) and none of ours.
 */

#define TLS_RECORD ((size_t)16 << 10)
#define TLS_WINDOW ((size_t)32 << 10)
#define TLS_OUT_HIGH ((size_t)64 << 10)
#define TLS_OUT_MAX ((size_t)512 << 10) /* and what hands are shaken with */
#define TLS_ROUNDS 4			/* records in a row; then others */
#define TLS_SHAKE_NS (10 * NS_SEC)
#define TLS_LINGER_NS (10 * NS_SEC)

struct tls_pipe {
	struct pipe pipe;
	struct loop *loop;
	struct watch watch; /* owns the fd */
	struct timer again, limit;
	struct tls_config *config;
	mbedtls_ssl_context ssl;
	struct buf in, out;
	size_t held;   /* given to the user and not yet back */
	bool open;     /* hands are shaken */
	bool readable; /* perhaps */
	bool cut;      /* the socket has ended */
	bool ended;    /* eof() was called */
	bool finished; /* pipe_finish() was called */
	bool shut;     /* and the socket was told */
	bool blocked;  /* writable() is owed */
	bool closing, gone;
	int lost; /* -errno of the socket */
	char why[256];
};

static struct tls_pipe *tls_of(struct pipe *p)
{
	return container_of(p, struct tls_pipe, pipe);
}

static void tls_free(void *user)
{
	struct tls_pipe *t = user;

	mbedtls_ssl_free(&t->ssl);
	tls_config_put(t->config);
	buf_fini(&t->in);
	buf_fini(&t->out);
	free(t);
}

static void tls_release(struct tls_pipe *t, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (t->gone)
		return;
	t->gone = true;
	loop_timer_stop(&t->again);
	loop_timer_stop(&t->limit);
	loop_watch_stop(&t->watch);
	if (reset)
		setsockopt(t->watch.fd, SOL_SOCKET, SO_LINGER, &now,
			   sizeof(now));
	close(t->watch.fd);
	loop_defer(t->loop, tls_free, t);
}

static void tls_fail(struct tls_pipe *t, int error)
{
	const struct pipe_handler *h = t->closing ? NULL : t->pipe.handler;
	void *user = t->pipe.user;

	tls_release(t, true);
	if (h)
		h->closed(user, error);
}

/* @rc: of the library */
static void tls_fail_library(struct tls_pipe *t, int rc)
{
	if (t->lost) {
		tls_fail(t, t->lost);
		return;
	}
	mbedtls_strerror(rc, t->why, sizeof(t->why));
	tls_fail(t, -EPROTO);
}

/* --- the socket ----------------------------------------------------------- */

static int tls_bio_send(void *user, const unsigned char *p, size_t n)
{
	struct tls_pipe *t = user;

	return buf_put(&t->out, p, n) < 0 ? MBEDTLS_ERR_SSL_ALLOC_FAILED
					  : (int)n;
}

static void tls_read_ahead(struct tls_pipe *t)
{
	uint8_t mem[TLS_RECORD + 1024];
	ssize_t n;

	do
		n = recv(t->watch.fd, mem, sizeof(mem), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		t->lost = -errno;
	if (n == 0)
		t->cut = true;
	if (n <= 0)
		t->readable = false;
	else if (buf_put(&t->in, mem, (size_t)n) < 0)
		t->lost = -ENOMEM;
}

static int tls_bio_recv(void *user, unsigned char *p, size_t n)
{
	struct tls_pipe *t = user;

	if (!t->in.len && t->readable)
		tls_read_ahead(t);
	if (!t->in.len)
		return t->lost	? MBEDTLS_ERR_SSL_INTERNAL_ERROR
		       : t->cut ? 0
				: MBEDTLS_ERR_SSL_WANT_READ;
	n = MIN(n, t->in.len);
	memcpy(p, buf_data(&t->in), n);
	buf_take(&t->in, n);
	return (int)n;
}

/* What is sealed to the socket; its error is kept for who reads */
static void tls_flush(struct tls_pipe *t)
{
	while (t->out.len && !t->lost) {
		ssize_t n = send(t->watch.fd, buf_data(&t->out), t->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			buf_take(&t->out, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n < 0 && errno != EINTR)
			t->lost = -errno;
	}
	if (t->lost)
		return;
	buf_fini(&t->out);
	buf_init(&t->out, TLS_OUT_MAX);
	if (t->finished && !t->shut) {
		t->shut = true;
		shutdown(t->watch.fd, SHUT_WR);
	}
}

/* --- shaking hands -------------------------------------------------------- */

static void tls_opened(struct tls_pipe *t)
{
	if (!tls_config_believes(t->config, &t->ssl, t->why, sizeof(t->why))) {
		tls_fail(t, -EACCES);
		return;
	}
	t->open = true;
	loop_timer_stop(&t->limit);
	t->pipe.handler->opened(t->pipe.user);
}

/* true: hands are shaken, go on */
static bool tls_shake(struct tls_pipe *t)
{
	int rc = mbedtls_ssl_handshake(&t->ssl);

	tls_flush(t);
	if (rc == 0) {
		tls_opened(t);
		return !t->gone;
	}
	if (rc == MBEDTLS_ERR_SSL_WANT_READ && !t->lost)
		return false;
	if (t->cut && !t->lost)
		t->lost = -ECONNRESET;
	tls_fail_library(t, rc);
	return false;
}

static void tls_on_limit(struct timer *timer)
{
	struct tls_pipe *t = container_of(timer, struct tls_pipe, limit);

	tls_fail(t, -ETIMEDOUT);
}

/* --- bytes ---------------------------------------------------------------- */

/* true: perhaps there is more */
static bool tls_read_some(struct tls_pipe *t)
{
	uint8_t mem[TLS_RECORD];
	int n;

	if (t->ended || t->held >= TLS_WINDOW)
		return false;
	n = mbedtls_ssl_read(&t->ssl, mem,
			     MIN(sizeof(mem), TLS_WINDOW - t->held));
	if (n > 0) {
		t->held += (size_t)n;
		t->pipe.handler->data(t->pipe.user, mem, (size_t)n);
		return !t->gone && !t->closing;
	}
	/* it says so of an alert that it ignores, too */
	if (n == MBEDTLS_ERR_SSL_WANT_READ)
		return t->in.len || t->readable;
	if ((n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
	     n == MBEDTLS_ERR_SSL_CONN_EOF) &&
	    !t->lost) {
		t->ended = true;
		t->pipe.handler->eof(t->pipe.user);
	} else {
		tls_fail_library(t, n);
	}
	return false;
}

static void tls_on_again(struct timer *timer);

static void tls_run(struct tls_pipe *t)
{
	bool more = t->open || tls_shake(t);

	for (int i = 0; i < TLS_ROUNDS && more; i++)
		more = tls_read_some(t);
	if (t->gone || t->closing)
		return;
	if (t->out.len) /* the library has answered by itself */
		tls_flush(t);
	if (more)
		loop_timer_start(t->loop, &t->again, 0, tls_on_again);
	if (!t->in.len) {
		buf_fini(&t->in);
		buf_init(&t->in, TLS_OUT_MAX);
	}
}

static void tls_on_again(struct timer *timer)
{
	tls_run(container_of(timer, struct tls_pipe, again));
}

static void tls_on_event(struct watch *w, uint32_t events)
{
	struct tls_pipe *t = container_of(w, struct tls_pipe, watch);

	if (events & ~(uint32_t)EPOLLOUT)
		t->readable = true;
	if (events & EPOLLOUT)
		tls_flush(t);
	if (t->closing) {
		if (!t->out.len || t->lost)
			tls_release(t, t->lost);
		return;
	}
	/* an error that no read will find (soon) */
	if ((events & EPOLLERR) && (t->ended || t->held >= TLS_WINDOW)) {
		tls_fail(t, t->lost ? t->lost : -ECONNRESET);
		return;
	}
	if (t->blocked && t->out.len < TLS_OUT_HIGH) {
		t->blocked = false;
		t->pipe.handler->writable(t->pipe.user);
	}
	if (!t->gone && !t->closing)
		tls_run(t);
}

/* --- the pipe ------------------------------------------------------------- */

static ssize_t tls_send(struct pipe *p, const void *data, size_t n)
{
	struct tls_pipe *t = tls_of(p);
	size_t sent = 0;

	/* it ends short of @n only when the socket takes no more: then that
	 * says when it does */
	while (sent < n && t->out.len < TLS_OUT_HIGH && !t->lost) {
		int rc =
			mbedtls_ssl_write(&t->ssl, (const uint8_t *)data + sent,
					  MIN(n - sent, TLS_RECORD));

		if (rc <= 0) {
			t->lost = -EPROTO;
			loop_timer_start(t->loop, &t->again, 0, tls_on_again);
			break;
		}
		sent += (size_t)rc;
		if (sent == n || t->out.len >= TLS_OUT_HIGH)
			tls_flush(t);
	}
	if (t->lost)
		return t->lost;
	if (sent < n)
		t->blocked = true;
	return (ssize_t)sent;
}

static void tls_finish(struct pipe *p)
{
	struct tls_pipe *t = tls_of(p);

	t->finished = true;
	(void)!mbedtls_ssl_close_notify(&t->ssl);
	tls_flush(t);
}

static void tls_consume(struct pipe *p, size_t n)
{
	struct tls_pipe *t = tls_of(p);
	bool full = t->held >= TLS_WINDOW;

	t->held -= MIN(n, t->held);
	if (full && t->held < TLS_WINDOW && !t->ended)
		loop_timer_start(t->loop, &t->again, 0, tls_on_again);
}

static void tls_close(struct pipe *p, bool reset)
{
	struct tls_pipe *t = tls_of(p);

	if (!reset && t->open && !t->finished)
		tls_finish(p);
	if (reset || !t->open || t->lost || !t->out.len) {
		tls_release(t, reset);
		return;
	}
	t->closing = true;
	loop_timer_stop(&t->again);
	loop_timer_start(t->loop, &t->limit, TLS_LINGER_NS, tls_on_limit);
}

static bool tls_is_quiet(struct pipe *p)
{
	struct tls_pipe *t = tls_of(p);
	char c;

	return !t->in.len && !mbedtls_ssl_check_pending(&t->ssl) &&
	       recv(t->watch.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

static const struct pipe_ops tls_ops = { tls_send, tls_finish, tls_consume,
					 tls_close, tls_is_quiet };

const char *tls_pipe_alpn(struct pipe *p)
{
	const char *name = mbedtls_ssl_get_alpn_protocol(&tls_of(p)->ssl);

	return name ? name : "";
}

const char *tls_pipe_why(struct pipe *p)
{
	return tls_of(p)->why;
}

static int tls_setup(struct tls_pipe *t, const char *name)
{
	const int one = 1;
	int rc = mbedtls_ssl_setup(&t->ssl, tls_config_inside(t->config));

	if (rc == 0)
		rc = mbedtls_ssl_set_hostname(&t->ssl, name);
	if (rc)
		return -ENOMEM;
	mbedtls_ssl_set_bio(&t->ssl, t, tls_bio_send, tls_bio_recv, NULL);
	setsockopt(t->watch.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return loop_watch_start(t->loop, &t->watch, t->watch.fd,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					(uint32_t)EPOLLET,
				tls_on_event);
}

struct pipe *tls_pipe_new(struct loop *l, int fd, struct tls_config *c,
			  const char *name)
{
	struct tls_pipe *t = calloc(1, sizeof(*t));
	int rc;

	if (!t) {
		close(fd);
		return NULL;
	}
	t->pipe.ops = &tls_ops;
	t->loop = l;
	t->watch.fd = fd;
	t->config = tls_config_get(c);
	t->readable = true;
	mbedtls_ssl_init(&t->ssl);
	buf_init(&t->in, TLS_OUT_MAX);
	buf_init(&t->out, TLS_OUT_MAX);
	rc = tls_setup(t, name);
	if (rc < 0) {
		tls_release(t, true);
		errno = -rc;
		return NULL;
	}
	loop_timer_start(l, &t->limit, TLS_SHAKE_NS, tls_on_limit);
	return &t->pipe;
}
