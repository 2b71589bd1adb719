/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cluster/ephemeral.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

static json_t *read_json(const char *text)
{
	json_error_t e;
	json_t *v = json_loads(text, 0, &e);

	if (!v)
		fail_msg("%s: %s", e.text, text);
	return v;
}

#define POD(spec, more)                                                        \
	"{\"metadata\": {\"name\": \"web-1\", \"namespace\": \"t\"},"          \
	" \"spec\": {" spec "}, \"status\": {\"phase\": \"Running\","          \
	" \"podIP\": \"10.0.0.1\", \"hostIP\": \"192.0.2.1\" " more "}}"

static void eligible(void **state)
{
	static const struct {
		const char *pod;
		bool is;
	} cases[] = {
		{ POD("", ""), true },
		{ POD("\"hostNetwork\": true", ""), false },
		{ "{\"status\": {\"phase\": \"Running\"}}", false },
		{ "{\"status\": {\"phase\": \"Pending\","
		  "\"podIP\": \"10.0.0.1\"}}",
		  false },
		{ "{\"metadata\": {\"labels\": {\"kt-role\": \"x\"}},"
		  "\"status\": {\"phase\": \"Running\","
		  "\"podIP\": \"10.0.0.1\"}}",
		  false },
		{ "{\"metadata\": {\"deletionTimestamp\": \"x\"},"
		  "\"status\": {\"phase\": \"Running\","
		  "\"podIP\": \"10.0.0.1\"}}",
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_json json_t *pod = read_json(cases[i].pod);

		if (ephemeral_eligible(pod) != cases[i].is)
			fail_msg("%s", cases[i].pod);
	}
}

/* The node's addresses are spared where it probes, and only there */
static void patch(void **state)
{
	auto_json json_t *plain = read_json(POD(
		"\"containers\": [{\"livenessProbe\": {\"exec\": {}}}]", ""));
	auto_json json_t *probed = read_json(
		POD("\"containers\": [{}, {\"livenessProbe\": {\"grpc\": {}}}]",
		    ", \"hostIPs\": [{\"ip\": \"192.0.2.1\"}, {\"ip\": "
		    "\"2001:db8::1\"}]"));
	auto_json json_t *a = ephemeral_patch(plain, "kt-exchange-abcde", "i:1",
					      false, "80!=10.0.0.1:80", 20001);
	auto_json json_t *b = ephemeral_patch(probed, "kt-exchange-abcde",
					      "i:1", true, "80!", 20001);
	json_t *ca = json_array_get(
		json_at(a, "spec", "ephemeralContainers", NULL), 0);
	json_t *cb = json_array_get(
		json_at(b, "spec", "ephemeralContainers", NULL), 0);
	auto_free char *args = json_dumps(json_object_get(ca, "args"), 0);
	auto_free char *more = json_dumps(json_object_get(cb, "args"), 0);

	(void)state;
	assert_string_equal(args, "[\"--listen\", \"20001\", \"--once\", "
				  "\"--idle-exit\", \"60\"]");
	assert_non_null(
		strstr(more, "\"--exempt\", \"192.0.2.1,2001:db8::1\"]"));
	assert_string_equal(json_str(cb, "imagePullPolicy", NULL), "Always");
	assert_string_equal(json_string_value(json_array_get(
				    json_at(ca, "securityContext",
					    "capabilities", "add", NULL),
				    0)),
			    "NET_ADMIN");
}

/* A Pod with these containers and their states, written with ' for " */
static json_t *pod_with(const char *containers, const char *states)
{
	auto_free char *text =
		xasprintf("{'metadata': {'name': 'web-1', 'namespace': 't'},"
			  " 'spec': {'ephemeralContainers': [%s]},"
			  " 'status': {'ephemeralContainerStatuses': [%s]}}",
			  containers, states);

	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	return read_json(text);
}

static void look(void **state)
{
	auto_json json_t *pod =
		pod_with("{'name': 'new'}, {'name': 'runs'}, {'name': 'ended'},"
			 "{'name': 'stuck'}",
			 "{'name': 'runs', 'state': {'running': {}}},"
			 "{'name': 'ended', 'state': {'terminated':"
			 " {'exitCode': 1, 'message': 'port is taken'}}},"
			 "{'name': 'stuck', 'state': {'waiting':"
			 " {'reason': 'ErrImageNeverPull'}}}");
	struct kt_error why = { 0 };

	(void)state;
	assert_int_equal(ephemeral_look(pod, "none", &why), EPHEMERAL_ABSENT);
	assert_int_equal(why.code, 0);
	assert_int_equal(ephemeral_look(pod, "new", &why), EPHEMERAL_WAITING);
	assert_int_equal(ephemeral_look(pod, "runs", &why), EPHEMERAL_RUNNING);
	assert_int_equal(ephemeral_look(pod, "ended", &why), EPHEMERAL_ABSENT);
	assert_non_null(strstr(why.msg, "port is taken"));
	assert_int_equal(ephemeral_look(pod, "stuck", &why), EPHEMERAL_FAILED);
	assert_non_null(strstr(why.msg, "ErrImageNeverPull"));
}

#define TWO "80!=10.0.0.1:80~tcp,81!"

static void find(void **state)
{
	auto_json json_t *pod = pod_with(
		"{'name': 'debugger-abcde', 'args': ['--listen', '1'],"
		" 'env': [{'name': 'SHADOW_SERVE', 'value': '80!'}]},"
		"{'name': 'kt-exchange-ended', 'args': ['--listen', '1'],"
		" 'env': [{'name': 'SHADOW_SERVE', 'value': '" TWO "'}]},"
		"{'name': 'kt-exchange-other', 'args': ['--listen', '23456'],"
		" 'env': [{'name': 'SHADOW_SERVE', 'value': '" TWO "'}]}",
		"{'name': 'debugger-abcde', 'state': {'running': {}}},"
		"{'name': 'kt-exchange-ended', 'state': {'terminated': {}}},"
		"{'name': 'kt-exchange-other', 'state': {'running': {}}}");
	char name[EPHEMERAL_NAME_SIZE], none[EPHEMERAL_NAME_SIZE];
	struct kt_error err = { 0 };
	uint16_t port = 0;

	(void)state;
	assert_int_equal(ephemeral_find(pod, TWO, "", name, &port, &err), 1);
	assert_string_equal(name, "kt-exchange-other");
	assert_int_equal(port, 23456);
	assert_int_equal(ephemeral_find(pod, TWO, name, none, &port, &err), 0);
	assert_int_equal(
		ephemeral_find(pod, "8!,80/udp!,800!", "", none, &port, &err),
		0);
	assert_int_equal(ephemeral_find(pod, "8!,80!", "", none, &port, &err),
			 -EBUSY);
	assert_non_null(strstr(err.msg, "kt-exchange-other"));
}

static void serve(void **state)
{
	auto_json json_t *pod = read_json(POD("", ""));
	auto_json json_t *service = read_json(
		"{\"spec\": {\"ports\": [{\"port\": 80, \"targetPort\": 8080},"
		" {\"port\": 53, \"protocol\": \"UDP\"}]}}");
	struct service_ports ports;
	auto_free char *text = NULL;

	(void)state;
	assert_int_equal(service_ports_make(&ports, service, NULL, NULL), 0);
	text = ephemeral_serve(&ports, pod);
	assert_string_equal(text,
			    "8080!=10.0.0.1:8080~tcp,53/udp!=10.0.0.1:53");
	service_ports_fini(&ports);
}

/* whose ports the tunnel of one that is added must not have */
static void declared(void **state)
{
	auto_json json_t *pod = read_json(
		POD("\"containers\": [{}, {\"ports\": [{\"containerPort\": 80},"
		    "{\"containerPort\": 20001}]}], \"initContainers\": "
		    "[{\"ports\": [{\"containerPort\": 20002}]}]",
		    ""));

	(void)state;
	assert_true(ephemeral_declares(pod, 20001));
	assert_true(ephemeral_declares(pod, 20002));
	assert_false(ephemeral_declares(pod, 20003));
}

static const json_t *guest(const struct ephemeral_guest *g, json_t **keep)
{
	*keep = ephemeral_guest_patch(g);
	return json_array_get(
		json_at(*keep, "spec", "ephemeralContainers", NULL), 0);
}

static json_int_t runs_as(const json_t *c, const char *key)
{
	return json_integer_value(json_at(c, "securityContext", key, NULL));
}

/* Who reads volumes is who their container is, but never root; without any it
 * is nobody */
static void guests(void **state)
{
	auto_json json_t *pod =
		read_json(POD("\"securityContext\": {\"runAsUser\": 70, "
			      "\"runAsGroup\": 71}",
			      ""));
	auto_json json_t *root =
		read_json("{\"securityContext\": {\"runAsUser\": 0}}");
	auto_json json_t *own =
		read_json("{\"securityContext\": {\"runAsUser\": 5}}");
	auto_json json_t *none = json_object(), *a = NULL, *b = NULL, *c = NULL,
			 *d = NULL;
	auto_strv struct strv volumes = { 0 };
	struct ephemeral_guest g = { .name = "kt-run-a",
				     .image = "i:1",
				     .listen = 20001,
				     .keep_s = 600,
				     .pod = pod,
				     .container = none };
	auto_free char *mounts = NULL;
	const json_t *it = guest(&g, &a);

	(void)state;
	assert_null(json_object_get(it, "volumeMounts"));
	assert_int_equal(json_array_size(json_object_get(it, "env")), 0);
	assert_int_equal(runs_as(it, "runAsUser"), 65534);
	strv_add(&volumes, "data");
	g.volumes = &volumes;
	g.digest = "0123";
	it = guest(&g, &b);
	assert_int_equal(runs_as(it, "runAsUser"), 70);
	assert_int_equal(runs_as(it, "runAsGroup"), 71);
	mounts =
		json_dumps(json_object_get(it, "volumeMounts"), JSON_SORT_KEYS);
	assert_string_equal(mounts, "[{\"mountPath\": \"/volumes/data\", "
				    "\"name\": \"data\", \"readOnly\": "
				    "true}]");
	assert_string_equal(
		json_str(json_array_get(json_object_get(it, "env"), 0), "value",
			 NULL),
		"/volumes=0123");
	g.container = own;
	it = guest(&g, &c);
	assert_int_equal(runs_as(it, "runAsUser"), 5);
	g.container = root;
	it = guest(&g, &d);
	assert_int_equal(runs_as(it, "runAsUser"), 65534);
	assert_true(json_is_true(
		json_at(it, "securityContext", "runAsNonRoot", NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eligible), cmocka_unit_test(patch),
		cmocka_unit_test(look),	    cmocka_unit_test(find),
		cmocka_unit_test(serve),    cmocka_unit_test(declared),
		cmocka_unit_test(guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
