/* SPDX-License-Identifier: Apache-2.0 */
#include "image/web.h"

#include "base/loop.h"
#include "base/mem.h"
#include "kube/encode.h"
#include "kube/proxy.h"
#include "kube/roots.h"
#include "kube/transfer.h"

#include <errno.h>
#include <string.h>

#define WEB_MAX_BODY ((size_t)1 << 20)
#define WEB_MAX_FIELD 8192
#define WEB_MAX_CHALLENGES 16
#define WEB_CONNECT_MS 10000L
#define WEB_STALL_S 60L /* without a byte */

struct web {
	struct curl_loop curl;
	char *roots;
	bool roots_alone;
};

/** struct web_request - one that is under way */
struct web_request {
	struct transfer transfer;
	struct web_answer *answer;
	bool done;
	CURLcode rc;
};

static void web_ran(void *user)
{
	(void)user; /* every answer is collected: nothing to hand over */
}

int web_new(struct web **out, struct loop *loop, struct kt_error *err)
{
	struct web *w = xcalloc(1, sizeof(*w));
	int rc = roots_from_env(&w->roots, &w->roots_alone, err);

	if (rc == 0) {
		rc = curl_loop_init(&w->curl, loop, web_ran, w);
		if (rc < 0)
			kt_fail(err, -rc, "set up libcurl: %s", strerror(-rc));
	}
	if (rc < 0) {
		free(w->roots);
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	curl_loop_fini(&w->curl);
	free(w->roots);
	free(w);
}

void web_answer_fini(struct web_answer *a)
{
	free(a->location);
	strv_fini(&a->challenges);
	buf_fini(&a->body);
	*a = (struct web_answer){ 0 };
}

/* --- what comes back ------------------------------------------------------ */

static size_t web_on_body(char *data, size_t size, size_t n, void *user)
{
	struct web_request *r = user;

	return buf_put(&r->answer->body, data, size * n) < 0 ? 0 : size * n;
}

/* The field's value (returned, caller frees), or NULL: it is another one */
static char *web_field(const char *line, const char *name)
{
	size_t n = strlen(name);
	char *value;

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	value = xstrdup(line + n + 1);
	memmove(value, blank_trim(value), strlen(blank_trim(value)) + 1);
	return value;
}

/* A proxy's answers, and 100 Continue, come before the one that counts */
static void web_take_field(struct web_answer *a, const char *line)
{
	char *value;

	if (strncmp(line, "HTTP/", 5) == 0) {
		strv_fini(&a->challenges);
		free(a->location);
		a->location = NULL;
		return;
	}
	value = web_field(line, "WWW-Authenticate");
	if (value && a->challenges.n < WEB_MAX_CHALLENGES) {
		strv_take(&a->challenges, value);
		return;
	}
	free(value);
	value = web_field(line, "Location");
	if (!value)
		return;
	free(a->location);
	a->location = value;
}

static size_t web_on_field(char *data, size_t size, size_t n, void *user)
{
	struct web_request *r = user;
	auto_free char *line =
		xstrndup(data, MIN(size * n, (size_t)WEB_MAX_FIELD));

	web_take_field(r->answer, line);
	return size * n;
}

static void web_on_done(struct transfer *t, CURLcode rc)
{
	struct web_request *r = container_of(t, struct web_request, transfer);

	r->done = true;
	r->rc = rc;
}

/* --- asking --------------------------------------------------------------- */

static void web_set_tls(const struct web *w, CURL *easy, bool unverified)
{
	struct curl_blob blob = { .data = w->roots,
				  .len = w->roots ? strlen(w->roots) : 0,
				  .flags = CURL_BLOB_COPY };

	if (w->roots)
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
	if (w->roots_alone)
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (!unverified)
		return;
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void web_set_fields(struct transfer *t, const struct web_call *c)
{
	auto_free char *type = NULL, *auth = NULL;

	/* small servers do not know it, and bodies are small */
	transfer_header(t, "Expect:");
	transfer_header(t, "Accept: application/json, */*");
	if (c->type) {
		type = xasprintf("Content-Type: %s", c->type);
		transfer_header(t, type);
	}
	if (c->authorization) {
		auth = xasprintf("Authorization: %s", c->authorization);
		transfer_header(t, auth);
		explicit_bzero(auth, strlen(auth));
	}
}

static void web_set_body(CURL *easy, const struct web_call *c)
{
	if (strcmp(c->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (strcmp(c->method, "GET") == 0)
		return;
	/* also without a body: its length is said then, 0 */
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body ? c->body : "");
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->method);
}

static int web_prepare(struct web *w, struct web_request *r,
		       const struct web_call *c)
{
	auto_free char *proxy = proxy_for(c->url, NULL);
	struct transfer *t = &r->transfer;

	*t = (struct transfer){ .cl = &w->curl, .easy = curl_easy_init() };
	if (!t->easy)
		return -ENOMEM;
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_URL, c->url);
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->problem);
	curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, WEB_CONNECT_MS);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, WEB_STALL_S);
	curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "ktctl/" KT_VERSION);
	curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, web_on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, web_on_field);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, r);
	web_set_tls(w, t->easy, c->unverified);
	web_set_body(t->easy, c);
	web_set_fields(t, c);
	return 0;
}

static int web_code(CURLcode rc)
{
	switch (rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return EPROTO;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_WRITE_ERROR:
		return EFBIG;
	default:
		return ECONNRESET;
	}
}

static int web_fail(const struct web_request *r, const char *url,
		    struct kt_error *err)
{
	auto_free char *where = xstrndup(url, strcspn(url, "?"));
	int code = web_code(r->rc);

	kt_fail(err, code, "%s: %s", where,
		code == EFBIG	       ? "the answer is too large"
		: *r->transfer.problem ? r->transfer.problem
				       : curl_easy_strerror(r->rc));
	if (r->rc == CURLE_PEER_FAILED_VERIFICATION)
		kt_hint(err, "have this machine trust the registry's "
			     "certificate authority, or name its file with "
			     "SSL_CERT_FILE; --insecure takes any certificate");
	return -code;
}

int web_ask(struct web *w, const struct web_call *c, struct web_answer *a,
	    struct kt_error *err)
{
	struct web_request r = { .answer = a };
	long status = 0;
	int rc = web_prepare(w, &r, c);

	*a = (struct web_answer){ 0 };
	buf_init(&a->body, WEB_MAX_BODY);
	if (rc == 0)
		rc = transfer_start(&r.transfer, web_on_done);
	if (rc == 0)
		rc = loop_run_until(w->curl.loop, &r.done, -1);
	if (rc < 0)
		kt_fail(err, -rc, "%s %s: %s", c->method, c->url,
			strerror(-rc));
	else if (r.rc != CURLE_OK)
		rc = web_fail(&r, c->url, err);
	else
		curl_easy_getinfo(r.transfer.easy, CURLINFO_RESPONSE_CODE,
				  &status);
	a->status = (int)status;
	transfer_stop(&r.transfer);
	if (rc < 0)
		web_answer_fini(a);
	return rc;
}

/* --- URLs ----------------------------------------------------------------- */

static CURLU *web_parse(const char *url)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

	curl_free(scheme);
	if (ok)
		return u;
	curl_url_cleanup(u);
	return NULL;
}

char *web_url(const char *from, const char *to, const char *query)
{
	CURLU *u = web_parse(from), *checked = NULL;
	char *text = NULL, *copy = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, to, 0) == CURLUE_OK &&
	    (!query || curl_url_set(u, CURLUPART_QUERY, query,
				    CURLU_APPENDQUERY) == CURLUE_OK) &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		checked = web_parse(text); /* @to may have another scheme */
	if (checked)
		copy = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(checked);
	curl_url_cleanup(u);
	return copy;
}

char *web_url_pair(const char *name, const char *value)
{
	struct buf b;
	char *pair;

	buf_init(&b, 3 * strlen(value) + 1);
	if (uri_put(&b, value) < 0)
		abort(); /* there is room for all of it */
	pair = xasprintf("%s=%.*s", name, (int)b.len,
			 b.len ? (const char *)buf_data(&b) : "");
	buf_fini(&b);
	return pair;
}

static bool web_same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned int how)
{
	char *x = NULL, *y = NULL;
	bool same = a && b && curl_url_get(a, part, &x, how) == CURLUE_OK &&
		    curl_url_get(b, part, &y, how) == CURLUE_OK &&
		    strcasecmp(x, y) == 0;

	curl_free(x);
	curl_free(y);
	return same;
}

bool web_same_origin(const char *a, const char *b)
{
	CURLU *x = web_parse(a), *y = web_parse(b);
	bool same = web_same_part(x, y, CURLUPART_SCHEME, 0) &&
		    web_same_part(x, y, CURLUPART_HOST, 0) &&
		    web_same_part(x, y, CURLUPART_PORT, CURLU_DEFAULT_PORT);

	curl_url_cleanup(x);
	curl_url_cleanup(y);
	return same;
}

bool web_same_host(const char *a, const char *b)
{
	CURLU *x = web_parse(a), *y = web_parse(b);
	bool same = web_same_part(x, y, CURLUPART_HOST, 0);

	curl_url_cleanup(x);
	curl_url_cleanup(y);
	return same;
}

bool web_is_plain(const char *url)
{
	return strncasecmp(url, "https://", 8) != 0;
}
