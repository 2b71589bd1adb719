/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_CONN_H
#define KT_CARRIER_CONN_H

#include "kube/client.h"
#include "wire/http1.h"

#include <sys/types.h>

/**
 * DOC: Upgraded connections
 *
 * A connection to the API server that left HTTP behind: libcurl connects (TCP,
 * proxy, TLS, client certificate), we send one request with Upgrade by hand and
 * wait for 101; from then on it is a byte pipe. What runs in the pipe
 * (WebSocket, SPDY) is the owner's business.
 *
 * States: AUTH (credentials are fetched) -> CONNECT (curl) -> HEAD (request
 * sent, reading the head) -> OPEN, or BODY (the answer was not 101: its body
 * is read, up to a bound, for the error). The first four are bounded together
 * by @timeout_ns. After failed() only kube_conn_close() may be called.
 *
 * Every callback comes from the loop, never from inside a call.
 */

struct kube_conn;

struct kube_conn_handler {
	/** opened() - 101 came; false with @err refuses it (failed() follows)
	 */
	bool (*opened)(void *user, const struct http1_head *head,
		       struct kt_error *err);
	/** data() - bytes; all are used */
	void (*data)(void *user, const uint8_t *data, size_t len);
	/** writable() - after a short kube_conn_send() */
	void (*writable)(void *user);
	/** failed() - it is over; @why->code ECONNRESET when the peer closed */
	void (*failed)(void *user, const struct kt_error *why);
};

/** struct kube_conn_request - borrowed during the call */
struct kube_conn_request {
	const char *method;
	const char *path;	   /* with query, escaped */
	const char *upgrade;	   /* "websocket", "SPDY/3.1" */
	const char *const *fields; /* more "Name: value", NULL-terminated */
	int64_t timeout_ns;	   /* until 101 */
};

struct kube_conn *kube_conn_open(struct kube *k,
				 const struct kube_conn_request *req,
				 const struct kube_conn_handler *h, void *user);
/**
 * kube_conn_send() - bytes taken, -EAGAIN (writable() will come), or -errno
 *
 * What was taken is on its way after kube_conn_flush() only. After a short send
 * the next call must begin with the very bytes, at the very address, that were
 * not taken (TLS has sealed a part of them).
 */
ssize_t kube_conn_send(struct kube_conn *c, const void *data, size_t len);
/** kube_conn_flush() - sends what kube_conn_send() took and gathered; 0,
 * -EAGAIN (writable() will come: again then), or -errno */
int kube_conn_flush(struct kube_conn *c);
/** kube_conn_close() - no callback any more; NULL is allowed */
void kube_conn_close(struct kube_conn *c);

#endif
