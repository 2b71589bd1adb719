/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "map/guard.h"

#include <string.h>

#define TOKEN "abcdefghijklmnopqrstuvwxyzabcdef"

static const struct guard guard = { TOKEN, 4711 };

/* A good request but for what is named */
static enum guard_answer ask(const char *method, const char *path,
			     const char *host, const char *origin)
{
	const struct guard_request r = {
		.method = method,
		.path = path,
		.host = host,
		.origin = origin,
		.hosts = host != NULL,
		.origins = origin != NULL,
	};

	return guard_check(&guard, &r);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		enum guard_answer want;
	} rows[] = {
		{ "/" TOKEN "/", GUARD_PAGE },
		{ "/" TOKEN "/events", GUARD_EVENTS },
		{ "/" TOKEN "/state.json", GUARD_STATE },
		{ "/" TOKEN, GUARD_NOT_FOUND },
		{ "/" TOKEN "/events/", GUARD_NOT_FOUND },
		{ "/" TOKEN "//", GUARD_NOT_FOUND },
		{ "/" TOKEN "/../", GUARD_NOT_FOUND },
		{ "/" TOKEN "/../../etc/passwd", GUARD_NOT_FOUND },
		{ "/" TOKEN "x/", GUARD_NOT_FOUND },
		{ "/x" TOKEN "/", GUARD_NOT_FOUND },
		{ "//" TOKEN "/", GUARD_NOT_FOUND },
		{ "/./" TOKEN "/", GUARD_NOT_FOUND },
		{ "/ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF/", GUARD_NOT_FOUND },
		{ "/abcdefghijklmnopqrstuvwxyzabcdeg/", GUARD_NOT_FOUND },
		{ "/bbcdefghijklmnopqrstuvwxyzabcdef/", GUARD_NOT_FOUND },
		{ "/abc/", GUARD_NOT_FOUND },
		{ "/", GUARD_NOT_FOUND },
		{ "", GUARD_NOT_FOUND },
		{ "*", GUARD_NOT_FOUND },
		{ "/favicon.ico", GUARD_NOT_FOUND },
		{ NULL, GUARD_NOT_FOUND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (ask("GET", rows[i].path, "127.0.0.1:4711", NULL) !=
		    rows[i].want)
			fail_msg("path %s", rows[i].path);
}

static void test_host(void **state)
{
	static const char *const good[] = { "127.0.0.1:4711", "localhost:4711",
					    "LOCALHOST:4711" };
	static const char *const bad[] = {
		"127.0.0.1",	       "127.0.0.1:4712",
		"127.0.0.1:47110",     "localhost",
		"localhost.:4711",     "evil.example:4711",
		"127.0.0.1.evil:4711", "evil.127.0.0.1:4711",
		"[::1]:4711",	       "0.0.0.0:4711",
		"127.0.0.1:4711,x",    "127.1:4711",
		" 127.0.0.1:4711",     "",
	};
	struct guard_request twice = {
		"GET", "/" TOKEN "/", "127.0.0.1:4711", NULL, 2, 0
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (ask("GET", "/" TOKEN "/", good[i], NULL) != GUARD_PAGE)
			fail_msg("host %s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ask("GET", "/" TOKEN "/", bad[i], NULL) != GUARD_FORBIDDEN)
			fail_msg("host %s", bad[i]);
	assert_int_equal(ask("GET", "/" TOKEN "/", NULL, NULL),
			 GUARD_FORBIDDEN);
	assert_int_equal(guard_check(&guard, &twice), GUARD_FORBIDDEN);
	/* nor is a path without the token told apart from there */
	assert_int_equal(ask("GET", "/", "evil:4711", NULL), GUARD_FORBIDDEN);
}

static void test_origin(void **state)
{
	static const char *const bad[] = {
		"http://localhost:4711", /* not that of Host */
		"https://127.0.0.1:4711",
		"http://127.0.0.1",
		"http://127.0.0.1:4712",
		"http://evil.example",
		"http://127.0.0.1:4711.evil.example",
		"null",
		"",
		"127.0.0.1:4711",
	};
	struct guard_request twice = { "GET",
				       "/" TOKEN "/",
				       "127.0.0.1:4711",
				       "http://127.0.0.1:4711",
				       1,
				       2 };

	(void)state;
	assert_int_equal(ask("GET", "/" TOKEN "/events", "127.0.0.1:4711",
			     "http://127.0.0.1:4711"),
			 GUARD_EVENTS);
	assert_int_equal(ask("GET", "/" TOKEN "/events", "localhost:4711",
			     "http://localhost:4711"),
			 GUARD_EVENTS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ask("GET", "/" TOKEN "/events", "127.0.0.1:4711", bad[i]) !=
		    GUARD_FORBIDDEN)
			fail_msg("origin %s", bad[i]);
	assert_int_equal(guard_check(&guard, &twice), GUARD_FORBIDDEN);
}

static void test_method(void **state)
{
	static const char *const bad[] = { "POST", "PUT",     "DELETE", "PATCH",
					   "get",  "OPTIONS", "TRACE",	"" };

	(void)state;
	assert_int_equal(ask("HEAD", "/" TOKEN "/", "127.0.0.1:4711", NULL),
			 GUARD_PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (ask(bad[i], "/" TOKEN "/", "127.0.0.1:4711", NULL) !=
		    GUARD_METHOD)
			fail_msg("method %s", bad[i]);
		/* who does not know the token learns nothing */
		assert_int_equal(ask(bad[i], "/x", "127.0.0.1:4711", NULL),
				 GUARD_NOT_FOUND);
	}
}

static void test_token(void **state)
{
	struct guard a, b;
	auto_free char *url = NULL;

	(void)state;
	guard_init(&a, 1);
	guard_init(&b, 1);
	assert_int_equal(strlen(a.token), GUARD_TOKEN_LEN);
	assert_string_not_equal(a.token, b.token);
	url = guard_url(&guard);
	assert_string_equal(url, "http://127.0.0.1:4711/" TOKEN "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),  cmocka_unit_test(test_host),
		cmocka_unit_test(test_origin), cmocka_unit_test(test_method),
		cmocka_unit_test(test_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
