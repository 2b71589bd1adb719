/* SPDX-License-Identifier: Apache-2.0 */
/* A session whose stream ids are used up gives way to a fresh one, and
 * both ends know. */
#include "test.h"

#include "memcarrier.h"

#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/client.h"
#include "tunnel/internal.h"
#include "tunnel/link.h"

#include <errno.h>
#include <string.h>

static struct loop *loop;
static struct acceptor *acceptor;
static struct session_config cfg;
static struct tunnel *tunnel;
static struct link *far; /* the newest of the other end */
static unsigned int ups, deaths, far_deaths, requests, closed;
static bool up;
static char why[256], far_why[256];

static ssize_t stays_open(void *user, uint8_t *buf, size_t len)
{
	(void)user;
	(void)buf;
	(void)len;
	return -EAGAIN;
}

/* --- the shadow's end ----------------------------------------------------- */

static void on_request(void *user, struct mux_stream *s,
		       const struct mux_request *req)
{
	static const struct mux_stream_ops ops = { .read = stays_open };

	(void)user;
	(void)req;
	requests++;
	assert_int_equal(mux_stream_accept(s, NULL, &ops, NULL), 0);
}

static void on_far_dead(void *user, const struct kt_error *err)
{
	(void)user;
	far_deaths++;
	snprintf(far_why, sizeof(far_why), "%.250s", err->msg);
	acceptor_remove(acceptor, link_session(far));
	link_free(steal_ptr(&far));
}

static const struct link_ops far_ops = { .dead = on_far_dead };

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	struct mux_config mcfg = mux_config_default(true);

	(void)user;
	assert_null(far); /* the last one was told that it is over */
	far = link_new(loop, &cfg, &mcfg, hello->id, on_request, &far_ops,
		       NULL);
	return link_session(far);
}

static const struct acceptor_ops acceptor_ops = { on_session };

/* --- the laptop's --------------------------------------------------------- */

static void attach(void)
{
	static long never = -1;
	struct carrier *c[2];

	memcarrier_pair(loop, &never, 1 + deaths, c);
	acceptor_take(acceptor, c[1]);
	tunnel_attach(tunnel, c[0]);
}

static void on_up(void *user)
{
	(void)user;
	up = true;
	ups++;
}

static void on_dead(void *user, const struct kt_error *err)
{
	(void)user;
	up = false;
	deaths++;
	assert_int_equal(err->code, ENETRESET);
	snprintf(why, sizeof(why), "%.250s", err->msg);
}

static const struct tunnel_events events = { .up = on_up, .dead = on_dead };

static void on_close(void *user, int error)
{
	(void)user;
	if (error == -ENETRESET)
		closed++;
}

static struct mux_stream *open_one(void)
{
	static const struct mux_stream_ops ops = { .read = stays_open,
						   .close = on_close };
	const struct mux_request req = { .method = "CONNECT",
					 .authority = "x:1" };

	return tunnel_open(tunnel, &req, &ops, NULL);
}

/* until() - @count is @want; some steps wait for a timer */
static void until(const unsigned int *count, unsigned int want)
{
	for (int i = 0; i < 2000 && *count < want; i++)
		loop_once(loop, 5 * NS_MS);
	assert_int_equal(*count, want);
}

static void a_fresh_session_follows(void **state)
{
	struct mux_stream *s[2];

	(void)state;
	cfg = session_config_default();
	loop = loop_new();
	acceptor = acceptor_new(loop, &cfg, &acceptor_ops, NULL);
	tunnel = tunnel_new(loop, &cfg, &events, NULL);
	attach();
	until(&ups, 1);
	s[0] = open_one();
	assert_int_equal(mux_skip_ids(tunnel_mux(tunnel), INT32_MAX), 0);
	s[1] = open_one();
	assert_true(s[0] && s[1]);
	until(&requests, 2);
	assert_null(open_one());
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(deaths, 0); /* not from inside the call */
	until(&deaths, 1);
	until(&closed, 2);
	until(&far_deaths, 1);
	assert_non_null(strstr(why, "ids of the session are used up"));
	assert_non_null(strstr(far_why, "ids of the session are used up"));
	attach();
	until(&ups, 2);
	assert_true(up);
	assert_non_null(open_one());
	until(&requests, 3);
	tunnel_free(tunnel);
	if (far)
		acceptor_remove(acceptor, link_session(far));
	link_free(far);
	acceptor_free(acceptor);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_session_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
