/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "kube/rest.h"
#include "pod/volume.h"

#include <errno.h>
#include <string.h>

#define SOURCES                                                                \
	"{'configmaps/m': {'data': {'a': '1', 'b': '2'}, 'binaryData':"        \
	" {'c': 'AAH/'}}, 'secrets/s': {'data': {'k': 'c2VjcmV0'}},"           \
	" 'configmaps/gone': null, 'token/600/': {'token': 'T'},"              \
	" 'token/3600/vault': {'token': 'V'}}"

/* "a 644 1, c 644 (3)" of the volume */
static void made(const char *security, const char *volume, const char *wanted)
{
	auto_free char *pod = xasprintf(
		"{'metadata': {'name': 'p', 'labels': {'l': 'v'}}, 'spec':"
		" {%s 'containers': [{'name': 'c'}]}}",
		security);
	struct pod_found f = { .ns = "t", .pod = json_quoted(pod) };
	struct pod_sources s = { .ns = "t", .read = json_quoted(SOURCES) };
	auto_json json_t *v = json_quoted(volume);
	struct tree t = { 0 };
	struct kt_error err = { 0 };
	auto_strv struct strv got = { 0 };
	auto_free char *text = NULL;
	int rc;

	assert_int_equal(pod_find_container(&f, NULL, &err), 0);
	rc = volume_make(&t, &f, v, &s, &err);
	for (size_t i = 0; i < t.n; i++)
		strv_take(&got, strlen(t.v[i].data) == t.v[i].len
					? xasprintf("%s %o %s", t.v[i].path,
						    t.v[i].mode, t.v[i].data)
					: xasprintf("%s %o (%zu)", t.v[i].path,
						    t.v[i].mode, t.v[i].len));
	text = got.n ? strv_join(&got, ", ") : xstrdup("");
	assert_string_equal(rc < 0 ? err.msg : text, wanted);
	tree_fini(&t);
	pod_sources_fini(&s);
	pod_found_fini(&f);
}

static void maps_and_secrets(void **state)
{
	(void)state;
	made("", "{'configMap': {'name': 'm', 'defaultMode': 416}}",
	     "a 640 1, b 640 2, c 640 (3)");
	made("",
	     "{'configMap': {'name': 'm', 'items': [{'key': 'b', 'path':"
	     " 'x/y', 'mode': 256}, {'key': 'a', 'path': 'z'}]}}",
	     "x/y 400 2, z 644 1");
	made("",
	     "{'configMap': {'name': 'm', 'items': [{'key': 'no', 'path':"
	     " 'x'}]}}",
	     "there is no key 'no'");
	made("",
	     "{'configMap': {'name': 'm', 'optional': true, 'items':"
	     " [{'key': 'no', 'path': 'x'}]}}",
	     "");
	made("",
	     "{'configMap': {'name': 'm', 'items': [{'key': 'a', 'path':"
	     " '../x'}]}}",
	     "'../x' is no path in a volume");
	made("", "{'configMap': {'name': 'gone', 'optional': true}}", "");
	made("", "{'configMap': {'name': 'gone'}}",
	     "configmaps/gone: there is none");
	made("", "{'secret': {'secretName': 's', 'defaultMode': 256}}",
	     "k 400 secret");
	made("'securityContext': {'fsGroup': 5},",
	     "{'secret': {'secretName': 's', 'defaultMode': 256}}",
	     "k 440 secret");
}

static void projected_and_downward(void **state)
{
	static const char all[] =
		"{'projected': {'sources': [{'serviceAccountToken': {'path':"
		" 'token', 'expirationSeconds': 600}}, {'serviceAccountToken':"
		" {'path': 'v', 'audience': 'vault'}}, {'configMap': {'name':"
		" 'm', 'items': [{'key': 'a', 'path': 'ca'}]}}, {'downwardAPI':"
		" {'items': [{'path': 'ns', 'fieldRef': {'fieldPath':"
		" 'metadata.labels'}}]}}]}}";

	(void)state;
	made("", all, "token 644 T, v 644 V, ca 644 1, ns 644 l=\"v\"");
	made("'securityContext': {'fsGroup': 5},", all,
	     "token 640 T, v 640 V, ca 644 1, ns 644 l=\"v\"");
	made("'securityContext': {'runAsUser': 5},", all,
	     "token 600 T, v 600 V, ca 644 1, ns 644 l=\"v\"");
	made("",
	     "{'projected': {'sources': [{'serviceAccountToken': {'path':"
	     " 't', 'expirationSeconds': 700}}]}}",
	     "there is no token of service account default");
	made("", "{'projected': {'sources': [{'podCertificate': {}}]}}",
	     "a source of a kind that is not known here");
	made("",
	     "{'downwardAPI': {'items': [{'path': 'n', 'mode': 256,"
	     " 'fieldRef': {'fieldPath': 'metadata.name'}}]}}",
	     "n 400 p");
	made("",
	     "{'downwardAPI': {'items': [{'path': 'n', 'fieldRef':"
	     " {'fieldPath': 'spec.x'}}]}}",
	     "fieldPath 'spec.x' is not known");
}

static void a_token_is_renewed_in_time(void **state)
{
	auto_json json_t *reply =
		json_quoted("{'status': {'token': 'T', 'expirationTimestamp':"
			    " '1970-01-01T01:00:00Z'}}");
	auto_json json_t *half = json_quoted("{'status': {'token': 'T'}}");
	auto_json json_t *token = volume_token_of(reply, 100);
	auto_json json_t *year =
		json_quoted("{'token': 'T', 'since': 0, 'expires': 31536000}");

	(void)state;
	assert_null(volume_token_of(half, 0));
	assert_false(volume_token_due(token, 100));
	assert_false(volume_token_due(token, 100 + 2799));
	assert_true(volume_token_due(token, 100 + 2800));
	assert_false(volume_token_due(year, 24 * 3600 - 1));
	assert_true(volume_token_due(year, 24 * 3600));
}

static void kinds(void **state)
{
	auto_json json_t *pvc = json_quoted(
		"{'name': 'a', 'persistentVolumeClaim': {'claimName': 'x'}}");
	auto_json json_t *empty = json_quoted("{'name': 'a', 'emptyDir': {}}");
	auto_json json_t *map = json_quoted("{'configMap': {}, 'name': 'a'}");
	const char *name;

	(void)state;
	assert_int_equal(volume_kind(pvc, &name), VOLUME_OTHER);
	assert_string_equal(name, "persistentVolumeClaim");
	assert_int_equal(volume_kind(empty, &name), VOLUME_EMPTY);
	assert_int_equal(volume_kind(map, &name), VOLUME_MADE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_and_secrets),
		cmocka_unit_test(projected_and_downward),
		cmocka_unit_test(a_token_is_renewed_in_time),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
