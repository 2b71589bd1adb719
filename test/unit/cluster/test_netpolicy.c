/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "json.h"

#include "base/mem.h"
#include "cluster/netpolicy.h"
#include "kube/rest.h"

#include <string.h>

#define SHADOW "{'kt-role': 'shadow-exchange', 'kt-target': 'x'}"
#define WEB "{'app': 'web', 'tier': 'front'}"
#define POLICY(name, spec)                                                     \
	"{'metadata': {'name': '" name "'}, 'spec': " spec "}"
#define DENY POLICY("deny", "{'podSelector': {}, 'policyTypes': ['Ingress']}")
#define WEB_OPEN                                                               \
	POLICY("web", "{'podSelector': {'matchLabels': {'app': "               \
		      "'web'}}, 'ingress': [{'from': []}]}")

static void expect(const char *policies, const char *own, const char *name)
{
	auto_json json_t *list = json_quoted(policies);
	auto_json json_t *shadow = json_quoted(SHADOW);
	auto_json json_t *labels = own ? json_quoted(own) : NULL;
	const char *got = netpolicy_keeps_out(list, shadow, labels);

	if (name)
		assert_string_equal(got, name);
	else
		assert_null(got);
}

static void finds_who_is_kept_out(void **state)
{
	(void)state;
	expect("[]", WEB, NULL);
	/* the usual pair: nobody, but for those Pods */
	expect("[" DENY "," WEB_OPEN "]", WEB, "web");
	/* the shadow is not isolated */
	expect("[" WEB_OPEN "]", WEB, NULL);
	/* nobody reached the Service before either */
	expect("[" DENY "]", WEB, NULL);
	/* a new Service has no Pods of its own */
	expect("[" DENY "]", NULL, "deny");
	expect("[" DENY
	       "," POLICY("all", "{'podSelector': {}, 'ingress': [{}]}") "]",
	       NULL, NULL);
	/* what is for egress only is no matter */
	expect("[" POLICY("out", "{'podSelector': {}, 'policyTypes': "
				 "['Egress']}") "," WEB_OPEN "]",
	       WEB, NULL);
	/* the policy that lets callers in selects the shadow, too */
	expect("[" DENY "," POLICY("both", "{'podSelector': {}, 'ingress': "
					   "[{}]}") "]",
	       WEB, NULL);
}

static void selects(const char *selector, const char *labels, bool wanted)
{
	auto_free char *text =
		xasprintf("{'spec': {'podSelector': %s}}", selector);
	auto_json json_t *policy = json_quoted(text);
	auto_json json_t *l = json_quoted(labels);

	assert_int_equal(netpolicy_selects(policy, l), wanted);
}

static void selects_by_expressions(void **state)
{
#define EXPR(rest) "{'matchExpressions': [{'key': 'app', " rest "}]}"
	(void)state;
	selects("{}", "{}", true);
	selects("{'matchLabels': {'app': 'web', 'tier': 'front'}}", WEB, true);
	selects("{'matchLabels': {'app': 'web', 'tier': 'back'}}", WEB, false);
	selects(EXPR("'operator': 'In', 'values': ['a', 'web']"), WEB, true);
	selects(EXPR("'operator': 'In', 'values': ['a']"), WEB, false);
	selects(EXPR("'operator': 'In', 'values': ['a']"), "{}", false);
	selects(EXPR("'operator': 'NotIn', 'values': ['web']"), WEB, false);
	selects(EXPR("'operator': 'NotIn', 'values': ['web']"), "{}", true);
	selects(EXPR("'operator': 'Exists'"), WEB, true);
	selects(EXPR("'operator': 'Exists'"), "{}", false);
	selects(EXPR("'operator': 'DoesNotExist'"), "{}", true);
	selects(EXPR("'operator': 'DoesNotExist'"), WEB, false);
	selects(EXPR("'operator': 'Like'"), WEB, false); /* not of ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_who_is_kept_out),
		cmocka_unit_test(selects_by_expressions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
