/* SPDX-License-Identifier: Apache-2.0 */
/* The control protocol takes exactly what it says. */
#include "json.h"

#include "control/message.h"
#include "control/place.h"

#include <errno.h>
#include <string.h>

static int ask_of(const char *line, enum message_ask *ask)
{
	struct kt_error err = { 0 };
	int64_t since;
	int rc = message_read_request(ask, &since, line, strlen(line), &err);

	assert_true(rc == 0 || err.msg[0]);
	return rc;
}

static void takes_its_own_requests(void **state)
{
	auto_free char *status = message_request(MESSAGE_STATUS, 0);
	auto_free char *leave = message_request(MESSAGE_LEAVE, 0);
	auto_free char *events = message_request(MESSAGE_EVENTS, 86400);
	enum message_ask ask;
	int64_t since;

	(void)state;
	assert_int_equal(ask_of(status, &ask), 0);
	assert_int_equal(ask, MESSAGE_STATUS);
	assert_int_equal(ask_of(leave, &ask), 0);
	assert_int_equal(ask, MESSAGE_LEAVE);
	assert_int_equal(message_read_request(&ask, &since, events,
					      strlen(events), NULL),
			 0);
	assert_int_equal(ask, MESSAGE_EVENTS);
	assert_int_equal(since, 86400);
}

static void refuses_other_requests(void **state)
{
	static const char *const bad[] = {
		"",
		"status",
		"[]",
		"{}",
		"{\"ask\": \"leave\"}",
		"{\"version\": \"1\", \"ask\": \"leave\"}",
		"{\"version\": 1}",
		"{\"version\": 1, \"ask\": \"kill\"}",
		"{\"version\": 1, \"ask\": null}",
		"{\"version\": 1, \"ask\": \"leave\", \"more\": 1}",
		"{\"version\": 1, \"ask\": \"status\", \"ask\": \"leave\"}",
		"{\"version\": 1, \"ask\": \"leave\"} {}",
		"{\"version\": 1, \"ask\": \"leave\\u0000\"}",
		"{\"version\": 1, \"ask\": \"events\"}",
		"{\"version\": 1, \"ask\": \"events\", \"since\": -1}",
		"{\"version\": 1, \"ask\": \"events\", \"since\": 86401}",
		"{\"version\": 1, \"ask\": \"events\", \"since\": \"1\"}",
		"{\"version\": 1, \"ask\": \"status\", \"since\": 1}",
	};
	const char newer[] = "{\"version\": 2, \"ask\": \"status\"}";
	struct kt_error err = { 0 };
	enum message_ask ask;
	int64_t since;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ask_of(bad[i], &ask) != -EPROTO)
			fail_msg("%s", bad[i]);
	assert_int_equal(
		message_read_request(&ask, &since, newer, strlen(newer), &err),
		-EPROTO);
	assert_non_null(strstr(err.msg, "version 2"));
	assert_non_null(strstr(err.msg, "not 1"));
}

static int answer(struct message_answer *a, const char *line)
{
	struct kt_error err = { 0 };

	return message_read_answer(a, line, strlen(line), &err);
}

static void reads_answers(void **state)
{
	auto_free char *leaving = message_line("leaving", json_true());
	auto_free char *ended = message_line("ended", json_integer(130));
	auto_free char *error = message_line("error", json_string("no"));
	auto_free char *late = message_line("ended", json_integer(256));
	auto_free char *odd = message_line("started", json_true());
	struct message_answer a;

	(void)state;
	assert_int_equal(answer(&a, leaving), 0);
	assert_int_equal(a.kind, MESSAGE_LEAVING);
	assert_int_equal(answer(&a, ended), 0);
	assert_int_equal(a.kind, MESSAGE_ENDED);
	assert_int_equal(a.status, 130);
	assert_int_equal(answer(&a, error), -EREMOTEIO);
	assert_int_equal(answer(&a, late), -EPROTO);
	assert_int_equal(answer(&a, odd), -EPROTO);
}

/* Each member is needed, and of its type */
static void reads_whole_sessions_only(void **state)
{
	json_t *whole = message_session("connect", 12, "hung"), *v;
	auto_free char *line = message_line("session", json_incref(whole));
	struct message_answer a;
	const char *name;

	(void)state;
	assert_int_equal(answer(&a, line), 0);
	assert_true(json_equal(a.session, whole));
	json_decref(a.session);
	json_object_foreach (whole, name, v) {
		json_t *part = json_copy(whole);

		json_object_del(part, name);
		assert_false(message_is_session(part));
		json_object_set_new(part, name, json_true());
		if (message_is_session(part))
			fail_msg("%s may be anything", name);
		json_decref(part);
	}
	json_object_set_new(whole, "state", json_string("fine"));
	assert_false(message_is_session(whole));
	json_object_set_new(whole, "state", json_string("up"));
	assert_true(message_is_session(whole));
	json_object_set_new(whole, "more", json_true());
	assert_false(message_is_session(whole));
	json_decref(whole);
}

static void knows_names_of_sockets(void **state)
{
	static const char *const bad[] = {
		"connect-12",
		"connect-.sock",
		"-12.sock",
		"connect.sock",
		"connect-0.sock",
		"connect--1.sock",
		"connect-+1.sock",
		"Connect-1.sock",
		".connect-1.sock",
		"connect-1x.sock",
		"con/nect-1.sock",
		"connect-12.sock.sock",
		"connect- 1.sock",
		"connect-99999999999999999999.sock",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1.sock",
	};
	char command[PLACE_COMMAND_MAX], name[PLACE_NAME_MAX];
	pid_t pid;

	(void)state;
	place_name(name, "connect", 4194304);
	assert_string_equal(name, "connect-4194304.sock");
	assert_true(place_parse(name, command, &pid));
	assert_string_equal(command, "connect");
	assert_int_equal(pid, 4194304);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (place_parse(bad[i], command, &pid))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_its_own_requests),
		cmocka_unit_test(refuses_other_requests),
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(reads_whole_sessions_only),
		cmocka_unit_test(knows_names_of_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
