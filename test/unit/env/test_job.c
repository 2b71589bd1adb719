/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/job.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define NOW 1700000000

static json_t *job(const char *name, int64_t ttl)
{
	const struct env_spec s = { .name = name,
				    .user = "alice",
				    .machine = "laptop",
				    .now = NOW,
				    .ttl = ttl,
				    .header = "x-tenant" };
	json_t *j = env_job_make(&s);

	assert_non_null(j);
	json_object_set_new(json_object_get(j, "metadata"), "uid",
			    json_string("uid-1"));
	return j;
}

static void test_made_and_read(void **state)
{
	auto_json json_t *j = job("dev.pr-42", 3600);
	struct env_info info;
	char left[24];

	(void)state;
	assert_string_equal(object_name(j), "kt-env-dev.pr-42");
	assert_int_equal(
		json_integer_value(json_at(j, "spec", "parallelism", NULL)), 0);
	assert_int_equal(json_integer_value(json_at(
				 j, "spec", "activeDeadlineSeconds", NULL)),
			 3600);
	assert_true(json_is_integer(
		json_at(j, "spec", "ttlSecondsAfterFinished", NULL)));
	/* KT Connect's clean removes what has a heartbeat that is old */
	assert_null(object_annotation(j, KT_ANNOTATION_HEARTBEAT));
	assert_int_equal(env_info_read(&info, j), 0);
	assert_string_equal(info.name, "dev.pr-42");
	assert_string_equal(info.parent, "dev");
	assert_string_equal(info.user, "alice");
	assert_string_equal(info.machine, "laptop");
	assert_string_equal(info.uid, "uid-1");
	assert_int_equal(info.since, NOW);
	assert_int_equal(info.expires, NOW + 3600);
	assert_false(info.strict);
	assert_string_equal(info.header, "x-tenant");
	assert_true(env_info_is_alive(&info, NOW + 3599));
	assert_false(env_info_is_alive(&info, NOW + 3600));
	assert_string_equal(env_info_left(&info, NOW, left), "1h00m");
	assert_string_equal(env_info_left(&info, NOW + 3590, left), "10s");
	assert_string_equal(env_info_left(&info, NOW + 3600, left), "ended");
	env_info_fini(&info);
}

static void test_without_end(void **state)
{
	auto_json json_t *j = job("dev", 0);
	struct env_info info;
	char left[24];

	(void)state;
	assert_null(json_at(j, "spec", "activeDeadlineSeconds", NULL));
	assert_string_equal(object_annotation(j, KT_ANNOTATION_EXPIRES), "0");
	assert_int_equal(env_info_read(&info, j), 0);
	assert_string_equal(info.parent, "");
	assert_true(env_info_is_alive(&info, NOW * 2LL));
	assert_string_equal(env_info_left(&info, NOW, left), "never ends");
	env_info_fini(&info);
}

static void ends(json_t *j, const char *key, const char *value)
{
	struct env_info info;

	json_object_set_new(j, key, json_quoted(value));
	assert_int_equal(env_info_read(&info, j), 0);
	assert_true(info.ended);
	assert_false(env_info_is_alive(&info, NOW));
	env_info_fini(&info);
}

static void test_ended(void **state)
{
	auto_json json_t *failed = job("dev", 60), *deleted = job("dev", 60);
	struct env_info info;

	(void)state;
	ends(failed, "status",
	     "{'conditions': [{'type': 'Failed', 'status': 'True'}]}");
	ends(deleted, "metadata",
	     "{'name': 'kt-env-dev', 'uid': 'u', 'deletionTimestamp': "
	     "'2026-11-29T00:00:00Z', 'labels': {'kt-role': 'env', "
	     "'kt-env': 'dev'}}");
	json_object_set_new(failed, "status",
			    json_quoted("{'conditions': [{'type': 'Failed', "
					"'status': 'False'}]}"));
	assert_int_equal(env_info_read(&info, failed), 0);
	assert_false(info.ended);
	env_info_fini(&info);
}

static void test_no_environment(void **state)
{
	static const char no_label[] =
		"{'metadata': {'uid': 'u', 'labels': {'kt-role': 'env', "
		"'kt-env': 'a b'}}}";
	const char *const no[] = {
		"{}",
		"{'metadata': {'uid': 'u', 'labels': {'kt-env': 'a'}}}",
		"{'metadata': {'uid': 'u', 'labels': {'kt-role': 'env'}}}",
		no_label,
		"{'metadata': {'labels': {'kt-role': 'env', 'kt-env': 'a'}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		auto_json json_t *j = json_quoted(no[i]);
		struct env_info info;

		assert_int_equal(env_info_read(&info, j), -EINVAL);
		env_info_fini(&info);
	}
}

/* The deadline is counted from when the Job was started */
static void test_extend(void **state)
{
	auto_json json_t *j = job("dev", 60), *patch = NULL, *never = NULL;
	struct env_info info;

	(void)state;
	json_object_set_new(j, "status",
			    json_quoted("{'startTime': "
					"'2023-11-14T22:13:25Z'}")); /* + 5 */
	assert_int_equal(env_info_read(&info, j), 0);
	assert_int_equal(info.started, NOW + 5);
	patch = env_job_extend(&info, NOW + 30, 100);
	assert_int_equal(json_integer_value(json_at(
				 patch, "spec", "activeDeadlineSeconds", NULL)),
			 125);
	assert_string_equal(object_annotation(patch, KT_ANNOTATION_EXPIRES),
			    "1700000130");
	never = env_job_extend(&info, NOW + 30, 0);
	assert_true(json_is_null(
		json_at(never, "spec", "activeDeadlineSeconds", NULL)));
	assert_string_equal(object_annotation(never, KT_ANNOTATION_EXPIRES),
			    "0");
	env_info_fini(&info);
}

static void test_what_it_owns(void **state)
{
	auto_json json_t *j = job("dev.pr-42", 60), *svc = NULL;
	const json_t *ref;
	struct env_info info;

	(void)state;
	assert_int_equal(env_info_read(&info, j), 0);
	svc = env_source_make(&info);
	assert_string_equal(object_name(svc), "kt-env-dev--pr-42");
	assert_string_equal(json_str(svc, "spec", "clusterIP", NULL), "None");
	assert_string_equal(json_str(svc, "spec", "selector", "kt-env", NULL),
			    "dev.pr-42");
	ref = json_array_get(json_at(svc, "metadata", "ownerReferences", NULL),
			     0);
	assert_string_equal(json_str(ref, "name", NULL), "kt-env-dev.pr-42");
	assert_string_equal(json_str(ref, "uid", NULL), "uid-1");
	/* a user without the right to finalizers of Jobs could not make it */
	assert_null(json_object_get(ref, "blockOwnerDeletion"));
	env_info_fini(&info);
}

static void pick(const json_t *jobs, const char *given, int want,
		 const char *text)
{
	struct kt_error err = { 0 };
	struct env_info info;

	assert_int_equal(env_pick(jobs, "ns", given, NOW, &info, &err), want);
	assert_string_equal(want ? err.msg : info.name, text);
	env_info_fini(&info);
}

static void test_pick(void **state)
{
	auto_json json_t *jobs = json_array();

	(void)state;
	json_array_append_new(jobs, job("dev", 60));
	json_array_append_new(jobs, job("dev.pr-42", 60));
	json_array_append_new(jobs, job("qa.pr-42", 60));
	json_array_append_new(jobs, job("qa.pr-1", 60));
	json_array_append_new(jobs, job("old.pr-1", -5));
	json_array_append_new(jobs, job("pr-9", 60));
	json_array_append_new(jobs, job("dev.pr-9", 60));
	pick(jobs, "dev.pr-42", 0, "dev.pr-42");
	pick(jobs, "pr-1", 0, "qa.pr-1");
	/* the whole name of one is never the end of another's */
	pick(jobs, "pr-9", 0, "pr-9");
	pick(jobs, "dev", 0, "dev");
	pick(jobs, "pr-42", -EEXIST,
	     "'pr-42' is the end of several environments' names: dev.pr-42, "
	     "qa.pr-42");
	/* also when that one is over */
	json_array_append_new(jobs, job("pr-7", -5));
	json_array_append_new(jobs, job("dev.pr-7", 60));
	pick(jobs, "pr-7", -ENOENT,
	     "environment 'pr-7' of namespace ns has ended");
	pick(jobs, "dev.pr-7", 0, "dev.pr-7");
	pick(jobs, "old.pr-1", -ENOENT,
	     "environment 'old.pr-1' of namespace ns has ended");
	pick(jobs, "x", -ENOENT, "no environment 'x' in namespace ns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_read),
		cmocka_unit_test(test_without_end),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_no_environment),
		cmocka_unit_test(test_extend),
		cmocka_unit_test(test_what_it_owns),
		cmocka_unit_test(test_pick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
