/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy over the loopback: the test plays the far side, a thread plays a
 * program. The port asked for tells what the far side does. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/socks.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define ECHO 80
#define REFUSED 81
#define TIMED_OUT 82
#define SILENT 85

struct world {
	struct loop *loop;
	struct socks *socks;
	struct ipport at;
	size_t opened, gone, accepted, datagrams, udp_gone;
	struct socks_dst last;
	char head[128]; /* of what is forwarded */
};

static void tcp_open(void *user, struct socks_tcp *c)
{
	struct world *w = user;

	w->opened++;
	w->last = c->dst;
	c->user = w;
	switch (c->dst.port) {
	case ECHO:
		socks_answer(w->socks, c, 0);
		assert_int_equal(w->accepted, w->opened - 1); /* not inside */
		break;
	case REFUSED:
		socks_answer(w->socks, c, ECONNREFUSED);
		break;
	case TIMED_OUT:
		socks_answer(w->socks, c, ETIMEDOUT);
		break;
	}
}

static void tcp_gone(void *user, struct socks_tcp *c)
{
	struct world *w = user;

	assert_ptr_equal(c->user, w);
	w->gone++;
}

/* One round of echo, with what came early, and the end. */
static void tcp_accepted(void *user, struct socks_tcp *c, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct world *w = user;
	char b[64];
	ssize_t n;

	assert_ptr_equal(c->user, w);
	w->accepted++;
	assert_true(c->head_len < sizeof(w->head));
	if (c->head_len)
		memcpy(w->head, c->head, c->head_len);
	w->head[c->head_len] = '\0';
	assert_int_equal(poll(&p, 1, 2000), 1);
	n = read(fd, b, sizeof(b));
	assert_true(n > 0);
	assert_int_equal(write(fd, b, (size_t)n), n);
	close(fd);
}

static void udp(void *user, struct socks_udp *a, const struct socks_dst *dst,
		const uint8_t *data, size_t len)
{
	struct ipport from = { dst->addr, dst->port };
	struct world *w = user;

	w->datagrams++;
	a->user = w;
	if (dst->host[0])
		assert_int_equal(ipaddr_parse(&from.addr, "10.96.0.9"), 0);
	assert_int_equal(socks_udp_send(a, &from, data, len), 0);
}

static void udp_gone(void *user, struct socks_udp *a)
{
	struct world *w = user;

	assert_ptr_equal(a->user, w);
	w->udp_gone++;
}

static const struct socks_ops ops = {
	.tcp_open = tcp_open,
	.tcp_gone = tcp_gone,
	.tcp_accepted = tcp_accepted,
	.udp = udp,
	.udp_gone = udp_gone,
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct kt_error err = { 0 };
	struct ipport at;

	w->loop = loop_new();
	assert_int_equal(ipport_parse(&at, "127.0.0.1:0"), 0);
	assert_int_equal(socks_open(&w->socks, w->loop, &at, &ops, w, &err), 0);
	w->at = socks_addr(w->socks);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	socks_close(w->socks);
	loop_free(w->loop);
	free(w);
	return 0;
}

/* --- the program (a thread: no cmocka here) ------------------------------- */

struct talk {
	const struct ipport *at;
	const char *send[4]; /* step by step, each after the answer before */
	size_t send_len[4];
	size_t want[4]; /* bytes to wait for */
	bool trickle;	/* one byte at a time */
	uint8_t got[512];
	size_t ngot;
	bool eof; /* the proxy closed after that */
};

static int dial(const struct ipport *at)
{
	struct timeval tv = { .tv_sec = 5 };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static long run_talk(void *arg)
{
	struct talk *t = arg;
	auto_close int fd = dial(t->at);

	for (int i = 0; i < 4 && t->send[i]; i++) {
		size_t step = t->trickle ? 1 : t->send_len[i];
		size_t end = t->ngot + t->want[i];

		for (size_t n = 0; n < t->send_len[i]; n += step) {
			if (send(fd, t->send[i] + n, step, MSG_NOSIGNAL) < 0)
				return -errno;
			if (t->trickle)
				usleep(1000);
		}
		while (t->ngot < end) {
			ssize_t n = read(fd, t->got + t->ngot,
					 sizeof(t->got) - t->ngot);

			if (n <= 0)
				return -1000;
			t->ngot += (size_t)n;
		}
	}
	t->eof = read(fd, t->got + t->ngot, 1) == 0;
	return 0;
}

static struct talk talk(const struct world *w)
{
	return (struct talk){ .at = &w->at };
}

static void say(struct talk *t, int i, const char *bytes, size_t len,
		size_t want)
{
	t->send[i] = bytes;
	t->send_len[i] = len;
	t->want[i] = want;
}

#define SAYS(t, i, s, want) say(t, i, s, sizeof(s) - 1, want)

/* --- tests ---------------------------------------------------------------- */

static void test_connect(void **state)
{
	struct world *w = *state;

	for (int trickle = 0; trickle < 2; trickle++) {
		struct talk t = talk(w);

		t.trickle = trickle;
		SAYS(&t, 0, "\5\1\0", 2);
		SAYS(&t, 1, "\5\1\0\3\6a.demo\0\120", 10);
		SAYS(&t, 2, "h", 1);
		assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
		assert_memory_equal(t.got, "\5\0\5\0\0\1\0\0\0\0\0\0h", 13);
		assert_string_equal(w->last.host, "a.demo");
		assert_int_equal(w->last.port, 80);
	}
	assert_int_equal(w->accepted, 2);
	assert_int_equal(w->gone, 0);
}

/* All at once, data included: not a byte may be lost. */
static void test_early_data(void **state)
{
	struct world *w = *state;
	struct talk t = talk(w);

	SAYS(&t, 0, "\5\1\0\5\1\0\1\12\140\0\1\0\120early", 2 + 10 + 5);
	assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
	assert_memory_equal(t.got + 12, "early", 5);
	assert_true(t.eof);
}

static void test_failures(void **state)
{
	static const struct {
		const char *request;
		size_t len;
		uint8_t code;
	} cases[] = {
		{ "\5\1\0\1\12\140\0\1\0\121", 10, 5 }, /* refused */
		{ "\5\1\0\1\12\140\0\1\0\122", 10, 6 }, /* timed out */
		{ "\5\2\0\1\12\140\0\1\0\120", 10, 7 }, /* BIND */
		{ "\5\1\0\2\12\140\0\1\0\120", 10, 8 }, /* address type */
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct talk t = talk(w);

		SAYS(&t, 0, "\5\1\0", 2);
		say(&t, 1, cases[i].request, cases[i].len, 10);
		assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
		assert_int_equal(t.got[3], cases[i].code);
		assert_true(t.eof);
	}
	assert_int_equal(w->gone, 0);
}

static void test_no_acceptable_method(void **state)
{
	struct world *w = *state;
	struct talk t = talk(w);

	SAYS(&t, 0, "\5\1\2", 2);
	assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
	assert_memory_equal(t.got, "\5\377", 2);
	assert_true(t.eof);
}

static void test_http(void **state)
{
	static const char ok[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	struct world *w = *state;
	struct talk t = talk(w);

	SAYS(&t, 0, "CONNECT b.demo:80 HTTP/1.1\r\nHost: b.demo\r\n\r\nearly",
	     sizeof(ok) - 1 + 5);
	assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
	assert_memory_equal(t.got, ok, sizeof(ok) - 1);
	assert_memory_equal(t.got + sizeof(ok) - 1, "early", 5);
	assert_string_equal(w->last.host, "b.demo");
	t = talk(w);
	SAYS(&t, 0, "CONNECT b.demo:81 HTTP/1.1\r\n\r\n", 12);
	assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
	assert_memory_equal(t.got, "HTTP/1.1 502", 12);
	t = talk(w);
	SAYS(&t, 0, "GET https://a/ HTTP/1.1\r\n\r\n", 12);
	assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
	assert_memory_equal(t.got, "HTTP/1.1 501", 12);
}

/* The head is another one, and nothing but the server answers */
static void test_http_forward(void **state)
{
	struct world *w = *state;

	for (int trickle = 0; trickle < 2; trickle++) {
		struct talk t = talk(w);

		t.trickle = trickle;
		SAYS(&t, 0, "POST http://c.demo/x HTTP/1.1\r\nA: b\r\n\r\n!",
		     1);
		assert_int_equal(netns_test_client(w->loop, run_talk, &t), 0);
		assert_int_equal(t.ngot, 1);
		assert_int_equal(t.got[0], '!');
		assert_string_equal(w->last.host, "c.demo");
		assert_int_equal(w->last.port, 80);
		assert_string_equal(w->head, "POST /x HTTP/1.1\r\n"
					     "Host: c.demo\r\nA: b\r\n"
					     "Connection: close\r\n\r\n");
	}
	assert_int_equal(w->accepted, 2);
}

static long leave_early(void *arg)
{
	const struct ipport *at = arg;
	auto_close int fd = dial(at);
	static const char all[] = "\5\1\0\5\1\0\1\12\140\0\1\0\125";
	char b[2];

	if (send(fd, all, sizeof(all) - 1, 0) < 0 || read(fd, b, 2) != 2)
		return -1;
	usleep(100000);
	return 0;
}

static void test_gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(netns_test_client(w->loop, leave_early, &w->at), 0);
	for (int i = 0; i < 20 && !w->gone; i++)
		assert_int_equal(loop_once(w->loop, 50 * NS_MS), 0);
	assert_int_equal(w->opened, 1);
	assert_int_equal(w->gone, 1);
}

static long ask_udp(void *arg)
{
	static const char hello[] = "\5\1\0\5\3\0\1\0\0\0\0\0\0";
	static const char one[] = "\0\0\0\1\1\2\3\4\0\65data";
	static const char two[] = "\0\0\0\3\6a.demo\0\65name";
	struct timeval tv = { .tv_sec = 3 };
	const struct ipport *at = arg;
	auto_close int fd = dial(at);
	auto_close int u = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint8_t b[512];

	setsockopt(u, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (send(fd, hello, sizeof(hello) - 1, 0) < 0 ||
	    recv(fd, b, 12, MSG_WAITALL) != 12 || b[3] != 0)
		return -1;
	memcpy(&to.sin_addr, b + 6, 4);
	memcpy(&to.sin_port, b + 10, 2);
	if (connect(u, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    send(u, one, sizeof(one) - 1, 0) < 0 ||
	    recv(u, b, sizeof(b), 0) != sizeof(one) - 1 ||
	    memcmp(b, one, sizeof(one) - 1) != 0)
		return -2;
	if (send(u, two, sizeof(two) - 1, 0) < 0 ||
	    recv(u, b, sizeof(b), 0) != 14 ||
	    memcmp(b, "\0\0\0\1\12\140\0\11\0\65name", 14) != 0)
		return -3;
	return 0;
}

static void test_udp(void **state)
{
	struct world *w = *state;

	assert_int_equal(netns_test_client(w->loop, ask_udp, &w->at), 0);
	for (int i = 0; i < 20 && !w->udp_gone; i++)
		assert_int_equal(loop_once(w->loop, 50 * NS_MS), 0);
	assert_int_equal(w->datagrams, 2);
	assert_int_equal(w->udp_gone, 1);
}

static void test_in_use(void **state)
{
	struct kt_error err = { 0 };
	struct world *w = *state;
	struct socks *second;

	assert_int_equal(socks_open(&second, w->loop, &w->at, &ops, w, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.hint, "--proxyPort"));
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_connect),	  WORLD(test_early_data),
		WORLD(test_failures),	  WORLD(test_no_acceptable_method),
		WORLD(test_http),	  WORLD(test_gone),
		WORLD(test_udp),	  WORLD(test_in_use),
		WORLD(test_http_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
