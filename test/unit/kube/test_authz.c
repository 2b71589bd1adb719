/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "kube/authz.h"
#include "kube/denied.h"
#include "kube/status.h"
#include "kube/yamltree.h"

#include <string.h>

#define POD_LIST                                                               \
	"create pod: pods is forbidden: User \"dev\" cannot list resource "    \
	"\"pods\" in API group \"\" in the namespace \"t\""
#define NODE_LIST                                                              \
	"nodes is forbidden: User \"system:serviceaccount:ns:sa\" cannot "     \
	"list resource \"nodes\" in API group \"\" at the cluster scope"

static void parses_refusals(void **state)
{
	struct denied d;

	(void)state;
	assert_true(denied_parse(&d, POD_LIST));
	assert_string_equal(d.user, "dev");
	assert_string_equal(d.verb, "list");
	assert_string_equal(d.resource, "pods");
	assert_string_equal(d.group, "");
	assert_string_equal(d.ns, "t");
	assert_true(denied_parse(&d, NODE_LIST));
	assert_string_equal(d.ns, "");
	assert_false(denied_parse(&d, ""));
	assert_false(denied_parse(&d, "User \"x\" cannot"));
	/* it would become lines of a Role */
	assert_false(denied_parse(&d, "User \"x\ny\" cannot list resource "
				      "\"pods\" in API group \"\""));
	assert_false(
		denied_parse(&d, "pods \"x\" is forbidden: exceeded quota"));
}

static char *role_for(const char *message, int status)
{
	struct kt_error err = { .http_status = status };

	snprintf(err.msg, sizeof(err.msg), "%s", message);
	return authz_role_for(&err);
}

static void prints_a_role(void **state)
{
	auto_free char *role = role_for(POD_LIST, 403);
	auto_free char *cluster = role_for(NODE_LIST, 403);
	struct kt_error err = { 0 };
	json_t *tree;

	(void)state;
	assert_non_null(strstr(role, "kind: Role\n"));
	assert_non_null(strstr(role, "  namespace: t\n"));
	assert_non_null(strstr(role, "resources: [\"pods\"]"));
	assert_non_null(strstr(role, "verbs: [\"list\"]"));
	assert_non_null(strstr(role, "name: \"dev\""));
	assert_non_null(strstr(cluster, "kind: ClusterRoleBinding\n"));
	assert_non_null(strstr(cluster, "- kind: ServiceAccount\n"
					"  name: sa\n  namespace: ns\n"));
	tree = yaml_parse(role, strlen(role), "role", &err);
	assert_non_null(tree);
	json_decref(tree);
}

static void prints_nothing_else(void **state)
{
	(void)state;
	assert_null(role_for(POD_LIST, 500));
	assert_null(role_for("pods \"x\" is forbidden: exceeded quota", 403));
	assert_null(role_for("User \"a\nkind: x\" cannot list resource "
			     "\"pods\" in API group \"\" in the namespace "
			     "\"t\"",
			     403));
}

/* Whoever gives out user ids says so in words of its own; no Role would help */
static void shows_user_id_ranges(void **state)
{
	static const char said[] =
		"pods \"p\" is forbidden: unable to validate against any "
		"security context constraint: [provider restricted-v2: "
		".containers[0].runAsUser: Invalid value: 65534: must be in "
		"the ranges: [1000660000, 1000669999]]";
	json_t *status = json_pack("{s:s, s:s, s:s}", "kind", "Status",
				   "reason", "Forbidden", "message", said);
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(status_fail(&err, 403, "POST /x", status, ""), -1);
	assert_string_equal(err.msg, said);
	assert_non_null(strstr(err.hint, "65534"));
	assert_null(strstr(err.hint, "Role"));
	json_decref(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_refusals),
		cmocka_unit_test(prints_a_role),
		cmocka_unit_test(prints_nothing_else),
		cmocka_unit_test(shows_user_id_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
