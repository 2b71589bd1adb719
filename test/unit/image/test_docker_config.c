/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "image/docker_config.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define HUB "https://index.docker.io/v1/"

/* YW5uOnNlOmNyZXQ= is "ann:se:cret" */
static const char config[] =
	"{\"auths\": {"
	"\"a.example\": {\"auth\": \"YW5uOnNlOmNyZXQ=\"},"
	"\"https://b.example:5000/v1/\": {\"auth\": \"YW5uOnNlOmNyZXQ=\"},"
	"\"" HUB "\": {\"username\": \"bob\", \"password\": \"p\"},"
	"\"c.example\": {\"auth\": \"bm9jb2xvbg==\"},"
	"\"d.example\": {\"auth\": \"!\"},"
	"\"e.example\": {},"
	"\"f.example\": {\"auth\": \"YW5uOg==\", \"identitytoken\": \"R\"},"
	"\"g.example\": {\"registrytoken\": \"T\"},"
	"\"h.example\": {\"auth\": 7}},"
	"\"credHelpers\": {\"i.example\": \"pass\", \"j.example\": \"../x\"},"
	"\"credsStore\": \"desktop\"}";

static json_t *parsed(const char *text)
{
	struct kt_error err = { 0 };
	json_t *root;

	assert_int_equal(docker_config_parse(&root, text, strlen(text), &err),
			 0);
	return root;
}

static void reads_entries(void **state)
{
	static const struct {
		const char *key;
		int rc;
		const char *user, *password, *identity, *token;
	} rows[] = {
		{ "a.example", 0, "ann", "se:cret", NULL, NULL },
		{ "A.example", -ENOENT, NULL, NULL, NULL, NULL },
		{ "b.example:5000", 0, "ann", "se:cret", NULL, NULL },
		{ "b.example", -ENOENT, NULL, NULL, NULL, NULL },
		{ HUB, 0, "bob", "p", NULL, NULL },
		{ "c.example", -EINVAL, NULL, NULL, NULL, NULL },
		{ "d.example", -EINVAL, NULL, NULL, NULL, NULL },
		{ "e.example", -ENOENT, NULL, NULL, NULL, NULL },
		{ "f.example", 0, "ann", "", "R", NULL },
		{ "g.example", 0, NULL, NULL, NULL, "T" },
		{ "h.example", -ENOENT, NULL, NULL, NULL, NULL },
	};
	auto_json json_t *root = parsed(config);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kt_error err = { 0 };
		struct docker_auth a;

		if (docker_config_auth(root, rows[i].key, &a, &err) !=
		    rows[i].rc)
			fail_msg("%s: %s", rows[i].key, err.msg);
		if (rows[i].user)
			assert_string_equal(a.username, rows[i].user);
		if (rows[i].password)
			assert_string_equal(a.password, rows[i].password);
		if (rows[i].identity)
			assert_string_equal(a.identity_token, rows[i].identity);
		if (rows[i].token)
			assert_string_equal(a.registry_token, rows[i].token);
		assert_int_equal(!a.identity_token, !rows[i].identity);
		docker_auth_fini(&a);
	}
}

static void names_helpers(void **state)
{
	auto_json json_t *root = parsed(config);
	auto_json json_t *none = parsed("{\"credHelpers\": {\"a\": \"x y\"}}");

	(void)state;
	assert_string_equal(docker_config_helper(root, "i.example"), "pass");
	assert_string_equal(docker_config_helper(root, "a.example"), "desktop");
	assert_null(docker_config_helper(root, "j.example"));
	assert_null(docker_config_helper(none, "a"));
	assert_null(docker_config_helper(none, "b"));
}

static void takes_answers(void **state)
{
	static const char password[] = "{\"ServerURL\": \"x\", \"Username\": "
				       "\"u\", \"Secret\": \"s\"}";
	static const char token[] =
		"{\"Username\": \"<token>\", \"Secret\": \"R\"}\n";
	struct docker_auth a;

	(void)state;
	assert_int_equal(docker_helper_answer(password, strlen(password), &a),
			 0);
	assert_string_equal(a.username, "u");
	assert_string_equal(a.password, "s");
	docker_auth_fini(&a);
	assert_int_equal(docker_helper_answer(token, strlen(token), &a), 0);
	assert_null(a.username);
	assert_string_equal(a.identity_token, "R");
	docker_auth_fini(&a);
	assert_int_equal(docker_helper_answer("{\"Username\": \"u\"}", 17, &a),
			 -EINVAL);
	assert_int_equal(docker_helper_answer("", 0, &a), -EINVAL);
}

static void refuses_others(void **state)
{
	struct kt_error err = { 0 };
	json_t *root;

	(void)state;
	assert_int_equal(docker_config_parse(&root, "[]", 2, &err), -EINVAL);
	assert_int_equal(docker_config_parse(&root, "{\n\n,}", 5, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "line 3"));
	assert_null(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_entries),
		cmocka_unit_test(names_helpers),
		cmocka_unit_test(takes_answers),
		cmocka_unit_test(refuses_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
