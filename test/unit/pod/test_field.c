/* SPDX-License-Identifier: Apache-2.0 */
/* What a Pod tells of itself, quantities, $(NAME) */
#include "json.h"

#include "kube/rest.h"
#include "pod/expand.h"
#include "pod/field.h"
#include "pod/quantity.h"

#include <errno.h>
#include <string.h>

static const char *value(void *user, const char *name)
{
	(void)user;
	if (strcmp(name, "A") == 0)
		return "1";
	return strcmp(name, "E") == 0 ? "" : NULL;
}

/* The kubelet's own examples, and more */
static void references_are_replaced(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "$(A)", "1" },
		{ "x$(A)y$(E)z", "x1yz" },
		{ "$(NOBODY)", "$(NOBODY)" },
		{ "$$(A)", "$(A)" },
		{ "$$$(A)", "$1" },
		{ "$$$$(A)", "$$(A)" },
		{ "$(A", "$(A" },
		{ "$A $ (A)$", "$A $ (A)$" },
		{ "$()", "$()" },
		{ "$($(A))", "$($(A))" },
		{ "$\n$(A)", "$\n1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = expand_text(cases[i][0], value, NULL);

		assert_string_equal(text, cases[i][1]);
	}
}

static void quantities_are_divided(void **state)
{
	static const struct {
		const char *text, *divisor;
		int milli;
		int64_t wanted; /* or -errno */
	} cases[] = {
		{ "1500m", "1", 1, 2 },
		{ "1500m", "1m", 1, 1500 },
		{ "250m", "0", 1, 1 },
		{ "2", "1", 1, 2 },
		{ "100Mi", "1", 0, 104857600 },
		{ "100Mi", "1Mi", 0, 100 },
		{ "100M", "1Mi", 0, 96 },
		{ "1.5Gi", "1Mi", 0, 1536 },
		{ "1e3", "1", 0, 1000 },
		{ "1E", "1k", 0, 1000000000000000 },
		{ "128974848000m", "1", 0, 128974848 },
		{ "1u", "1", 0, 1 },
		{ "16Ei", "1", 0, -ERANGE },
		{ "", "1", 0, -EINVAL },
		{ "1x", "1", 0, -EINVAL },
		{ "1", "x", 0, -EINVAL },
		{ ".", "1", 0, -EINVAL },
		{ "99999999999999999999999999999999999999999", "1", 0,
		  -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t v = 0;
		int rc = quantity_divided(cases[i].text, cases[i].divisor,
					  cases[i].milli, &v);

		assert_int_equal(rc < 0 ? rc : v, cases[i].wanted);
	}
}

static json_t *pod(void)
{
	return json_quoted(
		"{'metadata': {'name': 'p', 'namespace': 'ns', 'uid': 'u',"
		" 'labels': {'b': '2', 'a/x': '1'},"
		" 'annotations': {'k': "
		"'a\\n\\u00e4\\u0001\\u00a0\\u200b\\ud83d\\ude00\\\\'}},"
		" 'spec': {'nodeName': 'node', 'serviceAccountName': 'sa',"
		"  'containers': [{'name': 'c', 'resources':"
		"    {'limits': {'cpu': '1500m'}}}, {'name': 'd'}]},"
		" 'status': {'podIP': '10.0.0.1', 'hostIP': '192.0.2.1',"
		"  'podIPs': [{'ip': '10.0.0.1'}, {'ip': 'fd00::1'}]}}");
}

static void fields_are_the_kubelets(void **state)
{
	static const char *const cases[][2] = {
		{ "metadata.name", "p" },
		{ "metadata.namespace", "ns" },
		{ "metadata.uid", "u" },
		{ "spec.nodeName", "node" },
		{ "spec.serviceAccountName", "sa" },
		{ "status.podIP", "10.0.0.1" },
		{ "status.podIPs", "10.0.0.1,fd00::1" },
		{ "status.hostIP", "192.0.2.1" },
		{ "status.hostIPs", "192.0.2.1" },
		{ "metadata.labels['a/x']", "1" },
		{ "metadata.labels['nobody']", "" },
		{ "metadata.labels", "a/x=\"1\"\nb=\"2\"" },
		{ "metadata.annotations",
		  "k=\"a\\n\u00e4\\x01\\u00a0\\u200b\U0001F600\\\\\"" },
	};
	auto_json json_t *p = pod();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = pod_field(p, cases[i][0]);

		assert_non_null(text);
		assert_string_equal(text, cases[i][1]);
	}
	assert_null(pod_field(p, "status.phase"));
	assert_null(pod_field(p, "metadata.labels['a"));
}

static void resources_are_the_limits_or_the_nodes(void **state)
{
	auto_json json_t *p = pod();
	auto_json json_t *cpu = json_quoted("{'resource': 'limits.cpu'}");
	auto_json json_t *mem =
		json_quoted("{'resource': 'limits.memory', 'divisor': '1Mi',"
			    " 'containerName': 'd'}");
	auto_json json_t *asked = json_quoted("{'resource': 'requests.cpu'}");
	auto_json json_t *node =
		json_quoted("{'status': {'allocatable': {'memory': '2Gi'}}}");
	struct kt_error err = { 0 };
	char *text = pod_resource(p, cpu, "c", NULL, &err);

	(void)state;
	assert_string_equal(text, "2");
	free(text);
	assert_null(pod_resource(p, mem, "c", NULL, &err));
	assert_int_equal(err.code, ENODATA);
	text = pod_resource(p, mem, "c", node, &err);
	assert_string_equal(text, "2048");
	free(text);
	text = pod_resource(p, asked, "c", NULL, &err);
	assert_string_equal(text, "0");
	free(text);
	assert_null(pod_resource(p, asked, "nobody", NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_replaced),
		cmocka_unit_test(quantities_are_divided),
		cmocka_unit_test(fields_are_the_kubelets),
		cmocka_unit_test(resources_are_the_limits_or_the_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
