/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/declared.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

static json_t *service_of(const char *name)
{
	return json_pack("{s:{s:s,s:s,s:s,s:{s:s},s:{s:s,s:s,s:s}},"
			 "s:{s:s,s:s,s:[s],s:{s:s},s:[{s:s,s:i,s:s,s:s,s:i}]},"
			 "s:{s:{}}}",
			 "metadata", "name", name, "namespace", "shop", "uid",
			 "1-2", "labels", "team", "red", "annotations", "note",
			 "kept",
			 "kubectl.kubernetes.io/last-applied-configuration",
			 "{}", "kt-lock", "17", "spec", "type", "NodePort",
			 "clusterIP", "10.0.0.1", "clusterIPs", "10.0.0.1",
			 "selector", "app", "web", "ports", "name", "http",
			 "port", 80, "protocol", "TCP", "targetPort", "http",
			 "nodePort", 30080, "status", "loadBalancer");
}

/* Written down, the Service has what is the user's, and what is chosen by the
 * API server is not in it: so it can be applied over the one that is there */
static void service_is_the_users(void **state)
{
	auto_json json_t *now = service_of("web");
	auto_json json_t *own = json_pack("{s:s}", "app", "web");
	auto_json json_t *s = declared_service(now, own);
	auto_json json_t *back = declared_selector(s);
	const json_t *port =
		json_array_get(json_at(s, "spec", "ports", NULL), 0);

	(void)state;
	assert_string_equal(json_str(s, "metadata", "labels", "team", NULL),
			    "red");
	assert_string_equal(object_annotation(s, "note"), "kept");
	assert_int_equal(
		json_object_size(json_at(s, "metadata", "annotations", NULL)),
		2);
	assert_null(json_at(s, "metadata", "uid", NULL));
	assert_null(json_at(s, "spec", "clusterIP", NULL));
	assert_null(json_at(s, "spec", "clusterIPs", NULL));
	assert_null(json_object_get(port, "nodePort"));
	assert_string_equal(json_str(s, "spec", "type", NULL), "NodePort");
	assert_true(json_equal(back, own));
	/* nobody takes it for one that is taken */
	assert_null(service_role(s));
	assert_null(object_annotation(s, KT_ANNOTATION_SELECTOR));
}

/* Declared once more it is the same */
static void twice_is_once(void **state)
{
	auto_json json_t *now = service_of("web");
	auto_json json_t *own = json_pack("{s:s}", "app", "web");
	auto_json json_t *first = declared_service(now, own);
	auto_json json_t *again = declared_selector(first);
	auto_json json_t *second = declared_service(first, again);

	(void)state;
	assert_true(json_equal(first, second));
}

static void what_is_not_declared(void **state)
{
	static const char *const notes[] = { "", "[]", "{}", "{\"a\":1}",
					     "nonsense" };
	auto_json json_t *plain = service_of("web");
	auto_json json_t *own = json_pack("{s:s}", "app", "web");
	auto_json json_t *s = declared_service(plain, own);
	json_t *annotations = json_at(s, "metadata", "annotations", NULL);

	(void)state;
	assert_null(declared_selector(plain));
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		json_object_set_new(annotations, KT_ANNOTATION_DECLARED,
				    json_string(notes[i]));
		assert_null(declared_selector(s));
	}
	/* somebody has put the selector back, and left the note */
	json_object_set_new(annotations, KT_ANNOTATION_DECLARED,
			    json_string("{\"app\":\"web\"}"));
	json_object_set(json_object_get(s, "spec"), "selector", own);
	assert_null(declared_selector(s));
}

static void trunk_has_the_selector(void **state)
{
	auto_json json_t *now = service_of("web");
	auto_json json_t *own = json_pack("{s:s}", "app", "web");
	auto_json json_t *o = declared_origin(now, own);

	(void)state;
	assert_string_equal(object_name(o), "web-kt-origin");
	assert_string_equal(json_str(o, "metadata", "namespace", NULL), "shop");
	assert_true(json_equal(json_at(o, "spec", "selector", NULL), own));
	assert_null(object_label(o, KT_LABEL_CONTROL));
}

/* The Service leads to it, the table's touch finds it, and clean does not see
 * it */
static void router_is_found(void **state)
{
	auto_json json_t *now = service_of("web");
	auto_json json_t *own = json_pack("{s:s}", "app", "web");
	auto_json json_t *s = declared_service(now, own);
	static const char *const args[] = { "--listen", "7070", NULL };
	const struct shadow_spec spec = { .name = "web-kt-env-router",
					  .role = KT_ROLE_ROUTER,
					  .target = "t",
					  .image = "i",
					  .args = args,
					  .env_table = KT_ENV_TABLE };
	auto_json json_t *d = shadow_deployment(&spec);
	auto_free char *of = NULL;

	(void)state;
	declared_router(d, now);
	of = object_config(d, "service");
	assert_true(selector_matches(json_at(s, "spec", "selector", NULL),
				     object_pod_labels(d)));
	assert_true(selector_matches(
		json_at(d, "spec", "selector", "matchLabels", NULL),
		object_pod_labels(d)));
	assert_true(envobject_is_router(d));
	assert_string_equal(of, "web");
	assert_string_equal(json_str(d, "metadata", "namespace", NULL), "shop");
	assert_null(object_label(d, KT_LABEL_CONTROL));
}

static void long_names_fit(void **state)
{
	char name[64];
	auto_free char *router = NULL, *origin = NULL;

	(void)state;
	memset(name, 'a', 63);
	name[63] = '\0';
	router = declared_router_name(name);
	origin = declared_origin_name(name);
	assert_int_equal(strlen(router), 63);
	assert_int_equal(strlen(origin), 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_is_the_users),
		cmocka_unit_test(twice_is_once),
		cmocka_unit_test(what_is_not_declared),
		cmocka_unit_test(trunk_has_the_selector),
		cmocka_unit_test(router_is_found),
		cmocka_unit_test(long_names_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
