/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_user.h"

#include "base/mem.h"
#include "kube/encode.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* --- keys and tokens ------------------------------------------------------ */

/* OpenSSL: it wants a pass phrase. There is nobody to ask. */
static int on_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

int kube_key_check(const char *key_pem, const char *whose, struct kt_error *err)
{
	BIO *b = BIO_new_mem_buf(key_pem, -1);
	bool asked = false;

	if (b)
		EVP_PKEY_free(PEM_read_bio_PrivateKey(b, NULL, on_passphrase,
						      &asked));
	BIO_free(b);
	ERR_clear_error();
	if (!asked)
		return 0;
	kt_fail(err, EINVAL,
		"%s: the client key is encrypted with a pass "
		"phrase",
		whose);
	kt_hint(err, "no Kubernetes client can use such a key: write a plain "
		     "one with 'openssl pkey -in KEY -out NEW', or let an exec "
		     "plugin give it");
	return -EINVAL;
}

int kube_token_check(char *token, const char *whose, struct kt_error *err)
{
	if (field_value_ok(blank_trim(token)))
		return 0;
	kt_fail(err, EINVAL,
		"%s: the token holds a line break or another "
		"control character",
		whose);
	kt_hint(err, "a token is one line: was it cut or pasted together?");
	return -EINVAL;
}

/* --- exec plugin ---------------------------------------------------------- */

static void add_env(struct strv *env, const json_t *list)
{
	json_t *e;
	size_t i;

	json_array_foreach (list, i, e) {
		auto_free char *name = kube_text_of(json_object_get(e, "name"));
		auto_free char *value =
			kube_text_of(json_object_get(e, "value"));

		if (name)
			strv_take(env,
				  xasprintf("%s=%s", name, value ? value : ""));
	}
}

static void add_texts(struct strv *out, const json_t *list)
{
	json_t *e;
	size_t i;

	json_array_foreach (list, i, e) {
		char *s = kube_text_of(e);

		strv_take(out, s ? s : xstrdup(""));
	}
}

/* spec.cluster of the plugin's request; its own data is the cluster's
 * extension of this name */
static json_t *exec_cluster(const struct kube_config *c,
			    const struct entry *cluster)
{
	static const char ext_name[] = "client.authentication.k8s.io/exec";
	json_t *out = json_pack("{s:s}", "server", c->server), *e;
	size_t i;

	if (c->tls_server_name)
		json_object_set_new(out, "tls-server-name",
				    json_string(c->tls_server_name));
	if (c->insecure)
		json_object_set_new(out, "insecure-skip-tls-verify",
				    json_true());
	if (c->ca_pem) {
		auto_free char *b64 =
			base64_encode(c->ca_pem, strlen(c->ca_pem));

		json_object_set_new(out, "certificate-authority-data",
				    json_string(b64));
	}
	if (c->proxy_url)
		json_object_set_new(out, "proxy-url",
				    json_string(c->proxy_url));
	json_array_foreach (json_object_get(cluster->value, "extensions"), i,
			    e) {
		const json_t *name = json_object_get(e, "name");

		if (str_eq(json_string_value(name), ext_name))
			json_object_set(out, "config",
					json_object_get(e, "extension"));
	}
	return out;
}

void kube_exec_free(struct kube_exec *x)
{
	if (!x)
		return;
	free(x->api_version);
	free(x->command);
	strv_fini(&x->args);
	strv_fini(&x->env);
	free(x->install_hint);
	json_decref(x->cluster);
	free(x);
}

/* As kubectl: v1 wants the field, v1beta1 does not know it yet. */
static int exec_interactive(struct kube_exec *x, const struct entry *e,
			    struct kt_error *err)
{
	auto_free char *mode = entry_text(e, "interactiveMode");

	if (!mode && str_ends(x->api_version, "/v1"))
		return kt_fail(err, EINVAL,
			       "%s: user '%s': exec plugin %s: "
			       "interactiveMode is missing (Never, IfAvailable "
			       "or Always)",
			       e->file, e->name, x->command);
	if (!mode || str_eq(mode, "IfAvailable"))
		x->interactive = KUBE_EXEC_IF_AVAILABLE;
	else if (str_eq(mode, "Always"))
		x->interactive = KUBE_EXEC_ALWAYS;
	else if (!str_eq(mode, "Never"))
		return kt_fail(err, EINVAL,
			       "%s: user '%s': exec plugin %s: interactiveMode "
			       "'%s' is not known (Never, IfAvailable and "
			       "Always are)",
			       e->file, e->name, x->command, mode);
	return 0;
}

static int resolve_exec(struct kube_config *c, const struct entry *user,
			const struct entry *cluster, struct kt_error *err)
{
	struct entry e = *user;
	auto_free char *command = NULL;
	struct kube_exec *x;

	e.value = json_object_get(user->value, "exec");
	if (!json_is_object(e.value))
		return 0;
	x = c->exec = xcalloc(1, sizeof(*x));
	x->api_version = entry_text(&e, "apiVersion");
	if (!str_eq(x->api_version, "client.authentication.k8s.io/v1") &&
	    !str_eq(x->api_version, "client.authentication.k8s.io/v1beta1"))
		return kt_fail(err, EINVAL,
			       "%s: user '%s': exec plugin: apiVersion '%s' is "
			       "not known (v1 and v1beta1 are)",
			       e.file, e.name,
			       x->api_version ? x->api_version : "");
	command = entry_text(&e, "command");
	if (!command)
		return kt_fail(err, EINVAL,
			       "%s: user '%s': exec plugin without a command",
			       e.file, e.name);
	/* as kubectl: a bare name is looked up in PATH */
	x->command = strchr(command, '/') ? entry_rooted(&e, command)
					  : xstrdup(command);
	x->install_hint = entry_text(&e, "installHint");
	x->provide_cluster_info = entry_bool(&e, "provideClusterInfo");
	add_texts(&x->args, json_object_get(e.value, "args"));
	add_env(&x->env, json_object_get(e.value, "env"));
	if (x->provide_cluster_info)
		x->cluster = exec_cluster(c, cluster);
	return exec_interactive(x, &e, err);
}

/* --- user ----------------------------------------------------------------- */

/* The providers that kubectl had built in once kept their last token here. */
static char *provider_token(const struct entry *e)
{
	const json_t *cfg = json_object_get(
		json_object_get(e->value, "auth-provider"), "config");
	char *token = kube_text_of(json_object_get(cfg, "id-token"));

	return token ? token
		     : kube_text_of(json_object_get(cfg, "access-token"));
}

/* A value that cannot be sent is an error: without it the request would be
 * somebody else's. */
static int resolve_impersonation(struct kube_config *c, const struct entry *e,
				 struct kt_error *err)
{
	json_t *extra = json_object_get(e->value, "as-user-extra"), *list;
	const char *key;
	bool ok = true;
	size_t i;

	c->as = entry_text(e, "as");
	c->as_uid = entry_text(e, "as-uid");
	add_texts(&c->as_groups, json_object_get(e->value, "as-groups"));
	if (json_is_object(extra))
		c->as_extra = json_object();
	json_object_foreach (extra, key, list) {
		struct strv texts = { 0 };
		json_t *out = json_array();

		add_texts(&texts, list);
		for (i = 0; i < texts.n; i++) {
			ok = ok && field_value_ok(texts.v[i]);
			json_array_append_new(out, json_string(texts.v[i]));
		}
		json_object_set_new(c->as_extra, key, out);
		strv_fini(&texts);
	}
	ok = ok && (!c->as || field_value_ok(c->as)) &&
	     (!c->as_uid || field_value_ok(c->as_uid));
	for (i = 0; i < c->as_groups.n; i++)
		ok = ok && field_value_ok(c->as_groups.v[i]);
	if (!ok)
		return kt_fail(err, EINVAL,
			       "%s: user '%s': a value to impersonate holds a "
			       "control character",
			       e->file, e->name);
	return 0;
}

int kubeconfig_user(struct kube_config *c, const struct entry *e,
		    const struct entry *cluster, struct kt_error *err)
{
	auto_free char *whose = xasprintf("%s: user '%s'", e->file, e->name);
	int rc;

	c->user = xstrdup(e->name);
	rc = entry_pem(e, "client-certificate", &c->cert_pem, err);
	if (!rc)
		rc = entry_pem(e, "client-key", &c->key_pem, err);
	if (rc < 0)
		return rc;
	if (!c->cert_pem != !c->key_pem)
		return kt_fail(err, EINVAL,
			       "%s: user '%s': client-certificate and "
			       "client-key must be given together",
			       e->file, e->name);
	if (c->key_pem)
		rc = kube_key_check(c->key_pem, whose, err);
	if (rc < 0)
		return rc;
	c->token = entry_text(e, "token");
	c->token_file = entry_path(e, "tokenFile");
	c->username = entry_text(e, "username");
	c->password = entry_text(e, "password");
	if (!c->token && !c->token_file)
		c->token = provider_token(e);
	if (c->token)
		rc = kube_token_check(c->token, whose, err);
	if (!rc)
		rc = resolve_impersonation(c, e, err);
	return rc ? rc : resolve_exec(c, e, cluster, err);
}
