/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/job.h"
#include "env/name.h"
#include "env/table.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define MAP "/api/v1/namespaces/n/configmaps/kt-env"
#define JOBS "/apis/batch/v1/namespaces/n/jobs/"

static void put_env(struct store *s, const char *name, int64_t ttl)
{
	const struct env_spec spec = {
		.name = name, .user = "alice", .now = time(NULL), .ttl = ttl
	};
	auto_free char *path = xasprintf(JOBS KT_ENV_PREFIX "%s", name);

	store_put(s, path, env_job_make(&spec));
}

/* A Service with a router that reads the table */
static void put_router(struct store *s, const char *service)
{
	auto_free char *svc =
		xasprintf("/api/v1/namespaces/n/services/%s", service);
	auto_free char *pod =
		xasprintf("/api/v1/namespaces/n/pods/%s-kt-router-1", service);
	json_t *obj = json_quoted(
		"{'metadata': {'labels': {'kt-role': 'router'}}, 'spec': "
		"{'volumes': [{'name': 'x'}, {'configMap': {'name': "
		"'kt-env'}}]}}");

	json_object_set_new(json_object_get(obj, "metadata"), "name",
			    json_string(strrchr(pod, '/') + 1));
	json_object_set_new(json_at(obj, "metadata", "labels", NULL),
			    "kt-target", json_string(service));
	store_put(s, pod, obj);
	store_put(s, svc,
		  json_pack("{s:{s:s},s:{s:{s:s,s:s}}}", "metadata", "name",
			    service, "spec", "selector", "kt-target", service,
			    "kt-role", "router"));
}

/* What a member has before it has a line */
static void put_record(struct store *s, const char *env, const char *name)
{
	auto_free char *path =
		xasprintf("/api/v1/namespaces/n/services/%s", name);

	store_put(s, path,
		  json_pack("{s:{s:s,s:{s:s,s:s,s:s}}}", "metadata", "name",
			    name, "labels", "control-by", "kt", "kt-role",
			    "shadow-mesh", "kt-env", env));
}

static const char *table(const struct store *s)
{
	const char *text =
		json_str(store_get(s, MAP), "data", KT_ENV_TABLE_KEY, NULL);

	return text ? text : "(none)";
}

static const char *touched(const struct store *s, const char *service)
{
	auto_free char *pod =
		xasprintf("/api/v1/namespaces/n/pods/%s-kt-router-1", service);

	return object_annotation(store_get(s, pod), KT_ANNOTATION_TOUCH);
}

static int owners(const struct store *s)
{
	return (int)json_array_size(json_at(store_get(s, MAP), "metadata",
					    "ownerReferences", NULL));
}

static void test_life(void **state)
{
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev", 0);
	put_env(&s, "pr", 0);
	put_router(&s, "orders");
	put_router(&s, "web");
	put_record(&s, "dev", "o");
	/* nothing to say: nothing is made */
	assert_int_equal(env_table_refresh(s.w.kube, "n", &err), 0);
	assert_string_equal(table(&s), "(none)");
	assert_int_equal(env_table_put_member(s.w.kube, "n", "dev", "orders",
					      "o.", NULL, &err),
			 0);
	assert_string_equal(table(&s), "env dev kt-env-dev 0 -\n"
				       "member dev orders o. 0 -\n");
	assert_int_equal(owners(&s), 1);
	/* the router of that Service reads it now, no other */
	assert_string_equal(touched(&s, "orders"),
			    json_str(store_get(&s, MAP), "metadata",
				     "resourceVersion", NULL));
	assert_null(touched(&s, "web"));
	assert_int_equal(env_table_put_member(s.w.kube, "n", "pr", "web", NULL,
					      NULL, &err),
			 0);
	assert_int_equal(owners(&s), 2);
	assert_non_null(touched(&s, "web"));
	/* gone: its lines, and its hold on the table, go with the next write */
	json_object_del(s.objects, JOBS "kt-env-pr");
	assert_int_equal(
		env_table_drop_member(s.w.kube, "n", "dev", "orders", &err), 0);
	/* that was the last one: it does not stay until dev ends */
	assert_null(store_get(&s, MAP));
	store_fini(&s);
}

static void test_ended(void **state)
{
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "old", -1);
	assert_int_equal(env_table_put_member(s.w.kube, "n", "old", "orders",
					      "o.", NULL, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "environment 'old'"));
	assert_null(store_get(&s, MAP));
	store_fini(&s);
}

/* Not ours: it is not written over */
static void test_foreign(void **state)
{
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev", 0);
	store_put(&s, MAP,
		  json_quoted("{'metadata': {'name': 'kt-env'}, 'data': "
			      "{'members': 'theirs'}}"));
	assert_int_equal(env_table_put_member(s.w.kube, "n", "dev", "orders",
					      "o.", NULL, &err),
			 -EEXIST);
	assert_string_equal(table(&s), "theirs");
	store_fini(&s);
}

/* Somebody else writes between our read and our write, once */
static bool meddle(struct store *s, struct fake_conn *c, const char *method,
		   const char *path, const json_t *body)
{
	int *left = s->user;

	(void)c;
	(void)body;
	if ((strcmp(method, "PUT") != 0 && strcmp(method, "POST") != 0) ||
	    !strstr(path, "configmaps") || (*left)-- <= 0)
		return false;
	store_put(s, MAP,
		  json_quoted("{'metadata': {'name': 'kt-env', 'labels': "
			      "{'kt-role': 'env-table'}}, 'data': "
			      "{'members': 'member dev web w. 0 -\\n'}}"));
	return false;
}

static void test_two_writers(void **state)
{
	struct kt_error err = { 0 };
	int left = 1;
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev", 0);
	put_record(&s, "dev", "w");
	s.before = meddle;
	s.user = &left;
	/* it was not there, and then it was */
	assert_int_equal(env_table_put_member(s.w.kube, "n", "dev", "orders",
					      "o.", NULL, &err),
			 0);
	assert_string_equal(table(&s), "member dev web w. 0 -\n"
				       "env dev kt-env-dev 0 -\n"
				       "member dev orders o. 0 -\n");
	left = 1;
	assert_int_equal(env_table_put_member(s.w.kube, "n", "dev", "api", "a.",
					      NULL, &err),
			 0);
	assert_string_equal(table(&s), "member dev web w. 0 -\n"
				       "env dev kt-env-dev 0 -\n"
				       "member dev api a. 0 -\n");
	assert_int_equal(left, -1);
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_two_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
