/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/mark.h"
#include "cluster/lastapplied.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"
#include "shadow/servespec.h"

#include <errno.h>
#include <string.h>

#define PORTS                                                                  \
	"{'metadata': {'name': 'web'}, 'spec': {'selector': {'app': 'web'},"   \
	"'ports': ["                                                           \
	"{'name': 'http', 'port': 80, 'targetPort': 8080},"                    \
	"{'name': 'grpc-in', 'port': 9000, 'targetPort': 'rpc'},"              \
	"{'name': 'db', 'port': 3306, 'appProtocol': 'mysql'},"                \
	"{'name': 'dns', 'port': 53, 'protocol': 'UDP', 'targetPort': 5353},"  \
	"{'name': 'alt', 'port': 8080, 'targetPort': 8080},"                   \
	"{'name': 's', 'port': 7, 'protocol': 'SCTP'}]}}"
#define PODS                                                                   \
	"[{'spec': {'containers': [{'ports': [{'name': 'rpc',"                 \
	"'containerPort': 5353, 'protocol': 'UDP'}]}, {'ports': ["             \
	"{'name': 'rpc', 'containerPort': 9091}]}]}}]"

static void test_ports(void **state)
{
	auto_json json_t *service = json_quoted(PORTS),
			 *pods = json_quoted(PODS);
	auto_json json_t *containers = NULL;
	const json_t *list;
	auto_free char *serve = NULL, *preview = NULL, *six = NULL;
	auto_free char *whole = NULL;
	struct kt_error err = { 0 };
	struct service_ports p;

	(void)state;
	assert_int_equal(service_ports_make(&p, service, pods, &err), 0);
	assert_int_equal(p.n, 5);
	assert_int_equal(p.v[1].target, 9091);
	assert_string_equal(p.v[1].target_name, "rpc");
	assert_int_equal(p.v[2].target, 3306);
	assert_true(p.v[3].udp);
	assert_null(service_port_unmarked(&p.v[0]));
	assert_string_equal(service_port_unmarked(&p.v[2]), "speaks no HTTP");
	assert_string_equal(service_port_unmarked(&p.v[3]), "is UDP");
	assert_null(service_port_unmarked(&p.v[4])); /* nobody knows */
	serve = service_ports_serve(&p, "10.0.0.9", false);
	assert_string_equal(serve,
			    "8080=10.0.0.9:80~http,9091=10.0.0.9:9000~http,"
			    "3306=10.0.0.9:3306~tcp,5353/udp=10.0.0.9:53");
	preview = service_ports_serve(&p, NULL, false);
	assert_string_equal(preview, "8080~http,9091~http,3306~tcp,5353/udp");
	whole = service_ports_serve(&p, NULL, true);
	assert_string_equal(whole, "8080~tcp,9091~tcp,3306~tcp,5353/udp");
	six = service_ports_serve(&p, "fd00::9", false);
	assert_non_null(strstr(six, "8080=[fd00::9]:80~http"));
	containers = service_ports_containers(&p);
	assert_int_equal(json_array_size(containers), 1);
	list = json_array_get(containers, 0);
	assert_int_equal(json_array_size(list), 4);
	assert_string_equal(json_str(json_array_get(list, 0), "name", NULL),
			    "kt-8080");
	assert_string_equal(json_str(json_array_get(list, 1), "name", NULL),
			    "rpc");
	assert_false(service_ports_low(&p));
	p.v[0].target = 80;
	p.v[1].target = 81;
	service_ports_raise(&p);
	assert_int_equal(p.v[0].target, 80);
	assert_int_equal(p.v[1].target, 20081);
	assert_true(service_ports_low(&p));
	service_ports_fini(&p);
}

static void found(const struct service_ports *p, uint16_t number,
		  const char *name, int want)
{
	const struct service_port *sp =
		service_ports_find(p, number, name, true, true);

	assert_int_equal(sp ? sp->port : -1, want);
}

static void test_find(void **state)
{
	auto_json json_t *service = json_quoted(PORTS),
			 *pods = json_quoted(PODS);
	struct kt_error err = { 0 };
	struct service_ports p;

	(void)state;
	assert_int_equal(service_ports_make(&p, service, pods, &err), 0);
	found(&p, 8080, "", 80); /* the target wins */
	found(&p, 80, "", 80);
	found(&p, 9000, "", 9000);
	found(&p, 9091, "", 9000);
	found(&p, 0, "rpc", 9000);
	found(&p, 0, "grpc-in", 9000);
	found(&p, 0, "http", 80);
	found(&p, 53, "", 53);
	found(&p, 5353, "", 53);
	found(&p, 7, "", -1);
	found(&p, 0, "s", -1);
	found(&p, 0, "", -1);
	assert_null(service_ports_find(&p, 53, "", true, false));
	service_ports_fini(&p);
}

static void test_no_ports(void **state)
{
	auto_json json_t *none = json_quoted("{'spec': {}}");
	struct kt_error err = { 0 };
	struct service_ports p;

	(void)state;
	assert_int_equal(service_ports_make(&p, none, NULL, &err), -EINVAL);
}

/* @want: the names in each container's list, "a b/c" */
static void declares(const char *service_text, const char *pods_text,
		     const char *want)
{
	auto_json json_t *service = json_quoted(service_text);
	auto_json json_t *pods = json_quoted(pods_text), *all = NULL;
	struct kt_error err = { 0 };
	struct service_ports p;
	const json_t *list, *port;
	char got[256] = "";
	size_t i, k;

	assert_int_equal(service_ports_make(&p, service, pods, &err), 0);
	all = service_ports_containers(&p);
	json_array_foreach (all, i, list)
		json_array_foreach (list, k, port)
			snprintf(got + strlen(got), sizeof(got) - strlen(got),
				 "%s%s:%d",
				 k   ? " "
				 : i ? "/"
				     : "",
				 json_str(port, "name", NULL),
				 (int)json_integer_value(json_object_get(
					 port, "containerPort")));
	assert_string_equal(got, want);
	service_ports_fini(&p);
}

static void test_names_once(void **state)
{
	(void)state;
	/* 80 and 443 to one named port */
	declares("{'spec': {'ports': [{'name': 'a', 'port': 80,"
		 "'targetPort': 'web'}, {'name': 'b', 'port': 443,"
		 "'targetPort': 'web'}, {'name': 'c', 'port': 81}]}}",
		 "[{'spec': {'containers': [{'ports': [{'name': 'web',"
		 "'containerPort': 8080}]}]}}]",
		 "web:8080 kt-81:81");
	/* two containers with a port of one name */
	declares("{'spec': {'ports': [{'port': 53, 'protocol': 'UDP',"
		 "'targetPort': 'dns'}, {'port': 53, 'targetPort': 'dns'},"
		 "{'port': 54, 'targetPort': 'dns'}]}}",
		 "[{'spec': {'containers': [{'ports': [{'name': 'dns',"
		 "'containerPort': 5353, 'protocol': 'UDP'}]}, {'ports': ["
		 "{'name': 'dns', 'containerPort': 5354}]}]}}]",
		 "dns:5353/dns:5354");
	/* theirs is called as ours would be */
	declares("{'spec': {'ports': [{'port': 9, 'targetPort': 9},"
		 "{'port': 10, 'targetPort': 'kt-9'}]}}",
		 "[]", "kt-9:10");
}

/* An init container that stays; one that ends has no port for long */
static void test_sidecar(void **state)
{
	auto_json json_t *service = json_quoted(
		"{'spec': {'ports': [{'port': 80, 'targetPort': 'web'}]}}");
	auto_json json_t *stays = json_quoted(
		"[{'spec': {'containers': [{}], 'initContainers': [{"
		"'restartPolicy': 'Always', 'ports': [{'name': 'web',"
		"'containerPort': 8080}]}]}}]");
	auto_json json_t *ends = json_quoted(
		"[{'spec': {'containers': [{}], 'initContainers': [{"
		"'ports': [{'name': 'web', 'containerPort': 8080}]}]}}]");
	struct kt_error err = { 0 };
	struct service_ports p;

	(void)state;
	assert_int_equal(service_ports_make(&p, service, stays, &err), 0);
	assert_int_equal(p.v[0].target, 8080);
	assert_false(p.v[0].unknown);
	service_ports_fini(&p);
	assert_int_equal(service_ports_make(&p, service, ends, &err), 0);
	assert_int_equal(p.v[0].target, 80);
	assert_true(p.v[0].unknown);
	service_ports_fini(&p);
}

/* What is let through here the shadow takes, and all of it */
static void test_many_ports(void **state)
{
	auto_json json_t *list = json_array();
	auto_json json_t *service =
		json_pack("{s:{s:O}}", "spec", "ports", list);
	static const char longest[] =
		"[fd00:1111:2222:3333:4444:5555:6666:7777]";
	static struct servespec spec;
	auto_free char *serve = NULL;
	struct kt_error err = { 0 };
	struct service_ports p;

	(void)state;
	for (int i = 0; i < SHADOW_PORTS_MAX; i++)
		json_array_append_new(list,
				      json_pack("{s:i}", "port", 60000 + i));
	assert_int_equal(service_ports_make(&p, service, NULL, &err), 0);
	assert_int_equal(p.n, 256);
	serve = service_ports_serve(
		&p, "fd00:1111:2222:3333:4444:5555:6666:7777", true);
	assert_non_null(strstr(serve, longest));
	assert_int_equal(servespec_parse(&spec, serve, &err), 0);
	assert_int_equal(spec.n, 256);
	service_ports_fini(&p);
	json_array_append_new(list, json_pack("{s:i}", "port", 1));
	assert_int_equal(service_ports_make(&p, service, NULL, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "257 ports"));
}

#define WEB                                                                    \
	"{'metadata': {'name': 'web', 'resourceVersion': '7'},"                \
	"'spec': {'selector': {'app': 'web'}, 'x': 1}}"
#define OURS "{'kt-role': 'router', 'kt-target': 'abc'}"

static void test_take_and_restore(void **state)
{
	auto_json json_t *web = json_quoted(WEB), *ours = json_quoted(OURS);
	auto_json json_t *original = service_original(web);
	auto_json json_t *taken = service_taken(web, ours, original);
	auto_json json_t *back = NULL, *again = NULL, *other = NULL;

	(void)state;
	assert_string_equal(object_annotation(taken, "kt-selector"),
			    "{\"app\":\"web\"}");
	assert_string_equal(service_role(taken), "router");
	assert_string_equal(service_target(taken), "abc");
	assert_int_equal(service_state(taken, ours, &other), SERVICE_OURS);
	assert_null(other);
	again = service_original(taken);
	assert_true(json_equal(again, original));
	back = service_restored(taken);
	assert_true(json_equal(back, web));
	assert_null(service_restored(web));
}

/* A manifest that was applied meanwhile: merged with ours, or in its place */
static void watch(const char *selector, const char *annotations,
		  enum service_state want, const char *want_original)
{
	auto_json json_t *s = json_quoted(WEB), *ours = json_quoted(OURS);
	auto_json json_t *original = NULL, *expect = NULL;

	json_object_set_new(json_object_get(s, "spec"), "selector",
			    json_quoted(selector));
	json_object_set_new(json_object_get(s, "metadata"), "annotations",
			    json_quoted(annotations));
	assert_int_equal(service_state(s, ours, &original), want);
	if (!want_original) {
		assert_null(original);
		return;
	}
	expect = json_quoted(want_original);
	assert_true(json_equal(original, expect));
}

/* A client-side "kubectl apply" takes ours away, as ours is in what it has
 * applied last; given back it is the same byte for byte */
static void test_last_applied(void **state)
{
	static const char text[] =
		"{\"kind\":\"Service\",\"metadata\":{\"annotations\":{\"a\":"
		"\"\\\"selector\\\":{\\\"x\\\":\"}},\"spec\":{\"selector\":{"
		"\"app\":\"web\\u003c\"}}}\n";
	auto_json json_t *service =
		json_quoted("{'metadata': {'name': 'web', 'annotations': {}},"
			    "'spec': {'selector': {'app': 'web'}}}");
	auto_json json_t *selector =
		json_quoted("{'kt-role': 'router', 'kt-target': 'R1'}");
	auto_json json_t *other =
		json_quoted("{'kt-role': 'router', 'kt-target': 'R2'}");
	auto_json json_t *taken = NULL, *again = NULL, *back = NULL,
			 *applied = NULL;

	(void)state;
	json_object_set_new(json_at(service, "metadata", "annotations", NULL),
			    KT_ANNOTATION_LAST_APPLIED, json_string(text));
	taken = service_taken(service, selector,
			      json_at(service, "spec", "selector", NULL));
	again = service_taken(taken, other,
			      json_at(service, "spec", "selector", NULL));
	applied = json_loads(
		object_annotation(again, KT_ANNOTATION_LAST_APPLIED), 0, NULL);
	assert_string_equal(
		json_str(applied, "spec", "selector", "kt-target", NULL), "R2");
	assert_int_equal(
		json_object_size(json_at(applied, "spec", "selector", NULL)),
		3);
	back = service_restored(again);
	assert_true(json_equal(back, service));
	/* its owner has led it elsewhere meanwhile */
	assert_false(service_is_reverted(again));
	json_object_set_new(json_object_get(again, "spec"), "selector",
			    json_pack("{s:s}", "app", "other"));
	assert_true(service_is_reverted(again));
	json_decref(back);
	back = service_restored(again);
	assert_string_equal(json_str(back, "spec", "selector", "app", NULL),
			    "other");
	assert_string_equal(object_annotation(back, KT_ANNOTATION_LAST_APPLIED),
			    text);
	assert_false(service_is_reverted(back));
	/* nothing to be found in it */
	for (size_t i = 0; i < 2; i++) {
		const char *odd = i ? "{\"spec\":{\"selector\":{}}}" : "none";
		auto_free char *same = lastapplied_with(odd, selector);
		auto_free char *too = lastapplied_without(odd);

		assert_string_equal(same, odd);
		assert_string_equal(too, odd);
	}
}

static void test_guard(void **state)
{
#define RECORD "{'kt-selector': '{\\'app\\': \\'web\\'}'}"
	(void)state;
	watch(OURS, RECORD, SERVICE_OURS, NULL);
	watch("{'app': 'web'}", RECORD, SERVICE_CHANGED, "{'app': 'web'}");
	watch("{'app': 'w2', 'kt-role': 'router', 'kt-target': 'abc'}", RECORD,
	      SERVICE_CHANGED, "{'app': 'w2'}");
	watch("{'kt-role': 'shadow-exchange', 'kt-target': 'z'}", RECORD,
	      SERVICE_CHANGED, "{'app': 'web'}");
	watch("{'app': 'web'}", "{}", SERVICE_GIVEN_BACK, "{'app': 'web'}");
	/* only the record: nobody who recovers leaves the selector */
	watch(OURS, "{}", SERVICE_CHANGED, NULL);
}

/* @now is made @want by the patch @wanted; NULL: nothing is to be done */
static void drifts(const char *now, const char *want, const char *wanted)
{
	auto_json json_t *have = json_quoted(now);
	auto_json json_t *shall = json_quoted(want);
	auto_json json_t *patch = service_drift(have, shall);
	auto_json json_t *expected = wanted ? json_quoted(wanted) : NULL;

	assert_true(wanted ? json_equal(patch, expected) : !patch);
}

static void test_drift(void **state)
{
#define SHALL                                                                  \
	"{'metadata': {'labels': {'control-by': 'kt'}, 'annotations': "        \
	"{'kt-user': 'ann'}}, 'spec': {'selector': {'app': 'web'}, 'ports': "  \
	"[{'port': 80}]}}"
	(void)state;
	drifts(SHALL, SHALL, NULL);
	/* what the server and others add is theirs */
	drifts("{'metadata': {'labels': {'control-by': 'kt', 'x': 'y'}, "
	       "'annotations': {'kt-user': 'bob', 'x': 'y'}}, 'spec': {'type': "
	       "'NodePort', 'selector': {'app': 'web'}, 'ports': [{'port': 80, "
	       "'nodePort': 30000}]}}",
	       SHALL, NULL);
	drifts("{'metadata': {}, 'spec': {'selector': {'app': 'db', 'x': 'y'}, "
	       "'ports': [{'port': 81}]}}",
	       SHALL,
	       "{'metadata': {'labels': {'control-by': 'kt'}, 'annotations': "
	       "{'kt-user': 'ann'}}, 'spec': {'selector': {'app': 'web', 'x': "
	       "null}, 'ports': [{'port': 80}]}}");
	drifts("{'metadata': {'labels': {'control-by': 'kt'}, 'annotations': "
	       "{'kt-user': 'ann'}}, 'spec': {'ports': [{'port': 80}, {'port': "
	       "81}]}}",
	       SHALL,
	       "{'spec': {'selector': {'app': 'web'}, 'ports': [{'port': "
	       "80}]}}");
}

static void test_labels_drift(void **state)
{
	auto_json json_t *pod = json_quoted(
		"{'metadata': {'labels': {'app': 'web', 'own': 'x'}}}");
	auto_json json_t *web = json_quoted("{'app': 'web'}");
	auto_json json_t *db = json_quoted("{'tier': 'db'}");
	auto_json json_t *want = json_quoted(
		"{'metadata': {'labels': {'app': null, 'tier': 'db'}}}");
	auto_json json_t *got = labels_drift(pod, db, web);

	(void)state;
	assert_null(labels_drift(pod, web, NULL));
	assert_true(json_equal(got, want));
}

static void test_lock_owner(void **state)
{
	auto_json json_t *web = json_quoted(WEB);
	auto_json json_t *locked = service_locked(web, 1000, "abc");
	auto_json json_t *open = service_unlocked(locked, 1000);
	auto_json json_t *kt = json_deep_copy(locked);
	auto_free char *owner = service_lock_owner(locked);

	(void)state;
	assert_string_equal(owner, "abc");
	assert_null(service_lock_owner(web));
	assert_true(json_equal(open, web));
	/* KT Connect's, written over it: nobody's we know */
	json_object_set_new(json_at(kt, "metadata", "annotations", NULL),
			    KT_ANNOTATION_LOCK, json_string("1100"));
	assert_null(service_lock_owner(kt));
}

static void test_lock(void **state)
{
	auto_json json_t *web = json_quoted(WEB);
	auto_json json_t *locked = service_locked(web, 1000, NULL);
	auto_json json_t *open = NULL;

	(void)state;
	assert_int_equal(service_lock_age(web, 1000), -1);
	assert_int_equal(service_lock_age(locked, 1010), 10);
	assert_int_equal(service_lock_age(locked, 900), 0);
	assert_null(service_unlocked(web, 0));
	assert_null(service_unlocked(locked, 1001));
	open = service_unlocked(locked, 1000);
	assert_true(json_equal(open, web));
}

static void test_stuntman(void **state)
{
	auto_json json_t *service = json_quoted(PORTS);
	auto_json json_t *original = service_original(service);
	struct stuntman_spec spec = { service, original, "alice", 5 };
	auto_json json_t *s = stuntman_service(&spec);
	const json_t *ports = json_at(s, "spec", "ports", NULL);

	(void)state;
	assert_string_equal(json_str(s, "metadata", "name", NULL),
			    "web-kt-stuntman");
	assert_string_equal(object_label(s, "control-by"), "kt");
	assert_string_equal(object_annotation(s, "kt-last-heart-beat"), "5");
	assert_null(object_annotation(s, "kt-owner"));
	assert_true(json_equal(json_at(s, "spec", "selector", NULL), original));
	assert_int_equal(json_array_size(ports), 6);
	assert_string_equal(json_str(json_array_get(ports, 0), "name", NULL),
			    "kt-80");
	assert_string_equal(json_str(json_array_get(ports, 3), "name", NULL),
			    "kt-53-udp");
	assert_string_equal(
		json_str(json_array_get(ports, 1), "targetPort", NULL), "rpc");
}

#define LONG63 "a234567890b234567890c234567890d234567890e234567890f234567890abc"

static void test_long_names(void **state)
{
	auto_free char *one = stuntman_name(LONG63), *two = NULL, *fit = NULL;
	auto_free char *prefix = mesh_record_prefix(LONG63);
	struct mark m = { .key = MARK_KEY, .value = "a" };
	struct mark other = { .key = MARK_KEY, .value = "b" };
	char record[OBJECT_NAME_LEN], another[OBJECT_NAME_LEN];
	char name[64] = LONG63;

	(void)state;
	assert_int_equal(strlen(name), 63);
	assert_int_equal(strlen(one), 63);
	assert_true(str_ends(one, KT_STUNTMAN));
	name[62] = 'd'; /* the hash is of all of it */
	two = stuntman_name(name);
	assert_string_not_equal(one, two);
	name[51] = 0;
	fit = stuntman_name(name);
	assert_int_equal(strlen(fit), 63);
	assert_true(str_starts(fit, name));
	/* a record is found by its Service's prefix */
	mark_object_name(&m, LONG63, record);
	mark_object_name(&other, LONG63, another);
	assert_true(strlen(record) <= 63);
	assert_true(str_starts(record, prefix));
	assert_string_not_equal(record, another);
	name[50] = 0;
	free(prefix);
	prefix = mesh_record_prefix(name);
	mark_object_name(&m, name, record);
	assert_true(str_starts(record, prefix));
}

/* Which Pods answer, on which address, and who answers whom */
static void test_stuntman_keeps(void **state)
{
	static const char *const kept[] = { "publishNotReadyAddresses",
					    "ipFamilies", "ipFamilyPolicy",
					    "sessionAffinity",
					    "sessionAffinityConfig" };
	auto_json json_t *service = json_quoted(
		"{'metadata': {'name': 'web'}, 'spec': {'clusterIP': 'None',"
		"'selector': {'app': 'web'}, 'publishNotReadyAddresses': true,"
		"'ipFamilies': ['IPv6'], 'ipFamilyPolicy': 'SingleStack',"
		"'sessionAffinity': 'ClientIP', 'sessionAffinityConfig':"
		"{'clientIP': {'timeoutSeconds': 5}},"
		"'ports': [{'port': 80}]}}");
	auto_json json_t *plain =
		json_quoted("{'metadata': {'name': 'web'}, 'spec': {'selector':"
			    "{'app': 'new'}, 'ports': [{'port': 81}]}}");
	struct stuntman_spec spec = {
		service, json_at(service, "spec", "selector", NULL), "alice", 5
	};
	auto_json json_t *s = stuntman_service(&spec), *next = NULL,
			 *patch = NULL, *want = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		assert_true(
			json_equal(json_at(s, "spec", kept[i], NULL),
				   json_at(service, "spec", kept[i], NULL)));
	/* the router calls it by an address */
	assert_null(json_at(s, "spec", "clusterIP", NULL));
	/* one of former times becomes what it shall be now */
	spec.service = plain;
	spec.selector = json_at(plain, "spec", "selector", NULL);
	next = stuntman_service(&spec);
	patch = stuntman_patch(s, next);
	want = json_quoted(
		"{'spec': {'selector': {'app': 'new'}, 'ports': [{'name':"
		"'kt-81', 'port': 81, 'protocol': 'TCP'}],"
		"'publishNotReadyAddresses': null, 'sessionAffinity': null,"
		"'sessionAffinityConfig': null}}");
	assert_true(json_equal(patch, want));
}

static void test_named_pods(void **state)
{
	auto_json json_t *headless = json_quoted(
		"{'metadata': {'name': 'db'}, 'spec': {'clusterIP': 'None'}}");
	auto_json json_t *plain = json_quoted(
		"{'metadata': {'name': 'db'}, 'spec': {'clusterIP': "
		"'10.0.0.1'}}");
	auto_json json_t *pods = json_quoted(
		"[{'spec': {}}, {'spec': {'hostname': 'x', 'subdomain':"
		"'other'}}, {'spec': {'hostname': 'db-0', 'subdomain':"
		"'db'}}]");
	auto_json json_t *unnamed = json_quoted("[{'spec': {}}]");
	auto_free char *name = service_named_pod(headless, pods);

	(void)state;
	assert_string_equal(name, "db-0.db");
	assert_null(service_named_pod(plain, pods));
	assert_null(service_named_pod(headless, unnamed));
	assert_null(service_named_pod(headless, NULL));
}

static void test_caveats(void **state)
{
	auto_json json_t *s =
		json_quoted("{'spec': {'sessionAffinity': 'ClientIP',"
			    "'internalTrafficPolicy': 'Local'}}");
	auto_json json_t *plain =
		json_quoted("{'spec': {'sessionAffinity': 'None',"
			    "'internalTrafficPolicy': 'Cluster'}}");

	(void)state;
	assert_non_null(strstr(service_caveat(s, true, 0), "Local"));
	assert_non_null(strstr(service_caveat(s, true, 1), "ClientIP"));
	assert_null(service_caveat(s, true, 2));
	assert_null(service_caveat(s, false, 1));
	assert_null(service_caveat(plain, true, 0));
}

/* What is patched; NULL: nothing */
static void expect_patch(json_t *got, const char *want)
{
	auto_json json_t *expect = want ? json_quoted(want) : NULL;
	auto_free char *text = got ? json_dumps(got, 0) : NULL;

	if (!json_equal(got, expect) && (got || want))
		fail_msg("got %s, want %s", text ? text : "nothing",
			 want ? want : "nothing");
	json_decref(got);
}

static void scales_down(const char *object, const char *want)
{
	auto_json json_t *obj = json_quoted(object);

	expect_patch(workload_down(obj), want);
}

static void scales_again(const char *object, int replicas, const char *want)
{
	auto_json json_t *obj = json_quoted(object);

	expect_patch(workload_kept_down(obj, replicas), want);
}

static void scales_up(const char *object, int told, const char *want)
{
	auto_json json_t *obj = json_quoted(object);

	expect_patch(workload_up(obj, told, "eve"), want);
}

static void scales_done(const char *object, const char *want)
{
	auto_json json_t *obj = json_quoted(object);

	expect_patch(workload_done(obj), want);
}

#define MARKED "'annotations': {'kt-replicas': '3'}"
#define AT(n) "'spec': {'replicas': " #n "}"
#define UP(n)                                                                  \
	"{'metadata': {'annotations': {'kt-replicas': '" #n                    \
	"', 'kt-scaled-back': 'eve'}}, " AT(n) "}"

static void test_scale(void **state)
{
	(void)state;
	scales_down("{'metadata': {'resourceVersion': '5'}, " AT(3) "}",
		    "{'metadata': {'resourceVersion': '5', " MARKED
		    "}, " AT(0) "}");
	scales_down("{'metadata': {" MARKED "}, " AT(0) "}", NULL);
	/* left over: what it stands at is what it shall have again */
	scales_down("{'metadata': {'annotations': {'kt-replicas': '9', "
		    "'kt-scaled-back': 'bob'}}, " AT(3) "}",
		    "{'metadata': {'annotations': {'kt-replicas': '3', "
		    "'kt-scaled-back': null}}, " AT(0) "}");

	scales_up("{'metadata': {" MARKED "}, " AT(0) "}", 0, UP(3));
	/* its owner has scaled it meanwhile */
	scales_up("{'metadata': {" MARKED "}, " AT(1) "}", 2, NULL);
	/* as KT Connect leaves it: the number is elsewhere */
	scales_up("{'metadata': {}, " AT(0) "}", 2, UP(2));
	scales_up("{'metadata': {}, " AT(1) "}", 2, NULL);
	scales_up("{'metadata': {}, " AT(0) "}", 0, NULL);
}

/* Of several numbers the largest one counts, and none gives way to 0 */
static void test_scale_records(void **state)
{
	(void)state;
	scales_up("{'metadata': {'annotations': {'kt-replicas': '0'}}, " AT(
			  0) "}",
		  2, UP(2));
	scales_up("{'metadata': {" MARKED "}, " AT(0) "}", 2, UP(3));
	scales_up("{'metadata': {" MARKED "}, " AT(0) "}", 4, UP(4));
	scales_up("{'metadata': {'annotations': {'kt-replicas': 'x'}}, " AT(
			  0) "}",
		  2, UP(2));

	/* the record stays for as long as it is needed */
	scales_done("{'metadata': {" MARKED "}, " AT(0) "}", NULL);
	scales_done("{'metadata': {" MARKED "}, " AT(3) "}",
		    "{'metadata': {'annotations': {'kt-replicas': null}}}");
	scales_done(UP(3), "{'metadata': {'annotations': {'kt-replicas': null, "
			   "'kt-scaled-back': null}}}");
	scales_done("{'metadata': {}, " AT(3) "}", NULL);

	/* somebody has scaled it, or has lost the record */
	scales_again("{'metadata': {" MARKED "}, " AT(0) "}", 3, NULL);
	scales_again("{'metadata': {" MARKED "}, " AT(5) "}", 3,
		     "{'metadata': {'annotations': {'kt-replicas': '5'}}, " AT(
			     0) "}");
	scales_again("{'metadata': {}, " AT(0) "}", 3,
		     "{'metadata': {" MARKED "}}");
}

static void expect_ready(const char *object, bool ready)
{
	auto_json json_t *obj = json_quoted(object);

	assert_int_equal(workload_is_ready(obj), ready);
}

static void test_scale_ready(void **state)
{
	(void)state;
	expect_ready("{" AT(2) ", 'status': {'readyReplicas': 2}}", true);
	expect_ready("{" AT(2) ", 'status': {'readyReplicas': 1}}", false);
	expect_ready("{" AT(2) ", 'status': {}}", false);
	expect_ready("{" AT(0) ", 'status': {}}", true);
	/* the status is of before the last write */
	expect_ready("{'metadata': {'generation': 4}, " AT(
			     2) ", 'status': {'readyReplicas': 2, "
				"'observedGeneration': 3}}",
		     false);
}

static void test_selector_query(void **state)
{
	auto_json json_t *one = json_quoted("{'app': 'web', 'tier': 'a/b'}");
	auto_json json_t *none = json_quoted("{}");
	auto_free char *q = selector_query(one);

	(void)state;
	assert_non_null(strstr(q, "labelSelector="));
	assert_non_null(strstr(q, "app%3Dweb"));
	assert_null(selector_query(none));
	assert_true(selector_matches(one, one));
	assert_false(selector_matches(none, one));
	assert_false(selector_matches(one, none));
}

/* Which ports a gate ends TLS of */
static void tls_that_is_ended(void **state)
{
	static const struct {
		const char *ports, *ended, *serve;
	} rows[] = {
		{ "[{'port':443,'targetPort':8443,'name':'https'},"
		  "{'port':80,'name':'http'}]",
		  "8443", "8443^=o.:443~auto,80=o.:80~http" },
		{ "[{'port':8443},{'port':9,'protocol':'UDP'}]", "8443",
		  "8443^=o.:8443~auto,9/udp=o.:9" },
		{ "[{'port':1,'targetPort':2,'appProtocol':'https'},"
		  "{'port':3,'targetPort':2}]",
		  "2", "2^=o.:1~auto" },
		{ "[{'port':80,'targetPort':8443,'name':'http'},"
		  "{'port':443,'targetPort':8443,'name':'https'}]",
		  "8443", "8443^=o.:80~http" },
		{ "[{'port':9000}]", "9000", "9000^=o.:9000~auto" },
		{ "[{'port':443,'name':'http'},{'port':9000}]", "",
		  "443=o.:443~http,9000=o.:9000~auto" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *text =
			xasprintf("{'spec':{'ports':%s}}", rows[i].ports);
		auto_json json_t *service = json_quoted(text);
		struct service_ports p;
		struct kt_error err = { 0 };
		auto_free char *ended = NULL, *serve = NULL;

		assert_int_equal(service_ports_make(&p, service, NULL, &err),
				 0);
		assert_int_equal(service_ports_end_tls(&p) > 0,
				 rows[i].ended[0] != 0);
		ended = service_ports_ended(&p);
		serve = service_ports_serve(&p, "o.", false);
		assert_string_equal(ended, rows[i].ended);
		assert_string_equal(serve, rows[i].serve);
		for (size_t k = 0; k < p.n; k++)
			assert_true(!p.v[k].ended ||
				    !service_port_unmarked(&p.v[k]));
		service_ports_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_that_is_ended),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_names_once),
		cmocka_unit_test(test_sidecar),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_take_and_restore),
		cmocka_unit_test(test_last_applied),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_drift),
		cmocka_unit_test(test_labels_drift),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_lock_owner),
		cmocka_unit_test(test_stuntman),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_stuntman_keeps),
		cmocka_unit_test(test_named_pods),
		cmocka_unit_test(test_caveats),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_scale_records),
		cmocka_unit_test(test_scale_ready),
		cmocka_unit_test(test_selector_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
