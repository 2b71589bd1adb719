/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "gate/tls.h"
#include "peer.h"

#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "orders.shop.svc"
#define MUCH 3000000
#define SOME 200000

static struct loop *loop;
static char dir[] = "/tmp/test-gate-tls.XXXXXX";
static struct peer_cert ca, other_ca, leaf, rsa_leaf, old, stranger;
static const char *alpn_both[] = { "h2", "http/1.1", NULL };

static const char *path(const char *name)
{
	static char mem[4][128];
	static int i;

	i = (i + 1) % 4;
	snprintf(mem[i], sizeof(mem[i]), "%s/%s", dir, name);
	return mem[i];
}

/* --- our side: says @say and finishes, or gives back what came ---------- */

struct side {
	struct pipe *pipe;
	struct buf in;	   /* not given back yet */
	size_t say, said;  /* of a client */
	size_t got;	   /* bytes */
	bool same;	   /* all as they were said */
	bool echo, sleepy; /* sleepy: nothing is consumed */
	bool whole;	   /* what is said is one piece */
	bool opened, eof, finished, over, keep;
	int error;
	char why[256], alpn[32];
};

static void side_push(struct side *s)
{
	static uint8_t mem[SOME];
	size_t most = s->whole ? sizeof(mem) : 7000;
	ssize_t n;

	while (!s->echo && s->said < s->say) {
		size_t want = MIN(most, s->say - s->said);

		for (size_t i = 0; i < want; i++)
			mem[i] = peer_byte(s->said + i);
		n = pipe_send(s->pipe, mem, want);
		if (n <= 0)
			return;
		s->said += (size_t)n;
		if ((size_t)n < want) /* writable() is owed */
			return;
	}
	if (s->echo && s->in.len) {
		n = pipe_send(s->pipe, buf_data(&s->in), s->in.len);
		if (n <= 0)
			return;
		buf_take(&s->in, (size_t)n);
		pipe_consume(s->pipe, (size_t)n);
	}
	if (!s->finished && (s->echo ? s->eof && !s->in.len : !s->keep)) {
		s->finished = true;
		pipe_finish(s->pipe);
	}
	s->over = s->eof && s->finished;
}

static void on_opened(void *user)
{
	struct side *s = user;

	s->opened = true;
	snprintf(s->alpn, sizeof(s->alpn), "%s", tls_pipe_alpn(s->pipe));
	side_push(s);
}

static void on_data(void *user, const uint8_t *p, size_t n)
{
	struct side *s = user;

	for (size_t i = 0; i < n; i++)
		s->same &= p[i] == peer_byte(s->got + i);
	s->got += n;
	if (s->echo)
		assert_int_equal(buf_put(&s->in, p, n), 0);
	else if (!s->sleepy)
		pipe_consume(s->pipe, n);
	side_push(s);
}

static void on_eof(void *user)
{
	struct side *s = user;

	s->eof = true;
	side_push(s);
}

static void on_writable(void *user)
{
	side_push(user);
}

static void on_closed(void *user, int error)
{
	struct side *s = user;

	s->error = error;
	snprintf(s->why, sizeof(s->why), "%s", tls_pipe_why(s->pipe));
	s->pipe = NULL;
	s->over = true;
}

static const struct pipe_handler handler = { on_opened, on_data, on_eof,
					     on_writable, on_closed };

static void side_start(struct side *s, struct tls_config *c, int fd,
		       const char *name)
{
	buf_init(&s->in, MUCH * 2);
	s->same = true;
	s->pipe = tls_pipe_new(loop, fd, c, name);
	assert_non_null(s->pipe);
	pipe_set_handler(s->pipe, &handler, s);
}

static void side_run(struct side *s)
{
	assert_int_equal(loop_run_until(loop, &s->over, 60 * NS_SEC), 0);
	if (s->pipe)
		pipe_close(s->pipe, false);
	s->pipe = NULL;
	loop_once(loop, 0);
	buf_fini(&s->in);
}

static void tcp_pair(int fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM, 0), large = 4 << 20;

	assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &large, sizeof(large));
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, len), 0);
	fd[1] = accept(l, NULL, NULL);
	assert_true(fd[1] >= 0);
	close(l);
}

/* a client of ours, with @p */
static void call(struct side *s, const struct tls_rules *r, struct peer *p)
{
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_CLIENT, r, &err);
	int fd[2];

	assert_non_null(c);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p->fd = fd[1];
	side_start(s, c, fd[0], NAME);
	tls_config_put(c);
	peer_start(p);
	side_run(s);
	peer_join(p);
}

/* a server of ours, with @p */
static void answer(struct side *s, const char *cert, struct peer *p)
{
	struct tls_rules r = { .cert_file = path(cert), .alpn = alpn_both };
	struct kt_error err = { 0 };
	struct tls_config *c;
	char key[64];
	int fd[2];

	snprintf(key, sizeof(key), "%s.key", cert);
	r.key_file = path(key);
	c = tls_config_new(TLS_SERVER, &r, &err);
	assert_non_null(c);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p->fd = fd[1];
	s->echo = true;
	side_start(s, c, fd[0], NULL);
	tls_config_put(c);
	peer_start(p);
	side_run(s);
	peer_join(p);
}

/* --- a client ----------------------------------------------------------- */

static void client_moves_bytes(void **state)
{
	struct tls_rules r = { .ca_file = path("ca"), .alpn = alpn_both };
	const struct peer_cert *certs[] = { &leaf, &rsa_leaf };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct side s = { .say = MUCH };
		struct peer p = { .cert = certs[i], .alpn = "http/1.1" };

		call(&s, &r, &p);
		assert_int_equal(s.error, 0);
		assert_true(p.shaken && p.same && s.same);
		assert_int_equal(p.got, MUCH);
		assert_int_equal(s.got, MUCH);
		assert_string_equal(s.alpn, "http/1.1");
		assert_string_equal(p.got_name, NAME);
	}
}

static void client_agrees_on_h2(void **state)
{
	struct tls_rules r = { .ca_file = path("ca"), .alpn = alpn_both };
	struct side s = { .say = 10 };
	struct peer p = { .cert = &leaf, .alpn = "h2" };

	(void)state;
	call(&s, &r, &p);
	assert_string_equal(s.alpn, "h2");
	assert_int_equal(s.got, 10);
}

static void client_takes_an_end_without_notify(void **state)
{
	struct tls_rules r = { .ca_file = path("ca") };
	struct side s = { .say = 1000 };
	struct peer p = { .cert = &leaf, .no_notify = true };

	(void)state;
	call(&s, &r, &p);
	assert_int_equal(s.error, 0);
	assert_true(s.eof);
	assert_int_equal(s.got, 1000);
	assert_string_equal(s.alpn, "");
}

/* not a byte goes to a server that is not believed */
static void refuses(const struct tls_rules *r, const struct peer_cert *cert,
		    const char *why)
{
	struct side s = { .say = 1000 };
	struct peer p = { .cert = cert };

	call(&s, r, &p);
	assert_false(s.opened);
	assert_int_equal(s.error, -EACCES);
	assert_non_null(strstr(s.why, why));
	assert_int_equal(p.got, 0);
}

static void client_believes_only_its_authority(void **state)
{
	struct tls_rules r = { .ca_file = path("ca") };
	const struct tls_rules nobody = { 0 };

	(void)state;
	refuses(&r, &stranger, "not correctly signed by the trusted CA");
	refuses(&r, &old, "validity has expired");
	refuses(&nobody, &leaf, "not correctly signed by the trusted CA");
	r.ca_file = path("other-ca");
	refuses(&r, &leaf, "not correctly signed by the trusted CA");
}

static void client_wants_the_name(void **state)
{
	struct tls_rules r = { .ca_file = path("ca") };
	struct peer_cert wrong = peer_make("DNS:cart.shop.svc", &ca, 9, false);
	struct peer_cert address = peer_make("IP:10.0.0.1", &ca, 9, false);
	struct peer_cert wild = peer_make("DNS:*.shop.svc", &ca, 9, false);
	struct side s = { .say = 10 };
	struct peer p = { .cert = &wild };

	(void)state;
	refuses(&r, &wrong, "does not match with the expected CN");
	refuses(&r, &address, "does not match with the expected CN");
	call(&s, &r, &p);
	assert_int_equal(s.got, 10);
	peer_free(&wrong);
	peer_free(&address);
	peer_free(&wild);
}

static void client_believes_a_pinned_one(void **state)
{
	const struct tls_rules r = { .pin_file = path("stranger") };
	struct side s = { .say = 10 };
	struct peer p = { .cert = &stranger };

	(void)state;
	call(&s, &r, &p);
	assert_int_equal(s.error, 0);
	assert_int_equal(s.got, 10);
	refuses(&r, &leaf, "not correctly signed by the trusted CA");
}

/* what is no TLS, and a server that hangs up */
static void client_meets_no_tls(void **state)
{
	static const char *const said[] = { "HTTP/1.1 400 Bad Request\r\n\r\n",
					    "" };
	static const int error[] = { -EPROTO, -ECONNRESET };
	struct tls_rules r = { .ca_file = path("ca") };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct kt_error err = { 0 };
		struct tls_config *c = tls_config_new(TLS_CLIENT, &r, &err);
		struct side s = { 0 };
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		side_start(&s, c, fd[0], NAME);
		tls_config_put(c);
		if (*said[i])
			assert_true(write(fd[1], said[i], strlen(said[i])) > 0);
		shutdown(fd[1], SHUT_WR);
		side_run(&s);
		assert_int_equal(s.error, error[i]);
		close(fd[1]);
	}
}

/* --- a server ----------------------------------------------------------- */

static void server_shows_its_certificate(void **state)
{
	const char *const names[] = { "leaf", "rsa" };
	const struct peer_cert *certs[] = { &leaf, &rsa_leaf };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct side s = { 0 };
		struct peer p = { .name = NAME, .alpn = "h2", .say = SOME };

		answer(&s, names[i], &p);
		assert_true(p.shaken);
		assert_int_equal(X509_cmp(p.got_cert, certs[i]->x509), 0);
		assert_string_equal(p.got_alpn, "h2");
		assert_int_equal(p.got, SOME);
		assert_true(p.same && s.same);
		X509_free(p.got_cert);
	}
}

static void server_refuses_old_ways(void **state)
{
	struct side a = { 0 }, b = { 0 }, c = { 0 };
	struct peer old_version = { .version = TLS1_1_VERSION };
	struct peer no_secrecy = { .version = TLS1_2_VERSION,
				   .ciphers = "AES128-GCM-SHA256" };
	struct peer no_protocol = { .alpn = "smtp" };

	(void)state;
	answer(&a, "rsa", &old_version);
	assert_int_equal(a.error, -EPROTO);
	assert_false(old_version.shaken);
	answer(&b, "rsa", &no_secrecy);
	assert_false(no_secrecy.shaken);
	answer(&c, "rsa", &no_protocol);
	assert_false(no_protocol.shaken);
}

/* who does not take what comes stops the peer, and the memory is bounded */
static void server_stops_a_peer(void **state)
{
	struct tls_rules r = { .cert_file = path("leaf"),
			       .key_file = path("leaf.key") };
	struct side s = { .sleepy = true };
	struct peer p = { .say = MUCH };
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_SERVER, &r, &err);
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p.fd = fd[1];
	side_start(&s, c, fd[0], NULL);
	tls_config_put(c);
	peer_start(&p);
	assert_int_equal(loop_sleep(loop, NS_SEC), 0);
	assert_true(s.got > 0 && s.got <= 64 << 10);
	s.sleepy = false;
	pipe_consume(s.pipe, s.got);
	side_run(&s);
	peer_join(&p);
	assert_int_equal(s.got, MUCH);
	assert_true(s.same);
	X509_free(p.got_cert);
}

/* closed with much under way: all of it arrives, and then the end */
static void close_lets_out_what_was_sent(void **state)
{
	struct tls_rules r = { .ca_file = path("ca") };
	struct side s = { .say = 60000, .keep = true };
	struct peer p = { .cert = &leaf, .mute = true };
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_CLIENT, &r, &err);
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p.fd = fd[1];
	side_start(&s, c, fd[0], NAME);
	tls_config_put(c);
	peer_start(&p);
	assert_int_equal(loop_run_until(loop, &s.opened, 20 * NS_SEC), 0);
	assert_int_equal(s.said, 60000);
	pipe_close(s.pipe, false);
	for (int i = 0; i < 100; i++)
		loop_once(loop, 10 * NS_MS);
	peer_join(&p);
	assert_int_equal(p.got, 60000);
	assert_true(p.same);
	buf_fini(&s.in);
}

/* To a peer that takes all of it at once the socket never says that there is
 * room again */
static void a_large_piece_is_sent_whole(void **state)
{
	struct tls_rules r = { .ca_file = path("ca") };
	struct side s = { .say = SOME, .whole = true };
	struct peer p = { .cert = &leaf, .mute = true };
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_CLIENT, &r, &err);
	int fd[2];

	(void)state;
	tcp_pair(fd);
	p.fd = fd[1];
	side_start(&s, c, fd[0], NAME);
	tls_config_put(c);
	peer_start(&p);
	side_run(&s);
	peer_join(&p);
	assert_int_equal(s.error, 0);
	assert_int_equal(p.got, SOME);
	assert_true(p.same);
}

/* RFC 5746 section 4.5: no; and at once, for it waits for the word */
static void server_shakes_hands_once(void **state)
{
	struct side s = { 0 };
	struct peer p = { .version = TLS1_2_VERSION, .again = true };

	(void)state;
	answer(&s, "leaf", &p);
	assert_true(p.shaken);
	assert_true(p.denied);
	X509_free(p.got_cert);
}

/* --- configurations ----------------------------------------------------- */

static void no_config(enum tls_side side, const struct tls_rules *r,
		      const char *why)
{
	struct kt_error err = { 0 };

	assert_null(tls_config_new(side, r, &err));
	assert_non_null(strstr(err.msg, why));
}

static void config_refuses_bad_files(void **state)
{
	struct tls_rules r = { .cert_file = path("leaf"),
			       .key_file = path("rsa.key") };

	(void)state;
	no_config(TLS_SERVER, &r, "is not that of the first certificate");
	r.key_file = path("none");
	no_config(TLS_SERVER, &r, "key of");
	r.key_file = path("leaf");
	no_config(TLS_SERVER, &r, "key of");
	r = (struct tls_rules){ .ca_file = path("none") };
	no_config(TLS_CLIENT, &r, "certificates of");
	r = (struct tls_rules){ .ca_file = path("leaf.key") };
	no_config(TLS_CLIENT, &r, "certificates of");
}

static void config_knows_its_name(void **state)
{
	struct tls_rules r = { .cert_file = path("rsa"),
			       .key_file = path("rsa.key") };
	struct kt_error err = { 0 };
	struct tls_config *c = tls_config_new(TLS_SERVER, &r, &err);

	(void)state;
	assert_string_equal(tls_config_name(c), NAME);
	tls_config_put(c);
	r.cert_file = path("stranger");
	r.key_file = path("stranger.key");
	c = tls_config_new(TLS_SERVER, &r, &err);
	assert_string_equal(tls_config_name(c), "");
	tls_config_put(c);
}

static void write_both(const struct peer_cert *c, const struct peer_cert *by,
		       const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%s.key", name);
	peer_write(c, by, path(name));
	peer_write_key(c, path(key));
}

static int begin(void **state)
{
	(void)state;
	loop = loop_new();
	signal(SIGPIPE, SIG_IGN); /* of the peer */
	assert_non_null(mkdtemp(dir));
	ca = peer_make(NULL, NULL, 9, false);
	other_ca = peer_make(NULL, NULL, 9, false);
	leaf = peer_make("DNS:" NAME, &ca, 9, false);
	rsa_leaf = peer_make("IP:10.0.0.1,DNS:*.shop,DNS:" NAME, &ca, 9, true);
	old = peer_make("DNS:" NAME, &ca, -1, false);
	stranger = peer_make(NULL, NULL, 9, false);
	peer_write(&other_ca, NULL, path("other-ca"));
	peer_write(&ca, NULL, path("ca"));
	write_both(&leaf, &ca, "leaf");
	write_both(&rsa_leaf, NULL, "rsa");
	write_both(&stranger, NULL, "stranger");
	return loop ? 0 : -1;
}

static int end(void **state)
{
	glob_t all;

	(void)state;
	peer_free(&ca);
	peer_free(&other_ca);
	peer_free(&leaf);
	peer_free(&rsa_leaf);
	peer_free(&old);
	peer_free(&stranger);
	loop_free(loop);
	assert_int_equal(glob(path("*"), 0, NULL, &all), 0);
	for (size_t i = 0; i < all.gl_pathc; i++)
		unlink(all.gl_pathv[i]);
	globfree(&all);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_moves_bytes),
		cmocka_unit_test(client_agrees_on_h2),
		cmocka_unit_test(client_takes_an_end_without_notify),
		cmocka_unit_test(client_believes_only_its_authority),
		cmocka_unit_test(client_wants_the_name),
		cmocka_unit_test(client_believes_a_pinned_one),
		cmocka_unit_test(client_meets_no_tls),
		cmocka_unit_test(server_shows_its_certificate),
		cmocka_unit_test(server_refuses_old_ways),
		cmocka_unit_test(server_stops_a_peer),
		cmocka_unit_test(close_lets_out_what_was_sent),
		cmocka_unit_test(a_large_piece_is_sent_whole),
		cmocka_unit_test(server_shakes_hands_once),
		cmocka_unit_test(config_refuses_bad_files),
		cmocka_unit_test(config_knows_its_name),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
