/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "json.h"

#include "base/mem.h"
#include "env/member.h"
#include "env/member_source.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/* Ports of a record for a Service with the ports @own whose member is one with
 * @other; "": there are none, and @err says why */
static const char *ports(const char *own, const char *other,
			 struct kt_error *err)
{
	static char text[256];
	auto_json json_t *service =
		json_pack("{s:{s:s},s:{s:o}}", "metadata", "name", "web",
			  "spec", "ports", json_quoted(own));
	auto_json json_t *beside =
		json_pack("{s:{s:s},s:{s:o}}", "metadata", "name", "beside",
			  "spec", "ports", json_quoted(other));
	auto_json json_t *got = member_ports(service, beside, err);
	const json_t *p;
	size_t i, n = 0;

	text[0] = '\0';
	json_array_foreach (got, i, p) {
		const json_t *to = json_object_get(p, "targetPort");
		auto_free char *target = json_dumps(to, JSON_ENCODE_ANY);

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld>%s",
				      i ? " " : "",
				      (long long)json_integer_value(
					      json_object_get(p, "port")),
				      target);
	}
	return text;
}

static void expect(const char *own, const char *other, const char *want)
{
	struct kt_error err = { 0 };

	assert_string_equal(ports(own, other, &err), want);
	assert_int_equal(err.code, 0);
}

/* Its name is a label, and no other record's */
static void pods_of_others_have_a_service(void **state)
{
	char a[64], b[64];
	auto_json json_t *record = json_quoted(
		"{'metadata': {'name': 'web-kt-mesh-x', 'uid': 'u', "
		"'annotations': {'kt-user': 'ann'}}, "
		"'spec': {'selector': {'app': 'v2'}}}");
	auto_json json_t *got = member_source_make(record, "dev.pr");
	auto_free char *short_one = member_source_name("web-kt-mesh-x");
	const json_t *owner;

	(void)state;
	assert_string_equal(short_one, "web-kt-mesh-x-source");
	assert_string_equal(json_str(got, "metadata", "name", NULL), short_one);
	assert_string_equal(
		json_str(got, "metadata", "labels", "kt-role", NULL),
		"env-source");
	assert_string_equal(json_str(got, "metadata", "labels", "kt-env", NULL),
			    "dev.pr");
	assert_string_equal(json_str(got, "spec", "clusterIP", NULL), "None");
	assert_string_equal(json_str(got, "spec", "selector", "app", NULL),
			    "v2");
	owner = json_array_get(
		json_at(got, "metadata", "ownerReferences", NULL), 0);
	assert_string_equal(json_str(owner, "kind", NULL), "Service");
	assert_string_equal(json_str(owner, "uid", NULL), "u");
	memset(a, 'a', 63);
	memset(b, 'a', 63);
	a[63] = b[63] = '\0';
	b[62] = 'b';
	{
		auto_free char *one = member_source_name(a);
		auto_free char *two = member_source_name(b);

		assert_int_equal(strlen(one), 63);
		assert_string_not_equal(one, two);
	}
}

/* The router asks for the number that callers of the Service ask for */
static void numbers_are_the_services(void **state)
{
	(void)state;
	expect("[{'port': 80}]", "[{'port': 80, 'targetPort': 8080}]",
	       "80>8080");
	expect("[{'port': 80}]", "[{'port': 9000, 'targetPort': 'http'}]",
	       "80>\"http\"");
	expect("[{'port': 80, 'targetPort': 1}]", "[{'port': 9000}]",
	       "80>9000");
	expect("[{'port': 80, 'name': 'http'}, {'port': 81, 'name': 'admin'}]",
	       "[{'port': 80, 'name': 'admin', 'targetPort': 1},"
	       "{'port': 90, 'name': 'http', 'targetPort': 2}]",
	       "80>2 81>1");
	expect("[{'port': 53, 'protocol': 'UDP'}, {'port': 53}]",
	       "[{'port': 53, 'targetPort': 1},"
	       "{'port': 53, 'protocol': 'UDP', 'targetPort': 2}]",
	       "53>2 53>1");
}

static void expect_none(const char *own, const char *other, const char *says)
{
	struct kt_error err = { 0 };

	assert_string_equal(ports(own, other, &err), "");
	assert_int_equal(err.code, ENOENT);
	assert_non_null(strstr(err.msg, says));
}

static void a_port_that_is_missing_is_named(void **state)
{
	(void)state;
	expect_none("[{'port': 80}, {'port': 81}]", "[{'port': 80}]",
		    "Service beside has no port that stands for port 81 of "
		    "Service web");
	expect_none("[{'port': 80}]", "[{'port': 1}, {'port': 2}]", "port 80");
	expect_none("[{'port': 80}]", "[{'port': 80, 'protocol': 'UDP'}]",
		    "port 80");
	expect_none("[{'port': 80}]", "[]", "port 80");
}

/* Its calls would come from the node's address, which is nobody's */
static void the_nodes_network_is_refused(void **state)
{
	auto_json json_t *good = json_quoted(
		"[{'spec': {'hostNetwork': false}}, {'spec': {}}, {}]");
	auto_json json_t *bad = json_quoted(
		"[{'metadata': {'name': 'a'}, 'spec': {}},"
		" {'metadata': {'name': 'b'}, 'spec': {'hostNetwork': true}}]");
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(member_check_pods(good, &err), 0);
	assert_int_equal(member_check_pods(NULL, &err), 0);
	assert_int_equal(member_check_pods(bad, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "Pod b has its node's network"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_services),
		cmocka_unit_test(a_port_that_is_missing_is_named),
		cmocka_unit_test(the_nodes_network_is_refused),
		cmocka_unit_test(pods_of_others_have_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
