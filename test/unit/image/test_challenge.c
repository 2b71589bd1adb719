/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "image/challenge.h"

#include <string.h>

static const struct {
	const char *value, *scheme, *realm, *service; /* realm NULL: none */
} rows[] = {
	{ "Basic realm=\"x\"", "Basic", "x", "" },
	{ "basic realm=x", "Basic", "x", "" },
	{ "Basic", "Basic", "", "" },
	{ "Basic", "Bearer", NULL, NULL },
	{ "", "Basic", NULL, NULL },
	/* RFC 9110, 11.6.1 */
	{ "Basic realm=\"simple\", Newauth realm=\"apps\", type=1, "
	  "title=\"Login to \\\"apps\\\"\"",
	  "Newauth", "apps", "" },
	{ "Newauth realm=\"apps\", type=1, title=\"a, Basic realm=\\\"b\", "
	  "Basic realm=\"simple\"",
	  "Basic", "simple", "" },
	{ "Bearer realm=\"https://auth.example/token\",service=\"reg\","
	  "scope=\"repository:a/b:pull,push\"",
	  "Bearer", "https://auth.example/token", "reg" },
	{ "Bearer  realm = \"r\" , service = s", "Bearer", "r", "s" },
	{ "Bearer service=\"s\" , , realm=\"q\\\\\\\"\"", "Bearer", "q\\\"",
	  "s" },
	/* a token68 has no parameters behind it */
	{ "Negotiate oYG2MIGz==, Basic realm=\"b\"", "Basic", "b", "" },
	{ "Negotiate oYG2/MIGz, Basic realm=\"b\"", "Basic", "b", "" },
	{ "Negotiate, Basic realm=\"b\"", "Basic", "b", "" },
	/* of two the first counts */
	{ "Basic realm=\"a\", Basic realm=\"b\"", "Basic", "a", "" },
	{ "Bearer realm=\"open", "Bearer", NULL, NULL },
	{ "Bearer realm=\"a\" service=\"b\"", "Bearer", NULL, NULL },
	{ "\"Basic\" realm=\"a\"", "Basic", NULL, NULL },
};

static void finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct challenge c;
		bool found = challenge_find(rows[i].value, rows[i].scheme, &c);

		if (found != (rows[i].realm != NULL))
			fail_msg("%s in %s", rows[i].scheme, rows[i].value);
		if (!found)
			continue;
		assert_string_equal(c.realm, rows[i].realm);
		assert_string_equal(c.service, rows[i].service);
	}
}

static void too_long_is_none(void **state)
{
	char text[4096] = "Bearer realm=\"";
	struct challenge c;
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 'a', sizeof(c.realm) - 1);
	memcpy(text + n + sizeof(c.realm) - 1, "\"", 2);
	assert_true(challenge_find(text, "Bearer", &c));
	assert_int_equal(strlen(c.realm), sizeof(c.realm) - 1);
	memcpy(text + n + sizeof(c.realm) - 1, "a\"", 3);
	assert_false(challenge_find(text, "Bearer", &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(too_long_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
