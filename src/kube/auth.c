/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/auth.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "kube/encode.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#define EXEC_TIMEOUT (120 * NS_SEC)
#define EXEC_MAX_OUT ((size_t)1 << 20)
#define EXPIRY_SLACK 5 /* s: older than this before its end is too old */
#define TOKEN_FILE_AGE (10 * NS_SEC)
#define MAX_TOKEN ((size_t)64 << 10)

/* What the plugin said last. */
struct exec_creds {
	char *token, *cert, *key;
	int64_t expires; /* Unix seconds, 0: never */
	bool valid;
};

struct kube_auth {
	struct loop *loop;
	const struct kube_config *cfg;
	struct exec_creds creds;
	struct process *plugin; /* running, or NULL */
	struct list waiters;	/* struct kube_auth_wait */
	struct timer failed;	/* tells a failure to start from the loop */
	struct kt_error failure;
	char *file_token;
	int64_t file_read_at; /* 0: read it now */
};

static void creds_fini(struct exec_creds *c)
{
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	if (c->key)
		explicit_bzero(c->key, strlen(c->key));
	free(c->token);
	free(c->cert);
	free(c->key);
	*c = (struct exec_creds){ 0 };
}

struct kube_auth *kube_auth_new(struct loop *loop,
				const struct kube_config *cfg)
{
	struct kube_auth *a = xcalloc(1, sizeof(*a));

	a->loop = loop;
	a->cfg = cfg;
	list_init(&a->waiters);
	return a;
}

void kube_auth_free(struct kube_auth *a)
{
	if (!a)
		return;
	process_cancel(a->plugin);
	loop_timer_stop(&a->failed);
	creds_fini(&a->creds);
	free(a->file_token);
	loop_defer_free(a->loop, a);
}

/* --- exec plugin: request and answer -------------------------------------- */

static char *exec_info(const struct kube_exec *x)
{
	json_t *spec = json_pack("{s:b}", "interactive", 0), *info;
	char *text;

	if (x->cluster)
		json_object_set(spec, "cluster", x->cluster);
	info = json_pack("{s:s,s:s,s:o}", "apiVersion", x->api_version, "kind",
			 "ExecCredential", "spec", spec);
	text = json_dumps(info, JSON_COMPACT);
	json_decref(info);
	return text;
}

static char *dup_text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && *s ? xstrdup(s) : NULL;
}

/* The ExecCredential that the plugin printed. */
static int parse_answer(struct kube_auth *a, const json_t *doc,
			struct kt_error *err)
{
	const struct kube_exec *x = a->cfg->exec;
	const char *api = json_string_value(json_object_get(doc, "apiVersion"));
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	const json_t *st = json_object_get(doc, "status");
	auto_free char *expires = dup_text(st, "expirationTimestamp");
	struct exec_creds *c = &a->creds;

	if (!str_eq(kind, "ExecCredential"))
		return kt_fail(
			err, EPROTO,
			"exec plugin %s: no ExecCredential in its output",
			x->command);
	if (!str_eq(api, x->api_version))
		return kt_fail(err, EPROTO,
			       "exec plugin %s answers in apiVersion %s, the "
			       "kubeconfig says %s",
			       x->command, api ? api : "(none)",
			       x->api_version);
	creds_fini(c);
	c->token = dup_text(st, "token");
	c->cert = dup_text(st, "clientCertificateData");
	c->key = dup_text(st, "clientKeyData");
	if ((!c->token && !c->cert) || !c->cert != !c->key) {
		creds_fini(c);
		return kt_fail(err, EPROTO,
			       "exec plugin %s gave neither a token nor a "
			       "certificate with its key",
			       x->command);
	}
	if (expires)
		c->expires = MAX(rfc3339_parse(expires), 0);
	c->valid = true;
	return 0;
}

/* The last line that says something: programs print their error last. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *nl;

	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	nl = strrchr(text, '\n');
	return nl ? nl + 1 : text;
}

static int plugin_failed(const struct kube_auth *a, int rc,
			 const struct process_result *res, struct kt_error *err)
{
	const struct kube_exec *x = a->cfg->exec;
	auto_free char *said = xstrdup(res->errout);

	if (rc < 0)
		kt_fail(err, -rc, "exec plugin %s: %s", x->command,
			rc == -ETIMEDOUT ? "no answer in 120 s"
					 : strerror(-rc));
	else if (res->status == 127)
		kt_fail(err, ENOENT, "exec plugin %s cannot be run: %s",
			x->command, last_line(said));
	else
		kt_fail(err, EACCES, "exec plugin %s: exit status %d: %s",
			x->command, res->status, last_line(said));
	if (x->install_hint)
		kt_hint(err, "%s", x->install_hint);
	return -err->code;
}

/* --- exec plugin: running it ---------------------------------------------- */

static void tell_waiters(struct kube_auth *a, const struct kt_error *err)
{
	struct list todo;

	/* whoever asks again from its callback belongs to the next round */
	list_init(&todo);
	while (!list_empty(&a->waiters)) {
		struct list *n = a->waiters.next;

		list_del(n);
		list_add_tail(&todo, n);
	}
	while (!list_empty(&todo)) {
		struct kube_auth_wait *w =
			container_of(todo.next, struct kube_auth_wait, node);

		kube_auth_cancel(w);
		w->fn(w->user, err);
	}
}

static void on_plugin(void *user, int rc, const struct process_result *res)
{
	struct kube_auth *a = user;
	struct kt_error err = { 0 };
	json_t *doc = NULL;

	a->plugin = NULL;
	if (rc < 0 || res->status) {
		rc = plugin_failed(a, rc, res, &err);
	} else {
		doc = json_loadb(res->out, res->out_len, 0, NULL);
		rc = parse_answer(a, doc, &err);
	}
	json_decref(doc);
	tell_waiters(a, rc < 0 ? &err : NULL);
}

static void on_start_failed(struct timer *t)
{
	struct kube_auth *a = container_of(t, struct kube_auth, failed);
	const struct kt_error err = a->failure;

	tell_waiters(a, &err);
}

static void plugin_env(const struct kube_auth *a, struct strv *env)
{
	const struct kube_exec *x = a->cfg->exec;
	auto_free char *info = exec_info(x);

	if (a->cfg->home)
		strv_take(env, xasprintf("HOME=%s", a->cfg->home));
	for (size_t i = 0; i < x->env.n; i++)
		strv_add(env, x->env.v[i]);
	strv_take(env,
		  xasprintf("KUBERNETES_EXEC_INFO=%s", info ? info : "{}"));
}

static void plugin_start(struct kube_auth *a)
{
	const struct kube_exec *x = a->cfg->exec;
	auto_strv struct strv argv = { 0 }, env = { 0 };
	struct process_spec spec = { .max_out = EXEC_MAX_OUT,
				     .timeout_ns = EXEC_TIMEOUT };
	int rc;

	a->failure = (struct kt_error){ 0 };
	strv_add(&argv, x->command);
	for (size_t i = 0; i < x->args.n; i++)
		strv_add(&argv, x->args.v[i]);
	plugin_env(a, &env);
	spec.argv = argv.v;
	spec.env = env.v;
	log_debug("run exec plugin %s", x->command);
	if (x->interactive)
		rc = kt_fail(&a->failure, ENOTTY,
			     "exec plugin %s wants a terminal "
			     "(interactiveMode: Always)",
			     x->command);
	else
		rc = process_start(&a->plugin, a->loop, &spec, on_plugin, a);
	if (rc == 0)
		return;
	if (!a->failure.code)
		kt_fail(&a->failure, -rc, "exec plugin %s: %s", x->command,
			strerror(-rc));
	loop_timer_start(a->loop, &a->failed, 0, on_start_failed);
}

static bool exec_fresh(const struct kube_auth *a)
{
	return a->creds.valid &&
	       (!a->creds.expires ||
		a->creds.expires > (int64_t)time(NULL) + EXPIRY_SLACK);
}

int kube_auth_want(struct kube_auth *a, struct kube_auth_wait *w,
		   kube_auth_fn fn, void *user)
{
	if (!a->cfg->exec || exec_fresh(a))
		return 1;
	w->fn = fn;
	w->user = user;
	w->waiting = true;
	list_init(&w->node);
	list_add_tail(&a->waiters, &w->node);
	if (!a->plugin && !loop_timer_active(&a->failed))
		plugin_start(a);
	return 0;
}

void kube_auth_cancel(struct kube_auth_wait *w)
{
	if (w->waiting)
		list_del(&w->node);
	w->waiting = false;
}

bool kube_auth_refused(struct kube_auth *a)
{
	if (a->cfg->exec) {
		creds_fini(&a->creds);
		return true;
	}
	a->file_read_at = 0;
	return a->cfg->token_file;
}

/* --- what goes on the wire ------------------------------------------------ */

/* The file's token; the last good one when it cannot be read just now. */
static const char *token_from_file(struct kube_auth *a)
{
	auto_free char *text = NULL;
	int64_t now = clock_ns();
	size_t n;

	if (a->file_read_at && now - a->file_read_at < TOKEN_FILE_AGE)
		return a->file_token;
	text = file_read(a->cfg->token_file, MAX_TOKEN, &n);
	if (!text) {
		log_debug("token file %s: %s", a->cfg->token_file,
			  strerror(errno));
		return a->file_token;
	}
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	a->file_read_at = now;
	if (n) {
		free(a->file_token);
		a->file_token = steal_ptr(&text);
	}
	return a->file_token;
}

static const char *bearer(struct kube_auth *a)
{
	const char *t = NULL;

	if (a->creds.token)
		return a->creds.token;
	if (a->cfg->token_file)
		t = token_from_file(a);
	return t ? t : a->cfg->token;
}

/* A value that would break out of its header line is not sent. */
static void add_header(struct strv *out, const char *name, const char *value)
{
	if (!strpbrk(value, "\r\n"))
		strv_take(out, xasprintf("%s: %s", name, value));
}

static void add_basic(const struct kube_config *c, struct strv *out)
{
	auto_free char *pair =
		xasprintf("%s:%s", c->username, c->password ? c->password : "");
	auto_free char *b64 = base64_encode(pair, strlen(pair));

	strv_take(out, xasprintf("Authorization: Basic %s", b64));
}

static void add_extra(const struct kube_config *c, struct strv *out)
{
	const char *key;
	json_t *list, *v;
	size_t i;

	json_object_foreach (c->as_extra, key, list) {
		struct buf name;

		buf_init(&name, 4096);
		if (buf_put(&name, "Impersonate-Extra-", 18) == 0 &&
		    uri_put(&name, key) == 0 && buf_put(&name, "", 1) == 0)
			json_array_foreach (list, i, v)
				if (json_is_string(v))
					add_header(out, (char *)buf_data(&name),
						   json_string_value(v));
		buf_fini(&name);
	}
}

void kube_auth_headers(struct kube_auth *a, struct strv *out)
{
	const struct kube_config *c = a->cfg;
	const char *token = bearer(a);

	if (token) {
		auto_free char *v = xasprintf("Bearer %s", token);

		add_header(out, "Authorization", v);
	} else if (c->username) {
		add_basic(c, out);
	}
	if (c->as)
		add_header(out, "Impersonate-User", c->as);
	if (c->as_uid)
		add_header(out, "Impersonate-Uid", c->as_uid);
	for (size_t i = 0; i < c->as_groups.n; i++)
		add_header(out, "Impersonate-Group", c->as_groups.v[i]);
	add_extra(c, out);
}

void kube_auth_cert(const struct kube_auth *a, const char **cert,
		    const char **key)
{
	bool own = a->creds.cert;

	*cert = own ? a->creds.cert : a->cfg->cert_pem;
	*key = own ? a->creds.key : a->cfg->key_pem;
}
