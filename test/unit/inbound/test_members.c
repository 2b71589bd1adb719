/* SPDX-License-Identifier: Apache-2.0 */
/* A Service with members of environments: who may take it, and who lives. */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "inbound/lease.h"
#include "inbound/mesh.h"
#include "kube/rest.h"
#include "local/home.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define CORE "/api/v1/namespaces/n/"
#define WEB CORE "services/web"
#define RECORD CORE "services/web-kt-mesh-x"
#define JOB "/apis/batch/v1/namespaces/n/jobs/kt-env-dev.x"
#define ROUTER "/apis/apps/v1/namespaces/n/deployments/web-kt-router"
#define BARE CORE "pods/web-kt-router"

struct rig {
	struct store s;
	struct app app;
	struct home home;
	struct global_options global;
	struct job job;
	struct kt_error err;
};

static void put(struct rig *r, const char *path, const char *text)
{
	store_put(&r->s, path, json_quoted(text));
}

/* A Service that leads to a router, which has one member: a cluster's */
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
	put(r, WEB,
	    "{'kind': 'Service', 'metadata': {'name': 'web', 'annotations': {"
	    "'kt-selector': '{\\'app\\':\\'web\\'}'}}, 'spec': {'selector': {"
	    "'kt-role': 'router', 'kt-target': 'T'}}}");
	put(r, JOB,
	    "{'metadata': {'name': 'kt-env-dev.x', 'uid': 'u', 'labels': {"
	    "'kt-role': 'env'}, 'annotations': "
	    "{'kt-expires': '0'}}}");
	put(r, RECORD,
	    "{'kind': 'Service', 'metadata': {'name': 'web-kt-mesh-x', "
	    "'labels': {'control-by': 'kt', 'kt-role': 'shadow-mesh', "
	    "'kt-env': 'dev.x'}, 'annotations': {'kt-user': 'ann'}, "
	    "'ownerReferences': [{'uid': 'u'}]}, 'spec': {'selector': {"
	    "'kt-target': 'copy'}}}");
}

static void rig_fini(struct rig *r)
{
	json_decref(r->job.service);
	json_decref(r->job.original);
	store_fini(&r->s);
}

#define ROUTER_META(name)                                                      \
	"'metadata': {'name': '" name "', 'labels': {'control-by': 'kt', "     \
	"'kt-role': 'router', 'kt-target': 'T'}, 'annotations': {"             \
	"'kt-user': 'ann', 'kt-config': 'service=web'}}"
#define ROUTER_POD                                                             \
	"{'containers': [{'name': 'standalone', 'args': ['--listen']}]}"

static void put_standing(struct rig *r)
{
	put(r, ROUTER,
	    "{'kind': 'Deployment', " ROUTER_META(
		    "web-kt-router") ", 'spec': {"
				     "'template': {'metadata': {'labels': {"
				     "'kt-role': 'router', 'kt-target': 'T'}}, "
				     "'spec': " ROUTER_POD "}}}");
}

static void put_bare(struct rig *r)
{
	put(r, BARE,
	    "{'kind': 'Pod', " ROUTER_META(
		    "web-kt-router") ", 'spec': " ROUTER_POD "}");
}

static int check(struct rig *r, enum lease_use use)
{
	r->err = (struct kt_error){ 0 };
	assert_int_equal(job_read(&r->job, &r->err), 0);
	return lease_check(&r->job, use, &r->err);
}

static void expect_held(struct rig *r, enum lease_use use, const char *says)
{
	assert_int_equal(check(r, use), -EBUSY);
	assert_non_null(strstr(r->err.msg, says));
	assert_true(*r->err.hint); /* what to do */
	assert_string_equal(r->s.log, "");
}

static void a_standing_router_is_joined_by_all(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_standing(&r);
	assert_int_equal(check(&r, LEASE_STANDING), 1);
	assert_int_equal(check(&r, LEASE_MARKED), 1);
	assert_int_equal(check(&r, LEASE_BESIDE), 0);
	expect_held(&r, LEASE_ALL, "members of environments (dev.x), by ann");
	assert_non_null(strstr(r.err.hint, "ktctl env leave"));
	rig_fini(&r);
}

static void a_bare_router_is_its_users(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	put_bare(&r);
	expect_held(&r, LEASE_STANDING,
		    "a router that ends with its users: it is meshed by ann");
	assert_int_equal(check(&r, LEASE_MARKED), 1);
	/* of nobody any more */
	json_object_del(r.s.objects, JOB);
	assert_int_equal(check(&r, LEASE_STANDING), 0);
	assert_null(store_get(&r.s, BARE));
	rig_fini(&r);
}

/* How the environment is: does its member keep the Service? */
static void expect_life(const char *batch, bool alive)
{
	struct rig r;
	int rc;

	rig_init(&r);
	put_standing(&r);
	if (batch)
		put(&r, JOB, batch);
	else
		json_object_del(r.s.objects, JOB);
	rc = check(&r, LEASE_ALL);
	assert_int_equal(rc, alive ? -EBUSY : 0);
	assert_true(!store_get(&r.s, RECORD) == !alive);
	assert_true(!store_get(&r.s, ROUTER) == !alive);
	rig_fini(&r);
}

static void a_member_lives_as_long_as_its_environment(void **state)
{
	auto_free char *later =
		xasprintf("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': "
			  "'u', 'annotations': {'kt-expires': "
			  "'%lld'}}}",
			  (long long)time(NULL) + 100);

	(void)state;
	expect_life(later, true);
	expect_life("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': 'u'}}",
		    true);
	expect_life(NULL, false);
	expect_life("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': "
		    "'another'}}",
		    false);
	expect_life("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': 'u', "
		    "'deletionTimestamp': 'now'}}",
		    false);
	expect_life("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': 'u', "
		    "'annotations': {'kt-expires': "
		    "'1000'}}}",
		    false);
	expect_life("{'metadata': {'labels': {'kt-role': 'env'}, 'uid': 'u'}, "
		    "'status': {'conditions': [{"
		    "'type': 'Failed', 'status': 'True'}]}}",
		    false);
}

#define ORIGIN CORE "services/web-kt-stuntman"

/* Whoever has waited for the lock: the Service is given back, and the router is
 * there still */
static bool joins(struct store *s, struct fake_conn *c, const char *method,
		  const char *path, const json_t *body)
{
	(void)c;
	(void)body;
	if (s->user && strcmp(method, "PUT") == 0 && strcmp(path, WEB) == 0 &&
	    !json_at(body, "metadata", "annotations", "kt-selector", NULL)) {
		store_put(s, CORE "services/web-kt-mesh-b",
			  json_quoted("{'metadata': {'name': 'web-kt-mesh-b', "
				      "'labels': {'control-by': 'kt', "
				      "'kt-role': 'shadow-mesh'}}}"));
		s->user = NULL;
	}
	return false;
}

static void expect_left(bool joined)
{
	struct mesh m = { .name = "web-kt-mesh-x", .recorded = true };
	struct rig r;

	rig_init(&r);
	m.job = r.job;
	m.job.stuntman = true;
	put(&r, ORIGIN,
	    "{'metadata': {'name': 'web-kt-stuntman', 'labels': {'control-by': "
	    "'kt'}}}");
	r.s.before = joins;
	r.s.user = joined ? &r : NULL;
	mesh_router_undo(&m.job);
	assert_int_equal(store_get(&r.s, ORIGIN) != NULL, joined);
	assert_null(store_get(&r.s, RECORD));
	assert_null(
		json_at(store_get(&r.s, WEB), "metadata", "annotations", NULL));
	r.job = m.job;
	rig_fini(&r);
}

static void test_last_leaves(void **state)
{
	(void)state;
	expect_left(false);
	expect_left(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_standing_router_is_joined_by_all),
		cmocka_unit_test(a_bare_router_is_its_users),
		cmocka_unit_test(a_member_lives_as_long_as_its_environment),
		cmocka_unit_test(test_last_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
