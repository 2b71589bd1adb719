/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <string.h>

#define NS "n"
#define SHARED "/api/v1/namespaces/" NS "/pods/" KT_SHARED_SHADOW

struct rig {
	struct store store;
	struct pod_options pod;
	struct shadow_pod *shadow;
};

/* A shared shadow that runs, with @refs users */
static void put_shared(struct store *s, const char *refs)
{
	store_put(s, SHARED,
		  json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s},s:{s:s}},"
			    "s:{s:[{s:s}]},s:{s:s,s:s,s:[{s:s,s:b,s:{s:{}}}]}}",
			    "kind", "Pod", "apiVersion", "v1", "metadata",
			    "name", KT_SHARED_SHADOW, "namespace", NS, "labels",
			    KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			    "annotations", KT_ANNOTATION_REFS, refs, "spec",
			    "containers", "name", "standalone", "status",
			    "phase", "Running", "podIP", "10.0.0.9",
			    "containerStatuses", "name", "standalone", "ready",
			    1, "state", "running"));
}

static void rig_init(struct rig *r)
{
	struct shadow_config cfg = { .ns = NS, .pod = &r->pod, .share = true };
	struct kt_error err = { 0 };

	*r = (struct rig){ .pod = { .image = (char *)(uintptr_t) "i",
				    .creation_timeout = 10 } };
	store_init(&r->store);
	put_shared(&r->store, "1");
	cfg.kube = r->store.w.kube;
	r->shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r->shadow, &err), 0);
}

static void rig_fini(struct rig *r)
{
	shadow_free(r->shadow);
	store_fini(&r->store);
}

static const char *refs(const struct rig *r)
{
	return object_annotation(store_get(&r->store, SHARED),
				 KT_ANNOTATION_REFS);
}

static void one_of_two_leaves(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	assert_string_equal(refs(&r), "2");
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_string_equal(refs(&r), "1");
	assert_int_equal(store_logged(&r.store, "DELETE"), 0);
	rig_fini(&r);
}

static void the_last_removes_it(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	put_shared(&r.store, "1"); /* the other has left */
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_null(store_get(&r.store, SHARED));
	rig_fini(&r);
}

/* Somebody joins between the look at the count and the DELETE */
static bool join_first(struct store *s, struct fake_conn *c, const char *method,
		       const char *path, const json_t *body)
{
	(void)c;
	(void)path;
	(void)body;
	if (strcmp(method, "DELETE") == 0 && store_logged(s, "DELETE") == 1)
		put_shared(s, "2");
	return false;
}

static void not_under_who_joins(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	put_shared(&r.store, "1");
	r.store.before = join_first;
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_non_null(store_get(&r.store, SHARED));
	assert_string_equal(refs(&r), "1");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_leaves),
		cmocka_unit_test(the_last_removes_it),
		cmocka_unit_test(not_under_who_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
