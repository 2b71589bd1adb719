/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/conn.h"

#include "base/buf.h"
#include "base/gather.h"
#include "base/log.h"
#include "base/mem.h"
#include "carrier/tlsio.h"
#include "kube/follow.h"
#include "kube/internal.h"
#include "kube/status.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define RX_SIZE ((size_t)64 << 10)
#define TURN_BYTES ((size_t)256 << 10) /* read at most this much per event */
#define MAX_BODY ((size_t)64 << 10)

enum conn_state { C_AUTH, C_CONNECT, C_HEAD, C_BODY, C_OPEN, C_DEAD };

struct kube_conn {
	struct kube *kube;
	const struct kube_conn_handler *handler;
	void *user;
	enum conn_state state;

	struct timer kick;  /* first step; later: bytes TLS still holds */
	struct timer limit; /* until 101 */
	struct kube_auth_wait wait;
	struct transfer transfer;
	struct tlsio io;
	struct watch watch;
	struct gather gather;
	bool refreshed;	    /* tried again after a 401 */
	unsigned int round; /* of the credentials that were sent */

	char *what; /* "GET /api/..." */
	char *path;
	struct strv fields; /* of the request, without credentials */
	struct buf out;	    /* request head */

	struct buf in; /* head and body of the answer */
	struct http1_head *head;
	enum http1_body framing;
	uint64_t body_left;
	struct http1_chunks chunks;
	struct buf body;

	bool want_write;
	uint8_t rx[RX_SIZE];
};

static void conn_kick(struct timer *t);

/* --- the end -------------------------------------------------------------- */

static void conn_disconnect(struct kube_conn *c)
{
	gather_stop(&c->gather);
	loop_watch_stop(&c->watch);
	transfer_stop(&c->transfer);
	c->io = (struct tlsio){ 0 };
}

static void conn_release(struct kube_conn *c)
{
	loop_timer_stop(&c->kick);
	loop_timer_stop(&c->limit);
	kube_auth_cancel(&c->wait);
	conn_disconnect(c);
}

void kube_conn_close(struct kube_conn *c)
{
	if (!c)
		return;
	conn_release(c);
	c->state = C_DEAD;
	free(c->what);
	free(c->path);
	strv_fini(&c->fields);
	buf_fini(&c->out);
	buf_fini(&c->in);
	buf_fini(&c->body);
	free(c->head);
	loop_defer_free(c->kube->loop, c);
}

static void conn_fail(struct kube_conn *c, const struct kt_error *why)
{
	conn_release(c);
	c->state = C_DEAD;
	if (!why->http_status)
		kube_follow(c->kube); /* the next one goes there */
	c->handler->failed(c->user, why);
}

static void conn_fail_text(struct kube_conn *c, int code, const char *text)
{
	struct kt_error err = { 0 };

	kt_fail(&err, code, "%s: %s", c->what, text);
	conn_fail(c, &err);
}

static void on_limit(struct timer *t)
{
	struct kube_conn *c = container_of(t, struct kube_conn, limit);
	struct kt_error err = { 0 };

	if (c->state == C_CONNECT)
		kt_fail(&err, ETIMEDOUT,
			"API server %s cannot be reached: no connection in "
			"time",
			c->kube->cfg->server);
	else
		kt_fail(&err, ETIMEDOUT, "%s: no answer in time", c->what);
	conn_fail(c, &err);
}

/* --- raw bytes ------------------------------------------------------------ */

static void conn_update_events(struct kube_conn *c)
{
	loop_watch_mod(&c->watch,
		       EPOLLIN | (c->want_write ? (uint32_t)EPOLLOUT : 0));
}

/* Bytes, 0 at the end, -EAGAIN, or -errno */
static ssize_t raw_recv(struct kube_conn *c, void *data, size_t len)
{
	ssize_t n = tlsio_recv(&c->io, data, len);

	if (!c->want_write && tlsio_pending(&c->io)) { /* TLS's own answer */
		c->want_write = true;
		conn_update_events(c);
	}
	return n;
}

ssize_t kube_conn_send(struct kube_conn *c, const void *data, size_t len)
{
	ssize_t n;

	if (c->state == C_DEAD)
		return -EPIPE;
	n = tlsio_send(&c->io, data, len);
	if (n < 0 && n != -EAGAIN)
		return n;
	c->want_write = n < 0 || (size_t)n < len;
	conn_update_events(c);
	return n;
}

int kube_conn_flush(struct kube_conn *c)
{
	int rc;

	if (c->state == C_DEAD)
		return -EPIPE;
	rc = tlsio_flush(&c->io);
	if (rc == -EAGAIN) {
		c->want_write = true;
		conn_update_events(c);
	}
	return rc;
}

/* --- open: the pipe ------------------------------------------------------- */

/* As many records as fit: what follows takes few large pieces */
static ssize_t conn_fill(struct kube_conn *c)
{
	size_t got = 0;
	ssize_t n = 0;

	while (got < RX_SIZE) {
		n = raw_recv(c, c->rx + got, RX_SIZE - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got ? (ssize_t)got : n;
}

static void read_open(struct kube_conn *c)
{
	size_t total = 0;

	while (c->state == C_OPEN) {
		ssize_t n;

		if (total >= TURN_BYTES) { /* others first */
			loop_timer_start(c->kube->loop, &c->kick, 0, conn_kick);
			break;
		}
		n = conn_fill(c);
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			conn_fail_text(c, ECONNRESET,
				       "the connection to the API server was "
				       "lost");
			return;
		}
		total += (size_t)n;
		c->handler->data(c->user, c->rx, (size_t)n);
	}
	if (c->state == C_OPEN)
		gather_took(&c->gather, total);
}

static void conn_look(struct gather *g)
{
	struct kube_conn *c = container_of(g, struct kube_conn, gather);

	tlsio_readable(&c->io);
	if (c->state == C_OPEN)
		read_open(c);
}

/* --- the answer ----------------------------------------------------------- */

/* With what was read anew, once */
static void conn_again(struct kube_conn *c)
{
	c->refreshed = true;
	conn_disconnect(c);
	c->state = C_AUTH;
	loop_timer_start(c->kube->loop, &c->kick, 0, conn_kick);
}

static void conn_refused(struct kube_conn *c)
{
	struct kt_error err = { 0 };
	json_t *json;

	kube_heard_status(c->kube, c->round, (int)c->head->status);
	if (c->head->status == 401 && !c->refreshed &&
	    kube_auth_refused(c->kube->auth, c->round)) {
		conn_again(c);
		return;
	}
	if (c->head->status == 401)
		kube_auth_denied(c->kube->auth);
	if (buf_put(&c->body, "", 1) < 0)
		buf_reset(&c->body);
	json = c->body.len ? json_loadb((char *)buf_data(&c->body),
					c->body.len - 1, 0, NULL)
			   : NULL;
	status_fail(&err, (int)c->head->status, c->what, json,
		    c->body.len ? (char *)buf_data(&c->body) : "");
	json_decref(json);
	conn_fail(c, &err);
}

/* Takes body bytes out of @in; true when the body is complete (or too long,
 * which is the same to us). */
static bool take_body(struct kube_conn *c)
{
	while (c->in.len && !c->chunks.done) {
		struct slice s = { (char *)buf_data(&c->in), c->in.len };
		ssize_t used = (ssize_t)c->in.len;

		if (c->framing == HTTP1_CHUNKED)
			used = http1_chunks_next(&c->chunks, s.p, s.n, &s);
		else if (c->framing == HTTP1_LENGTH)
			s.n = MIN(s.n, c->body_left);
		if (used <= 0 || buf_put(&c->body, s.p, s.n) < 0)
			return true;
		c->body_left -= MIN(s.n, c->body_left);
		buf_take(&c->in, (size_t)used);
	}
	return c->framing == HTTP1_NO_BODY || c->chunks.done ||
	       (c->framing == HTTP1_LENGTH && !c->body_left);
}

static void conn_open(struct kube_conn *c, size_t head_len)
{
	struct kt_error err = { 0 };
	size_t beyond;

	loop_timer_stop(&c->limit);
	if (!c->handler->opened(c->user, c->head, &err)) {
		conn_fail(c, &err);
		return;
	}
	if (c->state == C_DEAD) /* the owner closed it */
		return;
	c->state = C_OPEN;
	gather_start(&c->gather, c->kube->loop, c->watch.fd, conn_look);
	buf_take(&c->in, head_len);
	beyond = c->in.len; /* bytes read beyond the head */
	if (beyond)
		memcpy(c->rx, buf_data(&c->in), beyond);
	buf_fini(&c->in);
	free(c->head);
	c->head = NULL;
	conn_update_events(c);
	if (beyond)
		c->handler->data(c->user, c->rx, beyond);
	read_open(c);
}

/* True when reading must go on. */
static bool conn_parse_head(struct kube_conn *c)
{
	ssize_t n = http1_parse_response(c->head, buf_data(&c->in), c->in.len);
	int framing;

	if (n == -EAGAIN)
		return true;
	if (n < 0) {
		conn_fail_text(c, EPROTO, "the answer is not HTTP");
		return false;
	}
	if (c->head->status == 101) {
		kube_heard_status(c->kube, c->round, 101);
		conn_open(c, (size_t)n);
		return false;
	}
	if (c->head->status < 200) { /* an interim answer: the next one counts
				      */
		buf_take(&c->in, (size_t)n);
		return c->in.len ? conn_parse_head(c) : true;
	}
	framing = http1_response_body(c->head, false, &c->body_left);
	c->framing = framing < 0 ? HTTP1_NO_BODY : (enum http1_body)framing;
	buf_take(&c->in, (size_t)n);
	c->state = C_BODY;
	return true;
}

static void read_answer(struct kube_conn *c)
{
	for (;;) {
		uint8_t *p = buf_reserve(&c->in, 4096);
		ssize_t n = p ? raw_recv(c, p, 4096) : -ENOBUFS;

		if (n == -EAGAIN)
			return;
		if (n <= 0 && c->state == C_BODY)
			break;
		if (n <= 0) {
			conn_fail_text(c, ECONNRESET,
				       "connection closed without an answer");
			return;
		}
		buf_commit(&c->in, (size_t)n);
		if (c->state == C_HEAD && !conn_parse_head(c))
			return;
		if (c->state == C_BODY && take_body(c))
			break;
	}
	conn_refused(c);
}

static void send_head(struct kube_conn *c)
{
	while (c->out.len) {
		ssize_t n = kube_conn_send(c, buf_data(&c->out), c->out.len);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			conn_fail_text(c, ECONNRESET,
				       "connection closed by the API server");
			return;
		}
		buf_take(&c->out, (size_t)n);
	}
	tlsio_begin(&c->io, c->watch.fd, c->kube->proxy_host.tls);
}

static void on_watch(struct watch *w, uint32_t events)
{
	struct kube_conn *c = container_of(w, struct kube_conn, watch);

	if (events & (EPOLLOUT | EPOLLERR)) {
		c->want_write = false;
		conn_update_events(c);
		if (c->state == C_OPEN)
			c->handler->writable(c->user);
		else if (c->state == C_HEAD)
			send_head(c);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	tlsio_readable(&c->io);
	if (c->state == C_OPEN)
		read_open(c);
	else if (c->state == C_HEAD || c->state == C_BODY)
		read_answer(c);
}

/* --- connecting ----------------------------------------------------------- */

static int put_line(struct buf *b, const char *line)
{
	int rc = buf_put(b, line, strlen(line));

	return rc ? rc : buf_put(b, "\r\n", 2);
}

/* Also what set_url() in transfer.c does: the server's path comes first. */
static int make_head(struct kube_conn *c)
{
	auto_strv struct strv auth = { 0 };
	const struct url_host *h = &c->kube->host;
	const char *base = strchr(strstr(c->kube->cfg->server, "://") + 3, '/');
	bool v6 = strchr(h->host, ':');
	int rc;

	buf_reset(&c->out);
	rc = buf_printf(&c->out, "%.*s %s%s HTTP/1.1\r\nHost: %s%s%s:%u\r\n",
			(int)strcspn(c->what, " "), c->what, base ? base : "",
			c->path, v6 ? "[" : "", h->host, v6 ? "]" : "",
			h->port);
	if (!rc)
		rc = put_line(&c->out, "User-Agent: ktctl/" KT_VERSION);
	if (!rc)
		rc = put_line(&c->out, "Connection: Upgrade");
	for (size_t i = 0; !rc && i < c->fields.n; i++)
		rc = put_line(&c->out, c->fields.v[i]);
	c->round = kube_auth_round(c->kube->auth);
	kube_auth_headers(c->kube->auth, &auth);
	for (size_t i = 0; !rc && i < auth.n; i++)
		rc = put_line(&c->out, auth.v[i]);
	return rc ? rc : put_line(&c->out, "");
}

static void conn_connected(struct transfer *t, CURLcode rc)
{
	struct kube_conn *c = container_of(t, struct kube_conn, transfer);
	struct kt_error err = { 0 };
	curl_socket_t fd = CURL_SOCKET_BAD;
	const int on = 1;
	int r;

	if (rc == CURLE_PEER_FAILED_VERIFICATION && !c->refreshed &&
	    kube_auth_distrusted(c->kube->auth, c->round)) {
		conn_again(c);
		return;
	}
	if (rc != CURLE_OK) {
		curl_fail(&err, c->kube, t->easy, rc, t->problem);
		conn_fail(c, &err);
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = loop_watch_start(c->kube->loop, &c->watch, fd, EPOLLIN, on_watch);
	if (!r)
		r = make_head(c);
	if (r < 0) {
		conn_fail_text(c, -r, strerror(-r));
		return;
	}
	c->state = C_HEAD;
	send_head(c);
}

static void conn_connect(struct kube_conn *c)
{
	struct transfer *t = &c->transfer;
	int rc = transfer_init(t, c->kube, "/");

	if (!c->head)
		c->head = xcalloc(1, sizeof(*c->head));
	buf_reset(&c->in);
	buf_reset(&c->body);
	c->chunks = (struct http1_chunks){ 0 };
	c->want_write = false;
	c->round = kube_auth_round(c->kube->auth);
	c->state = C_CONNECT;
	if (!rc) {
		curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
		curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
		tlsio_init(&c->io, t->easy);
		rc = transfer_start(t, conn_connected);
	}
	if (rc < 0)
		conn_fail_text(c, -rc, strerror(-rc));
}

static void conn_authorized(void *user, const struct kt_error *err)
{
	if (err)
		conn_fail(user, err);
	else
		conn_connect(user);
}

static void conn_kick(struct timer *t)
{
	struct kube_conn *c = container_of(t, struct kube_conn, kick);

	if (c->state == C_OPEN)
		read_open(c);
	else if (c->state == C_AUTH &&
		 kube_auth_want(c->kube->auth, &c->wait, conn_authorized, c))
		conn_connect(c);
}

struct kube_conn *kube_conn_open(struct kube *k,
				 const struct kube_conn_request *req,
				 const struct kube_conn_handler *h, void *user)
{
	struct kube_conn *c = xcalloc(1, sizeof(*c));

	c->kube = k;
	c->handler = h;
	c->user = user;
	c->path = xstrdup(req->path);
	c->what = xasprintf("%s %s", req->method, req->path);
	strv_take(&c->fields, xasprintf("Upgrade: %s", req->upgrade));
	for (size_t i = 0; req->fields && req->fields[i]; i++)
		strv_add(&c->fields, req->fields[i]);
	buf_init(&c->out, (size_t)256 << 10);
	buf_init(&c->in, HTTP1_MAX_HEAD);
	buf_init(&c->body, MAX_BODY);
	if (req->timeout_ns > 0)
		loop_timer_start(k->loop, &c->limit, req->timeout_ns, on_limit);
	loop_timer_start(k->loop, &c->kick, 0, conn_kick);
	return c;
}
