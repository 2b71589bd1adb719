/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registry.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/challenge.h"
#include "image/web.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

struct registry {
	struct registry_config cfg;
	struct web *web;
	bool lax;	     /* plain HTTP, and any certificate */
	char *base;	     /* "https://registry.example" */
	char *authorization; /* or NULL: nothing was asked for */
};

/* --- what it says --------------------------------------------------------- */

static int registry_code(int status)
{
	switch (status) {
	case 401:
		return EACCES;
	case 403:
		return EPERM;
	case 404:
		return ENOENT;
	case 429:
		return EAGAIN;
	default:
		return status >= 500 ? EIO : EPROTO;
	}
}

/* {"errors": [{"code", "message"}]}, in its own words */
static int registry_fail(const struct registry *r, const struct web_answer *a,
			 const char *what, struct kt_error *err)
{
	auto_json json_t *doc = json_loadb((const char *)buf_data(&a->body),
					   a->body.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(doc, "errors"), 0);
	const char *code = json_str(first, "code", NULL);
	const char *text = json_str(first, "message", NULL);
	bool known = r->cfg.auth->username || r->cfg.auth->identity_token ||
		     r->cfg.auth->registry_token;

	kt_fail(err, registry_code(a->status), "%s: %s: HTTP %d%s%s%s%s",
		r->base, what, a->status, code ? " " : "", code ? code : "",
		text && *text ? ": " : "", text ? text : "");
	err->http_status = a->status;
	if (a->status != 401 && a->status != 403)
		return -err->code;
	if (known)
		kt_hint(err,
			"the credentials that docker's configuration has for "
			"%s were sent: may they push to %s?",
			r->cfg.ref->registry, r->cfg.ref->repository);
	else
		kt_hint(err,
			"no credentials are known for %s: 'docker login %s' "
			"or 'podman login --authfile ~/.docker/config.json %s' "
			"keeps them",
			r->cfg.ref->registry, r->cfg.ref->registry,
			r->cfg.ref->registry);
	return -err->code;
}

/* --- being let in --------------------------------------------------------- */

static void registry_authorize(struct registry *r, char *value)
{
	if (r->authorization) {
		explicit_bzero(r->authorization, strlen(r->authorization));
		free(r->authorization);
	}
	r->authorization = value;
}

/* RFC 7617 (returned, caller frees); NULL: no user and password are known */
static char *registry_basic(const struct docker_auth *auth)
{
	auto_free char *both = NULL, *code = NULL;

	if (!auth->username || !auth->password)
		return NULL;
	both = xasprintf("%s:%s", auth->username, auth->password);
	code = base64_encode(both, strlen(both));
	explicit_bzero(both, strlen(both));
	return xasprintf("Basic %s", code);
}

/* What the token is to be good for, as both kinds of request have it
 * (returned, caller frees) */
static char *registry_scope(const struct registry *r, const struct challenge *c)
{
	auto_free char *scope =
		xasprintf("repository:%s:pull,push", r->cfg.ref->repository);
	auto_free char *a = web_url_pair("service", c->service);
	auto_free char *b = web_url_pair("scope", scope);

	return xasprintf("%s&%s", a, b);
}

/* docker's way (GET, a user and password or none), or OAuth2 (POST, the
 * token of a login) */
static int registry_ask_token(struct registry *r, const struct challenge *c,
			      struct web_answer *a, struct kt_error *err)
{
	const struct docker_auth *auth = r->cfg.auth;
	auto_free char *scope = registry_scope(r, c);
	auto_free char *basic = NULL, *form = NULL, *url = NULL;
	/* what a registry on this machine may do, its token server elsewhere
	 * may not */
	bool lax =
		r->cfg.insecure || (r->lax && web_same_host(c->realm, r->base));
	struct web_call call = { .method = "GET", .unverified = lax };

	if (auth->identity_token) {
		auto_free char *token =
			web_url_pair("refresh_token", auth->identity_token);

		form = xasprintf("grant_type=refresh_token&client_id=ktctl&%s&"
				 "%s",
				 scope, token);
		call.method = "POST";
		call.type = "application/x-www-form-urlencoded";
		call.body = form;
		call.len = strlen(form);
		url = web_url(c->realm, c->realm, NULL);
	} else {
		basic = registry_basic(auth);
		call.authorization = basic;
		url = web_url(c->realm, c->realm, scope);
	}
	if (!url)
		return kt_fail(err, EPROTO,
			       "%s: it says that tokens are at '%s', which is "
			       "no URL",
			       r->base, c->realm);
	if (web_is_plain(url) && !lax)
		return kt_fail(err, EPROTO,
			       "%s: it says that tokens are at '%s': "
			       "credentials are not sent without TLS",
			       r->base, c->realm);
	call.url = url;
	return web_ask(r->web, &call, a, err);
}

static int registry_take_token(struct registry *r, const struct web_answer *a,
			       struct kt_error *err)
{
	auto_json json_t *doc = json_loadb((const char *)buf_data(&a->body),
					   a->body.len, 0, NULL);
	const char *token = json_str(doc, "token", NULL);

	if (!token)
		token = json_str(doc, "access_token", NULL);
	if (!token || !*token || !field_value_ok(token))
		return kt_fail(err, EPROTO,
			       "%s: get a token: there is none in the answer",
			       r->base);
	registry_authorize(r, xasprintf("Bearer %s", token));
	return 0;
}

static int registry_bearer(struct registry *r, const struct challenge *c,
			   struct kt_error *err)
{
	struct web_answer a;
	int rc;

	if (r->cfg.auth->registry_token) {
		if (!field_value_ok(r->cfg.auth->registry_token))
			return kt_fail(err, EINVAL,
				       "docker's configuration: the token for "
				       "%s has control characters",
				       r->cfg.ref->registry);
		registry_authorize(
			r, xasprintf("Bearer %s", r->cfg.auth->registry_token));
		return 0;
	}
	rc = registry_ask_token(r, c, &a, err);
	if (rc < 0)
		return rc;
	rc = a.status == 200 ? registry_take_token(r, &a, err)
			     : registry_fail(r, &a, "get a token", err);
	web_answer_fini(&a);
	return rc;
}

/* @a: a 401. A token is asked for where one may be: it says what it is for. */
static int registry_login(struct registry *r, const struct web_answer *a,
			  const char *what, struct kt_error *err)
{
	struct challenge c;
	char *basic;

	for (size_t i = 0; i < a->challenges.n; i++)
		if (challenge_find(a->challenges.v[i], "Bearer", &c))
			return registry_bearer(r, &c, err);
	for (size_t i = 0; i < a->challenges.n; i++)
		if (challenge_find(a->challenges.v[i], "Basic", &c)) {
			basic = registry_basic(r->cfg.auth);
			if (!basic)
				return registry_fail(r, a, what, err);
			registry_authorize(r, basic);
			return 0;
		}
	return kt_fail(err, ENOTSUP,
		       "%s: %s: it wants neither a password (Basic) nor a "
		       "token (Bearer)",
		       r->base, what);
}

/* --- requests ------------------------------------------------------------- */

static int registry_ask(struct registry *r, const struct web_call *call,
			struct web_answer *a, struct kt_error *err)
{
	struct web_call c = *call;

	c.unverified = r->lax;
	/* an upload may go to another server: not with our credentials */
	c.authorization =
		web_same_origin(c.url, r->base) ? r->authorization : NULL;
	return web_ask(r->web, &c, a, err);
}

/* A token may have come to its end: so each request may log in once. @what is
 * for its errors. The answer is there when the return value is 0. */
static int registry_call(struct registry *r, const struct web_call *c,
			 const char *what, struct web_answer *a,
			 struct kt_error *err)
{
	int rc = registry_ask(r, c, a, err);

	if (rc < 0)
		return kt_wrap(err, rc, "%s", what);
	log_debug("%s %.*s: %d", c->method, (int)strcspn(c->url, "?"), c->url,
		  a->status);
	if (a->status != 401 || !web_same_origin(c->url, r->base))
		return 0;
	rc = registry_login(r, a, what, err);
	web_answer_fini(a);
	if (rc < 0)
		return rc;
	rc = registry_ask(r, c, a, err);
	if (rc < 0)
		return kt_wrap(err, rc, "%s", what);
	log_debug("%s %.*s: %d", c->method, (int)strcspn(c->url, "?"), c->url,
		  a->status);
	return 0;
}

/* registry_call() that has to end with @status; *@location: the answer's
 * (returned, caller frees), or NULL */
static int registry_expect(struct registry *r, const struct web_call *c,
			   const char *what, int status, char **location,
			   struct kt_error *err)
{
	struct web_answer a;
	int rc = registry_call(r, c, what, &a, err);

	if (rc < 0)
		return rc;
	if (a.status != status)
		rc = registry_fail(r, &a, what, err);
	else if (location)
		*location = steal_ptr(&a.location);
	web_answer_fini(&a);
	return rc;
}

static char *registry_url(const struct registry *r, const char *kind,
			  const char *name)
{
	return xasprintf("%s/v2/%s/%s/%s", r->base, r->cfg.ref->repository,
			 kind, name);
}

/* --- opening -------------------------------------------------------------- */

/* @plain: by HTTP */
static int registry_try(struct registry *r, bool plain, struct kt_error *err)
{
	auto_free char *url = NULL;
	struct web_call c = { .method = "GET" };
	struct web_answer a;
	int rc;

	free(r->base);
	r->base = xasprintf("http%s://%s", plain ? "" : "s",
			    reference_host(r->cfg.ref));
	url = xasprintf("%s/v2/", r->base);
	c.url = url;
	rc = registry_call(r, &c, "log in", &a, err);
	if (rc < 0)
		return rc;
	if (a.status == 404) {
		rc = kt_fail(err, ENOENT,
			     "%s is no registry: /v2/ is not there", r->base);
	} else if (a.status == 401 || a.status == 403 || a.status >= 500) {
		rc = registry_fail(r, &a, "log in", err);
	}
	web_answer_fini(&a);
	return rc;
}

int registry_open(struct registry **out, const struct registry_config *cfg,
		  struct kt_error *err)
{
	struct registry *r = xcalloc(1, sizeof(*r));
	struct kt_error first = { 0 };
	int rc;

	r->cfg = *cfg;
	r->lax = cfg->insecure || reference_is_local(cfg->ref);
	rc = web_new(&r->web, cfg->loop, err);
	if (rc == 0) {
		rc = registry_try(r, false, &first);
		if (r->lax && (rc == -EPROTO || rc == -ECONNREFUSED) &&
		    !first.http_status)
			rc = registry_try(r, true, err);
		else if (rc < 0)
			*err = first;
	}
	if (rc == -EPROTO && !r->lax && !err->http_status)
		kt_hint(err, "--insecure talks to a registry without TLS, or "
			     "without a good certificate");
	if (rc < 0) {
		registry_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	registry_authorize(r, NULL);
	web_free(r->web);
	free(r->base);
	free(r);
}

/* --- pushing -------------------------------------------------------------- */

/* 1: it is there, 0: it is not, or -errno. A registry may send who asks on to
 * where the blob is. */
static int registry_has_blob(struct registry *r, const struct oci_blob *b,
			     struct kt_error *err)
{
	auto_free char *url = registry_url(r, "blobs", b->digest);
	const struct web_call c = { .method = "HEAD", .url = url };
	struct web_answer a;
	int rc = registry_call(r, &c, "look for a blob", &a, err);

	if (rc < 0)
		return rc;
	if (a.status != 404)
		rc = a.status >= 200 && a.status < 400
			     ? 1
			     : registry_fail(r, &a, "look for a blob", err);
	web_answer_fini(&a);
	return rc;
}

int registry_put_blob(struct registry *r, const struct oci_blob *b,
		      struct kt_error *err)
{
	auto_free char *start = registry_url(r, "blobs", "uploads/");
	auto_free char *digest = web_url_pair("digest", b->digest);
	auto_free char *location = NULL, *url = NULL;
	struct web_call c = { .method = "POST", .url = start };
	int rc = registry_has_blob(r, b, err);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = registry_expect(r, &c, "begin an upload", 202, &location, err);
	if (rc < 0)
		return rc;
	url = location ? web_url(start, location, digest) : NULL;
	if (!url || (web_is_plain(url) && !r->lax))
		return kt_fail(err, EPROTO,
			       "%s: begin an upload: it leads to '%s'", r->base,
			       location ? location : "");
	c = (struct web_call){ .method = "PUT",
			       .url = url,
			       .type = "application/octet-stream",
			       .body = b->data,
			       .len = b->len };
	return registry_expect(r, &c, "upload", 201, NULL, err);
}

int registry_put_manifest(struct registry *r, const struct oci_blob *b,
			  const char *name, struct kt_error *err)
{
	auto_free char *url = registry_url(r, "manifests", name);
	const struct web_call c = { .method = "PUT",
				    .url = url,
				    .type = b->type,
				    .body = b->data,
				    .len = b->len };

	return registry_expect(r, &c, "put the manifest", 201, NULL, err);
}
