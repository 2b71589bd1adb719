/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "image/reference.h"

#include <errno.h>
#include <string.h>

#define OURS "v" KT_VERSION

static const struct {
	const char *text, *registry, *repository, *tag; /* NULL: refused */
	bool local;
} rows[] = {
	{ "r.example/a", "r.example", "a", OURS, false },
	{ "r.example/a:1", "r.example", "a", "1", false },
	{ "R.example:5000/a/b-c/d__e.f:x_Y.z-1", "R.example:5000",
	  "a/b-c/d__e.f", "x_Y.z-1", false },
	{ "localhost/a", "localhost", "a", OURS, true },
	{ "localhost:5000/a", "localhost:5000", "a", OURS, true },
	{ "127.9.0.1:5000/a:b", "127.9.0.1:5000", "a", "b", true },
	{ "[::1]:5000/a", "[::1]:5000", "a", OURS, true },
	{ "[fd00::1]/a", "[fd00::1]", "a", OURS, false },
	{ "registry:80/a", "registry:80", "a", OURS, false },
	{ "r.example/a-----b", "r.example", "a-----b", OURS, false },
	{ "team/shadow", NULL, NULL, NULL, false },
	{ "shadow", NULL, NULL, NULL, false },
	{ "", NULL, NULL, NULL, false },
	{ "/a", NULL, NULL, NULL, false },
	{ "r.example/", NULL, NULL, NULL, false },
	{ "r.example//a", NULL, NULL, NULL, false },
	{ "r.example/a/", NULL, NULL, NULL, false },
	{ "r.example/A", NULL, NULL, NULL, false },
	{ "r.example/a..b", NULL, NULL, NULL, false },
	{ "r.example/a___b", NULL, NULL, NULL, false },
	{ "r.example/a.", NULL, NULL, NULL, false },
	{ "r.example/-a", NULL, NULL, NULL, false },
	{ "r.example/a?b", NULL, NULL, NULL, false },
	{ "r.example/../a", NULL, NULL, NULL, false },
	{ "r.example/a:", NULL, NULL, NULL, false },
	{ "r.example/a:-1", NULL, NULL, NULL, false },
	{ "r.example/a:b:c", NULL, NULL, NULL, false },
	{ "r.example/a@sha256:00", NULL, NULL, NULL, false },
	{ "r.example:0/a", NULL, NULL, NULL, false },
	{ "r.example:x/a", NULL, NULL, NULL, false },
	{ "user@r.example/a", NULL, NULL, NULL, false },
	{ "r..example/a", NULL, NULL, NULL, false },
	{ "-r.example/a", NULL, NULL, NULL, false },
	{ "[::1/a", NULL, NULL, NULL, false },
	{ "[x]:5000/a", NULL, NULL, NULL, false },
	{ "https://r.example/a", NULL, NULL, NULL, false },
};

static void reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kt_error err = { 0 };
		auto_free char *text = NULL, *want = NULL;
		struct reference r;
		int rc = reference_parse(&r, rows[i].text, &err);

		if (rc != (rows[i].tag ? 0 : -EINVAL))
			fail_msg("%s: %s", rows[i].text, err.msg);
		if (rc < 0) {
			assert_non_null(strstr(err.hint, "REGISTRY/REPO"));
			continue;
		}
		assert_string_equal(r.registry, rows[i].registry);
		assert_string_equal(r.repository, rows[i].repository);
		assert_string_equal(r.tag, rows[i].tag);
		text = reference_text(&r);
		want = xasprintf("%s/%s:%s", rows[i].registry,
				 rows[i].repository, rows[i].tag);
		assert_string_equal(text, want);
		assert_int_equal(reference_is_local(&r), rows[i].local);
		assert_string_equal(reference_host(&r), rows[i].registry);
		assert_string_equal(reference_key(&r), rows[i].registry);
	}
}

static void bounds(void **state)
{
	char text[512] = "r.example/a:";
	struct kt_error err = { 0 };
	struct reference r;
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 't', 128);
	assert_int_equal(reference_parse(&r, text, &err), 0);
	text[n + 128] = 't';
	assert_int_equal(reference_parse(&r, text, &err), -EINVAL);
	memset(text, 0, sizeof(text));
	memcpy(text, "r.example/", 10);
	memset(text + 10, 'a', 255);
	assert_int_equal(reference_parse(&r, text, &err), 0);
	text[265] = 'a';
	assert_int_equal(reference_parse(&r, text, &err), -EINVAL);
}

static void knows_docker_hub(void **state)
{
	struct kt_error err = { 0 };
	struct reference r;

	(void)state;
	assert_int_equal(reference_parse(&r, "docker.io/ann/shadow", &err), 0);
	assert_string_equal(reference_host(&r), "registry-1.docker.io");
	assert_string_equal(reference_key(&r), "https://index.docker.io/v1/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(bounds),
		cmocka_unit_test(knows_docker_hub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
