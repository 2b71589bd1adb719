/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/forms.h"

#include "base/mem.h"
#include "base/str.h"
#include "carrier/conn.h"
#include "carrier/wslink.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/shadow_ports.h"

#include <errno.h>
#include <string.h>

#define FORMS_NOBODY "kt-doctor-no-such-pod"
#define FORMS_OURS "labelSelector=control-by%3Dkt%2Ckt-role"
/* ends by itself, and has nothing to say */
#define FORMS_WATCH                                                            \
	"watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3D" FORMS_NOBODY

struct forms_run;

/** struct forms_one - a request under way */
struct forms_one {
	struct forms_run *run;
	struct form_try *result;
	struct carrier *carrier;
	struct kube_conn *conn;
	bool over;
};

struct forms_run {
	struct forms_one one[PF_NFORMS_ + 1]; /* the last one: the watch */
	size_t n, left;
	bool done;
};

static void forms_end(struct forms_one *o, const struct kt_error *why)
{
	struct forms_run *r = o->run;

	if (o->over)
		return;
	o->over = true;
	o->result->opened = !why;
	if (why)
		o->result->why = *why;
	r->left--;
	r->done = r->left == 0;
}

/* --- into a Pod ----------------------------------------------------------- */

static void forms_on_opened(void *user)
{
	forms_end(user, NULL);
}

static void forms_on_data(void *user, const uint8_t *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void forms_on_writable(void *user)
{
	(void)user;
}

static void forms_on_closed(void *user, const struct kt_error *why)
{
	forms_end(user, why);
}

static void forms_open(struct forms_one *o, struct kube *k, const char *ns,
		       const struct forms *f, enum pf_form form,
		       int64_t timeout_ns)
{
	static const struct carrier_handler handler = {
		.opened = forms_on_opened,
		.data = forms_on_data,
		.writable = forms_on_writable,
		.closed = forms_on_closed,
	};
	const char *pod = *f->pod ? f->pod : FORMS_NOBODY;
	struct kt_error err = { 0 };

	if (portforward_open(&o->carrier, form, k, ns, pod,
			     *f->pod ? f->port : SHADOW_TUNNEL_PORT, timeout_ns,
			     &handler, o, &err) < 0)
		forms_end(o, &err);
}

/* --- the watch ------------------------------------------------------------ */

static bool forms_watch_opened(void *user, const struct http1_head *head,
			       struct kt_error *err)
{
	(void)head;
	(void)err;
	forms_end(user, NULL);
	return true;
}

static void forms_watch_failed(void *user, const struct kt_error *why)
{
	forms_end(user, why);
}

static void forms_watch(struct forms_one *o, struct kube *k, const char *ns,
			int64_t timeout_ns)
{
	static const struct kube_conn_handler handler = {
		.opened = forms_watch_opened,
		.data = forms_on_data,
		.writable = forms_on_writable,
		.failed = forms_watch_failed,
	};
	auto_free char *base = kube_path("v1", "pods", ns, NULL, NULL);
	auto_free char *path = xasprintf("%s?%s", base, FORMS_WATCH);
	auto_free char *origin =
		xasprintf("Origin: %s", kube_config_of(k)->server);
	struct wslink link = { 0 };
	auto_free char *key = wslink_key(&link);
	const char *const fields[] = { key, "Sec-WebSocket-Version: 13", origin,
				       NULL };
	struct kube_conn_request req = {
		.method = "GET",
		.path = path,
		.upgrade = "websocket",
		.fields = fields,
		.timeout_ns = timeout_ns,
	};

	o->conn = kube_conn_open(k, &req, &handler, o);
}

/* --- the whole ------------------------------------------------------------ */

/* Whoever's it is: a tunnel can be opened into any of them */
static void forms_find_pod(struct kube *k, const char *ns, struct forms *f)
{
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	auto_json json_t *list = NULL;
	struct kt_error err = { 0 };
	const json_t *pod;
	size_t i;

	if (kube_list(k, path, FORMS_OURS, &list, &err) < 0)
		return;
	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (str_eq(json_str(pod, "status", "phase", NULL), "Running") &&
		    !json_str(pod, "metadata", "deletionTimestamp", NULL)) {
			snprintf(f->pod, sizeof(f->pod), "%s",
				 object_name(pod));
			f->port = shadow_ports_tunnel(pod);
		}
}

static int forms_run(struct kube *k, const char *ns, const struct home *home,
		     int64_t timeout_ns, struct forms *out)
{
	struct forms_run run = { 0 };
	int rc;

	out->known = carriers_recall(home, kube_config_of(k));
	run.n = run.left = PF_NFORMS_ + (*out->pod ? 0 : 1);
	for (size_t i = 0; i < run.n; i++) {
		struct forms_one *o = &run.one[i];

		o->run = &run;
		o->result = i < PF_NFORMS_ ? &out->form[i] : &out->watch;
		if (i == PF_NFORMS_)
			forms_watch(o, k, ns, timeout_ns);
		else
			forms_open(o, k, ns, out, (enum pf_form)i, timeout_ns);
	}
	rc = loop_run_until(kube_loop(k), &run.done, -1);
	for (size_t i = 0; i < run.n; i++) {
		carrier_close(run.one[i].carrier);
		kube_conn_close(run.one[i].conn);
	}
	return rc;
}

int forms_try(struct kube *k, const char *ns, const struct home *home,
	      int64_t timeout_ns, struct forms *out)
{
	*out = (struct forms){ 0 };
	forms_find_pod(k, ns, out);
	return forms_run(k, ns, home, timeout_ns, out);
}

int forms_try_pod(struct kube *k, const char *ns, const char *pod,
		  uint16_t port, const struct home *home, int64_t timeout_ns,
		  struct forms *out)
{
	*out = (struct forms){ .port = port };
	snprintf(out->pod, sizeof(out->pod), "%s", pod);
	return forms_run(k, ns, home, timeout_ns, out);
}

bool forms_not_found(const struct form_try *t)
{
	return !t->opened && t->why.http_status == 404 &&
	       strstr(t->why.msg, "pods \"" FORMS_NOBODY "\" not found");
}
