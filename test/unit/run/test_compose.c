/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/yaml.h"
#include "kube/kubeconfig.h"
#include "kube/yamltree.h"
#include "local/home.h"
#include "run/compose_file.h"
#include "run/compose_sidecar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *parsed(const char *text)
{
	struct kt_error err = { 0 };
	json_t *v = yaml_parse(text, strlen(text), "compose.yaml", &err);

	if (!v)
		fail_msg("%s in: %s", err.msg, text);
	return v;
}

static char *taken(struct buf *b)
{
	char *text = xstrndup((const char *)buf_data(b), b->len);

	buf_fini(b);
	return text;
}

/* What is printed for @service of @file, with @var ("NAME=VALUE", or NULL) */
static char *printed(const char *file, const char *service, const char *var,
		     bool whole)
{
	json_t *doc = parsed(file), *sidecar = parsed("command: [connect]");
	auto_strv struct strv all = { 0 }, vars = { 0 }, left_out = { 0 };
	struct kt_error err = { 0 };
	struct compose_join j;
	struct buf b;
	int rc;

	if (var)
		strv_add(&vars, var);
	buf_init(&b, 65536);
	assert_int_equal(compose_services(doc, "compose.yaml", &all, &err), 0);
	if (compose_join_make(&j, doc, service, sidecar, &vars, &left_out,
			      &err) < 0)
		fail_msg("%s", err.msg);
	rc = whole ? compose_whole(&b, doc, &j, 1)
		   : compose_override(&b, &j, 1);
	assert_int_equal(rc, 0);
	compose_join_fini(&j);
	json_decref(doc);
	json_decref(sidecar);
	return taken(&b);
}

static void an_override(void **state)
{
	auto_free char *plain = printed("services: {web: {image: a, "
					"command: [x]}, db: {image: b}}",
					"web", NULL, false);
	auto_free char *much = printed(
		"services:\n"
		"  web:\n"
		"    build: {context: ., args: {A: '${B}'}}\n"
		"    profiles: [dev]\n"
		"    container_name: web1\n"
		"    environment: [OWN=1, LOG]\n"
		"    ports: ['${PORT:-80}:80', {target: 90}]\n"
		"    networks: {back: {ipv4_address: 10.0.0.9}, front: null}\n"
		"    hostname: host\n"
		"    extra_hosts: [a:1.2.3.4]\n",
		"web", "DOLLAR=a$b", false);

	(void)state;
	assert_string_equal(plain, "services:\n"
				   "  \"web\":\n"
				   "    network_mode: \"service:web-ktctl\"\n"
				   "    depends_on:\n"
				   "      web-ktctl:\n"
				   "        condition: \"service_healthy\"\n"
				   "  \"web-ktctl\":\n"
				   "    command:\n"
				   "      - \"connect\"\n"
				   "    image: \"a\"\n"
				   "    networks:\n"
				   "      default:\n"
				   "        aliases:\n"
				   "          - \"web\"\n");
	assert_string_equal(much, "services:\n"
				  "  \"web\":\n"
				  "    network_mode: \"service:web-ktctl\"\n"
				  "    depends_on:\n"
				  "      web-ktctl:\n"
				  "        condition: \"service_healthy\"\n"
				  "    environment:\n"
				  "      DOLLAR: \"a$$b\"\n"
				  "    ports: !reset null\n"
				  "    networks: !reset null\n"
				  "    hostname: !reset null\n"
				  "    extra_hosts: !reset null\n"
				  "  \"web-ktctl\":\n"
				  "    command:\n"
				  "      - \"connect\"\n"
				  "    build:\n"
				  "      context: \".\"\n"
				  "      args:\n"
				  "        A: \"${B}\"\n"
				  "    profiles:\n"
				  "      - \"dev\"\n"
				  "    ports:\n"
				  "      - \"${PORT:-80}:80\"\n"
				  "      - target: 90\n"
				  "    networks:\n"
				  "      back:\n"
				  "        ipv4_address: \"10.0.0.9\"\n"
				  "        aliases:\n"
				  "          - \"web\"\n"
				  "          - \"web1\"\n"
				  "      front:\n"
				  "        aliases:\n"
				  "          - \"web\"\n"
				  "          - \"web1\"\n"
				  "    hostname: \"host\"\n"
				  "    extra_hosts:\n"
				  "      - \"a:1.2.3.4\"\n");
}

/* Anchors and merge keys are one tree for several services: each has its own */
static void the_whole_file(void **state)
{
	auto_free char *text = printed(
		"version: '3'\n"
		"x-base: &base {image: a, ports: [80], networks: [n]}\n"
		"services:\n"
		"  web: {<<: *base, depends_on: [db], environment: [OWN=1]}\n"
		"  db: *base\n"
		"networks: {n: null}\n",
		"web", "NE$W=b$c", true);

	(void)state;
	assert_string_equal(text, "x-base:\n"
				  "  image: \"a\"\n"
				  "  ports:\n"
				  "    - 80\n"
				  "  networks:\n"
				  "    - \"n\"\n"
				  "services:\n"
				  "  web:\n"
				  "    depends_on:\n"
				  "      db:\n"
				  "        condition: \"service_started\"\n"
				  "      web-ktctl:\n"
				  "        condition: \"service_healthy\"\n"
				  "    environment:\n"
				  "      - \"OWN=1\"\n"
				  "      - \"NE$$W=b$$c\"\n"
				  "    image: \"a\"\n"
				  "    network_mode: \"service:web-ktctl\"\n"
				  "  db:\n"
				  "    image: \"a\"\n"
				  "    ports:\n"
				  "      - 80\n"
				  "    networks:\n"
				  "      - \"n\"\n"
				  "  web-ktctl:\n"
				  "    command:\n"
				  "      - \"connect\"\n"
				  "    image: \"a\"\n"
				  "    ports:\n"
				  "      - 80\n"
				  "    networks:\n"
				  "      \"n\":\n"
				  "        aliases:\n"
				  "          - \"web\"\n"
				  "networks:\n"
				  "  \"n\": null\n");
}

/* A variable that the service sets is not the Pod's */
static void its_own_variables_win(void **state)
{
	static const char *const files[] = {
		"services: {web: {image: a, environment: [A=1]}}",
		"services: {web: {image: a, environment: [A]}}",
		"services: {web: {image: a, environment: {A: 1}}}",
		"services: {web: {image: a, environment: {A: null}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *mine = printed(files[i], "web", "A=pod", false);
		auto_free char *other =
			printed(files[i], "web", "AB=pod", false);

		assert_null(strstr(mine, "pod"));
		assert_non_null(strstr(other, "AB: \"pod\"\n"));
	}
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *file, *why;
	} v[] = {
		{ "[]", "not a compose file" },
		{ "null", "not a compose file" },
		{ "services: []", "not a compose file" },
		{ "services: {}", "not a compose file" },
		{ "services: {web: [], a: {image: a}}", "not a service" },
		{ "services: {'a b': {image: a}}", "not a service" },
		{ "services: {'a\": {}': {image: a}}", "not a service" },
		{ "services: {\"a\\nb\": {image: a}}", "not a service" },
		{ "services: {'': {image: a}}", "not a service" },
		{ "services: {db: {image: a}}", "not in this file" },
		{ "services: {web: {extends: {service: x}}}",
		  "not in this file" },
		{ "services: {web: {command: x}}", "not in this file" },
		{ "services: {web: {image: a, network_mode: host}}",
		  "network_mode (host)" },
		{ "services: {web: {image: a, network_mode: null}}",
		  "network_mode" },
		{ "services: {web: {image: a, sysctls: {net.a: 1}}}",
		  "sysctls" },
		{ "services: {web: {image: a, sysctls: [net.a=1]}}",
		  "sysctls" },
		{ "services: {web: {image: a}, web-ktctl: {image: b}}",
		  "web-ktctl" },
	};
	json_t *sidecar = json_object();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		json_t *doc = parsed(v[i].file);
		auto_strv struct strv all = { 0 }, left_out = { 0 };
		struct kt_error err = { 0 };
		struct compose_join j = { 0 };
		int rc = compose_services(doc, "compose.yaml", &all, &err);

		if (rc == 0)
			rc = compose_join_make(&j, doc, "web", sidecar, NULL,
					       &left_out, &err);
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err.msg, v[i].why))
			fail_msg("%s: %s", v[i].file, err.msg);
		compose_join_fini(&j);
		json_decref(doc);
	}
	json_decref(sidecar);
}

static void what_is_not_text_is_left_out(void **state)
{
	json_t *doc = parsed("services: {web: {image: a}}");
	json_t *sidecar = json_object();
	auto_strv struct strv vars = { 0 }, left_out = { 0 };
	struct kt_error err = { 0 };
	struct compose_join j;

	(void)state;
	strv_add(&vars, "BAD=\xff");
	strv_add(&vars, "GOOD=\xc3\xa9\n");
	assert_int_equal(compose_join_make(&j, doc, "web", sidecar, &vars,
					   &left_out, &err),
			 0);
	assert_int_equal(left_out.n, 1);
	assert_string_equal(left_out.v[0], "BAD");
	assert_int_equal(
		json_object_size(json_object_get(j.added, "environment")), 1);
	compose_join_fini(&j);
	json_decref(sidecar);
	json_decref(doc);
}

/* Whatever is in a tree comes back */
static void yaml_of_anything(void **state)
{
	static const char *const texts[] = {
		"\xf0\x9f\x98\x80",	    /* beyond the BMP */
		"\x7f\x1b[0m\x01",	    /* controls */
		"\xc2\x85\xc2\x9f",	    /* C1 */
		"\xe2\x80\xa8\xe2\x80\xa9", /* line ends of Unicode */
		"\xef\xbb\xbfx",
		"\xef\xbf\xbd\xef\xbf\xbf",
		"\"\\\n\t\r x: # {",
		"- a",
		"? b",
		"!reset",
		"~",
		"yes",
		"1e3",
		"",
	};
	json_t *v = json_object(), *got;
	struct kt_error err = { 0 };
	char long_key[2000];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_object_set_new(
			v, texts[i],
			json_pack("[s, {s:s}]", texts[i], texts[i], texts[i]));
	}
	memset(long_key, 'k', sizeof(long_key) - 1);
	long_key[sizeof(long_key) - 1] = '\0';
	json_object_set_new(v, "long",
			    json_pack("[{s:s}, {s:[s]}, {s:{s:s}}]", long_key,
				      "x", long_key, "y", long_key, long_key,
				      "z"));
	buf_init(&b, 1 << 20);
	assert_int_equal(yaml_write(&b, v), 0);
	got = yaml_parse((const char *)buf_data(&b), b.len, "written", &err);
	if (!got || !json_equal(got, v))
		fail_msg("%s: %.*s", err.msg, (int)b.len, (char *)buf_data(&b));
	json_decref(got);
	json_decref(v);
	buf_fini(&b);
}

/* --- the sidecar ---------------------------------------------------------- */

static const struct option flags[] = {
	{ .name = "file", .type = VALUE_STRING },
	{ .name = "dnsMode", .type = VALUE_DNS_MODE },
	{ .name = "context", .type = VALUE_STRING },
	{ .name = "debug", .type = VALUE_BOOL },
	{ 0 },
};

static const struct command row = { .name = "compose", .options = flags };

static const struct given given[] = {
	{ &flags[0], "x" },
	{ &flags[1], "localDNS:$a" },
	{ &flags[2], "other" },
	{ &flags[3], "true" },
};

static const struct options call = {
	.command = &row,
	.given = given,
	.ngiven = ARRAY_SIZE(given),
};

/* Of a kubeconfig with @cluster and @user, in a file of that mode; NULL: @err
 */
static json_t *sidecar_of(const char *cluster, const char *user, mode_t mode,
			  struct kt_error *err)
{
	char dir[] = "/tmp/kt-compose.XXXXXX";
	struct kube_config_source src = { 0 };
	struct kube_config *config = NULL;
	struct home home = { .dir = dir };
	auto_free char *path = NULL;
	json_t *out = NULL;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/con$fig", dir);
	src.files = path;
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"current-context: c\n"
		"clusters: [{name: k, cluster: %s}]\n"
		"users: [{name: u, user: %s}]\n"
		"contexts: [{name: c, context: {cluster: k, user: u}}]\n",
		cluster, user);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	/* another one than root's */
	if (geteuid() == 0)
		assert_int_equal(chown(path, 1000, 1000), 0);
	if (kube_config_load(&config, &src, err) < 0)
		fail_msg("%s", err->msg);
	if (compose_sidecar(&out, &call, config, &home, err) < 0)
		out = NULL;
	kube_config_free(config);
	unlink(path);
	rmdir(dir);
	return out;
}

static char *joined(const json_t *list)
{
	auto_strv struct strv all = { 0 };
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		strv_add(&all, json_string_value(one));
	return strv_join(&all, " ");
}

static void a_sidecar(void **state)
{
	struct kt_error err = { 0 };
	json_t *s = sidecar_of("{server: 'https://10.0.0.1'}", "{token: t}",
			       0600, &err);
	auto_free char *words = joined(json_object_get(s, "command"));
	auto_free char *caps = joined(json_object_get(s, "cap_add"));
	json_t *mounts = json_object_get(s, "volumes"), *one;
	bool config = false;
	size_t i;

	(void)state;
	assert_non_null(s);
	/* flags of connect, and no others; a dollar is no variable */
	assert_non_null(strstr(words, "connect --mode=sshuttle --shareShadow"));
	assert_non_null(strstr(words, "--dnsMode=localDNS:$$a --debug=true "));
	assert_non_null(strstr(words, "/con$$fig --context=c "
				      "--namespace=default"));
	assert_null(strstr(words, "other"));
	assert_string_equal(caps, "NET_ADMIN DAC_OVERRIDE");
	json_array_foreach (mounts, i, one) {
		const char *source =
			json_string_value(json_object_get(one, "source"));
		const char *target =
			json_string_value(json_object_get(one, "target"));

		assert_true(json_is_true(json_object_get(one, "read_only")));
		if (str_ends(source, "/con$$fig")) {
			assert_string_equal(source, target);
			config = true;
		}
	}
	assert_true(config);
	json_decref(s);
	/* who may read it anyway needs no capability for it */
	s = sidecar_of("{server: 'https://10.0.0.1'}", "{token: t}", 0644,
		       &err);
	free(caps);
	caps = joined(json_object_get(s, "cap_add"));
	assert_string_equal(caps, "NET_ADMIN");
	json_decref(s);
}

static void no_sidecar(void **state)
{
	static const struct {
		const char *cluster, *user, *why;
	} v[] = {
		{ "{server: 'https://127.0.0.1:6443'}", "{token: t}",
		  "loopback" },
		{ "{server: 'https://localhost:6443'}", "{token: t}",
		  "loopback" },
		{ "{server: 'https://[::1]:6443'}", "{token: t}", "loopback" },
		{ "{server: 'https://10.0.0.1'}",
		  "{exec: {apiVersion: client.authentication.k8s.io/v1, "
		  "command: login, interactiveMode: Never}}",
		  "program login" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct kt_error err = { 0 };

		assert_null(sidecar_of(v[i].cluster, v[i].user, 0644, &err));
		if (!strstr(err.msg, v[i].why) || !*err.hint)
			fail_msg("%s: %s", v[i].cluster, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_override),
		cmocka_unit_test(the_whole_file),
		cmocka_unit_test(its_own_variables_win),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(what_is_not_text_is_left_out),
		cmocka_unit_test(yaml_of_anything),
		cmocka_unit_test(a_sidecar),
		cmocka_unit_test(no_sidecar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
