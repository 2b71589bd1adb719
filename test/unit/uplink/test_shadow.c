/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "base/str.h"
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

/* What of the new Pod's arguments comes after @name */
static const char *argument(const json_t *pod, const char *name)
{
	const json_t *args = json_object_get(
		json_array_get(json_at(pod, "spec", "containers", NULL), 0),
		"args");
	size_t i;
	json_t *v;

	json_array_foreach (args, i, v)
		if (str_eq(json_string_value(v), name))
			return json_string_value(json_array_get(args, i + 1));
	return "";
}

struct made {
	char listen[8], health[8];
	json_int_t probed;
	bool seen;
};

/* The Pod that is made, as the API server sees it; it will not run */
static bool note_made(struct store *s, struct fake_conn *c, const char *method,
		      const char *path, const json_t *body)
{
	struct made *m = s->user;
	const json_t *probe = json_at(
		json_array_get(json_at(body, "spec", "containers", NULL), 0),
		"readinessProbe", "httpGet", "port", NULL);

	(void)path;
	if (strcmp(method, "POST") != 0)
		return false;
	snprintf(m->listen, sizeof(m->listen), "%s",
		 argument(body, "--listen"));
	snprintf(m->health, sizeof(m->health), "%s",
		 argument(body, "--health"));
	m->probed = json_integer_value(probe);
	m->seen = true;
	fake_reply(c, 403, "", "enough seen");
	return true;
}

static void expect_ports(const char *serve, const char *listen,
			 const char *health)
{
	struct store store;
	struct pod_options pod = { .image = (char *)(uintptr_t) "i" };
	struct shadow_face face = { .prefix = "p-",
				    .role = KT_ROLE_EXCHANGE,
				    .serve = serve };
	struct shadow_config cfg = { .ns = NS, .pod = &pod, .face = &face };
	struct made m = { 0 };
	uint16_t probed;
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;

	store_init(&store);
	store.before = note_made;
	store.user = &m;
	cfg.kube = store.w.kube;
	shadow = shadow_new(&cfg);
	assert_true(shadow_ensure(shadow, &err) < 0);
	assert_true(m.seen);
	assert_string_equal(m.listen, listen);
	assert_string_equal(m.health, health);
	assert_int_equal(str_to_port(health, &probed), 0);
	assert_int_equal(m.probed, probed);
	shadow_free(shadow);
	store_fini(&store);
}

/* The Service's ports are not its own */
static void makes_room_for_the_services_ports(void **state)
{
	(void)state;
	expect_ports(NULL, "7070", "7071");
	expect_ports("8080=10.0.0.1:80", "7070", "7071");
	expect_ports("7070=10.0.0.1:80~tcp", "7071", "7072");
	expect_ports("80,7071", "7070", "7072");
	expect_ports("7071=[fd00::1]:7072,7070", "7072", "7073");
	expect_ports("7070/udp,17070,70", "7070", "7071");
}

/* The tunnel is where the Pod that was joined says, if an injected container
 * comes first or not */
static void finds_the_port_of_a_joined_one(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };
	struct shadow_config cfg = { .ns = NS, .share = true };
	json_t *pod, *containers;

	(void)state;
	rig_init(&r);
	assert_int_equal(shadow_port(r.shadow), 7070); /* it says nothing */
	pod = json_deep_copy(store_get(&r.store, SHARED));
	containers =
		json_object_get(json_object_get(pod, "spec"), "containers");
	json_array_clear(containers);
	json_array_append_new(containers,
			      json_pack("{s:s,s:[s,s]}", "name", "istio-proxy",
					"args", "--listen", "15001"));
	json_array_append_new(containers,
			      json_pack("{s:s,s:[s,s,s,s]}", "name",
					KT_CONTAINER, "args", "--health",
					"7072", "--listen", "7073"));
	store_put(&r.store, SHARED, pod);
	shadow_free(r.shadow);
	cfg.kube = r.store.w.kube;
	cfg.pod = &r.pod;
	r.shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r.shadow, &err), 0);
	assert_int_equal(shadow_port(r.shadow), 7073);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_leaves),
		cmocka_unit_test(the_last_removes_it),
		cmocka_unit_test(not_under_who_joins),
		cmocka_unit_test(makes_room_for_the_services_ports),
		cmocka_unit_test(finds_the_port_of_a_joined_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
