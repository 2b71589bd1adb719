/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/portforward.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "carrier/pf.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define MAX_REASON 1024
#define DEFAULT_TIMEOUT (10 * NS_SEC)

static const struct {
	const char *name;
	const struct pf_ops *ops;
} forms[] = {
	[PF_SPDY] = { "spdy", &pf_spdy_ops },
	[PF_SPDY_WEBSOCKET] = { "spdy-websocket", &pf_spdy_websocket_ops },
	[PF_WEBSOCKET] = { "websocket", &pf_websocket_ops },
};

_Static_assert(ARRAY_SIZE(forms) == PF_NFORMS_, "a form is missing");

const char *pf_form_name(enum pf_form form)
{
	return forms[form].name;
}

/* --- the end -------------------------------------------------------------- */

static void pf_closed(struct portforward *pf, const struct kt_error *why)
{
	if (pf->closed || pf->closing)
		return;
	pf->closed = true;
	kube_conn_close(pf->conn);
	pf->conn = NULL;
	pf->carrier.handler->closed(pf->carrier.user, why);
}

void pf_end(struct portforward *pf, int code, const char *text)
{
	struct kt_error err = { 0 };

	if (pf->closed || pf->closing)
		return;
	if (pf->reason.len)
		kt_fail(&err, ECONNREFUSED, "port-forward to %s: %.*s",
			pf->name, (int)pf->reason.len,
			(char *)buf_data(&pf->reason));
	else
		kt_fail(&err, code, "port-forward to %s: %s", pf->name, text);
	pf_closed(pf, &err);
}

/* --- sending -------------------------------------------------------------- */

/* From the loop only: it may call the owner. */
static void pf_flush(struct portforward *pf)
{
	int rc;

	if (!pf->open || pf->closed || pf->closing)
		return;
	rc = outq_flush(&pf->out, pf->conn);
	if (rc < 0 && rc != -EAGAIN) {
		pf_end(pf, ECONNRESET,
		       "the connection to the API server was lost");
		return;
	}
	if (pf->blocked && pf->out.queued <= OUTQ_MAX / 2 &&
	    (!pf->ops->room || pf->ops->room(pf, 1))) {
		pf->blocked = false;
		pf->carrier.handler->writable(pf->carrier.user);
	}
}

static void portforward_deferred_flush(void *user)
{
	struct portforward *pf = user;

	pf->flushing = false;
	pf_flush(pf);
}

void pf_flush_later(struct portforward *pf)
{
	if (pf->flushing)
		return;
	pf->flushing = true;
	loop_defer(pf->loop, portforward_deferred_flush, pf);
}

void pf_may_send(struct portforward *pf)
{
	if (pf->blocked)
		pf_flush_later(pf);
}

static size_t portforward_put(struct portforward *pf, const struct iovec *v)
{
	size_t n = v->iov_len;

	if (pf->ops->room)
		n = pf->ops->room(pf, n);
	n = outq_put(&pf->out, v->iov_base, n);
	if (pf->ops->sent)
		pf->ops->sent(pf, n);
	return n;
}

static ssize_t pf_send(struct carrier *carrier, const struct iovec *iov, int n)
{
	struct portforward *pf =
		container_of(carrier, struct portforward, carrier);
	size_t total = 0;
	bool cut = false;

	if (pf->closed)
		return -EPIPE;
	if (!pf->open)
		return -EAGAIN;
	for (int i = 0; i < n && !cut; i++) {
		size_t k = portforward_put(pf, &iov[i]);

		total += k;
		cut = k < iov[i].iov_len;
	}
	pf->blocked = pf->blocked || cut;
	pf_flush_later(pf);
	return total ? (ssize_t)total : -EAGAIN;
}

/* --- receiving ------------------------------------------------------------ */

void pf_give(struct portforward *pf, const uint8_t *data, size_t len)
{
	if (len)
		pf->carrier.handler->data(pf->carrier.user, data, len);
}

void pf_reason(struct portforward *pf, const uint8_t *data, size_t len)
{
	size_t room = pf->reason.max - pf->reason.len;

	if (buf_put(&pf->reason, data, MIN(len, room)) < 0)
		log_debug("port-forward to %s: reason lost", pf->name);
}

static void conn_data(void *user, const uint8_t *data, size_t len)
{
	struct portforward *pf = user;

	pf->ops->data(pf, data, len);
}

static void conn_writable(void *user)
{
	pf_flush(user);
}

static void conn_failed(void *user, const struct kt_error *why)
{
	struct portforward *pf = user;
	struct kt_error err = *why;

	if (pf->reason.len) {
		pf_end(pf, ECONNRESET, "");
		return;
	}
	kt_wrap(&err, 0, "port-forward to %s", pf->name);
	pf_closed(pf, &err);
}

/* --- opening and closing -------------------------------------------------- */

static bool conn_opened(void *user, const struct http1_head *h,
			struct kt_error *err)
{
	struct portforward *pf = user;

	if (!pf->ops->opened(pf, h, err))
		return false;
	pf->open = true;
	pf_flush_later(pf);
	pf->carrier.handler->opened(pf->carrier.user);
	return true;
}

static const struct kube_conn_handler conn_handler = {
	.opened = conn_opened,
	.data = conn_data,
	.writable = conn_writable,
	.failed = conn_failed,
};

static void pf_close(struct carrier *carrier)
{
	struct portforward *pf =
		container_of(carrier, struct portforward, carrier);

	if (pf->closing)
		return;
	if (pf->open && pf->conn) { /* what the socket takes at once */
		pf->ops->bye(pf);
		if (outq_flush(&pf->out, pf->conn) < 0)
			log_debug("port-forward to %s: closed with %zu bytes "
				  "unsent",
				  pf->name, pf->out.queued);
	}
	pf->closing = true;
	kube_conn_close(pf->conn);
	pf->conn = NULL;
	pf->ops->fini(pf);
	outq_fini(&pf->out);
	buf_fini(&pf->reason);
	free(pf->name);
	loop_defer_free(pf->loop, pf);
}

static const struct carrier_ops carrier_ops = {
	.send = pf_send,
	.close = pf_close,
};

static void portforward_start(struct portforward *pf, struct kube *k,
			      const char *ns, const char *pod,
			      int64_t timeout_ns)
{
	auto_free char *base = kube_path("v1", "pods", ns, pod, "portforward");
	auto_free char *path =
		pf->ops->query
			? xasprintf("%s?%s%u", base, pf->ops->query, pf->port)
			: xstrdup(base);
	auto_strv struct strv fields = { 0 };
	struct kube_conn_request req = {
		.method = pf->ops->method,
		.path = path,
		.upgrade = pf->ops->upgrade,
		.timeout_ns = timeout_ns > 0 ? timeout_ns : DEFAULT_TIMEOUT,
	};

	pf->ops->fields(pf, &fields);
	req.fields = (const char *const *)fields.v;
	pf->conn = kube_conn_open(k, &req, &conn_handler, pf);
}

int portforward_open(struct carrier **out, enum pf_form form, struct kube *k,
		     const char *ns, const char *pod, uint16_t port,
		     int64_t timeout_ns, const struct carrier_handler *h,
		     void *user, struct kt_error *err)
{
	const struct pf_ops *ops = forms[form].ops;
	struct portforward *pf;

	if (!port || !*ns || !*pod)
		return kt_fail(err, EINVAL,
			       "port-forward needs a namespace, a "
			       "Pod and a port");
	pf = xcalloc(1, ops->size);
	pf->ops = ops;
	if (ops->init(pf) < 0) {
		free(pf);
		return kt_fail(err, ENOMEM, "port-forward: out of memory");
	}
	pf->carrier = (struct carrier){ &carrier_ops, h, user };
	pf->loop = kube_loop(k);
	pf->name = xasprintf("pod %s/%s port %u", ns, pod, port);
	pf->port = port;
	buf_init(&pf->reason, MAX_REASON);
	portforward_start(pf, k, ns, pod, timeout_ns);
	*out = &pf->carrier;
	return 0;
}
