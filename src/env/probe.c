/* SPDX-License-Identifier: Apache-2.0 */
#include "env/probe.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "env/probe_tls.h"
#include "tunnel/client.h"
#include "wire/envmark.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define PROBE_HEAD_MAX ((size_t)64 << 10)

struct env_probe {
	struct tunnel_tcp *tcp;
	bool moved; /* look */
	bool dialed, over;
	int error;
	struct watch watch;
	struct probe_tls *tls; /* NULL: none */
	const char *text;      /* that has to be sent still; NULL: nothing */
	struct buf in;
	struct http1_head head;
	unsigned int status;
};

/* As a client of W3C Trace Context that begins a trace: sampled, so that who
 * keeps traces has it, too */
char *env_probe_text(const struct probe_request *req)
{
	uint64_t span = 0;

	while (!span)
		if (getrandom(&span, sizeof(span), 0) != sizeof(span))
			span = 1;
	return xasprintf("GET %s HTTP/1.1\r\nHost: %s\r\n"
			 "User-Agent: ktctl-env-check\r\nAccept: */*\r\n"
			 "traceparent: 00-%s-%016llx-01\r\n" ENVMARK_FIELD
			 ": " ENVMARK_MEMBER "=%s\r\n%s%s%s%s"
			 "Connection: close\r\n\r\n",
			 req->path, req->host, req->trace,
			 (unsigned long long)span, req->env,
			 req->header ? req->header : "",
			 req->header ? ": " : "", req->header ? req->env : "",
			 req->header ? "\r\n" : "");
}

static void env_probe_on_dialed(void *user, int error)
{
	struct env_probe *p = user;

	p->moved = p->dialed = true;
	p->error = error;
	if (error)
		p->tcp = NULL; /* it is gone */
}

static void env_probe_end(struct env_probe *p, int error)
{
	p->moved = p->over = true;
	p->error = error;
	loop_watch_stop(&p->watch);
}

/* Heads of interim answers (1xx) go before the one that counts */
static void env_probe_parse(struct env_probe *p)
{
	ssize_t n;

	while ((n = http1_parse_response(&p->head, buf_data(&p->in),
					 p->in.len)) > 0) {
		if (p->head.status >= 200) {
			p->status = (unsigned int)p->head.status;
			env_probe_end(p, 0);
			return;
		}
		buf_take(&p->in, (size_t)n);
	}
	if (n != -EAGAIN)
		env_probe_end(p, -EBADMSG);
}

static ssize_t env_probe_recv(struct env_probe *p, void *bytes, size_t size)
{
	ssize_t n;

	if (p->tls)
		return probe_tls_recv(p->tls, bytes, size);
	n = recv(p->watch.fd, bytes, size, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* The whole request fits into a socket's buffer */
static int env_probe_put(struct env_probe *p, int fd)
{
	size_t len = strlen(p->text);
	int rc = 0;

	if (p->tls)
		rc = probe_tls_send(p->tls, p->text, len);
	else if (send(fd, p->text, len, MSG_NOSIGNAL) != (ssize_t)len)
		rc = -EPIPE;
	if (rc == 0)
		p->text = NULL;
	return rc == -EAGAIN ? 0 : rc;
}

static void env_probe_on_bytes(struct watch *w, uint32_t events)
{
	struct env_probe *p = container_of(w, struct env_probe, watch);
	uint8_t bytes[4096];
	ssize_t n = p->text ? env_probe_put(p, w->fd) : 0;

	(void)events;
	if (n < 0)
		env_probe_end(p, (int)n);
	while (!p->over && !p->text) { /* TLS may have more than the socket */
		n = env_probe_recv(p, bytes, sizeof(bytes));
		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0)
			env_probe_end(p, n < 0 ? (int)n : -ECONNRESET);
		else if (buf_put(&p->in, bytes, (size_t)n) < 0)
			env_probe_end(p, -EMSGSIZE);
		else
			env_probe_parse(p);
	}
}

static int env_probe_until(struct env_probe *p, struct loop *loop,
			   const bool *done, int64_t end)
{
	int rc = 0;

	while (rc == 0 && !*done) {
		p->moved = false;
		rc = clock_ns() < end
			     ? loop_run_until(loop, &p->moved, end - clock_ns())
			     : -ETIMEDOUT;
	}
	return rc == 0 ? p->error : rc;
}

static int env_probe_talk(struct env_probe *p, struct loop *loop,
			  const struct probe_request *req, int64_t end)
{
	int fd[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fd) < 0)
		return -errno;
	rc = tunnel_tcp_relay(steal_ptr(&p->tcp), fd[1], NULL, NULL);
	if (rc == 0 && req->tls) {
		p->tls = probe_tls_new(fd[0], req->host);
		rc = p->tls ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = env_probe_put(p, fd[0]);
	if (rc == 0)
		rc = loop_watch_start(loop, &p->watch, fd[0], EPOLLIN,
				      env_probe_on_bytes);
	if (rc == 0)
		rc = env_probe_until(p, loop, &p->over, end);
	if (!p->over)
		loop_watch_stop(&p->watch);
	close(fd[0]);
	return rc;
}

int env_probe_send(struct loop *loop, struct tunnel *t, const struct ipport *at,
		   const struct probe_request *req, struct probe_answer *a,
		   struct kt_error *err)
{
	struct env_probe *p = xcalloc(1, sizeof(*p));
	auto_free char *text = env_probe_text(req);
	int64_t end = clock_ns() + req->timeout;
	char where[IPPORT_STRLEN], why[192] = "";
	bool dialed;
	int rc = 0;

	buf_init(&p->in, PROBE_HEAD_MAX);
	p->text = text;
	p->tcp = tunnel_tcp_dial(t, at, env_probe_on_dialed, p);
	if (!p->tcp)
		rc = -errno;
	if (rc == 0)
		rc = env_probe_until(p, loop, &p->dialed, end);
	dialed = p->dialed;
	if (rc == 0)
		rc = env_probe_talk(p, loop, req, end);
	if (p->tcp)
		tunnel_tcp_cancel(p->tcp);
	a->status = p->status;
	if (rc == -EPROTO && p->tls)
		snprintf(why, sizeof(why), "%s", probe_tls_why(p->tls));
	probe_tls_free(p->tls);
	buf_fini(&p->in);
	loop_defer_free(loop, p);
	return rc < 0 ? kt_fail(err, -rc, "%s the probe at %s: %s",
				dialed ? "answer to" : "connect for",
				ipport_str(at, where),
				*why ? why : strerror(-rc))
		      : 0;
}
