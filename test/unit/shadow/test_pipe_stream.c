/* SPDX-License-Identifier: Apache-2.0 */
/* A pipe made of a stream: how it ends when its user has left. */
#include "test.h"

#include "shadow/pipe_stream.h"

#include "../tunnel/muxlink.h"
#include "pipe/pipe.h"

#include <errno.h>
#include <string.h>

static struct {
	struct loop *loop;
	struct muxlink link;
	struct pipe *pipe;
	struct mux_stream *far; /* the server's end */
	size_t far_got;
	bool far_ended, far_stalls;
	int far_error;
	size_t writable, closed;
} t;

static void move_all(void)
{
	while (muxlink_move(&t.link, 0, 100000) ||
	       muxlink_move(&t.link, 1, 100000))
		;
}

/* --- the far end ---------------------------------------------------------- */

static ssize_t far_read(void *user, uint8_t *buf, size_t len)
{
	(void)user, (void)buf, (void)len;
	return -EAGAIN; /* says nothing, and does not end */
}

static void far_data(void *user, const uint8_t *p, size_t n)
{
	(void)user, (void)p;
	t.far_got += n;
	if (!t.far_stalls)
		mux_stream_consume(t.far, n);
}

static void far_end(void *user)
{
	(void)user;
	t.far_ended = true;
}

static void far_close(void *user, int error)
{
	(void)user;
	t.far = NULL;
	t.far_error = error;
}

static const struct mux_stream_ops far_ops = {
	.read = far_read,
	.data = far_data,
	.end = far_end,
	.close = far_close,
};

static void on_request(void *user, struct mux_stream *s,
		       const struct mux_request *req)
{
	(void)user, (void)req;
	t.far = s;
	assert_int_equal(mux_stream_accept(s, NULL, &far_ops, NULL), 0);
}

/* --- the pipe's user ------------------------------------------------------ */

static void on_opened(void *user)
{
	(void)user;
}

static void on_data(void *user, const uint8_t *p, size_t n)
{
	(void)user, (void)p, (void)n;
}

static void on_writable(void *user)
{
	(void)user;
	t.writable++;
}

static void on_closed(void *user, int error)
{
	(void)user, (void)error;
	t.closed++;
}

static const struct pipe_handler handler = {
	.opened = on_opened,
	.data = on_data,
	.eof = on_opened,
	.writable = on_writable,
	.closed = on_closed,
};

/* --- set-up --------------------------------------------------------------- */

static int set_up(void **state)
{
	const struct mux_request req = { .method = "CONNECT",
					 .authority = "x:1" };

	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	muxlink_init(&t.link, t.loop, 65536, on_request, NULL);
	t.pipe = pipe_stream_open(t.loop, t.link.side[0].m, &req);
	assert_non_null(t.pipe);
	pipe_set_handler(t.pipe, &handler, NULL);
	move_all();
	assert_non_null(t.far);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	muxlink_fini(&t.link);
	loop_free(t.loop);
	return 0;
}

static void wait_linger(void)
{
	int64_t start = clock_ns();

	while (t.far && clock_ns() - start < 5 * NS_SEC) {
		loop_once(t.loop, 50 * NS_MS);
		move_all();
	}
}

/* more than fits: the user waits for writable() */
static void fill(void)
{
	static const uint8_t junk[1 << 20];
	ssize_t n;

	do {
		n = pipe_send(t.pipe, junk, sizeof(junk));
		assert_true(n >= 0);
		move_all();
		loop_once(t.loop, 0);
	} while (n > 0);
	t.writable = 0;
}

/* --- tests ---------------------------------------------------------------- */

static void says_when_there_is_room(void **state)
{
	(void)state;
	t.far_stalls = true;
	fill();
	mux_stream_consume(t.far, t.far_got);
	move_all();
	loop_once(t.loop, 0);
	assert_int_equal(t.writable, 1);
	pipe_close(t.pipe, true);
	move_all();
	assert_null(t.far);
}

/* A peer that takes all and then says nothing is not waited for, even if there
 * was no room when the user left. */
static void linger_ends_after_a_full_buffer(void **state)
{
	(void)state;
	t.far_stalls = true;
	fill();
	pipe_close(t.pipe, false);
	t.far_stalls = false;
	mux_stream_consume(t.far, t.far_got);
	move_all();
	assert_true(t.far_ended);
	assert_non_null(t.far);
	wait_linger();
	assert_null(t.far);
	assert_int_equal(t.far_error, -ECONNRESET);
	assert_int_equal(mux_streams(t.link.side[0].m), 0);
	assert_int_equal(t.writable, 0);
	assert_int_equal(t.closed, 0);
}

static void linger_ends_with_nothing_sent(void **state)
{
	(void)state;
	pipe_close(t.pipe, false);
	move_all();
	assert_true(t.far_ended);
	wait_linger();
	assert_null(t.far);
	assert_int_equal(mux_streams(t.link.side[0].m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_when_there_is_room, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(linger_ends_after_a_full_buffer,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(linger_ends_with_nothing_sent,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
