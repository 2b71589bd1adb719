/* SPDX-License-Identifier: Apache-2.0 */
/* Events as lines, and what of a request is in one. */
#include "test.h"

#include "base/mem.h"
#include "wire/event.h"
#include "wire/ruleline.h"

#include <errno.h>
#include <string.h>

#define PROBE EVENT_TRACE_PROBE "0123456789abcdef"

static struct event event_of(const char *method, const char *target)
{
	struct event ev = { .seq = 7,
			    .when = 1700000000123456,
			    .latency = 1500,
			    .kind = EVENT_REQUEST,
			    .proto = EVENT_HTTP1,
			    .by = EVENT_OTHER,
			    .port = 8080,
			    .status = 204,
			    .user = "ann lee" };

	assert_int_equal(ipaddr_parse(&ev.from, "10.244.0.7"), 0);
	event_set_mark(&ev, "header:version=a%20b path:/x");
	event_set_request(&ev, slice_of(method), slice_of(target));
	return ev;
}

static int event_round(const struct event *ev, struct event *again)
{
	struct ruleline_reader reader = { 0 };
	struct ruleline line;
	struct buf b;
	struct rd rd;
	int rc;

	buf_init(&b, 65536);
	rc = event_put(&b, ev);
	rd = rd_make(buf_data(&b), b.len);
	if (rc == 0) {
		assert_int_equal(ruleline_read(&reader, &rd), 1);
		assert_int_equal(rd_left(&rd), 0);
		assert_int_equal(ruleline_parse(&line, reader.line, NULL), 0);
		assert_int_equal(line.verb, RULELINE_EVENT);
		rc = event_parse(again, line.text, NULL);
	}
	buf_fini(&b);
	return rc;
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_true(a->seq == b->seq && a->when == b->when &&
		    a->latency == b->latency && a->kind == b->kind &&
		    a->proto == b->proto && a->by == b->by &&
		    a->port == b->port && a->status == b->status);
	assert_true(a->from.family == b->from.family &&
		    (!a->from.family || ipaddr_eq(&a->from, &b->from)));
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->mark, b->mark);
	assert_string_equal(a->method, b->method);
	assert_string_equal(a->path, b->path);
	assert_string_equal(a->env, b->env);
	assert_string_equal(a->trace, b->trace);
	assert_int_equal(a->env_added, b->env_added);
}

static void is_read_as_it_was_written(void **state)
{
	struct event ev = event_of("GET", "/x"), again;

	(void)state;
	assert_int_equal(event_round(&ev, &again), 0);
	assert_same(&ev, &again);
	/* nothing but what is always there; and a word that looks like none */
	ev = (struct event){ .latency = -1, .method = "-" };
	assert_int_equal(event_round(&ev, &again), 0);
	assert_same(&ev, &again);
	ev = event_of("GET", "/");
	snprintf(ev.env, sizeof(ev.env), "dev.red");
	assert_int_equal(event_round(&ev, &again), 0);
	assert_same(&ev, &again);
	ev.env_added = true;
	snprintf(ev.trace, sizeof(ev.trace), PROBE);
	assert_int_equal(event_round(&ev, &again), 0);
	assert_same(&ev, &again);
	/* as long as can be, each byte written as three */
	ev = event_of("GET", "/");
	memset(ev.env, 'a', sizeof(ev.env) - 1);
	for (size_t i = 60; i < sizeof(ev.env) - 1; i += 60)
		ev.env[i] = '.';
	ev.env_added = true;
	snprintf(ev.trace, sizeof(ev.trace), PROBE);
	memset(ev.user, '%', sizeof(ev.user) - 1);
	memset(ev.path, '%', sizeof(ev.path) - 1);
	memset(ev.method, '%', sizeof(ev.method) - 1);
	ev.seq = UINT64_MAX - 9;
	ev.when = INT64_MAX / 2000;
	ev.latency = INT64_MAX;
	assert_int_equal(event_round(&ev, &again), 0);
	assert_same(&ev, &again);
}

/* What a reader would take for too long would end the stream */
static void is_never_longer_than_a_line(void **state)
{
	struct event ev = event_of("GET", "/");
	struct buf b;

	(void)state;
	memset(ev.user, 1, sizeof(ev.user) - 1);
	memset(ev.path, 1, sizeof(ev.path) - 1);
	memset(ev.method, 1, sizeof(ev.method) - 1);
	memset(ev.mark, 1, sizeof(ev.mark) - 1);
	buf_init(&b, 65536);
	assert_int_equal(buf_put(&b, "x", 1), 0);
	assert_true(event_put(&b, &ev) == 0 || b.len == 1);
	assert_true(b.len <= 1 + RULELINE_MAX + 1);
	buf_fini(&b);
}

/* @field: of a request, "name: value", with the one that the router adds */
static struct event event_with(const char *name, const char *value, bool added)
{
	const struct rule_field field[] = {
		{ slice_of(name), slice_of(value) },
		{ slice_of("baggage"), slice_of("kt-env=dev.mine") },
	};
	const struct rule_request req = { .field = field,
					  .nfields = added ? 2 : 1,
					  .marked = added };
	struct event ev = { .latency = -1 };

	event_set_marks(&ev, &req);
	return ev;
}

static void has_the_marks_alone(void **state)
{
	static const struct {
		const char *name, *value, *env, *trace;
	} rows[] = {
		{ "Baggage", "a=secret,kt-env=dev.red", "dev.red", "" },
		{ "x-virtual-env", "dev", "dev", "" },
		{ "baggage", "kt-env=NO_NAME", "", "" },
		{ "TraceParent", "00-" PROBE "-00f067aa0ba902b7-01", "",
		  PROBE },
		/* another's trace is nobody's business, nor what is like one */
		{ "traceparent",
		  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "",
		  "" },
		{ "traceparent", "00-" PROBE "0-00f067aa0ba902b7-01", "", "" },
		{ "traceparent", "00-" EVENT_TRACE_PROBE "-1-01", "", "" },
		{ "traceparent", "00-" PROBE, "", "" },
		{ "traceparent", "0-" PROBE "-00f067aa0ba902b7-01", "", "" },
		{ "traceparent",
		  "00-" EVENT_TRACE_PROBE "0123456789ABCDEF-00f067aa0ba902b7-1",
		  "", "" },
		{ "traceparent", "", "", "" },
		{ "tracestate", "00-" PROBE "-00f067aa0ba902b7-01", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event ev = event_with(rows[i].name, rows[i].value, 0);

		assert_string_equal(ev.env, rows[i].env);
		assert_string_equal(ev.trace, rows[i].trace);
		assert_false(ev.env_added);
	}
	assert_true(event_with("host", "web", true).env_added);
	assert_string_equal(event_with("host", "web", true).env, "dev.mine");
}

/* An older shadow's line has no marks; nonsense is refused */
static void marks_are_read_strictly(void **state)
{
	static const char *const bad[] = { "Dev -",  "+ -",  "+- -",
					   "a..b -", "- 12", "dev " PROBE "0" };
	static const char *const good[] = { "", "-", "- -", "+dev - more",
					    "dev " PROBE };
	char line[300];
	struct event ev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(line, sizeof(line),
			 "1 5 request http/1 80 - origin 200 7 - - GET / %s",
			 bad[i]);
		assert_int_equal(event_parse(&ev, line, NULL), -EINVAL);
		assert_string_equal(ev.env, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(line, sizeof(line),
			 "1 5 request http/1 80 - origin 200 7 - - GET / %s",
			 good[i]);
		assert_int_equal(event_parse(&ev, line, NULL), 0);
	}
}

static void has_the_path_alone(void **state)
{
	static const char *const paths[][2] = {
		{ "/", "/" },
		{ "/a/b?token=secret", "/a/b" },
		{ "/a#b", "/a" },
		{ "/?a=/b", "/" },
		{ "*", "*" },
		{ "http://user:secret@host/path?x", "/path" },
		{ "http://user:secret@host", "/" },
		{ "http://host?secret", "/" },
		{ "host:443", "" },
		{ "", "" },
		{ "?secret", "" },
		{ "/a b\033[2J\xff", "/a%20b%1B[2J%FF" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct event ev = event_of("GET", paths[i][0]);

		assert_string_equal(ev.path, paths[i][1]);
	}
}

static void is_cut_visibly(void **state)
{
	char path[2000] = "/";
	struct event ev;

	(void)state;
	for (size_t n = 1; n < 2 * EVENT_PATH_MAX; n++) {
		path[n] = n % 7 ? 'x' : '\x01';
		path[n + 1] = 0;
		ev = event_of(path + 1, path);
		assert_true(strlen(ev.path) < EVENT_PATH_MAX);
		assert_true(strlen(ev.method) < EVENT_METHOD_MAX);
		if (n > EVENT_PATH_MAX)
			assert_string_equal(ev.path + strlen(ev.path) - 3,
					    "...");
		event_set_mark(&ev, path);
		assert_true(strlen(ev.mark) < EVENT_MARK_MAX);
	}
}

static void refuses_what_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1 2 request http/1 80 - local 200 5 - - GET",
		"x 2 request http/1 80 - local 200 5 - - GET /",
		"-1 2 request http/1 80 - local 200 5 - - GET /",
		"1 -2 request http/1 80 - local 200 5 - - GET /",
		"99999999999999999999 2 request tcp 80 - local 200 - - - G *",
		"1 2 nonsense http/1 80 - local 200 5 - - GET /",
		"1 2 request http/9 80 - local 200 5 - - GET /",
		"1 2 request http/1 65536 - local 200 5 - - GET /",
		"1 2 request http/1 80 1.2.3 local 200 5 - - GET /",
		"1 2 request http/1 80 - me 200 5 - - GET /",
		"1 2 request http/1 80 - local 1000 5 - - GET /",
		"1 2 request http/1 80 - local 200 -5 - - GET /",
		"1 2 request http/1 80 - local 200 5 - - GET %1B",
		"1 2 request http/1 80 - local 200 5 - - GET %x",
		"1 2 request http/1 80 - local 200 5 - -  /",
	};
	struct kt_error err = { 0 };
	struct event ev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (event_parse(&ev, bad[i], &err) != -EINVAL || !err.msg[0])
			fail_msg("'%s'", bad[i]);
	/* what a later version adds is passed over */
	assert_int_equal(event_parse(&ev,
				     "1 2 request http/1 80 - local 200 5 - - "
				     "GET / more",
				     &err),
			 0);
	assert_string_equal(ev.path, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_as_it_was_written),
		cmocka_unit_test(is_never_longer_than_a_line),
		cmocka_unit_test(has_the_marks_alone),
		cmocka_unit_test(marks_are_read_strictly),
		cmocka_unit_test(has_the_path_alone),
		cmocka_unit_test(is_cut_visibly),
		cmocka_unit_test(refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
