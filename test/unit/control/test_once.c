/* SPDX-License-Identifier: Apache-2.0 */
/* Several sessions tell of one router's requests: each is told once, and as
 * local if it was so to one of them. */
#include "json.h"
#include "schema.h"

#include "base/mem.h"
#include "control/eventjson.h"
#include "control/once.h"

#include <string.h>

static char told[65536];
static size_t ntold;
static struct once *once;

/* "SESSION BY NUMBER;" of each */
static void on_tell(void *user, json_t *event)
{
	size_t n = strlen(told);
	const char *id = json_string_value(json_object_get(event, "id"));

	(void)user;
	ntold++;
	if (n < sizeof(told) / 2)
		snprintf(told + n, sizeof(told) - n, "%s %s %s;",
			 json_string_value(json_object_get(event, "session")),
			 json_string_value(json_object_get(event, "answered")),
			 id ? id : "-");
}

static int setup(void **state)
{
	(void)state;
	told[0] = '\0';
	ntold = 0;
	once = once_new(on_tell, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	once_free(once);
	return 0;
}

static json_t *made(const char *session, const char *router, uint64_t seq,
		    enum event_by by)
{
	struct event ev = { .seq = seq, .when = 1, .latency = 3, .by = by };
	const struct event_place at = { .session = session };

	snprintf(ev.shadow, sizeof(ev.shadow), "%s", router);
	return eventjson_make(&ev, &at);
}

static void add(const char *session, const char *router, uint64_t seq,
		enum event_by by, int64_t now)
{
	json_t *event = made(session, router, seq, by);

	once_add(once, event, false, now);
	json_decref(event);
}

static void ids_are_read_and_fit_the_schema(void **state)
{
	auto_free char *path =
		xasprintf("%s/event.json", getenv("KT_SCHEMA_DIR"));
	json_t *event = made("env-join-12", "abc", 17, EVENT_ORIGIN);
	json_t *here = made("exchange-3", "", 0, EVENT_LOCAL);
	char router[EVENT_SHADOW_MAX];
	struct schema schema;
	uint64_t seq;

	(void)state;
	assert_true(eventjson_is(event));
	assert_true(eventjson_id(event, router, &seq));
	assert_string_equal(router, "abc");
	assert_int_equal(seq, 17);
	assert_false(eventjson_id(here, router, &seq));
	schema_load(&schema, path);
	if (!schema_fits(&schema, event, schema.root) ||
	    !schema_fits(&schema, here, schema.root))
		fail_msg("%s", schema.why);
	json_decref(schema.root);
	json_decref(event);
	json_decref(here);
	for (const char *const *bad =
		     (const char *const[]){ "/1", "a/", "a/0", "a/x", "a/1x",
					    "a/-1", "a", "",
					    "a/99999999999999999999", NULL };
	     *bad; bad++) {
		json_t *obj = json_pack("{s:s}", "id", *bad);

		if (eventjson_id(obj, router, &seq))
			fail_msg("'%s' is an id", *bad);
		json_decref(obj);
	}
}

static void what_all_see_alike_is_told_by_the_first(void **state)
{
	(void)state;
	add("a", "r", 1, EVENT_ORIGIN, 0);
	add("b", "r", 1, EVENT_ORIGIN, 0);
	add("b", "r", 2, EVENT_ROUTER, 0);
	add("a", "r", 2, EVENT_ROUTER, 0);
	/* another router's, and of this end, are others */
	add("a", "q", 1, EVENT_ORIGIN, 0);
	add("a", "", 0, EVENT_LOCAL, 0);
	add("b", "", 0, EVENT_LOCAL, 0);
	assert_string_equal(told, "a origin r/1;b router r/2;a origin q/1;"
				  "a local -;b local -;");
	assert_int_equal(once_due(once), -1);
}

static void local_to_one_is_local(void **state)
{
	(void)state;
	add("a", "r", 1, EVENT_OTHER, 0);
	assert_int_equal(ntold, 0);
	add("b", "r", 1, EVENT_LOCAL, 1);
	add("b", "r", 2, EVENT_LOCAL, 2);
	add("a", "r", 2, EVENT_OTHER, 3);
	add("c", "r", 2, EVENT_OTHER, 3);
	once_flush(once, INT64_MAX);
	assert_string_equal(told, "b local r/1;b local r/2;");
}

static void another_users_is_told_after_a_while(void **state)
{
	json_t *event;

	(void)state;
	add("a", "r", 1, EVENT_OTHER, 5);
	add("b", "r", 1, EVENT_OTHER, 6);
	assert_int_equal(once_due(once), 5 + ONCE_WAIT);
	once_flush(once, 4 + ONCE_WAIT);
	assert_int_equal(ntold, 0);
	once_flush(once, 5 + ONCE_WAIT);
	assert_string_equal(told, "a other r/1;");
	assert_int_equal(once_due(once), -1);
	/* later than that: rather twice than never */
	add("c", "r", 1, EVENT_LOCAL, 7 + ONCE_WAIT);
	assert_string_equal(told, "a other r/1;c local r/1;");
	/* nobody else could say local */
	event = made("a", "r", 2, EVENT_OTHER);
	once_add(once, event, true, 0);
	json_decref(event);
	assert_int_equal(ntold, 3);
}

/* Two sessions, one far behind the other, in numbers of any kind */
static void each_of_many_is_told_once(void **state)
{
	enum { MANY = 20000, BEHIND = ONCE_WINDOW - 1 };

	(void)state;
	for (uint64_t i = 1; i <= MANY + BEHIND; i++) {
		if (i <= MANY)
			add("a", "r", i, EVENT_ORIGIN, 0);
		if (i > BEHIND)
			add("b", "r", i - BEHIND, EVENT_ORIGIN, 0);
	}
	assert_int_equal(ntold, MANY);
	/* a leap, and what was jumped over */
	add("a", "r", 1000000, EVENT_ORIGIN, 0);
	add("a", "r", 1000000 - 5, EVENT_ORIGIN, 0);
	add("b", "r", 1000000 - 5, EVENT_ORIGIN, 0);
	add("b", "r", 1000000, EVENT_ORIGIN, 0);
	assert_int_equal(ntold, MANY + 2);
}

static void is_bounded(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= ONCE_HELD + 10; i++)
		add("a", "r", i, EVENT_OTHER, 0);
	assert_int_equal(ntold, 10);
	once_flush(once, INT64_MAX);
	assert_int_equal(ntold, ONCE_HELD + 10);
	/* more routers than are known: the one used last is */
	for (int i = 0; i < 3 * ONCE_ROUTERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "q%d", i);
		add("a", name, 1, EVENT_ORIGIN, 0);
		add("b", name, 1, EVENT_ORIGIN, 0);
	}
	assert_int_equal(ntold, ONCE_HELD + 10 + 3 * ONCE_ROUTERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_are_read_and_fit_the_schema,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_all_see_alike_is_told_by_the_first, setup,
			teardown),
		cmocka_unit_test_setup_teardown(local_to_one_is_local, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			another_users_is_told_after_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(each_of_many_is_told_once,
						setup, teardown),
		cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
