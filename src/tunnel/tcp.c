/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/internal.h"
#include "tunnel/pace.h"
#include "tunnel/relay.h"
#include "tunnel/streams.h"
#include "tunnel/target.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>

/*
 * A dial: a CONNECT stream (RFC 9113, section 8.5) until a relay takes it.
 * Between the answer and the relay the far side may already send, finish, or
 * reset: that is kept for the relay (bounded by the stream's window).
 */
struct tunnel_tcp {
	struct loop *loop;
	struct mux_stream *stream; /* NULL: closed */
	void (*done)(void *user, int error);
	void *user;
	bool connected;
	struct relay_early early;
};

static void tcp_free(struct tunnel_tcp *tcp)
{
	buf_fini(&tcp->early.data);
	pace_free(tcp->early.pace);
	loop_defer_free(tcp->loop, tcp);
}

static ssize_t tcp_tcp_read(void *user, uint8_t *buf, size_t len)
{
	(void)user;
	(void)buf;
	(void)len;
	return -EAGAIN; /* the relay resumes */
}

static void tcp_head(void *user, const struct mux_head *h)
{
	struct tunnel_tcp *tcp = user;

	if (h->error)
		return; /* close() follows */
	tcp->connected = true;
	tcp->done(tcp->user, 0);
}

static void tcp_data(void *user, const uint8_t *p, size_t n)
{
	struct tunnel_tcp *tcp = user;

	if (buf_put(&tcp->early.data, p, n) == 0)
		return;
	mux_stream_reset(tcp->stream, ENOBUFS);
	tcp->stream = NULL;
	tcp->early.error = -ENOBUFS;
}

static void tcp_end(void *user)
{
	struct tunnel_tcp *tcp = user;

	tcp->early.ended = true;
}

static void tcp_close(void *user, int error)
{
	struct tunnel_tcp *tcp = user;

	tcp->stream = NULL;
	tcp->early.error = error ? error : -ECONNRESET;
	if (tcp->connected)
		return; /* the relay will tell */
	tcp->done(tcp->user, tcp->early.error);
	tcp_free(tcp);
}

static const struct mux_stream_ops ops = {
	.read = tcp_tcp_read,
	.head = tcp_head,
	.data = tcp_data,
	.end = tcp_end,
	.close = tcp_close,
};

struct tunnel_tcp *tunnel_tcp_open(struct loop *loop, struct mux *m,
				   const struct mux_request *req,
				   void (*done)(void *user, int error),
				   void *user)
{
	struct tunnel_tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return NULL;
	tcp->loop = loop;
	tcp->done = done;
	tcp->user = user;
	buf_init(&tcp->early.data, MUX_HELD_MAX);
	tcp->stream = mux_open(m, req, &ops, tcp);
	if (!tcp->stream) {
		free(tcp);
		return NULL;
	}
	return tcp;
}

static struct tunnel_tcp *tcp_dial(struct tunnel *t, const char *authority,
				   void (*done)(void *user, int error),
				   void *user)
{
	const struct envmark *mark = tunnel_env(t);
	const struct mux_request req = {
		.method = "CONNECT",
		.authority = authority,
		.env = mark ? mark->name : NULL,
		.env_header = mark ? mark->header : NULL,
	};
	struct mux *m = tunnel_mux(t);

	return m ? tunnel_tcp_open(tunnel_loop(t), m, &req, done, user) : NULL;
}

struct tunnel_tcp *tunnel_tcp_dial(struct tunnel *t, const struct ipport *dst,
				   void (*done)(void *user, int error),
				   void *user)
{
	char authority[IPPORT_STRLEN];

	return tcp_dial(t, ipport_str(dst, authority), done, user);
}

struct tunnel_tcp *tunnel_tcp_dial_name(struct tunnel *t, const char *host,
					uint16_t port,
					void (*done)(void *user, int error),
					void *user)
{
	char authority[300];

	/* the shadow checks the name; here only what would break the head */
	if (strlen(host) > 255 || !*host ||
	    strpbrk(host, " \t\r\n/@:[]") != NULL) {
		errno = EINVAL;
		return NULL;
	}
	snprintf(authority, sizeof(authority), "%s:%u", host, port);
	return tcp_dial(t, authority, done, user);
}

struct tunnel_tcp *tunnel_files_open(struct tunnel *t, const char *secret,
				     void (*done)(void *user, int error),
				     void *user)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-files",
					 .path = path };
	struct mux *m = tunnel_mux(t);

	if (target_files_path(path, secret) < 0) {
		errno = EINVAL;
		return NULL;
	}
	return m ? tunnel_tcp_open(tunnel_loop(t), m, &req, done, user) : NULL;
}

void tunnel_tcp_cancel(struct tunnel_tcp *tcp)
{
	if (!tcp)
		return;
	if (tcp->stream)
		mux_stream_reset(tcp->stream, ECANCELED);
	tcp_free(tcp);
}

void tunnel_tcp_pace(struct tunnel_tcp *tcp, struct pace *pace)
{
	pace_free(tcp->early.pace);
	tcp->early.pace = pace;
}

int tunnel_tcp_relay(struct tunnel_tcp *tcp, int fd,
		     const struct relay_hooks *hooks, void *user)
{
	int rc = relay_start(tcp->loop, fd, tcp->stream, false, &tcp->early,
			     hooks, user);

	tcp_free(tcp);
	return rc;
}
