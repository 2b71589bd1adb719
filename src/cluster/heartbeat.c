/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/heartbeat.h"

#include "base/log.h"
#include "base/mem.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <inttypes.h>
#include <time.h>

struct heartbeat {
	struct kube *kube;
	char *path;
	int64_t interval;
	bool local_time, warned;
	struct timer timer;
	struct kube_op *op;
};

static void beat(struct timer *t);

static void on_patched(void *user, const struct kube_reply *reply)
{
	struct heartbeat *h = user;

	h->op = NULL;
	if (reply->err && !h->warned) {
		log_warn("heartbeat: %s", reply->err->msg);
		h->warned = true;
	} else if (reply->err) {
		log_debug("heartbeat: %s", reply->err->msg);
	}
	loop_timer_start(kube_loop(h->kube), &h->timer, h->interval, beat);
}

static void beat(struct timer *t)
{
	struct heartbeat *h = container_of(t, struct heartbeat, timer);
	int64_t now = h->local_time ? (int64_t)time(NULL)
				    : kube_cluster_time(h->kube);
	auto_free char *text = xasprintf("%" PRId64, now);
	auto_json json_t *patch =
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			  KT_ANNOTATION_HEARTBEAT, text);
	const struct kube_request req = {
		.method = "PATCH",
		.path = h->path,
		.body = patch,
		.content = KUBE_MERGE_PATCH,
	};

	h->op = kube_request_start(h->kube, &req, on_patched, h);
}

struct heartbeat *heartbeat_start(struct kube *k, const char *path,
				  int64_t interval_ns, bool local_time)
{
	struct heartbeat *h = xcalloc(1, sizeof(*h));

	h->kube = k;
	h->path = xstrdup(path);
	h->interval = interval_ns;
	h->local_time = local_time;
	loop_timer_start(kube_loop(k), &h->timer, interval_ns, beat);
	return h;
}

void heartbeat_stop(struct heartbeat *h)
{
	if (!h)
		return;
	kube_request_cancel(h->op);
	loop_timer_stop(&h->timer);
	free(h->path);
	loop_defer_free(kube_loop(h->kube), h);
}
