/* SPDX-License-Identifier: Apache-2.0 */
/* One member takes another's place, at a Service whose router is declared: no
 * lock keeps two joins apart there */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/job.h"
#include "env/join.h"
#include "env/member.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define JOB "/apis/batch/v1/namespaces/n/jobs/kt-env-dev.x"
#define RECORD "/api/v1/namespaces/n/services/web-kt-mesh-x"
#define MAP "/api/v1/namespaces/n/configmaps/kt-env"
#define COPY "/apis/apps/v1/namespaces/n/deployments/web-copy"
#define LINE "member dev.x web web-kt-mesh-x."

struct bed {
	struct store s;
	struct app app;
	struct global_options global;
	struct options o;
	struct kt_error err;
};

static void put(struct bed *b, const char *path, const char *text)
{
	store_put(&b->s, path, json_quoted(text));
}

/* @user's member is there: it has a record, a line and a copy */
static void bed_init(struct bed *b, const char *user)
{
	const struct env_spec spec = { .name = "dev.x", .now = time(NULL) };
	struct env_info info;
	json_t *record;

	*b = (struct bed){ .global = { .use_local_time = true } };
	store_init(&b->s);
	b->app.loop = b->s.w.loop;
	b->app.progress = progress_new(b->app.loop, stderr);
	store_put(&b->s, JOB, env_job_make(&spec));
	assert_int_equal(env_info_read(&info, store_get(&b->s, JOB)), 0);
	record = json_quoted(
		"{'metadata': {'name': 'web-kt-mesh-x', 'labels': {'control-by'"
		": 'kt', 'kt-role': 'shadow-mesh', 'kt-env': 'dev.x'}, "
		"'annotations': {'kt-config': 'service=web'}}, 'spec': {"
		"'selector': {'kt-target': 'former'}, 'ports': []}}");
	json_object_set_new(json_object_get(record, "metadata"),
			    "ownerReferences",
			    json_pack("[o]", env_owner_ref(&info)));
	json_object_set_new(json_at(record, "metadata", "annotations", NULL),
			    "kt-user", json_string(user));
	env_info_fini(&info);
	store_put(&b->s, RECORD, record);
	put(b, MAP,
	    "{'metadata': {'name': 'kt-env', 'labels': {'kt-role': "
	    "'env-table'}}, 'data': {'members': '" LINE " 0 -\\n'}}");
	put(b, COPY,
	    "{'metadata': {'name': 'web-copy', 'labels': {'kt-env': 'dev.x', "
	    "'kt-env-of': 'web'}}, 'spec': {'template': {'metadata': {'labels'"
	    ": {'kt-target': 'former'}}}}}");
}

static void bed_fini(struct bed *b)
{
	progress_free(b->app.progress);
	store_fini(&b->s);
}

/* A join as it is when the Service was looked at */
static void join_init(struct env_join *j, struct bed *b)
{
	*j = (struct env_join){
		.mesh = { .job = { .app = &b->app,
				   .global = &b->global,
				   .kube = b->s.w.kube,
				   .ns = "n",
				   .name = "web" },
			  .env = &j->env,
			  .name = "web-kt-mesh-x",
			  .declared = true },
		.o = &b->o,
		.env = { .name = "dev.x", .expires = "0", .member = "local" },
	};
	assert_int_equal(env_info_read(&j->info, store_get(&b->s, JOB)), 0);
	j->owner = env_owner_ref(&j->info);
	j->env.owner = j->owner;
	j->mesh.job.service =
		json_quoted("{'spec': {'ports': [{'port': 80}]}}");
	j->env.selector = json_object_get(j->mesh.job.service, "spec");
	j->env.ports = json_at(j->mesh.job.service, "spec", "ports", NULL);
}

static void join_fini(struct env_join *j)
{
	json_decref(j->mesh.job.service);
	free(j->mesh.job.config_text);
	json_decref(j->mesh.route.made);
	free(j->mesh.router);
	json_decref(j->owner);
	json_decref(j->replaced);
	env_info_fini(&j->info);
}

static bool has_line(const struct bed *b)
{
	const char *text =
		json_str(store_get(&b->s, MAP), "data", "members", NULL);

	return text && strstr(text, LINE);
}

static void expect_untouched(const struct bed *b)
{
	assert_non_null(store_get(&b->s, RECORD));
	assert_non_null(store_get(&b->s, COPY));
	assert_true(has_line(b));
}

/* Record, line, Pods, in this order: nobody is sent to Pods that go */
static void a_place_is_taken(void **state)
{
	const char *record, *line, *copy;
	struct env_join j;
	struct bed b;

	(void)state;
	bed_init(&b, "nobody-else");
	join_init(&j, &b);
	assert_int_equal(env_join_replace(&j, &b.err), -EACCES);
	b.o.env.in.force = true;
	assert_int_equal(env_join_replace(&j, &b.err), 0);
	assert_string_equal(b.s.log, "");
	expect_untouched(&b);
	assert_int_equal(env_join_hold(&j, &b.err), 0);
	assert_false(has_line(&b));
	record = strstr(b.s.log, "PUT " RECORD);
	line = strstr(b.s.log, " " MAP);
	copy = strstr(b.s.log, "DELETE " COPY);
	assert_true(record && line && copy && record < line && line < copy);
	assert_string_equal(object_annotation(store_get(&b.s, RECORD),
					      KT_ANNOTATION_FORCED),
			    shadow_user());
	join_fini(&j);
	bed_fini(&b);
}

static const char *leads_to(const struct bed *b)
{
	return json_str(store_get(&b->s, RECORD), "spec", "selector",
			"kt-target", NULL);
}

static void expect_end(const struct bed *b, const char *end)
{
	assert_string_equal(object_annotation(store_get(&b->s, RECORD),
					      KT_ANNOTATION_EXPIRES),
			    end);
}

/* Pods take the place of Pods: the former ones answer until the record is
 * turned, and again if that is taken back */
static void a_place_is_taken_without_a_gap(void **state)
{
	auto_json json_t *next = json_quoted("{'kt-target': 'next'}");
	struct member m = { 0 };
	struct env_join j;
	struct bed b;

	(void)state;
	bed_init(&b, shadow_user());
	join_init(&j, &b);
	j.member = &m;
	assert_int_equal(env_join_replace(&j, &b.err), 0);
	j.env.selector = json_at(j.replaced, "spec", "selector", NULL);
	j.env.next = "next";
	assert_int_equal(env_join_hold(&j, &b.err), 0);
	expect_untouched(&b);
	assert_string_equal(leads_to(&b), "former");
	assert_string_equal(
		object_annotation(store_get(&b.s, RECORD), KT_ANNOTATION_NEXT),
		"next");
	assert_int_equal(mesh_record_check(&j.mesh, &b.err), 0);
	j.env.selector = next;
	j.env.next = NULL;
	/* the environment is extended meanwhile */
	json_object_set_new(json_at(store_get(&b.s, RECORD), "metadata",
				    "annotations", NULL),
			    KT_ANNOTATION_EXPIRES, json_string("77"));
	assert_int_equal(mesh_record_lead(&j.mesh, &b.err), 0);
	assert_string_equal(leads_to(&b), "next");
	expect_end(&b, "77");
	assert_null(
		object_annotation(store_get(&b.s, RECORD), KT_ANNOTATION_NEXT));
	assert_int_equal(mesh_record_restore(&j.mesh, j.replaced, &b.err), 0);
	assert_string_equal(leads_to(&b), "former");
	expect_end(&b, "77");
	assert_null(
		object_annotation(store_get(&b.s, RECORD), KT_ANNOTATION_JOIN));
	/* what is undone from here on is not this join's */
	env_join_untable(&j);
	mesh_record_remove(&j.mesh);
	expect_untouched(&b);
	join_fini(&j);
	bed_fini(&b);
}

/* Another has come meanwhile: its record is not turned, nor given away */
static void a_place_that_is_lost(void **state)
{
	struct member m = { 0 };
	struct env_join first, second;
	struct bed b;

	(void)state;
	bed_init(&b, shadow_user());
	join_init(&first, &b);
	join_init(&second, &b);
	first.member = second.member = &m;
	assert_int_equal(env_join_replace(&first, &b.err), 0);
	assert_int_equal(env_join_hold(&first, &b.err), 0);
	assert_int_equal(env_join_replace(&second, &b.err), 0);
	assert_int_equal(env_join_hold(&second, &b.err), 0);
	assert_int_equal(mesh_record_lead(&first.mesh, &b.err), -ECANCELED);
	assert_int_equal(
		mesh_record_restore(&first.mesh, first.replaced, &b.err),
		-ECANCELED);
	assert_int_equal(mesh_record_check(&second.mesh, &b.err), 0);
	join_fini(&first);
	join_fini(&second);
	bed_fini(&b);
}

/* The one whose owner was asked is not the one that is there now */
static void another_was_quicker(void **state)
{
	struct env_join j;
	struct bed b;

	(void)state;
	bed_init(&b, shadow_user());
	join_init(&j, &b);
	assert_int_equal(env_join_replace(&j, &b.err), 0);
	store_put(&b.s, RECORD, json_deep_copy(store_get(&b.s, RECORD)));
	assert_int_equal(env_join_hold(&j, &b.err), -EEXIST);
	env_join_untable(&j);
	mesh_record_remove(&j.mesh);
	expect_untouched(&b);
	join_fini(&j);
	bed_fini(&b);
}

/* --force is not recorded where there was nobody to be forced */
static void a_dead_one_is_nobodys(void **state)
{
	struct env_join j;
	struct bed b;

	(void)state;
	bed_init(&b, "nobody-else");
	json_object_set_new(
		json_object_get(store_get(&b.s, RECORD), "metadata"),
		"ownerReferences", json_array());
	join_init(&j, &b);
	assert_int_equal(env_join_replace(&j, &b.err), 0);
	assert_null(j.env.forced_by);
	join_fini(&j);
	bed_fini(&b);
}

/* A join fails when another one has its place, its line and a copy of its own
 */
static void what_is_undone_is_ones_own(void **state)
{
	struct env_join first, second;
	struct bed b;

	(void)state;
	bed_init(&b, shadow_user());
	join_init(&first, &b);
	join_init(&second, &b);
	assert_int_equal(env_join_replace(&first, &b.err), 0);
	assert_int_equal(env_join_hold(&first, &b.err), 0);
	assert_int_equal(env_join_replace(&second, &b.err), 0);
	assert_int_equal(env_join_hold(&second, &b.err), 0);
	assert_int_equal(env_join_table(&second, "web-kt-mesh-x.", &b.err), 0);
	put(&b, COPY,
	    "{'metadata': {'name': 'web-copy', 'labels': {'kt-env': 'dev.x', "
	    "'kt-env-of': 'web'}}, 'spec': {'template': {'metadata': {'labels'"
	    ": {'kt-target': 'second'}}}}}");
	env_join_untable(&first);
	const struct member_place at = env_join_place(&first);
	assert_int_equal(member_remove_copies(&at, "first", &b.err), 0);
	mesh_record_remove(&first.mesh);
	expect_untouched(&b);
	env_join_untable(&second);
	assert_false(has_line(&b));
	assert_int_equal(member_remove_copies(&at, "second", &b.err), 0);
	assert_null(store_get(&b.s, COPY));
	mesh_record_remove(&second.mesh);
	assert_null(store_get(&b.s, RECORD));
	join_fini(&first);
	join_fini(&second);
	bed_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_taken),
		cmocka_unit_test(a_place_is_taken_without_a_gap),
		cmocka_unit_test(a_place_that_is_lost),
		cmocka_unit_test(another_was_quicker),
		cmocka_unit_test(a_dead_one_is_nobodys),
		cmocka_unit_test(what_is_undone_is_ones_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
