/* SPDX-License-Identifier: Apache-2.0 */
/* What a Pod without an image of ours needs, against a fake API server. */
#include "json.h"
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "kube/rest.h"
#include "uplink/bootstrap.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define MAPS "/api/v1/namespaces/n/configmaps"
#define POD "/api/v1/namespaces/n/pods/web"

struct rig {
	struct store store;
	struct pod_options options;
	struct bootstrap b;
	char map[160]; /* where the ConfigMap is */
	json_t *pod;   /* one of ours */
};

static void rig_init(struct rig *r)
{
	struct kt_error err = { 0 };

	*r = (struct rig){ 0 };
	store_init(&r->store);
	store_put(&r->store, POD,
		  json_quoted("{'metadata': {'name': 'web'}, 'spec': "
			      "{'containers': [{'name': 'c', 'image': 'x:1'}]},"
			      "'status': {'phase': 'Running', "
			      "'containerStatuses': [{'name': 'c', 'state': "
			      "{'running': {}}}]}}"));
	bootstrap_init(&r->b, r->store.w.kube, "n", &r->options);
	if (!program_for(objects_arch()))
		return;
	assert_int_equal(bootstrap_prepare(&r->b, NULL, &err), 0);
	snprintf(r->map, sizeof(r->map), MAPS "/%s", r->b.name);
	r->pod = json_pack("{s:{s:[{s:{s:s}}]}}", "spec", "volumes",
			   "configMap", "name", r->b.name);
}

static void rig_fini(struct rig *r)
{
	bootstrap_fini(&r->b);
	store_fini(&r->store);
	json_decref(r->pod);
}

static void an_image_needs_nothing(void **state)
{
	struct shadow_spec s = { 0 };
	struct kt_error err = { 0 };
	struct rig r = { .options = { .image = (char *)(uintptr_t) "i:1" } };

	(void)state;
	store_init(&r.store);
	bootstrap_init(&r.b, r.store.w.kube, "n", &r.options);
	assert_int_equal(bootstrap_prepare(&r.b, NULL, &err), 0);
	bootstrap_fill(&r.b, &s);
	assert_string_equal(s.image, "i:1");
	assert_null(s.program);
	assert_int_equal(r.store.w.fake.requests, 0);
	rig_fini(&r);
}

/* One that was slow to start was looked after; its successors have its image,
 * and no program */
static void an_image_needs_nothing_later(void **state)
{
	auto_json json_t *pod = json_quoted("{'spec': {'volumes': []}}");
	struct rig r = { .options = { .image = (char *)(uintptr_t) "i:1" } };
	struct kt_error err = { 0 };
	struct bootstrap next;

	(void)state;
	store_init(&r.store);
	bootstrap_init(&r.b, r.store.w.kube, "n", &r.options);
	assert_int_equal(bootstrap_prepare(&r.b, NULL, &err), 0);
	bootstrap_look(&r.b, pod);
	bootstrap_init(&next, r.store.w.kube, "n", &r.options);
	bootstrap_inherit(&next, &r.b);
	for (int i = 0; i < 2; i++) {
		struct bootstrap *b = i ? &next : &r.b;
		struct shadow_spec s = { 0 };

		assert_int_equal(bootstrap_again(b, &err), 0);
		assert_int_equal(bootstrap_prepare(b, NULL, &err), 0);
		bootstrap_fill(b, &s);
		assert_string_equal(s.image, "i:1");
		assert_null(s.program);
	}
	assert_int_equal(r.store.w.fake.requests, 0);
	bootstrap_fini(&next);
	rig_fini(&r);
}

static void no_program_for_other_nodes(void **state)
{
	struct pair other = { (char *)(uintptr_t) "kubernetes.io/arch",
			      (char *)(uintptr_t) "mips" };
	struct kt_error err = { 0 };
	struct rig r;

	(void)state;
	rig_init(&r);
	r.options.node_selector = (struct pairs){ .v = &other, .n = 1 };
	assert_int_equal(bootstrap_prepare(&r.b, NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "'mips'"));
	assert_non_null(strstr(err.hint, "--image"));
	rig_fini(&r);
}

#ifndef KT_SANITIZED /* which has no static shadow to bring along */

/* Nothing else runs when a lost shadow is replaced: the image is known */
static void the_image_of_before(void **state)
{
	struct shadow_spec s = { 0 };
	struct kt_error err = { 0 };
	struct rig r;

	(void)state;
	rig_init(&r);
	json_object_del(r.store.objects, POD);
	assert_int_equal(bootstrap_prepare(&r.b, NULL, &err), 0);
	assert_int_equal(err.code, 0);
	bootstrap_fill(&r.b, &s);
	assert_string_equal(s.image, "x:1");
	assert_string_equal(s.program, r.b.name);
	assert_int_equal(strlen(s.digest), 64);
	rig_fini(&r);
}

/* A Deployment makes the next Pod by itself: its ConfigMap must be there */
static void the_next_one_is_prepared_as_the_last(void **state)
{
	struct shadow_spec s = { 0 };
	struct kt_error err = { 0 };
	struct bootstrap next, none;
	struct rig r;

	(void)state;
	rig_init(&r);
	bootstrap_init(&next, r.store.w.kube, "n", &r.options);
	bootstrap_init(&none, r.store.w.kube, "n", &r.options);
	json_object_del(r.store.objects, r.map);
	json_object_del(r.store.objects, POD);
	bootstrap_inherit(&next, &none);
	assert_int_equal(bootstrap_again(&next, &err), 0);
	assert_null(store_get(&r.store, r.map));
	bootstrap_inherit(&next, &r.b);
	assert_int_equal(bootstrap_again(&next, &err), 0);
	assert_non_null(store_get(&r.store, r.map));
	assert_int_equal(bootstrap_prepare(&next, NULL, &err), 0);
	bootstrap_fill(&next, &s);
	assert_string_equal(s.image, "x:1");
	bootstrap_fini(&next);
	bootstrap_fini(&none);
	rig_fini(&r);
}

static void settle(struct rig *r)
{
	for (int i = 0; i < 100 && r->b.look; i++)
		assert_int_equal(loop_sleep(r->store.w.loop, 50 * NS_MS), 0);
	assert_null(r->b.look);
}

static void removed_before_it_was_mounted(void **state)
{
	auto_json json_t *other =
		json_quoted("{'spec': {'volumes': [{'configMap': {'name': "
			    "'theirs'}}]}}");
	struct rig r;

	(void)state;
	rig_init(&r);
	bootstrap_look(&r.b, r.pod); /* it is there */
	settle(&r);
	assert_int_equal(store_logged(&r.store, "POST"), 1);
	json_object_del(r.store.objects, r.map);
	bootstrap_look(&r.b, other); /* not what this one waits for */
	settle(&r);
	assert_null(store_get(&r.store, r.map));
	bootstrap_look(&r.b, r.pod);
	settle(&r);
	assert_non_null(store_get(&r.store, r.map));
	rig_fini(&r);
}

struct refusing {
	int status;
	bool dry; /* also where nothing is made */
};

/* A policy says no to Pods */
static bool refuse_pods(struct store *s, struct fake_conn *c,
			const char *method, const char *path,
			const json_t *body)
{
	const struct refusing *r = s->user;
	bool dry = store_logged(s, "POST " MAPS) == 0; /* which comes first */

	(void)body;
	if (strcmp(method, "POST") != 0 || !strstr(path, "/pods") ||
	    (dry && !r->dry))
		return false;
	fake_reply(c, r->status, "Content-Type: application/json\r\n",
		   "{\"kind\":\"Status\",\"message\":\"denied: runAsUser: "
		   "65534 is not in 1000000000-1000009999\"}");
	return true;
}

/* how many ConfigMaps were made */
static int refused(int status, bool dry)
{
	struct pod_options options = { 0 };
	struct refusing r = { .status = status, .dry = dry };
	struct shadow_config cfg = { .ns = "n", .pod = &options };
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;
	struct store s;
	int made;

	store_init(&s);
	store_put(&s, POD,
		  json_quoted("{'metadata': {'name': 'web'}, 'spec': "
			      "{'containers': [{'name': 'c', 'image': 'x:1'}]},"
			      "'status': {'phase': 'Running', "
			      "'containerStatuses': [{'name': 'c', 'state': "
			      "{'running': {}}}]}}"));
	s.before = refuse_pods;
	s.user = &r;
	cfg.kube = s.w.kube;
	shadow = shadow_new(&cfg);
	assert_true(shadow_ensure(shadow, &err) < 0);
	assert_non_null(strstr(err.msg, "65534 is not in 1000000000"));
	assert_non_null(strstr(err.hint, "--runAsUser none"));
	made = store_logged(&s, "POST " MAPS);
	shadow_free(shadow);
	store_fini(&s);
	return made;
}

static void nothing_is_left_of_a_refused_pod(void **state)
{
	(void)state;
	assert_int_equal(refused(422, true), 0);
	assert_int_equal(refused(403, true), 0);
	/* a webhook that knows no dry run tells nothing */
	assert_int_equal(refused(403, false), 1);
	assert_int_equal(refused(400, true), 1);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_needs_nothing),
		cmocka_unit_test(an_image_needs_nothing_later),
		cmocka_unit_test(no_program_for_other_nodes),
#ifndef KT_SANITIZED
		cmocka_unit_test(the_image_of_before),
		cmocka_unit_test(the_next_one_is_prepared_as_the_last),
		cmocka_unit_test(removed_before_it_was_mounted),
		cmocka_unit_test(nothing_is_left_of_a_refused_pod),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
