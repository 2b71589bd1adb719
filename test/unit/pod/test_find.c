/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "kube/rest.h"
#include "pod/find.h"

#include <errno.h>
#include <string.h>

#define POD(name, phase, ready, made, more)                                    \
	"{'metadata': {'name': '" name "', 'creationTimestamp': '" made        \
	"'" more "}, 'status': {'phase': '" phase                              \
	"', 'conditions': [{'type': 'Ready', 'status': '" ready "'}]}}"
#define OLD "2026-11-30T05:00:00Z"
#define NEW "2026-11-30T06:00:00Z"

static void chosen(const char *pods, const char *wanted)
{
	auto_json json_t *list = json_quoted(pods);
	const json_t *pod = pod_find_choose(list);

	if (!wanted)
		assert_null(pod);
	else
		assert_string_equal(json_str(pod, "metadata", "name", NULL),
				    wanted);
}

static void the_newest_that_is_ready_is_taken(void **state)
{
	(void)state;
	chosen("[" POD("a", "Running", "True", OLD,
		       "") ", " POD("b", "Running", "True", NEW, "") "]",
	       "b");
	chosen("[" POD("a", "Running", "True", OLD,
		       "") ", " POD("b", "Running", "False", NEW, "") "]",
	       "a");
	chosen("[" POD("a", "Pending", "True", OLD,
		       "") ", " POD("b", "Running", "False", OLD, "") "]",
	       "b");
	chosen("[" POD("a", "Running", "True", OLD,
		       ", 'deletionTimestamp': '" NEW "'") "]",
	       NULL);
	chosen("[" POD("a", "Running", "True", OLD,
		       ", 'labels': {'control-by': 'kt'}") "]",
	       NULL);
	chosen("[" POD("a", "Running", "True", OLD,
		       ", 'labels': {'kt-role': 'router'}") "]",
	       NULL);
	chosen("[]", NULL);
}

static void container_is(const char *annotations, const char *asked,
			 const char *wanted)
{
	auto_free char *text = xasprintf(
		"{'metadata': {'name': 'p', 'annotations': {%s}}, 'spec':"
		" {'containers': [{'name': 'a'}, {'name': 'b'}]}, 'status':"
		" {'containerStatuses': [{'name': 'b', 'x': 1}]}}",
		annotations);
	struct pod_found f = { .ns = "t", .pod = json_quoted(text) };
	struct kt_error err = { 0 };
	int rc = pod_find_container(&f, asked, &err);

	if (wanted) {
		assert_int_equal(rc, 0);
		assert_string_equal(f.container, wanted);
		assert_string_equal(f.name, "p");
		assert_int_equal(f.status != NULL, strcmp(wanted, "b") == 0);
	} else {
		assert_int_equal(rc, -EINVAL);
		assert_string_equal(
			err.msg, "Pod t/p has no container 'c'; it has a, b");
	}
	pod_found_fini(&f);
}

static void the_container_is_named_or_the_first(void **state)
{
	static const char b[] =
		"'kubectl.kubernetes.io/default-container': 'b'";
	static const char gone[] =
		"'kubectl.kubernetes.io/default-container': 'gone'";

	(void)state;
	container_is("", NULL, "a");
	container_is("", "b", "b");
	container_is(b, NULL, "b");
	container_is(b, "a", "a");
	container_is(gone, NULL, "a");
	container_is("", "c", NULL);
}

static void words_are_kubectls(void **state)
{
	static const char *const good[] = {
		"web",		 "web.other", "svc/web",       "deploy/web",
		"sts/db",	 "ds/log",    "daemonset/log", "rs/web-1",
		"job/migrate.1", "po/web-0",  "pod/web-0",
	};
	static const char *const bad[] = { "",	   "what/web", "ds/",
					   "ds/A", "job/a/b",  "Web" };
	struct kt_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(pod_find_check(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pod_find_check(bad[i], &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_that_is_ready_is_taken),
		cmocka_unit_test(the_container_is_named_or_the_first),
		cmocka_unit_test(words_are_kubectls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
