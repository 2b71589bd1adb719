/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "kube/rest.h"
#include "pod/environ.h"
#include "pod/specenv.h"

#include <string.h>

static char *joined(const struct strv *v)
{
	return v->n ? strv_join(v, ";") : xstrdup("");
}

/* @container and @sources, with ' for "; what comes of them */
static void made(const char *spec, const char *container, const char *sources,
		 const char *wanted, const char *wanted_missing)
{
	auto_free char *text = xasprintf(
		"{'metadata': {'name': 'p'}, 'spec': {%s"
		" 'containers': [{'name': 'c', %s}]}, 'status':"
		" {'containerStatuses': [{'name': 'c', 'state': {'running':"
		" {'startedAt': '2026-11-30T06:00:00Z'}}}]}}",
		spec, container);
	struct pod_found f = { .ns = "t", .pod = json_quoted(text) };
	struct pod_sources s = { .ns = "t", .read = json_quoted(sources) };
	struct strv out = { 0 }, missing = { 0 };
	struct kt_error err = { 0 };
	char *got;

	assert_int_equal(pod_find_container(&f, NULL, &err), 0);
	specenv_make(&out, &f, &s, &missing);
	got = joined(&out);
	assert_string_equal(got, wanted);
	free(got);
	got = joined(&missing);
	assert_string_equal(got, wanted_missing);
	free(got);
	strv_fini(&out);
	strv_fini(&missing);
	pod_sources_fini(&s);
	pod_found_fini(&f);
}

#define NO_LINKS "'enableServiceLinks': false, "
#define NO_SERVICES "'services/default/': []"
#define API                                                                    \
	"{'metadata': {'name': 'kubernetes',"                                  \
	" 'creationTimestamp': '2026-01-01T00:00:00Z'}, 'spec':"               \
	" {'clusterIP': '10.96.0.1', 'ports': [{'name': 'https', 'port':"      \
	" 443}]}}"
#define API_VARS                                                               \
	"KUBERNETES_SERVICE_HOST=10.96.0.1;KUBERNETES_SERVICE_PORT=443;"       \
	"KUBERNETES_SERVICE_PORT_HTTPS=443;"                                   \
	"KUBERNETES_PORT=tcp://10.96.0.1:443;"                                 \
	"KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443;"                         \
	"KUBERNETES_PORT_443_TCP_PROTO=tcp;KUBERNETES_PORT_443_TCP_PORT=443;"  \
	"KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1"

static void maps_and_secrets_are_taken_in_order(void **state)
{
	static const char sources[] =
		"{" NO_SERVICES ", 'configmaps/m': {'data': {'B': 'b', 'A':"
		" 'a', 'bad=name': 'x'}}, 'secrets/s': {'data': {'K':"
		" 'c2VjcmV0'}}, 'configmaps/gone': null}";

	(void)state;
	made(NO_LINKS,
	     "'envFrom': [{'prefix': 'P_', 'configMapRef': {'name': 'm'}},"
	     " {'secretRef': {'name': 's'}}, {'configMapRef': {'name': 'gone',"
	     " 'optional': true}}], 'env': [{'name': 'P_A', 'value': 'new'},"
	     " {'name': 'X', 'value': '$(P_A)$(P_B)$(K)$(LATER)'},"
	     " {'name': 'LATER', 'value': 'l'}, {'name': 'EMPTY'}]",
	     sources,
	     "P_A=new;P_B=b;K=secret;X=newbsecret$(LATER);LATER=l;EMPTY=;"
	     "HOSTNAME=p",
	     "");
	made(NO_LINKS,
	     "'env': [{'name': 'A', 'valueFrom': {'secretKeyRef': {'name':"
	     " 's', 'key': 'K'}}}, {'name': 'B', 'valueFrom':"
	     " {'configMapKeyRef': {'name': 'm', 'key': 'no', 'optional':"
	     " true}}}, {'name': 'C', 'valueFrom': {'configMapKeyRef':"
	     " {'name': 'gone', 'key': 'x', 'optional': true}}}, {'name':"
	     " 'D', 'valueFrom': {'configMapKeyRef': {'name': 'm', 'key':"
	     " 'no'}}}, {'name': 'E', 'valueFrom': {'fieldRef': {'fieldPath':"
	     " 'spec.x'}}}, {'name': 'HOSTNAME', 'value': 'own'}]",
	     sources, "A=secret;HOSTNAME=own",
	     "D (configmaps/m has no key 'no');E (fieldPath 'spec.x' is not "
	     "known)");
	made("'hostname': 'h', " NO_LINKS,
	     "'envFrom': [{'secretRef': {'name': 'nobody'}}]", sources,
	     "HOSTNAME=h",
	     "envFrom secrets/nobody (secrets/nobody: there is none)");
}

static void services_are_those_of_the_start(void **state)
{
	static const char own[] =
		"{'services/t/': [{'metadata': {'name': 'my-db',"
		" 'creationTimestamp': '2026-11-30T05:00:00Z'}, 'spec':"
		" {'clusterIP': 'fd00::5', 'ports': [{'port': 53, 'protocol':"
		" 'UDP'}, {'name': 'web-ui', 'port': 80}]}},"
		" {'metadata': {'name': 'late', 'creationTimestamp':"
		" '2026-11-30T07:00:00Z'}, 'spec': {'clusterIP': '10.96.0.9',"
		" 'ports': [{'port': 1}]}}, {'metadata': {'name': 'headless'},"
		" 'spec': {'clusterIP': 'None', 'ports': [{'port': 1}]}}],"
		" 'services/default/': [" API ", {'metadata': {'name':"
		" 'other'}, 'spec': {'clusterIP': '10.96.0.8', 'ports':"
		" [{'port': 1}]}}]}";

	(void)state;
	made("",
	     "'env': [{'name': 'X', 'value': '$(MY_DB_SERVICE_PORT)'},"
	     " {'name': 'MY_DB_PORT', 'value': 'own'}]",
	     own,
	     "X=53;MY_DB_PORT=own;MY_DB_SERVICE_HOST=fd00::5;"
	     "MY_DB_SERVICE_PORT=53;MY_DB_SERVICE_PORT_WEB_UI=80;"
	     "MY_DB_PORT_53_UDP=udp://[fd00::5]:53;"
	     "MY_DB_PORT_53_UDP_PROTO=udp;MY_DB_PORT_53_UDP_PORT=53;"
	     "MY_DB_PORT_53_UDP_ADDR=fd00::5;"
	     "MY_DB_PORT_80_TCP=tcp://[fd00::5]:80;"
	     "MY_DB_PORT_80_TCP_PROTO=tcp;MY_DB_PORT_80_TCP_PORT=80;"
	     "MY_DB_PORT_80_TCP_ADDR=fd00::5;" API_VARS ";HOSTNAME=p",
	     "");
	made(NO_LINKS, "'env': []", own, API_VARS ";HOSTNAME=p", "");
}

static void the_api_is_added_where_it_is_missing(void **state)
{
	struct strv vars = { 0 };
	char *text;

	(void)state;
	made(NO_LINKS, "'env': []", "{}", "HOSTNAME=p", "");
	specenv_add_api(&vars, "10.96.0.1");
	assert_true(environ_has_api(&vars));
	text = joined(&vars);
	assert_string_equal(text, API_VARS);
	free(text);
	strv_fini(&vars);
}

static void an_environment_is_known_when_it_is_seen(void **state)
{
	auto_json json_t *own = json_quoted("{'spec': {}}");
	auto_json json_t *shared =
		json_quoted("{'spec': {'shareProcessNamespace': true}}");
	auto_json json_t *host = json_quoted("{'spec': {'hostPID': true}}");

	(void)state;
	assert_true(environ_is_whole("A=1\0B=\0", 7));
	assert_false(environ_is_whole("", 0));
	assert_false(environ_is_whole("A=1", 3));
	assert_false(environ_is_whole("nginx: master\0\0\0A=1\0", 20));
	assert_false(environ_is_whole("A=1\0\0", 5));
	assert_false(environ_shares(own));
	assert_true(environ_shares(shared));
	assert_true(environ_shares(host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_and_secrets_are_taken_in_order),
		cmocka_unit_test(services_are_those_of_the_start),
		cmocka_unit_test(the_api_is_added_where_it_is_missing),
		cmocka_unit_test(an_environment_is_known_when_it_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
