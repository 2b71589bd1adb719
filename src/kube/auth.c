/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/auth.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/encode.h"
#include "kube/kubeconfig_user.h"
#include "kube/plugin.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define EXPIRY_SLACK 5 /* s: older than this before its end is too old */
#define TOKEN_FILE_AGE (10 * NS_SEC)
#define MAX_TOKEN ((size_t)64 << 10)
/* between two runs of a plugin whose credentials are not accepted: each may
 * open a page in somebody's browser */
#define RUN_MIN_PAUSE (30 * NS_SEC)
#define RUN_MAX_PAUSE (600 * NS_SEC)
#define RELOAD_AGE (2 * NS_SEC)

struct kube_auth {
	struct loop *loop;
	const struct kube_config *cfg; /* the caller's, or @fresh */
	struct kube_config *fresh;     /* the kubeconfig, read anew */
	int64_t loaded_at;
	unsigned int round; /* counts the credentials we had */
	bool accepted;	    /* the server has taken some of them */
	bool warned;

	struct plugin_creds creds;
	bool have;		     /* @creds is something */
	bool refused;		     /* it was answered 401 */
	struct plugin *plugin;	     /* running, or NULL */
	struct kube_config *plugins; /* a former @fresh that it may read */
	int64_t pause, next_run;
	int runs; /* since the server took what one gave */

	struct list waiters;	 /* struct kube_auth_wait */
	struct timer failed;	 /* tells @failure from the loop */
	struct kt_error failure; /* why there are no credentials */
	char *file_token;
	int64_t file_read_at; /* 0: read it now */
};

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
	plugin_cancel(a->plugin);
	loop_timer_stop(&a->failed);
	plugin_creds_fini(&a->creds);
	kube_config_free(a->fresh);
	kube_config_free(a->plugins);
	free(a->file_token);
	loop_defer_free(a->loop, a);
}

/* " of user 'NAME'", or "" where there is no name; returned (caller frees) */
static char *auth_of_user(const struct kube_auth *a)
{
	const char *name = a->cfg->user;

	return name && *name ? xasprintf(" of user '%s'", name) : xstrdup("");
}

/* --- those who wait ------------------------------------------------------ */

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

static void on_start_failed(struct timer *t)
{
	struct kube_auth *a = container_of(t, struct kube_auth, failed);
	const struct kt_error err = a->failure;

	tell_waiters(a, &err);
}

static int auth_wait(struct kube_auth *a, struct kube_auth_wait *w,
		     kube_auth_fn fn, void *user)
{
	w->fn = fn;
	w->user = user;
	w->waiting = true;
	list_init(&w->node);
	list_add_tail(&a->waiters, &w->node);
	return 0;
}

static void auth_fail_soon(struct kube_auth *a)
{
	if (!loop_timer_active(&a->failed))
		loop_timer_start(a->loop, &a->failed, 0, on_start_failed);
}

void kube_auth_cancel(struct kube_auth_wait *w)
{
	if (w->waiting)
		list_del(&w->node);
	w->waiting = false;
}

/* --- exec plugin --------------------------------------------------------- */

/* The next run is not due before a pause, which doubles. */
static void auth_space_runs(struct kube_auth *a)
{
	a->pause = MIN(MAX(a->pause * 2, RUN_MIN_PAUSE), RUN_MAX_PAUSE);
	a->next_run = clock_ns() + a->pause;
}

static void auth_run_failed(struct kube_auth *a, const struct kt_error *err)
{
	a->failure = *err;
	auth_space_runs(a);
	if (!a->accepted || a->warned)
		return;
	a->warned = true;
	log_warn("%s; it is run again in %d s, then less and less often",
		 err->msg, (int)(a->pause / NS_SEC));
}

static void on_plugin(void *user, struct plugin_creds *creds,
		      const struct kt_error *err)
{
	struct kube_auth *a = user;

	a->plugin = NULL;
	a->runs++;
	if (err) {
		auth_run_failed(a, err);
	} else {
		plugin_creds_fini(&a->creds);
		a->creds = *creds;
		a->have = true;
		a->refused = false;
		a->round++;
	}
	kube_config_free(steal_ptr(&a->plugins));
	tell_waiters(a, err);
}

static bool exec_fresh(const struct kube_auth *a)
{
	return a->have && !a->refused &&
	       (!a->creds.expires ||
		a->creds.expires > (int64_t)time(NULL) + EXPIRY_SLACK);
}

static int exec_want(struct kube_auth *a, struct kube_auth_wait *w,
		     kube_auth_fn fn, void *user)
{
	struct kt_error err = { 0 };
	bool soon = clock_ns() < a->next_run;

	/* until the next run is due, what there is: the server may take it
	 * again */
	if (exec_fresh(a) || (a->have && soon && !a->plugin))
		return 1;
	auth_wait(a, w, fn, user);
	if (a->plugin)
		return 0;
	if (soon) {
		auth_fail_soon(a);
	} else if (plugin_start(&a->plugin, a->loop, a->cfg, on_plugin, a,
				&err) < 0) {
		auth_run_failed(a, &err);
		auth_fail_soon(a);
	}
	return 0;
}

/* True when another run may bring something better at once: a first one, since
 * what was refused may have been old. */
static bool exec_refused(struct kube_auth *a)
{
	if (!a->refused && a->runs > 1)
		auth_space_runs(a);
	a->refused = true;
	return clock_ns() >= a->next_run;
}

/* --- token file ---------------------------------------------------------- */

static int token_file_fail(struct kube_auth *a, const char *why)
{
	auto_free char *of = auth_of_user(a);

	return kt_fail(&a->failure, EACCES, "token file %s%s: %s",
		       a->cfg->token_file, of, why);
}

/* The file's token, in @text; or the reason, in a->failure */
static int token_file_read(struct kube_auth *a, char **text)
{
	auto_free char *of = auth_of_user(a);
	auto_free char *whose =
		xasprintf("token file %s%s", a->cfg->token_file, of);
	size_t n;

	a->failure = (struct kt_error){ 0 };
	*text = file_read(a->cfg->token_file, MAX_TOKEN, &n);
	if (!*text)
		return token_file_fail(a, strerror(errno));
	if (strlen(*text) != n)
		return token_file_fail(a, "it holds a NUL byte");
	if (kube_token_check(*text, whose, &a->failure) < 0)
		return -EINVAL;
	return **text ? 0 : token_file_fail(a, "it is empty");
}

/* 1 with a token to send: the file's, the last good one when it cannot be read
 * just now, or the one beside it in the kubeconfig; else -errno. */
static int token_file_want(struct kube_auth *a)
{
	auto_free char *text = NULL;
	int64_t now = clock_ns();

	if (a->file_read_at && now - a->file_read_at < TOKEN_FILE_AGE)
		return 1;
	if (token_file_read(a, &text) == 0) {
		a->file_read_at = now;
		a->round += !str_eq(text, a->file_token);
		free(a->file_token);
		a->file_token = steal_ptr(&text);
		return 1;
	}
	log_debug("%s", a->failure.msg);
	return a->file_token || a->cfg->token ? 1 : -a->failure.code;
}

/* --- credentials that stand in the kubeconfig ---------------------------- */

static bool auth_same(const struct kube_config *a, const struct kube_config *b)
{
	return str_eq(a->token, b->token) && str_eq(a->cert_pem, b->cert_pem) &&
	       str_eq(a->key_pem, b->key_pem) &&
	       str_eq(a->username, b->username) &&
	       str_eq(a->password, b->password) && !b->exec && !b->token_file;
}

/* The plugin that runs has begun with this one, or with one before it */
static void auth_drop_fresh(struct kube_auth *a)
{
	struct kube_config *old = steal_ptr(&a->fresh);

	if (a->plugin && !a->plugins)
		a->plugins = old;
	else
		kube_config_free(old);
}

static bool auth_same_authority(const struct kube_config *a,
				const struct kube_config *b)
{
	return str_eq(a->ca_pem, b->ca_pem);
}

/* Somebody may have logged in again: a program that writes the new token, or
 * certificate, into the kubeconfig. True when what is compared is another. */
static bool auth_reload(struct kube_auth *a,
			bool (*same)(const struct kube_config *a,
				     const struct kube_config *b))
{
	struct kube_config *c = NULL;
	struct kt_error err = { 0 };
	int64_t now = clock_ns();

	if (a->loaded_at && now - a->loaded_at < RELOAD_AGE)
		return false;
	a->loaded_at = now;
	if (kube_config_reload(&c, a->cfg, &err) < 0) {
		log_debug("kubeconfig: %s", err.msg);
		return false;
	}
	if (!c || !str_eq(c->server, a->cfg->server) || same(a->cfg, c)) {
		kube_config_free(c);
		return false;
	}
	log_debug("the kubeconfig has other %s now",
		  same == auth_same ? "credentials" : "authorities");
	auth_drop_fresh(a);
	a->cfg = a->fresh = c;
	a->round++;
	return true;
}

/* --- what the server thinks of them -------------------------------------- */

int kube_auth_want(struct kube_auth *a, struct kube_auth_wait *w,
		   kube_auth_fn fn, void *user)
{
	if (a->cfg->exec)
		return exec_want(a, w, fn, user);
	if (!a->cfg->token_file || token_file_want(a) == 1)
		return 1;
	auth_fail_soon(a);
	return auth_wait(a, w, fn, user);
}

unsigned int kube_auth_round(const struct kube_auth *a)
{
	return a->round;
}

bool kube_auth_refused(struct kube_auth *a, unsigned int round)
{
	if (round != a->round) /* there are others by now */
		return true;
	if (a->cfg->exec)
		return exec_refused(a);
	if (!a->cfg->token_file)
		return auth_reload(a, auth_same);
	a->file_read_at = 0;
	return true;
}

bool kube_auth_distrusted(struct kube_auth *a, unsigned int round)
{
	return round != a->round || auth_reload(a, auth_same_authority);
}

void kube_auth_denied(struct kube_auth *a)
{
	auto_free char *of = auth_of_user(a);

	if (!a->accepted || a->warned)
		return;
	a->warned = true;
	log_warn("the API server does not accept the credentials%s any more: "
		 "log in again, all goes on by itself then",
		 of);
}

void kube_auth_accepted(struct kube_auth *a, unsigned int round)
{
	if (round != a->round)
		return;
	if (a->warned) {
		auto_free char *of = auth_of_user(a);

		log_info("the API server accepts the credentials%s again", of);
	}
	a->accepted = true;
	a->warned = a->refused = false;
	a->runs = 0;
	a->pause = a->next_run = 0;
}

bool kube_auth_was_accepted(const struct kube_auth *a)
{
	return a->accepted;
}

void kube_auth_set_config(struct kube_auth *a, const struct kube_config *cfg)
{
	auth_drop_fresh(a);
	a->cfg = cfg;
	a->file_read_at = 0;
	a->round++;
}

/* --- what goes on the wire ------------------------------------------------ */

static const char *bearer(const struct kube_auth *a)
{
	if (a->creds.token)
		return a->creds.token;
	return a->cfg->token_file && a->file_token ? a->file_token
						   : a->cfg->token;
}

/* No value breaks out of its line: each was looked at when it came. */
static void add_header(struct strv *out, const char *name, const char *value)
{
	if (field_value_ok(value))
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

const char *kube_auth_authority(const struct kube_auth *a)
{
	return a->cfg->ca_pem;
}
