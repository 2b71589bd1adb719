/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/plugin.h"

#include "base/caller.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "kube/encode.h"
#include "kube/kubeconfig_user.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#define PLUGIN_TIMEOUT (120 * NS_SEC)
/* for one that talks to somebody: a page to open, a code to enter */
#define PLUGIN_TALK_TIMEOUT (15 * 60 * NS_SEC)
#define PLUGIN_MAX_OUT ((size_t)1 << 20)

struct plugin {
	struct loop *loop;
	const struct kube_config *cfg;
	struct process *process;
	struct timer limit;
	bool terminal; /* it has ours */
	struct termios before;
	plugin_fn fn;
	void *user;
};

void plugin_creds_fini(struct plugin_creds *c)
{
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	if (c->key)
		explicit_bzero(c->key, strlen(c->key));
	free(c->token);
	free(c->cert);
	free(c->key);
	*c = (struct plugin_creds){ 0 };
}

/* --- its answer ---------------------------------------------------------- */

static char *plugin_text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && *s ? xstrdup(s) : NULL;
}

static int plugin_check(const struct kube_config *cfg, struct plugin_creds *c,
			struct kt_error *err)
{
	const char *name = cfg->user && *cfg->user ? cfg->user : NULL;
	auto_free char *whose = xasprintf(
		"exec plugin %s%s%s%s", cfg->exec->command,
		name ? " of user '" : "", name ? name : "", name ? "'" : "");
	int rc = 0;

	if ((!c->token && !c->cert) || !c->cert != !c->key)
		return kt_fail(err, EPROTO,
			       "%s gave neither a token nor a certificate with "
			       "its key",
			       whose);
	if (c->token)
		rc = kube_token_check(c->token, whose, err);
	if (!rc && c->key)
		rc = kube_key_check(c->key, whose, err);
	return rc;
}

/* The ExecCredential that it printed. */
static int plugin_parse(const struct kube_config *cfg, const json_t *doc,
			struct plugin_creds *c, struct kt_error *err)
{
	const struct kube_exec *x = cfg->exec;
	const char *api = json_string_value(json_object_get(doc, "apiVersion"));
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	const json_t *st = json_object_get(doc, "status");
	auto_free char *expires = plugin_text(st, "expirationTimestamp");

	if (!str_eq(kind, "ExecCredential"))
		return kt_fail(err, EPROTO,
			       "exec plugin %s: no ExecCredential in its "
			       "output",
			       x->command);
	if (!str_eq(api, x->api_version))
		return kt_fail(err, EPROTO,
			       "exec plugin %s answers in apiVersion %s, the "
			       "kubeconfig says %s",
			       x->command, api ? api : "(none)",
			       x->api_version);
	c->token = plugin_text(st, "token");
	c->cert = plugin_text(st, "clientCertificateData");
	c->key = plugin_text(st, "clientKeyData");
	if (expires)
		c->expires = MAX(rfc3339_parse(expires), 0);
	return plugin_check(cfg, c, err);
}

/* The last line that says something: programs print their error last. */
static const char *plugin_last_line(char *text)
{
	char *nl;

	blank_trim(text);
	nl = strrchr(text, '\n');
	return nl ? nl + 1 : text;
}

static int plugin_failed(const struct plugin *p, int rc,
			 const struct process_result *res, struct kt_error *err)
{
	const struct kube_exec *x = p->cfg->exec;
	auto_free char *said = xstrdup(res ? res->errout : "");
	const char *last = plugin_last_line(said);

	if (rc == -ETIMEDOUT)
		kt_fail(err, -rc, "exec plugin %s: no answer in %d s",
			x->command, (int)(PLUGIN_TIMEOUT / NS_SEC));
	else if (rc < 0)
		kt_fail(err, -rc, "exec plugin %s: %s", x->command,
			strerror(-rc));
	else if (res->status == 127)
		kt_fail(err, ENOENT, "exec plugin %s cannot be run: %s",
			x->command, last);
	else
		kt_fail(err, EACCES, "exec plugin %s: exit status %d%s%s",
			x->command, res->status, *last ? ": " : "", last);
	if (x->install_hint)
		kt_hint(err, "%s", x->install_hint);
	return -err->code;
}

/* --- its end ------------------------------------------------------------- */

static void plugin_destroy(struct plugin *p)
{
	loop_timer_stop(&p->limit);
	if (p->terminal) /* it may have died while it read a password */
		tcsetattr(STDIN_FILENO, TCSANOW, &p->before);
	log_pass_end();
	loop_defer_free(p->loop, p);
}

static void plugin_tell(struct plugin *p, struct plugin_creds *creds,
			const struct kt_error *err)
{
	plugin_destroy(p);
	p->fn(p->user, creds, err);
}

static void plugin_on_end(void *user, int rc, const struct process_result *res)
{
	struct plugin *p = user;
	struct plugin_creds creds = { 0 };
	struct kt_error err = { 0 };
	json_t *doc = NULL;

	if (rc < 0 || res->status) {
		rc = plugin_failed(p, rc, res, &err);
	} else {
		doc = json_loadb(res->out, res->out_len, 0, NULL);
		rc = plugin_parse(p->cfg, doc, &creds, &err);
	}
	json_decref(doc);
	if (rc < 0)
		plugin_creds_fini(&creds);
	plugin_tell(p, rc < 0 ? NULL : &creds, rc < 0 ? &err : NULL);
}

static void plugin_on_limit(struct timer *t)
{
	struct plugin *p = container_of(t, struct plugin, limit);
	struct kt_error err = { 0 };

	process_cancel(p->process);
	plugin_failed(p, -ETIMEDOUT, NULL, &err);
	plugin_tell(p, NULL, &err);
}

static void plugin_on_words(void *user, const char *data, size_t len)
{
	struct plugin *p = user;

	log_pass(data, len);
	loop_timer_start(p->loop, &p->limit, PLUGIN_TALK_TIMEOUT,
			 plugin_on_limit);
}

/* --- its start ----------------------------------------------------------- */

/* A terminal that it may read: one in the background would be stopped. */
static bool plugin_has_terminal(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static char *plugin_info(const struct plugin *p)
{
	const struct kube_exec *x = p->cfg->exec;
	json_t *spec = json_pack("{s:b}", "interactive", p->terminal), *info;
	char *text;

	if (x->cluster)
		json_object_set(spec, "cluster", x->cluster);
	info = json_pack("{s:s,s:s,s:o}", "apiVersion", x->api_version, "kind",
			 "ExecCredential", "spec", spec);
	text = json_dumps(info, JSON_COMPACT);
	json_decref(info);
	return text ? text : xstrdup("{}");
}

/* sudo's own variables are taken away: nobody shall think it is root. */
static void plugin_env_of_caller(const struct caller *c, struct strv *env)
{
	static const char *const gone[] = { "SUDO_UID", "SUDO_GID", "SUDO_USER",
					    "SUDO_COMMAND", "MAIL" };
	auto_free char *run = xasprintf("/run/user/%u", (unsigned int)c->uid);
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		strv_add(env, gone[i]);
	strv_take(env, xasprintf("HOME=%s", c->home));
	strv_take(env, xasprintf("USER=%s", c->name));
	strv_take(env, xasprintf("LOGNAME=%s", c->name));
	if (c->shell)
		strv_take(env, xasprintf("SHELL=%s", c->shell));
	if (stat(run, &st) == 0 && st.st_uid == c->uid)
		strv_take(env, xasprintf("XDG_RUNTIME_DIR=%s", run));
}

/* execvp() will look there; as the caller it may see less, never more. */
static bool plugin_is_found(const char *command)
{
	const char *path = getenv("PATH");
	auto_strv struct strv dirs = { 0 };

	if (strchr(command, '/'))
		return access(command, F_OK) == 0;
	dirs = strv_split(path ? path : "/bin:/usr/bin", ':');
	for (size_t i = 0; i < dirs.n; i++) {
		auto_free char *file = xasprintf("%s/%s", dirs.v[i], command);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int plugin_missing(const struct kube_exec *x, bool sudo,
			  struct kt_error *err)
{
	const char *path = getenv("PATH"), *more = x->install_hint;
	bool bare = !strchr(x->command, '/');

	kt_fail(err, ENOENT, "exec plugin %s cannot be run: %s%s", x->command,
		bare ? "it is not in PATH=" : "there is no such file",
		bare ? (path ? path : "") : "");
	if (sudo && bare)
		kt_hint(err,
			"sudo has a PATH of its own: 'sudo env \"PATH=$PATH\" "
			"ktctl ...', or the command's full path in the "
			"kubeconfig%s%s",
			more ? "; " : "", more ? more : "");
	else if (more)
		kt_hint(err, "%s", more);
	else
		kt_hint(err, "install it%s",
			bare ? ", or give its full path in the kubeconfig"
			     : "");
	return -ENOENT;
}

static int plugin_run(struct plugin *p, const struct caller *caller,
		      struct kt_error *err)
{
	const struct kube_exec *x = p->cfg->exec;
	auto_strv struct strv argv = { 0 }, env = { 0 };
	auto_free char *info = plugin_info(p);
	struct process_spec spec = {
		.max_out = PLUGIN_MAX_OUT,
		.timeout_ns = -1,
		.terminal = p->terminal,
		.as = caller,
		.errout = plugin_on_words,
	};
	int rc;

	strv_add(&argv, x->command);
	for (size_t i = 0; i < x->args.n; i++)
		strv_add(&argv, x->args.v[i]);
	if (caller)
		plugin_env_of_caller(caller, &env);
	for (size_t i = 0; i < x->env.n; i++)
		strv_add(&env, x->env.v[i]);
	strv_take(&env, xasprintf("KUBERNETES_EXEC_INFO=%s", info));
	spec.argv = argv.v;
	spec.env = env.v;
	log_debug("run exec plugin %s%s%s", x->command, caller ? " as " : "",
		  caller ? caller->name : "");
	rc = process_start(&p->process, p->loop, &spec, plugin_on_end, p);
	if (rc < 0)
		return kt_fail(err, -rc, "exec plugin %s: %s", x->command,
			       strerror(-rc));
	return 0;
}

/* Whatever the terminal is for: everything that can be said before. */
static int plugin_prepare(struct plugin *p, bool sudo, struct kt_error *err)
{
	const struct kube_exec *x = p->cfg->exec;

	if (!plugin_is_found(x->command))
		return plugin_missing(x, sudo, err);
	if (x->interactive == KUBE_EXEC_ALWAYS && !plugin_has_terminal()) {
		kt_fail(err, ENOTTY,
			"exec plugin %s wants a terminal (interactiveMode: "
			"Always), and stdin is none%s",
			x->command,
			isatty(STDIN_FILENO) ? " in the background" : "");
		kt_hint(err, "run ktctl in the foreground of a terminal");
		return -ENOTTY;
	}
	p->terminal = x->interactive != KUBE_EXEC_NEVER &&
		      plugin_has_terminal() &&
		      tcgetattr(STDIN_FILENO, &p->before) == 0;
	return 0;
}

int plugin_start(struct plugin **out, struct loop *l,
		 const struct kube_config *cfg, plugin_fn fn, void *user,
		 struct kt_error *err)
{
	struct plugin *p = xcalloc(1, sizeof(*p));
	struct caller caller;
	bool sudo = caller_get(&caller);
	int rc;

	*p = (struct plugin){ .loop = l, .cfg = cfg, .fn = fn, .user = user };
	rc = plugin_prepare(p, sudo, err);
	if (!rc && p->terminal)
		log_hold();
	if (!rc)
		rc = plugin_run(p, sudo && !cfg->of_root ? &caller : NULL, err);
	if (sudo)
		caller_fini(&caller);
	if (rc < 0) {
		log_pass_end();
		free(p);
		return rc;
	}
	if (!p->terminal)
		loop_timer_start(l, &p->limit, PLUGIN_TIMEOUT, plugin_on_limit);
	*out = p;
	return 0;
}

void plugin_cancel(struct plugin *p)
{
	if (!p)
		return;
	process_cancel(p->process);
	plugin_destroy(p);
}
