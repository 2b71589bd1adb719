/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a shadow can mark requests: its own words, and none. */
#include "test.h"

#include "memcarrier.h"

#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/client.h"
#include "tunnel/link.h"
#include "uplink/ask_env.h"

#include <errno.h>
#include <string.h>

static struct loop *loop;
static struct acceptor *acceptor;
static struct session_config cfg;
static struct tunnel *tunnel;
static struct link *far;
static const char *info; /* that the shadow tells; NULL: it knows no info */
static bool told;

static ssize_t tell(void *user, uint8_t *buf, size_t len)
{
	size_t n = told ? 0 : strlen(info);

	(void)user;
	assert_true(n <= len);
	memcpy(buf, info, n);
	told = true;
	return (ssize_t)n;
}

static void on_request(void *user, struct mux_stream *s,
		       const struct mux_request *req)
{
	static const struct mux_stream_ops ops = { .read = tell };

	(void)user;
	assert_string_equal(req->method, "GET");
	told = false;
	if (info)
		assert_int_equal(mux_stream_accept(s, NULL, &ops, NULL), 0);
	else
		mux_stream_refuse(s, 501, ENOTSUP, "no such service");
}

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	static const struct link_ops far_ops = { 0 };
	struct mux_config mcfg = mux_config_default(true);

	(void)user;
	far = link_new(loop, &cfg, &mcfg, hello->id, on_request, &far_ops,
		       NULL);
	return link_session(far);
}

static const struct acceptor_ops acceptor_ops = { on_session };
static const struct tunnel_events events = { 0 };

static int begin(void **state)
{
	static long never = -1;
	struct carrier *c[2];

	(void)state;
	cfg = session_config_default();
	loop = loop_new();
	acceptor = acceptor_new(loop, &cfg, &acceptor_ops, NULL);
	tunnel = tunnel_new(loop, &cfg, &events, NULL);
	memcarrier_pair(loop, &never, 1, c);
	acceptor_take(acceptor, c[1]);
	tunnel_attach(tunnel, c[0]);
	for (int i = 0; i < 200; i++)
		loop_once(loop, 0);
	return tunnel_state(tunnel) == TUNNEL_UP ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	tunnel_free(tunnel);
	acceptor_remove(acceptor, link_session(far));
	link_free(far);
	acceptor_free(acceptor);
	loop_free(loop);
	return 0;
}

static int ask(const char *text, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	info = text;
	return ask_env(tunnel, loop, "shadow Pod t/x", err);
}

static void it_says_so(void **state)
{
	struct kt_error err;

	(void)state;
	assert_int_equal(ask("version=0.4.0\nable=env\n", &err), 0);
	/* what else it can is no matter of ours */
	assert_int_equal(ask("able=more\nable=env\nable=less\n", &err), 0);
}

static void it_does_not(void **state)
{
	struct kt_error err;

	(void)state;
	assert_int_equal(ask("version=0.3.0\nable=environment\n", &err),
			 -ENOTSUP);
	assert_non_null(strstr(err.msg, "shadow Pod t/x is of version 0.3.0, "
					"which cannot mark the requests"));
	assert_non_null(strstr(err.hint, "made anew"));
	assert_int_equal(ask("", &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "of version unknown"));
	/* no answer is no "no" */
	assert_int_equal(ask(NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "ask shadow Pod t/x what it can"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_says_so, begin, end),
		cmocka_unit_test_setup_teardown(it_does_not, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
