// SPDX-License-Identifier: Apache-2.0
/*
 * netsrv.c: a server for network tests: every kind of peer in one program.
 *
 *   netsrv [-o N] [-l N]      serve until killed
 *   netsrv -b N               write the N bytes of GET /bytes/N and end
 *
 * -o N is added to every port, -l N to the ports below 1024 (default: 0 for
 * root, 7000 for others). NAME is the server's name (default: the host
 * name), NEXT the server which GET / asks in turn ("host:port").
 *
 *   TCP    7 echo
 *   TCP    9 discard
 *   TCP   19 endless pattern
 *   TCP 7001 reads to the end, then says "COUNT SHA256"
 *   TCP 7002 sends one byte, then resets
 *   TCP 7003 accepts and never reads
 *   TCP 7004 echo, for ping-pong
 *   TCP 7005 says "NAME CLIENT-ADDRESS CLIENT-PORT" and closes
 *   TCP 7006 speaks first ("hello from NAME"), then echoes
 *   TCP 8080 HTTP/1.1, see below
 *   UDP    7 echo
 *   UDP 7005 says "NAME CLIENT-ADDRESS CLIENT-PORT LENGTH"
 *   UDP 7006 echo, but the answer comes from another port
 *
 * HTTP: any method, keep-alive, chunked requests; "X-Served-By: NAME".
 *   /             "a -> b -> c": the own name and the answer of NEXT
 *   /call?url=U   the same with U ("host:port/path") in place of NEXT
 *   /bytes/N      N bytes of the pattern
 *   /sink         "COUNT SHA256" of the request's body
 *   /discard      "COUNT" of the request's body
 *   /sleep/MS     answers later
 *   /status/CODE  answers with that status
 *   /reset        resets the connection
 *   anything else JSON: name, client, method, path, headers, body's digest
 *
 * Calls pass on all headers of the request that begin with "x-", and
 * "traceparent", "tracestate", "baggage" and "version", as a service mesh's
 * services do.
 *
 * One process, one epoll loop; only calls of other servers use a thread each.
 */
#define _GNU_SOURCE
#include "sha256.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_HEAD 65536
#define CHUNK 65536
#define CALL_TIMEOUT 10 /* seconds */

enum http_state { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, WAIT };

/* Bytes from off to len are still to be used. */
struct buf {
	char *p;
	size_t off, len, cap;
};

struct call;

/*
 * Whatever epoll watches: a listener, a connection, a timer of one, the pipe
 * from the threads. on_event() gets its events.
 */
struct conn {
	int fd;
	uint32_t events;
	void (*on_event)(struct conn *c, uint32_t ev);
	void (*on_accept)(struct conn *c); /* listeners: a connection came */

	struct buf in, out;
	uint64_t make; /* bytes of the pattern still to send */
	uint64_t made;
	bool eof;     /* the peer sends no more */
	bool closing; /* close when all is sent */
	bool dead;    /* free at the end of this round */
	struct conn *next_dead;

	enum http_state state;
	char *head;    /* the request's head, NUL-terminated */
	uint64_t left; /* body bytes still to come */
	bool keep_alive, is_head, digest;
	struct sha256 sha;
	struct conn *timer; /* for /sleep */
	struct conn *owner; /* of a timer */
	struct call *call;
};

/* A request to another server, made by a thread of its own. */
struct call {
	struct conn *c; /* NULL when the client went away */
	char *target, *headers;
	struct buf answer;
};

static int epfd, pipefd[2];
static const char *my_name, *next_hop;
static int port_offset, low_offset;
static struct conn *dead_list;
static char scratch[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- buffers ---- */

static void *need(void *p)
{
	if (!p)
		die("memory");
	return p;
}

static void buf_add(struct buf *b, const void *data, size_t n)
{
	if (b->off == b->len)
		b->off = b->len = 0;
	if (b->len + n + 1 > b->cap) {
		b->cap = (b->len + n + 1) * 2;
		b->p = need(realloc(b->p, b->cap));
	}
	memcpy(b->p + b->len, data, n);
	b->len += n;
	b->p[b->len] = '\0';
}

static void __attribute__((format(printf, 2, 3)))
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("memory");
	buf_add(b, s, n);
	free(s);
}

static size_t buf_left(const struct buf *b)
{
	return b->len - b->off;
}

static void buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

/* The pattern of /bytes and port 19, a function of the offset alone. */
static void pattern(char *p, size_t n, uint64_t off)
{
	for (size_t i = 0; i < n; i++, off++)
		p[i] = (uint32_t)off * 2654435761u >> 24;
}

/* ---- connections ---- */

static struct conn *conn_new(int fd, uint32_t events,
			     void (*on_event)(struct conn *, uint32_t))
{
	struct conn *c = need(calloc(1, sizeof(*c)));
	struct epoll_event ev = { .events = events, .data.ptr = c };

	c->fd = fd;
	c->events = events;
	c->on_event = on_event;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
	return c;
}

/* Later events of the same round may point to it, so it is freed after. */
static void conn_close(struct conn *c)
{
	if (c->dead)
		return;
	if (c->timer)
		conn_close(c->timer);
	if (c->owner)
		c->owner->timer = NULL;
	if (c->call)
		c->call->c = NULL;
	close(c->fd);
	c->dead = true;
	c->next_dead = dead_list;
	dead_list = c;
}

static void conn_reset(struct conn *c)
{
	struct linger l = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	conn_close(c);
}

static void free_dead(void)
{
	struct conn *c;

	while ((c = dead_list)) {
		dead_list = c->next_dead;
		buf_free(&c->in);
		buf_free(&c->out);
		free(c->head);
		free(c);
	}
}

static void watch(struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (c->dead || c->events == events)
		return;
	c->events = events;
	if (epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev))
		die("epoll_ctl");
}

/* Send what is there; false when the connection is gone. */
static bool flush(struct conn *c)
{
	ssize_t n;

	for (;;) {
		if (!buf_left(&c->out) && c->make) {
			size_t k = c->make < CHUNK ? c->make : CHUNK;

			pattern(scratch, k, c->made);
			buf_add(&c->out, scratch, k);
			c->made += k;
			c->make -= k;
		}
		if (!buf_left(&c->out))
			break;
		n = send(c->fd, c->out.p + c->out.off, buf_left(&c->out),
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			conn_close(c);
			return false;
		}
		c->out.off += n;
	}
	if (c->closing) {
		conn_close(c);
		return false;
	}
	return true;
}

static bool sending(const struct conn *c)
{
	return buf_left(&c->out) || c->make;
}

/*
 * Read once. Returns the count; 0 when there is nothing now (or the end,
 * then c->eof is set); -1 when the connection is gone.
 */
static ssize_t take(struct conn *c)
{
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);

	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) {
		conn_close(c);
		return -1;
	}
	c->eof = true;
	return 0;
}

/* ---- plain TCP services ---- */

static void on_echo(struct conn *c, uint32_t ev)
{
	if (ev & EPOLLIN && !sending(c)) {
		ssize_t n = take(c);

		if (n < 0)
			return;
		buf_add(&c->out, scratch, n);
		c->closing = c->eof;
	}
	/* read again only when the peer took what it sent */
	if (flush(c))
		watch(c, sending(c) ? EPOLLOUT : EPOLLIN);
}

static void on_discard(struct conn *c, uint32_t ev)
{
	(void)ev;
	if (take(c) >= 0 && c->eof)
		conn_close(c);
}

static void on_chargen(struct conn *c, uint32_t ev)
{
	if (ev & (EPOLLERR | EPOLLHUP)) {
		conn_close(c);
		return;
	}
	if (ev & EPOLLIN && take(c) < 0)
		return;
	if (flush(c))
		watch(c, c->eof ? EPOLLOUT : EPOLLOUT | EPOLLIN);
}

static void start_chargen(struct conn *c)
{
	c->make = UINT64_MAX;
	watch(c, EPOLLOUT | EPOLLIN);
}

static void on_count(struct conn *c, uint32_t ev)
{
	char hex[65];
	uint64_t total;
	ssize_t n;

	if (ev & EPOLLIN && !c->eof) {
		n = take(c);
		if (n < 0)
			return;
		sha256_add(&c->sha, scratch, n);
		if (c->eof) {
			total = c->sha.total;
			sha256_hex(&c->sha, hex);
			buf_printf(&c->out, "%llu %s\n",
				   (unsigned long long)total, hex);
			c->closing = true;
		}
	}
	if (flush(c))
		watch(c, c->eof ? EPOLLOUT : EPOLLIN);
}

static void start_count(struct conn *c)
{
	sha256_init(&c->sha);
}

static void start_reset(struct conn *c)
{
	send(c->fd, "r", 1, MSG_NOSIGNAL);
	conn_reset(c);
}

static void on_never(struct conn *c, uint32_t ev)
{
	(void)ev; /* the peer closed: only that is watched */
	conn_close(c);
}

static void start_never(struct conn *c)
{
	watch(c, EPOLLRDHUP);
}

/* "ADDRESS PORT" of a peer, IPv4 without ::ffff: */
static void peer_name(const struct sockaddr_in6 *a, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	const char *p = text;

	inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof(text));
	if (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr))
		p += strlen("::ffff:");
	snprintf(out, size, "%s %d", p, ntohs(a->sin6_port));
}

static void conn_peer(struct conn *c, char *out, size_t size)
{
	struct sockaddr_in6 a = { 0 };
	socklen_t len = sizeof(a);

	getpeername(c->fd, (struct sockaddr *)&a, &len);
	peer_name(&a, out, size);
}

static void start_who(struct conn *c)
{
	char who[80];

	conn_peer(c, who, sizeof(who));
	buf_printf(&c->out, "%s %s\n", my_name, who);
	c->closing = true;
	flush(c);
}

static void start_hello(struct conn *c)
{
	buf_printf(&c->out, "hello from %s\n", my_name);
	flush(c);
}

/* ---- HTTP ---- */

static void on_http(struct conn *c, uint32_t ev);

/* The value of a header in a request's head, as a copy, or NULL. */
static char *header(const char *head, const char *name)
{
	size_t n = strlen(name);
	const char *line = head;

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		return need(strndup(line, strcspn(line, "\r")));
	}
	return NULL;
}

static bool header_is(const char *head, const char *name, const char *value)
{
	char *v = header(head, name);
	bool is = v && !strcasecmp(v, value);

	free(v);
	return is;
}

static void json_string(struct buf *b, const char *s, size_t n)
{
	buf_add(b, "\"", 1);
	for (; n; s++, n--) {
		unsigned char ch = *s;

		if (ch == '"' || ch == '\\')
			buf_printf(b, "\\%c", ch);
		else if (ch < 0x20 || ch > 0x7e)
			buf_printf(b, "\\u%04x", ch);
		else
			buf_add(b, s, 1);
	}
	buf_add(b, "\"", 1);
}

static void json_headers(struct buf *b, const char *head)
{
	const char *line = strstr(head, "\r\n") + 2, *sep = "";

	while (*line && *line != '\r') {
		size_t len = strcspn(line, "\r"), n = strcspn(line, ":\r");
		char *name = need(strndup(line, n));
		const char *v = line + n + (n < len);

		for (char *p = name; *p; p++)
			*p |= *p >= 'A' && *p <= 'Z' ? 0x20 : 0;
		v += strspn(v, " \t");
		buf_printf(b, "%s\n    ", sep);
		json_string(b, name, n);
		buf_add(b, ": ", 2);
		json_string(b, v, line + len - v);
		sep = ",";
		free(name);
		line += len + 2;
	}
}

/* Head of an answer; the body of len bytes is to follow. */
static void answer_head(struct conn *c, int status, const char *type,
			uint64_t len)
{
	buf_printf(&c->out,
		   "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
		   "Content-Length: %llu\r\nX-Served-By: %s\r\n%s\r\n",
		   status, status < 400 ? "OK" : "Error", type,
		   (unsigned long long)len, my_name,
		   c->keep_alive ? "" : "Connection: close\r\n");
	c->state = HEAD;
	c->closing = !c->keep_alive;
	free(c->head);
	c->head = NULL;
}

static void answer(struct conn *c, int status, const char *type,
		   const void *body, size_t len)
{
	bool with_body = !c->is_head;

	answer_head(c, status, type, len);
	if (with_body)
		buf_add(&c->out, body, len);
}

static void __attribute__((format(printf, 3, 4)))
answer_text(struct conn *c, int status, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("memory");
	answer(c, status, "text/plain", s, n);
	free(s);
}

static void answer_json(struct conn *c)
{
	size_t method = strcspn(c->head, " ");
	const char *path = c->head + method + (c->head[method] == ' ');
	uint64_t total = c->sha.total;
	char hex[65], who[80];
	struct buf b = { 0 };

	sha256_hex(&c->sha, hex);
	conn_peer(c, who, sizeof(who));
	buf_printf(&b, "{\n  \"name\": \"%s\",\n  \"client\": \"%s\",\n",
		   my_name, who);
	buf_add(&b, "  \"method\": ", 12);
	json_string(&b, c->head, method);
	buf_add(&b, ",\n  \"path\": ", 12);
	json_string(&b, path, strcspn(path, " \r"));
	buf_printf(&b,
		   ",\n  \"body_bytes\": %llu,\n  \"body_sha256\": \"%s\",\n"
		   "  \"headers\": {",
		   (unsigned long long)total, hex);
	json_headers(&b, c->head);
	buf_add(&b, "\n  }\n}\n", 7);
	answer(c, 200, "application/json", b.p, b.len);
	buf_free(&b);
}

static void on_timer(struct conn *t, uint32_t ev)
{
	struct conn *c = t->owner;

	(void)ev;
	conn_close(t);
	c->timer = NULL;
	answer_text(c, 200, "%s slept\n", my_name);
	on_http(c, 0);
}

static void answer_later(struct conn *c, long ms)
{
	struct itimerspec its = {
		.it_value = { .tv_sec = ms / 1000,
			      .tv_nsec = ms % 1000 * 1000000 + 1 },
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0) {
		answer_text(c, 503, "timerfd: %s\n", strerror(errno));
		return;
	}
	timerfd_settime(fd, 0, &its, NULL);
	c->timer = conn_new(fd, EPOLLIN, on_timer);
	c->timer->owner = c;
}

/* ---- calls of other servers ---- */

static int dial(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	struct timeval tv = { .tv_sec = CALL_TIMEOUT };
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &list))
		return -1;
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		if (connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* Take "[http://]HOST[:PORT][/PATH]" apart; host may be "[v6]". */
static void split_url(char *url, char **host, char **port, char **path)
{
	char *p;

	if (!strncmp(url, "http://", 7))
		url += 7;
	p = strchr(url, '/');
	*path = need(strdup(p ? p : "/"));
	if (p)
		*p = '\0';
	p = strchr(url, ']');
	if (*url == '[' && p) {
		*p++ = '\0';
		url++;
	} else {
		p = url;
	}
	p = strchr(p, ':');
	if (p)
		*p++ = '\0';
	*host = url;
	*port = p ? p : "80";
}

static void *call_thread(void *arg)
{
	struct call *call = arg;
	char *host, *port, *path, *body, data[4096];
	struct buf req = { 0 }, got = { 0 };
	int fd;
	ssize_t n;

	split_url(call->target, &host, &port, &path);
	fd = dial(host, port);
	buf_printf(&req,
		   "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n"
		   "%s\r\n",
		   path, host, port, call->headers);
	if (fd >= 0 && send(fd, req.p, req.len, MSG_NOSIGNAL) >= 0)
		while ((n = recv(fd, data, sizeof(data), 0)) > 0)
			buf_add(&got, data, n);
	body = got.p ? strstr(got.p, "\r\n\r\n") : NULL;
	if (body)
		buf_printf(&call->answer, "%s", body + 4);
	else
		buf_printf(&call->answer, "(%s:%s does not answer)\n", host,
			   port);
	if (fd >= 0)
		close(fd);
	buf_free(&req);
	buf_free(&got);
	free(path);
	if (write(pipefd[1], &call, sizeof(call)) != sizeof(call))
		die("pipe");
	return NULL;
}

/* A thread ended: its call comes through the pipe. */
static void on_call_done(struct conn *p, uint32_t ev)
{
	struct call *call;
	struct conn *c;

	(void)ev;
	if (read(p->fd, &call, sizeof(call)) != sizeof(call))
		return;
	c = call->c;
	if (c) {
		c->call = NULL;
		answer_text(c, 200, "%s -> %s", my_name, call->answer.p);
		on_http(c, 0);
	}
	free(call->target);
	free(call->headers);
	buf_free(&call->answer);
	free(call);
}

static bool passed_on(const char *line)
{
	static const char *const names[] = {
		"x-", "traceparent:", "tracestate:", "baggage:", "version:"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncasecmp(line, names[i], strlen(names[i])))
			return true;
	return false;
}

static void answer_call(struct conn *c, const char *target)
{
	struct call *call = need(calloc(1, sizeof(*call)));
	const char *line = strstr(c->head, "\r\n") + 2;
	struct buf headers = { 0 };
	pthread_attr_t attr;
	pthread_t t;

	buf_add(&headers, "", 0);
	while (*line && *line != '\r') {
		size_t len = strcspn(line, "\r") + 2;

		if (passed_on(line))
			buf_add(&headers, line, len);
		line += len;
	}
	call->c = c;
	call->target = need(strdup(target));
	call->headers = headers.p;
	c->call = call;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	if (pthread_create(&t, &attr, call_thread, call))
		die("thread");
	pthread_attr_destroy(&attr);
}

/* ---- HTTP requests ---- */

/* "/name/NUMBER": its number, else -1 */
static long long number_of(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(path, prefix, n))
		return -1;
	return strtoll(path + n, NULL, 10);
}

static void respond(struct conn *c, const char *path)
{
	unsigned long long total = c->sha.total;
	long long n;
	char hex[65];

	if (!strcmp(path, "/")) {
		if (next_hop)
			answer_call(c, next_hop);
		else
			answer_text(c, 200, "%s\n", my_name);
	} else if (!strncmp(path, "/call?url=", 10)) {
		answer_call(c, path + 10);
	} else if ((n = number_of(path, "/bytes/")) >= 0) {
		bool with_body = !c->is_head;

		answer_head(c, 200, "application/octet-stream", n);
		c->made = 0;
		c->make = with_body ? n : 0;
	} else if (!strcmp(path, "/sink")) {
		sha256_hex(&c->sha, hex);
		answer_text(c, 200, "%llu %s\n", total, hex);
	} else if (!strcmp(path, "/discard")) {
		answer_text(c, 200, "%llu\n", total);
	} else if ((n = number_of(path, "/sleep/")) >= 0) {
		answer_later(c, n);
	} else if ((n = number_of(path, "/status/")) >= 0) {
		answer_text(c, n, "%lld from %s\n", n, my_name);
	} else if (!strcmp(path, "/reset")) {
		conn_reset(c);
	} else {
		answer_json(c);
	}
}

/* The whole request is read: answer it. */
static void request_done(struct conn *c)
{
	const char *p = c->head + strcspn(c->head, " ");
	char *path;

	p += *p == ' ';
	path = need(strndup(p, strcspn(p, " \r")));
	c->state = WAIT;
	respond(c, path);
	free(path);
}

static void got_head(struct conn *c, size_t len)
{
	char *v;

	c->head = need(strndup(c->in.p + c->in.off, len));
	c->in.off += len;
	sha256_init(&c->sha);
	c->digest = !strstr(c->head, " /discard ");
	c->is_head = !strncmp(c->head, "HEAD ", 5);
	c->keep_alive = !header_is(c->head, "Connection", "close") &&
			strstr(c->head, " HTTP/1.1\r\n");
	v = header(c->head, "Content-Length");
	c->left = v ? strtoull(v, NULL, 10) : 0;
	free(v);
	c->state = c->left ? BODY : WAIT;
	if (header_is(c->head, "Transfer-Encoding", "chunked"))
		c->state = CHUNK_SIZE;
	if (c->state != WAIT && header_is(c->head, "Expect", "100-continue"))
		buf_printf(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	if (c->state == WAIT)
		request_done(c);
}

/* Take body bytes that are in the buffer. */
static void got_body(struct conn *c)
{
	size_t n = buf_left(&c->in) < c->left ? buf_left(&c->in) : c->left;

	if (c->digest)
		sha256_add(&c->sha, c->in.p + c->in.off, n);
	else
		c->sha.total += n;
	c->in.off += n;
	c->left -= n;
}

/* One step on; false when more bytes are needed (or an answer is due). */
static bool parse(struct conn *c)
{
	char *p = c->in.p ? c->in.p + c->in.off : "", *end;

	if (!buf_left(&c->in) || c->dead)
		return false;
	switch (c->state) {
	case HEAD:
		end = strstr(p, "\r\n\r\n");
		if (!end) {
			if (buf_left(&c->in) > MAX_HEAD)
				conn_close(c);
			return false;
		}
		got_head(c, end + 4 - p);
		return true;
	case BODY:
		got_body(c);
		if (!c->left)
			request_done(c);
		return true;
	case CHUNK_SIZE:
		end = strstr(p, "\r\n");
		if (!end)
			return false;
		c->left = strtoull(p, NULL, 16);
		c->in.off += end + 2 - p;
		c->state = c->left ? CHUNK_DATA : CHUNK_END;
		return true;
	case CHUNK_DATA:
		got_body(c);
		if (!c->left) {
			c->left = 2; /* the line's end */
			c->state = CHUNK_END;
		}
		return true;
	case CHUNK_END:
		if (buf_left(&c->in) < 2)
			return false;
		c->in.off += 2;
		c->state = CHUNK_SIZE;
		if (!c->left)
			request_done(c);
		return true;
	case WAIT:
		return false;
	}
	return false;
}

static void on_http(struct conn *c, uint32_t ev)
{
	if (ev & (EPOLLERR | EPOLLHUP)) {
		conn_close(c);
		return;
	}
	if (ev & EPOLLIN) {
		ssize_t n = take(c);

		if (n < 0)
			return;
		buf_add(&c->in, scratch, n);
	}
	/* one answer at a time: the next request waits until it is sent */
	do {
		if (c->dead || !flush(c))
			return;
	} while (!sending(c) && parse(c));
	if (c->dead || !flush(c))
		return;
	if (c->eof && c->state != WAIT && !sending(c))
		conn_close(c);
	else if (sending(c))
		watch(c, EPOLLOUT);
	else
		watch(c, c->state == WAIT || c->eof ? 0 : EPOLLIN);
}

/* ---- UDP ---- */

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Answer from the address that was asked: there may be several. */
static void udp_reply(int fd, struct msghdr *m, const void *data, size_t len)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };

	if (h && h->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *info = (void *)CMSG_DATA(h);

		info->ipi6_ifindex = 0;
	}
	m->msg_iov = &iov;
	m->msg_iovlen = 1;
	sendmsg(fd, m, MSG_NOSIGNAL);
}

static void on_udp(struct conn *c, uint32_t ev,
		   void (*reply)(struct conn *, struct msghdr *, size_t))
{
	struct sockaddr_in6 from;
	union control control;
	struct iovec iov = { .iov_base = scratch, .iov_len = sizeof(scratch) };
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	(void)ev;
	n = recvmsg(c->fd, &m, 0);
	if (n >= 0)
		reply(c, &m, n);
}

static void reply_echo(struct conn *c, struct msghdr *m, size_t n)
{
	udp_reply(c->fd, m, scratch, n);
}

static void reply_who(struct conn *c, struct msghdr *m, size_t n)
{
	char who[80], text[400];
	int len;

	peer_name(m->msg_name, who, sizeof(who));
	len = snprintf(text, sizeof(text), "%s %s %zu\n", my_name, who, n);
	udp_reply(c->fd, m, text, len);
}

static void reply_other_port(struct conn *c, struct msghdr *m, size_t n)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)c;
	udp_reply(fd, m, scratch, n);
	close(fd);
}

static void on_udp_echo(struct conn *c, uint32_t ev)
{
	on_udp(c, ev, reply_echo);
}

static void on_udp_who(struct conn *c, uint32_t ev)
{
	on_udp(c, ev, reply_who);
}

static void on_udp_other(struct conn *c, uint32_t ev)
{
	on_udp(c, ev, reply_other_port);
}

/* ---- start ---- */

struct service {
	int port, type;
	void (*on_event)(struct conn *c, uint32_t ev);
	void (*on_accept)(struct conn *c);
};

static const struct service services[] = {
	{ 7, SOCK_STREAM, on_echo, NULL },
	{ 9, SOCK_STREAM, on_discard, NULL },
	{ 19, SOCK_STREAM, on_chargen, start_chargen },
	{ 7001, SOCK_STREAM, on_count, start_count },
	{ 7002, SOCK_STREAM, on_discard, start_reset },
	{ 7003, SOCK_STREAM, on_never, start_never },
	{ 7004, SOCK_STREAM, on_echo, NULL },
	{ 7005, SOCK_STREAM, on_discard, start_who },
	{ 7006, SOCK_STREAM, on_echo, start_hello },
	{ 8080, SOCK_STREAM, on_http, NULL },
	{ 7, SOCK_DGRAM, on_udp_echo, NULL },
	{ 7005, SOCK_DGRAM, on_udp_who, NULL },
	{ 7006, SOCK_DGRAM, on_udp_other, NULL },
};

/* A listener; the connections it accepts get its service's functions. */
struct listener {
	struct conn c;
	const struct service *service;
};

static void on_accept(struct conn *l, uint32_t ev)
{
	const struct service *s = ((struct listener *)l)->service;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;
	int one = 1;

	(void)ev;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = conn_new(fd, EPOLLIN, s->on_event);
	if (s->on_accept)
		s->on_accept(c);
}

static void serve(const struct service *s)
{
	struct listener *l = need(calloc(1, sizeof(*l)));
	int port = s->port + port_offset + (s->port < 1024 ? low_offset : 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_port = htons(port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	bool tcp = s->type == SOCK_STREAM;
	int zero = 0, one = 1, room = 1 << 22;
	int fd;

	fd = socket(AF_INET6, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!tcp) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one,
			   sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    (tcp && listen(fd, 4096))) {
		fprintf(stderr, "netsrv: port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	l->service = s;
	l->c.fd = fd;
	l->c.on_event = tcp ? on_accept : s->on_event;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
}

static void write_pattern(uint64_t n)
{
	for (uint64_t off = 0; off < n; off += CHUNK) {
		size_t k = n - off < CHUNK ? n - off : CHUNK;

		pattern(scratch, k, off);
		if (fwrite(scratch, 1, k, stdout) != k)
			die("write");
	}
	exit(fflush(stdout) ? 1 : 0);
}

static void options(int argc, char **argv)
{
	static char host[256];
	int opt;

	low_offset = geteuid() ? 7000 : 0;
	while ((opt = getopt(argc, argv, "b:l:o:")) != -1) {
		switch (opt) {
		case 'b':
			write_pattern(strtoull(optarg, NULL, 10));
			break;
		case 'l':
			low_offset = (int)strtol(optarg, NULL, 10);
			break;
		case 'o':
			port_offset = (int)strtol(optarg, NULL, 10);
			break;
		default:
			fprintf(stderr, "usage: netsrv [-o N] [-l N] [-b N]\n");
			exit(2);
		}
	}
	gethostname(host, sizeof(host) - 1);
	my_name = getenv("NAME");
	if (!my_name || !*my_name)
		my_name = host;
	next_hop = getenv("NEXT");
	if (next_hop && !*next_hop)
		next_hop = NULL;
}

/* As process 1 of a container it has no default signal actions. */
static void on_signal(int sig)
{
	(void)sig;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct epoll_event ev[256];
	struct rlimit files;

	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || pipe(pipefd))
		die("start");
	conn_new(pipefd[0], EPOLLIN, on_call_done);
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		serve(&services[i]);
	fprintf(stderr, "netsrv: %s is ready\n", my_name);

	for (;;) {
		int n = epoll_wait(epfd, ev, 256, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (!c->dead)
				c->on_event(c, ev[i].events);
		}
		free_dead();
	}
}
