/* SPDX-License-Identifier: Apache-2.0 */
/* The router in one connection to one backend, unseen but for the mark. */
#include "test.h"

#include "peer.h"
#include "rig.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARK "baggage: kt-env=dev.x\r\n"
#define GET "GET / HTTP/1.1\r\nHost: web\r\n"
#define TWO_LENGTHS                                                            \
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"                  \
	"Transfer-Encoding: chunked\r\n\r\n"
#define TWO_ANSWERS                                                            \
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig r;
static int far; /* the backend's end */

static int begin(void **state)
{
	(void)state;
	rig_init_dialled(&r);
	far = r.open[0].fd;
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

/* exactly this comes, and for the moment nothing more */
static void hear(int fd, const char *text)
{
	char got[8192];

	rig_hear(&r, fd, strlen(text), got, sizeof(got));
	assert_string_equal(got, text);
}

static void hear_end(int fd)
{
	char c;

	assert_int_equal(rig_read(&r, fd, &c, 1), -1);
}

static void passes(const char *text)
{
	rig_say(&r, r.caller, text);
	hear(far, text);
}

static void both_ways(void)
{
	rig_say(&r, far, "from there");
	hear(r.caller, "from there");
	rig_say(&r, r.caller, GET "\r\n");
	hear(far, GET "\r\n");
}

static void requests_get_the_mark(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		rig_say(&r, r.caller, GET "X: 1\r\n\r\n");
		hear(far, GET "X: 1\r\n" MARK "\r\n");
		rig_say(&r, far, OK2);
		hear(r.caller, OK2);
	}
	/* with one of its own it goes as it came, names of others, too */
	rig_say(&r, r.caller,
		GET
		"X-Forwarded-For: 1.2.3.4\r\nBaggage: kt-env=dev.y\r\n\r\n");
	hear(far,
	     GET "X-Forwarded-For: 1.2.3.4\r\nBaggage: kt-env=dev.y\r\n\r\n");
	rig_say(&r, far, OK2);
	hear(r.caller, OK2);
	assert_int_equal(r.nopen, 1);
}

/* no other connection, however old this one is and whatever the method */
static void a_late_request_takes_the_same_connection(void **state)
{
	(void)state;
	rig_say(&r, r.caller, GET "\r\n");
	hear(far, GET MARK "\r\n");
	rig_say(&r, far, OK2);
	hear(r.caller, OK2);
	for (int i = 0; i < 12; i++)
		loop_once(r.env.loop, 100 * NS_MS);
	rig_say(&r, r.caller,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
	hear(far, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" MARK
		  "\r\nhi");
	assert_int_equal(r.nopen, 1);
}

/* what the server says first comes at once: nobody has waited here */
static void a_server_may_speak_first(void **state)
{
	(void)state;
	rig_say(&r, far, "220 hello\r\n");
	hear(r.caller, "220 hello\r\n");
	passes("EHLO me\r\n");
	both_ways();
}

static void what_is_not_http_passes(void **state)
{
	static const char *const first[] = {
		"\x16\x03\x01 a client hello",
		"\x04\x01\xff socks",
		"PING\r\n",
		"get key\r\n",
		"OPTIONS rtsp://a/b RTSP/1.0\r\n\r\n",
		"GET /\r\n" /* HTTP/0.9 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
		if (i) {
			rig_fini(&r);
			begin(NULL);
		}
		passes(first[i]);
		both_ways();
	}
}

/* the backend judges it, not we; what follows goes as it comes */
static void what_is_no_good_http_passes(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		TWO_LENGTHS,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (i) {
			rig_fini(&r);
			begin(NULL);
		}
		rig_say(&r, r.caller, GET "\r\n");
		hear(far, GET MARK "\r\n");
		rig_say(&r, far, OK2);
		hear(r.caller, OK2);
		passes(bad[i]);
		both_ways();
	}
}

/* nor is what follows a chunk that is none */
static void a_body_that_is_none_passes(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: web\r\n"
				   "Transfer-Encoding: chunked\r\n";

	(void)state;
	rig_say(&r, r.caller, head);
	rig_say(&r, r.caller, "\r\n3\r\nabc\r\n");
	rig_say(&r, far,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	rig_say(&r, r.caller, "what?\r\n");
	hear(far,
	     "POST / HTTP/1.1\r\nHost: web\r\n"
	     "Transfer-Encoding: chunked\r\n" MARK "\r\n3\r\nabc\r\nwhat?\r\n");
	hear(r.caller, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	both_ways();
}

static void an_answer_that_is_none_passes(void **state)
{
	static const char *const bad[] = {
		"+OK ready\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		TWO_ANSWERS,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (i) {
			rig_fini(&r);
			begin(NULL);
		}
		rig_say(&r, r.caller, GET "\r\n");
		hear(far, GET MARK "\r\n");
		rig_say(&r, far, bad[i]);
		hear(r.caller, bad[i]);
		both_ways();
	}
}

/* interim answers until the caller, who reads nothing, takes no more of them */
static void interim_answers_stop(void)
{
	static const char start[] = "HTTP/1.1 103 Hints\r\nLink: ";
	char text[4096];
	int said = 0, there;

	memset(text, 'v', sizeof(text));
	memcpy(text, start, strlen(start));
	memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
	do {
		assert_true(said < 16 << 20);
		rig_write(&r, far, text, sizeof(text));
		said += (int)sizeof(text);
		assert_int_equal(ioctl(r.caller, FIONREAD, &there), 0);
	} while (there == said);
}

/* reset, as there are bytes that it has not read */
static void far_breaks(void)
{
	close(far);
	r.open[0].fd = -1;
	rig_run(&r);
}

/* what is no answer, and then a reset, while the caller is slow */
static void a_backend_that_broke_is_not_joined(void **state)
{
	static const char *const last[] = {
		"+OK ready\r\n",
		TWO_ANSWERS,
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
	};
	static char got[16384];

	(void)state;
	for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++) {
		if (i) {
			rig_fini(&r);
			begin(NULL);
		}
		rig_say(&r, r.caller,
			GET "Connection: Upgrade\r\nUpgrade: x\r\n\r\n");
		interim_answers_stop();
		rig_say(&r, far, last[i]);
		far_breaks();
		while (rig_read(&r, r.caller, got, sizeof(got)) > 0)
			;
		assert_null(r.conn);
	}
}

static void an_upgrade_passes(void **state)
{
	static const char up[] =
		"GET /ws HTTP/1.1\r\nHost: a\r\n"
		"Connection: Upgrade\r\nUpgrade: websocket\r\n";
	static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\n"
				  "Upgrade: websocket\r\n"
				  "Connection: Upgrade\r\n\r\n";
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "%s\r\n", up);
	rig_say(&r, r.caller, text);
	snprintf(text, sizeof(text), "%s" MARK "\r\n", up);
	hear(far, text);
	rig_say(&r, far, yes);
	hear(r.caller, yes);
	both_ways();
}

/* as without us: what ends there ends here */
static void it_ends_with_the_backend(void **state)
{
	static char got[16384];
	ssize_t n;

	(void)state;
	rig_say(&r, r.caller, GET "\r\n");
	hear(far, GET MARK "\r\n");
	rig_say(&r, far, OK2);
	hear(r.caller, OK2);
	shutdown(far, SHUT_WR);
	hear_end(r.caller);
	rig_fini(&r);
	/* without an answer, whatever the method: nothing is asked twice */
	begin(NULL);
	rig_say(&r, r.caller, GET "\r\n");
	hear(far, GET MARK "\r\n");
	shutdown(far, SHUT_WR);
	hear_end(r.caller);
	assert_int_equal(r.nopen, 1);
	rig_fini(&r);
	/* before the caller has taken its answer */
	begin(NULL);
	rig_say(&r, r.caller, GET "\r\n");
	interim_answers_stop();
	rig_say(&r, far, OK2);
	shutdown(far, SHUT_WR);
	do
		n = rig_read(&r, r.caller, got, sizeof(got));
	while (n > 0);
	assert_int_equal(n, -1);
	assert_int_equal(r.nopen, 1);
	rig_fini(&r);
	/* before anybody has said anything */
	begin(NULL);
	shutdown(far, SHUT_WR);
	hear_end(r.caller);
	passes("a half that is open");
}

static void a_caller_may_end_first(void **state)
{
	(void)state;
	shutdown(r.caller, SHUT_WR);
	hear_end(far);
	rig_say(&r, far, "late");
	hear(r.caller, "late");
	rig_fini(&r);
	begin(NULL);
	/* behind its request, of which half an answer is there */
	rig_say(&r, r.caller, GET "\r\n");
	shutdown(r.caller, SHUT_WR);
	hear(far, GET MARK "\r\n");
	hear_end(far);
	rig_say(&r, far, OK2);
	hear(r.caller, OK2);
}

/* three bytes that could become a request's: not for ever */
static void a_few_bytes_are_passed_on(void **state)
{
	(void)state;
	r.env.hurry = 100;
	rig_say(&r, r.caller, "POS");
	for (int i = 0; i < 10; i++)
		loop_once(r.env.loop, 10 * NS_MS);
	hear(far, "POS");
	both_ways();
}

static int32_t ask(struct peer *p, const char *baggage)
{
	nghttp2_nv nv[] = { peer_field(":method", "GET"),
			    peer_field(":scheme", "http"),
			    peer_field(":path", "/"),
			    peer_field(":authority", "web"),
			    peer_field("baggage", baggage) };

	return nghttp2_submit_request(p->ng, NULL, nv, *baggage ? 5 : 4, NULL,
				      NULL);
}

static void http2_takes_the_connection_too(void **state)
{
	struct peer near, back;
	int32_t id, own;

	(void)state;
	peer_init(&near, &r, r.caller, false);
	id = ask(&near, "");
	own = ask(&near, "kt-env=dev.y");
	peer_turns(&near, NULL, NULL);
	peer_init(&back, &r, far, true);
	peer_turns(&near, &back, NULL);
	assert_int_equal(r.nopen, 1);
	assert_non_null(strstr(back.s[id].head, "baggage: kt-env=dev.x\n"));
	assert_non_null(strstr(back.s[own].head, "baggage: kt-env=dev.y\n"));
	assert_null(strstr(back.s[own].head, "dev.x"));
	assert_null(strstr(back.s[id].head, "x-forwarded-for"));
	peer_answer(&back, id, "one", true);
	peer_answer(&back, own, "two", true);
	peer_turns(&near, &back, NULL);
	peer_assert_body(&near, id, "one");
	peer_assert_body(&near, own, "two");
	peer_fini(&near);
	peer_fini(&back);
}

static void http2_ends_with_the_backend(void **state)
{
	struct peer near, back;
	int32_t id;

	(void)state;
	peer_init(&near, &r, r.caller, false);
	id = ask(&near, "");
	peer_turns(&near, NULL, NULL);
	peer_init(&back, &r, far, true);
	peer_turns(&near, &back, NULL);
	peer_answer(&back, id, "one", true);
	peer_turns(&near, &back, NULL);
	peer_assert_body(&near, id, "one");
	shutdown(far, SHUT_WR);
	rig_run(&r);
	peer_turns(&near, NULL, NULL);
	assert_int_equal(near.goaway, NGHTTP2_NO_ERROR);
	assert_true(near.gone);
	peer_fini(&near);
	peer_fini(&back);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		ROW(requests_get_the_mark),
		ROW(a_late_request_takes_the_same_connection),
		ROW(a_server_may_speak_first),
		ROW(what_is_not_http_passes),
		ROW(what_is_no_good_http_passes),
		ROW(a_body_that_is_none_passes),
		ROW(an_answer_that_is_none_passes),
		ROW(a_backend_that_broke_is_not_joined),
		ROW(an_upgrade_passes),
		ROW(it_ends_with_the_backend),
		ROW(a_caller_may_end_first),
		ROW(a_few_bytes_are_passed_on),
		ROW(http2_takes_the_connection_too),
		ROW(http2_ends_with_the_backend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
