/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "env/giveback.h"
#include "env/job.h"
#include "env/name.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <string.h>
#include <time.h>

#define SERVICES "/api/v1/namespaces/n/services/"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/n/deployments/"

/* A Service that leads to its router, as join leaves it */
static void put_taken(struct store *s, const char *name)
{
	auto_free char *service = xasprintf(SERVICES "%s", name);
	auto_free char *origin = xasprintf(SERVICES "%s-kt-stuntman", name);
	auto_free char *router = xasprintf(DEPLOYMENTS "%s-kt-router", name);
	auto_free char *text = xasprintf(
		"{'metadata': {'name': '%s-kt-router', 'labels': {'control-by':"
		" 'kt', 'kt-role': 'router'}, 'annotations': {'kt-config': "
		"'service=%s'}}, 'spec': {'template': {'metadata': {'labels': "
		"{'kt-role': 'router', 'kt-target': '%s'}}, 'spec': {'volumes':"
		" [{'configMap': {'name': 'kt-env'}}]}}}}",
		name, name, name);

	store_put(s, router, json_quoted(text));
	store_put(s, service,
		  json_pack("{s:{s:s,s:{s:s}},s:{s:{s:s,s:s}}}", "metadata",
			    "name", name, "annotations", "kt-selector",
			    "{\"app\":\"x\"}", "spec", "selector", "kt-role",
			    "router", "kt-target", name));
	store_put(s, origin,
		  json_pack("{s:{s:s+,s:{s:s}}}", "metadata", "name", name,
			    KT_STUNTMAN, "labels", "control-by", "kt"));
}

static void put_env(struct store *s, const char *name)
{
	const struct env_spec spec = { .name = name, .now = time(NULL) };
	auto_free char *path =
		xasprintf("/apis/batch/v1/namespaces/n/jobs/kt-env-%s", name);

	store_put(s, path, env_job_make(&spec));
}

static void put_member(struct store *s, const char *env, const char *service)
{
	auto_free char *path =
		xasprintf(SERVICES "%s-kt-mesh-%s", service, env);

	store_put(s, path,
		  json_pack("{s:{s:s,s:{s:s,s:s,s:s}}}", "metadata", "name",
			    strrchr(path, '/') + 1, "labels", "control-by",
			    "kt", "kt-role", "shadow-mesh", "kt-env", env));
}

static bool is_taken(const struct store *s, const char *name)
{
	auto_free char *service = xasprintf(SERVICES "%s", name);
	auto_free char *router = xasprintf(DEPLOYMENTS "%s-kt-router", name);
	bool taken = service_role(store_get(s, service)) != NULL;

	assert_int_equal(store_get(s, router) != NULL, taken);
	return taken;
}

static int give_back(struct store *s)
{
	const struct giveback g = { .kube = s->w.kube, .ns = "n" };
	struct kt_error err = { 0 };
	int rc = env_give_back_idle(&g, &err);

	assert_string_equal(err.msg, "");
	return rc;
}

static void test_idle(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev");
	put_taken(&s, "web");
	put_taken(&s, "api");
	put_taken(&s, "db");
	put_member(&s, "dev", "web");
	put_member(&s, "gone", "api");
	assert_int_equal(give_back(&s), 2);
	assert_true(is_taken(&s, "web"));
	assert_false(is_taken(&s, "api"));
	assert_false(is_taken(&s, "db"));
	assert_non_null(store_get(&s, SERVICES "web-kt-stuntman"));
	assert_null(store_get(&s, SERVICES "api-kt-stuntman"));
	assert_int_equal(give_back(&s), 0);
	store_fini(&s);
}

/* Of a namespace with many members it reads those of the Service */
static void test_few_are_read(void **state)
{
	const struct giveback g = { .ns = "n" };
	struct giveback now = g;
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	now.kube = s.w.kube;
	put_env(&s, "dev");
	put_taken(&s, "web");
	for (int i = 0; i < 200; i++) {
		auto_free char *name = xasprintf("other-%d", i);
		auto_free char *record =
			xasprintf(SERVICES "%s-kt-mesh-dev", name);

		put_member(&s, "dev", name);
		json_object_set_new(json_at(store_get(&s, record), "metadata",
					    "labels", NULL),
				    "kt-env-record", json_string(name));
	}
	put_member(&s, "dev", "web");
	json_object_set_new(json_at(store_get(&s, SERVICES "web-kt-mesh-dev"),
				    "metadata", "labels", NULL),
			    "kt-env-record", json_string("web"));
	assert_int_equal(env_leave_service(&now, "web", &err), 0);
	assert_true(is_taken(&s, "web"));
	assert_true(s.listed < 10);
	store_fini(&s);
}

/* Who joins has the lock; one that is too old is nobody's any more */
static void test_locked(void **state)
{
	char now[24];
	struct store s;

	(void)state;
	store_init(&s);
	put_taken(&s, "web");
	snprintf(now, sizeof(now), "%lld", (long long)time(NULL) - 5);
	json_object_set_new(json_at(store_get(&s, SERVICES "web"), "metadata",
				    "annotations", NULL),
			    "kt-lock", json_string(now));
	assert_int_equal(give_back(&s), 0);
	assert_true(is_taken(&s, "web"));
	json_object_set_new(json_at(store_get(&s, SERVICES "web"), "metadata",
				    "annotations", NULL),
			    "kt-lock", json_string("1"));
	assert_int_equal(give_back(&s), 1);
	assert_false(is_taken(&s, "web"));
	store_fini(&s);
}

/* Somebody joins between the look and the lock: it is looked at once more */
static bool joins(struct store *s, struct fake_conn *c, const char *method,
		  const char *path, const json_t *body)
{
	(void)c;
	(void)body;
	if (strcmp(method, "PUT") == 0 && strcmp(path, SERVICES "web") == 0)
		put_member(s, "dev", "web");
	return false;
}

static void test_joined_meanwhile(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev");
	put_taken(&s, "web");
	s.before = joins;
	assert_int_equal(give_back(&s), 0);
	assert_true(is_taken(&s, "web"));
	assert_null(
		object_annotation(store_get(&s, SERVICES "web"), "kt-lock"));
	store_fini(&s);
}

/* Killed before the switch, or after giving back: it leads to its own Pods */
static int left_over(int64_t age, const char *service)
{
	char at[RFC3339_STRLEN];
	struct store s;
	int rc;

	store_init(&s);
	put_env(&s, "dev");
	put_taken(&s, "web");
	store_put(&s, SERVICES "web", json_quoted(service));
	rfc3339_format(time(NULL) - age, at);
	json_object_set_new(json_at(store_get(&s, DEPLOYMENTS "web-kt-router"),
				    "metadata", NULL),
			    "creationTimestamp", json_string(at));
	rc = give_back(&s);
	assert_int_equal(store_get(&s, DEPLOYMENTS "web-kt-router") != NULL,
			 rc == 0);
	assert_int_equal(store_get(&s, SERVICES "web-kt-stuntman") != NULL,
			 rc == 0);
	assert_null(
		object_annotation(store_get(&s, SERVICES "web"), "kt-lock"));
	store_fini(&s);
	return rc;
}

static void test_left_over(void **state)
{
	static const char own[] = "{'metadata': {'name': 'web'}, 'spec': "
				  "{'selector': {'app': 'x'}}}";

	(void)state;
	assert_int_equal(left_over(500, own), 1);
	assert_int_equal(left_over(60, own), 0);
	/* an exchange needs the Service for the origin, or may */
	assert_int_equal(left_over(500, "{'metadata': {'name': 'web', "
					"'annotations': {'kt-selector': 'x'}}, "
					"'spec': {'selector': {'kt-role': "
					"'shadow-exchange'}}}"),
			 0);
}

/* Giving it back would remove what is theirs */
static int with_user(const char *path, const char *text)
{
	struct store s;
	int rc;

	store_init(&s);
	put_taken(&s, "web");
	store_put(&s, path, json_quoted(text));
	rc = give_back(&s);
	assert_int_equal(is_taken(&s, "web"), rc == 0);
	assert_int_equal(store_get(&s, path) != NULL, rc == 0);
	store_fini(&s);
	return rc;
}

#define PODS "/api/v1/namespaces/n/pods/"
#define SHADOW(name, role, more)                                               \
	"{'metadata': {'name': '" name "', 'labels': {'control-by': 'kt', "    \
	"'kt-role': 'shadow-" role "'}, 'annotations': {" more "}}}"

static void test_other_users(void **state)
{
	char beat[64], dead[64];
	auto_free char *by_hand = NULL, *exchange = NULL, *gone = NULL;
	auto_free char *routed = NULL;

	(void)state;
	snprintf(beat, sizeof(beat), "'kt-last-heart-beat': '%lld'",
		 (long long)time(NULL));
	snprintf(dead, sizeof(dead), "'kt-last-heart-beat': '1'");
	by_hand = xasprintf(SHADOW("web-kt-mesh-a", "mesh", "%s"), beat);
	gone = xasprintf(SHADOW("web-kt-mesh-a", "mesh", "%s"), dead);
	exchange = xasprintf(
		SHADOW("x", "exchange", "'kt-config': 'service=web', %s"),
		beat);
	routed = xasprintf(
		SHADOW("web-kt-mesh-r", "mesh", "'kt-route': 'istio', %s"),
		beat);
	assert_int_equal(with_user(PODS "web-kt-mesh-a", by_hand), 0);
	assert_int_equal(with_user(DEPLOYMENTS "web-kt-mesh-a", by_hand), 0);
	assert_int_equal(with_user(PODS "x", exchange), 0);
	assert_int_equal(with_user(SERVICES "web-kt-mesh-r", routed), 0);
	assert_int_equal(with_user(PODS "web-kt-mesh-a", gone), 1);
}

/* Somebody who waits joins as soon as the lock is dropped: all that he would
 * find is gone by then */
struct waiting {
	bool restored, came;
};

static bool waits(struct store *s, struct fake_conn *c, const char *method,
		  const char *path, const json_t *body)
{
	struct waiting *w = s->user;
	json_t *web = store_get(s, SERVICES "web");

	(void)c;
	if (strcmp(method, "PUT") == 0 && strcmp(path, SERVICES "web") == 0)
		w->restored |= !json_at(body, "metadata", "annotations",
					"kt-selector", NULL);
	if (strcmp(method, "DELETE") != 0)
		return false;
	w->came |= w->restored && !object_annotation(web, "kt-lock");
	return false;
}

static void test_lock_stays(void **state)
{
	struct waiting w = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	put_taken(&s, "web");
	s.before = waits;
	s.user = &w;
	assert_int_equal(give_back(&s), 1);
	assert_true(w.restored);
	assert_false(w.came);
	assert_false(is_taken(&s, "web"));
	assert_null(store_get(&s, SERVICES "web-kt-stuntman"));
	/* as its owner wrote it */
	assert_null(json_at(store_get(&s, SERVICES "web"), "metadata",
			    "annotations", NULL));
	store_fini(&s);
}

/* Our lock was too old, and somebody has it: he needs what is there */
static bool steals(struct store *s, struct fake_conn *c, const char *method,
		   const char *path, const json_t *body)
{
	json_t *obj = store_get(s, DEPLOYMENTS "web-kt-router");

	(void)c;
	(void)body;
	if (strcmp(method, "DELETE") != 0 ||
	    strcmp(path, DEPLOYMENTS "web-kt-router") != 0 || s->user)
		return false;
	obj = json_deep_copy(obj);
	json_object_set_new(json_object_get(json_object_get(obj, "metadata"),
					    "annotations"),
			    "kt-forced-by", json_string("bob"));
	store_put(s, path, obj);
	s->user = s;
	return false;
}

static void test_written_meanwhile(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_taken(&s, "web");
	s.before = steals;
	assert_int_equal(give_back(&s), 1);
	assert_non_null(store_get(&s, DEPLOYMENTS "web-kt-router"));
	store_fini(&s);
}

/* All that are in use are one question, not one each */
static void test_requests(void **state)
{
	struct store s;

	(void)state;
	store_init(&s);
	put_env(&s, "dev");
	for (int i = 0; i < 20; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%d", i);
		put_taken(&s, name);
		put_member(&s, "dev", name);
	}
	assert_int_equal(give_back(&s), 0);
	assert_int_equal(s.w.fake.requests, 3);
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_few_are_read),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_joined_meanwhile),
		cmocka_unit_test(test_other_users),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_lock_stays),
		cmocka_unit_test(test_written_meanwhile),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
