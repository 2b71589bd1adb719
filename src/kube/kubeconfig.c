/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include "base/caller.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/kubeconfig_entry.h"
#include "kube/kubeconfig_merge.h"
#include "kube/kubeconfig_user.h"
#include "kube/roots.h"
#include "kube/yamltree.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>

#define MAX_FILES 64
#define POD_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* --- cluster -------------------------------------------------------------- */

static int check_server(const char *s, const struct entry *e,
			struct kt_error *err)
{
	if (!s)
		return kt_fail(err, EINVAL, "%s: cluster '%s' has no server",
			       e->file, e->name);
	if (!str_starts(s, "https://") && !str_starts(s, "http://"))
		return kt_fail(err, EINVAL,
			       "%s: cluster '%s': server '%s' is not an "
			       "http(s) URL",
			       e->file, e->name, s);
	return 0;
}

static char *server_url(const struct entry *e)
{
	auto_free char *s = entry_text(e, "server");
	size_t n;

	if (!s)
		return NULL;
	for (n = strlen(s); n && s[n - 1] == '/';)
		s[--n] = '\0';
	return strstr(s, "://") ? steal_ptr(&s) : xasprintf("https://%s", s);
}

static int kubeconfig_roots(struct kube_config *c, struct kt_error *err)
{
	if (c->ca_pem || c->insecure || !str_starts(c->server, "https://"))
		return 0;
	return roots_from_env(&c->roots_pem, &c->roots_alone, err);
}

static int resolve_cluster(struct kube_config *c, const struct entry *e,
			   struct kt_error *err)
{
	int rc;

	c->server = server_url(e);
	rc = check_server(c->server, e, err);
	if (rc < 0)
		return rc;
	c->tls_server_name = entry_text(e, "tls-server-name");
	c->proxy_url = entry_text(e, "proxy-url");
	c->insecure = entry_bool(e, "insecure-skip-tls-verify");
	rc = entry_pem(e, "certificate-authority", &c->ca_pem, err);
	if (rc < 0)
		return rc;
	if (c->insecure && c->ca_pem)
		return kt_fail(err, EINVAL,
			       "%s: cluster '%s': a certificate-authority and "
			       "insecure-skip-tls-verify exclude each other",
			       e->file, e->name);
	return kubeconfig_roots(c, err);
}

/* --- context -------------------------------------------------------------- */

static char *names_of(const json_t *map)
{
	char *out = xstrdup("");
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)map, name, v) {
		char *more = xasprintf("%s%s%s", out, *out ? ", " : "", name);

		(void)v;
		free(out);
		out = more;
	}
	return out;
}

static bool entry_get(struct entry *e, const json_t *map, const char *kind,
		      const char *name)
{
	const json_t *v = name ? json_object_get(map, name) : NULL;

	*e = (struct entry){
		.kind = kind,
		.name = name,
		.dir = json_string_value(json_object_get(v, "dir")),
		.file = json_string_value(json_object_get(v, "file")),
		.value = json_object_get(v, "value"),
	};
	return v;
}

static int no_context(const struct kube_merged *m, const char *name,
		      struct kt_error *err)
{
	auto_free char *known = names_of(m->contexts);
	const char *list = *known ? known : "none";

	if (name && *name)
		kt_fail(err, ENOENT,
			"no context named '%s' in the kubeconfig (known: %s)",
			name, list);
	else
		kt_fail(err, ENOENT,
			"the kubeconfig has no current-context (known: %s)",
			list);
	kt_hint(err, "choose one with --context NAME, or with "
		     "'kubectl config use-context NAME'");
	return -ENOENT;
}

static void kubeconfig_add_named(struct kube_config *c, const struct entry *e,
				 const char *key)
{
	auto_free char *data_key = xasprintf("%s-data", key);
	auto_free char *data = entry_text(e, data_key);
	auto_free char *path = entry_path(e, key);

	if (path && !data)
		strv_add(&c->named, path);
}

/* @e: context, cluster and user; the last may be none */
static void kubeconfig_add_parts(struct kube_config *c,
				 const struct kube_merged *m,
				 const struct entry *const e[3])
{
	for (size_t i = 0; i < m->files.n; i++)
		for (size_t k = 0; k < 3; k++)
			if (e[k] && str_eq(e[k]->file, m->files.v[i]) &&
			    !strv_has(&c->parts, m->files.v[i]))
				strv_add(&c->parts, m->files.v[i]);
	kubeconfig_add_named(c, e[1], "certificate-authority");
	if (!e[2])
		return;
	kubeconfig_add_named(c, e[2], "client-certificate");
	kubeconfig_add_named(c, e[2], "client-key");
	if (c->token_file)
		strv_add(&c->named, c->token_file);
}

static int kubeconfig_resolve(struct kube_config *c,
			      const struct kube_merged *m, const char *context,
			      struct kt_error *err)
{
	struct entry ctx, cluster, user;
	int rc;

	if (!context || !*context)
		context = m->current;
	if (!*context || !entry_get(&ctx, m->contexts, "context", context))
		return no_context(m, context, err);
	c->context = xstrdup(context);
	c->cluster = entry_text(&ctx, "cluster");
	c->namespace_ = entry_text(&ctx, "namespace");
	if (!c->namespace_)
		c->namespace_ = xstrdup("default");
	if (!entry_get(&cluster, m->clusters, "cluster", c->cluster))
		return kt_fail(err, ENOENT,
			       "%s: context '%s' names cluster '%s', which no "
			       "kubeconfig has",
			       ctx.file, context, c->cluster ? c->cluster : "");
	rc = resolve_cluster(c, &cluster, err);
	if (rc < 0)
		return rc;
	auto_free char *name = entry_text(&ctx, "user");

	if (!name) { /* anonymous access is allowed */
		c->user = xstrdup("");
		kubeconfig_add_parts(
			c, m, (const struct entry *[]){ &ctx, &cluster, NULL });
		return 0;
	}
	if (!entry_get(&user, m->users, "user", name))
		return kt_fail(err, ENOENT,
			       "%s: context '%s' names user '%s', which no "
			       "kubeconfig has",
			       ctx.file, context, name);
	rc = kubeconfig_user(c, &user, &cluster, err);
	if (rc == 0)
		kubeconfig_add_parts(
			c, m,
			(const struct entry *[]){ &ctx, &cluster, &user });
	return rc;
}

/* --- files ---------------------------------------------------------------- */

/* Merges one file: 1 when it was there, 0 when it is missing. */
static int add_file(struct kube_merged *m, const char *path,
		    struct kt_error *err)
{
	size_t len;
	auto_free char *text = file_read(path, YAML_MAX_SIZE, &len);
	int rc;

	if (!text && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!text)
		return kt_fail(err, errno, "read kubeconfig %s: %s", path,
			       strerror(errno));
	rc = kube_merged_add(m, path, text, len, err);
	return rc < 0 ? rc : 1;
}

static int add_files(struct kube_merged *m, const char *list,
		     struct kt_error *err)
{
	auto_strv struct strv files = strv_split(list, ':');
	int found = 0;

	if (files.n > MAX_FILES)
		return kt_fail(err, EINVAL, "more than %d kubeconfig files",
			       MAX_FILES);
	for (size_t i = 0; i < files.n; i++) {
		int rc = add_file(m, files.v[i], err);

		if (rc < 0)
			return rc;
		found += rc;
	}
	return found;
}

static int add_home(struct kube_merged *m, const char *home,
		    struct kt_error *err)
{
	auto_free char *path = xasprintf("%s/.kube/config", home);

	return add_file(m, path, err);
}

/* "sudo ktctl" has root's HOME; the caller's file is the one that is meant
 * when root has none. */
static int add_sudo_home(struct kube_merged *m, struct kt_error *err)
{
	struct caller caller;
	int rc;

	if (!caller_get(&caller))
		return 0;
	rc = add_home(m, caller.home, err);
	if (rc > 0)
		log_debug("kubeconfig: %s/.kube/config", caller.home);
	caller_fini(&caller);
	return rc;
}

static bool is_root_home(const char *home)
{
	const struct passwd *root = geteuid() == 0 ? getpwuid(0) : NULL;

	return root && str_eq(home, root->pw_dir);
}

/* How many files were merged, or -errno. */
static int find_files(struct kube_merged *m,
		      const struct kube_config_source *src, bool *of_root,
		      struct kt_error *err)
{
	const char *env = getenv("KUBECONFIG");
	const char *own = getenv("HOME");
	int rc;

	if (src->files && *src->files) {
		rc = add_files(m, src->files, err);
		if (!rc)
			return kt_fail(err, ENOENT,
				       "kubeconfig %s does not exist",
				       src->files);
		return rc;
	}
	if (env && *env)
		return add_files(m, env, err);
	rc = own && *own ? add_home(m, own, err) : 0;
	*of_root = rc > 0 && is_root_home(own);
	return rc ? rc : add_sudo_home(m, err);
}

/* --- inside a Pod --------------------------------------------------------- */

static char *pod_file(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", POD_DIR, name);
	size_t len;

	return file_read(path, KUBE_MAX_PEM, &len);
}

static bool in_cluster(struct kube_config *c)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6 = host && strchr(host, ':');

	if (!host || !*host || !port || !*port ||
	    access(POD_DIR "/token", R_OK) < 0)
		return false;
	c->context = xstrdup("");
	c->cluster = xstrdup("in-cluster");
	c->user = xstrdup("in-cluster");
	c->server = xasprintf("https://%s%s%s:%s", v6 ? "[" : "", host,
			      v6 ? "]" : "", port);
	c->ca_pem = pod_file("ca.crt");
	c->token_file = xstrdup(POD_DIR "/token");
	c->namespace_ = pod_file("namespace");
	if (!c->namespace_ || !*c->namespace_) {
		free(c->namespace_);
		c->namespace_ = xstrdup("default");
	}
	return true;
}

static int no_files(struct kt_error *err)
{
	const char *env = getenv("KUBECONFIG");

	if (env && *env)
		kt_fail(err, ENOENT,
			"no kubeconfig: no file of KUBECONFIG=%s exists", env);
	else
		kt_fail(err, ENOENT,
			"no kubeconfig: ~/.kube/config does not exist");
	kt_hint(err, "name one with --kubeconfig FILE or KUBECONFIG; 'sudo' "
		     "drops the variable: use 'sudo -E' or the option");
	return -ENOENT;
}

int kube_config_load(struct kube_config **out,
		     const struct kube_config_source *src, struct kt_error *err)
{
	struct kube_config *c = xcalloc(1, sizeof(*c));
	struct kube_merged m;
	int rc;

	kube_merged_init(&m);
	rc = find_files(&m, src, &c->of_root, err);
	if (rc > 0) {
		c->files = xstrdup(src->files ? src->files : "");
		rc = kubeconfig_resolve(c, &m, src->context, err);
	} else if (!rc && (src->context || !in_cluster(c)))
		rc = no_files(err);
	kube_merged_fini(&m);
	if (rc < 0) {
		kube_config_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

int kube_config_contexts(const struct kube_config_source *src, struct strv *out,
			 struct kt_error *err)
{
	struct kube_merged m;
	const char *name;
	bool of_root;
	json_t *v;
	int rc;

	kube_merged_init(&m);
	rc = find_files(&m, src, &of_root, err);
	json_object_foreach (m.contexts, name, v)
		strv_add(out, name);
	kube_merged_fini(&m);
	return MIN(rc, 0);
}

int kube_config_reload(struct kube_config **out, const struct kube_config *c,
		       struct kt_error *err)
{
	const struct kube_config_source src = { c->files, c->context };

	*out = NULL;
	return c->files ? kube_config_load(out, &src, err) : 0;
}

/* Keys do not stay in freed memory. */
static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void kube_config_free(struct kube_config *c)
{
	if (!c)
		return;
	free(c->files);
	strv_fini(&c->parts);
	strv_fini(&c->named);
	free(c->context);
	free(c->cluster);
	free(c->namespace_);
	free(c->server);
	free(c->tls_server_name);
	free(c->proxy_url);
	free(c->ca_pem);
	free(c->roots_pem);
	free(c->user);
	free(c->cert_pem);
	free_secret(c->key_pem);
	free_secret(c->token);
	free(c->token_file);
	free(c->username);
	free_secret(c->password);
	kube_exec_free(c->exec);
	free(c->as);
	free(c->as_uid);
	strv_fini(&c->as_groups);
	json_decref(c->as_extra);
	free(c);
}

char *kube_config_paths(const char *list, const char *dir)
{
	auto_strv struct strv files = strv_split(list, ':');

	for (size_t i = 0; dir && i < files.n; i++) {
		char *file = files.v[i];

		if (file[0] == '/' || file[0] == '~')
			continue;
		files.v[i] = xasprintf("%s/%s", dir, file);
		free(file);
	}
	return strv_join(&files, ":");
}
