/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/gitops.h"
#include "doctor/target.h"
#include "kube/rest.h"

#include <string.h>

#define SELECTOR "'selector': {'app': 'web'}"
#define PORT "'ports': [{'name': 'http', 'port': 80}]"

/* One of the findings about @service has that state, and @text in it */
static void assert_found_with(const char *service, const char *pods, bool http,
			      const char *result, const char *text)
{
	auto_json json_t *obj = json_quoted(service);
	auto_json json_t *list = pods ? json_quoted(pods) : NULL;
	struct findings f;
	const json_t *one;
	bool found = false;
	size_t i;

	findings_init(&f, false);
	target_check(&f, obj, list, http);
	json_array_foreach (f.list, i, one)
		found = found ||
			(str_eq(json_str(one, "state", NULL), result) &&
			 strstr(json_str(one, "text", NULL), text));
	if (!found)
		fail_msg("no '%s' with '%s' about %s", result, text, service);
	findings_fini(&f);
}

static void assert_found(const char *service, bool http, const char *result,
			 const char *text)
{
	assert_found_with(service, NULL, http, result, text);
}

#define HEADLESS                                                               \
	"{'metadata': {'name': 'db'}, 'spec': {'clusterIP': 'None', " SELECTOR \
	", " PORT "}}"

static void headless(void **state)
{
	(void)state;
	assert_found_with(HEADLESS, "[{'spec': {}}]", false, "warn",
			  "it is headless: callers have the addresses");
	assert_found_with(HEADLESS,
			  "[{'spec': {'hostname': 'db-0', 'subdomain': 'db'}}]",
			  false, "fail", "gives its Pods names (db-0.db)");
}

/* exchange and mesh end with the same words */
static void refused(void **state)
{
	(void)state;
	assert_found("{'metadata': {'name': 'web'}, 'spec': {'type': "
		     "'ExternalName', 'externalName': 'a.test'}}",
		     false, "fail", "only another name of a.test");
	assert_found("{'metadata': {'name': 'web', 'labels': {'control-by': "
		     "'kt'}}, 'spec': {" SELECTOR ", " PORT "}}",
		     false, "fail", "ktctl has made itself");
}

/* What the caveats are is cluster/takeover's */
static void caveats(void **state)
{
	(void)state;
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", " PORT ", 'internalTrafficPolicy': 'Local'}}",
		     false, "warn", "internalTrafficPolicy is Local");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", " PORT ", 'sessionAffinity': 'ClientIP'}}",
		     true, "warn", "sessionAffinity is ClientIP");
	assert_found("{'metadata': {'name': 'web', 'annotations': "
		     "{'kt-selector': '{\\'app\\': \\'web\\'}'}}, 'spec': "
		     "{'selector': {'x': 'y'}, " PORT "}}",
		     false, "warn", "in use already (its selector is changed)");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", " PORT "}}",
		     false, "ok", "nobody exchanges or meshes it");
}

static void services(void **state)
{
	(void)state;
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", " PORT "}}",
		     false, "ok", "web, ports 80 http");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" PORT "}}", false,
		     "fail", "has no selector");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", 'ports': [{'port': 7, 'protocol': 'SCTP'}]}}",
		     false, "fail", "");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", 'ports': [{'port': 80}, {'port': 7, 'protocol': "
		     "'SCTP'}]}}",
		     false, "warn", "port 7 is SCTP");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", 'ports': [{'name': 'https-x', 'port': 8443}]}}",
		     true, "warn", "port 8443 speaks TLS");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", 'ports': [{'name': 'mysql', 'port': 3306}]}}",
		     true, "warn", "port 3306 speaks no HTTP");
	assert_found("{'metadata': {'name': 'web'}, 'spec': {" SELECTOR
		     ", 'ports': [{'port': 53, 'protocol': 'UDP'}]}}",
		     true, "warn", "port 53 is UDP");
	assert_found(
		"{'metadata': {'name': 'web', 'annotations': "
		"{'kt-selector': '{\\'app\\': \\'web\\'}'}}, 'spec': "
		"{'selector': {'kt-role': 'router', 'kt-target': 'x'}, " PORT
		"}}",
		true, "warn", "in use already (router)");
}

static void managers(void **state)
{
	(void)state;
	assert_found("{'metadata': {'name': 'web', 'labels': "
		     "{'kustomize.toolkit.fluxcd.io/name': 'apps'}}, 'spec': "
		     "{" SELECTOR ", " PORT "}}",
		     false, "warn", "managed by Flux");
	assert_found("{'metadata': {'name': 'web', 'annotations': "
		     "{'argocd.argoproj.io/tracking-id': 'x'}}, 'spec': "
		     "{" SELECTOR ", " PORT "}}",
		     false, "warn", "managed by Argo CD");
	assert_found("{'metadata': {'name': 'web', 'labels': "
		     "{'app.kubernetes.io/managed-by': 'Helm'}}, 'spec': "
		     "{" SELECTOR ", " PORT "}}",
		     false, "ok", "no manager");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services), cmocka_unit_test(headless),
		cmocka_unit_test(refused),  cmocka_unit_test(caveats),
		cmocka_unit_test(managers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
