/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64]; /* of this test's files */

static void put(const char *name, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	auto_fclose FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
}

static char *at(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ktctl-kubeconfig-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("HOME", dir, 1);
	unsetenv("KUBECONFIG");
	unsetenv("SUDO_USER");
	unsetenv("KUBERNETES_SERVICE_HOST");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct kube_config *load(const char *files, const char *context,
				struct kt_error *err)
{
	const struct kube_config_source src = { files, context };
	struct kube_config *c = NULL;
	int rc = kube_config_load(&c, &src, err);

	assert_int_equal(!rc, c != NULL);
	if (rc < 0) {
		assert_int_equal(rc, -err->code);
		assert_true(err->msg[0]);
	}
	return c;
}

/* Loads one file of that text, which must fail; the sentence. */
static const char *refusal(const char *text)
{
	static struct kt_error err;
	auto_free char *path = at("bad");

	err = (struct kt_error){ 0 };
	put("bad", text);
	assert_null(load(path, NULL, &err));
	return err.msg;
}

#define ONE(name, server)                                                      \
	"apiVersion: v1\nkind: Config\ncurrent-context: " name "\n"            \
	"clusters:\n- name: " name "\n  cluster: {server: '" server "'}\n"     \
	"users:\n- name: " name "\n  user: {token: t-" name "}\n"              \
	"contexts:\n- name: " name "\n  context: {cluster: " name              \
	", user: " name "}\n"

static void merges_a_list(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *a = at("a"), *b = at("b");
	struct kube_config *c;

	(void)state;
	put("a", "contexts:\n- name: two\n  context: {cluster: two, user: one,"
		 " namespace: first}\n"
		 "users:\n- name: one\n  user: {token: from-a}\n");
	put("b", ONE("one", "https://one/"));
	put("c", ONE("two", "https://two"));
	auto_free char *list =
		xasprintf("%s:%s/missing::%s:%s/c", a, dir, b, dir);

	setenv("KUBECONFIG", list, 1);
	c = load(NULL, NULL, &err); /* a has no current-context: b's counts */
	assert_string_equal(c->context, "one");
	assert_string_equal(c->server, "https://one");
	assert_string_equal(c->token, "from-a");
	assert_string_equal(c->namespace_, "default");
	kube_config_free(c);

	c = load(NULL, "two", &err);
	assert_string_equal(c->namespace_, "first"); /* a's context won */
	assert_string_equal(c->server, "https://two");
	kube_config_free(c);

	auto_free char *second = at("c");

	c = load(second, NULL, &err); /* the option beats the variable */
	assert_string_equal(c->context, "two");
	assert_string_equal(c->token, "t-two");
	kube_config_free(c);
}

static void names_unknown_contexts(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *a = at("a");

	(void)state;
	put("a", ONE("one", "https://one"));
	assert_null(load(a, "nope", &err));
	assert_non_null(strstr(err.msg, "'nope'"));
	assert_non_null(strstr(err.msg, "known: one"));
	assert_non_null(
		strstr(refusal("contexts: []\n"), "no current-context"));
	assert_non_null(strstr(refusal("current-context: x\ncontexts:\n"
				       "- name: x\n  context: {cluster: gone}"),
			       "cluster 'gone'"));
	assert_non_null(strstr(refusal("current-context: x\ncontexts:\n"
				       "- name: x\n"
				       "  context: {cluster: c, user: gone}\n"
				       "clusters:\n- name: c\n"
				       "  cluster: {server: 'https://x'}"),
			       "user 'gone'"));
}

static void finds_home_or_says_so(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *kube = at(".kube"), *none = at("none");
	struct kube_config *c;

	(void)state;
	assert_null(load(NULL, NULL, &err));
	assert_int_equal(err.code, ENOENT);
	assert_non_null(strstr(err.msg, "no kubeconfig"));
	assert_true(err.hint[0]);
	err = (struct kt_error){ 0 };
	assert_null(load(none, NULL, &err));
	assert_non_null(strstr(err.msg, none));
	mkdir(kube, 0700);
	put(".kube/config", ONE("home", "http://h"));
	c = load(NULL, NULL, &err);
	assert_string_equal(c->context, "home");
	kube_config_free(c);
}

static void refuses_with_file_and_line(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal("clusters:\n- name: [\n"), "/bad:3"));
	assert_non_null(strstr(refusal("- a\n"), "/bad:1"));
	assert_non_null(strstr(refusal("clusters: 5\n"), "not a list"));
	assert_non_null(strstr(refusal("clusters: [5]\n"), "clusters[0]"));
	assert_non_null(strstr(refusal("users:\n- name: x\n- name: x\n"),
			       "two entries named 'x'"));
	assert_non_null(strstr(refusal(ONE("x", "ftp://h")), "ftp://h"));
}

/* Paths belong to the folder of the file that holds them. */
static void reads_credentials(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *sub = at("sub"), *path = at("sub/cfg");
	auto_free char *want_token = at("sub/tok");
	struct kube_config *c;

	(void)state;
	mkdir(sub, 0700);
	put("sub/ca.pem", "CA");
	put("sub/key.pem", "KEY");
	put("sub/cfg",
	    "current-context: x\n"
	    "contexts:\n- name: x\n  context: {cluster: x, user: x}\n"
	    "clusters:\n- name: x\n  cluster:\n"
	    "    server: https://10.0.0.1:6443/k8s/clusters/x/\n"
	    "    certificate-authority: ca.pem\n"
	    "    tls-server-name: api.internal\n"
	    "    proxy-url: socks5://p:1\n"
	    "users:\n- name: x\n  user:\n"
	    "    client-certificate-data: Q0VSVA==\n"
	    "    client-certificate: /not/read\n"
	    "    client-key: key.pem\n"
	    "    tokenFile: tok\n"
	    "    username: 7\n    password: p\n"
	    "    as: boss\n    as-uid: '42'\n    as-groups: [a, b]\n"
	    "    as-user-extra: {k: [v]}\n");
	c = load(path, NULL, &err);
	assert_string_equal(c->server, "https://10.0.0.1:6443/k8s/clusters/x");
	assert_string_equal(c->ca_pem, "CA");
	assert_string_equal(c->cert_pem, "CERT");
	assert_string_equal(c->key_pem, "KEY");
	assert_string_equal(c->tls_server_name, "api.internal");
	assert_string_equal(c->proxy_url, "socks5://p:1");
	assert_string_equal(c->token_file, want_token);
	assert_string_equal(c->username, "7");
	assert_string_equal(c->as, "boss");
	assert_string_equal(c->as_uid, "42");
	assert_int_equal(c->as_groups.n, 2);
	assert_int_equal(json_object_size(c->as_extra), 1);
	kube_config_free(c);
}

#define USER(text)                                                             \
	"current-context: x\ncontexts:\n- name: x\n"                           \
	"  context: {cluster: x, user: x}\n"                                   \
	"clusters:\n- name: x\n  cluster: {server: 'https://x',"               \
	" certificate-authority-data: Q0E=}\n"                                 \
	"users:\n- name: x\n  user:\n" text

static void refuses_broken_credentials(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal(USER("    client-certificate-data: "
					    "'*'\n")),
			       "is not base64"));
	assert_non_null(strstr(refusal(USER("    client-certificate: gone\n")),
			       "gone: No such file"));
	assert_non_null(strstr(refusal(USER("    client-key-data: QQ==\n")),
			       "together"));
	assert_non_null(strstr(refusal(USER("    exec: {apiVersion: v9,"
					    " command: x}\n")),
			       "apiVersion"));
	assert_non_null(strstr(refusal(USER("    exec: {apiVersion: "
					    "client.authentication.k8s.io/v1}"
					    "\n")),
			       "without a command"));
	assert_non_null(
		strstr(refusal("current-context: x\ncontexts:\n- name: x\n"
			       "  context: {cluster: x}\nclusters:\n"
			       "- name: x\n  cluster: {server: 'https://x',\n"
			       "    insecure-skip-tls-verify: true,\n"
			       "    certificate-authority-data: Q0E=}\n"),
		       "exclude each other"));
}

static void reads_exec_plugins(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *path = at("cfg"), *command = at("bin/plug");
	struct kube_config *c;

	(void)state;
	put("cfg",
	    USER("    exec:\n"
		 "      apiVersion: client.authentication.k8s.io/v1beta1\n"
		 "      command: bin/plug\n"
		 "      args: [a, 5]\n"
		 "      env: [{name: N, value: v}]\n"
		 "      provideClusterInfo: true\n"
		 "      installHint: get it\n"));
	c = load(path, NULL, &err);
	assert_non_null(c->exec);
	assert_string_equal(c->exec->command, command);
	assert_int_equal(c->exec->args.n, 2);
	assert_string_equal(c->exec->args.v[1], "5");
	assert_string_equal(c->exec->env.v[0], "N=v");
	assert_string_equal(c->exec->install_hint, "get it");
	assert_string_equal(
		json_string_value(json_object_get(
			c->exec->cluster, "certificate-authority-data")),
		"Q0E=");
	kube_config_free(c);
}

static enum kube_interactive interactive_of(const char *text)
{
	struct kt_error err = { 0 };
	auto_free char *path = at("cfg");
	struct kube_config *c;
	enum kube_interactive mode;

	put("cfg", text);
	c = load(path, NULL, &err);
	assert_non_null(c);
	mode = c->exec->interactive;
	kube_config_free(c);
	return mode;
}

#define EXEC(version, more)                                                    \
	USER("    exec: {apiVersion: client.authentication.k8s.io/" version    \
	     ", command: x" more "}\n")

static void knows_who_wants_the_terminal(void **state)
{
	(void)state;
	assert_int_equal(interactive_of(EXEC("v1beta1", "")),
			 KUBE_EXEC_IF_AVAILABLE);
	assert_int_equal(
		interactive_of(EXEC("v1beta1", ", interactiveMode: Never")),
		KUBE_EXEC_NEVER);
	assert_int_equal(
		interactive_of(EXEC("v1", ", interactiveMode: IfAvailable")),
		KUBE_EXEC_IF_AVAILABLE);
	assert_int_equal(
		interactive_of(EXEC("v1", ", interactiveMode: Always")),
		KUBE_EXEC_ALWAYS);
	assert_non_null(strstr(refusal(EXEC("v1", "")),
			       "user 'x': exec plugin x: interactiveMode is "
			       "missing"));
	assert_non_null(strstr(refusal(EXEC("v1", ", interactiveMode: never")),
			       "interactiveMode 'never' is not known"));
}

/* EC keys of which nobody knows the pass phrase */
static const char pkcs8_encrypted[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjJbF0Cj1BMUQICCAAw\n"
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPVe90bVmzXBIpsB18+mUIIEgZCj\n"
	"VjueHod+PHeWJP31W5TkP46RmCNxzFcH6rEuz64X5FimLe4j4BL1zHOjLm7b5U+I\n"
	"BJRkduol97leLVizMM1Og/QY58eLEFj8d4iUeKkinZEpwI94gLZKo48QjOB+AnXF\n"
	"jgOjiNtszbGyv5gWuKsbYT4z1fL2Sbi93eHOoEhlEab1eW8/LKEpsn+UHOxlZ/U=\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";
static const char pem_encrypted[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"Proc-Type: 4,ENCRYPTED\n"
	"DEK-Info: AES-128-CBC,ABDABD1CC5BD375E882576C3C883CDFE\n"
	"\n"
	"hpsUi99wuVJStq51WsnXYgT1lpdUEuaeTZR9EnKhJ8UEl/N3MsoxKcCck7O4vJ6W\n"
	"Scf18SNAya7vX9ICcUEwJS0OppZertlqxnjWliIvFCFx2HshOyv2uz257K/wihem\n"
	"GmlxvzZKwe5SvdN9Fj2UypRhz+73LasgMCw1BCqYfM0=\n"
	"-----END EC PRIVATE KEY-----\n";

static void names_the_user_of_an_encrypted_key(void **state)
{
	static const char cfg[] = USER("    client-certificate-data: Q0VSVA==\n"
				       "    client-key: key.pem\n");

	(void)state;
	put("key.pem", pkcs8_encrypted);
	assert_non_null(strstr(refusal(cfg), "user 'x': the client key is "
					     "encrypted"));
	put("key.pem", pem_encrypted);
	assert_non_null(strstr(refusal(cfg), "user 'x': the client key is "
					     "encrypted"));
}

static void cuts_blanks_off_tokens(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *path = at("cfg");
	struct kube_config *c;

	(void)state;
	put("cfg", USER("    token: |2\n       abc\n\n"));
	c = load(path, NULL, &err);
	assert_string_equal(c->token, "abc");
	assert_string_equal(c->user, "x");
	kube_config_free(c);
	assert_non_null(strstr(refusal(USER("    token: \"a\\nb\"\n")),
			       "user 'x': the token holds a line break"));
	assert_non_null(strstr(refusal(USER("    token: \"a\\x7fb\"\n")),
			       "user 'x': the token holds"));
	assert_non_null(strstr(refusal(USER("    as: \"a\\nb\"\n")),
			       "user 'x': a value to impersonate"));
	assert_non_null(strstr(refusal(USER("    as-groups: [\"a\\nb\"]\n")),
			       "user 'x': a value to impersonate"));
	assert_non_null(
		strstr(refusal(USER("    as-user-extra: {k: [\"a\\r\"]}\n")),
		       "user 'x': a value to impersonate"));
}

static void takes_scalars_as_text(void **state)
{
	struct kt_error err = { 0 };
	auto_free char *path = at("cfg");
	struct kube_config *c;

	(void)state;
	put("cfg", "current-context: 100000123456\n"
		   "contexts:\n- name: 100000123456\n"
		   "  context: {cluster: 007, user: 100000123456,"
		   " namespace: 12}\n"
		   "clusters:\n- name: 007\n  cluster: {server: 'http://x'}\n"
		   "users:\n- name: 5\n  user: {token: 1}\n"
		   "- name: 100000123456\n  user: {token: 1e3,"
		   " as-user-extra: {k: [7, true]}}\n");
	c = load(path, NULL, &err);
	assert_non_null(c);
	assert_string_equal(c->context, "100000123456");
	assert_string_equal(c->cluster, "007");
	assert_string_equal(c->user, "100000123456");
	assert_string_equal(c->namespace_, "12");
	assert_string_equal(c->token, "1e3");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(c->as_extra, "k"), 1)),
			    "true");
	kube_config_free(c);
	c = load(path, "100000123456", &err); /* --context */
	assert_non_null(c);
	kube_config_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(merges_a_list),
		T(names_unknown_contexts),
		T(finds_home_or_says_so),
		T(refuses_with_file_and_line),
		T(reads_credentials),
		T(refuses_broken_credentials),
		T(knows_who_wants_the_terminal),
		T(reads_exec_plugins),
		T(names_the_user_of_an_encrypted_key),
		T(cuts_blanks_off_tokens),
		T(takes_scalars_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
