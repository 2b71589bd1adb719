/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#define KUBECTL                                                                \
	"{'manager': 'kubectl', 'operation': 'Apply', 'apiVersion': 'v1',"     \
	"'time': 't1', 'fieldsType': 'FieldsV1', 'fieldsV1': "
#define KTCTL                                                                  \
	"{'manager': 'ktctl', 'operation': 'Update', 'apiVersion': 'v1',"      \
	"'time': 't2', 'fieldsType': 'FieldsV1', 'fieldsV1': "
#define PORTS "'f:ports': {'.': {}}"

/* As the server does it: what is written is ours, and nobody else's */
static json_t *after_write(const json_t *then, const char *managers)
{
	json_t *obj = json_deep_copy(then);

	json_object_set_new(json_object_get(obj, "metadata"), "managedFields",
			    json_quoted(managers));
	return obj;
}

static json_t *service(const char *selector, const char *managers)
{
	json_t *obj = json_quoted("{'metadata': {'name': 'web'}, 'spec': {}}");

	json_object_set_new(json_object_get(obj, "spec"), "selector",
			    json_quoted(selector));
	json_object_set_new(json_object_get(obj, "metadata"), "managedFields",
			    json_quoted(managers));
	return obj;
}

/* @before: whose it was; @between: after our write; @want: in the end */
static void gives_back(const char *before, const char *between,
		       const char *want)
{
	auto_json json_t *now = service("{'app': 'web'}", before);
	auto_json json_t *then = service("{'kt-role': 'router'}", before);
	auto_json json_t *done = NULL, *got = NULL, *expect = json_quoted(want);

	managers_record(then, now, "selector");
	done = after_write(then, between);
	got = managers_restored(done, "selector");
	if (!json_equal(got, expect))
		fail_msg("%s", json_dumps(got, JSON_SORT_KEYS));
}

static void test_give_back(void **state)
{
	(void)state;
	/* the selector is one whole (1.21 and later) */
	gives_back("[" KUBECTL "{'f:spec': {" PORTS ", 'f:selector': {}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS "}}}, " KTCTL
		   "{'f:metadata': {'f:annotations': {'f:kt-selector': {},"
		   "'f:kt-managers': {}}}, 'f:spec': {'f:selector': {}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS
		   ", 'f:selector': {}}}}, " KTCTL
		   "{'f:metadata': {'f:annotations': {'f:kt-selector':"
		   "{}}}}}]");
	/* each of its labels is a field (1.20) */
	gives_back("[" KUBECTL "{'f:spec': {" PORTS ", 'f:selector': {'f:app':"
		   "{}}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS "}}}, " KTCTL
		   "{'f:spec': {'f:selector': {'f:kt-role': {}}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS ", 'f:selector': {'f:app':"
		   "{}}}}}]");
	/* whose entry had nothing else is gone meanwhile */
	gives_back("[" KUBECTL "{'f:spec': {'f:selector': {}}}}]",
		   "[" KTCTL "{'f:spec': {'f:selector': {}}}}]",
		   "[" KUBECTL "{'f:spec': {'f:selector': {}}}}]");
	/* nobody's before, nobody's after; an empty list would be no change */
	gives_back("[]", "[" KTCTL "{'f:spec': {'f:selector': {}}}}]", "[{}]");
	/* ours from a time when it was not given back */
	gives_back("[" KTCTL "{'f:spec': {'f:selector': {}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS "}}}, " KTCTL
		   "{'f:spec': {'f:selector': {}}}}]",
		   "[" KUBECTL "{'f:spec': {" PORTS "}}}]");
}

/* Two entries of one manager: one by apply, one by a subresource */
static void test_tells_entries_apart(void **state)
{
#define HPA                                                                    \
	"{'manager': 'hpa', 'operation': 'Update', 'apiVersion': 'v1',"        \
	"'subresource': 'scale', 'fieldsV1': {'f:spec': {'f:replicas': {}}}}"
#define HPA_STATUS                                                             \
	"{'manager': 'hpa', 'operation': 'Update', 'apiVersion': 'v1',"        \
	"'subresource': 'status', 'fieldsV1': {'f:status': {}}}"
	auto_json json_t *now = json_quoted(
		"{'metadata': {'managedFields': [" HPA ", " HPA_STATUS "]},"
		"'spec': {'replicas': 2}}");
	auto_json json_t *patch = json_quoted("{'metadata': {'annotations':"
					      "{'kt-replicas': '2'}},"
					      "'spec': {'replicas': 0}}");
	auto_json json_t *done = NULL, *got = NULL;
	auto_json json_t *want = json_quoted("[" HPA_STATUS ", " HPA "]");

	(void)state;
	managers_record(patch, now, "replicas");
	assert_non_null(object_annotation(patch, KT_ANNOTATION_MANAGERS));
	done = after_write(patch, "[" HPA_STATUS ", " KTCTL
				  "{'f:spec': {'f:replicas': {}}}}]");
	got = managers_restored(done, "replicas");
	assert_true(json_equal(got, want));
}

/* Killed in between: the record of the first one counts, not what is now */
static void test_killed_in_between(void **state)
{
	auto_json json_t *now =
		service("{'app': 'web'}",
			"[" KUBECTL "{'f:spec': {'f:selector': {}}}}]");
	auto_json json_t *then = service("{'kt-role': 'x'}", "[]");
	auto_json json_t *left = NULL, *next = NULL, *done = NULL, *got = NULL;
	auto_json json_t *want =
		json_quoted("[" KUBECTL "{'f:spec': {'f:selector': {}}}}]");

	(void)state;
	managers_record(then, now, "selector");
	left = after_write(then, "[" KTCTL "{'f:spec': {'f:selector': {}}}}]");
	next = json_deep_copy(left);
	json_object_set_new(json_object_get(next, "spec"), "selector",
			    json_quoted("{'app': 'web'}"));
	managers_record(next, left, "selector");
	done = after_write(next, "[" KTCTL "{'f:spec': {'f:selector': {}}}}]");
	got = managers_restored(done, "selector");
	assert_true(json_equal(got, want));
}

static void test_nothing_to_do(void **state)
{
	auto_json json_t *now =
		service("{'app': 'web'}",
			"[" KUBECTL "{'f:spec': {'f:selector': {}}}}]");
	auto_json json_t *same = json_deep_copy(now);
	auto_json json_t *bare = json_quoted("{'metadata': {}, 'spec': {}}");
	auto_json json_t *odd = json_quoted(
		"{'metadata': {'managedFields': [1, {}, " KUBECTL "{}}],"
		"'annotations': {'kt-managers': '[1, {}]'}}}");
	auto_json json_t *got = NULL;

	(void)state;
	managers_record(same, now, "selector"); /* only a lock, perhaps */
	assert_null(object_annotation(same, KT_ANNOTATION_MANAGERS));
	assert_null(managers_restored(now, "selector"));
	assert_null(managers_restored(bare, "selector"));
	got = managers_restored(odd, "selector");
	assert_int_equal(json_array_size(got), 3);
}

/* Routes: all of spec */
static void test_whole_spec(void **state)
{
	auto_json json_t *now = json_quoted(
		"{'metadata': {'managedFields': [" KUBECTL
		"{'f:spec': {'f:http': {}}}}]}, 'spec': {'http': []}}");
	auto_json json_t *then =
		json_quoted("{'metadata': {}, 'spec': {'http': [1]}}");
	auto_json json_t *done = NULL, *got = NULL;
	auto_json json_t *want =
		json_quoted("[" KUBECTL "{'f:spec': {'f:http': {}}}}]");

	(void)state;
	managers_record(then, now, NULL);
	done = after_write(then, "[" KTCTL "{'f:spec': {'f:http': {}}}}]");
	got = managers_restored(done, NULL);
	assert_true(json_equal(got, want));
}

static void test_who_was_it(void **state)
{
#define WROTE(who, when, what)                                                 \
	"{'manager': '" who "', 'time': '" when "', 'fieldsV1': {" what "}}"
#define A_SELECTOR "'f:spec': {'f:selector': {}}"
	auto_json json_t *obj = service(
		"{}",
		"[" WROTE(
			"before", "2026-01-01T10:00:00Z",
			A_SELECTOR) "," WROTE("ktctl", "2026-01-01T12:00:00Z",
					      A_SELECTOR) "," WROTE("edit",
								    "2026-01-"
								    "01T11:00:"
								    "00Z",
								    "'f:"
								    "metadata':"
								    " {}") ","
									   "{'"
									   "man"
									   "age"
									   "r':"
									   " '"
									   "kub"
									   "ele"
									   "t',"
									   " '"
									   "tim"
									   "e':"
									   " '"
									   "202"
									   "6-"
									   "01-"
									   "01T"
									   "13:"
									   "00:"
									   "00Z"
									   "', "
									   "'su"
									   "bre"
									   "sou"
									   "rce"
									   "': "
									   "'st"
									   "atu"
									   "s'}"
									   ", "
									   "1, "
									   "{}"
									   "]");
	auto_json json_t *none = json_quoted("{'metadata': {}}");
	const char *since = "2026-01-01T10:30:00Z";

	(void)state;
	assert_string_equal(managers_last(obj, "selector", since), "ktctl");
	assert_string_equal(managers_last(obj, NULL, since), "edit");
	assert_null(managers_last(obj, "replicas", since));
	assert_null(managers_last(obj, "selector", "2026-01-01T12:00:01Z"));
	assert_null(managers_last(none, NULL, since));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_give_back),
		cmocka_unit_test(test_tells_entries_apart),
		cmocka_unit_test(test_killed_in_between),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_whole_spec),
		cmocka_unit_test(test_who_was_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
