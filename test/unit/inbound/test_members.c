/* SPDX-License-Identifier: Apache-2.0 */
/* A Service with members of environments: who may take it, and who lives. */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
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

/* --- one member takes another's place ------------------------------------- */

/* A join of ours that makes its record: @led: its Pods are in the cluster */
struct joiner {
	struct mesh m;
	struct mesh_env env;
	json_t *owner, *selector, *ports;
};

static void joiner_init(struct joiner *j, struct rig *r, bool led)
{
	*j = (struct joiner){ .m = { .job = r->job, .env = &j->env } };
	snprintf(j->m.name, sizeof(j->m.name), "web-kt-mesh-x");
	j->owner = json_quoted("{'uid': 'u'}");
	j->selector = json_quoted("{'app': 'beta'}");
	j->ports = json_quoted("[{'port': 80}]");
	j->env = (struct mesh_env){ .name = "dev.x",
				    .owner = j->owner,
				    .expires = "0",
				    .member =
					    led ? "selector app=beta" : "local",
				    .selector = led ? j->selector : NULL,
				    .ports = j->ports };
	j->m.job.service = json_quoted("{'spec': {'ports': [{'port': 80}]}}");
	j->m.job.config_text = xstrdup("service=web");
}

static void joiner_fini(struct joiner *j)
{
	heartbeat_stop(j->m.record);
	keep_fini(&j->m.job);
	json_decref(j->m.job.service);
	free(j->m.job.config_text);
	json_decref(j->m.route.made);
	json_decref(j->owner);
	json_decref(j->selector);
	json_decref(j->ports);
}

static void join(struct joiner *j, struct rig *r)
{
	if (mesh_record_make(&j->m, &r->err) < 0)
		fail_msg("%s", r->err.msg);
	assert_int_equal(mesh_record_check(&j->m, &r->err), 0);
}

static void expect_intact(struct rig *r, const json_t *want)
{
	json_t *now = json_deep_copy(store_get(&r->s, RECORD));

	json_object_set(json_object_get(now, "metadata"), "resourceVersion",
			json_at(want, "metadata", "resourceVersion", NULL));
	assert_true(json_equal(now, want));
	json_decref(now);
}

/* A join that has failed is undone: what has taken its place meanwhile has the
 * same name, and the same uid */
static void what_took_its_place_is_not_undone(void **state)
{
	auto_json json_t *before = NULL;
	struct joiner first, second;
	struct rig r;

	(void)state;
	rig_init(&r);
	json_object_del(r.s.objects, RECORD);
	joiner_init(&first, &r, true);
	joiner_init(&second, &r, true);
	join(&first, &r);
	second.env.replaces = store_get(&r.s, RECORD);
	join(&second, &r);
	before = json_deep_copy(store_get(&r.s, RECORD));
	assert_true(mesh_record_is_foreign(&first.m));
	assert_int_equal(mesh_record_check(&first.m, &r.err), -ECANCELED);
	assert_non_null(strstr(r.err.msg, "has another member"));
	mesh_record_remove(&first.m);
	expect_intact(&r, before);
	assert_false(mesh_record_is_foreign(&second.m));
	mesh_record_remove(&second.m);
	assert_null(store_get(&r.s, RECORD));
	assert_int_equal(mesh_record_check(&second.m, &r.err), -ECANCELED);
	assert_non_null(strstr(r.err.msg, "was taken out"));
	joiner_fini(&first);
	joiner_fini(&second);
	rig_fini(&r);
}

/* A laptop wakes; it was dead for long enough */
static void who_wakes_leaves_what_took_its_place(void **state)
{
	auto_json json_t *before = NULL;
	struct joiner local, image;
	struct rig r;

	(void)state;
	rig_init(&r);
	json_object_del(r.s.objects, RECORD);
	joiner_init(&local, &r, false);
	joiner_init(&image, &r, true);
	join(&local, &r);
	mesh_record_keep(&local.m);
	assert_int_equal(keep_objects(&local.m.job, &r.err), 0);
	json_object_del(r.s.objects, RECORD);
	join(&image, &r);
	before = json_deep_copy(store_get(&r.s, RECORD));
	/* its heartbeat, before it knows */
	json_object_set_new(json_at(store_get(&r.s, RECORD), "metadata",
				    "annotations", NULL),
			    KT_ANNOTATION_HEARTBEAT, json_string("1"));
	assert_int_equal(keep_objects(&local.m.job, &r.err), -ECANCELED);
	assert_non_null(strstr(r.err.msg, "somebody else has made another"));
	assert_true(mesh_record_is_foreign(&local.m));
	mesh_record_remove(&local.m);
	expect_intact(&r, before);
	joiner_fini(&local);
	joiner_fini(&image);
	rig_fini(&r);
}

/* --- what was looked at is not what is there ------------------------------ */

static bool quicker(struct store *s, struct fake_conn *c, const char *method,
		    const char *path, const json_t *body)
{
	json_t **next = s->user;

	(void)c;
	(void)body;
	if (*next && strcmp(path, RECORD) == 0 && strcmp(method, "GET") != 0)
		store_put(s, RECORD, steal_ptr(next));
	return false;
}

static json_t *member_of(const char *user)
{
	return json_pack("{s:s,s:{s:s,s:{s:s,s:s,s:s},s:{s:s},s:[{s:s}]}}",
			 "kind", "Service", "metadata", "name", "web-kt-mesh-x",
			 "labels", "control-by", "kt", "kt-role", "shadow-mesh",
			 "kt-env", "dev.x", "annotations", "kt-user", user,
			 "ownerReferences", "uid", "u");
}

/* @there: what the join finds; @next: what another puts there before it writes
 */
static void expect_others(json_t *there, json_t *next, bool seen)
{
	auto_json json_t *saw = json_deep_copy(there);
	struct joiner j;
	struct rig r;

	rig_init(&r);
	store_put(&r.s, RECORD, there);
	json_object_set(saw, "metadata", json_object_get(there, "metadata"));
	if (seen)
		store_put(&r.s, RECORD, steal_ptr(&next));
	r.s.before = quicker;
	r.s.user = &next;
	joiner_init(&j, &r, true);
	j.env.replaces = seen ? saw : NULL;
	assert_int_equal(mesh_record_make(&j.m, &r.err), -EEXIST);
	assert_non_null(strstr(r.err.msg, "dev.x already: bob's"));
	mesh_record_remove(&j.m); /* as it is undone */
	assert_string_equal(
		object_annotation(store_get(&r.s, RECORD), "kt-user"), "bob");
	joiner_fini(&j);
	rig_fini(&r);
}

/* Two see that its member is gone: the second one does not remove what the
 * first one has made in its place */
static void a_dead_record_is_replaced_once(void **state)
{
	json_t *dead = member_of("ann");

	(void)state;
	json_object_set_new(json_object_get(dead, "metadata"),
			    "ownerReferences", json_array());
	expect_others(dead, member_of("bob"), false);
}

/* Whose it was has been asked; then another one took its place */
static void only_what_was_asked_about_is_replaced(void **state)
{
	(void)state;
	expect_others(member_of("ann"), member_of("bob"), true);
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
		cmocka_unit_test(what_took_its_place_is_not_undone),
		cmocka_unit_test(who_wakes_leaves_what_took_its_place),
		cmocka_unit_test(a_dead_record_is_replaced_once),
		cmocka_unit_test(only_what_was_asked_about_is_replaced),
		cmocka_unit_test(test_last_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
