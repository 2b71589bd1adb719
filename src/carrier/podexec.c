/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/podexec.h"

#include "base/mem.h"
#include "base/str.h"
#include "carrier/outq.h"
#include "carrier/wslink.h"
#include "kube/rest.h"
#include "kube/status.h"

#include <errno.h>
#include <string.h>

#define PODEXEC_PROTOCOL "v4.channel.k8s.io"
#define PODEXEC_STATUS_MAX ((size_t)64 << 10)
#define PODEXEC_STDERR_MAX ((size_t)4 << 10)

enum podexec_channel {
	PODEXEC_STDOUT = 1,
	PODEXEC_STDERR,
	PODEXEC_STATUS,
	PODEXEC_NONE = -1,
};

struct podexec_job {
	const struct podexec *x;
	struct kube_conn *conn;
	struct wslink link;
	struct outq answers; /* PONG, CLOSE */
	struct buf *out, stderr_text, status;
	int channel; /* of the present message */
	bool done;
	int rc;
	struct kt_error *err;
};

static void podexec_end(struct podexec_job *j, int rc)
{
	if (j->done)
		return;
	j->done = true;
	j->rc = rc;
}

static void podexec_fail(struct podexec_job *j, int code, const char *text)
{
	if (!j->done)
		podexec_end(j, kt_fail(j->err, code, "exec in Pod %s/%s: %s",
				       j->x->ns, j->x->pod, text));
}

/* --- the end, as a Status ------------------------------------------------- */

/* What the runtimes say of a program that is not in the image */
static bool podexec_is_missing(const char *text)
{
	return strstr(text, "executable file not found") ||
	       strstr(text, "no such file or directory");
}

static void podexec_on_status(struct podexec_job *j)
{
	auto_json json_t *status = json_loadb((char *)buf_data(&j->status),
					      j->status.len, 0, NULL);
	const char *text = json_str(status, "message", NULL);
	auto_free char *said =
		j->stderr_text.len ? xstrndup((char *)buf_data(&j->stderr_text),
					      j->stderr_text.len)
				   : xstrdup("");

	if (str_eq(json_str(status, "status", NULL), "Success")) {
		podexec_end(j, 0);
		return;
	}
	if (!text)
		text = "it ended without a word";
	said[strcspn(said, "\n")] = '\0';
	if (podexec_is_missing(text))
		podexec_fail(j, ENOEXEC, "the image has no such program");
	else
		podexec_fail(j, ECHILD, *said ? said : text);
}

/* --- messages ------------------------------------------------------------- */

static void podexec_on_message(struct podexec_job *j, struct ws_slice s)
{
	struct buf *to = NULL;

	if (s.first)
		j->channel = PODEXEC_NONE;
	if (j->channel == PODEXEC_NONE && s.len) {
		j->channel = s.data[0];
		s.data++;
		s.len--;
	}
	if (j->channel == PODEXEC_STDOUT)
		to = j->out;
	else if (j->channel == PODEXEC_STDERR)
		to = &j->stderr_text;
	else if (j->channel == PODEXEC_STATUS)
		to = &j->status;
	if (!to || !s.len)
		return;
	if (buf_put(to, s.data, s.len) < 0 && to == j->out)
		podexec_fail(j, EFBIG, "it prints too much");
	if (j->channel == PODEXEC_STATUS && s.last)
		podexec_on_status(j);
}

static void podexec_on_control(struct podexec_job *j, const struct ws_slice *s)
{
	if (s->first)
		j->link.control_len = 0;
	if (s->len)
		memcpy(j->link.control + j->link.control_len, s->data, s->len);
	j->link.control_len += s->len;
	if (!s->last)
		return;
	if (s->op == WS_CLOSE)
		podexec_fail(j, ECONNRESET, "the API server has closed it");
	else if (s->op == WS_PING &&
		 outq_control(&j->answers, WS_PONG, j->link.control,
			      j->link.control_len))
		(void)!outq_flush(&j->answers, j->conn);
}

static void podexec_data(void *user, const uint8_t *data, size_t len)
{
	struct podexec_job *j = user;
	size_t used = 0;

	while (used < len && !j->done) {
		struct ws_slice s;
		bool found;
		ssize_t n = ws_rx_next(&j->link.rx, data + used, len - used, &s,
				       &found);

		if (n < 0) {
			podexec_fail(j, EPROTO, "not a WebSocket frame");
			return;
		}
		used += (size_t)n;
		if (found && s.op >= WS_CLOSE)
			podexec_on_control(j, &s);
		else if (found)
			podexec_on_message(j, s);
	}
}

static bool podexec_opened(void *user, const struct http1_head *h,
			   struct kt_error *err)
{
	const struct podexec_job *j = user;

	return wslink_accepted(&j->link, h, PODEXEC_PROTOCOL, err);
}

static void podexec_writable(void *user)
{
	struct podexec_job *j = user;

	(void)!outq_flush(&j->answers, j->conn);
}

static void podexec_failed(void *user, const struct kt_error *why)
{
	struct podexec_job *j = user;

	if (j->done)
		return;
	*j->err = *why;
	podexec_end(j, why->code > 0 ? -why->code : -EPROTO);
}

/* --- the request ---------------------------------------------------------- */

static char *podexec_path(const struct podexec *x)
{
	auto_free char *path = kube_path("v1", "pods", x->ns, x->pod, "exec");
	auto_free char *query = NULL;

	for (size_t i = 0; x->argv[i]; i++)
		query = kube_query(query, "command", x->argv[i]);
	query = kube_query(query, "container", x->container);
	query = kube_query(query, "stdout", "true");
	query = kube_query(query, "stderr", "true");
	return xasprintf("%s?%s", path, query);
}

int podexec_run(struct kube *k, const struct podexec *x, struct buf *out,
		struct kt_error *err)
{
	static const struct kube_conn_handler handler = {
		.opened = podexec_opened,
		.data = podexec_data,
		.writable = podexec_writable,
		.failed = podexec_failed,
	};
	struct podexec_job j = { .x = x, .out = out, .err = err };
	auto_free char *path = podexec_path(x);
	auto_free char *key = wslink_key(&j.link);
	const char *const fields[] = {
		key, "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Protocol: " PODEXEC_PROTOCOL, NULL
	};
	const struct kube_conn_request req = {
		.method = "GET",
		.path = path,
		.upgrade = "websocket",
		.fields = fields,
		.timeout_ns = x->timeout_ns,
	};
	int rc;

	outq_init(&j.answers, true, 0, NULL);
	buf_init(&j.stderr_text, PODEXEC_STDERR_MAX);
	buf_init(&j.status, PODEXEC_STATUS_MAX);
	j.channel = PODEXEC_NONE;
	j.conn = kube_conn_open(k, &req, &handler, &j);
	rc = loop_run_until(kube_loop(k), &j.done, x->timeout_ns);
	if (rc == -EINTR)
		kt_fail(err, EINTR, "interrupted");
	else if (rc < 0)
		kt_fail(err, -rc, "exec in Pod %s/%s: no end in time", x->ns,
			x->pod);
	kube_conn_close(j.conn);
	outq_fini(&j.answers);
	buf_fini(&j.stderr_text);
	buf_fini(&j.status);
	return rc < 0 ? rc : j.rc;
}
