/* SPDX-License-Identifier: Apache-2.0 */
/* The laptop's end beside shadows of other versions: what they say of rules
 * that want copies. */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/inbound.h"
#include "tunnel/link.h"
#include "tunnel/sockcarrier.h"
#include "tunnel/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* --- a shadow, as far as the control stream goes -------------------------- */

static struct loop *loop;
static struct acceptor *acceptor;
static struct link *shadow;
static struct mux_stream *control;
static struct buf said; /* by the laptop */
static const char *say; /* by the shadow */

static ssize_t on_read(void *user, uint8_t *p, size_t len)
{
	size_t n = say ? strlen(say) : 0;

	(void)user;
	assert_true(n <= len);
	if (!n)
		return -EAGAIN;
	memcpy(p, say, n);
	say = NULL;
	return (ssize_t)n;
}

static void on_data(void *user, const uint8_t *p, size_t n)
{
	(void)user;
	assert_int_equal(buf_put(&said, p, n), 0);
	mux_stream_consume(control, n);
}

static void on_close(void *user, int error)
{
	(void)user;
	(void)error;
	control = NULL;
}

static const struct mux_stream_ops control_ops = {
	.read = on_read,
	.data = on_data,
	.close = on_close,
};

static void shadow_on_up(void *user, bool resumed)
{
	static const struct mux_request req = { .method = "POST",
						.path = "/rules",
						.content_type = "text/plain" };

	(void)user;
	(void)resumed;
	control = mux_open(link_mux(shadow), &req, &control_ops, NULL);
	assert_non_null(control);
}

static void shadow_on_end(void *user, const struct kt_error *why)
{
	(void)user;
	(void)why;
}

static const struct link_ops link_ops = { shadow_on_up, shadow_on_end,
					  shadow_on_end };

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	const struct session_config cfg = session_config_default();
	const struct mux_config mux = mux_config_default(false);

	(void)user;
	shadow = link_new(loop, &cfg, &mux, hello->id, NULL, &link_ops, NULL);
	return shadow ? link_session(shadow) : NULL;
}

static const struct acceptor_ops acceptor_ops = { on_session };

/* --- the laptop ----------------------------------------------------------- */

static struct inbound *in;
static bool accepted, refused;
static char text[256];
static uint64_t sent, dropped;

static void on_accepted(void *user)
{
	(void)user;
	accepted = true;
}

static void on_refused(void *user, const char *holder, const char *why)
{
	(void)user;
	assert_string_equal(holder, "");
	refused = true;
	snprintf(text, sizeof(text), "%.250s", why);
}

static void on_copies(void *user, uint64_t more_sent, uint64_t more_dropped)
{
	(void)user;
	sent += more_sent;
	dropped += more_dropped;
}

static const struct inbound_events events = { .accepted = on_accepted,
					      .refused = on_refused,
					      .copies = on_copies };

static const struct inbound_dialer *dialer;

static void begin(const char *rule)
{
	const struct session_config cfg = session_config_default();
	struct rule r;
	struct inbound_port port = { .remote = 80 };
	const struct inbound_spec spec = { .user = "ann",
					   .rules = &r,
					   .nrules = 1,
					   .ports = &port,
					   .nports = 1,
					   .dialer = dialer };
	int sv[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(rule_parse(&r, rule, NULL), 0);
	assert_int_equal(ipport_parse(&port.local, "127.0.0.1:1"), 0);
	accepted = refused = false;
	sent = dropped = 0;
	text[0] = 0;
	buf_init(&said, 65536);
	loop = loop_new();
	acceptor = acceptor_new(loop, &cfg, &acceptor_ops, NULL);
	in = inbound_new(loop, NULL, &spec, &events, NULL);
	inbound_attach(in, sockcarrier_new(loop, sv[0]));
	acceptor_take(acceptor, sockcarrier_new(loop, sv[1]));
	while (!said.len || !memmem(buf_data(&said), said.len, "commit\n", 7))
		assert_int_equal(loop_once(loop, 10 * NS_SEC), 0);
}

static void end(void)
{
	inbound_free(in);
	acceptor_remove(acceptor, link_session(shadow));
	link_free(shadow);
	acceptor_free(acceptor);
	buf_fini(&said);
	for (int i = 0; i < 5; i++)
		loop_once(loop, 0);
	loop_free(loop);
}

static void shadow_says(const char *lines)
{
	say = lines;
	mux_stream_resume(control);
	for (int i = 0; i < 200 && (say || !(accepted || refused)); i++)
		loop_once(loop, 10 * NS_MS);
	for (int i = 0; i < 20; i++)
		loop_once(loop, 0);
}

/* --- tests ---------------------------------------------------------------- */

/* it takes the port for no port, and says that: the reason is its version */
static void an_older_one_refuses(void **state)
{
	(void)state;
	begin("80/copy=10 all");
	assert_non_null(
		memmem(buf_data(&said), said.len, "rule 80/copy=10 all\n", 20));
	shadow_says("version 0.3.9\n"
		    "refused - '80/copy=10 all' is no rule\n");
	assert_true(refused && !accepted);
	assert_non_null(strstr(text, "version 0.3.9"));
	assert_non_null(strstr(text, "cannot copy requests"));
	end();
}

/* whatever it has taken, it was not what was meant */
static void one_that_takes_it_all_the_same(void **state)
{
	(void)state;
	begin("80/copy=10 all");
	shadow_says("version 0.3.9\naccepted\n");
	assert_true(refused && !accepted);
	end();
}

static void one_that_is_able(void **state)
{
	(void)state;
	begin("80/copy=10 all");
	shadow_says("version 9\nable dance\nable copy\naccepted\n");
	assert_true(accepted && !refused);
	shadow_says("copies 5 0\n");
	shadow_says("copies 7 2\n");
	assert_int_equal(sent, 7);
	assert_int_equal(dropped, 2);
	end();
}

/* without copies an older one is as good as ever */
static void rules_without_copies(void **state)
{
	(void)state;
	begin("80 all");
	shadow_says("version 0.3.9\naccepted\n");
	assert_true(accepted && !refused);
	end();
	begin("80 all");
	shadow_says("version 0.3.9\nrefused - no such port\n");
	assert_string_equal(text, "no such port");
	end();
}

static void caller_on_close(void *user, int error)
{
	(void)error;
	*(bool *)user = true;
}

/* Who is held has no descriptor yet, and takes none along: not the one with the
 * number 0, which may be another caller's by then */
static void a_held_caller_that_goes(void **state)
{
	static const struct mux_stream_ops ops = { .close = caller_on_close };
	char authority[TARGET_AUTHORITY_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .authority = authority };
	struct mux_stream *s;
	bool closed = false;

	(void)state;
	if (fcntl(0, F_GETFD) < 0)
		assert_int_equal(open("/dev/null", O_RDWR), 0);
	begin("80 all");
	shadow_says("version 9\naccepted\n");
	inbound_hold(in, true);
	target_inbound_authority(authority, 80);
	s = mux_open(link_mux(shadow), &req, &ops, &closed);
	assert_non_null(s);
	while (!inbound_held(in))
		assert_int_equal(loop_once(loop, 10 * NS_SEC), 0);
	mux_stream_reset(s, ECANCELED);
	while (inbound_held(in))
		assert_int_equal(loop_once(loop, 10 * NS_SEC), 0);
	assert_true(fcntl(0, F_GETFD) >= 0);
	end();
}

static void caller_on_close_with(void *user, int error)
{
	*(int *)user = error;
}

static void (*dialed)(void *call, int fd);
static void *dialed_call;
static int dials;

static void *dialer_dial(void *user, uint16_t port,
			 void (*done)(void *call, int fd), void *call)
{
	(void)user;
	assert_int_equal(port, 1);
	dialed = done;
	dialed_call = call;
	dials++;
	return call;
}

static void dialer_cancel(void *user, void *dial)
{
	(void)user;
	assert_ptr_equal(dial, dialed_call);
}

/* Who calls a program that starts anew waits for it, or goes where callers went
 * before; nobody is refused meanwhile */
static void a_program_that_does_not_listen(void **state)
{
	static const struct mux_stream_ops ops = {
		.close = caller_on_close_with
	};
	static const struct inbound_dialer d = { dialer_dial, dialer_cancel };
	char authority[TARGET_AUTHORITY_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .authority = authority };
	int error = 0;

	(void)state;
	dialer = &d;
	begin("80 all");
	shadow_says("version 9\naccepted\n");
	target_inbound_authority(authority, 80);
	assert_non_null(mux_open(link_mux(shadow), &req, &ops, &error));
	while (!dials)
		assert_int_equal(loop_once(loop, 10 * NS_SEC), 0);
	dialed(dialed_call, -ECONNREFUSED);
	assert_int_equal(inbound_held(in), 1);
	inbound_hold(in, false); /* tried again */
	assert_int_equal(dials, 2);
	assert_int_equal(inbound_held(in), 0);
	dialed(dialed_call, -ECONNREFUSED);
	assert_int_equal(error, 0);
	inbound_pass(in);
	while (!error)
		assert_int_equal(loop_once(loop, 10 * NS_SEC), 0);
	assert_int_equal(error, -ENETRESET);
	end();
	dialer = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_one_refuses),
		cmocka_unit_test(one_that_takes_it_all_the_same),
		cmocka_unit_test(one_that_is_able),
		cmocka_unit_test(rules_without_copies),
		cmocka_unit_test(a_held_caller_that_goes),
		cmocka_unit_test(a_program_that_does_not_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
