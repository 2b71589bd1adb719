/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a session to those who follow it, by the schema. */
#include "json.h"
#include "schema.h"

#include "base/loop.h"
#include "control/eventjson.h"
#include "control/feed.h"
#include "control/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static struct loop *loop;
static struct feed *feed;
static int watched; /* 1: on, 0: off, -1: never asked */

static void on_watch(void *user, bool on)
{
	(void)user;
	watched = on;
}

static int setup(void **state)
{
	(void)state;
	watched = -1;
	loop = loop_new();
	feed = feed_new(loop, "mesh-12", on_watch, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	feed_free(feed);
	loop_free(loop);
	return 0;
}

static void add(unsigned int status, int64_t when, uint64_t missed)
{
	struct event ev = { .when = when,
			    .latency = 5,
			    .kind = EVENT_REQUEST,
			    .proto = EVENT_HTTP1,
			    .by = EVENT_ORIGIN,
			    .port = 8080,
			    .status = (uint16_t)status };
	const struct event_place at = { .ns = "shop",
					.service = "web",
					.port = 80 };

	event_set_request(&ev, slice_of("GET"), slice_of("/x\033?y"));
	feed_add(feed, &ev, &at, missed);
}

/* The other end of a follower's connection */
static int follow(int64_t since)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_true(feed_follow(feed, pair[0], since));
	return pair[1];
}

/* The next line, taken apart; serves the loop meanwhile */
static struct message_answer next(int fd)
{
	struct message_answer m = { 0 };
	struct kt_error err = { 0 };
	int64_t limit = clock_ns() + 20 * NS_SEC;
	char line[8192];
	size_t n = 0;

	while (n < sizeof(line) && clock_ns() < limit) {
		ssize_t rc = recv(fd, line + n, 1, 0);

		if (rc == 1 && line[n++] == '\n') {
			if (message_read_answer(&m, line, n - 1, &err) < 0)
				fail_msg("%.*s: %s", (int)n, line, err.msg);
			return m;
		}
		if (rc == 0)
			break;
		if (rc < 0)
			loop_once(loop, NS_MS);
	}
	fail_msg("nothing comes");
	return m;
}

static void fits_schema(const json_t *event)
{
	auto_free char *path =
		xasprintf("%s/event.json", getenv("KT_SCHEMA_DIR"));
	struct schema schema;

	schema_load(&schema, path);
	if (!schema_fits(&schema, event, schema.root))
		fail_msg("%s", schema.why);
	json_decref(schema.root);
}

/* Its status, or -count of what was dropped */
static json_int_t told(int fd)
{
	struct message_answer m = next(fd);
	json_int_t v;

	assert_int_equal(m.kind, MESSAGE_EVENT);
	fits_schema(m.session);
	v = json_is_object(m.session) && json_object_get(m.session, "count")
		    ? -json_integer_value(json_object_get(m.session, "count"))
		    : json_integer_value(json_object_get(m.session, "status"));
	json_decref(m.session);
	return v;
}

static void nothing_more(int fd)
{
	char c;

	for (int i = 0; i < 5; i++)
		loop_once(loop, NS_MS);
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void tells_what_is_kept_and_what_comes(void **state)
{
	int64_t now = eventjson_now();
	int a, b;

	(void)state;
	add(201, now - 9000000, 0);
	add(202, now - 1000000, 0);
	assert_int_equal(watched, -1);
	a = follow(5);
	assert_int_equal(watched, 1);
	assert_int_equal(next(a).kind, MESSAGE_FOLLOWING);
	assert_int_equal(told(a), 202);
	nothing_more(a);
	b = follow(0);
	assert_int_equal(next(b).kind, MESSAGE_FOLLOWING);
	nothing_more(b);
	add(203, now + 3000000, 0);
	add(204, now + 3000000, 2);
	assert_int_equal(told(a), 203);
	assert_int_equal(told(a), -2);
	assert_int_equal(told(a), 204);
	assert_int_equal(told(b), 203);
	close(a);
	loop_once(loop, NS_SEC);
	assert_int_equal(watched, 1);
	close(b);
	loop_once(loop, NS_SEC);
	assert_int_equal(watched, 0);
}

/* One does not read: nothing waits for it, and it is told how many it missed */
static void who_does_not_read_is_not_waited_for(void **state)
{
	int64_t now = eventjson_now(), begin = clock_ns();
	int a = follow(10), b = follow(10), all = 0;

	(void)state;
	next(b);
	for (int i = 0; i < 5000; i++) {
		add(200, now, 0);
		loop_once(loop, 0);
		while (b >= 0 && i % 100 == 99 && all <= i) {
			assert_int_equal(told(b), 200);
			all++;
		}
	}
	assert_int_equal(all, 5000);
	assert_true(clock_ns() - begin < 60 * NS_SEC);
	next(a);
	for (all = 0; all < 5000;) {
		json_int_t v = told(a);

		all += v < 0 ? (int)-v : 1;
	}
	assert_int_equal(all, 5000);
	close(a);
	close(b);
}

static void tells_why_it_tells_nothing(void **state)
{
	int a = follow(0);
	char text[512] = "";

	(void)state;
	next(a);
	feed_fail(feed, "it is old");
	assert_true(recv(a, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "\"error\":\"it is old\""));
	assert_int_equal(recv(a, text, sizeof(text), 0), 0);
	assert_int_equal(watched, 0);
	close(a);
}

/* What is not kept any more is told to who would have been told of it */
static void tells_what_is_not_kept(void **state)
{
	int64_t now = eventjson_now();
	struct message_answer m;
	int a, b;

	(void)state;
	for (int i = 0; i < FEED_KEPT + 7; i++)
		add(200, now - 5000000 + i, 0);
	a = follow(60);
	assert_int_equal(next(a).kind, MESSAGE_FOLLOWING);
	m = next(a);
	fits_schema(m.session);
	assert_int_equal(
		json_integer_value(json_object_get(m.session, "count")), 7);
	/* the time of the next one */
	assert_int_equal(eventjson_when(m.session), now - 5000000 + 7);
	json_decref(m.session);
	assert_int_equal(told(a), 200);
	b = follow(2);
	assert_int_equal(next(b).kind, MESSAGE_FOLLOWING);
	nothing_more(b);
	close(a);
	close(b);
}

static void tells_who_is_too_many(void **state)
{
	int all[FEED_FOLLOWERS], pair[2];
	char text[512] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i] = follow(0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_false(feed_follow(feed, pair[0], 0));
	assert_true(recv(pair[1], text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "\"error\":\"too many"));
	assert_int_equal(recv(pair[1], text, sizeof(text), 0), 0);
	close(pair[1]);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		close(all[i]);
}

/* Each member is needed, and of its type */
static void reads_whole_events_only(void **state)
{
	struct event ev = { .when = 1, .latency = -1 };
	const struct event_place at = { .session = "mesh-1" };
	json_t *whole = eventjson_make(&ev, &at), *v;
	const char *name;

	(void)state;
	fits_schema(whole);
	assert_true(eventjson_is(whole));
	assert_int_equal(eventjson_when(whole), 1);
	json_object_foreach (whole, name, v) {
		json_t *part = json_copy(whole);

		json_object_del(part, name);
		assert_false(eventjson_is(part));
		json_object_set_new(part, name, json_true());
		if (eventjson_is(part))
			fail_msg("%s may be anything", name);
		json_decref(part);
	}
	json_object_set_new(whole, "more", json_true());
	assert_false(eventjson_is(whole));
	json_decref(whole);
	whole = eventjson_dropped("mesh-1", 1700000000999999, UINT64_MAX);
	fits_schema(whole);
	assert_true(eventjson_is(whole));
	assert_int_equal(eventjson_when(whole), 1700000000999999);
	json_decref(whole);
}

int main(void)
{
#define FED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		FED(tells_what_is_kept_and_what_comes),
		FED(who_does_not_read_is_not_waited_for),
		FED(tells_why_it_tells_nothing),
		FED(tells_what_is_not_kept),
		FED(tells_who_is_too_many),
		FED(reads_whole_events_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
