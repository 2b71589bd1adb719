/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/ahead.h"
#include "kube/follow.h"
#include "kube/internal.h"
#include "kube/patience.h"
#include "kube/status.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_REPLY ((size_t)64 << 20)
#define MAX_TRIES 5	    /* of a server that is busy */
#define MAX_CONNECT_TRIES 3 /* of one that cannot be reached */
#define MAX_RETRY_AFTER (30 * NS_SEC)

/**
 * DOC: A request's life
 *
 *   QUEUED -> (credentials) -> SENT -> told
 *                 ^             |
 *                 +-- PAUSE <---+   busy, unreachable, or 401 once
 *
 * QUEUED and PAUSE are the timer @kick; waiting for credentials is @wait; SENT
 * is the transfer. At most one of the three is active.
 */
struct kube_op {
	struct list node; /* kube.ops */
	struct list ready_node;
	struct kube *kube;
	struct timer kick;
	struct kube_auth_wait wait;
	struct transfer transfer;
	struct patience patience;

	char *method, *path; /* with query */
	char *body;
	enum kube_content content;
	int64_t timeout_ns, deadline; /* deadline 0: none yet or none at all */
	bool no_retry, refreshed;
	const char *as;	    /* literal */
	unsigned int round; /* of the credentials that were sent */
	int tries;

	struct buf in;
	bool streamed; /* bytes were handed over: no second try */
	bool told;
	void (*stream)(void *user, const char *data, size_t len);
	kube_reply_fn fn;
	void *user;
};

static const char *const content_types[] = {
	[KUBE_JSON] = "Content-Type: application/json",
	[KUBE_MERGE_PATCH] = "Content-Type: application/merge-patch+json",
	[KUBE_JSON_PATCH] = "Content-Type: application/json-patch+json",
	[KUBE_STRATEGIC_PATCH] =
		"Content-Type: application/strategic-merge-patch+json",
};
_Static_assert(ARRAY_SIZE(content_types) == KUBE_NCONTENT_, "names");

static void op_run(struct timer *t);

/* --- end of a request ----------------------------------------------------- */

/* Takes @op out of everything; its memory goes after the batch. */
static void op_destroy(struct kube_op *op)
{
	loop_timer_stop(&op->kick);
	kube_auth_cancel(&op->wait);
	patience_stop(&op->patience);
	transfer_stop(&op->transfer);
	list_del(&op->node);
	list_del(&op->ready_node);
	buf_fini(&op->in);
	free(op->method);
	free(op->path);
	free(op->body);
	op->told = true;
	loop_defer_free(op->kube->loop, op);
}

static void op_tell(struct kube_op *op, const struct kube_reply *reply)
{
	op->told = true;
	op->fn(op->user, reply);
	op_destroy(op);
}

static void op_fail(struct kube_op *op, const struct kt_error *err)
{
	op_tell(op, &(struct kube_reply){ .text = "", .err = err });
}

/* Whoever reads fields of what is no object finds none, and draws his
 * conclusions. */
static void op_not_json(struct kube_op *op, int status, const char *text,
			struct kt_error *err)
{
	auto_free char *what = xasprintf("%s %s", op->method, op->path);
	const char *type = NULL;

	curl_easy_getinfo(op->transfer.easy, CURLINFO_CONTENT_TYPE, &type);
	status_not_json(err, status, what, type, text);
}

static void op_finish(struct kube_op *op, int status)
{
	struct kt_error err = { 0 };
	struct kube_reply reply = { .status = status, .text = "" };

	if (buf_put(&op->in, "", 1) == 0) {
		reply.text = (const char *)buf_data(&op->in);
		reply.text_len = op->in.len - 1;
	}
	reply.json = json_loadb(reply.text, reply.text_len, 0, NULL);
	if (status < 200 || status > 299) {
		auto_free char *what = xasprintf("%s %s", op->method, op->path);

		status_fail(&err, status, what, reply.json, reply.text);
		reply.err = &err;
	} else if (!op->stream && status != 204 &&
		   !json_is_object(reply.json)) {
		op_not_json(op, status, reply.text, &err);
		reply.err = &err;
	}
	op_tell(op, &reply);
	json_decref(reply.json);
}

/* --- second tries --------------------------------------------------------- */

static bool idempotent(const struct kube_op *op)
{
	return strcmp(op->method, "POST") != 0;
}

static bool busy_status(const struct kube_op *op, long status)
{
	return status == 429 || (idempotent(op) && status >= 500);
}

static bool busy_curl(const struct kube_op *op, CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return true; /* never sent */
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return idempotent(op);
	default:
		return false;
	}
}

/* True when the request was put off for another try. */
static bool op_again(struct kube_op *op, int max_tries, int64_t after)
{
	int64_t pause = (NS_SEC / 5) << op->tries;

	if (op->no_retry || op->streamed || ++op->tries >= max_tries)
		return false;
	pause = MAX(pause, MIN(after, MAX_RETRY_AFTER));
	if (op->deadline && clock_ns() + pause >= op->deadline)
		return false;
	log_debug("%s %s: again in %lld ms", op->method, op->path,
		  (long long)(pause / NS_MS));
	transfer_stop(&op->transfer);
	buf_reset(&op->in);
	loop_timer_start(op->kube->loop, &op->kick, pause, op_run);
	return true;
}

/* With what was read anew, once */
static void op_again_now(struct kube_op *op)
{
	op->refreshed = true;
	transfer_stop(&op->transfer);
	buf_reset(&op->in);
	loop_timer_start(op->kube->loop, &op->kick, 0, op_run);
}

static bool op_again_refreshed(struct kube_op *op)
{
	if (op->refreshed || !kube_auth_refused(op->kube->auth, op->round)) {
		kube_auth_denied(op->kube->auth);
		return false;
	}
	op_again_now(op);
	return true;
}

static bool op_again_trusted(struct kube_op *op)
{
	if (op->refreshed || !kube_auth_distrusted(op->kube->auth, op->round))
		return false;
	op_again_now(op);
	return true;
}

/* The kubeconfig names another server: what was never sent, or may be sent
 * twice, goes there */
static bool op_again_elsewhere(struct kube_op *op, CURLcode rc)
{
	bool unsent = rc == CURLE_COULDNT_CONNECT ||
		      rc == CURLE_COULDNT_RESOLVE_HOST ||
		      rc == CURLE_COULDNT_RESOLVE_PROXY ||
		      rc == CURLE_PEER_FAILED_VERIFICATION;

	if (op->no_retry || op->streamed || !(unsent || idempotent(op)))
		return false;
	op->deadline = 0; /* its time went by at the old place */
	op_again_now(op);
	return true;
}

static void op_done(struct transfer *t, CURLcode rc)
{
	struct kube_op *op = container_of(t, struct kube_op, transfer);
	struct kt_error err = { 0 };
	curl_off_t after = 0;
	long status = 0;

	if (rc == CURLE_PEER_FAILED_VERIFICATION && op_again_trusted(op))
		return;
	if (rc != CURLE_OK) {
		if (kube_follow(op->kube) && op_again_elsewhere(op, rc))
			return;
		if (busy_curl(op, rc) && op_again(op, MAX_CONNECT_TRIES, 0))
			return;
		curl_fail(&err, op->kube, t->easy, rc, t->problem);
		/* likewise the next ones; a watch that is cut says nothing of
		 * them, nor does one that was tried only once */
		op->kube->gone |=
			op->kube->leaving && !op->stream && !op->no_retry &&
			(rc == CURLE_OPERATION_TIMEDOUT || busy_curl(op, rc));
		op_fail(op, &err);
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
	log_trace("%s %s: %ld", op->method, op->path, status);
	if (status == 401 && op_again_refreshed(op))
		return;
	kube_heard_status(op->kube, op->round, (int)status);
	after = MIN(MAX(after, 0), MAX_RETRY_AFTER / NS_SEC);
	if (busy_status(op, status) && op_again(op, MAX_TRIES, after * NS_SEC))
		return;
	op_finish(op, (int)status);
}

/* --- sending -------------------------------------------------------------- */

/* curl: bytes of the body. They are kept until curl has returned. */
static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct kube_op *op = user;
	long status = 0;

	patience_heard(&op->patience);
	if (buf_put(&op->in, data, size * n) < 0)
		return 0; /* too large */
	curl_easy_getinfo(op->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	kube_heard_status(op->kube, op->round, (int)status);
	if (op->stream && status >= 200 && status <= 299 &&
	    list_empty(&op->ready_node))
		list_add_tail(&op->kube->ready, &op->ready_node);
	return size * n;
}

static size_t on_header(char *line, size_t size, size_t n, void *user)
{
	struct kube_op *op = user;
	auto_free char *s = xstrndup(line, size * n);

	patience_heard(&op->patience);
	if (strncasecmp(s, "date:", 5) == 0)
		kube_heard_date(op->kube, s + 5);
	return size * n;
}

static void set_body(struct kube_op *op, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, op->method);
	if (!op->body)
		return;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, op->body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)strlen(op->body));
	transfer_header(&op->transfer, content_types[op->content]);
	transfer_header(&op->transfer, "Expect:");
}

static void set_timeout(struct kube_op *op, CURL *easy)
{
	int64_t now = clock_ns();

	if (op->timeout_ns < 0)
		return;
	if (!op->deadline)
		op->deadline = now + op->timeout_ns;
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
			 (long)MAX((op->deadline - now) / NS_MS, 1));
}

static void set_accept(struct kube_op *op)
{
	auto_free char *as =
		op->as ? xasprintf("Accept: application/json;as=%s;"
				   "g=meta.k8s.io;v=v1, application/json",
				   op->as)
		       : NULL;

	transfer_header(&op->transfer,
			as ? as : "Accept: application/json, */*");
}

static void op_send(struct kube_op *op)
{
	auto_strv struct strv auth = { 0 };
	struct transfer *t = &op->transfer;
	struct kt_error err = { 0 };
	int rc = transfer_init(t, op->kube, op->path);

	if (!rc) {
		op->round = kube_auth_round(op->kube->auth);
		kube_auth_headers(op->kube->auth, &auth);
		for (size_t i = 0; i < auth.n; i++)
			transfer_header(t, auth.v[i]);
		set_accept(op);
		set_body(op, t->easy);
		set_timeout(op, t->easy);
		if (op->patience.fresh)
			curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
		if (!op->stream)
			curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING,
					 "gzip");
		curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, op);
		curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, op);
		rc = transfer_start(t, op_done);
	}
	if (rc < 0) {
		kt_fail(&err, -rc, "%s %s: %s", op->method, op->path,
			strerror(-rc));
		op_fail(op, &err);
	}
}

static void op_authorized(void *user, const struct kt_error *err)
{
	if (err)
		op_fail(user, err);
	else
		op_send(user);
}

/* The first try and every other one begin here. */
static void op_run(struct timer *t)
{
	struct kube_op *op = container_of(t, struct kube_op, kick);
	struct kt_error err = { 0 };

	if (patience_is_over(op->kube, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	if (!op->stream)
		patience_start(&op->patience, op->kube, &op->transfer);
	if (kube_auth_want(op->kube->auth, &op->wait, op_authorized, op))
		op_send(op);
}

/* What was sent may have arrived all the same */
static bool op_again_fresh(struct patience *p)
{
	struct kube_op *op = container_of(p, struct kube_op, patience);

	if (!idempotent(op) || op->streamed)
		return false;
	transfer_stop(&op->transfer);
	buf_reset(&op->in);
	loop_timer_start(op->kube->loop, &op->kick, 0, op_run);
	return true;
}

static void op_give_up(struct patience *p, const struct kt_error *err)
{
	op_fail(container_of(p, struct kube_op, patience), err);
}

struct kube_op *kube_request_start(struct kube *k,
				   const struct kube_request *req,
				   kube_reply_fn fn, void *user)
{
	struct kube_op *op = xcalloc(1, sizeof(*op));

	op->kube = k;
	op->method = xstrdup(req->method);
	op->path = req->query && *req->query
			   ? xasprintf("%s?%s", req->path, req->query)
			   : xstrdup(req->path);
	if (req->body)
		op->body = json_dumps(req->body, JSON_COMPACT);
	op->content = req->content;
	op->timeout_ns =
		req->timeout_ns ? req->timeout_ns : KUBE_DEFAULT_TIMEOUT;
	if (k->leaving && op->timeout_ns > LEAVE_SILENT)
		op->timeout_ns = LEAVE_SILENT;
	op->patience.again = op_again_fresh;
	op->patience.over = op_give_up;
	op->no_retry = req->no_retry;
	op->as = req->as;
	op->stream = req->stream;
	op->fn = fn;
	op->user = user;
	buf_init(&op->in, MAX_REPLY);
	list_init(&op->ready_node);
	list_add_tail(&k->ops, &op->node);
	loop_timer_start(k->loop, &op->kick, 0, op_run);
	return op;
}

void kube_request_cancel(struct kube_op *op)
{
	if (op && !op->told)
		op_destroy(op);
}

/* --- streamed bodies ------------------------------------------------------ */

/* curl has returned: hand over what it left in the streams' buffers. */
static void client_deliver(void *user)
{
	struct kube *k = user;

	while (!list_empty(&k->ready)) {
		struct kube_op *op =
			container_of(k->ready.next, struct kube_op, ready_node);
		struct buf in = op->in;

		list_del(&op->ready_node);
		buf_init(&op->in, MAX_REPLY);
		op->streamed = true;
		op->stream(op->user, (char *)buf_data(&in), in.len);
		buf_fini(&in);
	}
}

/* --- waiting -------------------------------------------------------------- */

struct kube_call {
	json_t *json;
	struct kt_error err;
	bool failed, done;
};

static void call_told(void *user, const struct kube_reply *reply)
{
	struct kube_call *c = user;

	c->done = true;
	c->failed = reply->err;
	if (reply->err)
		c->err = *reply->err;
	else
		c->json = json_incref(reply->json);
}

int kube_call(struct kube *k, const struct kube_request *req, json_t **reply,
	      struct kt_error *err)
{
	struct kube_call c = { 0 };
	struct kube_op *op;
	int rc;

	if (reply)
		*reply = NULL;
	if (ahead_take(k, req, reply, err, &rc))
		return rc;
	op = kube_request_start(k, req, call_told, &c);
	rc = loop_run_until(k->loop, &c.done, -1);
	if (!c.done) {
		kube_request_cancel(op);
		return kt_fail(err, -rc, "%s %s: %s", req->method, req->path,
			       rc == -EINTR ? "interrupted" : strerror(-rc));
	}
	if (c.failed) {
		if (err)
			*err = c.err;
		return -c.err.code;
	}
	if (reply)
		*reply = c.json;
	else
		json_decref(c.json);
	return 0;
}

/* --- the client ----------------------------------------------------------- */

static void ignore_sigpipe(void)
{
	struct sigaction sa;

	/* curl is told not to touch signals, so a lost peer must not kill us */
	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static int check_proxy(struct kube *k, struct kt_error *err)
{
	k->proxy = proxy_for(k->cfg->server, k->cfg->proxy_url);
	if (k->proxy && url_host_parse(&k->proxy_host, k->proxy) < 0) {
		kt_hint(err, "correct proxy-url of the kubeconfig, or "
			     "https_proxy");
		/* without the secret that may be in it */
		return kt_fail(err, EINVAL, "proxy URL cannot be understood");
	}
	if (k->proxy)
		log_debug("API server through proxy %s:%u", k->proxy_host.host,
			  k->proxy_host.port);
	return 0;
}

int kube_new(struct kube **out, struct loop *loop,
	     const struct kube_config *cfg, struct kt_error *err)
{
	struct kube *k = xcalloc(1, sizeof(*k));
	int rc;

	k->loop = loop;
	k->cfg = cfg;
	list_init(&k->ops);
	list_init(&k->ready);
	ignore_sigpipe();
	rc = curl_loop_init(&k->curl, loop, client_deliver, k);
	if (rc < 0)
		kt_fail(err, -rc, "start libcurl: %s", strerror(-rc));
	if (!rc && url_host_parse(&k->host, cfg->server) < 0)
		rc = kt_fail(err, EINVAL, "server URL '%s' is not valid",
			     cfg->server);
	if (!rc)
		rc = check_proxy(k, err);
	k->auth = kube_auth_new(loop, cfg);
	if (rc < 0) {
		kube_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

void kube_free(struct kube *k)
{
	if (!k)
		return;
	ahead_free(k->ahead);
	while (!list_empty(&k->ops))
		op_destroy(container_of(k->ops.next, struct kube_op, node));
	curl_loop_fini(&k->curl);
	kube_auth_free(k->auth);
	kube_follow_fini(k);
	free(k->proxy);
	loop_defer_free(k->loop, k);
}

const struct kube_config *kube_config_of(const struct kube *k)
{
	return k->cfg;
}

struct loop *kube_loop(const struct kube *k)
{
	return k->loop;
}

void kube_set_sock_opt(struct kube *k, kube_sock_fn fn, void *user)
{
	k->sock_opt = fn;
	k->sock_user = user;
}

static bool has_addr(const struct ipaddr *list, size_t n,
		     const struct ipaddr *a)
{
	for (size_t i = 0; i < n; i++)
		if (ipaddr_eq(&list[i], a))
			return true;
	return false;
}

static int resolve_fail(struct kt_error *err, const struct kube *k,
			const char *host, const char *why)
{
	auto_free char *text = xasprintf("resolve %s: %s", host, why);

	return unreachable_fail(err, k, EHOSTUNREACH, text);
}

int kube_server_addrs(struct kube *k, struct ipaddr *out, size_t max,
		      struct kt_error *err)
{
	const char *host = k->proxy ? k->proxy_host.host : k->host.host;
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *ai;
	size_t n = 0;
	int rc = getaddrinfo(host, NULL, &want, &list);

	if (rc)
		return resolve_fail(err, k, host, gai_strerror(rc));
	for (ai = list; ai && n < max; ai = ai->ai_next) {
		struct ipport p;

		if (ipport_from_sockaddr(&p, ai->ai_addr) == 0 &&
		    !has_addr(out, n, &p.addr))
			out[n++] = p.addr;
	}
	freeaddrinfo(list);
	return (int)n;
}

bool kube_was_accepted(const struct kube *k)
{
	return kube_auth_was_accepted(k->auth);
}

/* A 403 is somebody the server knows; a 5xx may be a proxy's. */
void kube_heard_status(struct kube *k, unsigned int round, int status)
{
	if (status >= 100 && status < 500 && status != 401 && status != 407)
		kube_auth_accepted(k->auth, round);
}

/* --- the cluster's clock -------------------------------------------------- */

void kube_heard_date(struct kube *k, const char *value)
{
	time_t t = curl_getdate(value, NULL);

	if (t == (time_t)-1)
		return;
	k->skew = (int64_t)t - (int64_t)time(NULL);
	/* the header has whole seconds: one second is no difference */
	if (k->skew >= -1 && k->skew <= 1)
		k->skew = 0;
	if (!k->know_time && k->skew)
		log_debug("the cluster's clock is %lld s ahead of ours",
			  (long long)k->skew);
	k->know_time = true;
}

int64_t kube_clock_skew(const struct kube *k)
{
	return k->skew;
}

int64_t kube_cluster_time(const struct kube *k)
{
	return (int64_t)time(NULL) + k->skew;
}
