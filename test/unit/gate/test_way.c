/* SPDX-License-Identifier: Apache-2.0 */
/* A gate between an OpenSSL caller, a router that is played here, and an
 * OpenSSL server behind. */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "gate/healthz.h"
#include "gate/secret.h"
#include "gate/way.h"
#include "net/listener.h"
#include "peer.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "orders.shop.svc"
#define SOME 100000
#define PORT 443 /* that of the door; callers come by the router's */

static struct loop *loop;
static char dir[] = "/tmp/test-gate-way.XXXXXX";
static struct peer_cert ca, leaf, next, stranger;
static struct secret *secret;
static uint16_t door = PORT;
static struct ways ways;

static const char *path(const char *name)
{
	static char mem[4][128];
	static int i;

	i = (i + 1) % 4;
	snprintf(mem[i], sizeof(mem[i]), "%s/%s", dir, name);
	return mem[i];
}

/* As the kubelet does it: the names lead to other files at once */
static void put_secret(const struct peer_cert *c, bool with_ca)
{
	peer_write(c, NULL, path("new.crt"));
	peer_write_key(c, path("new.key"));
	rename(path("new.key"), path("tls.key"));
	rename(path("new.crt"), path("tls.crt"));
	unlink(path("ca.crt"));
	if (with_ca)
		peer_write(&ca, NULL, path("ca.crt"));
}

static void gate_open(const struct peer_cert *c, bool with_ca)
{
	struct kt_error err = { 0 };

	put_secret(c, with_ca);
	secret = secret_new(loop, dir, NS_SEC / 5, &err);
	assert_non_null(secret);
	ways_init(&ways, loop, secret, NAME);
}

static void gate_close(void)
{
	ways_fini(&ways);
	secret_free(secret);
	for (int i = 0; i < 5; i++)
		loop_once(loop, 0);
}

static int on_loopback(struct ipport *at)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };

	*at = (struct ipport){ ipaddr_v4(here), 0 };
	return listener_bind(at);
}

static void run_until(bool (*done)(void *user), void *user)
{
	int64_t end = clock_ns() + 20 * NS_SEC;

	while (!done(user)) {
		assert_true(clock_ns() < end);
		loop_once(loop, 20 * NS_MS);
	}
}

static bool peer_ended(void *user)
{
	return __atomic_load_n(&((struct peer *)user)->over, __ATOMIC_ACQUIRE);
}

/* --- callers ------------------------------------------------------------ */

/* a router that gives back what it got */
struct router {
	struct listener listener;
	struct watch watch;
	struct ipport at, caller;
	int kind, fd;
	size_t got, gave;
	uint8_t mem[SOME];
	bool eof;
};

static void router_on_event(struct watch *w, uint32_t events)
{
	struct router *r = container_of(w, struct router, watch);
	uint8_t head[GATEHEAD_SIZE];
	ssize_t n;

	(void)events;
	if (!r->kind) {
		n = recv(w->fd, head, sizeof(head), 0);
		if (n == 0) { /* no hands were shaken with the caller */
			loop_watch_stop(w);
			close(w->fd);
			return;
		}
		assert_int_equal(n, sizeof(head));
		r->kind = gatehead_get(head, &r->caller);
		return;
	}
	n = recv(w->fd, r->mem + r->got, sizeof(r->mem) - r->got, MSG_DONTWAIT);
	if (n > 0)
		r->got += (size_t)n;
	r->eof = r->eof || n == 0 || (n < 0 && errno != EAGAIN);
	n = send(w->fd, r->mem + r->gave, r->got - r->gave,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		r->gave += (size_t)n;
	if (r->eof && r->gave == r->got) {
		loop_watch_stop(w);
		close(w->fd);
	} else {
		loop_watch_mod(w, (r->eof ? 0 : EPOLLIN) |
					  (r->gave < r->got ? EPOLLOUT : 0));
	}
}

static void router_on_accepted(void *user, int fd, const struct ipport *peer)
{
	struct router *r = user;

	(void)peer;
	assert_int_equal(
		loop_watch_start(loop, &r->watch, fd, EPOLLIN, router_on_event),
		0);
}

static void router_open(struct router *r)
{
	int fd = on_loopback(&r->at);

	assert_true(fd >= 0);
	assert_int_equal(
		listener_start(&r->listener, loop, fd, router_on_accepted, r),
		0);
}

static void call_in(struct router *r, struct peer *p)
{
	struct ipport from;
	int fd[2];

	assert_int_equal(ipport_parse(&from, "10.244.0.9:40000"), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p->fd = fd[1];
	way_in(&ways, fd[0], &from, r->at.port);
	peer_start(p);
	run_until(peer_ended, p);
	peer_join(p);
}

static void a_caller_meets_the_router(void **state)
{
	static struct router r;
	struct peer p = { .name = NAME, .alpn = "h2", .say = SOME };
	char text[IPPORT_STRLEN];

	(void)state;
	gate_open(&leaf, false);
	router_open(&r);
	call_in(&r, &p);
	assert_true(p.shaken && p.same);
	assert_int_equal(p.got, SOME);
	assert_int_equal(X509_cmp(p.got_cert, leaf.x509), 0);
	assert_string_equal(p.got_alpn, "h2");
	assert_int_equal(r.kind, GATEHEAD_CALLER);
	assert_string_equal(ipport_str(&r.caller, text), "10.244.0.9:40000");
	X509_free(p.got_cert);
	listener_stop(&r.listener);
	gate_close();
}

/* nobody shakes hands for a router that is not there */
static void without_a_router(void **state)
{
	static struct router r;
	struct peer p = { .say = 10 };

	(void)state;
	gate_open(&leaf, false);
	router_open(&r);
	listener_stop(&r.listener);
	assert_false(way_router_is_there(r.at.port));
	call_in(&r, &p);
	assert_false(p.shaken);
	assert_int_equal(ways.n, 0);
	gate_close();
}

/* --- behind the router -------------------------------------------------- */

/* The router's end of a way out to @p, and what it read so far */
struct asker {
	int fd;
	char text[SOME + 1000];
	size_t n;
	bool eof;
	struct peer *peer;
};

static bool asker_read(void *user)
{
	struct asker *a = user;
	ssize_t n = recv(a->fd, a->text + a->n, sizeof(a->text) - 1 - a->n,
			 MSG_DONTWAIT);

	if (n > 0)
		a->n += (size_t)n;
	a->eof = a->eof || n == 0 || (n < 0 && errno != EAGAIN);
	a->text[a->n] = '\0';
	return a->eof;
}

static bool asker_has_some(void *user)
{
	struct asker *a = user;

	return asker_read(a) || a->n;
}

static void *server_accepts(void *arg)
{
	struct peer *p = arg;
	int fd = accept(p->listening, NULL, NULL);

	close(p->listening);
	return (void *)(intptr_t)fd;
}

/* @p: a server behind; NULL: nobody is there */
static void asker_start(struct asker *a, char kind, struct peer *p)
{
	uint8_t head[GATEHEAD_SIZE];
	struct ipport at;
	int fd[2], listening = on_loopback(&at);

	assert_true(listening >= 0);
	*a = (struct asker){ .peer = p };
	if (p) {
		fcntl(listening, F_SETFL, 0);
		p->listening = listening;
		p->accept = server_accepts;
		peer_start(p);
	} else {
		close(listening);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	a->fd = fd[1];
	gatehead_put(head, kind, &at);
	assert_int_equal(send(a->fd, head, sizeof(head), 0), sizeof(head));
	way_out(&ways, fd[0], door);
	run_until(asker_has_some, a);
}

static void asker_end(struct asker *a)
{
	close(a->fd);
	for (int i = 0; i < 10; i++)
		loop_once(loop, 10 * NS_MS);
	if (a->peer) {
		peer_join(a->peer);
		X509_free(a->peer->got_cert);
	}
}

/* "1" comes, then what was said comes back */
static void asks_and_is_answered(char kind, const char *says, struct peer *p)
{
	struct asker a;

	asker_start(&a, kind, p);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.text[0], GATEHEAD_OPEN);
	a.n = 0;
	assert_true(send(a.fd, says, strlen(says), 0) > 0);
	shutdown(a.fd, SHUT_WR);
	run_until(asker_read, &a);
	assert_string_equal(a.text, says);
	asker_end(&a);
}

static void the_router_reaches_an_origin(void **state)
{
	struct peer h1 = { .cert = &leaf, .alpn = "http/1.1" };
	struct peer h2 = { .cert = &leaf, .alpn = "h2" };
	struct peer by_ca = { .cert = &next };

	(void)state;
	gate_open(&leaf, true);
	asks_and_is_answered(GATEHEAD_ORIGIN, "GET / HTTP/1.1\r\n\r\n", &h1);
	assert_string_equal(h1.got_name, NAME);
	assert_string_equal(h1.got_alpn, "http/1.1");
	asks_and_is_answered(GATEHEAD_ORIGIN,
			     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &h2);
	assert_string_equal(h2.got_alpn, "h2");
	assert_true(ways_speak_http2(&ways, PORT));
	asks_and_is_answered(GATEHEAD_MEMBER, "GET / HTTP/1.1\r\n\r\n", &by_ca);
	gate_close();
}

/* Its request is answered here, and says why; not a byte of it went there */
static void an_origin_that_is_not_believed(void **state)
{
	struct peer p = { .cert = &stranger };
	struct asker a;

	(void)state;
	gate_open(&leaf, true);
	asker_start(&a, GATEHEAD_ORIGIN, &p);
	a.n = 0;
	assert_true(send(a.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0) > 0);
	run_until(asker_read, &a);
	assert_non_null(strstr(a.text, "HTTP/1.1 502 "));
	assert_non_null(strstr(a.text, "not correctly signed"));
	asker_end(&a);
	assert_int_equal(p.got, 0);
	gate_close();
}

/* refused before anything of the request is there: the router asks another */
static void nobody_behind(void **state)
{
	struct asker a;

	(void)state;
	gate_open(&leaf, false);
	asker_start(&a, GATEHEAD_MEMBER, NULL);
	assert_true(a.eof);
	assert_int_equal(a.n, 0);
	asker_end(&a);
	gate_close();
}

static void a_try_says_how_it_went(void **state)
{
	struct peer good = { .cert = &leaf, .alpn = "h2" };
	struct peer bad = { .cert = &stranger };
	struct peer old = { .cert = &leaf, .alpn = "http/1.1" };
	struct peer old_member = { .cert = &leaf, .alpn = "http/1.1" };
	struct asker a;

	(void)state;
	gate_open(&leaf, false);
	asker_start(&a, GATEHEAD_TRY_MEMBER, &old_member);
	assert_int_equal(a.text[0], GATEHEAD_OPEN);
	asker_end(&a);
	assert_true(ways_speak_http2(&ways, PORT)); /* it is not the origin */
	asker_start(&a, GATEHEAD_TRY_MEMBER, &bad);
	run_until(asker_read, &a);
	assert_int_equal(a.text[0], GATEHEAD_NO_TLS);
	assert_non_null(strstr(a.text, "not correctly signed"));
	asker_end(&a);
	asker_start(&a, GATEHEAD_TRY_ORIGIN, NULL);
	assert_int_equal(a.text[0], GATEHEAD_NOBODY);
	assert_string_equal(a.text + 1, "Connection refused");
	asker_end(&a);
	asker_start(&a, GATEHEAD_TRY_ORIGIN, &old);
	assert_int_equal(a.text[0], GATEHEAD_OPEN);
	asker_end(&a);
	assert_false(ways_speak_http2(&ways, PORT));
	asker_start(&a, GATEHEAD_TRY_ORIGIN, &good);
	assert_int_equal(a.text[0], GATEHEAD_OPEN);
	asker_end(&a);
	assert_true(ways_speak_http2(&ways, PORT));
	gate_close();
}

static void callers_get_what_the_origin_speaks(void **state)
{
	static struct router r;
	struct peer old = { .cert = &leaf, .alpn = "http/1.1" };
	struct peer p = { .alpn = "http/1.1", .say = 10 };
	struct peer only_h2 = { .alpn = "h2" };
	struct asker a;

	(void)state;
	gate_open(&leaf, false);
	router_open(&r);
	door = r.at.port;
	asker_start(&a, GATEHEAD_TRY_ORIGIN, &old);
	door = PORT;
	asker_end(&a);
	call_in(&r, &only_h2);
	assert_false(only_h2.shaken);
	r.kind = 0;
	call_in(&r, &p);
	assert_true(p.shaken);
	assert_string_equal(p.got_alpn, "http/1.1");
	X509_free(p.got_cert);
	listener_stop(&r.listener);
	gate_close();
}

static bool asker_has_greeting(void *user)
{
	struct asker *a = user;

	return asker_read(a) || a->n >= 11;
}

/* The router connects for a caller who is silent, and is silent, too */
static void a_server_that_speaks_first(void **state)
{
	struct peer p = { .cert = &leaf, .say = 10 };
	struct asker a;

	(void)state;
	gate_open(&leaf, false);
	asker_start(&a, GATEHEAD_ORIGIN, &p);
	run_until(asker_has_greeting, &a);
	assert_int_equal(a.n, 11);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal((unsigned char)a.text[i + 1], peer_byte(i));
	assert_string_equal(p.got_alpn, "");
	asker_end(&a);
	gate_close();
}

/* ... but he may have agreed on HTTP/2, when hands are shaken */
static void a_slow_caller_is_waited_for(void **state)
{
	static struct router r;
	struct peer p = { .cert = &leaf, .alpn = "h2" };
	struct ipport from;
	struct asker a;
	int fd[2];

	(void)state;
	gate_open(&leaf, false);
	router_open(&r);
	assert_int_equal(ipport_parse(&from, "10.244.0.9:40000"), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	way_in(&ways, fd[0], &from, r.at.port);
	door = r.at.port;
	asker_start(&a, GATEHEAD_ORIGIN, &p);
	door = PORT;
	assert_int_equal(loop_sleep(loop, 700 * NS_MS), 0);
	a.n = 0;
	assert_true(send(a.fd, "PRI * HTTP/2.0\r\n", 16, 0) > 0);
	shutdown(a.fd, SHUT_WR);
	run_until(asker_read, &a);
	assert_string_equal(a.text, "PRI * HTTP/2.0\r\n");
	assert_string_equal(p.got_alpn, "h2");
	asker_end(&a);
	close(fd[1]);
	listener_stop(&r.listener);
	gate_close();
}

/* Who comes when its memory is taken is refused; it is not killed for it */
static void no_more_than_fit(void **state)
{
	int fd[3][2];
	char byte;

	(void)state;
	gate_open(&leaf, false);
	ways_fit(&ways, 0);
	assert_true(ways.max > 1000);
	ways_fit(&ways, (uint64_t)1 << 50);
	assert_true(ways.max < 100000);
	ways_fit(&ways, (uint64_t)216 << 10);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]), 0);
		way_out(&ways, fd[i][0], door);
	}
	assert_int_equal(ways.n, 2);
	assert_int_equal(recv(fd[2][1], &byte, 1, MSG_DONTWAIT), 0);
	gate_close();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i][1]);
}

static void strangers_at_the_door(void **state)
{
	int fd[2];

	(void)state;
	gate_open(&leaf, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	way_out(&ways, fd[0], door);
	assert_true(send(fd[1], "GET / HTTP/1.1\r\nHost: x\r\n", 25, 0) > 0);
	for (int i = 0; i < 5; i++)
		loop_once(loop, 10 * NS_MS);
	assert_int_equal(ways.n, 0);
	close(fd[1]);
	gate_close();
}

/* --- the Secret --------------------------------------------------------- */

/* A new one is shown within seconds; the old one is believed still, and what
 * cannot be read changes nothing */
static void a_renewed_secret_is_followed(void **state)
{
	static struct router r;
	struct peer behind = { .cert = &leaf };
	struct peer a = { .say = 1 }, b = { .say = 1 };

	(void)state;
	gate_open(&leaf, false);
	router_open(&r);
	put_secret(&next, false);
	peer_write_key(&stranger, path("tls.key"));
	assert_int_equal(loop_sleep(loop, NS_SEC), 0);
	call_in(&r, &a);
	assert_int_equal(X509_cmp(a.got_cert, leaf.x509), 0);
	put_secret(&next, false);
	assert_int_equal(loop_sleep(loop, NS_SEC), 0);
	r.kind = 0;
	call_in(&r, &b);
	assert_int_equal(X509_cmp(b.got_cert, next.x509), 0);
	asks_and_is_answered(GATEHEAD_ORIGIN, "GET / HTTP/1.1\r\n\r\n",
			     &behind);
	X509_free(a.got_cert);
	X509_free(b.got_cert);
	listener_stop(&r.listener);
	gate_close();
}

/* Who says nothing does not keep a kubelet out */
static void health_is_told_among_the_silent(void **state)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	struct kt_error err = { 0 };
	struct ipport at = { ipaddr_v4(here), 0 };
	struct sockaddr_storage sa;
	struct healthz *h;
	int fd[40], any = listener_bind(&at);
	socklen_t len = ipport_to_sockaddr(&at, &sa);
	char said[64] = "";

	(void)state;
	assert_true(any >= 0);
	close(any);
	h = healthz_new(loop, at.port, &err);
	assert_non_null(h);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fd[i], (struct sockaddr *)&sa, len),
				 0);
		assert_true(loop_once(loop, 10 * NS_MS) >= 0);
	}
	assert_int_equal(send(fd[39], "GET", 3, 0), 3);
	for (int i = 0;
	     i < 100 && recv(fd[39], said, sizeof(said) - 1, MSG_DONTWAIT) <= 0;
	     i++)
		assert_true(loop_once(loop, 10 * NS_MS) >= 0);
	assert_memory_equal(said, "HTTP/1.1 200", 12);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	healthz_free(h);
	(void)!loop_once(loop, 0);
}

static void secrets_that_are_refused(void **state)
{
	struct kt_error err = { 0 };

	(void)state;
	unlink(path("tls.crt"));
	assert_null(secret_new(loop, dir, NS_SEC / 5, &err));
	assert_non_null(strstr(err.msg, "is not there, or has no tls.crt"));
	put_secret(&leaf, false);
	peer_write_key(&stranger, path("tls.key"));
	assert_null(secret_new(loop, dir, NS_SEC / 5, &err));
	assert_non_null(
		strstr(err.msg, "is not that of the first certificate"));
	loop_once(loop, 0);
}

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* of the peer */
	loop = loop_new();
	assert_non_null(mkdtemp(dir));
	ca = peer_make(NULL, NULL, 9, false);
	leaf = peer_make("DNS:" NAME, &ca, 9, false);
	next = peer_make("DNS:" NAME, &ca, 9, false);
	stranger = peer_make("DNS:" NAME, NULL, 9, false);
	return loop ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	unlink(path("tls.crt"));
	unlink(path("tls.key"));
	unlink(path("ca.crt"));
	peer_free(&ca);
	peer_free(&leaf);
	peer_free(&next);
	peer_free(&stranger);
	loop_free(loop);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_caller_meets_the_router),
		cmocka_unit_test(without_a_router),
		cmocka_unit_test(the_router_reaches_an_origin),
		cmocka_unit_test(an_origin_that_is_not_believed),
		cmocka_unit_test(nobody_behind),
		cmocka_unit_test(a_try_says_how_it_went),
		cmocka_unit_test(callers_get_what_the_origin_speaks),
		cmocka_unit_test(a_server_that_speaks_first),
		cmocka_unit_test(a_slow_caller_is_waited_for),
		cmocka_unit_test(no_more_than_fit),
		cmocka_unit_test(strangers_at_the_door),
		cmocka_unit_test(a_renewed_secret_is_followed),
		cmocka_unit_test(health_is_told_among_the_silent),
		cmocka_unit_test(secrets_that_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
