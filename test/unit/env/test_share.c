/* SPDX-License-Identifier: Apache-2.0 */
/* The route of a host name of an environment. */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "env/share_after.h"
#include "env/share_entry.h"
#include "env/share_find.h"
#include "env/share_header.h"
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

static struct share_spec red_example(const struct env_info *info,
				     const json_t *parents)
{
	return (struct share_spec){ .info = info,
				    .ns = "shop",
				    .host = "red.example",
				    .service = "web",
				    .user = "ann",
				    .port = 80,
				    .parents = parents };
}

/* Marks from outside are replaced, whichever they are; answers are not kept by
 * anybody; it goes with the environment */
static void the_route_is_as_it_must_be(void **state)
{
	auto_json json_t *parents = json_quoted("[{'name': 'gate'}]");
	struct env_info info = { .name = "dev.red",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = red_example(&info, parents);
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
				 .named_by = "x-tenant",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = red_example(&info, parents);
	auto_json json_t *route = share_route(&spec, SHARE_GROUP "/v1");
	const json_t *rule =
		json_array_get(json_at(route, "spec", "rules", NULL), 0);
	json_t *filter = json_array_get(json_object_get(rule, "filters"), 0);

	(void)state;
	same(json_incref(json_at(filter, "requestHeaderModifier", "set", NULL)),
	     "[{'name': 'baggage', 'value': 'kt-env=dev.red'},"
	     " {'name': 'x-tenant', 'value': 'dev.red'}]");
}

/* One that was there before the field was chosen is brought in line, once */
static void a_route_of_before_learns_of_the_field(void **state)
{
	auto_json json_t *parents = json_quoted("[{'name': 'gate'}]");
	struct env_info info = { .name = "dev.red",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = red_example(&info, parents);
	auto_json json_t *route = share_route(&spec, SHARE_GROUP "/v1");
	auto_json json_t *now = NULL, *want = NULL;

	(void)state;
	assert_null(share_header_route(route, &info));
	snprintf(info.named_by, sizeof(info.named_by), "x-tenant");
	now = share_header_route(route, &info);
	want = share_route(&spec, SHARE_GROUP "/v1");
	assert_true(json_equal(now, want));
	assert_null(share_header_route(now, &info));
	snprintf(info.name, sizeof(info.name), "dev.blue"); /* another's */
	assert_null(share_header_route(route, &info));
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

/* Behind it there is one of the same host, that somebody else owns */
static void a_route_that_says_that_it_has_ended(void **state)
{
	auto_json json_t *parents = json_quoted("[{'name': 'gate'}]");
	auto_json json_t *owner = json_quoted("{'uid': 'u-2'}");
	struct env_info info = { .name = "dev.red",
				 .uid = (char *)(uintptr_t) "u-1" };
	const struct share_spec spec = red_example(&info, parents);
	auto_json json_t *first = share_route(&spec, SHARE_GROUP "/v1");
	auto_json json_t *route = share_route_ended(&spec, SHARE_GROUP "/v1",
						    "kt-entry-x", owner);
	auto_json json_t *all = json_pack("[O,O]", first, route);

	(void)state;
	assert_true(strcmp(object_name(first), object_name(route)) < 0);
	assert_null(share_taken(all, "red.example", object_name(first)));
	assert_string_equal(share_taken(all, "red.example", "other"),
			    object_name(first));
	same(json_incref(json_at(route, "metadata", "ownerReferences", NULL)),
	     "[{'uid': 'u-2'}]");
	same(json_incref(json_object_get(route, "spec")),
	     "{'parentRefs': [{'name': 'gate'}], 'hostnames': ['red.example'],"
	     " 'rules': [{'backendRefs': [{'name': 'kt-entry-x', 'port': 80}"
	     "]}]}");
	/* it is no host of an environment */
	same(share_hosts(all, NULL),
	     "[{'environment': 'dev.red', 'host': 'red.example', 'service':"
	     " 'web', 'user': 'ann'}]");
}

#define AT 1000000

static json_t *after_env(const char *uid, int64_t expires)
{
	const struct env_spec spec = { .name = "dev.red",
				       .now = AT,
				       .ttl = expires - AT };
	json_t *job = env_job_make(&spec);

	json_object_set_new(json_object_get(job, "metadata"), "uid",
			    json_string(uid));
	return job;
}

/* Whether nothing is to be said any longer at @now, where the environments are
 * @envs */
static bool is_over(const json_t *job, const json_t *env, int64_t now)
{
	auto_json json_t *envs =
		env ? json_pack("[O,O]", env, job) : json_pack("[O]", job);

	return share_after_is_over(job, envs, now);
}

/* It lives until a while after the environment's end; not if that was deleted
 * before, or is another one of its name */
static void what_stays_after_the_end_ends_too(void **state)
{
	struct env_info info = { .name = "dev.red",
				 .expires = AT + 100,
				 .uid = (char *)(uintptr_t) "u-1" };
	auto_json json_t *job = share_after_job("kt-entry-x", &info,
						"red.example", "ann", 50, AT);
	auto_json json_t *env = after_env("u-1", AT + 100);
	auto_json json_t *again = after_env("u-2", AT + 100);
	auto_json json_t *patch = NULL, *never = NULL;

	(void)state;
	assert_true(share_after_is(job));
	assert_false(share_after_is(env));
	assert_int_equal(json_integer_value(json_at(
				 job, "spec", "activeDeadlineSeconds", NULL)),
			 150);
	assert_true(json_is_integer(
		json_at(job, "spec", "ttlSecondsAfterFinished", NULL)));
	assert_false(is_over(job, env, AT + 99));
	assert_false(is_over(job, env, AT + 100)); /* it has just ended */
	assert_false(is_over(job, NULL, AT + 149));
	assert_true(is_over(job, NULL, AT + 150));
	assert_true(is_over(job, env, AT + 150));
	assert_true(is_over(job, NULL, AT + 99));
	assert_true(is_over(job, again, AT + 99));
	/* extended */
	json_object_set_new(json_object_get(job, "metadata"),
			    "creationTimestamp",
			    json_string("1970-01-12T13:46:40Z")); /* AT */
	info.expires = AT + 400;
	patch = share_after_patch(job, &info, 50, AT + 80);
	same(json_incref(json_object_get(patch, "spec")),
	     "{'activeDeadlineSeconds': 450}");
	assert_string_equal(
		json_str(patch, "metadata", "annotations", "kt-expires", NULL),
		"1000450");
	info.expires = 0;
	never = share_after_patch(job, &info, 50, AT + 80);
	same(json_incref(json_object_get(never, "spec")),
	     "{'activeDeadlineSeconds': null}");
	assert_string_equal(
		json_str(never, "metadata", "annotations", "kt-expires", NULL),
		"0");
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
		cmocka_unit_test(a_route_of_before_learns_of_the_field),
		cmocka_unit_test(an_ingress_leads_to_an_entry),
		cmocka_unit_test(
			an_ingress_that_is_shared_again_keeps_what_others_added),
		cmocka_unit_test(a_route_that_says_that_it_has_ended),
		cmocka_unit_test(what_stays_after_the_end_ends_too),
		cmocka_unit_test(gateways_are_those_of_the_service),
		cmocka_unit_test(a_host_is_one_routes),
		cmocka_unit_test(a_name_is_not_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
