/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "pipe/join.h"
#include "pipe/pipe_fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static int done;

static int begin(void **state)
{
	(void)state;
	loop = loop_new();
	done = 0;
	return loop ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void on_done(void *user)
{
	(void)user;
	done++;
}

static void run(void)
{
	for (int i = 0; i < 8; i++)
		loop_once(loop, 5 * NS_MS);
}

/* --- credit -------------------------------------------------------------- */

/* a pipe that takes everything */
struct fake {
	struct pipe pipe;
	size_t credit, got;
	bool closed, reset;
};

static ssize_t fake_send(struct pipe *p, const void *data, size_t n)
{
	(void)data;
	container_of(p, struct fake, pipe)->got += n;
	return (ssize_t)n;
}

static void fake_finish(struct pipe *p)
{
	(void)p;
}

static void fake_consume(struct pipe *p, size_t n)
{
	container_of(p, struct fake, pipe)->credit += n;
}

static void fake_close(struct pipe *p, bool reset)
{
	struct fake *f = container_of(p, struct fake, pipe);

	f->closed = true;
	f->reset = reset;
}

static const struct pipe_ops fake_ops = { fake_send, fake_finish, fake_consume,
					  fake_close };

static void credit_is_given_once(void **state)
{
	struct fake a = { .pipe.ops = &fake_ops }, b = a;
	struct pipe_end ea = { .pipe = &a.pipe, .early = 100 };
	struct pipe_end eb = { .pipe = &b.pipe };
	struct join *j;

	(void)state;
	buf_init(&ea.in, PIPE_END_MAX);
	buf_init(&eb.in, PIPE_END_MAX);
	assert_int_equal(buf_put(&ea.in, (char[150]){ 0 }, 150), 0);
	j = join_start(loop, &ea, &eb, on_done, NULL);
	assert_non_null(j);
	assert_int_equal(b.got, 150);
	assert_int_equal(a.credit, 50); /* 100 of them had theirs */
	a.pipe.handler->data(a.pipe.user, (uint8_t[10]){ 0 }, 10);
	assert_int_equal(a.credit, 60);
	a.pipe.handler->eof(a.pipe.user);
	assert_int_equal(done, 0);
	b.pipe.handler->eof(b.pipe.user);
	assert_int_equal(done, 1);
	assert_true(a.closed && b.closed && !a.reset && !b.reset);
}

/* --- sockets ------------------------------------------------------------- */

/* a TCP connection: [0] for the join, [1] for the test */
static void connection(int fd[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &len), 0);
	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd[1], (struct sockaddr *)&sa, len), 0);
	fd[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd[0] >= 0);
	close(l);
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void both_ways(void **state)
{
	int a[2], b[2];
	char text[16];

	(void)state;
	connection(a);
	connection(b);
	assert_int_equal(send(a[1], "ask", 3, 0), 3);
	assert_non_null(join_sockets(loop, a[0], b[0], on_done, NULL));
	run();
	assert_int_equal(recv(b[1], text, sizeof(text), MSG_DONTWAIT), 3);
	shutdown(a[1], SHUT_WR);
	run();
	assert_int_equal(recv(b[1], text, sizeof(text), MSG_DONTWAIT), 0);
	assert_int_equal(send(b[1], "answer", 6, 0), 6);
	run();
	assert_int_equal(recv(a[1], text, sizeof(text), MSG_DONTWAIT), 6);
	assert_int_equal(done, 0);
	close(b[1]);
	run();
	assert_int_equal(recv(a[1], text, sizeof(text), MSG_DONTWAIT), 0);
	assert_int_equal(done, 1);
	close(a[1]);
}

static void a_reset_is_passed_on(void **state)
{
	int a[2], b[2];
	char c;

	(void)state;
	connection(a);
	connection(b);
	assert_non_null(join_sockets(loop, a[0], b[0], on_done, NULL));
	run();
	reset(a[1]);
	run();
	assert_int_equal(done, 1);
	assert_int_equal(recv(b[1], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	close(b[1]);
}

/* the reader has said its end, and goes: whoever feeds it hears of it */
static void gone_behind_its_end(void **state)
{
	int a[2], b[2];

	(void)state;
	connection(a);
	connection(b);
	assert_non_null(join_sockets(loop, a[0], b[0], on_done, NULL));
	shutdown(a[1], SHUT_WR);
	run();
	assert_int_equal(done, 0);
	/* what is sent now finds the reset, before the loop does */
	assert_int_equal(send(b[1], "x", 1, 0), 1);
	reset(a[1]);
	run();
	for (int i = 0; i < 3 && !done; i++) {
		if (send(b[1], "x", 1, MSG_NOSIGNAL) < 0)
			break;
		run();
	}
	assert_int_equal(done, 1);
	close(b[1]);
}

/* --- a reset that a send finds ------------------------------------------- */

static int ended, closed;

static void on_nothing(void *user)
{
	(void)user;
}

static void on_data(void *user, const uint8_t *p, size_t n)
{
	(void)user;
	(void)p;
	(void)n;
}

static void on_eof(void *user)
{
	(void)user;
	ended++;
}

static void on_closed(void *user, int error)
{
	(void)user;
	closed = error;
}

static const struct pipe_handler handler = { on_nothing, on_data, on_eof,
					     on_nothing, on_closed };

static void a_reset_is_no_end(void **state)
{
	int a[2];
	struct pipe *p;

	(void)state;
	ended = closed = 0;
	connection(a);
	p = pipe_fd_new(loop, a[0]);
	assert_non_null(p);
	pipe_set_handler(p, &handler, NULL);
	run();
	reset(a[1]);
	assert_int_equal(pipe_send(p, "x", 1), -ECONNRESET);
	run();
	assert_int_equal(ended, 0);
	assert_int_equal(closed, -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(credit_is_given_once, begin,
						end),
		cmocka_unit_test_setup_teardown(both_ways, begin, end),
		cmocka_unit_test_setup_teardown(a_reset_is_passed_on, begin,
						end),
		cmocka_unit_test_setup_teardown(gone_behind_its_end, begin,
						end),
		cmocka_unit_test_setup_teardown(a_reset_is_no_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
