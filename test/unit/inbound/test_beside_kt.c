/* SPDX-License-Identifier: Apache-2.0 */
/* A Service that KT Connect has taken, dead or alive, and what we do then. */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "inbound/lease.h"
#include "inbound/recover.h"
#include "kube/rest.h"
#include "local/home.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define CORE "/api/v1/namespaces/n/"
#define WEB CORE "services/web"
#define ROUTER CORE "pods/web-kt-router"
#define SHADOW CORE "pods/web-kt-exchange-abcde"
#define MESH CORE "pods/web-kt-mesh-a"
#define ALIVE 10
#define DEAD 400

struct rig {
	struct store s;
	struct app app;
	struct home home;
	struct global_options global;
	struct job job;
	struct kt_error err;
	char *alive; /* of recover_service() */
};

static void rig_init(struct rig *r)
{
	*r = (struct rig){ .global = { .use_local_time = true } };
	store_init(&r->s);
	r->app.loop = r->s.w.loop;
	r->app.home = &r->home;
	r->job = (struct job){ .app = &r->app,
			       .global = &r->global,
			       .kube = r->s.w.kube,
			       .ns = "n",
			       .name = "web" };
}

static void rig_fini(struct rig *r)
{
	json_decref(r->job.service);
	json_decref(r->job.original);
	free(r->alive);
	store_fini(&r->s);
}

/* Service web leads to @role, or with "" to its own Pods */
static void put_service(struct rig *r, const char *role)
{
	auto_free char *taken = xasprintf(
		"{'kind': 'Service', 'metadata': {'name': 'web', 'annotations':"
		" {'kt-selector': '{\\'app\\':\\'web\\'}'}}, 'spec': {"
		"'selector': {'kt-role': '%s', 'kt-target': 'T'}}}",
		role);

	store_put(&r->s, WEB,
		  json_quoted(*role ? taken
				    : "{'kind': 'Service', 'metadata': {'name':"
				      "'web'}, 'spec': {'selector': {"
				      "'app': 'web'}}}"));
}

/* A Pod of KT Connect's, whose heartbeat is @age seconds old */
static void put_kt(struct rig *r, const char *path, const char *role,
		   const char *user, int age)
{
	auto_free char *text = xasprintf(
		"{'kind': 'Pod', 'metadata': {'name': '%s', 'labels': {"
		"'control-by': 'kt', 'kt-role': '%s', 'kt-target': 'T'}, "
		"'annotations': {'kt-user': '%s', 'kt-config': 'service=web', "
		"'kt-last-heart-beat': '%lld'}}, "
		"'spec': {'containers': [{'name': 'standalone', 'args': []}]}}",
		strrchr(path, '/') + 1, role, user,
		(long long)time(NULL) - age);

	store_put(&r->s, path, json_quoted(text));
}

static int check(struct rig *r, enum lease_use use)
{
	r->err = (struct kt_error){ 0 };
	assert_int_equal(job_read(&r->job, &r->err), 0);
	r->err = (struct kt_error){ 0 };
	return lease_check(&r->job, use, &r->err);
}

static void expect_held(struct rig *r, enum lease_use use, const char *says)
{
	assert_int_equal(check(r, use), -EBUSY);
	assert_non_null(strstr(r->err.msg, says));
	assert_true(*r->err.hint); /* what to do */
	assert_int_equal(store_logged(&r->s, "DELETE"), 0);
	assert_int_equal(store_logged(&r->s, "PUT"), 0);
}

static const char *app_of(const struct rig *r)
{
	return json_str(store_get(&r->s, WEB), "spec", "selector", "app", NULL);
}

static void a_dead_router_is_no_hindrance(void **state)
{
	static const enum lease_use all[] = { LEASE_ALL, LEASE_MARKED,
					      LEASE_BESIDE };
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		rig_init(&r);
		put_service(&r, "router");
		put_kt(&r, ROUTER, "router", "ann", DEAD);
		put_kt(&r, MESH, "shadow-mesh", "ann", DEAD);
		assert_int_equal(check(&r, all[i]), 0);
		assert_string_equal(app_of(&r), "web");
		assert_null(store_get(&r.s, ROUTER));
		assert_null(store_get(&r.s, MESH));
		rig_fini(&r);
	}
}

/* Only who made the router renews its heartbeat: others may use it still */
static void a_router_of_others_is_held(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "router");
	put_kt(&r, ROUTER, "router", "ann", DEAD);
	put_kt(&r, MESH, "shadow-mesh", "bob", ALIVE);
	expect_held(&r, LEASE_MARKED,
		    "KT Connect's router, which cannot be "
		    "shared, by bob");
	expect_held(&r, LEASE_ALL, "is meshed by bob");
	assert_int_equal(check(&r, LEASE_BESIDE), 0);
	assert_int_equal(store_logged(&r.s, "DELETE"), 0);
	rig_fini(&r);
}

/* The Service does not lead to it yet, and it has the name of ours */
static void an_idle_router_is_known(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "");
	put_kt(&r, ROUTER, "router", "ann", ALIVE);
	expect_held(&r, LEASE_MARKED, "by ann");
	assert_int_equal(check(&r, LEASE_ALL), 0);
	put_kt(&r, ROUTER, "router", "ann", DEAD);
	assert_int_equal(check(&r, LEASE_MARKED), 0);
	assert_null(store_get(&r.s, ROUTER));
	rig_fini(&r);
}

static void beside_an_exchange_nobody_comes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "shadow-exchange");
	put_kt(&r, SHADOW, "shadow-exchange", "ann", ALIVE);
	expect_held(&r, LEASE_BESIDE, "is exchanged by ann");
	put_kt(&r, SHADOW, "shadow-exchange", "ann", DEAD);
	assert_int_equal(check(&r, LEASE_BESIDE), 0);
	assert_string_equal(app_of(&r), "web");
	rig_fini(&r);
}

static void a_name_is_taken_from_the_dead(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_int_equal(lease_clear_name(&r.job, "web-kt-mesh-a", &r.err), 0);
	put_kt(&r, MESH, "shadow-mesh", "ann", ALIVE);
	assert_int_equal(lease_clear_name(&r.job, "web-kt-mesh-a", &r.err),
			 -EEXIST);
	assert_non_null(strstr(r.err.msg, "it is ann's"));
	r.err = (struct kt_error){ 0 };
	put_kt(&r, MESH, "shadow-mesh", "ann", DEAD);
	store_put(&r.s, CORE "configmaps/web-kt-mesh-a",
		  json_pack("{s:{}}", "metadata"));
	assert_int_equal(lease_clear_name(&r.job, "web-kt-mesh-a", &r.err), 0);
	assert_null(store_get(&r.s, MESH));
	assert_null(store_get(&r.s, CORE "configmaps/web-kt-mesh-a"));
	rig_fini(&r);
}

/* --- recover -------------------------------------------------------------- */

static int recover(struct rig *r)
{
	return recover_service(r->s.w.kube, "n", "web", NULL, NULL, &r->alive,
			       &r->err);
}

/* A client that lives writes again as long as its Pod does */
static void its_pod_goes_first(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "shadow-exchange");
	put_kt(&r, SHADOW, "shadow-exchange", "ann", ALIVE);
	assert_int_equal(recover(&r), 1);
	assert_true(str_starts(r.s.log, "DELETE " SHADOW "\nPUT " WEB "\n"));
	assert_int_equal(store_logged(&r.s, "DELETE " SHADOW), 1);
	assert_string_equal(r.alive, "ann");
	rig_fini(&r);
}

/* Callers of a dead one's router reach the origin until the Service does */
static void a_dead_ones_goes_last(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "router");
	put_kt(&r, ROUTER, "router", "ann", DEAD);
	assert_int_equal(recover(&r), 1);
	assert_true(str_starts(r.s.log, "PUT " WEB "\n"));
	assert_null(store_get(&r.s, ROUTER));
	assert_null(r.alive);
	rig_fini(&r);
}

/* One of ours who was killed: callers that come late are served by his shadow
 * and its origin, so that who takes the Service again need not wait for them */
static void an_heir_has_the_origin(void **state)
{
	const char *stuntman = CORE "services/web-kt-stuntman";
	int64_t begin, least[2] = { INT64_MAX, INT64_MAX };
	struct rig r;

	(void)state;
	/* several times: the machine may be busy, and only the shortest counts
	 */
	for (int i = 0; i < 6 && (i < 2 || least[1] >= 900 * NS_MS); i++) {
		int heir = i > 0;

		rig_init(&r);
		put_service(&r, "shadow-exchange");
		put_kt(&r, SHADOW, "shadow-exchange", "ann", DEAD);
		json_object_set_new(
			json_array_get(json_at(store_get(&r.s, SHADOW), "spec",
					       "containers", NULL),
				       0),
			"args", json_pack("[s]", "--listen"));
		store_put(&r.s, stuntman,
			  json_quoted("{'metadata': {'name': 'web-kt-stuntman',"
				      " 'labels': {'control-by': 'kt'}}}"));
		r.job.wants_origin = heir;
		begin = clock_ns();
		assert_int_equal(check(&r, LEASE_ALL), 0);
		least[heir] = MIN(least[heir], clock_ns() - begin);
		assert_string_equal(app_of(&r), "web");
		assert_null(store_get(&r.s, SHADOW));
		assert_int_equal(store_get(&r.s, stuntman) != NULL, heir);
		assert_int_equal(r.job.stuntman, heir);
		rig_fini(&r);
	}
	assert_true(least[0] >= 900 * NS_MS);
	assert_true(least[1] < 900 * NS_MS);
}

/* The client wakes up once; when that was mended, this is enough of looking */
static bool client_wakes(struct store *s, struct fake_conn *c,
			 const char *method, const char *path,
			 const json_t *body)
{
	struct rig *r = s->user;

	(void)path;
	(void)body;
	if (strcmp(method, "GET") != 0)
		return false;
	if (store_logged(s, "PUT") == 0) {
		put_service(r, "router");
		return false;
	}
	fake_reply(c, 403, "", "{}");
	return true;
}

static void a_selector_that_comes_back(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_service(&r, "");
	r.s.user = &r;
	r.s.before = client_wakes;
	assert_int_equal(recover_look_again(r.s.w.kube, "n", "web", &r.err),
			 -EPERM);
	assert_string_equal(app_of(&r), "web");
	rig_fini(&r);
}

static void what_was_made_is_not_recovered(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	store_put(&r.s, WEB,
		  json_quoted("{'metadata': {'name': 'web', 'labels': {"
			      "'control-by': 'kt'}}, 'spec': {'selector': {"
			      "'kt-role': 'shadow-preview'}}}"));
	assert_int_equal(recover(&r), -EINVAL);
	assert_non_null(strstr(r.err.msg, "was made by preview"));
	assert_non_null(strstr(r.err.hint, "ktctl clean"));
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_router_is_no_hindrance),
		cmocka_unit_test(a_router_of_others_is_held),
		cmocka_unit_test(an_idle_router_is_known),
		cmocka_unit_test(beside_an_exchange_nobody_comes),
		cmocka_unit_test(a_name_is_taken_from_the_dead),
		cmocka_unit_test(its_pod_goes_first),
		cmocka_unit_test(a_dead_ones_goes_last),
		cmocka_unit_test(an_heir_has_the_origin),
		cmocka_unit_test(a_selector_that_comes_back),
		cmocka_unit_test(what_was_made_is_not_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
