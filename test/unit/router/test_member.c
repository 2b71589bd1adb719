/* SPDX-License-Identifier: Apache-2.0 */
/* A member that is not there: who answers in its place, and what is said. */
#include "test.h"

#include "peer.h"
#include "rig.h"

#include "base/mem.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define XFF "X-Forwarded-For: 10.9.8.7\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define OK2_BY                                                                 \
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nkt-served-by: "               \
	"trunk\r\n\r\nok"

static struct rig r;
static char got[HTTP1_MAX_HEAD + 4096];

static int begin(void **state)
{
	(void)state;
	rig_init(&r, ROUTER_AUTO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

static void ask(const char *text)
{
	rig_say(&r, r.caller, text);
}

static void hear(int fd, const char *text)
{
	rig_hear(&r, fd, strlen(text), got, sizeof(got));
	assert_string_equal(got, text);
}

static int up(unsigned int i)
{
	assert_true(i < r.nopen);
	return r.open[i].fd;
}

/* --- HTTP/1 --------------------------------------------------------------- */

static void others_answer(void **state)
{
	(void)state;
	r.refuse_member = -ECONNREFUSED;
	ask("POST / HTTP/1.1\r\nto: m\r\nContent-Length: 3\r\n\r\nabc");
	assert_int_equal(r.nopen, 2);
	assert_int_equal(r.open[0].ref.kind, BACKEND_MEMBER);
	assert_int_equal(r.open[1].ref.kind, BACKEND_ORIGIN);
	hear(up(1),
	     "POST / HTTP/1.1\r\nto: m\r\nContent-Length: 3\r\n" XFF "\r\nabc");
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2_BY);
	/* what is the origin's anyway says nothing of it */
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(1), "GET / HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	/* and it is back */
	r.refuse_member = 0;
	ask("GET / HTTP/1.1\r\nto: m\r\n\r\n");
	assert_int_equal(r.open[2].ref.kind, BACKEND_MEMBER);
	hear(up(2), "GET / HTTP/1.1\r\nto: m\r\n" XFF "\r\n");
	rig_say(&r, up(2), OK2);
	hear(r.caller, OK2);
}

static void said_on_the_last_head_only(void **state)
{
	(void)state;
	r.refuse_member = -ETIMEDOUT;
	ask("GET / HTTP/1.1\r\nto: m\r\n\r\n");
	rig_say(&r, up(1), "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n");
	hear(r.caller, "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n");
	rig_say(&r, up(1),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"\r\n2\r\nok\r\n");
	hear(r.caller, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		       "kt-served-by: trunk\r\n\r\n2\r\nok\r\n");
	rig_say(&r, up(1), "0\r\n\r\n");
	hear(r.caller, "0\r\n\r\n");
	/* together with the end of the connection */
	ask("GET / HTTP/1.1\r\nto: m\r\n\r\n");
	router_conn_drain(r.conn);
	rig_say(&r, up(1), OK2);
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		       "kt-served-by: trunk\r\nConnection: close\r\n\r\nok");
}

static void websockets_too(void **state)
{
	static const char answer[] = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n";

	(void)state;
	r.refuse_member = -ECONNREFUSED;
	ask("GET / HTTP/1.1\r\nto: m\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\n\r\n");
	rig_say(&r, up(1), answer);
	rig_say(&r, up(1), "\r\nfirst");
	snprintf(got, sizeof(got), "%skt-served-by: trunk\r\n\r\nfirst",
		 answer);
	hear(r.caller, strdupa(got));
}

static void strict(void **state)
{
	(void)state;
	r.refuse_member = -ECONNREFUSED;
	r.strict = true;
	ask("GET / HTTP/1.1\r\nto: m\r\n\r\n");
	assert_int_equal(r.nopen, 1);
	rig_hear(&r, r.caller, 10, got, sizeof(got));
	assert_memory_equal(got, "HTTP/1.1 503 Service Unavailable\r\n", 34);
	assert_non_null(strstr(got, "\r\n\r\nm is down\n"));
}

/* a waiting connection that had ended says nothing of the member: it is asked
 * once more, on a new one */
static void ended_connections_are_no_refusal(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\nto: m\r\n\r\n");
	hear(up(0), "GET /1 HTTP/1.1\r\nto: m\r\n" XFF "\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	ask("GET /2 HTTP/1.1\r\nto: m\r\n\r\n");
	hear(up(0), "GET /2 HTTP/1.1\r\nto: m\r\n" XFF "\r\n");
	shutdown(up(0), SHUT_RDWR);
	rig_run(&r);
	assert_int_equal(r.open[1].ref.kind, BACKEND_MEMBER);
	hear(up(1), "GET /2 HTTP/1.1\r\nto: m\r\n" XFF "\r\n");
	/* and if that is refused, others answer still */
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	ask("GET /3 HTTP/1.1\r\nto: m\r\n\r\n");
	hear(up(1), "GET /3 HTTP/1.1\r\nto: m\r\n" XFF "\r\n");
	r.refuse_member = -ECONNREFUSED;
	shutdown(up(1), SHUT_RDWR);
	rig_run(&r);
	assert_int_equal(r.nopen, 4);
	assert_int_equal(r.open[3].ref.kind, BACKEND_ORIGIN);
	rig_say(&r, up(3), OK2);
	hear(r.caller, OK2_BY);
}

/* there is room for the field, or the answer goes without */
static void largest_answer(void **state)
{
	static char text[HTTP1_MAX_HEAD];
	static const char start[] = "HTTP/1.1 204 No\r\nx: ";

	(void)state;
	r.refuse_member = -ECONNREFUSED;
	memset(text, 'v', sizeof(text));
	memcpy(text, start, strlen(start));
	memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
	ask("GET / HTTP/1.1\r\nto: m\r\n\r\n");
	rig_write(&r, up(1), text, sizeof(text));
	rig_hear(&r, r.caller, sizeof(text), got, sizeof(got));
	assert_int_equal(strlen(got), sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
}

/* --- HTTP/2 --------------------------------------------------------------- */

static struct peer caller, origin, member;

static int begin2(void **state)
{
	begin(state);
	peer_large = peer_can_connect = false;
	peer_init(&caller, &r, r.caller, false);
	memset(&origin, 0, sizeof(origin));
	memset(&member, 0, sizeof(member));
	return 0;
}

static int end2(void **state)
{
	peer_fini(&caller);
	if (origin.rig)
		peer_fini(&origin);
	if (member.rig)
		peer_fini(&member);
	return end(state);
}

static void streams_that_others_answer(void **state)
{
	int32_t a, b, c;

	(void)state;
	r.refuse_member = -ECONNREFUSED;
	a = peer_ask(&caller, "m", "one", true);
	b = peer_ask(&caller, "x", "two", true);
	c = peer_ask(&caller, "m", "three", true);
	peer_turns(&caller, NULL, NULL);
	for (unsigned int i = 0; i < r.nopen; i++)
		if (r.open[i].ref.kind == BACKEND_ORIGIN && !origin.rig)
			peer_init(&origin, &r, up(i), true);
	assert_non_null(origin.rig);
	peer_turns(&caller, &origin, NULL);
	for (int32_t id = 1; id <= 5; id += 2)
		peer_answer(&origin, id, "ok", true);
	peer_turns(&caller, &origin, NULL);
	assert_string_equal(caller.s[a].head, ":status: 200\nx-from: backend\n"
					      "kt-served-by: trunk\n");
	assert_string_equal(caller.s[b].head,
			    ":status: 200\nx-from: backend\n");
	assert_string_equal(caller.s[c].head, ":status: 200\nx-from: backend\n"
					      "kt-served-by: trunk\n");
	peer_assert_body(&caller, a, "ok");
	/* it is back */
	r.refuse_member = 0;
	a = peer_ask(&caller, "m", "four", true);
	peer_turns(&caller, &origin, NULL);
	assert_int_equal(r.open[r.nopen - 1].ref.kind, BACKEND_MEMBER);
	peer_init(&member, &r, up(r.nopen - 1), true);
	peer_turns(&caller, &member, NULL);
	peer_assert_body(&member, 1, "four");
	peer_answer(&member, 1, "me", true);
	peer_turns(&caller, &member, NULL);
	assert_string_equal(caller.s[a].head,
			    ":status: 200\nx-from: backend\n");
	peer_assert_body(&caller, a, "me");
}

static void strict_streams(void **state)
{
	int32_t a;

	(void)state;
	r.refuse_member = -ECONNREFUSED;
	r.strict = true;
	a = peer_ask(&caller, "m", "one", true);
	peer_turns(&caller, NULL, NULL);
	assert_non_null(strstr(caller.s[a].head, ":status: 503\n"));
	peer_assert_body(&caller, a, "m is down\n");
	assert_int_equal(r.nopen, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define T2(f) cmocka_unit_test_setup_teardown(f, begin2, end2)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(others_answer),
		T(said_on_the_last_head_only),
		T(websockets_too),
		T(strict),
		T(ended_connections_are_no_refusal),
		T(largest_answer),
		T2(streams_that_others_answer),
		T2(strict_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
