/* SPDX-License-Identifier: Apache-2.0 */
/* The route of a host name of an environment. */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "env/share_entry.h"
#include "env/share_find.h"
#include "env/share_route.h"
#include "kube/rest.h"

#include <stdint.h>
#include <string.h>

#define ROUTES                                                                 \
	"[{'metadata': {'name': 'own'}, 'spec': {'hostnames': "                \
	"['shop.example'],"                                                    \
	" 'parentRefs': [{'name': 'gate', 'sectionName': 'web'},"              \
	"  {'kind': 'Service', 'name': 'web'}],"                               \
	" 'rules': [{}, {'backendRefs': [{'name': 'web', 'port': 80}]}]}},"    \
	"{'metadata': {'name': 'again'}, 'spec': {'parentRefs': [{'name':"     \
	" 'gate', 'sectionName': 'web'}, {'name': 'other', 'namespace': "      \
	"'in'}],"                                                              \
	" 'rules': [{'backendRefs': [{'kind': 'Service', 'name': 'web'}]}]}}," \
	"{'metadata': {'name': 'api'}, 'spec': {'parentRefs': [{'name':"       \
	" 'third'}], 'rules': [{'backendRefs': [{'name': 'api'}]}]}}]"

static void same(json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want), *g = got;
	auto_free char *text = json_dumps(g, JSON_ENCODE_ANY);

	if (!json_equal(g, w))
		fail_msg("%s", text);
}

/* Marks from outside are replaced, whichever they are; answers are not kept by
 * anybody; it goes with the environment */
static void the_route_is_as_it_must_be(void **state)
{
	auto_json json_t *parents = json_quoted("[{'name': 'gate'}]");
	struct env_info info = { .name = "dev.red",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = { .info = &info,
					 .ns = "shop",
					 .host = "red.example",
					 .service = "web",
					 .user = "ann",
					 .port = 80,
					 .parents = parents };
	auto_json json_t *route = share_route(&spec, SHARE_GROUP "/v1");

	(void)state;
	assert_string_equal(json_str(route, "apiVersion", NULL),
			    "gateway.networking.k8s.io/v1");
	assert_string_equal(json_str(route, "metadata", "name", NULL),
			    "kt-env-dev.red.red.example");
	assert_string_equal(
		json_str(route, "metadata", "labels", "kt-env", NULL),
		"dev.red");
	assert_string_equal(
		json_str(json_array_get(json_at(route, "metadata",
						"ownerReferences", NULL),
					0),
			 "uid", NULL),
		"u-1");
	assert_true(share_is_of(route, "dev.red"));
	same(json_incref(json_at(route, "spec", NULL)),
	     "{'parentRefs': [{'name': 'gate'}], 'hostnames': ['red.example'],"
	     " 'rules': [{'filters': ["
	     "{'type': 'RequestHeaderModifier', 'requestHeaderModifier':"
	     " {'set': [{'name': 'baggage', 'value': 'kt-env=dev.red'}],"
	     "  'remove': ['x-virtual-env', 'version']}},"
	     "{'type': 'ResponseHeaderModifier', 'responseHeaderModifier':"
	     " {'set': [{'name': 'cache-control', 'value': 'no-store'}]}}],"
	     " 'backendRefs': [{'name': 'web', 'port': 80}]}]}");
}

/* Who reads the chosen field finds it, too */
static void the_route_sets_the_field_that_was_chosen(void **state)
{
	auto_json json_t *parents = json_quoted("[{'name': 'gate'}]");
	struct env_info info = { .name = "dev.red",
				 .header = "x-tenant",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = { .info = &info,
					 .ns = "shop",
					 .host = "red.example",
					 .service = "web",
					 .user = "ann",
					 .port = 80,
					 .parents = parents };
	auto_json json_t *route = share_route(&spec, SHARE_GROUP "/v1");
	const json_t *rule =
		json_array_get(json_at(route, "spec", "rules", NULL), 0);
	json_t *filter = json_array_get(json_object_get(rule, "filters"), 0);

	(void)state;
	same(json_incref(json_at(filter, "requestHeaderModifier", "set", NULL)),
	     "[{'name': 'baggage', 'value': 'kt-env=dev.red'},"
	     " {'name': 'x-tenant', 'value': 'dev.red'}]");
}

/* The Ingress leads to the entry, whose name is a label, and no other host's */
static void an_ingress_leads_to_an_entry(void **state)
{
	auto_json json_t *service =
		json_quoted("{'metadata': {'name': 'web'}}");
	struct env_info info = { .name = "dev.red",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_entry e = { .info = &info,
				       .host = "red.example",
				       .service = service,
				       .port = 80,
				       .klass = "fast" };
	auto_json json_t *ingress = share_entry_ingress(&e, "shop", "ann");
	auto_json json_t *all = json_pack("[O]", ingress);
	auto_free char *name = share_entry_name("dev.red", "red.example");
	auto_free char *other = share_entry_name("dev", "red.red.example");
	auto_free char *longer = share_entry_name(
		"dev.red-of-a-rather-long-name",
		"red.a-host-name-that-is-longer-than-a-label.example");

	(void)state;
	assert_string_equal(name, "kt-entry-dev--red--red--example");
	assert_true(strlen(longer) <= 63);
	assert_non_null(other);
	same(json_incref(json_object_get(ingress, "spec")),
	     "{'ingressClassName': 'fast', 'rules': [{'host': 'red.example',"
	     " 'http': {'paths': [{'path': '/', 'pathType': 'Prefix',"
	     " 'backend': {'service': {'name':"
	     " 'kt-entry-dev--red--red--example', 'port': {'number': 80}}}}]}"
	     "}]}");
	same(share_hosts(NULL, all),
	     "[{'environment': 'dev.red', 'host': 'red.example', 'service':"
	     " 'web', 'user': 'ann'}]");
	assert_string_equal(share_host_taken(all, "red.example", "own"),
			    "kt-env-dev.red.red.example");
	assert_null(share_host_taken(all, "red.example",
				     "kt-env-dev.red.red.example"));
	assert_string_equal(share_entry_class(all, name), "fast");
	assert_null(share_entry_class(all, "web"));
}

/* Certificates and a controller's annotations are whoever's has added them */
static void
an_ingress_that_is_shared_again_keeps_what_others_added(void **state)
{
	auto_json json_t *own = json_quoted(
		"{'metadata': {'resourceVersion': '7', 'annotations':"
		" {'issuer': 'x', 'kt-user': 'bob'}}, 'spec':"
		" {'ingressClassName': 'slow', 'tls': [{'secretName': 's'}]}}");
	auto_json json_t *ingress = json_quoted(
		"{'metadata': {'annotations': {'kt-user': 'ann'}}, 'spec':"
		" {'rules': []}}");
	auto_json json_t *classed =
		json_quoted("{'metadata': {'annotations': {}}, 'spec':"
			    " {'ingressClassName': 'fast'}}");

	(void)state;
	share_entry_keep(ingress, own);
	same(json_incref(ingress),
	     "{'metadata': {'resourceVersion': '7', 'annotations':"
	     " {'issuer': 'x', 'kt-user': 'ann'}}, 'spec': {'rules': [],"
	     " 'ingressClassName': 'slow', 'tls': [{'secretName': 's'}]}}");
	share_entry_keep(classed, own);
	assert_string_equal(json_str(classed, "spec", "ingressClassName", NULL),
			    "fast");
}

static void gateways_are_those_of_the_service(void **state)
{
	auto_json json_t *routes = json_quoted(ROUTES);

	(void)state;
	same(share_parents(routes, "web"),
	     "[{'name': 'gate', 'sectionName': 'web'},"
	     " {'name': 'other', 'namespace': 'in'}]");
	same(share_parents(routes, "api"), "[{'name': 'third'}]");
	same(share_parents(routes, "none"), "[]");
	same(share_parents(NULL, "web"), "[]");
}

static void a_host_is_one_routes(void **state)
{
	auto_json json_t *routes = json_quoted(ROUTES);

	(void)state;
	assert_string_equal(share_taken(routes, "shop.example", "mine"), "own");
	assert_null(share_taken(routes, "shop.example", "own"));
	assert_null(share_taken(routes, "red.example", "mine"));
}

/* Host b.example of dev.red.a has the name of host a.b.example of dev.red */
static void a_name_is_not_enough(void **state)
{
	auto_free char *one = share_name("dev.red", "a.b.example");
	auto_free char *other = share_name("dev.red.a", "b.example");
	auto_json json_t *route =
		json_quoted("{'metadata': {'labels': {'kt-role': 'env-share',"
			    " 'kt-env': 'dev.red'}}}");
	auto_json json_t *foreign =
		json_quoted("{'metadata': {'labels': {'kt-env': 'dev.red'}}}");

	(void)state;
	assert_string_equal(one, other);
	assert_true(share_is_of(route, "dev.red"));
	assert_false(share_is_of(route, "dev.red.a"));
	assert_false(share_is_of(foreign, "dev.red"));
	assert_false(share_is_of(NULL, "dev.red"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_route_is_as_it_must_be),
		cmocka_unit_test(the_route_sets_the_field_that_was_chosen),
		cmocka_unit_test(an_ingress_leads_to_an_entry),
		cmocka_unit_test(
			an_ingress_that_is_shared_again_keeps_what_others_added),
		cmocka_unit_test(gateways_are_those_of_the_service),
		cmocka_unit_test(a_host_is_one_routes),
		cmocka_unit_test(a_name_is_not_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
