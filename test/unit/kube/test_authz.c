/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "kube/authz.h"
#include "kube/denied.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_refusals),
		cmocka_unit_test(prints_a_role),
		cmocka_unit_test(prints_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
