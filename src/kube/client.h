/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_CLIENT_H
#define KT_KUBE_CLIENT_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"
#include "kube/kubeconfig.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Kubernetes client
 *
 * REST over libcurl in our event loop, JSON as jansson trees, so that unknown
 * fields survive a read-modify-write. A request is tried again, with back-off
 * and within its time-out, when the server is busy (429, 5xx; Retry-After is
 * honoured) or could not be reached; a POST only on 429 and when it was never
 * sent. After a 401 it is tried once more with credentials read anew.
 *
 * Errors: a Status reply becomes a kt_error with http_status, reason and the
 * message verbatim, and a hint where we know one. err->code:
 *   EINVAL 400 422 · EACCES 401 · EPERM 403 · ENOENT 404 · EEXIST 409
 *   AlreadyExists · EBUSY 409 Conflict · ESTALE 410 · EAGAIN 429 · EIO 5xx
 *   ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT, ... not reachable
 *   EPROTO the TLS certificate or an answer that makes no sense
 */

struct kube;

/** kube_sock_fn - sees every socket to the API server (or its proxy) before it
 *  connects to @to; 0, or -errno: it does not */
typedef int (*kube_sock_fn)(void *user, int fd, const struct ipport *to);

/** kube_new() - a client; no traffic yet. @cfg is borrowed and must live as
 *  long. SIGPIPE is set to be ignored. 0 or -errno with @err */
KT_CHECK int kube_new(struct kube **out, struct loop *loop,
		      const struct kube_config *cfg, struct kt_error *err);
/** kube_free() - ends every request without its callback; watches and
 *  port-forwards must be closed before. Not from a callback of this client. */
void kube_free(struct kube *k);

/** kube_leave() - its user is leaving: from now on an API server that does not
 *  answer is given up soon (kube/patience.h), and then for good. @hurried: is
 *  looked at meanwhile: he is impatient; borrowed, or NULL. @k may be NULL. */
void kube_leave(struct kube *k, const bool *hurried);
/** kube_is_gone() - and it was given up; NULL is allowed */
bool kube_is_gone(const struct kube *k);

const struct kube_config *kube_config_of(const struct kube *k);
struct loop *kube_loop(const struct kube *k);
/** kube_set_sock_opt() - a hook for SO_BINDTODEVICE, SO_MARK and the like, from
 *  now on; NULL: none */
void kube_set_sock_opt(struct kube *k, kube_sock_fn fn, void *user);
/** kube_server_addrs() - where our sockets lead: the API server's addresses,
 *  or those of the proxy in front of it. Blocking (DNS): top level only.
 *  Return: how many were written to @out (at most @max), or -errno with @err */
KT_CHECK int kube_server_addrs(struct kube *k, struct ipaddr *out, size_t max,
			       struct kt_error *err);
/** kube_was_accepted() - the server has taken our credentials before: a 401
 *  may pass, everything goes on by itself when they are good again */
bool kube_was_accepted(const struct kube *k);
/** kube_cluster_time() - Unix seconds by the API server's clock, as far as its
 *  Date headers told (else our own) */
int64_t kube_cluster_time(const struct kube *k);
/** kube_clock_skew() - seconds that the cluster is ahead of us */
int64_t kube_clock_skew(const struct kube *k);

/* --- one request ---------------------------------------------------------- */

enum kube_content {
	KUBE_JSON,
	KUBE_MERGE_PATCH,
	KUBE_JSON_PATCH,
	KUBE_STRATEGIC_PATCH,
	KUBE_NCONTENT_,
};

/* Objects with nothing but their metadata */
#define KUBE_METADATA "PartialObjectMetadata"
#define KUBE_METADATA_LIST "PartialObjectMetadataList"

#define KUBE_DEFAULT_TIMEOUT (30 * NS_SEC)

/** struct kube_request - what to ask; borrowed during the call only */
struct kube_request {
	const char *method; /* "GET", "POST", ... */
	const char *path;   /* escaped, from kube_path() */
	const char *query;  /* escaped, without '?', or NULL */
	const json_t *body; /* or NULL */
	enum kube_content content;
	int64_t timeout_ns; /* 0: KUBE_DEFAULT_TIMEOUT, < 0: none */
	bool no_retry;
	const char *as; /* KUBE_METADATA...: of a GET, not all; or NULL */
	/**
	 * stream() - instead of collecting it, the body of a 2xx reply is
	 * handed over as it arrives (a watch, a log); may cancel the request
	 */
	void (*stream)(void *user, const char *data, size_t len);
};

/** struct kube_reply - borrowed during the callback */
struct kube_reply {
	int status;	  /* HTTP, 0 when there was no answer */
	json_t *json;	  /* the body, or NULL when it is not JSON */
	const char *text; /* the body as it came, NUL-ended */
	size_t text_len;
	const struct kt_error *err; /* NULL on 2xx */
};

typedef void (*kube_reply_fn)(void *user, const struct kube_reply *reply);

struct kube_op;

/** kube_request_start() - ask; @fn is called once, from the loop, unless the
 *  request is cancelled before. Returns the handle, valid until then. */
struct kube_op *kube_request_start(struct kube *k,
				   const struct kube_request *req,
				   kube_reply_fn fn, void *user);
/** kube_request_cancel() - no callback any more; NULL is allowed; not from
 *  inside its own callback (there it is over already) */
void kube_request_cancel(struct kube_op *op);

/**
 * kube_call() - ask and wait in the loop; top-level code only
 * @reply: NULL, or gets the reply (returned, caller decrefs; NULL when it is
 * not JSON)
 * Return: 0, or -errno with @err; -EINTR when the loop was interrupted.
 */
KT_CHECK int kube_call(struct kube *k, const struct kube_request *req,
		       json_t **reply, struct kt_error *err);

#endif
