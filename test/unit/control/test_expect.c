/* SPDX-License-Identifier: Apache-2.0 */
/* What is expected of events, and when it is decided. */
#include "json.h"
#include "schema.h"

#include "base/mem.h"
#include "control/expect.h"

#include <errno.h>
#include <string.h>

static const char *const kinds[] = { "good", "bad", NULL };

static const struct expect_field fields[] = {
	{ "name", EXPECT_TEXT, NULL },
	{ "kind", EXPECT_TEXT, kinds },
	{ "size", EXPECT_NUMBER, NULL },
	{ 0 },
};

static struct expect *expects(const char *text)
{
	struct kt_error err = { 0 };
	struct expect *x = expect_new(text, fields, &err);

	if (!x)
		fail_msg("'%s': %s", text, err.msg);
	return x;
}

/* @name, @kind: NULL is null; @size < 0 likewise */
static void see(struct expect *x, const char *name, const char *kind, int size)
{
	json_t *ev =
		json_pack("{s:s?,s:s?,s:o}", "name", name, "kind", kind, "size",
			  size < 0 ? json_null() : json_integer(size));

	expect_see(x, ev);
	json_decref(ev);
}

static void a_condition_holds_or_not(void **state)
{
	static const struct {
		const char *text, *name;
		int size;
		bool holds;
	} rows[] = {
		{ "name=web", "web", 1, true },
		{ "name==web", "web", 1, true },
		{ "name=web", "web2", 1, false },
		{ "name=web", NULL, 1, false },
		{ "name=null", NULL, 1, true },
		{ "name!=null", "web", 1, true },
		{ "name!=null", NULL, 1, false },
		{ "name!=web", NULL, 1, true },
		{ "name~w*", "web", 1, true },
		{ "name~/api/*", "/api/x/y", 1, true },
		{ "name~w*", NULL, 1, false },
		{ "name!~w*", "web", 1, false },
		{ "name!~w*", NULL, 1, true },
		{ "name=", "", 1, true },
		{ "name=a=b", "a=b", 1, true },
		{ "\"name=a b\"", "a b", 1, true },
		{ "name=\"a b\"", "a b", 1, true },
		{ "size=200", "", 200, true },
		{ "size=200", "", 201, false },
		{ "size!=200", "", 201, true },
		{ "size!=200", "", -1, true },
		{ "size=null", "", -1, true },
		{ "size=null", "", 0, false },
		{ "size!=null", "", 0, true },
		{ "size!=null", "", -1, false },
		{ "size>=500", "", 500, true },
		{ "size>500", "", 500, false },
		{ "size<500", "", 499, true },
		{ "size<=499", "", 500, false },
		{ "size<500", "", -1, false },
		{ "name=web size=2", "web", 2, true },
		{ "name=web size=2", "web", 3, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct expect *x = expects(rows[i].text);

		see(x, rows[i].name, "good", rows[i].size);
		if (expect_met(x, true) != rows[i].holds)
			fail_msg("%s with '%s', %d", rows[i].text,
				 rows[i].name ? rows[i].name : "null",
				 rows[i].size);
		expect_free(x);
	}
}

/* After no, one, two, three events that fit: Open, Holds, Met, Failed */
static void a_count_is_decided_in_time(void **state)
{
	static const struct {
		const char *text, *states;
	} rows[] = {
		{ "name=a", "OMMM" },	       { "name=a count>=2", "OOMM" },
		{ "count>2 name=a", "OOOM" },  { "name=a count=1", "OHFF" },
		{ "name=a count==2", "OOHF" }, { "name=a count<=1", "HHFF" },
		{ "name=a count<2", "HHFF" },  { "name=a count=0", "HFFF" },
		{ "name=a count<0", "FFFF" },  { "count>=3", "OOOM" },
		{ "name=a count>=0", "MMMM" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct expect *x = expects(rows[i].text);

		for (size_t n = 0; n < 4; n++) {
			char is = "OHMF"[expect_state(x)];

			if (is != rows[i].states[n])
				fail_msg("%s after %zu: %c", rows[i].text, n,
					 is);
			assert_int_equal(expect_met(x, true),
					 is == 'H' || is == 'M');
			/* what only holds may have been passed unseen */
			assert_int_equal(expect_met(x, false), is == 'M');
			see(x, "a", "good", 1);
		}
		expect_free(x);
	}
}

/* One of the result's list */
static void fits_schema(const json_t *expected)
{
	auto_free char *path =
		xasprintf("%s/expect.json", getenv("KT_SCHEMA_DIR"));
	struct schema schema;

	schema_load(&schema, path);
	if (!schema_fits(&schema, expected,
			 schema_ref(&schema, "#/$defs/expected")))
		fail_msg("%s", schema.why);
	json_decref(schema.root);
}

static void says_what_was_near(void **state)
{
	struct expect *x = expects("name=a kind=good size<3");
	auto_free char *none = expect_why(x);
	auto_free char *why = NULL;
	json_t *result, *near;

	(void)state;
	assert_string_equal(none, "0 seen for 'name=a kind=good size<3'");
	see(x, "a", "good", 9);
	see(x, "a", "bad", 1);
	see(x, "a", "bad", 2);
	see(x, "b", "bad", 1); /* two are wrong: not near */
	why = expect_why(x);
	assert_non_null(strstr(why, "of 2 more all but kind=good is so, the "
				    "last has \"bad\""));
	result = expect_result(x, true);
	fits_schema(result);
	assert_false(json_is_true(json_object_get(result, "met")));
	near = json_object_get(result, "near");
	assert_int_equal(json_array_size(near), 3);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(near, 2), "count")),
			 1);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(near, 2), "last")),
			 9);
	json_decref(result);
	expect_free(x);
}

static void refuses_nonsense(void **state)
{
	static const char *const bad[] = {
		"",
		"  ",
		"name",
		"count",
		"=web",
		"nosuch=1",
		"Name=web",
		"name>=3",
		"size~2*",
		"size=web",
		"size>=-1",
		"size>=",
		"size>=99999999999",
		"size>=null",
		"kind=odd",
		"count=x",
		"count!=1",
		"count~1",
		"count>=1 count<=2",
		"count=-1",
		"count>=99999999999999",
		"name=\"web",
		"size=1 size=1 size=1 size=1 size=1 size=1 size=1 size=1 "
		"size=1 size=1 size=1 size=1 size=1 size=1 size=1 size=1 "
		"size=1",
	};
	char huge[5000];

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		struct kt_error err = { 0 };
		const char *text = i < ARRAY_SIZE(bad) ? bad[i] : huge;

		memset(huge, 'x', sizeof(huge) - 1);
		huge[sizeof(huge) - 1] = 0;
		if (expect_new(text, fields, &err) || err.code != EINVAL ||
		    !err.msg[0])
			fail_msg("'%s': %s", text, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_holds_or_not),
		cmocka_unit_test(a_count_is_decided_in_time),
		cmocka_unit_test(says_what_was_near),
		cmocka_unit_test(refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
