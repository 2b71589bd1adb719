/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into the user's routes, and comes out again. */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/route.h"
#include "kube/rest.h"

#include <string.h>

static void assert_json(const json_t *got, const char *text)
{
	auto_json json_t *want = json_quoted(text);
	auto_free char *a = json_dumps(got, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	auto_free char *b = json_dumps(want, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	if (a)
		assert_string_equal(a, b);
	else
		fail_msg("nothing instead of %s", b);
}

static const struct route_port ports[] = { { 80, "http" }, { 81, "more" } };

static const struct route_spec ann = {
	.ns = "t",
	.service = "web",
	.record = "web-kt-mesh-ann",
	.header = "version",
	.value = "ann",
	.ports = ports,
	.nports = 1,
	.all_ports = true,
	.user = "ann",
};

static struct route_spec other(const char *record, const char *value)
{
	struct route_spec s = ann;

	s.record = record;
	s.value = value;
	return s;
}

static bool is_gone(const char *record, void *arg)
{
	return str_eq(record, arg);
}

static json_t *plan_of(const struct route_api *api, const json_t *objects,
		       const struct route_spec *s)
{
	struct kt_error err = { 0 };
	json_t *plan = api->join(objects, "g/v1", s, &err);

	if (!plan)
		fail_msg("%s", err.msg);
	return plan;
}

/* "verb name, verb name" */
static void assert_plan(const json_t *plan, const char *want)
{
	auto_free char *text = xstrdup("");
	const json_t *step;
	size_t i;

	json_array_foreach (plan, i, step) {
		char *more =
			xasprintf("%s%s%s %s", text, *text ? ", " : "",
				  json_str(step, "verb", NULL),
				  object_name(json_object_get(step, "object")));

		free(text);
		text = more;
	}
	assert_string_equal(text, want);
}

static json_t *object_of(const json_t *plan, size_t i)
{
	return json_object_get(json_array_get(plan, i), "object");
}

/* --- versions, replies ---------------------------------------------------- */

static void test_version(void **state)
{
	auto_json json_t *both =
		json_quoted("{'versions': [{'version': 'v1beta1'},"
			    "{'version': 'v1'}]}");
	auto_json json_t *old =
		json_quoted("{'versions': [{'version': 'v1alpha3'}]}");

	(void)state;
	assert_string_equal(route_version(&route_istio, both), "v1");
	assert_string_equal(route_version(&route_istio, old), "v1alpha3");
	assert_null(route_version(&route_gateway, old));
	assert_null(route_version(&route_gateway, NULL));
}

static void test_holds(void **state)
{
	static const struct {
		const char *have, *want;
		bool holds;
	} t[] = {
		{ "{'a': 1, 'b': {'c': [1, {'d': 2, 'e': 3}]}}",
		  "{'b': {'c': [1, {'d': 2}]}}", true },
		{ "{'b': {'c': [1, {'d': 2}]}}", "{'b': {'c': [1]}}", false },
		{ "{'b': {}}", "{'b': {'c': {}}}", false },
		{ "{}", "{'headers': []}", false },
		{ "[]", "[]", true },
		{ "['x']", "['y']", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		auto_json json_t *have = json_quoted(t[i].have);
		auto_json json_t *want = json_quoted(t[i].want);

		assert_int_equal(route_holds(have, want), t[i].holds);
	}
}

/* --- Istio ---------------------------------------------------------------- */

#define VS(hosts, gateways, http)                                              \
	"{'metadata': {'name': 'x', 'resourceVersion': '7'}, 'spec': {"        \
	"'hosts': [" hosts "], 'gateways': [" gateways "], 'http': [" http     \
	"]}}"
#define TO(host) "'route': [{'destination': {'host': '" host "'}}]"
#define OURS(match, more)                                                      \
	"{'name': 'web-kt-mesh-ann', 'match': [" match "], " more              \
	"'route': [{'destination': {'host': 'web-kt-mesh-ann'}}]}"
#define MARKED "{'headers': {'version': {'exact': 'ann'}}}"

/* The entries that @s puts into a VirtualService with one route */
static void merges(const char *vs, const struct route_spec *s, const char *http)
{
	auto_json json_t *before = json_quoted(vs), *after = NULL, *back = NULL;
	size_t places;

	after = istio_merged(before, s, &places);
	assert_json(json_at(after, "spec", "http", NULL), http);
	assert_int_equal(places > 0, strstr(http, "kt-mesh-ann") != NULL);
	back = istio_unmerged(after, is_gone, (void *)(uintptr_t)s->record);
	assert_true(json_equal(back, before));
}

static void test_istio_place(void **state)
{
	static const char *const hosts[] = { "web", "web.t.svc.cluster.local",
					     "web.t.svc.k8s.corp" };
	static const char *const no_hosts[] = { "webs", "we", "web.u.svc.x",
						"web.t", "web.t.svc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		auto_free char *vs = xasprintf(
			VS("'a.b'", "'gw'", "{" TO("%s") "}"), hosts[i]);
		auto_free char *want = xasprintf(
			"[" OURS(MARKED, "") ", {" TO("%s") "}]", hosts[i]);

		merges(vs, &ann, want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no_hosts); i++) {
		auto_free char *vs = xasprintf(
			VS("'a.b'", "'gw'", "{" TO("%s") "}"), no_hosts[i]);
		auto_free char *want =
			xasprintf("[{" TO("%s") "}]", no_hosts[i]);

		merges(vs, &ann, want);
	}
	/* for the Service itself: wherever it leads, but not on a gateway */
	merges(VS("'web'", "", "{" TO("v2") "}"), &ann,
	       "[" OURS(MARKED, "") ", {" TO("v2") "}]");
	merges(VS("'web'", "'gw', 'mesh'", "{" TO("v2") "}"), &ann,
	       "[" OURS(MARKED, "") ", {" TO("v2") "}]");
	merges(VS("'web'", "'gw'", "{" TO("v2") "}"), &ann, "[{" TO("v2") "}]");
	merges(VS("'*.svc.cluster.local'", "", "{" TO("v2") "}"), &ann,
	       "[{" TO("v2") "}]");
}

static void test_istio_entry(void **state)
{
	(void)state;
	/* the user's match and what belongs to it, but for whom it was meant */
	merges(VS("'web'", "",
		  "{'match': [{'uri': {'prefix': '/a'}, 'headers': {'x': {}}}],"
		  "'rewrite': {'uri': '/'}, 'timeout': '5s',"
		  "'mirror': {'host': 'm'}, " TO("web") "}"),
	       &ann,
	       "[" OURS(
		       "{'uri': {'prefix': '/a'}, 'headers': {'x': {},"
		       "'version': {'exact': 'ann'}}}",
		       "'rewrite': {'uri': '/'}, 'timeout': '5s',") ", "
								    "{'match': "
								    "[{'uri': "
								    "{'prefix':"
								    " '/a'}, "
								    "'headers':"
								    " {'x': "
								    "{}}}],"
								    "'rewrite':"
								    " {'uri': "
								    "'/'}, "
								    "'timeout':"
								    " '5s',"
								    "'mirror': "
								    "{'host': "
								    "'m'}, " TO(
									    "we"
									    "b") "}]");
	/* redirects stay */
	merges(VS("'web'", "", "{'redirect': {'uri': '/b'}}"), &ann,
	       "[{'redirect': {'uri': '/b'}}]");
}

/* A match that has an opinion about the mark's header */
static void test_istio_header(void **state)
{
	static const struct {
		const char *match, *want;
	} t[] = {
		{ "'headers': {'Version': {'exact': 'ann'}}", MARKED },
		{ "'headers': {'version': {'prefix': 'a'}}", MARKED },
		{ "'headers': {'version': {'regex': 'z'}}", MARKED },
		{ "'headers': {'version': {}}", MARKED },
		{ "'headers': {'version': {'exact': 'bob'}}", NULL },
		{ "'headers': {'version': {'prefix': 'b'}}", NULL },
		{ "'withoutHeaders': {'version': {}}", NULL },
		{ "'withoutHeaders': {'version': {'exact': 'ann'}}", NULL },
		{ "'withoutHeaders': {'version': {'exact': 'b'}}",
		  "{'withoutHeaders': {'version': {'exact': 'b'}},"
		  "'headers': {'version': {'exact': 'ann'}}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		auto_free char *vs = xasprintf(
			VS("'web'", "", "{'match': [{%s}], " TO("web") "}"),
			t[i].match);
		auto_free char *rest = xasprintf(
			"{'match': [{%s}], " TO("web") "}", t[i].match);
		auto_free char *want =
			t[i].want ? xasprintf("[" OURS("%s", "") ", %s]",
					      t[i].want, rest)
				  : xasprintf("[%s]", rest);

		merges(vs, &ann, want);
	}
}

static void test_istio_ports(void **state)
{
	struct route_spec s = ann;

	(void)state;
	s.all_ports = false;
	merges(VS("'web'", "", "{" TO("web") "}"), &s,
	       "[" OURS("{'headers': {'version': {'exact': 'ann'}},"
			"'port': 80}",
			"") ", {" TO("web") "}]");
	merges(VS("'web'", "", "{'match': [{'port': 82}], " TO("web") "}"), &s,
	       "[{'match': [{'port': 82}], " TO("web") "}]");
	merges(VS("'web'", "",
		  "{'route': [{'destination': {'host': 'web',"
		  "'port': {'number': 82}}}]}"),
	       &s,
	       "[{'route': [{'destination': {'host': 'web',"
	       "'port': {'number': 82}}}]}]");
	merges(VS("'web'", "",
		  "{'route': [{'destination': {'host': 'web',"
		  "'port': {'number': 80}}, 'headers': {'a': 'b'}}]}"),
	       &s,
	       "[{'name': 'web-kt-mesh-ann', 'match': [" MARKED "],"
	       "'route': [{'destination': {'host': 'web-kt-mesh-ann',"
	       "'port': {'number': 80}}, 'headers': {'a': 'b'}}]},"
	       "{'route': [{'destination': {'host': 'web',"
	       "'port': {'number': 80}}, 'headers': {'a': 'b'}}]}]");
}

/* Whoever comes first: all clients see the same, or they would never rest */
static void test_istio_users(void **state)
{
	auto_json json_t *vs = json_quoted(VS("'web'", "", "{" TO("web") "}"));
	struct route_spec bob = other("web-kt-mesh-bob", "bob");
	auto_json json_t *a = NULL, *b = NULL, *ab = NULL, *ba = NULL;
	auto_json json_t *aba = NULL, *left = NULL;
	char record[] = "web-kt-mesh-ann";
	size_t places;

	(void)state;
	a = istio_merged(vs, &ann, &places);
	b = istio_merged(vs, &bob, &places);
	ab = istio_merged(a, &bob, &places);
	ba = istio_merged(b, &ann, &places);
	aba = istio_merged(ab, &ann, &places);
	assert_true(json_equal(ab, ba));
	assert_true(json_equal(ab, aba));
	left = istio_unmerged(ab, is_gone, record);
	assert_true(json_equal(left, b));
}

static void test_istio_join(void **state)
{
	auto_json json_t *none = json_array(), *plan = NULL, *own = NULL;
	auto_json json_t *second = NULL, *third = NULL, *drop = NULL;
	auto_json json_t *last = NULL, *users = NULL;
	struct route_spec bob = other("web-kt-mesh-bob", "bob");
	char of_ann[] = "web-kt-mesh-ann", of_bob[] = "web-kt-mesh-bob";

	(void)state;
	plan = plan_of(&route_istio, none, &ann);
	assert_plan(plan, "create web-kt-mesh");
	assert_json(object_of(plan, 0),
		    "{'apiVersion': 'g/v1', 'kind': 'VirtualService',"
		    "'metadata': {'name': 'web-kt-mesh', 'namespace': 't',"
		    "'labels': {'control-by': 'kt'},"
		    "'annotations': {'kt-user': 'ann'}},"
		    "'spec': {'hosts': ['web'], 'http': [" OURS(
			    MARKED, "") ", {" TO("web") "}]}}");
	/* the second user joins it, the last one takes it away */
	own = json_pack("[O]", object_of(plan, 0));
	second = plan_of(&route_istio, own, &bob);
	assert_plan(second, "replace web-kt-mesh");
	json_array_set(own, 0, object_of(second, 0));
	drop = route_istio.drop(own, is_gone, of_ann);
	assert_plan(drop, "replace web-kt-mesh");
	json_array_set(own, 0, object_of(drop, 0));
	last = route_istio.drop(own, is_gone, of_bob);
	assert_plan(last, "delete web-kt-mesh");
	/* the user makes one: two for one host would be one too many */
	users = json_quoted(VS("'web'", "", "{" TO("web") "}"));
	json_array_append(own, users);
	third = plan_of(&route_istio, own, &ann);
	assert_plan(third, "replace x, delete web-kt-mesh");
	assert_string_equal(json_str(object_of(third, 0), "metadata",
				     "resourceVersion", NULL),
			    "7");
}

static void test_istio_closed(void **state)
{
	auto_json json_t *all = json_pack(
		"[o]", json_quoted("{'metadata': {'name': 'x'}, 'spec': {"
				   "'hosts': ['*.svc.cluster.local'],"
				   "'tcp': []}}"));
	struct kt_error err = { 0 };

	(void)state;
	assert_null(route_istio.join(all, "g/v1", &ann, &err));
	assert_non_null(strstr(err.msg, "VirtualService t/x decides"));
}

/* --- Gateway API ---------------------------------------------------------- */

#define HR(name, parents, rules)                                               \
	"{'metadata': {'name': '" name "', 'resourceVersion': '3'}, 'spec': {" \
	"'parentRefs': [" parents "], 'rules': [" rules "]}}"
#define MESH "{'group': '', 'kind': 'Service', 'name': 'web'}"
#define HEADER "{'type': 'Exact', 'name': 'version', 'value': 'ann'}"

static void test_gateway_own(void **state)
{
	auto_json json_t *none = json_array(), *plan = NULL, *done = NULL;
	auto_json json_t *again = NULL, *drop = NULL, *changed = NULL;
	char record[] = "web-kt-mesh-ann";

	(void)state;
	plan = plan_of(&route_gateway, none, &ann);
	assert_plan(plan, "create web-kt-mesh-ann.80");
	assert_json(json_object_get(object_of(plan, 0), "spec"),
		    "{'parentRefs': [{'group': '', 'kind': 'Service',"
		    "'name': 'web', 'port': 80}], 'rules': [{'matches': ["
		    "{'headers': [" HEADER "]}], 'backendRefs': [{"
		    "'name': 'web-kt-mesh-ann', 'port': 80}]},"
		    "{'backendRefs': [{'name': 'web', 'port': 80}]}]}");
	/* as the server keeps it, with defaults */
	done = json_pack("[O]", object_of(plan, 0));
	json_object_set_new(json_array_get(json_at(json_array_get(done, 0),
						   "spec", "rules", NULL),
					   1),
			    "matches", json_pack("[{}]"));
	again = plan_of(&route_gateway, done, &ann);
	assert_plan(again, "");
	/* somebody wrote over it */
	json_object_del(json_at(json_array_get(done, 0), "spec", NULL),
			"parentRefs");
	changed = plan_of(&route_gateway, done, &ann);
	assert_plan(changed, "replace web-kt-mesh-ann.80");
	drop = route_gateway.drop(done, is_gone, record);
	assert_plan(drop, "delete web-kt-mesh-ann.80");
}

static void test_gateway_copies(void **state)
{
	auto_json json_t *all = json_array(), *plan = NULL;

	(void)state;
	json_array_append_new(
		all,
		json_quoted(HR(
			"m", MESH,
			"{'matches': [{'path': {'value': '/a'}}, {'headers': "
			"[{'name': 'VERSION', 'value': 'x'}]}],"
			"'backendRefs': [{'name': 'v2', 'port': 80}]},"
			"{'filters': [{'type': 'RequestRedirect'}],"
			"'backendRefs': [{'name': 'web', 'port': 80}]}")));
	json_array_append_new(
		all, json_quoted(HR(
			     "g", "{'name': 'gw'}",
			     "{'backendRefs': [{'name': 'other', 'port': 80}]},"
			     "{'filters': [{'type': 'RequestMirror'}],"
			     "'backendRefs': [{'name': 'web', 'port': 80,"
			     "'weight': 1, 'filters': [1]}]}")));
	json_array_append_new(
		all,
		json_quoted(HR("no", "{'name': 'gw'}",
			       "{'backendRefs': [{'name': 'web', 'port': 82}]},"
			       "{'backendRefs': [{'name': 'web', 'port': 80,"
			       "'namespace': 'u'}]}")));
	plan = plan_of(&route_gateway, all, &ann);
	assert_plan(plan, "create web-kt-mesh-ann.service.m, "
			  "create web-kt-mesh-ann.gateway.g");
	assert_json(json_object_get(object_of(plan, 0), "spec"),
		    "{'parentRefs': [" MESH "], 'rules': [{'matches': ["
		    "{'path': {'value': '/a'}, 'headers': [" HEADER "]}],"
		    "'backendRefs': [{'name': 'web-kt-mesh-ann',"
		    "'port': 80}]}]}");
	assert_json(json_object_get(object_of(plan, 1), "spec"),
		    "{'parentRefs': [{'name': 'gw'}], 'rules': [{'matches': ["
		    "{'headers': [" HEADER "]}], 'backendRefs': [{"
		    "'name': 'web-kt-mesh-ann', 'port': 80,"
		    "'filters': [1]}]}]}");
}

/* Ours for a port that a route of the user's is for by now go */
static void test_gateway_ports(void **state)
{
	auto_json json_t *all = json_array(), *plan = NULL, *then = NULL;
	struct route_spec s = ann;

	(void)state;
	s.nports = 2;
	plan = plan_of(&route_gateway, all, &s);
	assert_plan(plan, "create web-kt-mesh-ann.80, "
			  "create web-kt-mesh-ann.81");
	json_array_append(all, object_of(plan, 0));
	json_array_append(all, object_of(plan, 1));
	json_array_append_new(
		all,
		json_quoted(HR("m",
			       "{'group': '', 'kind': 'Service', 'name': 'web',"
			       "'sectionName': 'more'}",
			       "{'backendRefs': [{'name': 'web',"
			       "'port': 81}]}")));
	then = plan_of(&route_gateway, all, &s);
	assert_plan(then, "delete web-kt-mesh-ann.81, "
			  "create web-kt-mesh-ann.service.m");
}

static void test_gateway_owner(void **state)
{
	auto_json json_t *none = json_array(), *plan = NULL;
	auto_json json_t *record = json_quoted("{'metadata': {'uid': 'u-1'}}");
	struct route_spec s = ann;

	(void)state;
	s.owner = record;
	plan = plan_of(&route_gateway, none, &s);
	assert_json(json_at(object_of(plan, 0), "metadata", "ownerReferences",
			    NULL),
		    "[{'apiVersion': 'v1', 'kind': 'Service',"
		    "'name': 'web-kt-mesh-ann', 'uid': 'u-1'}]");
}

static void test_gateway_closed(void **state)
{
	auto_json json_t *all = json_pack(
		"[o]", json_quoted(HR("m", MESH,
				      "{'matches': [{'headers': [{'name': "
				      "'version', 'value': 'ann'}]}],"
				      "'backendRefs': [{'name': 'web',"
				      "'port': 80}]}")));
	struct kt_error err = { 0 };

	(void)state;
	assert_null(route_gateway.join(all, "g/v1", &ann, &err));
	assert_non_null(strstr(err.msg, "HTTPRoute t/m decides"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_istio_place),
		cmocka_unit_test(test_istio_entry),
		cmocka_unit_test(test_istio_header),
		cmocka_unit_test(test_istio_ports),
		cmocka_unit_test(test_istio_users),
		cmocka_unit_test(test_istio_join),
		cmocka_unit_test(test_istio_closed),
		cmocka_unit_test(test_gateway_own),
		cmocka_unit_test(test_gateway_copies),
		cmocka_unit_test(test_gateway_ports),
		cmocka_unit_test(test_gateway_owner),
		cmocka_unit_test(test_gateway_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
