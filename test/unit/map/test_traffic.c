/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "schema.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"
#include "map/callers.h"
#include "map/traffic.h"

static void told(struct traffic_log *t, const char *session,
		 const char *service, const char *from, int status,
		 const char *by, int latency, int64_t now)
{
	json_t *ev = json_pack(
		"{s:i,s:s,s:s,s:s,s:s,s:s?,s:s,s:o,s:o}", "version", 1, "type",
		"request", "session", session, "namespace", "shop", "service",
		service, "from", from, "answered", by, "status",
		status ? json_integer(status) : json_null(), "latency_us",
		latency < 0 ? json_null() : json_integer(latency));

	assert_non_null(ev);
	traffic_add(t, ev, now);
	json_decref(ev);
}

static void call(struct traffic_log *t, const char *service, const char *from,
		 int status, const char *by, int latency, int64_t now)
{
	told(t, "mesh-1", service, from, status, by, latency, now);
}

/* Of the row that has this name (and caller) */
static json_int_t number(const json_t *all, const char *list, const char *name,
			 const char *caller, const char *member)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(all, list), i, row)
		if (str_eq(json_str(row, "name", NULL), name) &&
		    (!caller || str_eq(json_str(row, "caller", NULL), caller)))
			return json_integer_value(json_object_get(row, member));
	return -1;
}

static void fits(const json_t *traffic)
{
	auto_free char *path =
		xasprintf("%s/map.json", getenv("KT_SCHEMA_DIR"));
	struct schema s;

	schema_load(&s, path);
	if (!schema_fits(&s, traffic, schema_ref(&s, "#/$defs/traffic")))
		fail_msg("%s", s.why);
	json_decref(s.root);
}

static void test_rates(void **state)
{
	struct traffic_log *t = traffic_new(999);
	auto_json json_t *names =
		json_pack("{s:s,s:s}", "10.0.0.1", "a", "10.0.0.2", "a");
	auto_json json_t *all = NULL, *later = NULL, *gone = NULL;

	(void)state;
	call(t, "b", "10.0.0.1", 200, "origin", 1000, 1000);
	call(t, "b", "10.0.0.2", 503, "local", 3000, 1003);
	call(t, "b", NULL, 0, "nobody", -1, 1003);
	call(t, "c", "10.9.9.9", 404, "router", 5, 1003);
	/* of a second that is not over nothing is told */
	call(t, "b", "10.0.0.1", 200, "origin", 1000, 1004);
	all = traffic_json(t, names, 1004);
	fits(all);
	assert_int_equal(json_integer_value(json_object_get(all, "seconds")),
			 4);
	assert_int_equal(number(all, "services", "b", NULL, "calls"), 3);
	assert_int_equal(number(all, "services", "b", NULL, "failed"), 2);
	assert_int_equal(number(all, "services", "b", NULL, "local"), 1);
	/* the mean of those that were answered */
	assert_int_equal(number(all, "services", "b", NULL, "latency_us"),
			 2000);
	/* both addresses are one caller's */
	assert_int_equal(number(all, "edges", "b", "a", "calls"), 2);
	assert_int_equal(number(all, "edges", "c", "10.9.9.9", "failed"), 1);
	/* ten seconds are summed up, whatever was before */
	call(t, "b", "10.0.0.1", 200, "origin", 1000, 1013);
	later = traffic_json(t, names, 1013);
	assert_int_equal(json_integer_value(json_object_get(later, "seconds")),
			 TRAFFIC_WINDOW);
	assert_int_equal(number(later, "services", "b", NULL, "calls"), 3);
	assert_int_equal(number(later, "edges", "b", "a", "calls"), 2);
	/* and after a minute nobody knows of it */
	gone = traffic_json(t, names, 1003 + TRAFFIC_KEEP);
	assert_int_equal(number(gone, "services", "c", NULL, "calls"), -1);
	assert_int_equal(number(gone, "services", "b", NULL, "calls"), 0);
	assert_int_equal(json_array_size(json_object_get(gone, "edges")), 1);
	call(t, "b", "10.0.0.1", 200, "origin", 1000, 1003 + TRAFFIC_KEEP);
	traffic_free(t);
}

/* However many call, no more is kept than there is room for */
static void test_limit(void **state)
{
	struct traffic_log *t = traffic_new(1), *many = traffic_new(1);
	auto_json json_t *all = NULL, *rest = NULL;
	json_int_t sum = 0;
	const json_t *row;
	size_t i;

	(void)state;
	for (int n = 0; n < 3 * TRAFFIC_EDGES; n++) {
		auto_free char *from = xasprintf("10.0.%d.%d", n >> 8, n & 255);

		call(t, "b", from, 200, "local", 1, 2);
	}
	call(t, "c", "10.1.0.0", 200, "local", 1, 2);
	all = traffic_json(t, NULL, 3);
	fits(all);
	json_array_foreach (json_object_get(all, "edges"), i, row)
		sum += json_integer_value(json_object_get(row, "calls"));
	/* of both Services the rest is in one edge */
	assert_int_equal(i, TRAFFIC_EDGES + 2);
	assert_int_equal(sum, 3 * TRAFFIC_EDGES + 1);
	assert_int_equal(json_integer_value(json_object_get(all, "dropped")),
			 0);
	traffic_free(t);
	for (int n = 0; n < 3 * TRAFFIC_EDGES; n++) {
		auto_free char *service = xasprintf("s%d", n);

		call(many, service, "10.1.0.0", 200, "local", 1, 2);
	}
	rest = traffic_json(many, NULL, 3);
	assert_int_equal(json_array_size(json_object_get(rest, "edges")),
			 TRAFFIC_EDGES + TRAFFIC_REST);
	assert_int_equal(json_integer_value(json_object_get(rest, "dropped")),
			 2 * TRAFFIC_EDGES - TRAFFIC_REST);
	traffic_free(many);
}

/* Each session hears of each request */
static void test_sessions(void **state)
{
	struct traffic_log *t = traffic_new(1);
	auto_json json_t *all = NULL, *later = NULL;

	(void)state;
	told(t, "mesh-1", "b", "10.0.0.1", 200, "other", 1000, 2);
	told(t, "mesh-2", "b", "10.0.0.1", 200, "local", 1000, 2);
	told(t, "mesh-2", "b", "10.0.0.1", 503, "router", -1, 2);
	told(t, "mesh-1", "b", "10.0.0.1", 503, "router", -1, 2);
	told(t, "mesh-1", "b", "10.0.0.1", 200, "local", 1000, 2);
	told(t, "mesh-2", "b", "10.0.0.1", 200, "other", 1000, 2);
	told(t, "mesh-2", "c", "10.0.0.1", 200, "origin", 1000, 2);
	all = traffic_json(t, NULL, 3);
	assert_int_equal(number(all, "services", "b", NULL, "calls"), 3);
	assert_int_equal(number(all, "services", "b", NULL, "failed"), 1);
	assert_int_equal(number(all, "services", "b", NULL, "local"), 2);
	assert_int_equal(number(all, "services", "c", NULL, "calls"), 1);
	/* the next one takes over */
	traffic_ended(t, "mesh-1");
	told(t, "mesh-2", "b", "10.0.0.1", 200, "origin", 1000, 3);
	told(t, "mesh-3", "b", "10.0.0.1", 200, "origin", 1000, 3);
	later = traffic_json(t, NULL, 4);
	assert_int_equal(number(later, "services", "b", NULL, "calls"), 4);
	traffic_free(t);
}

static void test_callers(void **state)
{
	auto_json json_t *names = json_object();
	static const char pods[] =
		"["
		"{'metadata': {'name': 'web-5d8f-x2', 'labels': "
		"{'pod-template-hash': '5d8f'}, 'ownerReferences': [{'kind': "
		"'ReplicaSet', 'name': 'web-5d8f'}]}, 'status': {'podIPs': "
		"[{'ip': '10.0.0.1'}, {'ip': 'fd00::1'}]}},"
		"{'metadata': {'name': 'db-0', 'ownerReferences': [{'kind': "
		"'StatefulSet', 'name': 'db'}]}, 'status': {'podIPs': [{'ip': "
		"'10.0.0.2'}]}},"
		"{'metadata': {'name': 'bare'}, 'status': {'podIPs': [{'ip': "
		"'10.0.0.3'}]}},"
		"{'metadata': {'name': 'kt-connect-shadow-abcde', 'labels': "
		"{'kt-role': 'shadow-connect'}, 'annotations': {'kt-user': "
		"'ann', 'kt-machine': 'box'}}, 'status': {'podIPs': [{'ip': "
		"'10.0.0.4'}]}},"
		"{'metadata': {'name': 'proxy'}, 'spec': {'hostNetwork': true},"
		" 'status': {'podIPs': [{'ip': '10.0.0.5'}]}},"
		"{'metadata': {'name': 'pending'}, 'status': {}}]";
	auto_json json_t *list = json_quoted(pods);
	const json_t *pod;
	size_t i;

	(void)state;
	json_array_foreach (list, i, pod)
		callers_note(names, pod);
	assert_string_equal(json_str(names, "10.0.0.1", NULL), "web");
	assert_string_equal(json_str(names, "fd00::1", NULL), "web");
	assert_string_equal(json_str(names, "10.0.0.2", NULL), "db");
	assert_string_equal(json_str(names, "10.0.0.3", NULL), "bare");
	assert_string_equal(json_str(names, "10.0.0.4", NULL), "ann@box");
	assert_int_equal(json_object_size(names), 5);
	/* an address of one that is gone, and has another's by now */
	json_object_set_new(names, "fd00::1", json_string("new"));
	callers_forget(names, json_array_get(list, 0));
	assert_null(json_object_get(names, "10.0.0.1"));
	assert_string_equal(json_str(names, "fd00::1", NULL), "new");
	/* one that is over keeps its address in its status */
	json_object_set_new(json_object_get(json_array_get(list, 1), "status"),
			    "phase", json_string("Succeeded"));
	callers_note(names, json_array_get(list, 1));
	assert_null(json_object_get(names, "10.0.0.2"));
	assert_int_equal(json_object_size(names), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
