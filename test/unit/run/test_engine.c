/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/options.h"
#include "pod/vars.h"
#include "run/engine.h"

#include <errno.h>
#include <string.h>

static void what_the_engine_is_told(void **state)
{
	static const char *const want[] = {
		"podman",
		"run",
		"--network=host",
		"--env=A",
		"--env=dots.and-dashes",
		"--volume=/etc/x:/etc/x:ro",
		"--volume=/data:/data:rw",
		"--rm",
		"IMAGE",
	};
	static char rm[] = "--rm", image[] = "IMAGE";
	char *const args[] = { rm, image, NULL };
	const struct options o = { .run.engine = RUN_ENGINE_PODMAN };
	auto_strv struct strv names = { 0 }, mounts = { 0 }, words = { 0 };

	(void)state;
	strv_add(&names, "A");
	strv_add(&names, "B*"); /* podman would take all that begin so */
	strv_add(&names, "dots.and-dashes");
	strv_add(&mounts, "/etc/x");
	strv_add(&mounts, "r");
	strv_add(&mounts, "/data");
	strv_add(&mounts, "w");
	engine_words(&words, &o, &names, &mounts, args);
	assert_int_equal(words.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < words.n; i++)
		assert_string_equal(words.v[i], want[i]);
}

static void what_cannot_be(void **state)
{
	struct options o = { .run.engine = RUN_ENGINE_DOCKER };
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(engine_check(&o, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "ktctl connect"));
	o.run.engine = RUN_ENGINE_PODMAN;
	assert_int_equal(engine_check(&o, &err), 0);
	o.run.capture = RUN_SECCOMP;
	assert_int_equal(engine_check(&o, &err), -EINVAL);
	o.run.capture = RUN_AUTO;
	o.session.background = true;
	assert_int_equal(engine_check(&o, &err), -EINVAL);
	o.run.engine = RUN_ENGINE_NONE;
	assert_int_equal(engine_check(&o, &err), 0);
	assert_null(engine_program(&o));
}

/* A Pod's LD_PRELOAD is not for podman */
static void what_the_engine_obeys_stays_local(void **state)
{
	static const char *const own[] = { "LD_PRELOAD", "CONTAINER_HOST",
					   "_CONTAINERS_USERNS_CONFIGURED" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		bool found = false;

		for (const char *const *p = engine_local(); *p; p++)
			found |= vars_matches(*p, own[i]);
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_engine_is_told),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(what_the_engine_obeys_stays_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
