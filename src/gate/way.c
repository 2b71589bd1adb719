/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/way.h"

#include "base/log.h"
#include "base/mem.h"
#include "gate/secret.h"
#include "gate/tls.h"
#include "pipe/join.h"
#include "pipe/pipe_fd.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/**
 * DOC: Theory of operation
 *
 *   in:   accepted -> hands are shaken, the router is connected to and told who
 *         it is -> join
 *   out:  accepted -> head -> connecting -> "it is there" -> the first bytes:
 *         HTTP/1 or HTTP/2, or silence -> hands are shaken -> join
 *   try:  accepted -> head -> connecting -> hands are shaken -> how it went
 *
 * The protocol is known by the first bytes only, and has to be named when hands
 * are shaken (ALPN). So a connection behind the router is there before TLS is,
 * and if that fails the router's request is answered here, 502 with the reason.
 *
 * In some protocols the server speaks first. The router connects for a caller
 * who is silent, and then waits as he does: so after a silence hands are shaken
 * as for HTTP/1. Not while a caller of that port is shaking hands, because he
 * may have HTTP/2, and says so at once when that is done.
 *
 * A caller who has got HTTP/2 needs an origin that speaks it. It is offered
 * until an origin does not agree on it, which `ktctl env join` tries before the
 * first caller comes.
 *
 * Bytes that wait are in the sockets: nothing is read before its way is open.
 */

#define WAY_MAX 16384
#define WAY_COST ((uint64_t)80 << 10) /* memory, where TLS is busy */
#define WAY_HEAD_NS (5 * NS_SEC)
#define WAY_CONNECT_NS (130 * NS_SEC)
/* the router's own silence is over when it comes */
#define WAY_SILENCE_NS (300 * NS_MS)
#define WAY_REASON 400

enum way_state { WAY_HEAD, WAY_CONNECTING, WAY_SILENT, WAY_SHAKING };

struct way {
	struct list node;
	struct ways *ways;
	enum way_state state;
	bool in, try, http2, origin; /* origin: the Service's own */
	struct watch
		plain;	  /* of the router's side; its fd, -1: a pipe has it */
	struct watch far; /* what is being connected to; likewise */
	struct timer limit;
	int64_t since; /* SILENT */
	uint16_t port; /* the Service's Pods' */
	struct ipport to;
	struct pipe *tls;
	struct join *join;
};

static void way_free(struct way *y)
{
	loop_watch_stop(&y->plain);
	loop_watch_stop(&y->far);
	loop_timer_stop(&y->limit);
	if (y->plain.fd >= 0)
		close(y->plain.fd);
	if (y->far.fd >= 0)
		close(y->far.fd);
	if (y->tls)
		pipe_close(y->tls, true);
	join_reset(y->join);
	list_del(&y->node);
	y->ways->n--;
	loop_defer_free(y->ways->loop, y);
}

static struct way *way_new(struct ways *w)
{
	struct way *y = w->n < w->max ? calloc(1, sizeof(*y)) : NULL;

	if (!y)
		return NULL;
	y->ways = w;
	y->plain.fd = y->far.fd = -1;
	w->n++;
	list_add_tail(&w->list, &y->node);
	return y;
}

static void way_on_limit(struct timer *t)
{
	way_free(container_of(t, struct way, limit));
}

static void way_limit(struct way *y, int64_t ns)
{
	loop_timer_start(y->ways->loop, &y->limit, ns, way_on_limit);
}

bool ways_speak_http2(const struct ways *w, uint16_t port)
{
	return !(w->no_http2[port / 64] >> port % 64 & 1);
}

static void ways_learn_http2(struct ways *w, uint16_t port, bool speaks)
{
	w->no_http2[port / 64] &= ~(UINT64_C(1) << port % 64);
	w->no_http2[port / 64] |= (uint64_t)!speaks << port % 64;
}

/* --- both ends are there -------------------------------------------------- */

static void way_on_joined(void *user)
{
	struct way *y = user;

	y->join = NULL;
	way_free(y);
}

static void way_join(struct way *y)
{
	struct pipe_end tls = { .pipe = steal_ptr(&y->tls) };
	struct pipe_end plain = { 0 };

	loop_watch_stop(&y->plain);
	plain.pipe = pipe_fd_new(y->ways->loop, steal_fd(&y->plain.fd));
	buf_init(&tls.in, PIPE_END_MAX);
	buf_init(&plain.in, PIPE_END_MAX);
	if (!plain.pipe) {
		pipe_end_reset(&tls);
		way_free(y);
		return;
	}
	loop_timer_stop(&y->limit);
	y->join = join_start(y->ways->loop, &tls, &plain, way_on_joined, y);
	if (!y->join)
		way_free(y);
}

/* --- shaking hands -------------------------------------------------------- */

/* What is told of a server that is not believed, in the place of its answer */
static void way_answer(struct way *y, char how, const char *why)
{
	char at[IPPORT_STRLEN], body[WAY_REASON], text[WAY_REASON + 256];
	int n;

	if (y->try) {
		n = snprintf(text, sizeof(text), "%c%s", how, why);
		(void)!send(y->plain.fd, text, (size_t)n, MSG_NOSIGNAL);
		return;
	}

	snprintf(body, sizeof(body), "ktctl's gate: TLS with %s: %s\n",
		 ipport_str(&y->to, at), why);
	n = snprintf(text, sizeof(text),
		     "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n"
		     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		     strlen(body), body);
	if (!y->http2)
		(void)!send(y->plain.fd, text, (size_t)n, MSG_NOSIGNAL);
}

static void way_on_opened(void *user)
{
	static const char open = GATEHEAD_OPEN;
	struct way *y = user;
	bool http2 = strcmp(tls_pipe_alpn(y->tls), "h2") == 0;

	if (!y->in && y->origin && (y->http2 || y->try))
		ways_learn_http2(y->ways, y->port, http2);
	if (!y->in && y->http2 && !http2) {
		log_warn("TLS with %s: it speaks no HTTP/2",
			 ipport_str(&y->to, (char[IPPORT_STRLEN]){ 0 }));
		way_free(y);
		return;
	}
	if (!y->try) {
		way_join(y);
		return;
	}
	(void)!send(y->plain.fd, &open, 1, MSG_NOSIGNAL);
	way_free(y);
}

static void way_on_closed(void *user, int error)
{
	struct way *y = user;
	const char *why = tls_pipe_why(y->tls);
	char at[IPPORT_STRLEN];

	if (!*why)
		why = strerror(-error);
	y->tls = NULL;
	if (y->in) {
		log_debug("caller %s: %s", ipport_str(&y->to, at), why);
	} else {
		log_warn("TLS with %s: %s", ipport_str(&y->to, at), why);
		way_answer(y, GATEHEAD_NO_TLS, why);
	}
	way_free(y);
}

/* join_start() takes over before any of these is called */
static void way_on_data(void *user, const uint8_t *p, size_t n)
{
	(void)user;
	(void)p;
	(void)n;
}

static void way_on_nothing(void *user)
{
	(void)user;
}

static const struct pipe_handler way_handler = { way_on_opened, way_on_data,
						 way_on_nothing, way_on_nothing,
						 way_on_closed };

/* @fd is taken */
static void way_shake(struct way *y, int fd)
{
	const struct ways *w = y->ways;
	const char *name = secret_name(w->secret);
	enum secret_speak k =
		y->in	   ? (ways_speak_http2(w, y->port) ? SECRET_BOTH
							   : SECRET_HTTP1)
		: y->try   ? SECRET_BOTH
		: y->http2 ? SECRET_HTTP2
			   : SECRET_HTTP1;

	y->state = WAY_SHAKING;
	y->tls = y->in ? tls_pipe_new(w->loop, fd, secret_server(w->secret, k),
				      NULL)
		       : tls_pipe_new(w->loop, fd, secret_client(w->secret, k),
				      *name ? name : w->name);
	if (y->tls)
		pipe_set_handler(y->tls, &way_handler, y);
	else
		way_free(y);
}

/* --- the router's side ---------------------------------------------------- */

/* The router is joined with what is there, which has not heard of TLS yet */
static void way_shake_far(struct way *y, bool http2)
{
	loop_timer_stop(&y->limit);
	setsockopt(y->plain.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 1 },
		   sizeof(int));
	y->http2 = http2;
	loop_watch_mod(&y->plain, 0);
	way_shake(y, steal_fd(&y->far.fd));
}

/* Its first bytes say what it speaks */
static void way_begin(struct way *y)
{
	char first[3];
	ssize_t n = recv(y->plain.fd, first, sizeof(first),
			 MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		way_shake_far(y, n == sizeof(first) &&
					 memcmp(first, "PRI", 3) == 0);
	else if (n == 0 || errno != EAGAIN)
		way_free(y);
}

static bool ways_shake_in(struct ways *w, uint16_t port)
{
	struct list *n;

	list_for_each (n, &w->list) {
		const struct way *y = container_of(n, struct way, node);

		if (y->in && y->port == port && !y->join)
			return true;
	}
	return false;
}

static void way_on_silence(struct timer *t)
{
	struct way *y = container_of(t, struct way, limit);

	if (clock_ns() - y->since < WAY_HEAD_NS &&
	    ways_shake_in(y->ways, y->port))
		loop_timer_start(y->ways->loop, t, WAY_SILENCE_NS,
				 way_on_silence);
	else
		way_shake_far(y, false);
}

static int way_connect(struct way *y, const struct ipport *to);
static void way_tell_router(struct way *y);

/* true: it is whole, and asks for something */
static bool way_read_head(struct way *y)
{
	uint8_t head[GATEHEAD_SIZE];
	ssize_t n = recv(y->plain.fd, head, sizeof(head), MSG_DONTWAIT);
	int kind = n == sizeof(head) ? gatehead_get(head, &y->to) : -EPROTO;

	y->try = kind == GATEHEAD_TRY_ORIGIN || kind == GATEHEAD_TRY_MEMBER;
	y->origin = kind == GATEHEAD_ORIGIN || kind == GATEHEAD_TRY_ORIGIN;
	return y->try || y->origin || kind == GATEHEAD_MEMBER;
}

static void way_on_plain(struct watch *w, uint32_t events)
{
	struct way *y = container_of(w, struct way, plain);

	if (events & (EPOLLERR | EPOLLHUP)) {
		way_free(y);
	} else if (y->in && y->state == WAY_CONNECTING) {
		way_tell_router(y);
	} else if (y->state == WAY_HEAD) {
		loop_watch_mod(w, 0);
		if (!way_read_head(y) || way_connect(y, &y->to) < 0)
			way_free(y);
	} else if (y->state == WAY_SILENT) {
		way_begin(y);
	}
}

/* --- connecting ----------------------------------------------------------- */

/* The router's request is not begun, so it may ask another */
static void way_refuse(struct way *y, int error)
{
	if (y->try)
		way_answer(y, GATEHEAD_NOBODY, strerror(error));
	way_free(y);
}

static void way_is_there(struct way *y)
{
	static const char open = GATEHEAD_OPEN;

	if (y->try) {
		way_shake(y, steal_fd(&y->far.fd));
		return;
	}
	if (send(y->plain.fd, &open, 1, MSG_NOSIGNAL) != 1) {
		way_free(y);
		return;
	}
	y->state = WAY_SILENT;
	y->since = clock_ns();
	loop_timer_start(y->ways->loop, &y->limit, WAY_SILENCE_NS,
			 way_on_silence);
	/* of one byte nothing is known */
	setsockopt(y->plain.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 3 },
		   sizeof(int));
	loop_watch_mod(&y->plain, EPOLLIN);
}

static void way_on_far(struct watch *w, uint32_t events)
{
	struct way *y = container_of(w, struct way, far);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	loop_watch_stop(w);
	if (error)
		way_refuse(y, error);
	else
		way_is_there(y);
}

static int way_connect(struct way *y, const struct ipport *to)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(to, &ss);

	y->state = WAY_CONNECTING;
	y->far.fd = socket(to->addr.family,
			   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (y->far.fd < 0)
		return -errno;
	way_limit(y, WAY_CONNECT_NS);
	if (connect(y->far.fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return loop_watch_start(y->ways->loop, &y->far, y->far.fd, EPOLLOUT,
				way_on_far);
}

void way_out(struct ways *w, int fd, uint16_t port)
{
	struct way *y = way_new(w);

	if (!y) {
		close(fd);
		return;
	}
	y->plain.fd = fd;
	y->port = port;
	way_limit(y, WAY_HEAD_NS);
	if (loop_watch_start(w->loop, &y->plain, fd, EPOLLIN, way_on_plain) < 0)
		way_free(y);
}

/* --- callers -------------------------------------------------------------- */

/* Before hands are shaken, for it has to find out whose caller this is */
static void way_tell_router(struct way *y)
{
	uint8_t head[GATEHEAD_SIZE];

	loop_watch_mod(&y->plain, 0);
	gatehead_put(head, GATEHEAD_CALLER, &y->to);
	if (send(y->plain.fd, head, sizeof(head), MSG_NOSIGNAL) == sizeof(head))
		way_shake(y, steal_fd(&y->far.fd));
	else
		way_free(y);
}

static int way_call_router(struct way *y, uint16_t port)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	const struct ipport to = { ipaddr_v4(here), port };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&to, &ss);

	y->state = WAY_CONNECTING;
	y->plain.fd =
		socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (y->plain.fd < 0)
		return -errno;
	if (connect(y->plain.fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return loop_watch_start(y->ways->loop, &y->plain, y->plain.fd, EPOLLOUT,
				way_on_plain);
}

void way_in(struct ways *w, int fd, const struct ipport *from, uint16_t port)
{
	struct way *y = way_new(w);

	if (!y) {
		close(fd);
		return;
	}
	y->in = true;
	y->port = port;
	y->to = *from;
	y->far.fd = fd;
	way_limit(y, WAY_HEAD_NS);
	if (way_call_router(y, port) < 0)
		way_free(y);
}

/* --- all of them ---------------------------------------------------------- */

bool way_router_is_there(uint16_t port)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	const struct ipport at = { ipaddr_v4(here), port };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	return bind(fd, (struct sockaddr *)&ss, len) < 0;
}

void ways_init(struct ways *w, struct loop *l, const struct secret *s,
	       const char *name)
{
	*w = (struct ways){
		.loop = l, .secret = s, .name = name, .max = WAY_MAX
	};
	list_init(&w->list);
}

void ways_fit(struct ways *w, uint64_t memory)
{
	if (memory)
		w->max = (size_t)MIN(memory / 4 * 3 / WAY_COST,
				     (uint64_t)WAY_MAX);
}

void ways_fini(struct ways *w)
{
	while (!list_empty(&w->list))
		way_free(container_of(w->list.next, struct way, node));
}
