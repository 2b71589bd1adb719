/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cluster/objects.h"
#include "cluster/podwait.h"
#include "cluster/program.h"
#include "cluster/sweep.h"
#include "kube/rest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const args[] = { "--port", "7000", NULL };

static const char want_security[] =
	"{\"allowPrivilegeEscalation\":false,"
	"\"capabilities\":{\"drop\":[\"ALL\"]},"
	"\"readOnlyRootFilesystem\":true,\"runAsGroup\":65534,"
	"\"runAsNonRoot\":true,\"runAsUser\":65534,"
	"\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}";
static const char want_pod[] =
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
	"\"annotations\":{\"kt-last-heart-beat\":\"1795370400\","
	"\"kt-ref-count\":\"1\",\"kt-user\":\"ann\"},"
	"\"labels\":{\"control-by\":\"kt\",\"kt-role\":\"shadow-connect\"},"
	"\"name\":\"kt-connect-shadow-abcde\"},"
	"\"spec\":{\"automountServiceAccountToken\":false,\"containers\":[{"
	"\"args\":[\"--port\",\"7000\"],\"image\":\"img:1\","
	"\"imagePullPolicy\":\"IfNotPresent\",\"name\":\"standalone\","
	"\"readinessProbe\":{\"failureThreshold\":3,"
	"\"httpGet\":{\"path\":\"/healthz\",\"port\":7001},"
	"\"periodSeconds\":2,\"timeoutSeconds\":2},"
	"\"securityContext\":%s,"
	"\"terminationMessagePolicy\":\"FallbackToLogsOnError\"}],"
	"\"enableServiceLinks\":false,\"nodeSelector\":{"
	"\"kubernetes.io/arch\":\"%s\",\"kubernetes.io/os\":\"linux\"},"
	"\"restartPolicy\":\"OnFailure\","
	"\"securityContext\":{\"runAsGroup\":65534,\"runAsNonRoot\":true,"
	"\"runAsUser\":65534,\"seccompProfile\":{\"type\":"
	"\"RuntimeDefault\"},\"sysctls\":[{\"name\":"
	"\"net.ipv4.ping_group_range\",\"value\":\"0 2147483647\"}]},"
	"\"serviceAccountName\":\"default\","
	"\"terminationGracePeriodSeconds\":300}}";

/* As Kubernetes calls it: what uname says is not the same word */
static const char *node_arch(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },
						{ "aarch64", "arm64" } };
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(u.machine, names[i][0]) == 0)
			return names[i][1];
	fail_msg("%s is not in the list", u.machine);
	return "";
}

static struct shadow_spec plain(void)
{
	return (struct shadow_spec){
		.name = "kt-connect-shadow-abcde",
		.role = KT_ROLE_CONNECT,
		.user = "ann",
		.now = 1795370400,
		.image = "img:1",
		.service_account = "default",
		.args = args,
		.health_port = 7001,
	};
}

static void pod_is_as_expected(void **state)
{
	const struct shadow_spec s = plain();
	char want[4096], *got;
	json_t *pod = shadow_pod(&s);

	(void)state;
	snprintf(want, sizeof(want), want_pod, want_security, node_arch());
	got = json_dumps(pod, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got, want);
	free(got);
	json_decref(pod);
}

static void flags_show_in_the_pod(void **state)
{
	json_t *labels =
		json_pack("{s:s,s:s}", "team", "x", "control-by", "me");
	json_t *notes = json_pack("{s:s}", "note", "n");
	json_t *sel = json_pack("{s:s,s:s}", "disk", "ssd",
				"kubernetes.io/arch", "mine");
	struct shadow_spec s = plain();
	json_t *pod, *c;

	(void)state;
	s.labels = labels;
	s.annotations = notes;
	s.node_selector = sel;
	s.always_pull = true;
	s.image_pull_secret = "sec";
	s.cpu = "0.5";
	s.memory = "512Mi";
	pod = shadow_pod(&s);
	c = json_array_get(json_at(pod, "spec", "containers", NULL), 0);
	assert_string_equal(object_label(pod, "team"), "x");
	assert_string_equal(object_label(pod, "control-by"), "kt");
	assert_string_equal(object_annotation(pod, "note"), "n");
	assert_string_equal(json_str(pod, "spec", "nodeSelector", "disk", NULL),
			    "ssd");
	assert_string_equal(
		json_str(pod, "spec", "nodeSelector", "kubernetes.io/os", NULL),
		"linux");
	assert_string_equal(json_str(pod, "spec", "nodeSelector",
				     "kubernetes.io/arch", NULL),
			    "mine"); /* what the user says wins */
	assert_string_equal(json_str(c, "imagePullPolicy", NULL), "Always");
	assert_string_equal(json_str(c, "resources", "limits", "cpu", NULL),
			    "0.5");
	assert_string_equal(
		json_str(c, "resources", "requests", "memory", NULL), "512Mi");
	assert_string_equal(
		json_str(json_array_get(
				 json_at(pod, "spec", "imagePullSecrets", NULL),
				 0),
			 "name", NULL),
		"sec");
	assert_int_equal(json_object_size(labels), 2); /* not changed */
	json_decref(pod);
	json_decref(labels);
	json_decref(notes);
	json_decref(sel);
}

static void expect_user(long option, json_int_t want)
{
	static const char *const names[] = { "runAsUser", "runAsGroup" };
	struct shadow_spec s = plain();
	json_t *ports = json_pack("[[{s:i}],[{s:i}]]", "containerPort", 80,
				  "containerPort", 81);
	json_t *pod, *c;
	size_t i;

	s.ports = ports;
	s.run_as_user = option;
	pod = shadow_pod(&s);
	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		json_t *of_pod =
			json_at(pod, "spec", "securityContext", names[k], NULL);

		assert_int_equal(json_integer_value(of_pod), want);
		assert_int_equal(!of_pod, !want);
		json_array_foreach (json_at(pod, "spec", "containers", NULL), i,
				    c) {
			json_t *of_c =
				json_at(c, "securityContext", names[k], NULL);

			assert_int_equal(json_integer_value(of_c), want);
			assert_int_equal(!of_c, !want);
			assert_true(json_is_true(json_at(
				c, "securityContext", "runAsNonRoot", NULL)));
		}
	}
	json_decref(pod);
	json_decref(ports);
}

static void the_user_of_its_processes(void **state)
{
	(void)state;
	expect_user(0, 65534);
	expect_user(1000650000, 1000650000);
	expect_user(POD_USER_NONE, 0);
}

/* With an image of ours, and without */
static void has_a_gate_beside_it(void **state)
{
	static const char *const of_gate[] = { "tls", "--port", "8443", NULL };
	struct shadow_spec s = plain();
	json_t *obj, *c, *v;
	char *text;

	(void)state;
	obj = shadow_deployment(&s);
	assert_null(object_tls_secret(obj));
	json_decref(obj);
	s.tls_secret = "web-tls";
	s.tls_args = of_gate;
	s.tls_health = 18024;
	obj = shadow_deployment(&s);
	assert_string_equal(object_tls_secret(obj), "web-tls");
	c = json_array_get(
		json_at(obj, "spec", "template", "spec", "containers", NULL),
		1);
	assert_string_equal(json_str(c, "name", NULL), "tls");
	text = json_dumps(json_object_get(c, "command"), 0);
	assert_string_equal(text, "[\"/gate\"]");
	free(text);
	assert_int_equal(json_integer_value(json_at(c, "readinessProbe",
						    "httpGet", "port", NULL)),
			 18024);
	assert_int_equal(json_array_size(json_object_get(c, "volumeMounts")),
			 1);
	assert_true(json_is_true(
		json_at(c, "securityContext", "readOnlyRootFilesystem", NULL)));
	/* it refuses who comes when it is full, so it has to be told when */
	assert_string_equal(json_str(c, "resources", "limits", "memory", NULL),
			    "512Mi");
	assert_string_equal(
		json_str(c, "resources", "requests", "memory", NULL), "32Mi");
	json_decref(obj);
	s.cpu = "500m"; /* of which nothing follows for its memory */
	obj = shadow_deployment(&s);
	c = json_array_get(
		json_at(obj, "spec", "template", "spec", "containers", NULL),
		1);
	assert_string_equal(json_str(c, "resources", "limits", "memory", NULL),
			    "512Mi");
	assert_string_equal(json_str(c, "resources", "limits", "cpu", NULL),
			    "500m");
	assert_string_equal(json_str(c, "resources", "requests", "cpu", NULL),
			    "500m");
	c = json_array_get(
		json_at(obj, "spec", "template", "spec", "containers", NULL),
		0);
	assert_null(json_str(c, "resources", "limits", "memory", NULL));
	json_decref(obj);
	s.cpu = NULL;
	s.memory = "64Mi";
	obj = shadow_deployment(&s);
	c = json_array_get(
		json_at(obj, "spec", "template", "spec", "containers", NULL),
		1);
	assert_string_equal(json_str(c, "resources", "limits", "memory", NULL),
			    "64Mi");
	json_decref(obj);
	s.program = "ktctl-shadow-1";
	s.digest = "abc";
	s.gate = "ktctl-gate-1";
	s.gate_digest = "def";
	obj = shadow_deployment(&s);
	assert_true(program_used_by(obj, "ktctl-shadow-1"));
	assert_true(program_used_by(obj, "ktctl-gate-1"));
	c = json_array_get(
		json_at(obj, "spec", "template", "spec", "containers", NULL),
		1);
	text = json_dumps(json_object_get(c, "command"), 0);
	assert_string_equal(text, "[\"/ktctl-gate/start\", "
				  "\"/ktctl-gate/gate.gz\", \"def\"]");
	free(text);
	v = json_object_get(c, "volumeMounts");
	assert_int_equal(json_array_size(v), 2); /* not the shadow's program */
	assert_string_equal(json_str(json_array_get(v, 0), "name", NULL),
			    "gate");
	assert_string_equal(json_str(json_array_get(v, 1), "mountPath", NULL),
			    KT_TLS_FOLDER);
	json_decref(obj);
}

/* The image is anybody's: nothing of it but the image is used */
static void brings_its_program(void **state)
{
	json_t *secrets = json_pack("[{s:s}]", "name", "theirs");
	json_t *ports = json_pack("[[{s:i}],[{s:i}]]", "containerPort", 80,
				  "containerPort", 81);
	struct shadow_spec s = plain();
	json_t *pod, *c, *v;
	size_t i;

	(void)state;
	s.program = "ktctl-shadow-1";
	s.digest = "abc";
	s.image_pull_secrets = secrets;
	s.image_pull_secret = "mine";
	s.ports = ports;
	pod = shadow_pod(&s);
	assert_int_equal(
		json_array_size(json_at(pod, "spec", "containers", NULL)), 2);
	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c) {
		char *text = json_dumps(json_object_get(c, "command"), 0);

		assert_string_equal(text, "[\"/ktctl/start\", "
					  "\"/ktctl/shadow.gz\", \"abc\"]");
		free(text);
		assert_string_equal(json_str(c, "workingDir", NULL), "/");
		v = json_array_get(json_object_get(c, "volumeMounts"), 0);
		assert_string_equal(json_str(v, "mountPath", NULL), "/ktctl");
		assert_true(json_is_true(json_object_get(v, "readOnly")));
	}
	v = json_array_get(json_at(pod, "spec", "volumes", NULL), 0);
	assert_string_equal(json_str(v, "configMap", "name", NULL),
			    "ktctl-shadow-1");
	assert_int_equal(json_integer_value(
				 json_at(v, "configMap", "defaultMode", NULL)),
			 0555);
	v = json_at(pod, "spec", "imagePullSecrets", NULL);
	assert_int_equal(json_array_size(v), 2);
	assert_true(program_used_by(pod, "ktctl-shadow-1"));
	assert_false(program_used_by(pod, "ktctl-shadow-2"));
	json_decref(pod);
	pod = shadow_deployment(&s);
	assert_true(program_used_by(pod, "ktctl-shadow-1"));
	json_decref(pod);
	json_decref(ports);
	json_decref(secrets);
}

static void deployment_selects_its_pods(void **state)
{
	const struct shadow_spec s = plain();
	json_t *d = shadow_deployment(&s);
	const json_t *match =
		json_at(d, "spec", "selector", "matchLabels", NULL);
	const json_t *tmpl = json_at(d, "spec", "template", NULL);
	char want[128], *selector = pod_selector(d);

	(void)state;
	assert_true(
		json_equal(match, json_at(tmpl, "metadata", "labels", NULL)));
	assert_int_equal(strlen(object_label(tmpl, "kt-target")), 20);
	assert_null(object_label(tmpl, "control-by"));
	assert_string_equal(object_label(d, "control-by"), "kt");
	assert_string_equal(object_label(d, "kt-target"),
			    object_label(tmpl, "kt-target"));
	assert_string_equal(json_str(tmpl, "spec", "restartPolicy", NULL),
			    "Always");
	snprintf(want, sizeof(want), "kt-role=shadow-connect,kt-target=%s",
		 object_label(tmpl, "kt-target"));
	assert_string_equal(selector, want);
	free(selector);
	json_decref(d);
}

static void targets_are_kts(void **state)
{
	char a[KT_TARGET_SIZE], b[KT_TARGET_SIZE];

	(void)state;
	target_make(a);
	target_make(b);
	assert_int_equal(strlen(a), 20);
	assert_string_not_equal(a, b);
}

/* In front of a Service: ports, what is behind, and it never ends by itself */
static void serving(void **state)
{
	json_t *ports = json_pack("[[{s:i}]]", "containerPort", 80);
	struct shadow_spec spec = {
		.name = "web-kt-exchange-abcde",
		.role = KT_ROLE_EXCHANGE,
		.target = "T",
		.config = "service=web",
		.image = "img:1",
		.serve = "80=10.0.0.9:80~auto",
		.ports = ports,
		.low_ports = true,
	};
	json_t *pod = shadow_pod(&spec), *d = shadow_deployment(&spec);
	json_t *c = json_array_get(json_at(pod, "spec", "containers", NULL), 0);
	json_t *env = json_array_get(json_object_get(c, "env"), 0);
	json_t *sysctls =
		json_at(pod, "spec", "securityContext", "sysctls", NULL);

	(void)state;
	assert_string_equal(object_label(pod, "kt-target"), "T");
	assert_string_equal(object_annotation(pod, "kt-config"), "service=web");
	assert_string_equal(json_str(pod, "spec", "restartPolicy", NULL),
			    "Always");
	assert_string_equal(json_str(env, "name", NULL), "SHADOW_SERVE");
	assert_string_equal(json_str(env, "value", NULL),
			    "80=10.0.0.9:80~auto");
	assert_true(json_equal(json_object_get(c, "ports"),
			       json_array_get(ports, 0)));
	assert_int_equal(
		json_array_size(json_at(pod, "spec", "containers", NULL)), 1);
	assert_string_equal(json_str(json_array_get(sysctls, 1), "name", NULL),
			    "net.ipv4.ip_unprivileged_port_start");
	assert_string_equal(json_str(d, "spec", "selector", "matchLabels",
				     "kt-target", NULL),
			    "T");
	json_decref(ports);
	json_decref(pod);
	json_decref(d);
}

/* dns/UDP and dns/TCP: a container has a name once */
static void two_ports_of_one_name(void **state)
{
	json_t *ports =
		json_pack("[[{s:s}], [{s:s}]]", "name", "dns", "name", "dns");
	struct shadow_spec s = plain();
	json_t *pod, *list, *c;

	(void)state;
	s.ports = ports;
	s.serve = "53/udp,53";
	s.memory = "64Mi";
	pod = shadow_pod(&s);
	list = json_at(pod, "spec", "containers", NULL);
	assert_int_equal(json_array_size(list), 2);
	c = json_array_get(list, 1);
	assert_string_not_equal(json_str(c, "name", NULL), KT_CONTAINER);
	assert_true(json_equal(json_object_get(c, "ports"),
			       json_array_get(ports, 1)));
	assert_null(json_object_get(c, "env")); /* it serves nothing */
	assert_non_null(json_object_get(c, "securityContext"));
	assert_non_null(json_object_get(c, "resources"));
	json_decref(pod);
	json_decref(ports);
}

/* Also where a Deployment makes the Pod */
static void annotations_reach_the_pod(void **state)
{
	json_t *notes = json_pack("{s:s}", "sidecar.istio.io/inject", "false");
	struct shadow_spec s = plain();
	json_t *d;

	(void)state;
	s.annotations = notes;
	d = shadow_deployment(&s);
	assert_string_equal(object_annotation(d, "sidecar.istio.io/inject"),
			    "false");
	assert_string_equal(
		object_annotation(json_at(d, "spec", "template", NULL),
				  "sidecar.istio.io/inject"),
		"false");
	json_decref(d);
	json_decref(notes);
}

static void options_reach_other_objects(void **state)
{
	char team[] = "team", x[] = "x", control[] = "control-by", me[] = "me";
	char role[] = "kt-role", router[] = "router", note_[] = "note";
	char n[] = "n", user[] = "kt-user", eve[] = "eve";
	struct pair label[] = { { team, x },
				{ control, me },
				{ role, router } };
	struct pair note[] = { { note_, n }, { user, eve } };
	struct pod_options o = { .labels = { label, 3 },
				 .annotations = { note, 2 } };
	json_t *obj =
		json_pack("{s:{s:{s:s},s:{s:s}}}", "metadata", "labels",
			  "control-by", "kt", "annotations", "kt-user", "ann");
	json_t *bare = json_pack("{s:{}}", "metadata");

	(void)state;
	object_add_options(obj, &o);
	object_add_options(bare, &o);
	object_add_options(bare, NULL);
	assert_string_equal(object_label(obj, "team"), "x");
	assert_string_equal(object_label(obj, "control-by"), "kt");
	assert_null(object_label(obj, "kt-role"));
	assert_string_equal(object_annotation(obj, "note"), "n");
	assert_string_equal(object_annotation(obj, "kt-user"), "ann");
	assert_string_equal(object_label(bare, "team"), "x");
	json_decref(obj);
	json_decref(bare);
}

/* A laptop that may be away for longer than others is not taken for dead */
static void is_swept_when_its_time_is_over(void **state)
{
	static const struct {
		const char *keep;
		int64_t age;
		bool swept;
	} cases[] = {
		{ NULL, 299, false },	      { NULL, 301, true },
		{ "20", 301, true },	      { "600", 301, false },
		{ "600", 599, false },	      { "600", 601, true },
		{ "1e9", 301, true },	      { "-1", 301, true },
		{ "99999999", 86401, true }, /* a day is the most */
		{ "99999999", 86399, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_json json_t *obj =
			json_pack("{s:{s:{s:s, s:s*}}}", "metadata",
				  "annotations", KT_ANNOTATION_HEARTBEAT,
				  "1000000", KT_ANNOTATION_KEEP, cases[i].keep);

		assert_int_equal(sweep_expired(obj, 1000000 + cases[i].age),
				 cases[i].swept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pod_is_as_expected),
		cmocka_unit_test(flags_show_in_the_pod),
		cmocka_unit_test(the_user_of_its_processes),
		cmocka_unit_test(has_a_gate_beside_it),
		cmocka_unit_test(brings_its_program),
		cmocka_unit_test(deployment_selects_its_pods),
		cmocka_unit_test(targets_are_kts),
		cmocka_unit_test(serving),
		cmocka_unit_test(two_ports_of_one_name),
		cmocka_unit_test(annotations_reach_the_pod),
		cmocka_unit_test(options_reach_other_objects),
		cmocka_unit_test(is_swept_when_its_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
